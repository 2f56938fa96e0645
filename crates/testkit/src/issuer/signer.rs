//! Keys that sign tokens, of each kind that `ring` can make or read.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

/// `ring` makes no RSA keys, so there is one in a file: everybody can read it, and it is good for
/// nothing but tests.
const RSA_KEY: &str = include_str!("rsa_key.b64");

/// A key that signs.
pub struct Signer {
    kid: String,
    pair: Pair,
    random: SystemRandom,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// The RSA key, which is always the same.
    pub fn rsa(kid: &str) -> Self {
        let der = STANDARD.decode(RSA_KEY.replace('\n', ""));
        let der = der.expect("the file is base64");
        let pair = RsaKeyPair::from_pkcs8(&der).expect("the file is a key");
        Self::of(kid, Pair::Rsa(pair))
    }

    /// A new key on P-256.
    pub fn p256(kid: &str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key can be made");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random);
        Self::of(kid, Pair::P256(pair.expect("it was made just now")))
    }

    /// A new Ed25519 key.
    pub fn ed25519(kid: &str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let pair = Ed25519KeyPair::from_pkcs8(der.expect("a key can be made").as_ref());
        Self::of(kid, Pair::Ed25519(pair.expect("it was made just now")))
    }

    fn of(kid: &str, pair: Pair) -> Self {
        Signer {
            kid: kid.to_owned(),
            pair,
            random: SystemRandom::new(),
        }
    }

    /// The algorithm that its tokens are usually signed with.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let key = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": text(&key.n), "e": text(&key.e)})
            }
            Pair::P256(pair) => {
                // An uncompressed point: a byte 4, and two numbers.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Pair::Ed25519(pair) => {
                let x = text(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": self.kid, "typ": "JWT"});
        self.signed(&header.to_string(), &claims.to_string())
    }

    /// A token with any header, whatever is said there: `PS256` alone changes how it is signed.
    pub fn signed(&self, header: &str, payload: &str) -> String {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = self.signature(message.as_bytes(), header.contains("PS256"));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, message: &[u8], pss: bool) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = match pss {
                    true => pair.sign(&RSA_PSS_SHA256, &self.random, message, &mut signature),
                    false => pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature),
                };
                signed.expect("a message can be signed");
                signature
            }
            Pair::P256(pair) => {
                let signature = pair.sign(&self.random, message);
                signature
                    .expect("a message can be signed")
                    .as_ref()
                    .to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}
