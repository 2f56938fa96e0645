//! The second step of signing in. Who has a factor gets no session for the password, but a secret
//! to come back with, for ten minutes and five tries.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::UserId;
use domain::message::Letter;
use domain::people::factor::Factor;
use domain::people::recovery_code::{FEW, RecoveryCode};
use domain::people::secret::{BearerDigest, BearerSecret};
use domain::people::throttle::{FACTOR_CODES_OF_ACCOUNT, GUESSES_FROM_NETWORK};
use domain::sealed::SealingKey;
use domain::time::AtUs;
use http::StatusCode;
use serde::Serialize;
use store::Tx;
use store::people::factors::{self, Factors};
use store::people::pending_sign_ins::{self, LIFETIME_US, Pending};
use store::people::{recovery_codes, throttles, totp, users};
use utoipa::ToSchema;

use super::super::guessing::{self, Bucket};
use super::super::letters::Post;
use super::super::refusal::PeopleRefusal;
use super::super::sessions::{Session, enter, enter_with, forgive, with_cookie};
use super::super::telling::Deed;
use super::super::visitor::Visitor;
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, Refusal, answer};

/// A sign-in that waits for a second factor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PendingSignIn {
    /// Goes on with this sign-in: keep it to yourself.
    id: String,
    #[schema(value_type = String, example = "session.pending")]
    object: &'static str,
    /// What may be shown next: any of `totp`, `passkey` and `recovery_code`.
    second_factors: Vec<&'static str>,
    /// When the sign-in is over if it is not complete.
    expires_at: i64,
}

/// A code, to complete a sign-in.
#[derive(Debug, ToSchema)]
pub(crate) struct SecondStepCode {
    /// The sign-in that waits.
    #[schema(value_type = String)]
    id: Option<BearerSecret>,
    #[schema(example = "123456")]
    code: String,
}

/// A session that began with a second factor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecondStepTaken {
    #[serde(flatten)]
    session: Session,
    /// How many recovery codes were not used.
    recovery_codes_left: i64,
    /// Whether these are so few that it is time to make new ones.
    needs_recovery_codes: bool,
}

/// Lets somebody in whose first factor was right, and `method` is what that was; or asks for a
/// second one, where there is one.
pub(in super::super) fn admit(
    tx: &mut Tx<'_>,
    deed: &Deed<'_>,
    method: &str,
    public_url: &str,
) -> Outcome<Response> {
    let found = factors::of(tx, deed.user)?;
    if !found.is_on() {
        forgiven(tx, deed)?;
        let (session, secret) = enter(tx, deed, method)?;
        return Ok(with_cookie(session, &secret, public_url).into_response());
    }
    let secret = BearerSecret::mint(deed.entropy);
    pending_sign_ins::begin(tx, &secret.digest(), deed.user, method, deed.now)?;
    let pending = PendingSignIn {
        id: secret.expose().to_owned(),
        object: "session.pending",
        second_factors: offered(&found),
        expires_at: deed.now.plus(LIFETIME_US).seconds(),
    };
    Ok((StatusCode::ACCEPTED, Json(pending)).into_response())
}

fn offered(found: &Factors) -> Vec<&'static str> {
    let all = [
        (Factor::Totp, found.has_totp),
        (Factor::Passkey, found.passkeys > 0),
        (Factor::RecoveryCode, found.recovery_codes > 0),
    ];
    let offered = all.iter().filter(|(_, is_there)| *is_there);
    offered.map(|(factor, _)| factor.as_str()).collect()
}

/// Forgets guesses at the password, now that it turned out to be the owner's.
fn forgiven(tx: &mut Tx<'_>, deed: &Deed<'_>) -> Outcome<()> {
    match users::get(tx, deed.user)? {
        Some(user) => Ok(forgive(tx, &user.email, deed.visitor)?),
        None => Ok(()),
    }
}

/// Complete a sign-in with a code of the authenticator app.
#[utoipa::path(
    post, path = "/api/sessions/totp", tag = "Accounts", request_body = SecondStepCode,
    operation_id = "sign_in_with_authenticator_app",
    responses((status = 200, body = SecondStepTaken))
)]
pub(crate) async fn with_totp(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = SecondStepCode::read(&fields)?;
        let attempt = Attempt::of(&control, given.id, visitor)?;
        let (code, now, key) = (given.code, attempt.now, control.sealing()?);
        attempt
            .show(Factor::Totp, move |tx, user| {
                check_totp(tx, user, &code, &key, now)
            })
            .await
    };
    answer(&control, outcome.await)
}

/// Complete a sign-in with a recovery code, which works no more then.
#[utoipa::path(
    post, path = "/api/sessions/recovery_code", tag = "Accounts", request_body = SecondStepCode,
    operation_id = "sign_in_with_recovery_code",
    responses((status = 200, body = SecondStepTaken))
)]
pub(crate) async fn with_recovery_code(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = SecondStepCode::read(&fields)?;
        let attempt = Attempt::of(&control, given.id, visitor)?;
        let code = RecoveryCode::parse(&given.code);
        attempt
            .show(Factor::RecoveryCode, move |tx, user| match &code {
                Some(code) => Ok(recovery_codes::take(tx, user, code)?),
                None => Ok(false),
            })
            .await
    };
    answer(&control, outcome.await)
}

/// What a code of a user's app that is tried from a network counts for. Who tried too often has to
/// wait, wherever they are.
pub(in super::super) fn totp_guess(user: &UserId, network: String) -> Vec<Bucket> {
    vec![
        (&GUESSES_FROM_NETWORK, network),
        (&FACTOR_CODES_OF_ACCOUNT, user.to_string()),
    ]
}

/// Holds a code against the app of a user.
pub(in super::super) fn check_totp(
    tx: &mut Tx<'_>,
    user: &UserId,
    code: &str,
    key: &SealingKey,
    now: AtUs,
) -> Outcome<bool> {
    let is_right = totp::take(tx, user, code, key, now)?;
    if is_right {
        throttles::clear(tx, &FACTOR_CODES_OF_ACCOUNT, user.as_str())?;
    }
    Ok(is_right)
}

impl SecondStepCode {
    fn read(fields: &Fields) -> Outcome<Self> {
        Ok(SecondStepCode {
            id: fields.bearer("id")?,
            code: fields.code("code")?,
        })
    }
}

/// Somebody who shows a second factor.
pub(super) struct Attempt {
    control: Control,
    pub(super) visitor: Visitor,
    digest: BearerDigest,
    now: AtUs,
}

impl Attempt {
    fn of(control: &Control, id: Option<BearerSecret>, visitor: Visitor) -> Outcome<Self> {
        let digest = id.ok_or(PeopleRefusal::SignInOver)?.digest();
        Ok(Attempt::new(control, digest, visitor))
    }

    /// An attempt to complete the sign-in with this digest.
    pub(super) fn new(control: &Control, digest: BearerDigest, visitor: Visitor) -> Self {
        Attempt {
            digest,
            now: control.now(),
            control: control.clone(),
            visitor,
        }
    }

    /// Takes a try.
    pub(super) fn take_try(&self, tx: &mut Tx<'_>) -> Outcome<Pending> {
        let pending = pending_sign_ins::take_try(tx, &self.digest, self.now)?;
        Ok(pending.ok_or(PeopleRefusal::SignInOver)?)
    }

    /// Who signs in.
    async fn user(&self) -> Outcome<UserId> {
        let (digest, now) = (self.digest.clone(), self.now);
        let store = &self.control.store;
        let found = store.read(move |tx| pending_sign_ins::find(tx, &digest, now));
        let found: Option<Pending> = found.await?;
        Ok(found.ok_or(PeopleRefusal::SignInOver)?.user)
    }

    /// Takes a try, and lets them in if `is_shown` says that the factor is the user's.
    async fn show<F>(self, factor: Factor, is_shown: F) -> Outcome<Response>
    where
        F: FnOnce(&mut Tx<'_>, &UserId) -> Outcome<bool> + Send + 'static,
    {
        let network = self.visitor.network();
        let buckets = match factor {
            Factor::Totp => totp_guess(&self.user().await?, network),
            _ => vec![(&GUESSES_FROM_NETWORK, network)],
        };
        self.control.ensure_room(&buckets, self.now).await?;
        let store = self.control.store.clone();
        let write = store.write(move |tx| -> Outcome<Outcome<Response>> {
            guessing::take(tx, &buckets, self.now)?;
            let pending = self.take_try(tx)?;
            match is_shown(tx, &pending.user)? {
                true => self.enter(tx, &pending, factor).map(Ok),
                // The try that was taken stays taken.
                false => self.refuse(tx, &pending, factor).map(Err),
            }
        });
        write.await?
    }

    fn deed<'a>(&'a self, pending: &'a Pending) -> Deed<'a> {
        Deed {
            user: &pending.user,
            visitor: &self.visitor,
            now: self.now,
            entropy: self.control.entropy,
        }
    }

    /// Begins the session.
    pub(super) fn enter(
        &self,
        tx: &mut Tx<'_>,
        pending: &Pending,
        factor: Factor,
    ) -> Outcome<Response> {
        if !pending_sign_ins::end(tx, &self.digest)? {
            return Err(PeopleRefusal::SignInOver.into());
        }
        let deed = self.deed(pending);
        forgiven(tx, &deed)?;
        let (session, secret) = enter_with(tx, &deed, &pending.method, Some(factor))?;
        let left = recovery_codes::left(tx, &pending.user)?;
        if factor == Factor::RecoveryCode {
            let letter = Letter::RecoveryCodeUsed {
                left: u32::try_from(left).unwrap_or(0),
                at: self.now,
            };
            self.mail(tx, &pending.user, letter)?;
        }
        let taken = SecondStepTaken {
            session,
            recovery_codes_left: left,
            needs_recovery_codes: left <= FEW,
        };
        Ok(with_cookie(taken, &secret, &self.control.public_url).into_response())
    }

    /// Tells the organizations, and, once the tries are used up, the owner: somebody knows their
    /// password.
    pub(super) fn refuse(
        &self,
        tx: &mut Tx<'_>,
        pending: &Pending,
        factor: Factor,
    ) -> Outcome<Refusal> {
        self.deed(pending).failed_factor(tx, factor)?;
        if pending.tries_left == 0 {
            let letter = Letter::SecondFactorFailed { at: self.now };
            self.mail(tx, &pending.user, letter)?;
        }
        Ok(PeopleRefusal::WrongFactor.into())
    }

    fn mail(&self, tx: &mut Tx<'_>, user: &UserId, letter: Letter) -> Outcome<()> {
        let Some(user) = users::get(tx, user)? else {
            return Ok(());
        };
        let post = Post {
            now: self.now,
            entropy: self.control.entropy,
        };
        Ok(post.mail(tx, &user.email, letter, None)?)
    }
}
