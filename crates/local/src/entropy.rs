//! The operating system's randomness, read in this one place.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where randomness is drawn"
)]

use std::fmt::Write as _;

/// A seed for a request that names none.
///
/// If the system cannot provide randomness the seed is 0: an answer that repeats itself is
/// better than none, and nothing here is a secret.
pub(crate) fn seed() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A fresh identifier such as `chatcmpl-1f0c…`: the prefix and 24 hexadecimal digits.
pub(crate) fn id(prefix: &str) -> String {
    let mut bytes = [0; 12];
    fill(&mut bytes);
    bytes.iter().fold(prefix.to_owned(), |mut id, byte| {
        write!(id, "{byte:02x}").expect("writing to a string cannot fail");
        id
    })
}

fn fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        tracing::warn!(%error, "the system gave no randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_differ_and_keep_their_prefix() {
        let (one, two) = (id("cmpl-"), id("cmpl-"));
        assert_ne!(one, two);
        assert!(one.starts_with("cmpl-") && one.len() == 5 + 24);
    }
}
