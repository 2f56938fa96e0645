//! What a key may be restricted to: `scopes`, by OpenAI's names.

use domain::restriction::{KeyPermissions, KeyScope};

use crate::body::Fields;
use crate::respond::Outcome;

/// The most scopes that a list names.
const MOST: usize = 64;

/// What `scopes` restricts a key to, if it is there: to nothing less than its owner may do where
/// the list is empty.
pub(crate) fn scopes(fields: &Fields) -> Outcome<Option<KeyPermissions>> {
    let Some(names) = fields.ids("scopes", MOST)? else {
        return Ok(None);
    };
    if names.is_empty() {
        return Ok(Some(KeyPermissions::All));
    }
    let is_known =
        |name: &str| name == KeyPermissions::READ_ONLY || KeyScope::from_name(name).is_some();
    match names.iter().find(|name| !is_known(name)) {
        Some(name) => {
            let problem = format!("there is no '{name}' that a key of a project can have here");
            Err(fields.invalid("scopes", &problem))
        }
        None => Ok(Some(KeyPermissions::from_names(names))),
    }
}

/// The scopes of a key as the audit log names them: none named means all.
pub(crate) fn names(permissions: KeyPermissions) -> Vec<&'static str> {
    permissions.names().unwrap_or_default()
}
