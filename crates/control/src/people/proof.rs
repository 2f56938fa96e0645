//! The proof that how one signs in may be changed: the password, or that one signed in just now.

use domain::people::email::Email;
use domain::people::password::Password;

use super::caller::SignedIn;
use super::refusal::PeopleRefusal;
use super::sessions::{admit_guess, forgive};
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, Refusal};

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

impl Control {
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
