//! Every organization of the installation, as operators look for them.

use domain::id::OrganizationId;
use domain::ledger::Account;
use domain::money::Nusd;
use domain::time::AtUs;
use domain::window::Window;

use super::{Organization, from_row};
use crate::page::{Page, Place, containing};
use crate::{Row, StoreError, Tx, Value};

/// Which organizations are looked for; those that all of it fits.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A part of the name or of a member's address, in small or capital letters, or the id.
    pub search: Option<String>,
    /// Whether they are suspended.
    pub is_suspended: Option<bool>,
}

/// An organization, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The organization.
    pub organization: Organization,
    /// How many people belong to it.
    pub members: u64,
    /// What was paid in and not spent; negative while a credit line is used.
    pub balance: Nusd,
    /// What was charged to its requests admitted in this month, UTC.
    pub spent_this_month: Nusd,
}

/// The place of an organization in the list.
///
/// # Errors
/// [`StoreError`].
pub fn place(tx: &mut Tx<'_>, id: &str) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT created_at_us FROM organizations WHERE id = $1";
    let row = tx.query_optional(sql, &[id.into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.to_owned())))
        .transpose()
}

/// Organizations by when they were made.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    page: &Page,
    now: AtUs,
) -> Result<Vec<Listed>, StoreError> {
    let mut params: Vec<Value> = Vec::new();
    let mut conditions = vec!["1 = 1".to_owned()];
    if let Some(search) = &filter.search {
        params.push(containing(search).into());
        params.push(search.as_str().into());
        conditions.push(
            "(o.id = $2 OR LOWER(o.name) LIKE $1 ESCAPE '\\' OR o.id IN (
                 SELECT m.organization_id FROM members m JOIN users u ON u.id = m.user_id
                 WHERE u.email LIKE $1 ESCAPE '\\'))"
                .to_owned(),
        );
    }
    conditions.extend(filter.is_suspended.map(|is_suspended| {
        let not = if is_suspended { "NOT " } else { "" };
        format!("o.suspended_at_us IS {not}NULL")
    }));
    let tail = page.tail("o.created_at_us", "o.id", &mut params);
    read(
        tx,
        &format!("{}{tail}", conditions.join(" AND ")),
        params,
        now,
    )
}

/// One organization as the list shows it.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &OrganizationId, now: AtUs) -> Result<Option<Listed>, StoreError> {
    let params = vec![id.as_str().into()];
    Ok(read(tx, "o.id = $1", params, now)?.pop())
}

fn read(
    tx: &mut Tx<'_>,
    condition: &str,
    mut params: Vec<Value>,
    now: AtUs,
) -> Result<Vec<Listed>, StoreError> {
    params.push(Window::Month.span(now).start.0.into());
    let month = params.len();
    let sql = format!(
        "SELECT o.id, o.name, o.created_at_us, o.suspended_at_us, o.suspension_reason,
                (SELECT COUNT(*) FROM members m WHERE m.organization_id = o.id),
                COALESCE(a.credits_nusd - a.debits_nusd, 0)
                    - COALESCE(l.debits_nusd - l.credits_nusd, 0),
                CAST(COALESCE((SELECT SUM(u.cost_nusd) FROM usage_days u
                               WHERE u.organization_id = o.id AND u.day_at_us >= ${month}), 0)
                     AS BIGINT)
         FROM organizations o LEFT JOIN accounts a ON a.id = '{wallets}' || o.id
                LEFT JOIN accounts l ON l.id = '{lines}' || o.id
         WHERE {condition}",
        wallets = Account::Wallet(OrganizationId::new("")),
        lines = Account::Overdraft(OrganizationId::new("")),
    );
    let listed = |row: &Row| {
        Ok(Listed {
            organization: from_row(row)?,
            members: row.count(5)?,
            balance: Nusd::new(row.int(6)?),
            spent_this_month: Nusd::new(row.int(7)?),
        })
    };
    tx.query(&sql, &params)?.iter().map(listed).collect()
}
