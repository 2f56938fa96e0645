//! Joining an organization without an invite, because the operator lets everybody in who has an
//! address of some domain.

use domain::Entropy;
use domain::id::{OrganizationId, UserId};
use domain::time::AtUs;
use serde_json::json;

use crate::audit::{self, Act, Actor, Event, Kind};
use crate::{StoreError, Tx, members};

/// An organization to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Which.
    pub organization: OrganizationId,
    /// As what: `owner` or `reader`.
    pub role: String,
}

/// Somebody who joins.
#[derive(Clone, Copy, Debug)]
pub struct Joining<'a> {
    /// What.
    pub join: &'a Join,
    /// Who.
    pub user: &'a UserId,
    /// What the audit log says of them.
    pub actor: &'a Actor,
}

/// Whether there is such an organization.
///
/// # Errors
/// [`StoreError`].
pub fn exists(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM organizations WHERE id = $1";
    let row = tx.query_optional(sql, &[organization.as_str().into()])?;
    Ok(row.is_some())
}

/// Lets a user join. Whoever belongs to the organization already keeps the role that they have.
/// Servers and the audit log hear of it.
///
/// # Errors
/// [`StoreError`].
pub fn join(
    tx: &mut Tx<'_>,
    joining: &Joining<'_>,
    now: AtUs,
    entropy: Entropy,
) -> Result<(), StoreError> {
    let Joining { join, user, actor } = *joining;
    let Join { organization, role } = join;
    if !members::add(tx, organization, user, role, now)? {
        return Ok(());
    }
    let event = Event::new(Kind::UserAdded, user).data(json!({"role": role}));
    let act = Act {
        actor,
        organization,
        at: now,
        entropy,
    };
    audit::record(tx, &act, &[event])
}
