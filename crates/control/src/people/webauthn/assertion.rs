//! A passkey that is used: section 7.2, "Verifying an Authentication Assertion". Steps 1 to 4 are
//! the browser's and the page's, and the look-up in step 7 is the database's.

use domain::people::secret::BearerDigest;

use super::authenticator_data::AuthenticatorData;
use super::client_data::{Ceremony, ClientData};
use super::cose::PublicKey;
use super::problem::Problem;
use super::site::Site;

/// What a browser answers to being asked for a signature.
pub(in super::super) struct Assertion<'a> {
    /// The client data, JSON.
    pub(in super::super) client_data: &'a [u8],
    /// Authenticator data.
    pub(in super::super) authenticator_data: &'a [u8],
    /// A signature of both.
    pub(in super::super) signature: &'a [u8],
    /// Whose the passkey is, if the authenticator says so.
    pub(in super::super) user_handle: Option<&'a [u8]>,
}

/// What was asked.
#[derive(Clone, Copy)]
pub(in super::super) struct Asked<'a> {
    /// The challenge.
    pub(in super::super) challenge: &'a BearerDigest,
    /// For which site.
    pub(in super::super) site: &'a Site,
    /// Of whom, if that was known: by their user handle.
    pub(in super::super) user: Option<&'a str>,
    /// Whether the authenticator must know who is there.
    pub(in super::super) needs_verification: bool,
}

/// What is kept of the passkey with the id that was answered.
#[derive(Clone, Copy)]
pub(in super::super) struct Kept<'a> {
    /// Its owner's user handle.
    pub(in super::super) user: &'a str,
    /// Its COSE key.
    pub(in super::super) public_key: &'a [u8],
    /// How often it signed.
    pub(in super::super) sign_count: u32,
    /// Whether it can be copied.
    pub(in super::super) is_backup_eligible: bool,
}

/// What is to be kept of the use.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Used {
    /// How often the passkey signed.
    pub(in super::super) sign_count: u32,
    /// Whether the authenticator knew who was there.
    pub(in super::super) is_user_verified: bool,
    /// Whether the passkey was copied.
    pub(in super::super) is_backed_up: bool,
}

impl Assertion<'_> {
    /// Verifies the answer.
    pub(in super::super) fn verify(
        &self,
        asked: &Asked<'_>,
        kept: &Kept<'_>,
    ) -> Result<Used, Problem> {
        // 5, 6: the passkey belongs to whom it was asked of; if that was nobody in particular, the
        // authenticator says to whom, and is right.
        let named = self.user_handle;
        let is_theirs = match asked.user {
            Some(user) => user == kept.user && named.is_none_or(|it| it == user.as_bytes()),
            None => named == Some(kept.user.as_bytes()),
        };
        if !is_theirs {
            return Err(Problem::Unknown);
        }
        // 7: its key. 8: what was answered, which is in `self`.
        let key = PublicKey::parse(kept.public_key)?;
        // 9, 10: the client data is JSON in UTF-8.
        let client_data = ClientData::parse(self.client_data)?;
        // 11 to 14: it was asked for here, and on our page.
        client_data.check(Ceremony::Get, asked.challenge, asked.site)?;
        let data = AuthenticatorData::parse(self.authenticator_data)?;
        // No passkey was made (section 6.1).
        if data.attested.is_some() {
            return Err(Problem::AuthenticatorData);
        }
        // 15: it is for this site.
        if !data.is_of(&asked.site.id_hash()) {
            return Err(Problem::RpId);
        }
        // 16: somebody was there. 17: and the authenticator knows who, where that is required.
        if !data.is_user_present() {
            return Err(Problem::NotPresent);
        }
        if asked.needs_verification && !data.is_user_verified() {
            return Err(Problem::NotVerified);
        }
        // Level 3, steps 18 and 19: what cannot be copied was not, and stays so.
        let is_eligible = data.is_backup_eligible();
        if is_eligible != kept.is_backup_eligible || (data.is_backed_up() && !is_eligible) {
            return Err(Problem::Backup);
        }
        // 18: no extension was asked for. 19: the hash of the client data. 20: the signature.
        let signed = [self.authenticator_data, client_data.hash()].concat();
        key.verify(&signed, self.signature)?;
        // 21: a passkey that counts only counts up; another one with its key would not.
        let counts = data.sign_count != 0 || kept.sign_count != 0;
        if counts && data.sign_count <= kept.sign_count {
            return Err(Problem::Counter);
        }
        Ok(Used {
            sign_count: data.sign_count,
            is_user_verified: data.is_user_verified(),
            is_backed_up: data.is_backed_up(),
        })
    }
}
