//! Signing in and out, and seeing where one is signed in.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{SessionId, UserId};
use domain::people::device::device;
use domain::people::email::Email;
use domain::people::factor::Factor;
use domain::people::password::{Password, PasswordHash};
use domain::people::secret::BearerSecret;
use domain::people::session::Lifetime;
use domain::people::throttle::{
    GUESSES_FROM_NETWORK, GUESSES_OF_ACCOUNT, GUESSES_OF_ACCOUNT_FROM_NETWORK, network,
};
use domain::time::AtUs;
use http::HeaderValue;
use http::header::SET_COOKIE;
use serde::Serialize;
use store::people::sessions::{self, Session as Row};
use store::people::sign_in_places::{self, SignIn};
use store::people::throttles;
use store::people::users::{self, User};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::caller::SignedIn;
use super::cookie::SESSION;
use super::factors::second_step::{PendingSignIn, admit};
use super::guessing::{self, Bucket};
use super::refusal::PeopleRefusal;
use super::telling::{Deed, failed_to_sign_in};
use super::visitor::Visitor;
use crate::Control;
use crate::body::Fields;
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// An answer that gives the browser a cookie, or takes it.
pub(super) type WithCookie<T> = ([(http::HeaderName, HeaderValue); 1], Json<T>);

/// Where somebody is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Names the session; it lets nobody in.
    id: String,
    #[schema(value_type = String, example = "session")]
    object: &'static str,
    /// Whether it is the one of this request.
    is_current: bool,
    /// How you signed in: `password`, `passkey`, or `signup`.
    #[schema(example = "password")]
    method: String,
    /// What you showed besides: `totp`, `passkey` or `recovery_code`.
    second_factor: Option<String>,
    /// Until when nothing further is asked for to change how you sign in.
    proved_until: i64,
    /// The address that was signed in from.
    ip_address: Option<String>,
    /// What the program that was signed in with calls itself.
    user_agent: Option<String>,
    created_at: i64,
    /// When it was last used, to some minutes.
    last_used_at: i64,
    /// When it ends if it is not used again.
    expires_at: i64,
}

/// Where one is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    #[schema(value_type = String, example = "list")]
    object: &'static str,
    /// The latest first.
    data: Vec<Session>,
}

/// Sessions that were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsEnded {
    #[schema(value_type = String, example = "session.ended")]
    object: &'static str,
    /// How many.
    ended: u64,
}

/// Who wants to sign in.
#[derive(Debug, ToSchema)]
pub(crate) struct Credentials {
    #[schema(value_type = String, example = "ada@example.com")]
    email: Email,
    #[schema(value_type = String)]
    password: Option<Password>,
}

impl Session {
    pub(super) fn of(row: Row, current: &SessionId) -> Self {
        Session {
            is_current: row.id == *current,
            id: row.id.to_string(),
            object: "session",
            proved_until: row.lifetime.fresh_until().seconds(),
            method: row.method,
            second_factor: row.second_factor,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
            created_at: row.lifetime.began_at.seconds(),
            last_used_at: row.lifetime.seen_at.seconds(),
            expires_at: row.lifetime.expires_at().seconds(),
        }
    }
}

/// Sign in. The answer gives the browser a cookie, which the pages of this installation send along;
/// or, with status 202, it asks for a second factor.
#[utoipa::path(
    post, path = "/api/sessions", tag = "Accounts", request_body = Credentials,
    operation_id = "sign_in",
    responses(
        (status = 200, body = Session),
        (status = 202, body = PendingSignIn, description = "A second factor is needed"),
    )
)]
pub(crate) async fn create(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let credentials = Credentials {
            email: fields.address("email")?,
            password: fields.typed_password("password")?,
        };
        let user = prove(&control, &visitor, credentials).await?;
        let now = control.now();
        let (public_url, entropy) = (control.public_url.clone(), control.entropy);
        let write = control.store.write(move |tx| -> Outcome<_> {
            let deed = Deed {
                user: &user.id,
                visitor: &visitor,
                now,
                entropy,
            };
            admit(tx, &deed, "password", &public_url)
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// List where one is signed in.
#[utoipa::path(
    get, path = "/api/sessions", tag = "Accounts", operation_id = "list_sessions",
    responses((status = 200, body = SessionList)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, caller: SignedIn) -> Response {
    let now = control.now();
    let read = control.store.read(move |tx| -> Outcome<_> {
        let rows = sessions::list(tx, &caller.user.id, now)?.into_iter();
        let shown = rows.map(|row| Session::of(row, &caller.session.id));
        Ok(Json(SessionList {
            object: "list",
            data: shown.collect(),
        }))
    });
    answer(&control, read.await)
}

/// Sign out: ends the session of this request, and takes the cookie.
#[utoipa::path(
    delete, path = "/api/sessions/current", tag = "Accounts", operation_id = "sign_out",
    responses((status = 200, body = SessionsEnded)), security(("session" = []))
)]
pub(crate) async fn end_current(State(control): State<Control>, caller: SignedIn) -> Response {
    let (now, entropy) = (control.now(), control.entropy);
    let public_url = control.public_url.clone();
    let write = control.store.write(move |tx| -> Outcome<_> {
        let ended = sessions::end(tx, &caller.user.id, &caller.session.id)?;
        caller.deed(now, entropy).signed_out(tx)?;
        let cookie = [(SET_COOKIE, SESSION.clear(&public_url))];
        Ok((cookie, Json(SessionsEnded::of(u64::from(ended)))))
    });
    answer(&control, write.await)
}

/// End a session elsewhere.
#[utoipa::path(
    delete, path = "/api/sessions/{session_id}", tag = "Accounts", operation_id = "end_session",
    params(("session_id" = String, Path, description = "The session")),
    responses((status = 200, body = SessionsEnded)), security(("session" = []))
)]
pub(crate) async fn end(
    State(control): State<Control>,
    caller: SignedIn,
    Ids([session_id]): Ids<1>,
) -> Response {
    let write = control.store.write(move |tx| -> Outcome<_> {
        match sessions::end(tx, &caller.user.id, &SessionId::new(&session_id))? {
            true => Ok(Json(SessionsEnded::of(1))),
            false => Err(Refusal::NotFound {
                what: "session",
                id: session_id,
            }),
        }
    });
    answer(&control, write.await)
}

/// End every session but this one.
#[utoipa::path(
    post, path = "/api/sessions/end_others", tag = "Accounts", operation_id = "end_other_sessions",
    responses((status = 200, body = SessionsEnded)), security(("session" = []))
)]
pub(crate) async fn end_others(State(control): State<Control>, caller: SignedIn) -> Response {
    let write = control.store.write(move |tx| -> Outcome<_> {
        let ended = sessions::end_others(tx, &caller.user.id, Some(&caller.session.id))?;
        Ok(Json(SessionsEnded::of(ended)))
    });
    answer(&control, write.await)
}

impl SessionsEnded {
    fn of(ended: u64) -> Self {
        SessionsEnded {
            object: "session.ended",
            ended,
        }
    }
}

/// As [`enter_with`], for somebody who has no second factor.
pub(super) fn enter(
    tx: &mut Tx<'_>,
    deed: &Deed<'_>,
    method: &str,
) -> Result<(Session, BearerSecret), StoreError> {
    enter_with(tx, deed, method, None)
}

/// Begins a session, in place of the one that the visitor's cookie stood for. `method` is how
/// somebody got in.
pub(super) fn enter_with(
    tx: &mut Tx<'_>,
    deed: &Deed<'_>,
    method: &str,
    second_factor: Option<Factor>,
) -> Result<(Session, BearerSecret), StoreError> {
    let Deed {
        user,
        visitor,
        now,
        entropy,
    } = *deed;
    if let Some(secret) = &visitor.secret
        && let Some(before) = sessions::find(tx, &secret.digest(), now)?
    {
        sessions::end(tx, &before.user, &before.id)?;
    }
    let secret = BearerSecret::mint(entropy);
    let row = Row {
        id: SessionId::random(entropy),
        user: user.clone(),
        lifetime: Lifetime::beginning(now),
        method: method.to_owned(),
        second_factor: second_factor.map(|factor| factor.as_str().to_owned()),
        ip_address: visitor.ip_address(),
        user_agent: visitor.user_agent.clone(),
    };
    sessions::begin(tx, &secret.digest(), &row)?;
    let sign_in = SignIn {
        user,
        id: row.id.as_str(),
        device: &device(row.user_agent.as_deref()),
        network: &visitor.surroundings(),
        ip_address: row.ip_address.as_deref().unwrap_or_default(),
    };
    sign_in_places::note(tx, &sign_in, now, entropy)?;
    deed.signed_in(tx, method, second_factor)?;
    let id = row.id.clone();
    Ok((Session::of(row, &id), secret))
}

pub(super) fn with_cookie<T>(body: T, secret: &BearerSecret, public_url: &str) -> WithCookie<T> {
    ([(SET_COOKIE, SESSION.set(secret, public_url))], Json(body))
}

/// Finds the user whose address and password these are. Whether the address is somebody's makes no
/// difference to what happens, nor to how long it takes.
async fn prove(control: &Control, visitor: &Visitor, given: Credentials) -> Outcome<User> {
    let now = control.now();
    let (email, network) = (given.email, visitor.network());
    let found = admit_guess(control, &email, &network, now).await?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
    let matches = control.people.hasher.verify(given.password, hash).await?;
    match user {
        Some(user) if matches && user.locked_at.is_some() => {
            failed_to_sign_in(control, user.id, visitor, "account_locked");
            Err(PeopleRefusal::Locked.into())
        }
        Some(user) if matches => Ok(user),
        Some(user) => {
            failed_to_sign_in(control, user.id, visitor, "wrong_credentials");
            Err(PeopleRefusal::WrongCredentials.into())
        }
        None => Err(PeopleRefusal::WrongCredentials.into()),
    }
}

/// Forgets what was guessed from a network, now that it turned out to be the owner.
pub(super) fn forgive(tx: &mut Tx<'_>, email: &str, visitor: &Visitor) -> Result<(), StoreError> {
    let subject = of_account_from_network(email, &visitor.network());
    throttles::clear(tx, &GUESSES_OF_ACCOUNT_FROM_NETWORK, &subject)
}

/// Counts a guess at the password of an account, and finds the account if there is one.
pub(super) async fn admit_guess(
    control: &Control,
    email: &Email,
    network: &str,
    now: AtUs,
) -> Outcome<Option<(User, Option<PasswordHash>)>> {
    let near: [Bucket; 2] = [
        (&GUESSES_FROM_NETWORK, network.to_owned()),
        (
            &GUESSES_OF_ACCOUNT_FROM_NETWORK,
            of_account_from_network(email.as_str(), network),
        ),
    ];
    control.ensure_room(&near, now).await?;
    let (email, network) = (email.clone(), network.to_owned());
    let write = control.store.write(move |tx| -> Outcome<_> {
        guessing::take(tx, &near, now)?;
        let found = users::by_email(tx, &email)?;
        let from_everywhere = throttles::take(tx, &GUESSES_OF_ACCOUNT, email.as_str(), now)?;
        if let Err(then) = from_everywhere {
            let user = found.as_ref().map(|(user, _)| &user.id);
            if !is_known_there(tx, user, &network, now)? {
                return Err(PeopleRefusal::until(then, now).into());
            }
        }
        Ok(found)
    });
    write.await
}

/// Whether a user is signed in from a network. Strangers elsewhere must not keep them out there.
fn is_known_there(
    tx: &mut Tx<'_>,
    user: Option<&UserId>,
    from: &str,
    now: AtUs,
) -> Result<bool, StoreError> {
    let Some(user) = user else {
        return Ok(false);
    };
    let of_row = |row: &Row| row.ip_address.as_deref().and_then(|text| text.parse().ok());
    let sessions = sessions::list(tx, user, now)?;
    let mut networks = sessions.iter().filter_map(of_row).map(network);
    Ok(networks.any(|network| network == from))
}

fn of_account_from_network(email: &str, network: &str) -> String {
    format!("{email} {network}")
}
