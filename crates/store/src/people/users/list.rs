//! Every user of the installation, as operators look for them.

use domain::time::AtUs;

use super::{COLUMNS, User, from_row};
use crate::page::{Page, Place, containing};
use crate::{StoreError, Tx, Value};

/// Which users are looked for; those that all of it fits.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A part of the name or the address, in small or capital letters, or the id.
    pub search: Option<String>,
    /// Whether they are locked.
    pub is_locked: Option<bool>,
    /// Whether they run this installation.
    pub is_operator: Option<bool>,
}

/// The place of a user in the list.
///
/// # Errors
/// [`StoreError`].
pub fn place(tx: &mut Tx<'_>, id: &str) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT created_at_us FROM users WHERE id = $1";
    let row = tx.query_optional(sql, &[id.into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.to_owned())))
        .transpose()
}

/// Users by when they were made.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, filter: &Filter, page: &Page) -> Result<Vec<User>, StoreError> {
    let mut params: Vec<Value> = Vec::new();
    let mut conditions = vec!["1 = 1".to_owned()];
    if let Some(search) = &filter.search {
        params.push(containing(search).into());
        params.push(search.as_str().into());
        let fits = "(id = $2 OR email LIKE $1 ESCAPE '\\' OR LOWER(name) LIKE $1 ESCAPE '\\')";
        conditions.push(fits.to_owned());
    }
    for (column, is_so) in [
        ("locked_at_us", filter.is_locked),
        ("operator_since_us", filter.is_operator),
    ] {
        conditions.extend(is_so.map(|is_so| {
            let not = if is_so { "NOT " } else { "" };
            format!("{column} IS {not}NULL")
        }));
    }
    let conditions = conditions.join(" AND ");
    let tail = page.tail("created_at_us", "id", &mut params);
    let sql = format!("SELECT {COLUMNS} FROM users WHERE {conditions}{tail}");
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}
