//! The audit log: who changed what, from where. Append-only, and written by the transaction that
//! makes the change, so that neither is there without the other.
//!
//! An event has OpenAI's name and detail where OpenAI has the event; ours are listed in
//! docs/audit-log.md.

mod kind;
mod list;

use domain::Entropy;
use domain::access::Owner;
use domain::id::{AuditLogId, KeyId, OrganizationId, ProjectId, UserId};
use domain::time::AtUs;
use serde_json::{Map, Value, json};

use crate::{StoreError, Tx};

pub use kind::Kind;
pub use list::{Entry, Filter, Page, Place, list, place};

/// Who does something, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub who: Who,
    /// The address that the request came from, if it came by network.
    pub ip_address: Option<String>,
    /// What the program at the other end calls itself.
    pub user_agent: Option<String>,
}

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A program with a key of this owner.
    Key(KeyId, Owner),
    /// A person with a session.
    Session(UserId),
    /// Whoever runs this Farebox, by a command, or Farebox in their stead.
    Operator,
}

/// In the place of an organization, the log of what is done to the installation by whoever runs it.
/// Ids of organizations begin otherwise.
const OPERATORS_LOG: &str = "operator";

/// Whose log tells what operators did, in the whole installation.
#[must_use]
pub fn operators() -> OrganizationId {
    OrganizationId::new(OPERATORS_LOG)
}

/// What somebody does at once in one organization.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who does it.
    pub actor: &'a Actor,
    /// Whose affairs it is about.
    pub organization: &'a OrganizationId,
    /// When.
    pub at: AtUs,
    /// Makes ids of entries.
    pub entropy: Entropy,
}

impl Actor {
    /// The person who acts, if it is one: in a session, or by a key of theirs.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        match &self.who {
            Who::Key(_, Owner::User(user)) | Who::Session(user) => Some(user),
            Who::Key(_, Owner::ServiceAccount(_)) | Who::Operator => None,
        }
    }

    /// The operator, by a command.
    #[must_use]
    pub fn operator() -> Self {
        Actor {
            who: Who::Operator,
            ip_address: None,
            user_agent: None,
        }
    }
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    kind: Kind,
    resource: String,
    project: Option<ProjectId>,
    detail: Map<String, Value>,
}

impl Event {
    /// Something that was done to what has this id.
    #[must_use]
    pub fn new(kind: Kind, id: &(impl ToString + ?Sized)) -> Self {
        let resource = id.to_string();
        let mut detail = Map::new();
        detail.insert("id".into(), json!(resource));
        Event {
            kind,
            resource,
            project: None,
            detail,
        }
    }

    /// The project that it was done in.
    #[must_use]
    pub fn in_project(mut self, project: &ProjectId) -> Self {
        self.project = Some(project.clone());
        self
    }

    /// What was made.
    #[must_use]
    pub fn data(self, data: Value) -> Self {
        self.with("data", data)
    }

    /// What was asked to be changed.
    #[must_use]
    pub fn changes(self, changes: Value) -> Self {
        self.with("changes_requested", changes)
    }

    /// A member of the detail. What is null is left out, here and in an object one level down.
    #[must_use]
    pub fn with(mut self, name: &str, mut value: Value) -> Self {
        if let Value::Object(members) = &mut value {
            members.retain(|_, member| !member.is_null());
        }
        if !value.is_null() {
            self.detail.insert(name.to_owned(), value);
        }
        self
    }
}

/// Writes what was done, in the transaction that does it.
///
/// # Errors
/// [`StoreError`].
pub fn record(tx: &mut Tx<'_>, act: &Act<'_>, events: &[Event]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let Act {
        actor,
        organization,
        ..
    } = act;
    let (key, service_account) = match &actor.who {
        Who::Key(key, Owner::ServiceAccount(account)) => (Some(key), Some(account)),
        Who::Key(key, Owner::User(_)) => (Some(key), None),
        Who::Session(_) | Who::Operator => (None, None),
    };
    let user = actor.user();
    // As it is now: the person may be gone when the log is read.
    let email = match user {
        Some(user) => address(tx, user)?,
        None => None,
    };
    // What a key does to the organization is told of the default project, as OpenAI does.
    let default = match key {
        Some(_) => default_project(tx, organization)?,
        None => None,
    };
    // Events of one action are a microsecond apart, so that they stay in order.
    for (event, at_us) in events.iter().zip(act.at.0..) {
        let project = event.project.as_ref().map(ProjectId::as_str);
        let detail = Value::Object(event.detail.clone()).to_string();
        tx.execute_one(
            "INSERT INTO audit_log (organization_id, id, at_us, kind, resource_id, project_id,
                 detail, key_id, user_id, service_account_id, email, ip_address, user_agent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            &[
                organization.as_str().into(),
                AuditLogId::random(act.entropy).as_str().into(),
                at_us.into(),
                event.kind.as_str().into(),
                event.resource.as_str().into(),
                project.or(default.as_deref()).into(),
                detail.into(),
                key.map(KeyId::as_str).into(),
                user.map(UserId::as_str).into(),
                service_account.map(|account| account.as_str()).into(),
                email.as_deref().into(),
                actor.ip_address.as_deref().into(),
                actor.user_agent.as_deref().into(),
            ],
        )?;
    }
    Ok(())
}

fn address(tx: &mut Tx<'_>, user: &UserId) -> Result<Option<String>, StoreError> {
    let sql = "SELECT email FROM users WHERE id = $1";
    let row = tx.query_optional(sql, &[user.as_str().into()])?;
    row.map(|row| row.text(0).map(ToOwned::to_owned))
        .transpose()
}

fn default_project(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT id FROM projects WHERE organization_id = $1 AND default_since_us IS NOT NULL";
    let row = tx.query_optional(sql, &[organization.as_str().into()])?;
    row.map(|row| row.text(0).map(ToOwned::to_owned))
        .transpose()
}
