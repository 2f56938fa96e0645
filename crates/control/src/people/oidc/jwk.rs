//! The public keys of a provider (RFC 7517), and what they verify.
//!
//! A key that Farebox has no use for is left out: for encryption, of another kind or curve, or a
//! symmetric one, whose holder could sign as the provider.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};

/// More keys than this nobody has.
const MOST_KEYS: usize = 100;

/// How a token may be signed. There is no other way: neither `none`, nor the symmetric `HS256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA, PKCS #1 v1.5, with SHA-256.
    Rs256,
    /// RSA, PSS, with SHA-256.
    Ps256,
    /// ECDSA on P-256, with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// By its registered name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Algorithm::Rs256),
            "PS256" => Some(Algorithm::Ps256),
            "ES256" => Some(Algorithm::Es256),
            "EdDSA" | "Ed25519" => Some(Algorithm::EdDsa),
            _ => None,
        }
    }
}

/// A key that signatures are verified with.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Its name among the provider's keys.
    pub(super) kid: Option<String>,
    /// The only algorithm that it is for, if it says so.
    only: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// The usable keys of a set; `None` if it is no set of keys.
pub(super) fn read(set: &Map<String, Value>) -> Option<Vec<Key>> {
    let keys = set.get("keys")?.as_array()?;
    let keys = keys.iter().take(MOST_KEYS).filter_map(Value::as_object);
    Some(keys.filter_map(Key::read).collect())
}

impl Key {
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let verifies = |value: &Value| {
            let operations = value.as_array().into_iter().flatten();
            operations.into_iter().any(|it| it == "verify")
        };
        if !jwk.get("key_ops").is_none_or(verifies) {
            return None;
        }
        let only = match text("alg") {
            Some(name) => Some(Algorithm::named(name)?),
            None => None,
        };
        let material = match (text("kty")?, text("crv")) {
            ("RSA", None) => Material::Rsa {
                n: without_zeros(bytes("n")?),
                e: without_zeros(bytes("e")?),
            },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                Material::P256([&[4], &x[..], &y[..]].concat())
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x")?),
            _ => return None,
        };
        Some(Key {
            kid: text("kid").map(ToOwned::to_owned),
            only,
            material,
        })
    }

    /// Whether it is a key for this algorithm: what a token says of itself is not enough.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        let of_kind = match self.material {
            Material::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        of_kind && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether `signature` is this key's, of `message`, made with `algorithm`.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.is_for(algorithm) {
            return false;
        }
        let whole = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature)
        };
        let verified = match &self.material {
            Material::Rsa { n, e } => {
                let padding: &signature::RsaParameters = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n, e }.verify(padding, message, signature)
            }
            Material::P256(point) => whole(&ECDSA_P256_SHA256_FIXED, point),
            Material::Ed25519(key) => whole(&ED25519, key),
        };
        verified.is_ok()
    }
}

/// Some write a number's leading zeros, which `ring` refuses.
fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn usable(jwk: &Value) -> Option<Key> {
        let set = json!({"keys": [jwk]});
        read(set.as_object()?)?.pop()
    }

    #[test]
    fn keys_are_taken_for_what_they_are_and_others_left_out() {
        let x = URL_SAFE_NO_PAD.encode([7; 32]);
        let rsa = json!({"kty": "RSA", "n": x, "e": "AQAB"});
        let ec = json!({"kty": "EC", "crv": "P-256", "x": x, "y": x});
        let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        for (jwk, algorithms) in [
            (&rsa, &[Algorithm::Rs256, Algorithm::Ps256][..]),
            (&ec, &[Algorithm::Es256]),
            (&okp, &[Algorithm::EdDsa]),
        ] {
            let key = usable(jwk).expect("usable");
            for algorithm in [
                Algorithm::Rs256,
                Algorithm::Ps256,
                Algorithm::Es256,
                Algorithm::EdDsa,
            ] {
                assert_eq!(key.is_for(algorithm), algorithms.contains(&algorithm));
            }
        }
        let with = |jwk: &Value, name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            jwk
        };
        let only = usable(&with(&rsa, "alg", json!("PS256"))).expect("usable");
        assert!(only.is_for(Algorithm::Ps256) && !only.is_for(Algorithm::Rs256));
        assert!(usable(&with(&rsa, "key_ops", json!(["verify"]))).is_some());
        for unusable in [
            json!({"kty": "oct", "k": x}),
            json!({"kty": "EC", "crv": "P-384", "x": x, "y": x}),
            json!({"kty": "EC", "crv": "P-256", "x": x, "y": "AA"}),
            json!({"kty": "OKP", "crv": "X25519", "x": x}),
            json!({"kty": "RSA", "n": "not base64!", "e": "AQAB"}),
            json!({"kty": "RSA", "e": "AQAB"}),
            json!("RSA"),
            with(&rsa, "use", json!("enc")),
            with(&rsa, "key_ops", json!(["encrypt"])),
            with(&rsa, "alg", json!("RSA-OAEP")),
            with(&rsa, "alg", json!("HS256")),
        ] {
            assert!(usable(&unusable).is_none(), "{unusable}");
        }
        for no_set in [json!({}), json!({"keys": 1})] {
            assert!(read(no_set.as_object().expect("an object")).is_none());
        }
    }
}
