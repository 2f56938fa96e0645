//! What Stripe's objects say that Farebox reads; the rest of them is passed over.
//!
//! Amounts are whole cents, `currency` is in small letters.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use store::payments::Failure;

use super::failure::Said;

/// Texts of ours that Stripe keeps with an object.
pub type Metadata = HashMap<String, String>;

/// Who pays.
#[derive(Clone, Debug, Deserialize)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
}

/// A page of Stripe's on which somebody pays, or leaves a card.
#[derive(Clone, Debug, Deserialize)]
pub struct CheckoutSession {
    /// `cs_…`
    pub id: String,
    /// Where the page is, while the session is open.
    #[serde(default)]
    pub url: Option<String>,
    /// What it is for.
    pub mode: SessionMode,
    /// How far it is.
    #[serde(default)]
    pub status: SessionStatus,
    /// Whether the money is there.
    #[serde(default)]
    pub payment_status: SessionPayment,
    /// What is paid in all.
    #[serde(default)]
    pub amount_total: Option<i64>,
    /// In what.
    #[serde(default)]
    pub currency: Option<String>,
    /// Who pays.
    #[serde(default, deserialize_with = "reference")]
    pub customer: Option<String>,
    /// Our payment.
    #[serde(default)]
    pub client_reference_id: Option<String>,
    /// The payment that it led to.
    #[serde(default, deserialize_with = "reference")]
    pub payment_intent: Option<String>,
    /// The card that it led to.
    #[serde(default, deserialize_with = "reference")]
    pub setup_intent: Option<String>,
    /// Until when it is open, in seconds.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// What we know it by.
    #[serde(default)]
    pub metadata: Metadata,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// To pay.
    Payment,
    /// To leave a card.
    Setup,
    /// Something that Farebox never asks for.
    #[serde(other)]
    Other,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Nobody was there yet, or is still typing.
    #[default]
    Open,
    /// Somebody was; the money may still be on its way.
    Complete,
    /// It is of no use any more.
    Expired,
    /// Something else.
    #[serde(other)]
    Other,
}

/// Whether a session's money is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionPayment {
    /// It is.
    Paid,
    /// It is not, or not yet.
    #[default]
    Unpaid,
    /// None is needed: a card was left.
    NoPaymentRequired,
    /// Something else.
    #[serde(other)]
    Other,
}

/// One payment.
#[derive(Clone, Debug, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`
    pub id: String,
    /// How far it is.
    pub status: IntentStatus,
    /// What it is about.
    pub amount: i64,
    /// What of it is there.
    #[serde(default)]
    pub amount_received: i64,
    /// In what.
    pub currency: String,
    /// Who pays.
    #[serde(default, deserialize_with = "reference")]
    pub customer: Option<String>,
    /// With what.
    #[serde(default, deserialize_with = "reference")]
    pub payment_method: Option<String>,
    /// The charge that it led to.
    #[serde(default, deserialize_with = "reference")]
    pub latest_charge: Option<String>,
    /// What we know it by.
    #[serde(default)]
    pub metadata: Metadata,
    /// Why it failed the last time.
    #[serde(default)]
    pub(super) last_payment_error: Option<Said>,
    /// What is to be done next.
    #[serde(default)]
    next_action: Option<NextAction>,
}

/// What is to be done next for a payment.
#[derive(Clone, Debug, Deserialize)]
struct NextAction {
    #[serde(default)]
    redirect_to_url: Option<Redirect>,
}

#[derive(Clone, Debug, Deserialize)]
struct Redirect {
    #[serde(default)]
    url: Option<String>,
}

impl PaymentIntent {
    /// Why it failed the last time: the bank's reason, or Stripe's.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let said = self.last_payment_error.clone()?;
        let banks = said.decline_code.filter(|code| code != "generic_decline");
        Some(Failure {
            code: banks.or(said.code).unwrap_or_else(|| "declined".into()),
            message: said.message.unwrap_or_default(),
        })
    }

    /// The page on which its owner agrees, while the bank waits for that.
    #[must_use]
    pub fn action_url(&self) -> Option<String> {
        let redirect = self.next_action.as_ref()?.redirect_to_url.as_ref()?;
        redirect.url.clone()
    }
}

/// How far a payment, or the leaving of a card, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// The card was refused, or there is none.
    RequiresPaymentMethod,
    /// Nobody said go.
    RequiresConfirmation,
    /// The bank asks its customer.
    RequiresAction,
    /// The bank has not decided.
    Processing,
    /// The money is set aside and was not taken.
    RequiresCapture,
    /// It will not happen.
    Canceled,
    /// The money is there.
    Succeeded,
    /// Something else.
    #[serde(other)]
    Other,
}

/// The leaving of a card.
#[derive(Clone, Debug, Deserialize)]
pub struct SetupIntent {
    /// `seti_…`
    pub id: String,
    /// How far it is.
    pub status: IntentStatus,
    /// Whose card.
    #[serde(default, deserialize_with = "reference")]
    pub customer: Option<String>,
    /// The card.
    #[serde(default, deserialize_with = "reference")]
    pub payment_method: Option<String>,
    /// What we know it by.
    #[serde(default)]
    pub metadata: Metadata,
}

/// A saved card.
#[derive(Clone, Debug, Deserialize)]
pub struct PaymentMethod {
    /// `pm_…`
    pub id: String,
    /// Whose; nobody's after it was detached.
    #[serde(default, deserialize_with = "reference")]
    pub customer: Option<String>,
    /// What is printed on it, as far as Stripe tells.
    #[serde(default)]
    pub card: Option<Card>,
}

/// What may be shown of a card.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Card {
    /// Such as `visa`.
    pub brand: String,
    /// The last four digits of its number.
    pub last4: String,
    /// 1 to 12.
    pub exp_month: u8,
    /// Such as 2031.
    pub exp_year: u16,
    /// The same for every card of one number.
    #[serde(default)]
    pub fingerprint: Option<String>,
}

/// Money that was taken from a card.
#[derive(Clone, Debug, Deserialize)]
pub struct Charge {
    /// `ch_…`
    pub id: String,
    /// How much.
    pub amount: i64,
    /// How much of it was given back.
    #[serde(default)]
    pub amount_refunded: i64,
    /// In what.
    pub currency: String,
    /// The payment that it belongs to.
    #[serde(default, deserialize_with = "reference")]
    pub payment_intent: Option<String>,
    /// What we know it by.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Money that is given back.
#[derive(Clone, Debug, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// How much.
    pub amount: i64,
    /// In what.
    pub currency: String,
    /// How far it is.
    #[serde(default)]
    pub status: RefundStatus,
    /// What is given back.
    #[serde(default, deserialize_with = "reference")]
    pub payment_intent: Option<String>,
    /// What is given back.
    #[serde(default, deserialize_with = "reference")]
    pub charge: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// What we know it by.
    #[serde(default)]
    pub metadata: Metadata,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    #[default]
    Pending,
    /// Somebody has to do something.
    RequiresAction,
    /// Given back.
    Succeeded,
    /// It could not be given back.
    Failed,
    /// It was called off.
    Canceled,
    /// Something else.
    #[serde(other)]
    Other,
}

/// A bank takes a charge back.
#[derive(Clone, Debug, Deserialize)]
pub struct Dispute {
    /// `dp_…` or `du_…`
    pub id: String,
    /// How much.
    pub amount: i64,
    /// In what.
    pub currency: String,
    /// Why, in Stripe's word.
    #[serde(default)]
    pub reason: String,
    /// How far it is.
    pub status: DisputeStatus,
    /// Of which payment.
    #[serde(default, deserialize_with = "reference")]
    pub payment_intent: Option<String>,
    /// Of which charge.
    #[serde(default, deserialize_with = "reference")]
    pub charge: Option<String>,
}

/// How far a dispute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// A question of the bank, which has taken nothing.
    WarningNeedsResponse,
    /// The bank reads the answer to its question, and has taken nothing.
    WarningUnderReview,
    /// The question is over, and nothing was taken.
    WarningClosed,
    /// The money is gone; evidence may bring it back.
    NeedsResponse,
    /// The bank reads the evidence.
    UnderReview,
    /// The money came back.
    Won,
    /// The money is lost.
    Lost,
    /// The bank asked, and the payment was given back before it took it.
    Prevented,
    /// Something else.
    #[serde(other)]
    Other,
}

/// A movement on the account at Stripe.
#[derive(Clone, Debug, Deserialize)]
pub struct BalanceTransaction {
    /// `txn_…`
    pub id: String,
    /// When, in seconds.
    pub created: i64,
    /// Such as `charge`, `refund`, `adjustment` or `payout`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In the currency of the account, which need not be that of the payment; below 0 if it left.
    pub amount: i64,
    /// What Stripe keeps of it, in the same currency.
    #[serde(default)]
    pub fee: i64,
    /// That of the account.
    pub currency: String,
    /// What it is for, in words that stay: `charge`, `refund`, `dispute`, `dispute_reversal`, …
    #[serde(default)]
    pub reporting_category: String,
    /// What it is for.
    #[serde(default)]
    pub source: Option<Source>,
}

/// What a movement is for: of a charge, refund or dispute what is needed to find it here.
#[derive(Clone, Debug, Deserialize)]
pub struct Source {
    /// Stripe's id.
    pub id: String,
    /// In the currency of the payment.
    #[serde(default)]
    pub amount: i64,
    /// That of the payment.
    #[serde(default)]
    pub currency: String,
    /// The payment.
    #[serde(default, deserialize_with = "reference")]
    pub payment_intent: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// The id of an object, which is there itself if it was asked for.
fn reference<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Id(String),
        Whole { id: String },
    }
    let either = Option::<Either>::deserialize(from)?;
    Ok(either.map(|either| match either {
        Either::Id(id) | Either::Whole { id } => id,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_nobody_knows_yet_are_read_and_mean_nothing() {
        let intent = r#"{"id": "pi_1", "status": "reconsidering", "amount": 500, "currency": "usd",
            "customer": {"id": "cus_1", "object": "customer"}, "payment_method": null}"#;
        let intent: PaymentIntent = serde_json::from_str(intent).unwrap();
        assert_eq!(intent.status, IntentStatus::Other);
        assert_eq!(intent.customer.as_deref(), Some("cus_1"));
        assert_eq!(intent.payment_method, None);
        assert_eq!(intent.amount_received, 0, "what is not said is not there");
    }
}
