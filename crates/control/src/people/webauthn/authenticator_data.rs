//! What an authenticator says, and signs (section 6.1): for which site, whether somebody was there,
//! how often it signed, and, of a new passkey, its id and key.

use super::problem::Problem;
use super::{bounded, cbor};

const USER_PRESENT: u8 = 1 << 0;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// Hash, flags and counter.
const HEAD_BYTES: usize = 37;
const AAGUID_BYTES: usize = 16;
/// The longest id of a passkey that the specification allows.
const CREDENTIAL_ID_BYTES: usize = 1023;

/// Authenticator data, read.
#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8],
    flags: u8,
    /// How often the passkey signed; 0 if it does not count.
    pub(super) sign_count: u32,
    /// The new passkey, when there is one.
    pub(super) attested: Option<Attested<'a>>,
}

/// A new passkey.
#[derive(Debug)]
pub(super) struct Attested<'a> {
    /// Its id, at least a byte.
    pub(super) credential_id: &'a [u8],
    /// Its COSE key.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads authenticator data, all of it: what is left over at the end is refused.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let bytes = bounded(bytes, Problem::AuthenticatorData)?;
        Self::read(bytes).ok_or(Problem::AuthenticatorData)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let (rp_id_hash, tail) = head.split_at_checked(32)?;
        let (flags, count) = tail.split_first()?;
        let attested = match flags & ATTESTED {
            0 => None,
            _ => Some(Attested::take(&mut rest)?),
        };
        if flags & EXTENSIONS != 0 {
            // None was asked for that an authenticator answers; what it says is not needed.
            cbor::Map::of(cbor::take(&mut rest)?)?;
        }
        rest.is_empty().then_some(AuthenticatorData {
            rp_id_hash,
            flags: *flags,
            sign_count: u32::from_be_bytes(count.try_into().ok()?),
            attested,
        })
    }

    /// Whether it was made for the site with this hash.
    pub(super) fn is_of(&self, rp_id_hash: &[u8; 32]) -> bool {
        self.rp_id_hash == rp_id_hash
    }

    /// Whether somebody was there.
    pub(super) fn is_user_present(&self) -> bool {
        self.flags & USER_PRESENT != 0
    }

    /// Whether the authenticator knows who was there.
    pub(super) fn is_user_verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }

    /// Whether the passkey can be copied to other devices of its owner.
    pub(super) fn is_backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    /// Whether the passkey was copied.
    pub(super) fn is_backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }
}

impl<'a> Attested<'a> {
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        // What model of authenticator it is (the AAGUID) makes no difference here.
        let (_, after) = rest.split_at_checked(AAGUID_BYTES)?;
        let (length, after) = after.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        if !(1..=CREDENTIAL_ID_BYTES).contains(&length) {
            return None;
        }
        let (credential_id, key_on) = after.split_at_checked(length)?;
        let mut after = key_on;
        cbor::take(&mut after)?;
        let public_key = &key_on[..key_on.len() - after.len()];
        *rest = after;
        Some(Attested {
            credential_id,
            public_key,
        })
    }
}
