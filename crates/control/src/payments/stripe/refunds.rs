//! Money that is given back.

use super::failure::StripeError;
use super::form::Form;
use super::objects::{List, Refund};
use super::{REFUND, Stripe};
use crate::outbound::encoded;

/// The most refunds that a payment can have here: each is at least a cent, and made by a person.
const MOST: usize = 100;

/// Money to be given back.
#[derive(Clone, Debug)]
pub struct NewRefund<'a> {
    /// Our refund: however often it is asked for, it is given back once.
    pub refund: &'a str,
    /// `pi_…`
    pub intent: &'a str,
    /// In whole cents, with tax.
    pub amount_cents: i64,
}

impl Stripe {
    /// Gives back what was paid, or a part of it.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_refund(&self, new: &NewRefund<'_>) -> Result<Refund, StripeError> {
        let form = Form::new()
            .field("payment_intent", new.intent)
            .field("amount", new.amount_cents)
            .field(&format!("metadata[{REFUND}]"), new.refund);
        let key = format!("refund:{}", new.refund);
        self.post("/v1/refunds", &form, &key).await
    }

    /// Looks at a refund.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn refund(&self, id: &str) -> Result<Refund, StripeError> {
        let path = format!("/v1/refunds/{}", encoded(id));
        self.get(&path, &Form::new()).await
    }

    /// The refunds of a payment.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn refunds(&self, intent: &str) -> Result<Vec<Refund>, StripeError> {
        let query = Form::new()
            .field("payment_intent", intent)
            .field("limit", MOST);
        let list: List<Refund> = self.get("/v1/refunds", &query).await?;
        Ok(list.data)
    }
}
