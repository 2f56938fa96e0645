//! The proof that how one signs in may be changed: the password, a code of the authenticator app or
//! a passkey, or that one of them was shown just now.

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use domain::people::email::Email;
use domain::people::password::Password;
use store::people::sessions::note_proof;
use utoipa::ToSchema;

use super::caller::SignedIn;
use super::factors::credential::SignedCredential;
use super::factors::second_step::{check_totp, totp_guess};
use super::guessing;
use super::refusal::PeopleRefusal;
use super::sessions::{Session, admit_guess, forgive};
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, Refusal, answer};

/// What proves once more who one is: one of these.
#[derive(ToSchema)]
pub(crate) struct NewProof {
    #[schema(value_type = Option<String>)]
    current_password: Proof,
    /// Of the authenticator app.
    #[schema(example = "123456")]
    code: Option<String>,
    /// What `PublicKeyCredential.toJSON` gives, for what `/api/sessions/current/passkey_options`
    /// asks.
    #[schema(value_type = Option<Object>)]
    credential: Option<SignedCredential>,
}

/// What somebody shows who wants to change how they sign in.
#[derive(Debug)]
pub(super) enum Proof {
    /// Nothing: the session has to be fresh.
    Session,
    /// A password; none that is longer than any password.
    Typed(Option<Password>),
}

impl Fields {
    /// The member `current_password`, where it is there.
    pub(super) fn proof(&self) -> Outcome<Proof> {
        match self.has("current_password") {
            true => self.typed_password("current_password").map(Proof::Typed),
            false => Ok(Proof::Session),
        }
    }
}

/// Prove once more who you are. For a quarter of an hour, nothing further is asked for to change
/// how you sign in.
#[utoipa::path(
    post, path = "/api/sessions/current/proof", tag = "Accounts", operation_id = "prove_identity",
    request_body = NewProof,
    responses((status = 200, body = Session)), security(("session" = []))
)]
pub(crate) async fn prove(
    State(control): State<Control>,
    mut caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let proof = NewProof {
            current_password: fields.proof()?,
            code: match fields.has("code") {
                true => Some(fields.code("code")?),
                false => None,
            },
            credential: match fields.has("credential") {
                true => Some(SignedCredential::read(&fields)?),
                false => None,
            },
        };
        match (proof.credential, proof.code, proof.current_password) {
            (Some(credential), _, _) => control.ensure_passkey(&caller, credential).await?,
            (None, Some(code), _) => control.ensure_code(&caller, code).await?,
            (None, None, Proof::Session) => {
                let param = "current_password".into();
                return Err(Refusal::Missing { param });
            }
            (None, None, typed) => control.ensure_proved(&caller, typed).await?,
        }
        let (id, now) = (caller.session.id.clone(), control.now());
        let write = control.store.write(move |tx| note_proof(tx, &id, now));
        write.await?;
        caller.session.lifetime.proved_at = now;
        let current = caller.session.id.clone();
        Ok(Json(Session::of(caller.session, &current)))
    };
    answer(&control, outcome.await)
}

impl Control {
    /// Refuses what is no code of the caller's authenticator app.
    async fn ensure_code(&self, caller: &SignedIn, code: String) -> Outcome<()> {
        let (now, key) = (self.now(), self.sealing()?);
        let user = caller.user.id.clone();
        let buckets = totp_guess(&user, caller.visitor.network());
        self.ensure_room(&buckets, now).await?;
        let write = self.store.write(move |tx| -> Outcome<bool> {
            guessing::take(tx, &buckets, now)?;
            check_totp(tx, &user, &code, &key, now)
        });
        match write.await? {
            true => Ok(()),
            false => Err(PeopleRefusal::WrongFactor.into()),
        }
    }

    /// Refuses what proves nothing. A password that is tried here counts as one tried at the door.
    pub(super) async fn ensure_proved(&self, caller: &SignedIn, proof: Proof) -> Outcome<()> {
        let now = self.now();
        let typed = match proof {
            Proof::Session if caller.session.lifetime.is_fresh(now) => return Ok(()),
            Proof::Session => return Err(PeopleRefusal::ProofRequired.into()),
            Proof::Typed(typed) => typed,
        };
        let email = Email::parse(&caller.user.email).map_err(|_| PeopleRefusal::ProofRequired)?;
        let network = caller.visitor.network();
        let found = admit_guess(self, &email, &network, now).await?;
        let hash = found.and_then(|(_, hash)| hash);
        match self.people.hasher.verify(typed, hash).await? {
            true => {
                let visitor = caller.visitor.clone();
                let write = self
                    .store
                    .write(move |tx| forgive(tx, email.as_str(), &visitor));
                Ok(write.await?)
            }
            false => Err(Refusal::Invalid {
                param: "current_password".into(),
                message: "Invalid 'current_password': it is not your password.".into(),
            }),
        }
    }
}
