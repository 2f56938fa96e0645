//! Tells the audit logs of all organizations that a person belongs to what they did.

use domain::Entropy;
use domain::id::UserId;
use domain::people::factor::Factor;
use domain::time::AtUs;
use serde_json::json;
use store::audit::{self, Act, Event, Kind};
use store::people::users;
use store::{StoreError, Tx};

use super::visitor::Visitor;
use super::webauthn::problem::Problem;
use crate::Control;

const LOCKED: &str = "The account is locked.";

/// What a person did, and from where.
pub(super) struct Deed<'a> {
    pub(super) user: &'a UserId,
    pub(super) visitor: &'a Visitor,
    pub(super) now: AtUs,
    pub(super) entropy: Entropy,
}

impl Deed<'_> {
    /// Somebody signed in; `method` is how, such as `password`.
    pub(super) fn signed_in(
        &self,
        tx: &mut Tx<'_>,
        method: &str,
        second_factor: Option<Factor>,
    ) -> Result<(), StoreError> {
        let second_factor = second_factor.map(Factor::as_str);
        let data = json!({"method": method, "second_factor": second_factor});
        self.tell(tx, &Event::new(Kind::LoginSucceeded, self.user).data(data))
    }

    /// Somebody who has the password did not get past the second factor.
    pub(super) fn failed_factor(&self, tx: &mut Tx<'_>, factor: Factor) -> Result<(), StoreError> {
        let message = format!("The second factor was wrong: {}.", factor.as_str());
        self.tell(tx, &failed(self.user, "wrong_factor", &message))
    }

    /// A passkey of somebody did not let anybody in.
    pub(super) fn failed_passkey(
        &self,
        tx: &mut Tx<'_>,
        problem: Problem,
    ) -> Result<(), StoreError> {
        let message = format!("The passkey was not accepted: {problem}.");
        self.tell(tx, &failed(self.user, "passkey_refused", &message))
    }

    /// Somebody showed who they are, and an operator locked the account.
    pub(super) fn failed_as_locked(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.tell(tx, &failed(self.user, "account_locked", LOCKED))
    }

    /// Somebody signed out.
    pub(super) fn signed_out(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.tell(tx, &Event::new(Kind::LogoutSucceeded, self.user))
    }

    /// Somebody changed their account. What to is nobody else's business.
    pub(super) fn changed(&self, tx: &mut Tx<'_>, what: &str) -> Result<(), StoreError> {
        let event = Event::new(Kind::AccountUpdated, self.user);
        self.tell(tx, &event.changes(json!({"changed": [what]})))
    }

    fn tell(&self, tx: &mut Tx<'_>, event: &Event) -> Result<(), StoreError> {
        let actor = self.visitor.actor(self.user);
        for membership in users::memberships(tx, self.user)? {
            let act = Act {
                actor: &actor,
                organization: &membership.organization,
                at: self.now,
                entropy: self.entropy,
            };
            audit::record(tx, &act, std::slice::from_ref(event))?;
        }
        Ok(())
    }
}

/// Tells that somebody did not get into an account: while they are answered, as the time would
/// tell whose address is known here.
pub(super) fn failed_to_sign_in(
    control: &Control,
    user: UserId,
    visitor: &Visitor,
    code: &'static str,
) {
    let (control, visitor) = (control.clone(), visitor.clone());
    tokio::spawn(async move {
        let (now, entropy) = (control.now(), control.entropy);
        let write = control.store.write(move |tx| -> Result<(), StoreError> {
            let deed = Deed {
                user: &user,
                visitor: &visitor,
                now,
                entropy,
            };
            let message = match code {
                "account_locked" => LOCKED,
                _ => "The password was wrong.",
            };
            deed.tell(tx, &failed(&user, code, message))
        });
        if let Err(error) = write.await {
            tracing::error!(%error, "a failed sign-in is missing in the audit log");
        }
    });
}

fn failed(user: &UserId, code: &str, message: &str) -> Event {
    Event::new(Kind::LoginFailed, user)
        .with("error_code", json!(code))
        .with("error_message", json!(message))
}
