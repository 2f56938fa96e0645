//! A new passkey: section 7.1, "Registering a New Credential". Steps 1 to 4 are the browser's and
//! the page's; the last two, 22 and 23, are the database's: whether the passkey belongs to an
//! account already, and keeping it.

use domain::people::secret::BearerDigest;

use super::attestation::Attestation;
use super::authenticator_data::AuthenticatorData;
use super::client_data::{Ceremony, ClientData};
use super::cose::PublicKey;
use super::problem::Problem;
use super::site::Site;

/// What a browser answers to being asked for a new passkey.
pub(in super::super) struct Registration<'a> {
    /// The client data, JSON.
    pub(in super::super) client_data: &'a [u8],
    /// The attestation object, CBOR.
    pub(in super::super) attestation_object: &'a [u8],
}

/// A passkey that was just made.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Registered {
    /// Its id, 1 to 1,023 bytes.
    pub(in super::super) credential_id: Vec<u8>,
    /// Its COSE key.
    pub(in super::super) public_key: Vec<u8>,
    /// How often it signed; 0 if it does not count.
    pub(in super::super) sign_count: u32,
    /// Whether the authenticator knew who was there.
    pub(in super::super) is_user_verified: bool,
    /// Whether it can be copied to other devices of its owner.
    pub(in super::super) is_backup_eligible: bool,
    /// Whether it was.
    pub(in super::super) is_backed_up: bool,
}

impl Registration<'_> {
    /// Verifies the answer to `challenge`.
    pub(in super::super) fn verify(
        &self,
        challenge: &BearerDigest,
        site: &Site,
    ) -> Result<Registered, Problem> {
        // 5, 6: the client data is JSON in UTF-8.
        let client_data = ClientData::parse(self.client_data)?;
        // 7 to 10: it was asked for here, and on our page.
        client_data.check(Ceremony::Create, challenge, site)?;
        // 11: its hash is taken. 12: the attestation is CBOR.
        let attestation = Attestation::parse(self.attestation_object)?;
        let data = attestation.authenticator_data.clone();
        let data = AuthenticatorData::parse(&data)?;
        // 13: the passkey is for this site.
        if !data.is_of(&site.id_hash()) {
            return Err(Problem::RpId);
        }
        // 14: somebody was there. 15: who, is not required of a second factor.
        if !data.is_user_present() {
            return Err(Problem::NotPresent);
        }
        // Level 3, step 17: what cannot be copied was not.
        if data.is_backed_up() && !data.is_backup_eligible() {
            return Err(Problem::Backup);
        }
        // 16: the key is of a kind that was asked for.
        let attested = data.attested.as_ref().ok_or(Problem::AuthenticatorData)?;
        let key = PublicKey::parse(attested.public_key)?;
        // 17: no extension was asked for that changes anything. 18, 19: the attestation is right.
        // 20, 21: nothing more of it is needed.
        attestation.verify(&key, client_data.hash())?;
        Ok(Registered {
            credential_id: attested.credential_id.to_vec(),
            public_key: attested.public_key.to_vec(),
            sign_count: data.sign_count,
            is_user_verified: data.is_user_verified(),
            is_backup_eligible: data.is_backup_eligible(),
            is_backed_up: data.is_backed_up(),
        })
    }
}
