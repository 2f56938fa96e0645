//! Checkout: pages of Stripe's on which people pay, or leave a card, so that no number of a card
//! ever comes near Farebox.

use sha2::{Digest, Sha256};

use super::failure::StripeError;
use super::form::Form;
use super::objects::{CheckoutSession, Customer, SetupIntent};
use super::{ORGANIZATION, PAYMENT, Stripe};
use crate::outbound::encoded;

/// A page to be made.
#[derive(Clone, Debug)]
pub struct NewCheckout<'a> {
    /// Our payment, or our request for a card.
    pub payment: &'a str,
    /// Who pays.
    pub organization: &'a str,
    /// `cus_…`
    pub customer: &'a str,
    /// What for.
    pub purpose: Purpose<'a>,
    /// Where the browser goes when all is done.
    pub success_url: &'a str,
    /// Where it goes when somebody changed their mind.
    pub cancel_url: &'a str,
    /// Until when the page is open, in seconds: half an hour to a day from now.
    pub expires_at_s: i64,
}

/// What a page is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// To pay.
    Pay {
        /// In whole cents, without tax.
        amount_cents: i64,
        /// In whole cents; a line of its own if it is not 0.
        tax_cents: i64,
        /// Such as `usd`.
        currency: &'a str,
        /// What is bought, as the page and the receipt name it.
        what: &'a str,
        /// Whether the card may be charged again while nobody is there.
        saves_card: bool,
    },
    /// To leave a card.
    Save {
        /// What it will be charged in, such as `usd`.
        currency: &'a str,
    },
}

impl Stripe {
    /// Makes a customer for an organization: the same one, if it is asked for again.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_customer(
        &self,
        organization: &str,
        name: &str,
        email: Option<&str>,
    ) -> Result<Customer, StripeError> {
        let form = Form::new()
            .field("name", name)
            .some("email", email)
            .field(&format!("metadata[{ORGANIZATION}]"), organization);
        // A name may change before it is asked again; that is another customer, and does no harm.
        let digest = Sha256::digest(form.encoded().as_bytes());
        let digest: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let key = format!("customer:{organization}:{digest}");
        self.post("/v1/customers", &form, &key).await
    }

    /// Makes a page. It is the same one for the same payment.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_checkout(
        &self,
        new: &NewCheckout<'_>,
    ) -> Result<CheckoutSession, StripeError> {
        // Cards alone, which Apple Pay, Google Pay and Link stand for as well: they say at once
        // whether they pay, and can be charged again.
        let form = Form::new()
            .field("customer", new.customer)
            .field("client_reference_id", new.payment)
            .field("payment_method_types[0]", "card")
            .field("success_url", new.success_url)
            .field("cancel_url", new.cancel_url)
            .field("expires_at", new.expires_at_s);
        let form = known_by("metadata", new, form);
        let form = match new.purpose {
            Purpose::Pay { .. } => paying(new, form),
            Purpose::Save { currency } => {
                let form = form.field("mode", "setup").field("currency", currency);
                known_by("setup_intent_data[metadata]", new, form)
            }
        };
        let key = format!("checkout:{}", new.payment);
        self.post("/v1/checkout/sessions", &form, &key).await
    }

    /// Looks at a page again.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn checkout(&self, id: &str) -> Result<CheckoutSession, StripeError> {
        let path = format!("/v1/checkout/sessions/{}", encoded(id));
        self.get(&path, &Form::new()).await
    }

    /// Closes a page that nobody shall pay on any more.
    ///
    /// # Errors
    /// [`StripeError`]; it is refused if the page is not open.
    pub async fn expire_checkout(&self, id: &str) -> Result<CheckoutSession, StripeError> {
        let path = format!("/v1/checkout/sessions/{}/expire", encoded(id));
        self.post(&path, &Form::new(), &format!("expire:{id}"))
            .await
    }

    /// Looks at how the leaving of a card went.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn setup_intent(&self, id: &str) -> Result<SetupIntent, StripeError> {
        let path = format!("/v1/setup_intents/{}", encoded(id));
        self.get(&path, &Form::new()).await
    }
}

fn paying(new: &NewCheckout<'_>, form: Form) -> Form {
    let Purpose::Pay {
        amount_cents,
        tax_cents,
        currency,
        what,
        saves_card,
    } = new.purpose
    else {
        return form;
    };
    let mut form = form.field("mode", "payment");
    let lines = [(what, amount_cents), ("Tax", tax_cents)];
    for (index, (name, cents)) in lines
        .into_iter()
        .filter(|(_, cents)| *cents != 0)
        .enumerate()
    {
        let line = format!("line_items[{index}]");
        form = form
            .field(&format!("{line}[quantity]"), 1)
            .field(&format!("{line}[price_data][currency]"), currency)
            .field(&format!("{line}[price_data][unit_amount]"), cents)
            .field(&format!("{line}[price_data][product_data][name]"), name);
    }
    if saves_card {
        form = form.field("payment_intent_data[setup_future_usage]", "off_session");
    }
    known_by("payment_intent_data[metadata]", new, form)
}

/// What the object is known by, here and when it comes back.
fn known_by(under: &str, new: &NewCheckout<'_>, form: Form) -> Form {
    form.field(&format!("{under}[{PAYMENT}]"), new.payment)
        .field(&format!("{under}[{ORGANIZATION}]"), new.organization)
}
