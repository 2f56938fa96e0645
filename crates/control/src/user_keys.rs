//! `/api/projects/{project_id}/keys`: people's keys in a project. Everybody who belongs to it has
//! keys of their own there; whoever has the permission sees and changes those of all, and those of
//! service accounts, which are made and listed by OpenAI's endpoints.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::{AccessRefusal, Owner};
use domain::id::{KeyId, ProjectId, UserId};
use domain::key::{KeyClass, KeySecret};
use domain::permission::Permission;
use domain::restriction::{KeyPermissions, KeyScope, KeyScopes, Restrictions};
use domain::rotation::Grace;
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::keys::rotation::{self, RotationError};
use store::keys::settings::{self, Settings, person};
use store::keys::{self, KeyRow, NewKey};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::body::Fields;
use crate::budgets::BudgetTerms;
use crate::change::Done;
use crate::key_limits::KeyLimits;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::project_api_keys::{ProjectApiKey, no_key};
use crate::projects::{find, find_active};
use crate::query::{Query, invalid};
use crate::rate_limits::{RateLimit, RateLimitTerms};
use crate::respond::{Outcome, Refusal, answer};
use crate::service_account_keys::may_act_as;
use crate::service_accounts::{Deleted, find_account};
use crate::user_key_changes::KeyChanges;

/// A person's key in a project, and what it is restricted to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserKey {
    #[serde(flatten)]
    key: ProjectApiKey,
    permissions: KeyPermissionMode,
    /// Of a restricted key: the access it has to each resource.
    #[schema(example = json!({"models": "read", "chat_completions": "request"}))]
    resources: Option<BTreeMap<&'static str, &'static str>>,
    /// The models it may use; null means all.
    #[schema(example = json!(["gpt-4o-mini"]))]
    models: Option<Vec<String>>,
    /// The addresses and networks it may be used from; null means all.
    #[schema(example = json!(["203.0.113.0/24", "2001:db8::/32"]))]
    ip_ranges: Option<Vec<String>>,
    /// When the last of its earlier secrets stops working, or did; null if none is known.
    previous_secret_expires_at: Option<i64>,
}

/// A key with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserKeyWithSecret {
    #[serde(flatten)]
    key: UserKey,
    /// The secret. It is not kept, and cannot be shown again.
    value: String,
    /// The budget that was made with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "budget_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    pub(crate) budget_id: Option<String>,
    /// The rate limits that were made with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) rate_limits: Vec<RateLimit>,
}

/// How much of what its owner may do a key may do: `all`, what is named under `resources`, or only
/// what reads.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyPermissionMode {
    All,
    Restricted,
    ReadOnly,
}

/// A key to be made.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct NewUserKey {
    #[schema(example = "Nightly build", min_length = 1, max_length = 256)]
    name: String,
    /// If absent: `all`.
    permissions: Option<KeyPermissionMode>,
    /// Of a restricted key: the access to each resource, `none` where absent. `models` can be
    /// `read`; `model_capabilities` (every endpoint that runs models), `chat_completions`,
    /// `completions` and `embeddings` can be `request`; `responses` can be `write`.
    #[schema(example = json!({"models": "read", "chat_completions": "request"}))]
    resources: Option<BTreeMap<String, String>>,
    /// Absent or null: all.
    #[schema(example = json!(["gpt-4o-mini"]), min_items = 1, max_items = 1_000)]
    models: Option<Vec<String>>,
    /// IPv4 and IPv6 addresses, and networks in CIDR's notation. Absent or null: all.
    #[schema(example = json!(["203.0.113.0/24"]), min_items = 1, max_items = 50)]
    ip_ranges: Option<Vec<String>>,
    /// Absent or null: it does not expire.
    #[schema(minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<i64>,
    /// A budget on the key, as `POST /api/budgets` makes it. It needs
    /// `api.organization.rate_limits.write`, as do rate limits.
    budget: Option<BudgetTerms>,
    /// Rate limits on the key, each for another model, as `POST /api/rate_limits` puts them.
    #[schema(max_items = 100)]
    rate_limits: Option<Vec<RateLimitTerms>>,
}

/// What is to change of a key; what is absent stays. Null takes a restriction away.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct UserKeyChanges {
    #[schema(example = "Nightly build", min_length = 1, max_length = 256)]
    name: Option<String>,
    permissions: Option<KeyPermissionMode>,
    /// In place of all that were named before; as when a key is made.
    #[schema(example = json!({"models": "read", "chat_completions": "request"}))]
    resources: Option<BTreeMap<String, String>>,
    #[schema(min_items = 1, max_items = 1_000)]
    models: Option<Vec<String>>,
    #[schema(min_items = 1, max_items = 50)]
    ip_ranges: Option<Vec<String>>,
    /// From now on; null: it does not expire.
    #[schema(minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<i64>,
}

/// How a key is to be rotated.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct Rotation {
    /// How long the present secret works beside the new one: a day if absent, at most a week. No
    /// earlier secret works longer than that either; 0 ends them all.
    #[schema(minimum = 0, maximum = 604_800, example = 86_400)]
    grace_seconds: Option<i64>,
}

impl From<KeyRow> for UserKey {
    fn from(row: KeyRow) -> Self {
        let Restrictions {
            permissions,
            models,
            networks,
        } = row.restrictions.clone();
        let (permissions, resources) = match permissions {
            KeyPermissions::All => (KeyPermissionMode::All, None),
            KeyPermissions::ReadOnly => (KeyPermissionMode::ReadOnly, None),
            KeyPermissions::Restricted(scopes) => {
                (KeyPermissionMode::Restricted, Some(accesses(scopes)))
            }
        };
        let models = models.map(|models| models.iter().map(ToString::to_string).collect());
        let networks = networks.map(|list| list.iter().map(ToString::to_string).collect());
        UserKey {
            permissions,
            resources,
            models,
            ip_ranges: networks,
            previous_secret_expires_at: row.retired_until.map(|at| at.seconds()),
            key: row.into(),
        }
    }
}

/// The access to every resource that there is.
fn accesses(scopes: KeyScopes) -> BTreeMap<&'static str, &'static str> {
    let none = KeyScope::ALL.iter().map(|scope| (scope.resource(), "none"));
    let mut accesses: BTreeMap<_, _> = none.collect();
    accesses.extend(scopes.iter().map(|it| (it.resource(), it.access())));
    accesses
}

impl Listed for UserKey {
    fn id(&self) -> &str {
        self.key.id()
    }
}

/// What a caller may do about the keys of a project.
struct Hands {
    /// Who they are.
    user: Option<UserId>,
    /// May see everybody's.
    sees_all: bool,
    /// May change everybody's.
    changes_all: bool,
}

impl Hands {
    fn of(caller: &Caller) -> Self {
        let allowed = caller.standing.in_project();
        Hands {
            user: caller.actor.user().cloned(),
            sees_all: allowed.contains(Permission::ApiKeysRead),
            changes_all: allowed.contains(Permission::ApiKeysWrite),
        }
    }

    fn own(&self, key: &KeyRow) -> bool {
        self.user.is_some() && person(key) == self.user.as_ref()
    }

    /// A key that the caller may see. Who may not is not told whether it is there.
    fn find(&self, tx: &mut Tx<'_>, project: &ProjectId, id: &str) -> Outcome<KeyRow> {
        let key = keys::get(tx, project, &KeyId::new(id))?;
        let shown = |key: &KeyRow| self.sees_all || self.changes_all || self.own(key);
        key.filter(shown).ok_or_else(|| no_key(id))
    }

    /// A key that the caller may change.
    fn find_to_change(&self, tx: &mut Tx<'_>, project: &ProjectId, id: &str) -> Outcome<KeyRow> {
        let key = self.find(tx, project, id)?;
        match self.changes_all || self.own(&key) {
            true => Ok(key),
            false => Err(missing(Permission::ApiKeysWrite)),
        }
    }
}

pub(crate) fn missing(permission: Permission) -> Refusal {
    Refusal::Access(AccessRefusal::MissingScope(permission))
}

/// List people's keys in a project, oldest first: one's own, or all.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/keys", tag = "Keys", operation_id = "list_keys",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("owner" = Option<String>, Query,
            description = "`me` or `all`; if absent, all where the caller may see them"),
        Page,
    ),
    responses((status = 200, body = List<UserKey>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    query: Query,
    page: Page,
) -> Response {
    let outcome = async {
        let hands = Hands::of(&admin);
        let of = match query.one("owner") {
            None if hands.sees_all => None,
            Some("all") if hands.sees_all => None,
            Some("all") => return Err(missing(Permission::ApiKeysRead)),
            None | Some("me") => {
                let me = hands.user.ok_or_else(|| missing(Permission::ApiKeysRead));
                Some(me?)
            }
            Some(other) => {
                let expected = "Expected 'me' or 'all'";
                let message = format!("Invalid 'owner': '{other}'. {expected}.");
                return Err(invalid("owner", message));
            }
        };
        let list = page.list::<UserKey, _>(&control, move |tx, page| {
            let project = find(tx, &admin.organization, &project_id)?.id;
            let after = page.cursor(|id| keys::cursor(tx, &project, &KeyId::new(id)))?;
            let (of, after) = (of.as_ref(), after.as_ref());
            let rows = settings::list_of_people(tx, &project, of, after, page.rows());
            Ok(rows?)
        });
        list.await
    };
    answer(&control, outcome.await)
}

/// Create a key of one's own. Its secret is shown this once.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/keys", tag = "Keys", operation_id = "create_key",
    params(("project_id" = String, Path, description = "The project")),
    request_body = NewUserKey,
    responses((status = 200, body = UserKeyWithSecret)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = KeyChanges::read(&fields)?;
        let name = fields.required("name", changes.name.clone())?;
        let user = owner(&admin)?;
        let limits = KeyLimits::read(&fields, &control, &admin)?;
        let (id, callable) = (KeyId::random(control.entropy), control.models());
        let secret = KeySecret::mint(KeyClass::Project, control.entropy);
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let new = NewKey {
                id: id.clone(),
                organization,
                project: Some(&project),
                owner: Owner::User(user),
                name: &name,
                expires_at: None,
            };
            keys::create(tx, &new, &secret, now)?;
            let event = Event::new(Kind::ApiKeyCreated, &id).in_project(&project);
            let mut data = changes.to_json();
            if data["scopes"].is_null() {
                data["scopes"] = json!([]);
            }
            let mut settings = Settings {
                name: name.clone(),
                restrictions: Restrictions::default(),
                expires_at: None,
            };
            changes.apply(&mut settings, &callable, now)?;
            settings::set(tx, &id, &settings, now)?;
            let mut made = with_secret(tx, &project, &id, &secret)?;
            let done = limits.make(tx, (organization, &id), &mut made, now)?;
            let event = event.data(data);
            Ok(done.into_iter().fold(Done::new(event, made), Done::and))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Who a new key is to belong to: whoever asks for it, if it would work for them.
fn owner(caller: &Caller) -> Outcome<UserId> {
    let user = caller.actor.user().filter(|_| caller.standing.belongs());
    user.cloned().ok_or_else(|| {
        let message = "You do not belong to this project, so a key of yours would not work in it.";
        invalid("project_id", message.into())
    })
}

/// A key as whoever gets its secret sees it.
fn with_secret(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    id: &KeyId,
    secret: &KeySecret,
) -> Outcome<UserKeyWithSecret> {
    let key = keys::get(tx, project, id)?.ok_or_else(|| no_key(id.as_str()))?;
    Ok(UserKeyWithSecret {
        key: key.into(),
        value: secret.expose().to_owned(),
        budget_id: None,
        rate_limits: Vec::new(),
    })
}

/// Retrieve a key.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/keys/{key_id}", tag = "Keys",
    operation_id = "retrieve_key",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("key_id" = String, Path, description = "The key"),
    ),
    responses((status = 200, body = UserKey)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, key_id]): Ids<2>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let project = find(tx, &admin.organization, &project_id)?.id;
        Hands::of(&admin).find(tx, &project, &key_id)
    });
    answer(&control, read.await.map(|key| Json(UserKey::from(key))))
}

/// Rename a key, restrict it, or let it do more or less long.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/keys/{key_id}", tag = "Keys",
    operation_id = "update_key",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("key_id" = String, Path, description = "The key"),
    ),
    request_body = UserKeyChanges,
    responses((status = 200, body = UserKey)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, key_id]): Ids<2>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = KeyChanges::read(&fields)?;
        let (hands, callable) = (Hands::of(&admin), control.models());
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let key = hands.find_to_change(tx, &project, &key_id)?;
            if changes.is_empty() {
                return Ok(Done::nothing(key));
            }
            let event = Event::new(Kind::ApiKeyUpdated, &key.id).in_project(&project);
            let event = event.changes(changes.to_json());
            let mut settings = Settings::from(&key);
            changes.apply(&mut settings, &callable, now)?;
            settings::set(tx, &key.id, &settings, now)?;
            Ok(Done::new(event, hands.find(tx, &project, &key_id)?))
        });
        Ok(Json(UserKey::from(change.await?)))
    };
    answer(&control, outcome.await)
}

/// Give a key a new secret, shown this once; the one before works on until the grace ends.
///
/// Name, restrictions, limits and usage stay with the key. At most four earlier secrets may work at
/// once.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/keys/{key_id}/rotate", tag = "Keys",
    operation_id = "rotate_key",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("key_id" = String, Path, description = "The key"),
    ),
    request_body = Rotation,
    responses((status = 200, body = UserKeyWithSecret)), security(("admin_key" = []))
)]
pub(crate) async fn rotate(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, key_id]): Ids<2>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let asked = fields.integer("grace_seconds", 0..=Grace::MOST_S)?;
        let grace_s = asked.unwrap_or(Grace::USUAL_S);
        let grace = Grace::of_seconds(grace_s)
            .ok_or_else(|| fields.invalid("grace_seconds", "that is too long"))?;
        let hands = Hands::of(&admin);
        let (standing, entropy) = (admin.standing, control.entropy);
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let key = hands.find_to_change(tx, &project, &key_id)?;
            // Whoever rotates it sees the new secret, and can then do what its owner may.
            let class = match &key.owner.owner {
                Owner::User(_) if hands.own(&key) => KeyClass::Project,
                Owner::User(_) => return Err(Refusal::NotYourKey),
                Owner::ServiceAccount(account) => {
                    let account = find_account(tx, &project, account.as_str())?;
                    may_act_as(&account, &project, &standing)?;
                    KeyClass::ServiceAccount
                }
            };
            let secret = KeySecret::mint(class, entropy);
            let rotated = rotation::rotate(tx, &key.id, &secret, grace, now);
            rotated.map_err(|why| match why {
                RotationError::TooMany => Refusal::TooManySecrets,
                RotationError::Store(error) => Refusal::Store(error),
            })?;
            let event = Event::new(Kind::ApiKeyUpdated, &key.id).in_project(&project);
            let event = event.changes(json!({"rotated": true, "grace_seconds": grace_s}));
            Ok(Done::new(
                event,
                with_secret(tx, &project, &key.id, &secret)?,
            ))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Revoke a key: none of its secrets works from the next request on.
#[utoipa::path(
    delete, path = "/api/projects/{project_id}/keys/{key_id}", tag = "Keys",
    operation_id = "revoke_key",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("key_id" = String, Path, description = "The key"),
    ),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn revoke(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, key_id]): Ids<2>,
) -> Response {
    let hands = Hands::of(&admin);
    let change = control.change(admin, move |tx, organization, now| {
        let project = find(tx, organization, &project_id)?.id;
        let key = hands.find_to_change(tx, &project, &key_id)?;
        keys::revoke(tx, &key.id, now)?;
        let event = Event::new(Kind::ApiKeyDeleted, &key.id).in_project(&project);
        let object = "organization.project.api_key.deleted";
        Ok(Done::new(event, Deleted::new(object, key_id)))
    });
    answer(&control, change.await.map(Json))
}
