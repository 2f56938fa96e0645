//! `/v1/organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys`, and the
//! key that a new account gets.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::Owner;
use domain::id::{KeyId, OrganizationId, ProjectId};
use domain::key::{KeyClass, KeySecret};
use domain::permission::{Realm, Standing};
use domain::restriction::{KeyPermissions, Restrictions};
use domain::time::{AtUs, SECOND_US};
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::keys::settings::{self, Settings};
use store::keys::{self, NewKey};
use store::service_accounts::ServiceAccount;
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::key_scopes;
use crate::path::Ids;
use crate::projects::find_active;
use crate::respond::{Outcome, answer};
use crate::roles::may_give;
use crate::service_accounts::find_account;

/// The longest that a key may be made to work.
const YEAR_S: i64 = 31_536_000;

/// What a key is called that nobody named.
const UNNAMED: &str = "Secret key";

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    id: String,
    #[schema(example = "organization.project.service_account.api_key")]
    object: &'static str,
    name: String,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    /// The secret, shown this once.
    value: String,
}

/// A further key of a service account, as it is asked for.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
pub(crate) struct NewServiceAccountKey {
    /// One line of text.
    #[schema(example = "Nightly build", min_length = 1, max_length = 256)]
    name: Option<String>,
    /// Permissions that the key is restricted to; none named means all of the account's.
    #[schema(example = json!(["api.model.request"]))]
    scopes: Option<Vec<String>>,
    #[schema(minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<i64>,
}

/// A key of a service account that is about to be made.
pub(crate) struct AccountKey {
    id: KeyId,
    secret: KeySecret,
    name: String,
    lifetime_us: Option<i64>,
    permissions: KeyPermissions,
}

/// How long a key that is asked for is to work, in microseconds; for good if none.
pub(crate) fn key_lifetime_us(fields: &Fields) -> Outcome<Option<i64>> {
    let seconds = fields.integer("expires_in_seconds", 1..=YEAR_S)?;
    Ok(seconds.map(|seconds| seconds * SECOND_US))
}

impl AccountKey {
    /// The key that a new account gets.
    pub(crate) fn first(fields: &Fields, control: &Control) -> Outcome<Self> {
        Ok(AccountKey {
            id: KeyId::random(control.entropy),
            secret: KeySecret::mint(KeyClass::ServiceAccount, control.entropy),
            name: UNNAMED.into(),
            lifetime_us: key_lifetime_us(fields)?,
            permissions: KeyPermissions::All,
        })
    }

    /// A further key.
    fn further(fields: &Fields, control: &Control) -> Outcome<Self> {
        let first = AccountKey::first(fields, control)?;
        Ok(AccountKey {
            name: fields.name("name")?.unwrap_or(first.name),
            permissions: key_scopes::scopes(fields)?.unwrap_or_default(),
            ..first
        })
    }

    /// Makes it.
    pub(crate) fn make(
        self,
        tx: &mut Tx<'_>,
        (organization, project): (&OrganizationId, &ProjectId),
        account: &ServiceAccount,
        now: AtUs,
    ) -> Outcome<(CreatedKey, Event)> {
        let expires_at = self.lifetime_us.map(|us| now.plus(us));
        let new = NewKey {
            id: self.id.clone(),
            organization,
            project: Some(project),
            owner: Owner::ServiceAccount(account.id.clone()),
            name: &self.name,
            expires_at,
        };
        keys::create(tx, &new, &self.secret, now)?;
        if self.permissions != KeyPermissions::All {
            let settings = Settings {
                name: self.name.clone(),
                restrictions: Restrictions {
                    permissions: self.permissions,
                    ..Restrictions::default()
                },
                expires_at,
            };
            settings::set(tx, &self.id, &settings, now)?;
        }
        let event = Event::new(Kind::ApiKeyCreated, &self.id).in_project(project);
        let event = event.data(json!({"scopes": key_scopes::names(self.permissions)}));
        let created = CreatedKey {
            id: self.id.to_string(),
            object: "organization.project.service_account.api_key",
            name: self.name,
            created_at: now.seconds(),
            expires_at: expires_at.map(AtUs::seconds),
            value: self.secret.expose().to_owned(),
        };
        Ok((created, event))
    }
}

/// Refuses a key to whoever may not do all that the account may: they would have it by the key.
pub(crate) fn may_act_as(
    account: &ServiceAccount,
    project: &ProjectId,
    caller: &Standing,
) -> Outcome<()> {
    let realm = Realm::Project(project.clone());
    may_give(account.permissions()?, &realm, caller)
}

/// Create a further key of a service account. It needs every permission that the account has.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys",
    operation_id = "create_service_account_api_key", tag = "Service accounts",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("service_account_id" = String, Path, description = "The service account"),
    ),
    request_body = NewServiceAccountKey,
    responses((status = 200, body = CreatedKey)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let key = AccountKey::further(&fields, &control)?;
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let account = find_account(tx, &project, &id)?;
            may_act_as(&account, &project, &standing)?;
            let (created, event) = key.make(tx, (organization, &project), &account, now)?;
            Ok(Done::new(event, created))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}
