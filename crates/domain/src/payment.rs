//! Payments: what becomes of an order that somebody pays by card.
//!
//! What a provider tells comes twice, late and in any order, so each piece of news is a step of a
//! table that has an answer for every state. One rule stands above all others: money that was taken
//! is credited, whatever was believed of the payment before, and what was credited stays so;
//! refunds and disputes take it back, and are counted beside the state.

mod amount;
mod dispute;

pub use amount::{AmountProblem, Bounds, ParseTaxRateError, TaxRate};
pub use dispute::DisputeState;

use crate::money::Nusd;

/// What somebody pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentKind {
    /// Credit, on a page of the provider.
    Checkout,
    /// Nothing yet: a card is saved on a page of the provider.
    Setup,
    /// Credit, from a saved card and without the customer.
    Recharge,
}

impl PaymentKind {
    /// Every kind.
    pub const ALL: [PaymentKind; 3] = [
        PaymentKind::Checkout,
        PaymentKind::Setup,
        PaymentKind::Recharge,
    ];

    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PaymentKind::Checkout => "checkout",
            PaymentKind::Setup => "setup",
            PaymentKind::Recharge => "recharge",
        }
    }

    /// The kind stored as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The reason that the books give for the credit.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            PaymentKind::Checkout => "Paid by card",
            PaymentKind::Setup => "Card saved",
            PaymentKind::Recharge => "Auto-recharge",
        }
    }
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// Nobody paid yet; a card may have been declined.
    Open,
    /// The customer did what was to be done, and the money is on its way.
    Processing,
    /// The money was taken, and credited.
    Succeeded,
    /// The provider gave it up.
    Failed,
    /// Somebody decided not to pay.
    Cancelled,
    /// Nobody paid in time.
    Expired,
}

/// What a provider says of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentNews {
    /// The money is on its way.
    Processing,
    /// The money was taken.
    Succeeded,
    /// It was declined for good.
    Failed,
    /// It was called off.
    Cancelled,
    /// It is too late to pay.
    Expired,
}

impl PaymentState {
    /// Every state.
    pub const ALL: [PaymentState; 6] = [
        PaymentState::Open,
        PaymentState::Processing,
        PaymentState::Succeeded,
        PaymentState::Failed,
        PaymentState::Cancelled,
        PaymentState::Expired,
    ];

    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PaymentState::Open => "open",
            PaymentState::Processing => "processing",
            PaymentState::Succeeded => "succeeded",
            PaymentState::Failed => "failed",
            PaymentState::Cancelled => "cancelled",
            PaymentState::Expired => "expired",
        }
    }

    /// The state stored as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing more is expected of it.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, PaymentState::Open | PaymentState::Processing)
    }

    /// The state after `news`; the same, if the news are old or known.
    #[must_use]
    pub fn after(self, news: PaymentNews) -> PaymentState {
        match (self, news) {
            (_, PaymentNews::Succeeded) => PaymentState::Succeeded,
            (PaymentState::Open, PaymentNews::Processing) => PaymentState::Processing,
            (PaymentState::Open, PaymentNews::Expired) => PaymentState::Expired,
            (PaymentState::Open | PaymentState::Processing, PaymentNews::Failed) => {
                PaymentState::Failed
            }
            (PaymentState::Open | PaymentState::Processing, PaymentNews::Cancelled) => {
                PaymentState::Cancelled
            }
            // A page that expires does not call back the money that left it, and the news of an
            // attempt may come after those of its end.
            (state, _) => state,
        }
    }
}

/// How far a payment is, with what came after it: what people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentStatus {
    /// As its state.
    Is(PaymentState),
    /// A part was given back.
    PartlyRefunded,
    /// All was given back.
    Refunded,
    /// The customer's bank asks for the money.
    Disputed,
    /// The customer's bank took the money back.
    ChargedBack,
}

impl PaymentStatus {
    /// What a payment of `amount` is, of which `refunded` went back.
    #[must_use]
    pub fn of(
        state: PaymentState,
        amount: Nusd,
        refunded: Nusd,
        dispute: Option<DisputeState>,
    ) -> Self {
        match dispute {
            Some(DisputeState::Lost) => PaymentStatus::ChargedBack,
            Some(DisputeState::Inquiry | DisputeState::Open) => PaymentStatus::Disputed,
            Some(DisputeState::Won) | None => match refunded {
                Nusd::ZERO => PaymentStatus::Is(state),
                refunded if refunded < amount => PaymentStatus::PartlyRefunded,
                _ => PaymentStatus::Refunded,
            },
        }
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PaymentStatus::Is(state) => state.as_str(),
            PaymentStatus::PartlyRefunded => "partly_refunded",
            PaymentStatus::Refunded => "refunded",
            PaymentStatus::Disputed => "disputed",
            PaymentStatus::ChargedBack => "charged_back",
        }
    }
}

/// What is shown of a card.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Card {
    /// Whose, in small letters, such as `visa`.
    pub brand: String,
    /// The last four digits of its number.
    pub last4: String,
}

/// How far a refund is. The credit was taken from the wallet before the provider was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundState {
    /// The provider is to be asked, or works on it.
    Pending,
    /// The money went back.
    Succeeded,
    /// It cannot go back: the credit is the customer's again.
    Failed,
}

impl RefundState {
    /// Every state.
    pub const ALL: [RefundState; 3] = [
        RefundState::Pending,
        RefundState::Succeeded,
        RefundState::Failed,
    ];

    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RefundState::Pending => "pending",
            RefundState::Succeeded => "succeeded",
            RefundState::Failed => "failed",
        }
    }

    /// The state stored as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The state after the provider says `news`. A bank may send back a refund that the provider
    /// had called done; what failed stays so, as its credit was given back.
    #[must_use]
    pub fn after(self, news: RefundState) -> RefundState {
        match (self, news) {
            (RefundState::Failed, _) | (_, RefundState::Failed) => RefundState::Failed,
            (RefundState::Succeeded, _) | (_, RefundState::Succeeded) => RefundState::Succeeded,
            _ => RefundState::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEWS: [PaymentNews; 5] = [
        PaymentNews::Processing,
        PaymentNews::Succeeded,
        PaymentNews::Failed,
        PaymentNews::Cancelled,
        PaymentNews::Expired,
    ];

    #[test]
    fn every_piece_of_news_leads_from_every_state_to_this() {
        use PaymentState::{Cancelled, Expired, Failed, Open, Processing, Succeeded};
        let table = [
            (Open, [Processing, Succeeded, Failed, Cancelled, Expired]),
            (
                Processing,
                [Processing, Succeeded, Failed, Cancelled, Processing],
            ),
            (Succeeded, [Succeeded; 5]),
            (Failed, [Failed, Succeeded, Failed, Failed, Failed]),
            (
                Cancelled,
                [Cancelled, Succeeded, Cancelled, Cancelled, Cancelled],
            ),
            (Expired, [Expired, Succeeded, Expired, Expired, Expired]),
        ];
        assert_eq!(table.map(|(state, _)| state), PaymentState::ALL);
        for (state, after) in table {
            assert_eq!(NEWS.map(|news| state.after(news)), after, "{state:?}");
        }
    }

    #[test]
    fn refunds_end_once_and_a_failure_outlasts_all() {
        use RefundState::{Failed, Pending, Succeeded};
        for (state, news, after) in [
            (Pending, Pending, Pending),
            (Pending, Succeeded, Succeeded),
            (Pending, Failed, Failed),
            (Succeeded, Pending, Succeeded),
            (Succeeded, Succeeded, Succeeded),
            (Succeeded, Failed, Failed),
            (Failed, Pending, Failed),
            (Failed, Succeeded, Failed),
            (Failed, Failed, Failed),
        ] {
            assert_eq!(state.after(news), after, "{state:?} after {news:?}");
        }
    }

    #[test]
    fn people_see_what_came_after_a_payment() {
        use DisputeState as Dispute;
        let ten = Nusd::new(10);
        let status = |refunded, dispute| {
            let state = PaymentState::Succeeded;
            PaymentStatus::of(state, ten, Nusd::new(refunded), dispute).as_str()
        };
        for (refunded, dispute, word) in [
            (0, None, "succeeded"),
            (1, None, "partly_refunded"),
            (10, None, "refunded"),
            (0, Some(Dispute::Inquiry), "disputed"),
            (0, Some(Dispute::Open), "disputed"),
            (1, Some(Dispute::Lost), "charged_back"),
            (0, Some(Dispute::Won), "succeeded"),
            (1, Some(Dispute::Won), "partly_refunded"),
        ] {
            assert_eq!(status(refunded, dispute), word);
        }
    }

    #[test]
    fn words_read_as_they_are_written() {
        for kind in PaymentKind::ALL {
            assert_eq!(PaymentKind::from_word(kind.as_str()), Some(kind));
        }
        for state in PaymentState::ALL {
            assert_eq!(PaymentState::from_word(state.as_str()), Some(state));
            let is_open = ["open", "processing"].contains(&state.as_str());
            assert_eq!(state.is_over(), !is_open, "{state:?}");
        }
        for state in RefundState::ALL {
            assert_eq!(RefundState::from_word(state.as_str()), Some(state));
        }
        assert_eq!(PaymentState::from_word("paid"), None);
    }

    proptest! {
        /// However often and in whatever order it is told, a payment that succeeded has.
        #[test]
        fn the_order_of_news_does_not_lose_money(
            told in proptest::collection::vec(0..NEWS.len(), 0..12),
        ) {
            let told: Vec<PaymentNews> = told.into_iter().map(|index| NEWS[index]).collect();
            let end = told.iter().fold(PaymentState::Open, |state, news| state.after(*news));
            let has_succeeded = told.contains(&PaymentNews::Succeeded);
            prop_assert_eq!(end == PaymentState::Succeeded, has_succeeded);
            let again = told.iter().fold(end, |state, news| state.after(*news));
            prop_assert!(again == end || end == PaymentState::Processing);
        }
    }
}
