//! Public keys of those who may report, and what they signed: ECDSA over P-256 with SHA-256.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

/// What stands before the point of a P-256 key in its DER form (RFC 5480): the algorithm.
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT_BYTES: usize = 65;
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// The public key of somebody who may report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PublicKey([u8; POINT_BYTES]);

/// A text that is no public key on the curve P-256 in PEM form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadPublicKey;

impl PublicKey {
    /// Reads a key in PEM form.
    ///
    /// # Errors
    /// [`BadPublicKey`].
    pub(super) fn from_pem(pem: &str) -> Result<Self, BadPublicKey> {
        let (_, rest) = pem.split_once(BEGIN).ok_or(BadPublicKey)?;
        let (body, _) = rest.split_once(END).ok_or(BadPublicKey)?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| BadPublicKey)?;
        let point = der.strip_prefix(&P256_HEAD).ok_or(BadPublicKey)?;
        // Written whole, not compressed.
        match <[u8; POINT_BYTES]>::try_from(point) {
            Ok(point @ [0x04, ..]) => Ok(PublicKey(point)),
            _ => Err(BadPublicKey),
        }
    }

    /// Whether its owner signed `message`; the signature is DER in base64.
    pub(super) fn has_signed(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature.trim()) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.0);
        key.verify(message, &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As GitHub's documentation of the protocol has it.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq
kCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==
-----END PUBLIC KEY-----
";
    const BODY: &[u8] = br#"[{"token":"some_token","type":"some_type","url":"some_url"}]"#;
    const SIGNATURE: &str = "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc=";

    #[test]
    fn what_github_signed_is_recognised_and_nothing_else() {
        let key = PublicKey::from_pem(PEM).unwrap();
        assert!(key.has_signed(BODY, SIGNATURE));
        let mut other = BODY.to_vec();
        other.push(b'\n');
        assert!(!key.has_signed(&other, SIGNATURE));
        for signature in [
            "",
            "!!",
            "AAAA",
            &SIGNATURE[4..],
            &SIGNATURE.replace("MEUC", "MEUD"),
        ] {
            assert!(!key.has_signed(BODY, signature), "{signature}");
        }
    }

    #[test]
    fn what_is_no_such_key_is_refused() {
        for pem in [
            String::new(),
            PEM.replace("PUBLIC", "PRIVATE"),
            PEM.replace("MFkw", "MFkx"),
            PEM.replace("AE9M", "AC9M"),
            PEM.replace("WAA==", "WAAA"),
            PEM.replace("kCmR", "!!!!"),
        ] {
            assert_eq!(PublicKey::from_pem(&pem), Err(BadPublicKey), "{pem}");
        }
    }
}
