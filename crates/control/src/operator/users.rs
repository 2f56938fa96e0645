//! `/api/operator/users`: everybody with a login, and what an operator does for them or about them.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, UserId};
use domain::people::email::Email;
use serde::Serialize;
use serde_json::json;
use store::audit::{Actor, Event, Kind};
use store::page::Place;
use store::people::users::{self, Filter, OperatorError, User};
use store::people::{factors, sessions};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use super::filter::{either, searched};
use crate::Control;
use crate::body::Fields;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::people::me::MyOrganization;
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};

/// A user, as operators see them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorUser {
    #[schema(example = "user-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.user")]
    object: &'static str,
    email: String,
    name: String,
    /// The phone number that was proved.
    phone: Option<String>,
    is_operator: bool,
    /// `active` or `locked`.
    #[schema(value_type = String, example = "active")]
    state: &'static str,
    locked_at: Option<i64>,
    created_at: i64,
}

/// A user, with what is known of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorUserDetail {
    #[serde(flatten)]
    user: OperatorUser,
    /// Whether there is a password to sign in with.
    has_password: bool,
    /// Whether an authenticator app is asked for after it.
    has_authenticator: bool,
    /// Recovery codes that are left.
    recovery_codes: i64,
    /// Those that they belong to.
    organizations: Vec<MyOrganization>,
    /// Where they are signed in, the latest first.
    sessions: Vec<OperatorSession>,
}

/// A session of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorSession {
    id: String,
    /// The address that they signed in from.
    ip_address: Option<String>,
    user_agent: Option<String>,
    created_at: i64,
    last_used_at: i64,
}

/// Sessions that were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedOut {
    /// The user's.
    id: String,
    #[schema(value_type = String, example = "operator.user.signed_out")]
    object: &'static str,
    /// How many sessions were ended.
    sessions: u64,
}

/// Why a user is to be locked out.
#[derive(Debug, ToSchema)]
pub(crate) struct NewLock {
    /// One line, which the audit logs of their organizations tell too.
    #[schema(example = "Reported as stolen")]
    reason: String,
}

/// An address that the operator vouches for.
#[derive(Debug, ToSchema)]
pub(crate) struct VouchedEmail {
    #[schema(value_type = String, example = "ada@example.com")]
    email: Email,
}

impl From<User> for OperatorUser {
    fn from(user: User) -> Self {
        OperatorUser {
            id: user.id.to_string(),
            object: "operator.user",
            email: user.email,
            name: user.name,
            phone: user.phone,
            is_operator: user.is_operator,
            state: match user.locked_at {
                Some(_) => "locked",
                None => "active",
            },
            locked_at: user.locked_at.map(|at| at.seconds()),
            created_at: user.created_at.seconds(),
        }
    }
}

impl Placed for User {
    fn place(&self) -> Place {
        (self.created_at, self.id.to_string())
    }
}

impl From<sessions::Session> for OperatorSession {
    fn from(session: sessions::Session) -> Self {
        OperatorSession {
            id: session.id.to_string(),
            ip_address: session.ip_address,
            user_agent: session.user_agent,
            created_at: session.lifetime.began_at.seconds(),
            last_used_at: session.lifetime.seen_at.seconds(),
        }
    }
}

/// List users.
#[utoipa::path(
    get, path = "/api/operator/users", tag = "Operator", operation_id = "list_operator_users",
    params(
        ("search" = Option<String>, Query,
            description = "Only those with this in their name or address, or with this id"),
        ("state" = Option<String>, Query, description = "Only those: `active` or `locked`"),
        ("is_operator" = Option<bool>, Query, description = "Only operators, or only others"),
        NextPage::<20, 100>,
    ),
    responses((status = 200, body = NextList<OperatorUser>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    query: Query,
    page: NextPage<20, 100>,
) -> Response {
    let outcome = async {
        let filter = Filter {
            search: searched(&query),
            is_locked: either(&query, "state", ["active", "locked"])?,
            is_operator: either(&query, "is_operator", ["false", "true"])?,
        };
        let list = page.list::<OperatorUser, _>(&control, move |tx, page| {
            let part = page.part(|id| users::place(tx, id))?;
            Ok(users::list(tx, &filter, &part)?)
        });
        list.await
    };
    answer(&control, outcome.await)
}

/// Retrieve a user, with their organizations and sessions.
#[utoipa::path(
    get, path = "/api/operator/users/{user_id}", tag = "Operator",
    operation_id = "retrieve_operator_user",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = OperatorUserDetail)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let now = control.now();
    let read = control.store.read(move |tx| -> Outcome<_> {
        let user = find(tx, &id)?;
        let has_password = users::password(tx, &user.id)?.is_some();
        let factors = factors::of(tx, &user.id)?;
        let organizations = users::memberships(tx, &user.id)?.into_iter();
        let sessions = sessions::list(tx, &user.id, now)?.into_iter();
        Ok(Json(OperatorUserDetail {
            user: user.into(),
            has_password,
            has_authenticator: factors.has_totp,
            recovery_codes: factors.recovery_codes,
            organizations: organizations.map(Into::into).collect(),
            sessions: sessions.map(Into::into).collect(),
        }))
    });
    answer(&control, read.await)
}

/// Lock a user out: they are signed out everywhere, cannot sign in, and their keys do not work.
#[utoipa::path(
    post, path = "/api/operator/users/{user_id}/lock", tag = "Operator",
    operation_id = "lock_user",
    params(("user_id" = String, Path, description = "The user")), request_body = NewLock,
    responses((status = 200, body = OperatorUser)), security(("session" = []))
)]
pub(crate) async fn lock(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewLock {
            reason: fields.required("reason", fields.name("reason")?)?,
        };
        let change = control.operate(operator, move |tx, now| {
            let user = find(tx, &id)?.id;
            let is_new = users::lock(tx, &user, now).map_err(refuse)?;
            let event = Event::new(Kind::UserLocked, &user).data(json!({"reason": new.reason}));
            told(tx, &user, is_new.then_some(event))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Let a user in again; their keys work again too.
#[utoipa::path(
    post, path = "/api/operator/users/{user_id}/unlock", tag = "Operator",
    operation_id = "unlock_user",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = OperatorUser)), security(("session" = []))
)]
pub(crate) async fn unlock(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, now| {
        let user = find(tx, &id)?.id;
        let was_locked = users::unlock(tx, &user, now)?;
        let event = Event::new(Kind::UserUnlocked, &user);
        told(tx, &user, was_locked.then_some(event))
    });
    answer(&control, change.await.map(Json))
}

/// Sign a user out everywhere. Their keys go on working.
#[utoipa::path(
    post, path = "/api/operator/users/{user_id}/sign_out", tag = "Operator",
    operation_id = "sign_out_user",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = SignedOut)), security(("session" = []))
)]
pub(crate) async fn sign_out(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, _| {
        let user = find(tx, &id)?.id;
        let signed_out = SignedOut {
            id,
            object: "operator.user.signed_out",
            sessions: sessions::end_others(tx, &user, None)?,
        };
        let event = Event::new(Kind::UserSignedOut, &user);
        Ok(Acted::new(event, signed_out).concerning(organizations(tx, &user)?))
    });
    answer(&control, change.await.map(Json))
}

/// Remove a user's second factors, so that their password alone lets them in. They are told by
/// mail.
#[utoipa::path(
    delete, path = "/api/operator/users/{user_id}/second_factors", tag = "Operator",
    operation_id = "reset_second_factors",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = OperatorUser)), security(("session" = []))
)]
pub(crate) async fn reset_factors(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let entropy = control.entropy;
    let change = control.operate(operator, move |tx, now| {
        let user = find(tx, &id)?;
        // Tells their organizations itself.
        let had_some = factors::reset(tx, &user, &Actor::operator(), now, entropy)?;
        let concerned = organizations(tx, &user.id)?;
        let concerned: Vec<&str> = concerned.iter().map(OrganizationId::as_str).collect();
        let event = Event::new(Kind::AccountUpdated, &user.id)
            .changes(json!({"changed": ["second_factors"]}))
            .with("organization_ids", json!(concerned));
        Ok(Acted::when(had_some, event, OperatorUser::from(user)))
    });
    answer(&control, change.await.map(Json))
}

/// Give a user an address that you vouch for: they need not prove it.
#[utoipa::path(
    post, path = "/api/operator/users/{user_id}/email", tag = "Operator",
    operation_id = "set_user_email",
    params(("user_id" = String, Path, description = "The user")), request_body = VouchedEmail,
    responses((status = 200, body = OperatorUser)), security(("session" = []))
)]
pub(crate) async fn set_email(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let vouched = VouchedEmail {
            email: fields.required("email", fields.email("email")?)?,
        };
        let change = control.operate(operator, move |tx, _| {
            let user = find(tx, &id)?;
            let is_new = user.email != vouched.email.as_str();
            if is_new {
                if users::by_email(tx, &vouched.email)?.is_some() {
                    return Err(fields.invalid("email", "it is somebody's already"));
                }
                users::set_email(tx, &user.id, vouched.email.as_str())?;
            }
            let event = Event::new(Kind::UserEmailSet, &user.id);
            told(tx, &user.id, is_new.then_some(event))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Make a user an operator of this installation.
#[utoipa::path(
    post, path = "/api/operator/users/{user_id}/operator", tag = "Operator",
    operation_id = "make_operator",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = OperatorUser)), security(("session" = []))
)]
pub(crate) async fn make_operator(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, now| {
        let user = find(tx, &id)?.id;
        let is_new = users::make_operator(tx, &user, now)?;
        let shown = OperatorUser::from(find(tx, &id)?);
        let event = Event::new(Kind::OperatorAdded, &user);
        Ok(Acted::when(is_new, event, shown))
    });
    answer(&control, change.await.map(Json))
}

/// Take the operator's role from a user. The last operator who can sign in keeps it.
#[utoipa::path(
    delete, path = "/api/operator/users/{user_id}/operator", tag = "Operator",
    operation_id = "unmake_operator",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = OperatorUser)), security(("session" = []))
)]
pub(crate) async fn unmake_operator(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, _| {
        let user = find(tx, &id)?.id;
        let was_one = users::unmake_operator(tx, &user).map_err(refuse)?;
        let shown = OperatorUser::from(find(tx, &id)?);
        let event = Event::new(Kind::OperatorRemoved, &user);
        Ok(Acted::when(was_one, event, shown))
    });
    answer(&control, change.await.map(Json))
}

fn find(tx: &mut Tx<'_>, id: &str) -> Outcome<User> {
    users::get(tx, &UserId::new(id))?.ok_or_else(|| Refusal::Nowhere {
        what: "user",
        id: id.to_owned(),
    })
}

/// The user as they are now, and what was done to them, if anything: their organizations hear of
/// it too.
fn told(tx: &mut Tx<'_>, user: &UserId, event: Option<Event>) -> Outcome<Acted<OperatorUser>> {
    let shown = find(tx, user.as_str())?.into();
    match event {
        Some(event) => Ok(Acted::new(event, shown).concerning(organizations(tx, user)?)),
        None => Ok(Acted::nothing(shown)),
    }
}

/// Those that a user belongs to: they are told what is done to their people.
fn organizations(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<OrganizationId>, StoreError> {
    let memberships = users::memberships(tx, user)?.into_iter();
    Ok(memberships.map(|of| of.organization).collect())
}

fn refuse(error: OperatorError) -> Refusal {
    match error {
        OperatorError::Last => Refusal::LastOperator,
        OperatorError::Store(error) => Refusal::Store(error),
    }
}
