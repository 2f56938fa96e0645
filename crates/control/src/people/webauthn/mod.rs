//! Passkeys: what a browser answers when one is made or used, read and verified (WebAuthn level 2).
//!
//! Everything here is a function of its arguments: no database, no clock, no randomness. Bytes come
//! from strangers, so they are bounded before they are read, and what is not understood is refused.
//! [`registration`] and [`assertion`] take the steps of the specification's sections 7.1 and 7.2 in
//! their order and by their numbers; docs/adr/0012 says why this is not a library.

pub(super) mod assertion;
mod attestation;
mod authenticator_data;
mod cbor;
pub(super) mod client_data;
mod cose;
pub(crate) mod problem;
pub(super) mod registration;
pub(super) mod site;
#[cfg(test)]
mod tests;

pub(super) use cose::ALGORITHMS;

use problem::Problem;

/// The longest a part of an answer may be, in bytes. Real ones have some hundreds.
const PART_BYTES: usize = 16 * 1024;

/// Refuses a part that is larger than any real one.
fn bounded(part: &[u8], otherwise: Problem) -> Result<&[u8], Problem> {
    match part.len() <= PART_BYTES {
        true => Ok(part),
        false => Err(otherwise),
    }
}
