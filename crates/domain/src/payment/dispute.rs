//! Disputes: a customer's bank asks for a payment back.

/// How far a dispute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisputeState {
    /// The bank asks questions, and has taken nothing.
    Inquiry,
    /// The bank has taken the money until it is decided.
    Open,
    /// It was decided for the operator: the money came back.
    Won,
    /// It was decided for the customer: the money is gone.
    Lost,
}

impl DisputeState {
    /// Every state.
    pub const ALL: [DisputeState; 4] = [
        DisputeState::Inquiry,
        DisputeState::Open,
        DisputeState::Won,
        DisputeState::Lost,
    ];

    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DisputeState::Inquiry => "inquiry",
            DisputeState::Open => "open",
            DisputeState::Won => "won",
            DisputeState::Lost => "lost",
        }
    }

    /// The state stored as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the bank has the money.
    #[must_use]
    pub fn holds_money(self) -> bool {
        matches!(self, DisputeState::Open | DisputeState::Lost)
    }

    /// The state after the provider says `news`. What was decided stays decided.
    #[must_use]
    pub fn after(self, news: DisputeState) -> DisputeState {
        use DisputeState::{Inquiry, Lost, Open, Won};
        match (self, news) {
            (Inquiry, news) => news,
            (Open, Won | Lost) => news,
            (state, _) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DisputeState::{Inquiry, Lost, Open, Won};
    use super::*;

    #[test]
    fn every_piece_of_news_leads_from_every_state_to_this() {
        for (state, after) in [
            (Inquiry, [Inquiry, Open, Won, Lost]),
            (Open, [Open, Open, Won, Lost]),
            (Won, [Won, Won, Won, Won]),
            (Lost, [Lost, Lost, Lost, Lost]),
        ] {
            let found = DisputeState::ALL.map(|news| state.after(news));
            assert_eq!(found, after, "{state:?}");
        }
    }

    #[test]
    fn words_read_as_they_are_written_and_say_who_has_the_money() {
        for (state, holds) in [(Inquiry, false), (Open, true), (Won, false), (Lost, true)] {
            assert_eq!(DisputeState::from_word(state.as_str()), Some(state));
            assert_eq!(state.holds_money(), holds, "{state:?}");
        }
        assert_eq!(DisputeState::from_word("closed"), None);
    }
}
