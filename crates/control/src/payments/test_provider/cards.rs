//! The test numbers that Stripe publishes, and what a card of each does.

use domain::payment::DisputeState;

/// What a card of a test number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TestCard {
    pub(super) number: &'static str,
    pub(super) brand: &'static str,
    /// When somebody pays with it, or saves it, on a page.
    on_page: Try,
    /// When somebody pays with it that is declined only then, and not when it is saved.
    on_charge: Try,
    /// Whether it asks who pays: on a page, and while the customer is away.
    asks: Asks,
    /// What a payment with it is asked back for.
    pub(super) dispute: Option<(DisputeState, &'static str)>,
    /// How money goes back to it.
    pub(super) refund: RefundEnd,
}

/// What comes of trying to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// The money is taken.
    Succeeds,
    /// The bank asks who pays.
    Asks,
    /// The bank says no.
    Declines(Decline),
}

/// When a bank asks who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Never,
    /// On a page; once the card is saved, not any more.
    OnPages,
    Always,
}

/// How money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefundEnd {
    AtOnce,
    Later,
    /// It looks as if it did at first.
    Fails,
}

/// Why a bank says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decline {
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

const GENERIC: Decline = Decline {
    code: "generic_decline",
    message: "Your card was declined.",
};
const NO_FUNDS: Decline = Decline {
    code: "insufficient_funds",
    message: "Your card has insufficient funds.",
};
const LOST: Decline = Decline {
    code: "lost_card",
    message: "Your card was declined.",
};
const STOLEN: Decline = Decline {
    code: "stolen_card",
    message: "Your card was declined.",
};
const EXPIRED: Decline = Decline {
    code: "expired_card",
    message: "Your card has expired.",
};
const WRONG_CVC: Decline = Decline {
    code: "incorrect_cvc",
    message: "Your card's security code is incorrect.",
};
const ERROR: Decline = Decline {
    code: "processing_error",
    message: "An error occurred while processing your card. Try again in a little bit.",
};
const TOO_OFTEN: Decline = Decline {
    code: "card_velocity_exceeded",
    message: "Your card was declined for making repeated attempts too frequently.",
};
/// Somebody said that they are not who pays.
pub(super) const NOT_AUTHENTICATED: Decline = Decline {
    code: "authentication_failed",
    message: "We could not confirm with your bank that it is you. Try again, or use another card.",
};

const FINE: TestCard = TestCard {
    number: "4242424242424242",
    brand: "visa",
    on_page: Try::Succeeds,
    on_charge: Try::Succeeds,
    asks: Asks::Never,
    dispute: None,
    refund: RefundEnd::AtOnce,
};

const fn fine(number: &'static str, brand: &'static str) -> TestCard {
    TestCard {
        number,
        brand,
        ..FINE
    }
}

const fn declined(number: &'static str, decline: Decline) -> TestCard {
    TestCard {
        number,
        on_page: Try::Declines(decline),
        on_charge: Try::Declines(decline),
        ..FINE
    }
}

const fn asking(number: &'static str, asks: Asks, on_charge: Try) -> TestCard {
    TestCard {
        number,
        asks,
        on_charge,
        ..FINE
    }
}

const fn disputed(number: &'static str, state: DisputeState, reason: &'static str) -> TestCard {
    TestCard {
        number,
        dispute: Some((state, reason)),
        ..FINE
    }
}

const fn refunded(number: &'static str, refund: RefundEnd) -> TestCard {
    TestCard {
        number,
        refund,
        ..FINE
    }
}

/// Every test number that is known here.
pub(super) const CARDS: &[TestCard] = &[
    FINE,
    fine("4000056655665556", "visa"),
    fine("5555555555554444", "mastercard"),
    fine("2223003122003222", "mastercard"),
    fine("5200828282828210", "mastercard"),
    fine("5105105105105100", "mastercard"),
    fine("378282246310005", "amex"),
    fine("371449635398431", "amex"),
    fine("6011111111111117", "discover"),
    fine("3056930009020004", "diners"),
    fine("3566002020360505", "jcb"),
    fine("6200000000000005", "unionpay"),
    declined("4000000000000002", GENERIC),
    declined("4000000000009995", NO_FUNDS),
    declined("4000000000009987", LOST),
    declined("4000000000009979", STOLEN),
    declined("4000000000000069", EXPIRED),
    declined("4000000000000127", WRONG_CVC),
    declined("4000000000000119", ERROR),
    declined("4000000000006975", TOO_OFTEN),
    // It can be saved, and is declined when it is charged.
    TestCard {
        number: "4000000000000341",
        on_charge: Try::Declines(GENERIC),
        ..FINE
    },
    asking("4000002500003155", Asks::OnPages, Try::Succeeds),
    asking("4000002760003184", Asks::Always, Try::Succeeds),
    asking("4000000000003220", Asks::Always, Try::Succeeds),
    asking("4000008400001629", Asks::Always, Try::Declines(GENERIC)),
    asking("4000008260003178", Asks::Always, Try::Declines(NO_FUNDS)),
    // Supports the question, and is not asked.
    fine("4000000000003055", "visa"),
    disputed("4000000000000259", DisputeState::Open, "fraudulent"),
    disputed(
        "4000000000002685",
        DisputeState::Open,
        "product_not_received",
    ),
    disputed("4000000000001976", DisputeState::Inquiry, "fraudulent"),
    refunded("4000000000007726", RefundEnd::Later),
    refunded("4000000000005126", RefundEnd::Fails),
];

impl TestCard {
    /// The card of a test number.
    pub(super) fn find(number: &str) -> Option<&'static TestCard> {
        CARDS.iter().find(|card| card.number == number)
    }

    /// The last four digits.
    pub(super) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// How many digits its security code has.
    pub(super) fn cvc_digits(&self) -> usize {
        match self.brand {
            "amex" => 4,
            _ => 3,
        }
    }

    /// What comes of paying on a page, or of saving the card there; `is_known` says whether the
    /// bank was told who it is.
    pub(super) fn on_page(&self, pays: bool, is_known: bool) -> Try {
        match self.asks {
            Asks::OnPages | Asks::Always if !is_known => Try::Asks,
            _ if pays => self.on_charge,
            _ => self.on_page,
        }
    }

    /// What comes of charging it while the customer is away.
    pub(super) fn off_session(&self) -> Try {
        match self.asks {
            Asks::Always => Try::Asks,
            Asks::Never | Asks::OnPages => self.on_charge,
        }
    }

    /// What comes of it when the customer then said who they are.
    pub(super) fn once_known(&self) -> Try {
        self.on_charge
    }
}

/// Whether the digits of a number agree, as those of every card do.
pub(super) fn is_card_number(number: &str) -> bool {
    let digits = number.bytes().rev().map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    (12..=19).contains(&number.len()) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number; paid on a page; the same once the bank knows who it is; saved; charged later.
    const BEHAVIOUR: &str = "\
4242424242424242 succeeds succeeds succeeds succeeds
4000002500003155 asks succeeds asks succeeds
4000002760003184 asks succeeds asks asks
4000000000003220 asks succeeds asks asks
4000008400001629 asks generic_decline asks asks
4000000000000341 generic_decline generic_decline succeeds generic_decline
4000000000000002 generic_decline generic_decline generic_decline generic_decline
4000000000009995 insufficient_funds insufficient_funds insufficient_funds insufficient_funds
4000000000009987 lost_card lost_card lost_card lost_card
4000000000000069 expired_card expired_card expired_card expired_card
4000000000000127 incorrect_cvc incorrect_cvc incorrect_cvc incorrect_cvc
4000000000000119 processing_error processing_error processing_error processing_error
4000000000000259 succeeds succeeds succeeds succeeds";

    #[test]
    fn every_number_is_one_and_there_once() {
        for (index, card) in CARDS.iter().enumerate() {
            assert!(is_card_number(card.number), "{}", card.number);
            let same = CARDS[..index].iter().any(|it| it.number == card.number);
            assert!(!same, "{}", card.number);
        }
        for wrong in ["4242424242424241", "4242", "42424242424242424242"] {
            assert!(!is_card_number(wrong), "{wrong}");
        }
    }

    #[test]
    fn cards_do_what_stripe_says_of_them() {
        let card = |number| TestCard::find(number).expect("it is known");
        let code = |tried| match tried {
            Try::Succeeds => "succeeds",
            Try::Asks => "asks",
            Try::Declines(decline) => decline.code,
        };
        for line in BEHAVIOUR.lines() {
            let mut words = line.split_whitespace();
            let number = words.next().expect("a number");
            let wanted: Vec<&str> = words.collect();
            let card = card(number);
            let found = [
                card.on_page(true, false),
                card.on_page(true, true),
                card.on_page(false, false),
                card.off_session(),
            ];
            assert_eq!(found.map(code)[..], wanted, "{number}");
        }
    }
}
