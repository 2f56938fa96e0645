//! `/v1/organization/audit_logs`: who changed what, newest first.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::Owner;
use domain::id::{AuditLogId, OrganizationId};
use domain::time::AtUs;
use serde::Serialize;
use serde_json::Value;
use store::StoreError;
use store::audit::{self, Entry, Filter, Who};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::pagination::{List, Listed, Page, unknown_cursor};
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "audit_log-7YkQ2nV0bX4cR9sLwA3eTz1M", "type": "project.created",
    "effective_at": 1_798_761_600,
    "project": {"id": "proj_7YkQ2nV0bX4cR9sLwA3eTz1M", "name": "Search"},
    "actor": {"type": "api_key", "api_key": {
        "id": "key_7YkQ2nV0bX4cR9sLwA3eTz1M", "type": "user",
        "user": {"id": "user-7YkQ2nV0bX4cR9sLwA3eTz1M", "email": "ada@example.com"},
        "ip_address": "203.0.113.7", "user_agent": "OpenAI/Python 3.54.0"
    }},
    "project.created": {
        "id": "proj_7YkQ2nV0bX4cR9sLwA3eTz1M", "data": {"name": "Search", "title": "Search"}
    }
}))]
pub(crate) struct AuditLog {
    #[schema(example = "audit_log-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    /// What was done. What of it is in the member of this name.
    #[serde(rename = "type")]
    #[schema(example = "project.created")]
    kind: String,
    #[schema(example = 1_798_761_600)]
    effective_at: i64,
    /// The project it was done in; the default one if an admin key did it to the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<AuditProject>,
    /// Who did it; absent if an operator did.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<AuditActor>,
    #[serde(flatten)]
    detail: BTreeMap<String, Value>,
}

/// A project, by its id and present name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditProject {
    id: String,
    name: String,
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum AuditActor {
    /// A program with a key.
    ApiKey { api_key: AuditKey },
    /// A person in a session.
    Session { session: AuditSession },
}

/// The key that something was done with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditKey {
    id: String,
    /// `user` or `service_account`.
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<AuditUser>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<AuditServiceAccount>,
    #[serde(flatten)]
    origin: AuditOrigin,
}

/// The session that something was done in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditSession {
    user: AuditUser,
    #[serde(flatten)]
    origin: AuditOrigin,
}

/// A person, with the address of that time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditUser {
    id: String,
    email: Option<String>,
}

/// A service account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditServiceAccount {
    id: String,
}

/// Where a request came from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditOrigin {
    #[schema(example = "203.0.113.7")]
    ip_address: Option<String>,
    user_agent: Option<String>,
}

impl From<Entry> for AuditLog {
    fn from(entry: Entry) -> Self {
        // Written by this program, so an unreadable one is no object; its row is still shown.
        let detail = serde_json::from_str(&entry.detail).unwrap_or_default();
        let origin = AuditOrigin {
            ip_address: entry.actor.ip_address,
            user_agent: entry.actor.user_agent,
        };
        let project = entry.project.map(|(id, name)| AuditProject {
            id: id.to_string(),
            name,
        });
        AuditLog {
            id: entry.id.to_string(),
            kind: entry.kind.clone(),
            effective_at: entry.at.seconds(),
            project,
            actor: AuditActor::of(entry.actor.who, entry.email, origin),
            detail: BTreeMap::from([(entry.kind, detail)]),
        }
    }
}

impl AuditActor {
    fn of(who: Who, email: Option<String>, origin: AuditOrigin) -> Option<Self> {
        let person = |id: String| AuditUser { id, email };
        match who {
            Who::Operator => None,
            Who::Session(id) => Some(AuditActor::Session {
                session: AuditSession {
                    user: person(id.to_string()),
                    origin,
                },
            }),
            Who::Key(key, owner) => {
                let (kind, user, service_account) = match owner {
                    Owner::User(id) => ("user", Some(person(id.to_string())), None),
                    Owner::ServiceAccount(id) => {
                        let id = id.to_string();
                        ("service_account", None, Some(AuditServiceAccount { id }))
                    }
                };
                Some(AuditActor::ApiKey {
                    api_key: AuditKey {
                        id: key.to_string(),
                        kind,
                        user,
                        service_account,
                        origin,
                    },
                })
            }
        }
    }
}

impl Listed for AuditLog {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the audit log, newest first.
#[utoipa::path(
    get, path = "/v1/organization/audit_logs", tag = "Audit log",
    operation_id = "list_audit_logs",
    params(
        ("effective_at[gt]" = Option<i64>, Query, minimum = 0,
            description = "After this Unix second"),
        ("effective_at[gte]" = Option<i64>, Query, minimum = 0, description = "Not before it"),
        ("effective_at[lt]" = Option<i64>, Query, minimum = 0, description = "Before it"),
        ("effective_at[lte]" = Option<i64>, Query, minimum = 0, description = "Not after it"),
        ("project_ids[]" = Option<Vec<String>>, Query, description = "Only in these"),
        ("event_types[]" = Option<Vec<String>>, Query, description = "Only of these types"),
        ("actor_ids[]" = Option<Vec<String>>, Query,
            description = "Only by these: keys, persons or service accounts"),
        ("actor_emails[]" = Option<Vec<String>>, Query, description = "Only by these persons"),
        ("resource_ids[]" = Option<Vec<String>>, Query, description = "Only to these"),
        Page,
        ("before" = Option<String>, Query, description = "The first id of the page after"),
    ),
    responses((status = 200, body = List<AuditLog>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    query: Query,
    page: Page,
) -> Response {
    let outcome = entries(&control, admin.organization, &query, page);
    answer(&control, outcome.await)
}

/// A page of a log.
pub(crate) async fn entries(
    control: &Control,
    log: OrganizationId,
    query: &Query,
    page: Page,
) -> Outcome<Json<List<AuditLog>>> {
    let filter = filter(query)?;
    let before = query.one("before").filter(|id| !id.is_empty());
    let before = before.map(ToOwned::to_owned);
    let read = control.store.read(move |tx| -> Outcome<_> {
        let mut place =
            |id: &str| -> Result<_, StoreError> { audit::place(tx, &log, &AuditLogId::new(id)) };
        let after = page.cursor(&mut place)?;
        let before = before.map(|id| match place(&id)? {
            None => Err(unknown_cursor("before", &id)),
            Some(place) => Ok(place),
        });
        let part = audit::Page {
            after,
            before: before.transpose()?,
            limit: page.rows(),
        };
        let ends_at_before = part.after.is_none() && part.before.is_some();
        let mut rows = audit::list(tx, &log, &filter, &part)?;
        let has_more = rows.len() > page.limit;
        if has_more {
            // The row too many is the one furthest from the cursor.
            rows.remove(if ends_at_before { 0 } else { page.limit });
        }
        Ok((rows, has_more))
    });
    let (rows, has_more) = read.await?;
    let rows: Vec<AuditLog> = rows.into_iter().map(AuditLog::from).collect();
    Ok(Json(List::of(rows, has_more)))
}

fn filter(query: &Query) -> Outcome<Filter> {
    if query.one("tenant_only") == Some("true") {
        return Err(Refusal::Unsupported {
            param: "tenant_only",
            message: "There are no tenants here. Leave tenant_only out.",
        });
    }
    let most_s = i64::MAX / 2_000_000;
    let second = |name: &str| -> Outcome<Option<i64>> {
        match query.one(name) {
            None => Ok(None),
            Some(_) => query.number(name, 0, 0..=most_s).map(Some),
        }
    };
    // Each second is as long as its microseconds: `gt` begins with the next one, `lte` ends there.
    let from = second("effective_at[gte]")?.max(second("effective_at[gt]")?.map(|at| at + 1));
    let ends = [
        second("effective_at[lt]")?,
        second("effective_at[lte]")?.map(|at| at + 1),
    ];
    Ok(Filter {
        from: from.map_or(AtUs(i64::MIN), AtUs::from_seconds),
        until: ends
            .into_iter()
            .flatten()
            .min()
            .map_or(AtUs(i64::MAX), AtUs::from_seconds),
        projects: query.all("project_ids"),
        kinds: query.all("event_types"),
        actors: query.all("actor_ids"),
        emails: query.all("actor_emails"),
        resources: query.all("resource_ids"),
    })
}
