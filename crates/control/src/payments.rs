//! Payments by card: orders, the providers that take the money, and what people and operators ask
//! about either.

mod provider;
pub mod stripe;

pub use provider::{
    About, Asking, BalanceKind, BalanceLine, BalancePage, BalanceQuery, Charge, ChargeState,
    Checkout, CheckoutState, NewCharge, NewCheckout, NewCustomer, Notice, PaymentProvider,
    ProviderDispute, ProviderError, ProviderMethod, ProviderRefund, Purpose, RefundAsked,
    WebhookError,
};
