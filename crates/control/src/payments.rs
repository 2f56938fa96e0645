//! Payments by card: orders, the providers that take the money, and what people and operators ask
//! about either.

pub(crate) mod api;
pub(crate) mod hearing;
pub(crate) mod orders;
mod provider;
pub(crate) mod reconciling;
pub(crate) mod refunding;
pub(crate) mod refusal;
pub(crate) mod resuming;
pub mod stripe;
mod taking;
pub(crate) mod test_provider;
pub(crate) mod withholding;

use std::sync::Arc;

use domain::payment::{Bounds, TaxRate};

pub use provider::{
    About, Asking, BalanceKind, BalanceLine, BalancePage, BalanceQuery, Charge, ChargeState,
    Checkout, CheckoutState, NewCharge, NewCheckout, NewCustomer, Notice, PaymentProvider,
    ProviderDispute, ProviderError, ProviderMethod, ProviderRefund, Purpose, RefundAsked,
    WebhookError,
};
pub use test_provider::TestProvider;

use refusal::PaymentRefusal;

/// What everything is paid in.
pub(crate) const CURRENCY: &str = "usd";

/// How people pay here.
#[derive(Clone)]
pub struct Payments {
    /// Who takes the money; nobody, if nothing can be bought.
    pub provider: Option<Arc<dyn PaymentProvider>>,
    /// The same one, where its pages are to be served: the test provider's.
    pub test: Option<TestProvider>,
    /// What can be bought at once.
    pub bounds: Bounds,
    /// The tax on top of it.
    pub tax_rate: TaxRate,
}

impl Payments {
    /// Who takes the money.
    pub(crate) fn provider(&self) -> Result<Arc<dyn PaymentProvider>, PaymentRefusal> {
        self.provider.clone().ok_or(PaymentRefusal::NobodyTakes)
    }

    /// The provider of this name, if it is the one that takes money now. What another one took
    /// stays as it is.
    pub(crate) fn of(&self, name: &str) -> Option<Arc<dyn PaymentProvider>> {
        self.provider
            .clone()
            .filter(|provider| provider.name() == name)
    }
}
