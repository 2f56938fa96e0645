//! Organizations: who pays. Each begins with an owner, a wallet and a default project.

mod list;

use domain::Entropy;
use domain::id::{OrganizationId, ProjectId, UserId};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::projects::{self, Project};
use crate::{Row, StoreError, Tx, wallets};

pub use list::{Filter, Listed, get, list, place};

/// The name of the project that every organization begins with.
const DEFAULT_PROJECT: &str = "Default project";

/// An organization that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded {
    /// The organization.
    pub id: OrganizationId,
    /// Its default project.
    pub project: ProjectId,
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created_at: AtUs,
    /// Why it takes no requests and no changes, if it is suspended.
    pub suspension: Option<Suspension>,
}

/// That an operator suspended an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Since when.
    pub since: AtUs,
    /// Why, as the operator put it.
    pub reason: String,
}

/// What an organization is called.
///
/// # Errors
/// [`StoreError`].
pub fn name(tx: &mut Tx<'_>, id: &OrganizationId) -> Result<String, StoreError> {
    let sql = "SELECT name FROM organizations WHERE id = $1";
    Ok(tx
        .query_one(sql, &[id.as_str().into()])?
        .text(0)?
        .to_owned())
}

/// Makes an organization that a user owns.
///
/// # Errors
/// [`StoreError`].
pub fn found(
    tx: &mut Tx<'_>,
    name: &str,
    owner: &UserId,
    now: AtUs,
    entropy: Entropy,
) -> Result<Founded, StoreError> {
    let id = OrganizationId::random(entropy);
    tx.execute_one(
        "INSERT INTO organizations (id, name, created_at_us) VALUES ($1, $2, $3)",
        &[id.as_str().into(), name.into(), now.0.into()],
    )?;
    tx.execute_one(
        "INSERT INTO members (organization_id, user_id, role, added_at_us)
         VALUES ($1, $2, 'owner', $3)",
        &[id.as_str().into(), owner.as_str().into(), now.0.into()],
    )?;
    wallets::open(tx, &id)?;
    let project = Project {
        id: ProjectId::random(entropy),
        name: DEFAULT_PROJECT.into(),
        is_default: true,
        created_at: now,
        archived_at: None,
    };
    projects::create(tx, &id, &project)?;
    let project = project.id;
    Ok(Founded { id, project })
}

/// Suspends an organization: servers that hear of it refuse its requests, those in flight end as
/// they would. False if it was suspended already, for whatever reason.
///
/// # Errors
/// [`StoreError`].
pub fn suspend(
    tx: &mut Tx<'_>,
    id: &OrganizationId,
    reason: &str,
    now: AtUs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE organizations SET suspended_at_us = $2, suspension_reason = $3
               WHERE id = $1 AND suspended_at_us IS NULL";
    let suspended = tx.execute(sql, &[id.as_str().into(), now.0.into(), reason.into()])?;
    told(tx, suspended, id, now)
}

/// Ends a suspension; false if there was none.
///
/// # Errors
/// [`StoreError`].
pub fn resume(tx: &mut Tx<'_>, id: &OrganizationId, now: AtUs) -> Result<bool, StoreError> {
    let sql = "UPDATE organizations SET suspended_at_us = NULL, suspension_reason = NULL
               WHERE id = $1 AND suspended_at_us IS NOT NULL";
    let resumed = tx.execute(sql, &[id.as_str().into()])?;
    told(tx, resumed, id, now)
}

/// Tells servers of a change, if there was one.
fn told(tx: &mut Tx<'_>, changed: u64, id: &OrganizationId, now: AtUs) -> Result<bool, StoreError> {
    if changed == 1 {
        changes::record(tx, ChangeKind::Organization, id.as_str(), now)?;
    }
    Ok(changed == 1)
}

/// Whether an organization is suspended.
///
/// # Errors
/// [`StoreError`].
pub fn is_suspended(tx: &mut Tx<'_>, id: &OrganizationId) -> Result<bool, StoreError> {
    let sql = "SELECT suspended_at_us FROM organizations WHERE id = $1";
    let row = tx.query_optional(sql, &[id.as_str().into()])?;
    Ok(row
        .map(|row| row.opt_int(0))
        .transpose()?
        .flatten()
        .is_some())
}

/// Every organization that is suspended.
///
/// # Errors
/// [`StoreError`].
pub fn suspended(tx: &mut Tx<'_>) -> Result<Vec<OrganizationId>, StoreError> {
    let sql = "SELECT id FROM organizations WHERE suspended_at_us IS NOT NULL";
    let rows = tx.query(sql, &[])?;
    rows.iter()
        .map(|row| row.text(0).map(OrganizationId::new))
        .collect()
}

/// The columns id, name, `created_at_us`, `suspended_at_us` and `suspension_reason`.
fn from_row(row: &Row) -> Result<Organization, StoreError> {
    let since = row.opt_int(3)?.map(AtUs);
    let reason = row.opt_text(4)?.unwrap_or_default().to_owned();
    Ok(Organization {
        id: OrganizationId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        created_at: AtUs(row.int(2)?),
        suspension: since.map(|since| Suspension { since, reason }),
    })
}
