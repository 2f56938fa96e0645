//! Second factors: what somebody has, beside the password that they know.

use std::fmt;

/// A second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factor {
    /// An authenticator app.
    Totp,
    /// A passkey.
    Passkey,
    /// A code that works once, for when the others are lost.
    RecoveryCode,
}

impl Factor {
    /// The word that a factor is known by.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Factor::Totp => "totp",
            Factor::Passkey => "passkey",
            Factor::RecoveryCode => "recovery_code",
        }
    }
}

/// A change of somebody's second factors, as they are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorChange {
    /// An authenticator app was added, perhaps in place of another.
    TotpAdded,
    /// The authenticator app was removed.
    TotpRemoved,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// New recovery codes were made.
    RecoveryCodesMade,
    /// The operator removed all of them.
    AllRemoved,
}

impl fmt::Display for FactorChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FactorChange::TotpAdded => "An authenticator app was added",
            FactorChange::TotpRemoved => "The authenticator app was removed",
            FactorChange::PasskeyAdded => "A passkey was added",
            FactorChange::PasskeyRemoved => "A passkey was removed",
            FactorChange::RecoveryCodesMade => {
                "New recovery codes were made, and the earlier ones work no more"
            }
            FactorChange::AllRemoved => "Whoever runs this Farebox removed all of them",
        })
    }
}
