//! Changing one's password, and choosing another one when it is forgotten.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::Entropy;
use domain::id::UserId;
use domain::message::Letter;
use domain::people::email::Email;
use domain::people::password::PasswordHash;
use domain::people::secret::BearerSecret;
use domain::people::throttle::{CODES_FROM_NETWORK, SIGNUPS_FROM_NETWORK};
use domain::time::{AtUs, MINUTE_US};
use serde::Serialize;
use store::people::password_resets::{self, LIFETIME_US};
use store::people::{sessions, users};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::caller::SignedIn;
use super::letters::Post;
use super::proof::Proof;
use super::refusal::PeopleRefusal;
use super::sending;
use super::telling::Deed;
use super::visitor::Visitor;
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, answer};

/// A new password, for somebody who knows the old one.
#[derive(ToSchema)]
pub(crate) struct PasswordChange {
    /// May be absent right after signing in.
    #[schema(value_type = Option<String>)]
    current_password: Proof,
    /// 8 to 256 characters, hard to guess.
    #[schema(value_type = String)]
    new_password: String,
}

/// Whose password is forgotten.
#[derive(ToSchema)]
pub(crate) struct NewPasswordReset {
    #[schema(value_type = String, example = "ada@example.com")]
    email: Email,
}

/// A new password, for somebody who got a link.
#[derive(ToSchema)]
pub(crate) struct PasswordResetCompletion {
    /// From the link.
    #[schema(value_type = String)]
    secret: Option<BearerSecret>,
    /// 8 to 256 characters, hard to guess.
    #[schema(value_type = String)]
    new_password: String,
}

/// A link was mailed, if there is an account with this address.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasswordReset {
    #[schema(value_type = String, example = "password_reset")]
    object: &'static str,
    /// How long the link works.
    expires_in_minutes: i64,
}

/// The password was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasswordChanged {
    #[schema(value_type = String, example = "password.changed")]
    object: &'static str,
    /// How many sessions this ended.
    ended_sessions: u64,
}

/// Change the password. Every other session ends.
#[utoipa::path(
    post, path = "/api/me/password", tag = "Accounts", operation_id = "change_password",
    request_body = PasswordChange,
    responses((status = 200, body = PasswordChanged)), security(("session" = []))
)]
pub(crate) async fn change(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let change = PasswordChange {
            current_password: fields.proof()?,
            new_password: new_password(&fields)?,
        };
        control
            .ensure_proved(&caller, change.current_password)
            .await?;
        let about = vec![caller.user.email.clone(), caller.user.name.clone()];
        let hash = chosen(&control, &fields, change.new_password, about).await?;
        let (now, entropy) = (control.now(), control.entropy);
        let write = control.store.write(move |tx| -> Outcome<_> {
            let (user, session) = (&caller.user.id, &caller.session.id);
            replace(tx, user, &hash, now, entropy)?;
            let ended = sessions::end_others(tx, user, Some(session))?;
            caller.deed(now, entropy).changed(tx, "password")?;
            Ok(Json(PasswordChanged::of(ended)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// Ask for a link to choose a new password with. The answer is the same whether there is an account
/// with this address or not.
#[utoipa::path(
    post, path = "/api/password_resets", tag = "Accounts", operation_id = "request_password_reset",
    request_body = NewPasswordReset,
    responses((status = 200, body = PasswordReset))
)]
pub(crate) async fn request(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewPasswordReset {
            email: fields.address("email")?,
        };
        let now = control.now();
        let mut buckets = sending::mails(&new.email, &visitor);
        buckets.push((&SIGNUPS_FROM_NETWORK, visitor.network()));
        control.take_all(buckets, now).await?;
        send_link(&control, new.email, now);
        Ok(Json(PasswordReset {
            object: "password_reset",
            expires_in_minutes: LIFETIME_US / MINUTE_US,
        }))
    };
    answer(&control, outcome.await)
}

/// Choose a new password, with the secret of the link. Every session ends: sign in with it.
#[utoipa::path(
    post, path = "/api/password_resets/complete", tag = "Accounts",
    operation_id = "complete_password_reset", request_body = PasswordResetCompletion,
    responses((status = 200, body = PasswordChanged))
)]
pub(crate) async fn complete(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = PasswordResetCompletion {
            secret: fields.bearer("secret")?,
            new_password: new_password(&fields)?,
        };
        let digest = given.secret.ok_or(PeopleRefusal::BadLink)?.digest();
        let now = control.now();
        let buckets = vec![(&CODES_FROM_NETWORK, visitor.network())];
        control.take_all(buckets, now).await?;
        let looked_up = digest.clone();
        let read = control.store.read(move |tx| -> Result<_, StoreError> {
            let Some(user) = password_resets::find(tx, &looked_up, now)? else {
                return Ok(None);
            };
            users::get(tx, &user)
        });
        let user = read.await?.ok_or(PeopleRefusal::BadLink)?;
        let about = vec![user.email, user.name];
        let hash = chosen(&control, &fields, given.new_password, about).await?;
        let entropy = control.entropy;
        let write = control.store.write(move |tx| -> Outcome<_> {
            let user = password_resets::take(tx, &digest, now)?;
            let user = user.ok_or(PeopleRefusal::BadLink)?;
            replace(tx, &user, &hash, now, entropy)?;
            let ended = sessions::end_others(tx, &user, None)?;
            let deed = Deed {
                user: &user,
                visitor: &visitor,
                now,
                entropy,
            };
            deed.changed(tx, "password")?;
            Ok(Json(PasswordChanged::of(ended)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

impl PasswordChanged {
    fn of(ended_sessions: u64) -> Self {
        PasswordChanged {
            object: "password.changed",
            ended_sessions,
        }
    }
}

fn new_password(fields: &Fields) -> Outcome<String> {
    let text = fields.required("new_password", fields.text("new_password")?)?;
    Ok(text.to_owned())
}

async fn chosen(
    control: &Control,
    fields: &Fields,
    text: String,
    about: Vec<String>,
) -> Outcome<PasswordHash> {
    let chosen = control.people.hasher.choose(text, about).await?;
    chosen.map_err(|why| fields.invalid("new_password", &why.to_string()))
}

/// Changes the password, and tells its owner.
fn replace(
    tx: &mut Tx<'_>,
    user: &UserId,
    hash: &PasswordHash,
    now: AtUs,
    entropy: Entropy,
) -> Result<(), StoreError> {
    users::set_password(tx, user, hash)?;
    let Some(user) = users::get(tx, user)? else {
        return Ok(());
    };
    let letter = Letter::PasswordChanged { at: now };
    Post { now, entropy }.mail(tx, &user.email, letter, None)
}

/// Mails a link if there is somebody to mail it to: after the answer, whose time would tell.
fn send_link(control: &Control, email: Email, now: AtUs) {
    let control = control.clone();
    tokio::spawn(async move {
        let (public_url, entropy) = (control.public_url.clone(), control.entropy);
        let write = control.store.write(move |tx| -> Result<(), StoreError> {
            let Some((user, _)) = users::by_email(tx, &email)? else {
                return Ok(());
            };
            let secret = BearerSecret::mint(entropy);
            password_resets::begin(tx, &secret.digest(), &user.id, now)?;
            let letter = Letter::PasswordReset {
                // After the '#', so that no server on the way writes it down.
                link: format!("{public_url}/reset-password#{}", secret.expose()),
                valid_minutes: u32::try_from(LIFETIME_US / MINUTE_US).unwrap_or_default(),
            };
            let over = Some(now.plus(LIFETIME_US));
            Post { now, entropy }.mail(tx, &user.email, letter, over)
        });
        if let Err(error) = write.await {
            tracing::error!(%error, "a link to choose a new password was not sent");
        }
    });
}
