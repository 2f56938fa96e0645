//! Payments: made while nobody is there, and looked at.

use super::failure::StripeError;
use super::form::Form;
use super::objects::{Charge, Dispute, List, PaymentIntent};
use super::{ORGANIZATION, PAYMENT, Stripe};
use crate::outbound::encoded;

/// A saved card to be charged while nobody is there.
#[derive(Clone, Debug)]
pub struct NewCharge<'a> {
    /// Our payment: however often it is asked for, the card is charged once.
    pub payment: &'a str,
    /// Who pays.
    pub organization: &'a str,
    /// `cus_…`
    pub customer: &'a str,
    /// `pm_…`
    pub card: &'a str,
    /// In whole cents, with tax.
    pub amount_cents: i64,
    /// Such as `usd`.
    pub currency: &'a str,
    /// What is bought, as the dashboard and receipts of Stripe show it.
    pub what: Option<&'a str>,
}

impl Stripe {
    /// Charges a saved card.
    ///
    /// # Errors
    /// [`StripeError::Card`] if it was declined, or its owner has to agree
    /// (`authentication_required`).
    pub async fn charge_saved_card(
        &self,
        new: &NewCharge<'_>,
    ) -> Result<PaymentIntent, StripeError> {
        let form = Form::new()
            .field("amount", new.amount_cents)
            .field("currency", new.currency)
            .field("customer", new.customer)
            .field("payment_method", new.card)
            .field("payment_method_types[0]", "card")
            .field("off_session", true)
            .field("confirm", true)
            .some("description", new.what)
            .field(&format!("metadata[{PAYMENT}]"), new.payment)
            .field(&format!("metadata[{ORGANIZATION}]"), new.organization);
        let key = format!("charge:{}", new.payment);
        self.post("/v1/payment_intents", &form, &key).await
    }

    /// Begins a payment again for which the bank wants to hear from whoever owns the card: it then
    /// says where, in [`PaymentIntent::action_url`].
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn ask_owner(
        &self,
        id: &str,
        payment: &str,
        card: &str,
        return_url: &str,
    ) -> Result<PaymentIntent, StripeError> {
        let path = format!("/v1/payment_intents/{}/confirm", encoded(id));
        let form = Form::new()
            .field("payment_method", card)
            .field("return_url", return_url);
        self.post(&path, &form, &format!("agree:{payment}")).await
    }

    /// Looks at a payment.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn payment_intent(&self, id: &str) -> Result<PaymentIntent, StripeError> {
        let path = format!("/v1/payment_intents/{}", encoded(id));
        self.get(&path, &Form::new()).await
    }

    /// Sees to it that a payment never happens.
    ///
    /// # Errors
    /// [`StripeError`]; it is refused if it has happened.
    pub async fn cancel_payment_intent(&self, id: &str) -> Result<PaymentIntent, StripeError> {
        let path = format!("/v1/payment_intents/{}/cancel", encoded(id));
        self.post(&path, &Form::new(), &format!("cancel:{id}"))
            .await
    }

    /// Looks at money that was taken.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn charge(&self, id: &str) -> Result<Charge, StripeError> {
        let path = format!("/v1/charges/{}", encoded(id));
        self.get(&path, &Form::new()).await
    }

    /// Looks at a dispute.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn dispute(&self, id: &str) -> Result<Dispute, StripeError> {
        let path = format!("/v1/disputes/{}", encoded(id));
        self.get(&path, &Form::new()).await
    }

    /// The disputes of a payment.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn disputes(&self, intent: &str) -> Result<Vec<Dispute>, StripeError> {
        let query = Form::new().field("payment_intent", intent);
        let list: List<Dispute> = self.get("/v1/disputes", &query).await?;
        Ok(list.data)
    }
}
