//! What somebody typed into the page of a payment.

use domain::time::AtUs;

use super::cards::{TestCard, is_card_number};
use super::things::TypedCard;
use crate::query::Query;

/// What somebody typed in.
pub(super) struct Form {
    number: String,
    expiry: String,
    cvc: String,
}

impl Form {
    pub(super) fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let query = Query::parse(Some(&text)).ok();
        let field = |name| {
            let value = query.as_ref().and_then(|query| query.one(name));
            let value = value.unwrap_or_default().chars();
            value
                .filter(|it| !matches!(it, ' ' | '-'))
                .collect::<String>()
        };
        Form {
            number: field("number"),
            expiry: field("expiry"),
            cvc: field("cvc"),
        }
    }

    /// The card, or what is wrong with it.
    pub(super) fn card(&self, now: AtUs) -> Result<(&'static TestCard, TypedCard), &'static str> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(&self.number) || !is_card_number(&self.number) {
            return Err("Your card number is incorrect.");
        }
        let card = TestCard::find(&self.number).ok_or(
            "Only the test numbers that Stripe publishes are taken here. Never type the number of a real card.",
        )?;
        let (exp_month, exp_year) = self
            .end()
            .ok_or("Your card's expiry is incomplete: write it as MM / YY.")?;
        // Both are written with the same number of digits, so that they are compared as texts.
        if *format!("{exp_year:04}-{exp_month:02}") < now.to_utc()[..7] {
            return Err("Your card's expiry is in the past.");
        }
        if !is_number(&self.cvc) || self.cvc.len() != card.cvc_digits() {
            return Err("Your card's security code is incomplete.");
        }
        let typed = TypedCard {
            number: self.number.clone(),
            exp_month,
            exp_year,
        };
        Ok((card, typed))
    }

    /// Month and year of `MM/YY`, `MMYY` or `MM/YYYY`.
    fn end(&self) -> Option<(u8, u16)> {
        let digits: String = self.expiry.chars().filter(|it| *it != '/').collect();
        let is_written =
            matches!(digits.len(), 4 | 6) && digits.bytes().all(|b| b.is_ascii_digit());
        let (month, year) = is_written.then(|| digits.split_at(2))?;
        let month: u8 = month
            .parse()
            .ok()
            .filter(|month| (1..=12).contains(month))?;
        let year: u16 = year.parse().ok()?;
        Some((month, if year < 100 { 2000 + year } else { year }))
    }
}
