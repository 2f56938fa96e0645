//! What papers about money say: who sold to whom, what, and how such a paper is numbered.
//!
//! A receipt is the paper of one purchase, a credit note that of one refund. Each kind is numbered
//! by itself, from 1 in each year (UTC) and without a gap, as tax offices ask.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::money::Nusd;
use crate::time::AtUs;

/// One side of a sale, as papers name it. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Of the company or person.
    pub name: String,
    /// Its lines, with line feeds between them, without the country.
    pub address: String,
    /// As ISO 3166 writes it in two capitals, such as `DE`.
    pub country: String,
    /// Such as a VAT number.
    pub tax_id: String,
    /// Where papers are sent, or questions about them.
    pub email: String,
}

/// Who sells, and how its papers are numbered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seller {
    /// As papers name it.
    pub party: Party,
    /// What every number begins with; may be empty.
    pub prefix: String,
}

/// What a paper is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// A purchase that was paid.
    Receipt,
    /// A purchase that was paid back, in whole or in part.
    CreditNote,
}

impl DocumentKind {
    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DocumentKind::Receipt => "receipt",
            DocumentKind::CreditNote => "credit_note",
        }
    }

    /// The kind that [`DocumentKind::as_str`] writes as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [DocumentKind::Receipt, DocumentKind::CreditNote];
        all.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The number of the `seq`th of this kind in `year`: `2026-000001`, or `CN-2026-000001` of a
    /// credit note, after the seller's prefix.
    #[must_use]
    pub fn number(self, prefix: &str, year: i64, seq: i64) -> String {
        let series = match self {
            DocumentKind::Receipt => "",
            DocumentKind::CreditNote => "CN-",
        };
        format!("{prefix}{series}{year}-{seq:06}")
    }
}

/// What was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In words.
    pub description: String,
    /// Without tax.
    pub amount: Nusd,
}

/// What was paid with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidWith {
    /// Such as `visa`.
    pub brand: String,
    /// The last four digits.
    pub last4: String,
}

/// The year (UTC) that an instant is in; 0 if no calendar holds it.
#[must_use]
pub fn year(at: AtUs) -> i64 {
    let timestamp = Timestamp::from_microsecond(at.0);
    timestamp.map_or(0, |it| i64::from(it.to_zoned(TimeZone::UTC).year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_their_kind_and_year_and_may_grow_longer() {
        let (receipt, credit) = (DocumentKind::Receipt, DocumentKind::CreditNote);
        assert_eq!(receipt.number("", 2026, 1), "2026-000001");
        assert_eq!(receipt.number("AC-", 2026, 1_234_567), "AC-2026-1234567");
        assert_eq!(credit.number("AC-", 2027, 12), "AC-CN-2027-000012");
    }

    #[test]
    fn a_year_ends_at_midnight_utc() {
        let new_year = AtUs::from_seconds(1_798_761_600);
        assert_eq!(new_year.to_utc(), "2027-01-01T00:00:00Z");
        assert_eq!((year(new_year), year(new_year.plus(-1))), (2027, 2026));
        assert_eq!(year(AtUs(i64::MAX)), 0);
    }
}
