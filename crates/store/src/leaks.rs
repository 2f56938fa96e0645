//! Keys that were found where others can read them: whose they are, and their end.

use domain::Entropy;
use domain::access::Owner;
use domain::alert::{Alert, AlertEvent};
use domain::id::{KeyId, OrganizationId, ProjectId, ServiceAccountId, UserId};
use domain::key::{KeyClass, KeyDigest};
use domain::time::AtUs;
use serde_json::json;

use crate::audit::{self, Act, Actor, Event, Kind};
use crate::keys::rotation;
use crate::{Row, StoreError, Tx, alerts, keys};

/// A key of this installation, whether it works or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Enough of it to recognise it.
    pub redacted_value: String,
    /// What it may call.
    pub class: KeyClass,
    /// Whose it is.
    pub owner: Owner,
    /// The person's address; none for a service account.
    pub email: Option<String>,
    /// The organization, by id and name.
    pub organization: (OrganizationId, String),
    /// Its project, by id and name; none for an admin key.
    pub project: Option<(ProjectId, String)>,
    /// When it stops working.
    pub expires_at: Option<AtUs>,
    /// When it was revoked.
    pub revoked_at: Option<AtUs>,
}

/// How a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Nothing keeps it from working for good.
    Live,
    /// Its time was over before anybody revoked it.
    Expired,
    /// Somebody revoked it.
    Revoked,
}

impl KeyState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KeyState::Live => "live",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
        }
    }
}

impl FoundKey {
    /// How it is.
    #[must_use]
    pub fn state(&self, now: AtUs) -> KeyState {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => KeyState::Revoked,
            (None, Some(at)) if at <= now => KeyState::Expired,
            (None, _) => KeyState::Live,
        }
    }
}

/// Where a key was found, and who says so.
#[derive(Clone, Debug)]
pub struct Leak {
    /// The key.
    pub key: FoundKey,
    /// An address, or the name of a file.
    pub place: String,
    /// What kind of place that is, in the words of whoever says so.
    pub source: Option<String>,
}

const FOUND: &str = "SELECT k.id, k.name, k.redacted_value, k.class, k.user_id,
        k.service_account_id, u.email, k.organization_id, o.name, k.project_id, p.name,
        k.expires_at_us, k.revoked_at_us
     FROM keys k
     JOIN organizations o ON o.id = k.organization_id
     LEFT JOIN projects p ON p.id = k.project_id
     LEFT JOIN users u ON u.id = k.user_id";

/// The key of this installation with this digest, whatever became of it. An earlier secret of a key
/// that was rotated stands for it, as long as it works.
///
/// # Errors
/// [`StoreError`].
pub fn find(tx: &mut Tx<'_>, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
    let sql = format!("{FOUND} WHERE k.digest = $1");
    if let Some(row) = tx.query_optional(&sql, &[digest.to_hex().into()])? {
        return from_row(&row).map(Some);
    }
    let Some(earlier) = rotation::earlier(tx, digest)? else {
        return Ok(None);
    };
    let sql = format!("{FOUND} WHERE k.id = $1");
    let row = tx.query_one(&sql, &[earlier.key.as_str().into()])?;
    let key = from_row(&row)?;
    let end = earlier.ends_at;
    Ok(Some(FoundKey {
        redacted_value: earlier.redacted_value,
        expires_at: Some(key.expires_at.map_or(end, |at| at.min(end))),
        ..key
    }))
}

fn from_row(row: &Row) -> Result<FoundKey, StoreError> {
    let project = row.opt_text(9)?.map(ProjectId::new);
    let project_name = row.opt_text(10)?.map(ToOwned::to_owned);
    Ok(FoundKey {
        id: KeyId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        redacted_value: row.text(2)?.to_owned(),
        class: keys::class(row.text(3)?)?,
        owner: match row.opt_text(4)? {
            Some(user) => Owner::User(UserId::new(user)),
            None => Owner::ServiceAccount(ServiceAccountId::new(row.text(5)?)),
        },
        email: row.opt_text(6)?.map(ToOwned::to_owned),
        organization: (OrganizationId::new(row.text(7)?), row.text(8)?.to_owned()),
        project: project.zip(project_name),
        expires_at: row.opt_int(11)?.map(AtUs),
        revoked_at: row.opt_int(12)?.map(AtUs),
    })
}

/// Revokes a key that leaked, writes it into the audit log of its organization, and raises an
/// alert, with a mail to the key's owner; of a service account's key, to those whom the
/// organization's settings name. False, and nothing of this, if it did not work any more.
///
/// # Errors
/// [`StoreError`].
pub fn revoke(
    tx: &mut Tx<'_>,
    leak: &Leak,
    actor: &Actor,
    now: AtUs,
    entropy: Entropy,
) -> Result<bool, StoreError> {
    let key = &leak.key;
    if key.state(now) != KeyState::Live || !keys::revoke(tx, &key.id, now)? {
        return Ok(false);
    }
    let organization = &key.organization.0;
    let act = Act {
        actor,
        organization,
        at: now,
        entropy,
    };
    let found = json!({"place": leak.place, "source": leak.source});
    let events = [
        Event::new(Kind::ApiKeyLeaked, &key.id).data(found),
        Event::new(Kind::ApiKeyDeleted, &key.id),
    ];
    let events = events.map(|event| match &key.project {
        Some((project, _)) => event.in_project(project),
        None => event,
    });
    audit::record(tx, &act, &events)?;
    let event = AlertEvent::KeyLeaked {
        id: key.id.clone(),
        key: key.redacted_value.clone(),
        name: key.name.clone(),
        place: leak.place.clone(),
        revoked: true,
    };
    let alert = Alert::new(organization, key.id.as_str(), event);
    let alert = match &key.email {
        Some(email) => alert.to(vec![email.clone()]),
        None => alert,
    };
    alerts::raise(tx, &alert, now, entropy)?;
    Ok(true)
}
