//! What browsers answer about passkeys, as JSON with bytes in base64url.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::people::secret::BearerDigest;

use super::super::refusal::PeopleRefusal;
use super::super::webauthn::client_data::ClientData;
use super::super::webauthn::problem::Problem;
use crate::body::Fields;
use crate::respond::Outcome;

/// The most ways to reach an authenticator that are kept; WebAuthn has five.
const TRANSPORTS: usize = 10;
const TRANSPORT_CHARS: usize = 32;

/// A passkey that was made.
pub(crate) struct NewCredential {
    pub(super) client_data: Vec<u8>,
    pub(super) attestation_object: Vec<u8>,
    /// How the authenticator can be reached.
    pub(super) transports: Vec<String>,
}

/// A signature by a passkey.
pub(crate) struct SignedCredential {
    /// The passkey's id, base64url.
    pub(super) id: String,
    pub(super) client_data: Vec<u8>,
    pub(super) authenticator_data: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) user_handle: Option<Vec<u8>>,
}

impl NewCredential {
    /// Reads the member `credential`.
    pub(super) fn read(fields: &Fields) -> Outcome<Self> {
        let (_, response) = parts(fields)?;
        let transports = response.ids("transports", TRANSPORTS)?;
        let transports = transports.unwrap_or_default().into_iter();
        Ok(NewCredential {
            client_data: required(&response, "clientDataJSON")?,
            attestation_object: required(&response, "attestationObject")?,
            transports: transports
                .filter(|word| word.len() <= TRANSPORT_CHARS)
                .map(ToOwned::to_owned)
                .collect(),
        })
    }

    /// The digest of the challenge that it answers.
    pub(super) fn challenge(&self) -> Outcome<BearerDigest> {
        challenge(&self.client_data)
    }
}

impl SignedCredential {
    /// Reads the member `credential`.
    pub(in super::super) fn read(fields: &Fields) -> Outcome<Self> {
        let (credential, response) = parts(fields)?;
        let id = required(&credential, "id")?;
        Ok(SignedCredential {
            // As it is kept, however it was written.
            id: URL_SAFE_NO_PAD.encode(id),
            client_data: required(&response, "clientDataJSON")?,
            authenticator_data: required(&response, "authenticatorData")?,
            signature: required(&response, "signature")?,
            user_handle: bytes(&response, "userHandle")?,
        })
    }

    /// The digest of the challenge that it answers.
    pub(super) fn challenge(&self) -> Outcome<BearerDigest> {
        challenge(&self.client_data)
    }
}

/// The credential, and the authenticator's response in it.
fn parts(fields: &Fields) -> Outcome<(Fields, Fields)> {
    let credential = fields.object("credential", "credential.")?;
    let credential = fields.required("credential", credential)?;
    let kind = credential.required("type", credential.text("type")?)?;
    if kind != "public-key" {
        return Err(credential.invalid("type", "expected 'public-key'"));
    }
    let response = credential.object("response", "credential.response.")?;
    let response = credential.required("response", response)?;
    Ok((credential, response))
}

fn required(fields: &Fields, param: &str) -> Outcome<Vec<u8>> {
    fields.required(param, bytes(fields, param)?)
}

fn bytes(fields: &Fields, param: &str) -> Outcome<Option<Vec<u8>>> {
    let Some(text) = fields.text(param)? else {
        return Ok(None);
    };
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded
        .map(Some)
        .map_err(|_| fields.invalid(param, "expected base64url without padding"))
}

fn challenge(client_data: &[u8]) -> Outcome<BearerDigest> {
    let client_data = ClientData::parse(client_data).map_err(PeopleRefusal::Passkey)?;
    let none = PeopleRefusal::Passkey(Problem::Challenge);
    Ok(client_data.challenge().ok_or(none)?)
}
