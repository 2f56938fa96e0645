//! What the browser says: what it was asked for, by whom, and on which page. An authenticator signs
//! its hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::people::secret::{BearerDigest, BearerSecret};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::bounded;
use super::problem::Problem;
use super::site::Site;

/// What a browser was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    /// A new passkey.
    Create,
    /// A signature of one.
    Get,
}

/// The client data of an answer. Nothing of it is true before [`ClientData::check`] says so.
pub(in super::super) struct ClientData {
    members: Members,
    hash: [u8; 32],
}

/// Members of other names are ignored, as the specification wants; one that is there twice is
/// refused.
#[derive(Deserialize)]
struct Members {
    #[serde(rename = "type")]
    ceremony: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin")]
    cross_origin: Option<bool>,
    #[serde(rename = "tokenBinding")]
    token_binding: Option<TokenBinding>,
}

#[derive(Deserialize)]
struct TokenBinding {
    status: String,
}

impl ClientData {
    /// Reads client data: JSON in UTF-8.
    pub(in super::super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let bytes = bounded(bytes, Problem::ClientData)?;
        let members = serde_json::from_slice(bytes).map_err(|_| Problem::ClientData)?;
        Ok(ClientData {
            members,
            hash: Sha256::digest(bytes).into(),
        })
    }

    /// The digest of the challenge that is answered, by which it is found; none if it was never one
    /// of ours. Challenges are the bytes of a secret's letters.
    pub(in super::super) fn challenge(&self) -> Option<BearerDigest> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.members.challenge).ok()?;
        let secret = BearerSecret::parse(std::str::from_utf8(&bytes).ok()?)?;
        Some(secret.digest())
    }

    /// What is signed of the client data.
    pub(super) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Steps 7 to 10 of section 7.1, which are steps 11 to 14 of section 7.2.
    pub(super) fn check(
        &self,
        ceremony: Ceremony,
        challenge: &BearerDigest,
        site: &Site,
    ) -> Result<(), Problem> {
        // 7 (11): the type is that of the ceremony.
        let expected = match ceremony {
            Ceremony::Create => "webauthn.create",
            Ceremony::Get => "webauthn.get",
        };
        if self.members.ceremony != expected {
            return Err(Problem::Ceremony);
        }
        // 8 (12): the challenge is the one that was given out.
        if self.challenge().as_ref() != Some(challenge) {
            return Err(Problem::Challenge);
        }
        // 9 (13): the page is ours, and is not shown inside another one.
        if self.members.origin != site.origin {
            return Err(Problem::Origin);
        }
        if self.members.cross_origin == Some(true) {
            return Err(Problem::CrossOrigin);
        }
        // 10 (14): TLS is not bound to tokens here, so nothing can be bound to it.
        match &self.members.token_binding {
            Some(binding) if binding.status == "present" => Err(Problem::TokenBinding),
            _ => Ok(()),
        }
    }
}
