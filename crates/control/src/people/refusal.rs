//! Why a person is refused.

use domain::people::code::CodeRefusal;
use domain::time::{AtUs, SECOND_US};

use super::hasher::Busy;
use super::webauthn::problem::Problem;
use crate::respond::Refusal;

/// Why a person is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeopleRefusal {
    /// No cookie came, or its session is over.
    NotSignedIn,
    /// The page of another site made the browser send this.
    CrossOrigin,
    /// There is no such account, or this is not its password.
    WrongCredentials,
    /// An operator locked the account; said only to who knows its password.
    Locked,
    /// Too much was tried; some seconds later it may be tried again.
    TooMany {
        /// How many seconds.
        wait_s: i64,
    },
    /// Too many sign in at this moment.
    Busy,
    /// This is not the code that was sent.
    WrongCode,
    /// The code is too old, was tried too often, or was never sent.
    CodeOver,
    /// Enough codes were sent for this.
    NoMoreCodes,
    /// Nobody may sign up here, or only who was invited.
    SignupClosed {
        /// Whether an invitation would help.
        by_invite: bool,
    },
    /// The sign-up is over, or never was.
    SignupOver,
    /// The sign-up is not as far as that.
    SignupOrder,
    /// The link does not work, or not any more.
    BadLink,
    /// The sign-in that waits for a second factor is over, or never was.
    SignInOver,
    /// This is no second factor of theirs, or was used.
    WrongFactor,
    /// No authenticator app is to be added, or not any more.
    EnrolmentOver,
    /// There is no such second factor, or none at all.
    NoFactor,
    /// This installation has no name that passkeys can be made for.
    NoPasskeysHere,
    /// There are as many passkeys as there may be.
    TooManyPasskeys,
    /// A passkey is not accepted.
    Passkey(Problem),
    /// The invite is for another address.
    OtherAddress,
    /// The provider cannot be reached, or does not work.
    ProviderDown,
    /// Nobody could sign in to the account any more.
    LastWay,
    /// How one signs in is only changed by who proved lately who they are.
    ProofRequired,
}

impl PeopleRefusal {
    /// Nothing more until then.
    pub(crate) fn until(then: AtUs, now: AtUs) -> Self {
        // Rounded up, so that waiting suffices.
        let wait_s = (then.since(now) + SECOND_US - 1) / SECOND_US;
        PeopleRefusal::TooMany {
            wait_s: wait_s.max(1),
        }
    }
}

impl From<PeopleRefusal> for Refusal {
    fn from(refusal: PeopleRefusal) -> Self {
        Refusal::People(refusal)
    }
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        Refusal::People(PeopleRefusal::Busy)
    }
}

impl From<CodeRefusal> for PeopleRefusal {
    fn from(refusal: CodeRefusal) -> Self {
        match refusal {
            CodeRefusal::Wrong => PeopleRefusal::WrongCode,
            CodeRefusal::Expired | CodeRefusal::NoTriesLeft => PeopleRefusal::CodeOver,
        }
    }
}
