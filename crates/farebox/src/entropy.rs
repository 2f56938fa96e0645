//! The only place that asks the operating system for randomness.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that makes randomness"
)]

/// Fills `buffer` with unpredictable bytes: the `domain::Entropy` of the running program.
///
/// # Panics
/// If the operating system has no randomness to give: no key made without it would be safe.
pub fn system(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the operating system gives randomness");
}
