//! Signing in with a passkey: alone, or after the password; and proving with one who one is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::UserId;
use domain::people::factor::Factor;
use domain::people::secret::{BearerDigest, BearerSecret};
use domain::people::throttle::{GUESSES_FROM_NETWORK, PASSKEY_CHALLENGES_FROM_NETWORK};
use domain::time::AtUs;
use serde_json::{Value, json};
use store::Tx;
use store::people::challenges::{self, Purpose};
use store::people::passkeys::{self, Passkey, Use};
use store::people::pending_sign_ins::{self, Pending};
use store::people::users;
use utoipa::ToSchema;

use super::super::caller::SignedIn;
use super::super::guessing;
use super::super::refusal::PeopleRefusal;
use super::super::sessions::{Session, enter, with_cookie};
use super::super::telling::Deed;
use super::super::visitor::Visitor;
use super::super::webauthn::assertion::{Asked, Assertion, Kept};
use super::super::webauthn::problem::Problem;
use super::super::webauthn::site::Site;
use super::credential::SignedCredential;
use super::passkeys::{PasskeyOptions, TIMEOUT_MS, named, shown};
use super::second_step::Attempt;
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, answer};

/// What a passkey is to be used for.
#[derive(ToSchema)]
pub(crate) struct PasskeySignInOptions {
    /// The sign-in that waits for a second factor; absent to sign in without a password.
    #[schema(value_type = Option<String>)]
    id: Option<BearerDigest>,
}

/// A passkey that was used.
#[derive(ToSchema)]
pub(crate) struct PasskeySignIn {
    /// The sign-in that waits for a second factor; absent to sign in without a password.
    #[schema(value_type = Option<String>)]
    id: Option<BearerDigest>,
    /// What `PublicKeyCredential.toJSON` gives.
    #[schema(value_type = Object)]
    credential: SignedCredential,
}

/// Ask what to ask the browser for, to sign in with a passkey.
///
/// With any passkey of this site, or, after the password, with one of yours.
#[utoipa::path(
    post, path = "/api/sessions/passkey_options", tag = "Accounts",
    operation_id = "begin_passkey_sign_in", request_body = PasskeySignInOptions,
    responses((status = 200, body = PasskeyOptions))
)]
pub(crate) async fn options(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let PasskeySignInOptions { id } = PasskeySignInOptions {
            id: pending_id(&fields)?,
        };
        let (site, now) = (control.site()?, control.now());
        let bucket = [(&PASSKEY_CHALLENGES_FROM_NETWORK, visitor.network())];
        control.ensure_room(&bucket, now).await?;
        let challenge = BearerSecret::mint(control.entropy);
        let write = control.store.write(move |tx| -> Outcome<_> {
            guessing::take(tx, &bucket, now)?;
            let (purpose, allowed) = match id {
                None => (Purpose::SignIn, Vec::new()),
                Some(digest) => {
                    let pending = pending_sign_ins::find(tx, &digest, now)?;
                    let pending = pending.ok_or(PeopleRefusal::SignInOver)?;
                    let theirs = passkeys::list(tx, &pending.user)?;
                    let purpose = Purpose::SecondStep(digest.as_hex().to_owned());
                    (purpose, named(&theirs))
                }
            };
            let verification = Verification::of(&purpose);
            challenges::begin(tx, &challenge.digest(), &purpose, now)?;
            let public_key = request(&challenge, &site, &allowed, verification);
            Ok(Json(PasskeyOptions::new(public_key, now)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// Ask what to ask the browser for, to prove once more who you are with one of your passkeys.
#[utoipa::path(
    post, path = "/api/sessions/current/passkey_options", tag = "Accounts",
    operation_id = "begin_passkey_proof",
    responses((status = 200, body = PasskeyOptions)), security(("session" = []))
)]
pub(crate) async fn proof_options(State(control): State<Control>, caller: SignedIn) -> Response {
    let outcome = async {
        let (site, now) = (control.site()?, control.now());
        let challenge = BearerSecret::mint(control.entropy);
        let write = control.store.write(move |tx| -> Outcome<_> {
            let theirs = passkeys::list(tx, &caller.user.id)?;
            if theirs.is_empty() {
                return Err(PeopleRefusal::NoFactor.into());
            }
            let purpose = Purpose::Proof(caller.session.id.to_string());
            let verification = Verification::of(&purpose);
            challenges::begin(tx, &challenge.digest(), &purpose, now)?;
            let public_key = request(&challenge, &site, &named(&theirs), verification);
            Ok(Json(PasskeyOptions::new(public_key, now)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// Sign in with a passkey: without a password, or to complete a sign-in.
#[utoipa::path(
    post, path = "/api/sessions/passkey", tag = "Accounts", operation_id = "sign_in_with_passkey",
    request_body = PasskeySignIn,
    responses((status = 200, body = Session))
)]
pub(crate) async fn sign_in(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = PasskeySignIn {
            id: pending_id(&fields)?,
            credential: SignedCredential::read(&fields)?,
        };
        let purpose = match &given.id {
            None => Purpose::SignIn,
            Some(digest) => Purpose::SecondStep(digest.as_hex().to_owned()),
        };
        let shown = Shown::of(&control, given.credential, purpose)?;
        match given.id {
            None => alone(&control, visitor, shown).await,
            Some(id) => {
                let attempt = Attempt::new(&control, id, visitor);
                after_password(&control, attempt, shown).await
            }
        }
    };
    answer(&control, outcome.await)
}

fn pending_id(fields: &Fields) -> Outcome<Option<BearerDigest>> {
    if !fields.has("id") {
        return Ok(None);
    }
    let id = fields.bearer("id")?.ok_or(PeopleRefusal::SignInOver)?;
    Ok(Some(id.digest()))
}

/// Whether the authenticator must know who is there: where the passkey is all that is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verification {
    Required,
    Preferred,
}

impl Verification {
    fn of(purpose: &Purpose) -> Self {
        match purpose {
            Purpose::SignIn | Purpose::Proof(_) => Verification::Required,
            Purpose::SecondStep(_) | Purpose::Register(_) => Verification::Preferred,
        }
    }
}

fn request(
    challenge: &BearerSecret,
    site: &Site,
    allowed: &[Value],
    verification: Verification,
) -> Value {
    let verification = match verification {
        Verification::Required => "required",
        Verification::Preferred => "preferred",
    };
    json!({
        "challenge": shown(challenge),
        "timeout": TIMEOUT_MS,
        "rpId": site.id,
        "allowCredentials": allowed,
        "userVerification": verification,
    })
}

/// A passkey that somebody shows.
struct Shown {
    credential: SignedCredential,
    challenge: BearerDigest,
    purpose: Purpose,
    site: Site,
    now: AtUs,
}

impl Shown {
    fn of(control: &Control, credential: SignedCredential, purpose: Purpose) -> Outcome<Self> {
        Ok(Shown {
            challenge: credential.challenge()?,
            site: control.site()?,
            now: control.now(),
            credential,
            purpose,
        })
    }

    /// Uses the challenge up, and finds the passkey. Nothing is proved by that.
    fn take(&self, tx: &mut Tx<'_>) -> Outcome<Result<Passkey, Problem>> {
        if !challenges::take(tx, &self.challenge, &self.purpose, self.now)? {
            return Ok(Err(Problem::Challenge));
        }
        let found = passkeys::by_credential(tx, &self.credential.id)?;
        Ok(found.ok_or(Problem::Unknown))
    }

    /// Whether it is what was asked for, of `user` if that is known. Takes a fraction of a
    /// millisecond: outside of any transaction.
    fn judge(&self, passkey: &Passkey, user: Option<&UserId>) -> Result<Use, Problem> {
        let credential = &self.credential;
        let assertion = Assertion {
            client_data: &credential.client_data,
            authenticator_data: &credential.authenticator_data,
            signature: &credential.signature,
            user_handle: credential.user_handle.as_deref(),
        };
        let asked = Asked {
            challenge: &self.challenge,
            site: &self.site,
            user: user.map(UserId::as_str),
            needs_verification: Verification::of(&self.purpose) == Verification::Required,
        };
        let public_key = URL_SAFE_NO_PAD.decode(&passkey.public_key);
        let kept = Kept {
            user: passkey.user.as_str(),
            public_key: &public_key.map_err(|_| Problem::Key)?,
            sign_count: passkey.sign_count,
            is_backup_eligible: passkey.is_backup_eligible,
        };
        let used = assertion.verify(&asked, &kept)?;
        // Whoever finds a key that has no PIN gives it one, and is then known to it: without the
        // password, that proves nothing.
        if asked.needs_verification && !passkey.is_user_verified {
            return Err(Problem::NeverVerified);
        }
        Ok(Use {
            sign_count: used.sign_count,
            is_user_verified: used.is_user_verified,
            is_backed_up: used.is_backed_up,
        })
    }

    /// Writes that the passkey was used. Who comes with the same signature at once is too late.
    fn note(&self, tx: &mut Tx<'_>, passkey: &Passkey, used: &Use) -> Outcome<Result<(), Problem>> {
        let is_noted = passkeys::note_use(tx, passkey, used, self.now)?;
        Ok(is_noted.then_some(()).ok_or(Problem::Counter))
    }
}

/// Signs in without a password.
async fn alone(control: &Control, visitor: Visitor, shown: Shown) -> Outcome<Response> {
    let bucket = [(&GUESSES_FROM_NETWORK, visitor.network())];
    control.ensure_room(&bucket, shown.now).await?;
    let take = control.store.write(move |tx| -> Outcome<_> {
        guessing::take(tx, &bucket, shown.now)?;
        let taken = shown.take(tx)?;
        Ok((shown, taken))
    });
    let (shown, taken) = take.await?;
    let passkey = taken.map_err(PeopleRefusal::Passkey)?;
    let judged = shown.judge(&passkey, None);
    let (entropy, public_url) = (control.entropy, control.public_url.clone());
    let write = control.store.write(move |tx| -> Outcome<Outcome<_>> {
        let deed = Deed {
            user: &passkey.user,
            visitor: &visitor,
            now: shown.now,
            entropy,
        };
        let noted = match &judged {
            Ok(used) => shown.note(tx, &passkey, used)?,
            Err(problem) => Err(*problem),
        };
        if let Err(problem) = noted {
            deed.failed_passkey(tx, problem)?;
            return Ok(Err(PeopleRefusal::Passkey(problem).into()));
        }
        if users::get(tx, deed.user)?.is_none_or(|user| user.locked_at.is_some()) {
            deed.failed_as_locked(tx)?;
            return Ok(Err(PeopleRefusal::Locked.into()));
        }
        let (session, secret) = enter(tx, &deed, Factor::Passkey.as_str())?;
        Ok(Ok(
            with_cookie(session, &secret, &public_url).into_response()
        ))
    });
    write.await?
}

/// Completes a sign-in.
async fn after_password(control: &Control, attempt: Attempt, shown: Shown) -> Outcome<Response> {
    let bucket = [(&GUESSES_FROM_NETWORK, attempt.visitor.network())];
    control.ensure_room(&bucket, shown.now).await?;
    let take = control.store.write(move |tx| -> Outcome<_> {
        guessing::take(tx, &bucket, shown.now)?;
        let pending = attempt.take_try(tx)?;
        let taken = shown.take(tx)?;
        Ok((attempt, shown, pending, taken))
    });
    let (attempt, shown, pending, taken): (_, _, Pending, _) = take.await?;
    let judged = taken.and_then(|passkey| {
        let used = shown.judge(&passkey, Some(&pending.user))?;
        Ok((passkey, used))
    });
    let write = control.store.write(move |tx| -> Outcome<Outcome<_>> {
        let noted = match &judged {
            Ok((passkey, used)) => shown.note(tx, passkey, used)?,
            Err(problem) => Err(*problem),
        };
        match noted {
            Ok(()) => attempt.enter(tx, &pending, Factor::Passkey).map(Ok),
            Err(problem) => {
                attempt.refuse(tx, &pending, Factor::Passkey)?;
                Ok(Err(PeopleRefusal::Passkey(problem).into()))
            }
        }
    });
    write.await?
}

impl Control {
    /// Refuses what is no signature of one of the caller's passkeys, asked for to prove who they
    /// are.
    pub(in super::super) async fn ensure_passkey(
        &self,
        caller: &SignedIn,
        credential: SignedCredential,
    ) -> Outcome<()> {
        let purpose = Purpose::Proof(caller.session.id.to_string());
        let shown = Shown::of(self, credential, purpose)?;
        let bucket = [(&GUESSES_FROM_NETWORK, caller.visitor.network())];
        self.ensure_room(&bucket, shown.now).await?;
        let take = self.store.write(move |tx| -> Outcome<_> {
            guessing::take(tx, &bucket, shown.now)?;
            let taken = shown.take(tx)?;
            Ok((shown, taken))
        });
        let (shown, taken) = take.await?;
        let passkey = taken.map_err(PeopleRefusal::Passkey)?;
        let judged = shown.judge(&passkey, Some(&caller.user.id));
        let used = judged.map_err(PeopleRefusal::Passkey)?;
        let write = self.store.write(move |tx| shown.note(tx, &passkey, &used));
        Ok(write.await?.map_err(PeopleRefusal::Passkey)?)
    }
}
