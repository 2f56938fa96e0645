//! Why a passkey is refused.

/// Why a passkey is refused, as its owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("what the browser says of it cannot be read")]
    ClientData,
    #[error("it was asked for something else")]
    Ceremony,
    #[error("it answers nothing that was asked here in the last five minutes")]
    Challenge,
    #[error("it was used on another page: `public_url` is not where the browser is")]
    Origin,
    #[error("it was used in a page that is shown inside another one")]
    CrossOrigin,
    #[error("it is bound to another connection")]
    TokenBinding,
    #[error("what the authenticator says cannot be read")]
    AuthenticatorData,
    #[error("it is one of another site")]
    RpId,
    #[error("nobody touched the authenticator")]
    NotPresent,
    #[error("the authenticator did not see who is there: it needs a PIN, a fingerprint or a face")]
    NotVerified,
    #[error("it says both that it cannot be copied and that it was")]
    Backup,
    #[error("its key is of another kind than was asked for")]
    Algorithm,
    #[error("its key cannot be read")]
    Key,
    #[error("its attestation is wrong, or of a kind that was not asked for")]
    Attestation,
    #[error("it belongs to an account already")]
    Registered,
    #[error("it belongs to no account, or not to this one")]
    Unknown,
    #[error(
        "it was never used with a PIN, a fingerprint or a face: use it once after the password"
    )]
    NeverVerified,
    #[error("its signature is wrong")]
    Signature,
    #[error("it counts backwards, as a copy would")]
    Counter,
}
