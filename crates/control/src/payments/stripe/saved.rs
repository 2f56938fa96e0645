//! Saved cards.

use super::Stripe;
use super::failure::StripeError;
use super::form::Form;
use super::objects::{List, PaymentMethod};
use crate::outbound::encoded;

/// The most cards that are listed of a customer.
const MOST: usize = 100;

impl Stripe {
    /// The cards that a customer left.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn saved_cards(&self, customer: &str) -> Result<Vec<PaymentMethod>, StripeError> {
        let path = format!("/v1/customers/{}/payment_methods", encoded(customer));
        let query = Form::new().field("type", "card").field("limit", MOST);
        let list: List<PaymentMethod> = self.get(&path, &query).await?;
        Ok(list.data)
    }

    /// Looks at a card.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn saved_card(&self, id: &str) -> Result<PaymentMethod, StripeError> {
        let path = format!("/v1/payment_methods/{}", encoded(id));
        self.get(&path, &Form::new()).await
    }

    /// Forgets a card for good: it can never be charged again.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn forget_card(&self, id: &str) -> Result<PaymentMethod, StripeError> {
        let path = format!("/v1/payment_methods/{}/detach", encoded(id));
        self.post(&path, &Form::new(), &format!("detach:{id}"))
            .await
    }
}
