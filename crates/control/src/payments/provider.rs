//! What Farebox asks of whoever takes the money: the same of each provider.
//!
//! A provider is asked, and says how things are: it credits nothing. Amounts are whole cents, tax
//! included. Every call that changes something carries a key of ours, so that asking again, after
//! an answer was lost or a process died, is the same call and not another one. What a webhook says
//! is only a hint of what to ask about.

use std::pin::Pin;

use domain::id::{OrganizationId, PaymentId, RefundId};
use domain::money::Nusd;
use domain::payment::{Card, DisputeState, RefundState};
use domain::time::AtUs;
use http::HeaderMap;
use store::payments::Failure;

/// The answer of a provider, when it comes.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// Takes money by card.
pub trait PaymentProvider: Send + Sync {
    /// Its name, which the books know it by: `test` or `stripe`.
    fn name(&self) -> &'static str;

    /// Makes the provider know an organization; answers what it calls it. The key is the
    /// organization's id.
    fn create_customer<'a>(&'a self, new: &'a NewCustomer) -> Asking<'a, String>;

    /// Opens a page of the provider where something is paid, or a card is saved. The key is the
    /// payment's id.
    fn begin_checkout<'a>(&'a self, new: &'a NewCheckout) -> Asking<'a, Checkout>;

    /// How a page is; none if there is no such page.
    fn checkout<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<Checkout>>;

    /// Closes a page that nobody paid on, and says how it is then: it may have been paid meanwhile.
    fn expire_checkout<'a>(&'a self, reference: &'a str) -> Asking<'a, Checkout>;

    /// Charges a saved card while the customer is away. The key is the payment's id. A decline is
    /// an answer and no error.
    fn charge_saved<'a>(&'a self, new: &'a NewCharge) -> Asking<'a, Charge>;

    /// How a charge is; none if there is no such charge.
    fn charge<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<Charge>>;

    /// The cards that are saved of a customer.
    fn methods<'a>(&'a self, customer: &'a str) -> Asking<'a, Vec<ProviderMethod>>;

    /// Forgets a saved card; one that it does not know is no error.
    fn detach_method<'a>(&'a self, reference: &'a str) -> Asking<'a, ()>;

    /// Gives money back. The key is the refund's id.
    fn refund<'a>(&'a self, new: &'a RefundAsked) -> Asking<'a, ProviderRefund>;

    /// The refunds of a charge, those too that were not made by Farebox.
    fn refunds<'a>(&'a self, charge: &'a str) -> Asking<'a, Vec<ProviderRefund>>;

    /// How a dispute is; none if there is no such dispute.
    fn dispute<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<ProviderDispute>>;

    /// Whether the provider sends anything by itself that could be believed here.
    fn hears(&self) -> bool {
        false
    }

    /// Reads what the provider sends by itself.
    ///
    /// # Errors
    /// [`WebhookError`]: nobody who may signed it, or it cannot be read.
    fn read_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: AtUs,
    ) -> Result<Notice, WebhookError>;

    /// Movements of the operator's balance at the provider, in any order.
    fn balance<'a>(&'a self, query: &'a BalanceQuery) -> Asking<'a, BalancePage>;
}

/// Why a provider did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It did not answer, is overloaded or broken. It may have done it: to be asked again, with the
    /// same key.
    #[error("the payment provider did not answer: {0}")]
    Unreachable(String),
    /// It will not do it, and did not.
    #[error("the payment provider refused: {message} ({code})")]
    Refused {
        /// Its word for why.
        code: String,
        /// The same, for people.
        message: String,
    },
    /// It does not know us: the operator's secret is wrong. It did nothing.
    #[error("the payment provider does not accept the secret key")]
    Misconfigured,
    /// Its answer cannot be understood. It may have done it.
    #[error("the payment provider's answer cannot be read: {0}")]
    Unreadable(String),
    /// What the provider is part of cannot be read or written here. It may have done it.
    #[error("the payment provider's own database failed: {0}")]
    Store(String),
}

impl ProviderError {
    /// Whether it certainly was not done, and will not be.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, ProviderError::Refused { .. })
    }
}

/// An organization, as it is introduced to a provider.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// Which.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// Where receipts of the provider would go.
    pub email: Option<String>,
}

/// A page to be opened.
#[derive(Clone, Debug)]
pub struct NewCheckout {
    /// The payment that it is for.
    pub payment: PaymentId,
    /// Whose that is.
    pub organization: OrganizationId,
    /// Whom the provider knows the organization as.
    pub customer: String,
    /// What is done on it.
    pub purpose: Purpose,
    /// Where the customer goes when it is done.
    pub success_url: String,
    /// Where the customer goes who would rather not.
    pub cancel_url: String,
    /// How long the page is open.
    pub expires_at: AtUs,
}

/// What a page is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To pay.
    Pay {
        /// The credit that it buys.
        amount: Nusd,
        /// The tax on top of it; not shown if there is none.
        tax: Nusd,
        /// In small letters.
        currency: String,
        /// Whether the card is saved for later charges while the customer is away.
        saves_method: bool,
    },
    /// To save a card.
    Setup,
}

/// A page of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The provider's name for it.
    pub reference: String,
    /// The payment that it says it is for, if it says.
    pub payment: Option<PaymentId>,
    /// Where it is, while something can be done on it.
    pub url: Option<String>,
    /// How far it is.
    pub state: CheckoutState,
    /// How much is or was to be paid, tax included; nothing to save a card.
    pub amount: Nusd,
    /// Of what, in small letters; empty to save a card.
    pub currency: String,
    /// What the provider calls the money that it took.
    pub charge: Option<String>,
    /// The card: the one that was saved, or that was paid with.
    pub method: Option<ProviderMethod>,
    /// Whether that card is saved.
    pub has_saved_method: bool,
    /// Why the last attempt failed, if one did and none succeeded after it.
    pub failure: Option<Failure>,
    /// How long it is open.
    pub expires_at: Option<AtUs>,
}

/// How far a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckoutState {
    /// The customer can still do something on it.
    Open,
    /// It is done; the money is on its way.
    Processing,
    /// It is done: the money was taken, or the card saved.
    Done,
    /// It was done, and the money did not come.
    Failed,
    /// It is closed, and nobody paid.
    Expired,
}

/// A charge to be made.
#[derive(Clone, Debug)]
pub struct NewCharge {
    /// The payment that it is for.
    pub payment: PaymentId,
    /// Whose that is.
    pub organization: OrganizationId,
    /// Whom the provider knows the organization as.
    pub customer: String,
    /// The provider's name for the saved card.
    pub method: String,
    /// How much, tax included.
    pub amount: Nusd,
    /// In small letters.
    pub currency: String,
    /// What the customer reads of it.
    pub description: String,
    /// Where the customer goes who had to prove who they are.
    pub return_url: String,
}

/// Money that was taken, or is being taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The provider's name for it.
    pub reference: String,
    /// The payment that it says it is for, if it says.
    pub payment: Option<PaymentId>,
    /// How far it is.
    pub state: ChargeState,
    /// How much, tax included.
    pub amount: Nusd,
    /// In small letters.
    pub currency: String,
    /// The card.
    pub method: Option<ProviderMethod>,
}

/// How far a charge is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeState {
    /// The money was taken.
    Succeeded,
    /// It is on its way.
    Processing,
    /// The customer must prove to the bank who they are, there.
    NeedsAction {
        /// Where; none if it takes a new payment.
        url: Option<String>,
    },
    /// It was declined.
    Declined(Failure),
    /// It was called off.
    Cancelled,
}

/// A card that a provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderMethod {
    /// The provider's name for it.
    pub reference: String,
    /// What is shown of it.
    pub card: Card,
    /// The month it ends with, from 1.
    pub exp_month: u8,
    /// The year of that month.
    pub exp_year: u16,
}

/// Money to be given back.
#[derive(Clone, Debug)]
pub struct RefundAsked {
    /// Which refund of ours.
    pub refund: RefundId,
    /// The provider's name for the money that it took.
    pub charge: String,
    /// How much, tax included.
    pub amount: Nusd,
}

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRefund {
    /// The provider's name for it.
    pub reference: String,
    /// The refund of ours that it says it is, if it says.
    pub refund: Option<RefundId>,
    /// How much, tax included.
    pub amount: Nusd,
    /// In small letters.
    pub currency: String,
    /// How far it is.
    pub state: RefundState,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// A payment that the customer's bank asks back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderDispute {
    /// The provider's name for it.
    pub reference: String,
    /// The provider's name for the money.
    pub charge: String,
    /// How much, tax included.
    pub amount: Nusd,
    /// In small letters.
    pub currency: String,
    /// How far it is.
    pub state: DisputeState,
    /// The provider's word for why.
    pub reason: String,
}

/// What a provider sends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The provider's name for this piece of news.
    pub id: String,
    /// What kind it is, in the provider's words.
    pub kind: String,
    /// What to ask about.
    pub about: About,
}

/// What news are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The page of this name.
    Checkout(String),
    /// The charge of this name: it may have been taken, declined, or refunded.
    Charge(String),
    /// The dispute of this name.
    Dispute(String),
    /// The saved card of this name.
    Method(String),
    /// The payment of ours that it names.
    Payment(PaymentId),
    /// Nothing that matters here.
    Nothing,
}

/// Why news are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Nobody who may signed it, or too long ago.
    #[error("the signature is missing, wrong or too old")]
    Signature,
    /// It was signed, and cannot be read.
    #[error("the event cannot be read")]
    Unreadable,
    /// This provider sends nothing, or no secret is configured.
    #[error("this provider sends no webhooks")]
    NotHere,
}

/// Which movements of the operator's balance are asked for.
#[derive(Clone, Debug)]
pub struct BalanceQuery {
    /// From when on.
    pub from: AtUs,
    /// Until when, not included.
    pub until: AtUs,
    /// What the last page said.
    pub after: Option<String>,
}

/// Some movements of the operator's balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalancePage {
    /// In the provider's order.
    pub lines: Vec<BalanceLine>,
    /// Where the next page begins; none on the last one.
    pub next: Option<String>,
}

/// A movement of the operator's balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceLine {
    /// The provider's name for it.
    pub reference: String,
    /// What kind it is.
    pub kind: BalanceKind,
    /// The name of the charge, refund or dispute behind it, if there is one.
    pub source: Option<String>,
    /// The charge that the refund or dispute is of, if that is known.
    pub charge: Option<String>,
    /// How much came in; less than nothing went out.
    pub amount: Nusd,
    /// What the provider keeps of it.
    pub fee: Nusd,
    /// In small letters.
    pub currency: String,
    /// When.
    pub at: AtUs,
}

/// What kind a movement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BalanceKind {
    /// A customer paid.
    Charge,
    /// Money went back.
    Refund,
    /// A refund failed, and the money is here again.
    RefundFailure,
    /// A bank took money back, or returned it.
    Dispute,
    /// Anything else: payouts, fees, corrections.
    Other,
}
