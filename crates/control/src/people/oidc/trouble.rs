//! Why nobody was signed in by a provider. A browser was on its way then: it is sent to a page,
//! with a code that the page explains.

use store::StoreError;

use crate::people::refusal::PeopleRefusal;
use crate::respond::Refusal;

/// Why nobody was signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The sign-in was begun in another browser, too long ago, or is finished.
    Over,
    /// They, or the provider, changed their mind.
    Denied,
    /// The provider cannot be reached, or does not work. What happened.
    Unavailable(String),
    /// What the provider said is not believed. Why.
    Failed(String),
    /// The provider names no address, or not one that is proved.
    Unverified,
    /// Addresses of this domain are not let in.
    Domain,
    /// There is an account with this address: its owner must link it.
    LinkRequired,
    /// The identity belongs to another account.
    Taken,
    /// The invite is over, or for another address.
    Invite,
    /// Anybody would be refused for it.
    Refused(PeopleRefusal),
    /// The database.
    Broken,
}

impl Trouble {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Trouble::Failed(why.into())
    }

    /// The code in the address of the page. docs/accounts.md explains each.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Trouble::Over => "sso_expired",
            Trouble::Denied => "sso_denied",
            Trouble::Unavailable(_) => "sso_unavailable",
            Trouble::Failed(_) => "sso_failed",
            Trouble::Unverified => "sso_email_unverified",
            Trouble::Domain => "sso_domain_refused",
            Trouble::LinkRequired => "sso_link_required",
            Trouble::Taken => "sso_identity_taken",
            Trouble::Invite => "link_expired",
            Trouble::Refused(PeopleRefusal::Locked) => "account_locked",
            Trouble::Refused(PeopleRefusal::NotSignedIn) => "not_signed_in",
            Trouble::Refused(PeopleRefusal::SignupClosed { .. }) => "signup_closed",
            Trouble::Refused(PeopleRefusal::SignupOver) => "signup_expired",
            Trouble::Refused(PeopleRefusal::TooMany { .. }) => "too_many_attempts",
            Trouble::Refused(_) | Trouble::Broken => "internal_error",
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::People(refusal) => Trouble::Refused(refusal),
            other => {
                tracing::error!(error = ?other, "a sign-in by a provider failed");
                Trouble::Broken
            }
        }
    }
}

impl From<Trouble> for Refusal {
    /// Where no browser is on its way.
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => Refusal::People(refusal),
            Trouble::Broken => Refusal::Store(StoreError::Unavailable("as was logged".into())),
            _ => Refusal::People(PeopleRefusal::ProviderDown),
        }
    }
}
