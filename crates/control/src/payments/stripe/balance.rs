//! The movements on the account at Stripe.

use super::Stripe;
use super::failure::StripeError;
use super::form::Form;
use super::objects::{BalanceTransaction, List};

/// As many as Stripe gives in a page.
const PAGE: usize = 100;

/// Some movements.
#[derive(Clone, Debug)]
pub struct Movements {
    /// The newest first.
    pub movements: Vec<BalanceTransaction>,
    /// Where the next page begins; none on the last one.
    pub next: Option<String>,
}

impl Stripe {
    /// Movements that were made from `from_s` on and before `to_s`, in seconds, with what they are
    /// for: those that follow `after` in the order of Stripe, which has the newest first.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn balance_page(
        &self,
        from_s: i64,
        to_s: i64,
        after: Option<&str>,
    ) -> Result<Movements, StripeError> {
        let query = Form::new()
            .field("created[gte]", from_s)
            .field("created[lt]", to_s)
            .field("limit", PAGE)
            .field("expand[]", "data.source")
            .some("starting_after", after);
        let page: List<BalanceTransaction> = self.get("/v1/balance_transactions", &query).await?;
        // An empty page that says there is more would go on for ever.
        let last = page.data.last().filter(|_| page.has_more);
        Ok(Movements {
            next: last.map(|last| last.id.clone()),
            movements: page.data,
        })
    }
}
