//! The identities that are linked to one's account: seen, linked, unlinked.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::IdentityId;
use domain::message::Letter;
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::Serialize;
use store::people::identities::{self, Identity as Row, UnlinkError};
use store::people::sso_attempts::Attempt;
use store::people::ways::Ways;
use utoipa::ToSchema;

use super::Providers;
use super::signing_in::{AFTER_LINKING, SsoProvider, begin, find, own_path};
use crate::Control;
use crate::body::Fields;
use crate::path::Ids;
use crate::people::caller::SignedIn;
use crate::people::letters::Post;
use crate::people::proof::Proof;
use crate::people::refusal::PeopleRefusal;
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;

/// An account at a provider that one signs in with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Identity {
    #[schema(example = "identity_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "identity")]
    object: &'static str,
    /// Whose account it is; null if this installation does not know the provider any more.
    provider: Option<SsoProvider>,
    /// What the provider calls itself.
    #[schema(example = "https://sso.example.com/realms/acme")]
    issuer: String,
    /// The address that it told last.
    email: Option<String>,
    created_at: i64,
    /// When somebody last signed in with it.
    last_used_at: i64,
}

/// The accounts that one signs in with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IdentityList {
    #[schema(value_type = String, example = "list")]
    object: &'static str,
    /// In the order in which they were linked.
    data: Vec<Identity>,
}

/// A provider to link an account of.
#[derive(ToSchema)]
pub(crate) struct NewIdentity {
    #[schema(example = "acme")]
    provider: String,
    /// A path of the console to go to afterwards.
    #[schema(example = "/account")]
    return_to: Option<String>,
    /// May be absent right after signing in.
    #[schema(value_type = Option<String>)]
    current_password: Proof,
}

/// Where to go to link an account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkStart {
    #[schema(value_type = String, example = "identity.link")]
    object: &'static str,
    /// Send the browser there: the provider asks who it is, and sends it back.
    #[schema(example = "https://sso.example.com/realms/acme/protocol/openid-connect/auth?…")]
    url: String,
}

impl Identity {
    fn of(row: Row, providers: &Providers) -> Self {
        let provider = providers.of_issuer(&row.who.issuer);
        Identity {
            id: row.id.to_string(),
            object: "identity",
            provider: provider.map(|it| SsoProvider::of(&it)),
            issuer: row.who.issuer,
            email: row.email,
            created_at: row.linked_at.seconds(),
            last_used_at: row.used_at.seconds(),
        }
    }
}

/// List the accounts at providers that you sign in with.
#[utoipa::path(
    get, path = "/api/me/identities", tag = "Accounts", operation_id = "list_identities",
    responses((status = 200, body = IdentityList)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, caller: SignedIn) -> Response {
    let providers = control.people.providers.clone();
    let read = control.store.read(move |tx| -> Outcome<_> {
        let rows = identities::list(tx, &caller.user.id)?.into_iter();
        Ok(Json(IdentityList {
            object: "list",
            data: rows.map(|row| Identity::of(row, &providers)).collect(),
        }))
    });
    answer(&control, read.await)
}

/// Link an account at a provider, to sign in with it. The answer says where to send the browser,
/// and gives it a cookie that it must bring back from there.
#[utoipa::path(
    post, path = "/api/me/identities", tag = "Accounts", operation_id = "link_identity",
    request_body = NewIdentity,
    responses((status = 200, body = LinkStart), (status = 502)), security(("session" = []))
)]
pub(crate) async fn link(
    State(control): State<Control>,
    caller: SignedIn,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewIdentity {
            provider: fields
                .required("provider", fields.id("provider")?)?
                .to_owned(),
            return_to: fields.text("return_to")?.map(ToOwned::to_owned),
            current_password: fields.proof()?,
        };
        let provider = find(&control, &new.provider)?;
        control.ensure_proved(&caller, new.current_password).await?;
        let attempt = Attempt {
            provider: new.provider,
            return_to: own_path(new.return_to.as_deref(), AFTER_LINKING),
            invite: None,
            linking: Some(caller.user.id),
            begun_at: control.now(),
        };
        let begun = begin(&control, &provider, &caller.visitor, &headers, attempt).await;
        let (url, cookie) = begun.map_err(|trouble| {
            let id = &provider.settings.id;
            tracing::warn!(
                provider = id,
                ?trouble,
                "nothing can be linked at a provider"
            );
            Refusal::from(trouble)
        })?;
        let object = "identity.link";
        Ok(([(SET_COOKIE, cookie)], Json(LinkStart { object, url })))
    };
    answer(&control, outcome.await)
}

/// Unlink an account at a provider. It is refused where there is no other way to sign in.
#[utoipa::path(
    delete, path = "/api/me/identities/{identity_id}", tag = "Accounts",
    operation_id = "unlink_identity",
    params(("identity_id" = String, Path, description = "The identity")),
    responses((status = 200, body = Deleted)), security(("session" = []))
)]
pub(crate) async fn unlink(
    State(control): State<Control>,
    caller: SignedIn,
    Ids([id]): Ids<1>,
) -> Response {
    let outcome = async {
        control.ensure_proved(&caller, Proof::Session).await?;
        let (now, entropy) = (control.now(), control.entropy);
        let providers = control.people.providers.clone();
        let passkeys = control.has_passkeys();
        let write = control.store.write(move |tx| -> Outcome<_> {
            let ways = Ways {
                issuers: &providers.issuers(),
                passkeys,
            };
            let (user, identity) = (&caller.user, IdentityId::new(&id));
            let gone = identities::unlink(tx, &user.id, &identity, &ways);
            let gone = gone.map_err(|error| match error {
                UnlinkError::Gone => Refusal::NotFound {
                    what: "identity",
                    id: id.clone(),
                },
                UnlinkError::LastWay => PeopleRefusal::LastWay.into(),
                UnlinkError::Store(error) => Refusal::Store(error),
            })?;
            caller.deed(now, entropy).changed(tx, "identity")?;
            let known = providers.of_issuer(&gone.who.issuer);
            let letter = Letter::IdentityUnlinked {
                provider: known.map_or(gone.who.issuer, |it| it.settings.name.clone()),
                at: now,
            };
            Post { now, entropy }.mail(tx, &user.email, letter, None)?;
            Ok(Json(Deleted::new("identity.deleted", id)))
        });
        write.await
    };
    answer(&control, outcome.await)
}
