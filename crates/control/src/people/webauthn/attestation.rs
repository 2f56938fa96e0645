//! Attestation: what an authenticator can show of itself when it makes a passkey. None is asked
//! for, since any authenticator is welcome; so there is none, or the passkey's own signature.

use ciborium::Value;

use super::bounded;
use super::cbor::{self, Map};
use super::cose::PublicKey;
use super::problem::Problem;

/// An attestation object, read.
pub(super) struct Attestation {
    format: String,
    statement: Map,
    /// Authenticator data.
    pub(super) authenticator_data: Vec<u8>,
}

impl Attestation {
    /// Reads an attestation object.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let bytes = bounded(bytes, Problem::Attestation)?;
        Self::read(bytes).ok_or(Problem::Attestation)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut map = Map::of(cbor::whole(bytes)?)?;
        Some(Attestation {
            format: map.remove("fmt")?.into_text().ok()?,
            statement: Map::of(map.remove("attStmt")?)?,
            authenticator_data: map.bytes("authData")?,
        })
    }

    /// Refuses every attestation but none (section 8.7) and that of the passkey itself (section
    /// 8.2, "self attestation"), which browsers leave as it is.
    pub(super) fn verify(
        mut self,
        key: &PublicKey,
        client_data_hash: &[u8; 32],
    ) -> Result<(), Problem> {
        match self.format.as_str() {
            "none" if self.statement.is_empty() => Ok(()),
            "packed" => {
                let algorithm = self.statement.remove("alg").map(Value::into_integer);
                let is_its_own = algorithm == Some(Ok(key.algorithm().into()));
                let signature = self.statement.bytes("sig");
                let signature = signature.filter(|_| is_its_own && self.statement.is_empty());
                let signature = signature.ok_or(Problem::Attestation)?;
                let signed = [&*self.authenticator_data, client_data_hash].concat();
                let verified = key.verify(&signed, &signature);
                verified.map_err(|_| Problem::Attestation)
            }
            _ => Err(Problem::Attestation),
        }
    }
}
