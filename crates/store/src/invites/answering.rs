//! What somebody does with an invite that is for them: they find it, by the secret of its mail or
//! by its address, and accept or decline it, once.

use domain::Entropy;
use domain::id::{InviteId, OrganizationId, ProjectId, UserId};
use domain::people::secret::BearerDigest;
use domain::time::AtUs;
use serde_json::json;

use super::{COLUMNS, Invite, InvitedProject, Status, from_row};
use crate::audit::{self, Act, Actor, Event, Kind};
use crate::project_members::{self, NewMember};
use crate::{Row, StoreError, Tx, members, projects};

/// Why an invite cannot be accepted or declined.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// There is none, or not any more: it expired, was deleted, or was accepted.
    #[error("this invite does not exist, has expired or was accepted already")]
    Gone,
    /// It is for another address than the user's.
    #[error("this invite is for another email address")]
    OtherAddress,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What names an invite.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The digest of the secret that was mailed.
    Secret(&'a BearerDigest),
    /// Its id, which its address must go with: an id is no secret.
    Id(&'a InviteId),
}

/// Somebody who answers an invite.
#[derive(Clone, Copy, Debug)]
pub struct Answering<'a> {
    /// Which.
    pub invite: Which<'a>,
    /// Who they are: a user, whose address is the invite's.
    pub user: &'a UserId,
    /// What the audit log says of them.
    pub actor: &'a Actor,
}

/// An invite that can be accepted, and into which organization: what a page shows that asks whether
/// to.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    invite: Which<'_>,
    now: AtUs,
) -> Result<Option<(OrganizationId, Invite)>, StoreError> {
    let (column, value) = match invite {
        Which::Secret(digest) => ("secret_digest", digest.as_hex()),
        Which::Id(id) => ("id", id.as_str()),
    };
    let sql = format!("{COLUMNS} AND {column} = $1");
    let Some(row) = tx.query_optional(&sql, &[value.into()])? else {
        return Ok(None);
    };
    let found = (OrganizationId::new(row.text(7)?), from_row(&row)?);
    Ok(Some(found).filter(|(_, invite)| invite.status(now) == Status::Pending))
}

/// The invites for an address that can be accepted, the latest first, and into which organizations.
///
/// # Errors
/// [`StoreError`].
pub fn addressed(
    tx: &mut Tx<'_>,
    email: &str,
    now: AtUs,
) -> Result<Vec<(OrganizationId, Invite)>, StoreError> {
    let sql = format!(
        "{COLUMNS} AND email = $1 AND accepted_at_us IS NULL AND expires_at_us > $2
         ORDER BY created_at_us DESC, id"
    );
    let rows = tx.query(&sql, &[email.into(), now.0.into()])?;
    let found = |row: &Row| Ok((OrganizationId::new(row.text(7)?), from_row(row)?));
    rows.iter().map(found).collect()
}

/// Accepts an invite: the user belongs to the organization and to its projects that are still in
/// use. Whoever belongs to them already keeps the role that they have. Servers and the audit log
/// hear of it.
///
/// # Errors
/// [`AcceptError`].
pub fn accept(
    tx: &mut Tx<'_>,
    answering: &Answering<'_>,
    now: AtUs,
    entropy: Entropy,
) -> Result<(OrganizationId, Invite), AcceptError> {
    let (organization, mut invite) = close(tx, answering, "accepted_at_us", now)?;
    let user = answering.user;
    invite.accepted_at = Some(now);
    let mut events = vec![Event::new(Kind::InviteAccepted, &invite.id)];
    if members::add(tx, &organization, user, &invite.role, now)? {
        events.push(Event::new(Kind::UserAdded, user).data(json!({"role": invite.role})));
    }
    for InvitedProject { id, role } in &invite.projects {
        let project = projects::get(tx, &organization, &ProjectId::new(id))?;
        let Some(project) = project.filter(|project| project.archived_at.is_none()) else {
            continue;
        };
        let member = NewMember {
            project: &project.id,
            user,
            role,
        };
        if project_members::add(tx, &organization, &member, now)? {
            let event = Event::new(Kind::UserAdded, user).in_project(&project.id);
            events.push(event.data(json!({"role": role})));
        }
    }
    let act = Act {
        actor: answering.actor,
        organization: &organization,
        at: now,
        entropy,
    };
    audit::record(tx, &act, &events)?;
    Ok((organization, invite))
}

/// Declines an invite: it is as if it had been deleted. The audit log hears of it.
///
/// # Errors
/// [`AcceptError`].
pub fn decline(
    tx: &mut Tx<'_>,
    answering: &Answering<'_>,
    now: AtUs,
    entropy: Entropy,
) -> Result<Invite, AcceptError> {
    let (organization, invite) = close(tx, answering, "deleted_at_us", now)?;
    let act = Act {
        actor: answering.actor,
        organization: &organization,
        at: now,
        entropy,
    };
    audit::record(tx, &act, &[Event::new(Kind::InviteDeleted, &invite.id)])?;
    Ok(invite)
}

/// Takes an invite that is for the user, and writes when it was answered into `column`.
fn close(
    tx: &mut Tx<'_>,
    answering: &Answering<'_>,
    column: &str,
    now: AtUs,
) -> Result<(OrganizationId, Invite), AcceptError> {
    let found = find(tx, answering.invite, now)?;
    let (organization, invite) = found.ok_or(AcceptError::Gone)?;
    let sql = "SELECT email FROM users WHERE id = $1";
    let row = tx.query_optional(sql, &[answering.user.as_str().into()])?;
    match row {
        Some(row) if row.text(0)? == invite.email => {}
        _ => return Err(AcceptError::OtherAddress),
    }
    // Of two who answer at once, one finds it answered.
    let sql = format!(
        "UPDATE invites SET {column} = $2
         WHERE id = $1 AND accepted_at_us IS NULL AND deleted_at_us IS NULL"
    );
    match tx.execute(&sql, &[invite.id.as_str().into(), now.0.into()])? {
        1 => Ok((organization, invite)),
        _ => Err(AcceptError::Gone),
    }
}
