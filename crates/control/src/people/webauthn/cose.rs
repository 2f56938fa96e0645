//! The public keys of passkeys (COSE keys, RFC 8152), and signatures by them, which ring verifies.

use ciborium::Value;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::cbor::{self, Map};
use super::problem::Problem;

/// What is asked for, the most wanted first: ES256, EdDSA and RS256 by their COSE numbers.
pub(in super::super) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

// Labels of RFC 8152, section 7, and of the kinds of keys in section 13 and RFC 8230.
const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const RSA_N: i64 = -1;
const RSA_E: i64 = -2;

const KTY_OKP: i64 = 1;
const KTY_EC2: i64 = 2;
const KTY_RSA: i64 = 3;
const CRV_P256: i64 = 1;
const CRV_ED25519: i64 = 6;

/// 2,048 to 8,192 bits: what ring verifies with.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A public key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// ECDSA on P-256: the point, uncompressed.
    Es256([u8; 65]),
    /// Ed25519.
    EdDsa([u8; 32]),
    /// RSA with PKCS #1 padding.
    Rs256 {
        /// The modulus, big-endian.
        n: Vec<u8>,
        /// The exponent, big-endian.
        e: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads a COSE key. It must say what algorithm it is for, one of [`ALGORITHMS`], and nothing
    /// beside the key.
    pub(super) fn parse(cose: &[u8]) -> Result<Self, Problem> {
        let item: Value = cbor::whole(cose).ok_or(Problem::Key)?;
        let mut map = Map::of(item).ok_or(Problem::Key)?;
        let algorithm = map.integer(ALG).ok_or(Problem::Key)?;
        let kind = map.integer(KTY).ok_or(Problem::Key)?;
        let key = match (algorithm, kind) {
            (ES256, KTY_EC2) => point(&mut map),
            (EDDSA, KTY_OKP) => edwards(&mut map),
            (RS256, KTY_RSA) => modulus(&mut map),
            (ES256 | EDDSA | RS256, _) => None,
            _ => return Err(Problem::Algorithm),
        };
        match key {
            Some(key) if map.is_empty() => Ok(key),
            _ => Err(Problem::Key),
        }
    }

    /// Its algorithm's number.
    pub(super) fn algorithm(&self) -> i64 {
        match self {
            PublicKey::Es256(_) => ES256,
            PublicKey::EdDsa(_) => EDDSA,
            PublicKey::Rs256 { .. } => RS256,
        }
    }

    /// Refuses what is no signature of `message` by this key.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Problem> {
        let verified = match self {
            PublicKey::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            PublicKey::EdDsa(key) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
            PublicKey::Rs256 { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        verified.map_err(|_| Problem::Signature)
    }
}

fn point(map: &mut Map) -> Option<PublicKey> {
    let is_p256 = map.integer(CRV)? == CRV_P256;
    // Both coordinates in full: compressed points are not allowed here.
    let (x, y) = (map.bytes(X)?, map.bytes(Y)?);
    let point = [&[4], &*x, &*y].concat();
    let fits = is_p256 && x.len() == 32 && y.len() == 32;
    let point = fits.then(|| point.try_into().ok())??;
    Some(PublicKey::Es256(point))
}

fn edwards(map: &mut Map) -> Option<PublicKey> {
    let is_ed25519 = map.integer(CRV)? == CRV_ED25519;
    let key = map.bytes(X)?.try_into().ok()?;
    is_ed25519.then_some(PublicKey::EdDsa(key))
}

fn modulus(map: &mut Map) -> Option<PublicKey> {
    let (n, e) = (map.bytes(RSA_N)?, map.bytes(RSA_E)?);
    let fits = MODULUS_BYTES.contains(&n.len()) && (1..=8).contains(&e.len());
    fits.then_some(PublicKey::Rs256 { n, e })
}
