//! Stripe's published test cards, and what banks say of them.

/// Pays.
pub const GOOD: &str = "4242424242424242";
/// Is declined, and cannot be saved.
pub const DECLINED: &str = "4000000000000002";
/// Is declined, as there is no money.
pub const INSUFFICIENT_FUNDS: &str = "4000000000009995";
/// Is declined, as it has expired.
pub const EXPIRED: &str = "4000000000000069";
/// Is declined, as something went wrong.
pub const PROCESSING_ERROR: &str = "4000000000000119";
/// Can be saved, and is declined when it is charged.
pub const DECLINED_LATER: &str = "4000000000000341";
/// Its bank asks its owner every time: pays on a page, and never while nobody is there.
pub const ALWAYS_ASKS: &str = "4000002760003184";

/// Why a bank says no: Stripe's code, and the bank's.
pub(super) type Decline = (&'static str, Option<&'static str>);

/// What the bank says when the card is typed into a page, where its owner agrees to everything.
pub(super) fn on_page(number: &str) -> Result<(), Decline> {
    match number {
        DECLINED => Err(("card_declined", Some("generic_decline"))),
        INSUFFICIENT_FUNDS => Err(("card_declined", Some("insufficient_funds"))),
        EXPIRED => Err(("expired_card", None)),
        PROCESSING_ERROR => Err(("processing_error", None)),
        GOOD | DECLINED_LATER | ALWAYS_ASKS => Ok(()),
        other => panic!("{other} is none of Stripe's test cards that are known here"),
    }
}

/// What the bank says when a saved card is charged while nobody is there.
pub(super) fn off_session(number: &str) -> Result<(), Decline> {
    match number {
        DECLINED_LATER => Err(("card_declined", Some("generic_decline"))),
        ALWAYS_ASKS => Err(("authentication_required", Some("authentication_required"))),
        number => on_page(number),
    }
}

/// Whose mark is on it.
pub(super) fn last4(number: &str) -> &str {
    &number[number.len() - 4..]
}
