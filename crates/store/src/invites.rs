//! Invites into an organization: whoever has the secret of the mail may accept, once, until the
//! invite expires. The secret itself is not kept.

mod answering;

use domain::id::{InviteId, OrganizationId};
use domain::people::secret::BearerDigest;
use domain::time::{AtUs, DAY_US};
use serde_json::json;

use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx};

pub use answering::{AcceptError, Answering, Which, accept, addressed, decline, find};

/// How long an invite can be accepted.
pub const LIFETIME_US: i64 = 7 * DAY_US;

/// An invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// Who is invited: an address, as [`domain::people::email`] compares them.
    pub email: String,
    /// What they will be: `owner` or `reader`.
    pub role: String,
    /// Which projects they will belong to.
    pub projects: Vec<InvitedProject>,
    /// When it was made.
    pub created_at: AtUs,
    /// From when on it cannot be accepted.
    pub expires_at: AtUs,
    /// When it was accepted.
    pub accepted_at: Option<AtUs>,
}

/// A project that somebody is invited into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitedProject {
    /// The project.
    pub id: String,
    /// `owner`, `member` or `viewer`.
    pub role: String,
}

impl InvitedProject {
    /// As it is kept.
    fn pair(&self) -> [&str; 2] {
        [&self.id, &self.role]
    }
}

/// How an invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can be accepted.
    Pending,
    /// It was.
    Accepted,
    /// It cannot be any more.
    Expired,
}

impl Invite {
    /// How it stands.
    #[must_use]
    pub fn status(&self, now: AtUs) -> Status {
        match self.accepted_at {
            Some(_) => Status::Accepted,
            None if now >= self.expires_at => Status::Expired,
            None => Status::Pending,
        }
    }
}

/// Makes an invite that the secret with this digest accepts.
///
/// # Errors
/// [`StoreError`].
pub fn create(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    invite: &Invite,
    secret: &BearerDigest,
) -> Result<(), StoreError> {
    let projects: Vec<[&str; 2]> = invite.projects.iter().map(InvitedProject::pair).collect();
    tx.execute_one(
        "INSERT INTO invites (id, organization_id, email, role, projects, secret_digest,
                              created_at_us, expires_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            invite.id.as_str().into(),
            organization.as_str().into(),
            invite.email.as_str().into(),
            invite.role.as_str().into(),
            json!(projects).to_string().into(),
            secret.as_hex().into(),
            invite.created_at.0.into(),
            invite.expires_at.0.into(),
        ],
    )
}

const COLUMNS: &str = "SELECT id, email, role, projects, created_at_us, expires_at_us,
        accepted_at_us, organization_id FROM invites WHERE deleted_at_us IS NULL";

/// One invite of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &InviteId,
) -> Result<Option<Invite>, StoreError> {
    let sql = format!("{COLUMNS} AND organization_id = $1 AND id = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// The place of an invite in its organization's list; also of one that was deleted since.
///
/// # Errors
/// [`StoreError`].
pub fn place(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &InviteId,
) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT created_at_us FROM invites WHERE organization_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.to_string())))
        .transpose()
}

/// Invites of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
) -> Result<Vec<Invite>, StoreError> {
    let mut params = vec![organization.as_str().into()];
    let tail = page.tail("created_at_us", "id", &mut params);
    let sql = format!("{COLUMNS} AND organization_id = $1 {tail}");
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// Whether an address has an invite of an organization that can be accepted.
///
/// # Errors
/// [`StoreError`].
pub fn is_pending(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    email: &str,
    now: AtUs,
) -> Result<bool, StoreError> {
    let sql = format!(
        "{COLUMNS} AND organization_id = $1 AND email = $2 AND accepted_at_us IS NULL
         AND expires_at_us > $3 LIMIT 1"
    );
    let params = [organization.as_str().into(), email.into(), now.0.into()];
    Ok(tx.query_optional(&sql, &params)?.is_some())
}

/// Deletes an invite that was not accepted; false if it was, or is not there.
///
/// # Errors
/// [`StoreError`].
pub fn delete(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &InviteId,
    now: AtUs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE invites SET deleted_at_us = $3 WHERE organization_id = $1 AND id = $2
               AND accepted_at_us IS NULL AND deleted_at_us IS NULL";
    let params = [
        organization.as_str().into(),
        id.as_str().into(),
        now.0.into(),
    ];
    Ok(tx.execute(sql, &params)? == 1)
}

fn from_row(row: &Row) -> Result<Invite, StoreError> {
    let projects: Result<Vec<[String; 2]>, _> = serde_json::from_str(row.text(3)?);
    let corrupt = |_| StoreError::Corrupt("an invite's projects cannot be read".into());
    let projects = projects.map_err(corrupt)?.into_iter();
    Ok(Invite {
        id: InviteId::new(row.text(0)?),
        email: row.text(1)?.to_owned(),
        role: row.text(2)?.to_owned(),
        projects: projects
            .map(|[id, role]| InvitedProject { id, role })
            .collect(),
        created_at: AtUs(row.int(4)?),
        expires_at: AtUs(row.int(5)?),
        accepted_at: row.opt_int(6)?.map(AtUs),
    })
}
