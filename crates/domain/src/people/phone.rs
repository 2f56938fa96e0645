//! Phone numbers in the form of E.164: a plus, the country's code, the number; 15 digits at most.
//!
//! Whether a number exists is found out by sending a code to it, so only what E.164 itself says is
//! checked, and that its country code is one of a country: satellite networks, shared-cost and
//! premium services have codes too, and a text message to those can cost a fortune. (The library
//! that knows each country's numbering plan brings 20 packages, some of them unmaintained.)

use std::fmt;
use std::sync::Arc;

/// A phone number, as `+` and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(Arc<str>);

/// Why a text is not a phone number that can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneProblem {
    /// It does not begin with a plus and the country's code.
    #[error("write it with the country's code, such as +49 30 901820")]
    NoCountryCode,
    /// Something in it is no digit, or there are too few or too many.
    #[error("it is not a phone number")]
    NotANumber,
    /// No country has this code.
    #[error("no country has this code")]
    UnknownCountry,
}

/// E.164's own bound.
const MOST_DIGITS: usize = 15;
/// The shortest numbers in use: four digits after a country's code of three.
const LEAST_DIGITS: usize = 7;

/// Codes of countries, as E.164 assigns them (ITU-T, list of 2016 with later changes). No code is
/// the beginning of another.
const COUNTRIES: &[&str] = &[
    "1", "20", "211", "212", "213", "216", "218", "220", "221", "222", "223", "224", "225", "226",
    "227", "228", "229", "230", "231", "232", "233", "234", "235", "236", "237", "238", "239",
    "240", "241", "242", "243", "244", "245", "246", "247", "248", "249", "250", "251", "252",
    "253", "254", "255", "256", "257", "258", "260", "261", "262", "263", "264", "265", "266",
    "267", "268", "269", "27", "290", "291", "297", "298", "299", "30", "31", "32", "33", "34",
    "350", "351", "352", "353", "354", "355", "356", "357", "358", "359", "36", "370", "371",
    "372", "373", "374", "375", "376", "377", "378", "379", "380", "381", "382", "383", "385",
    "386", "387", "389", "39", "40", "41", "420", "421", "423", "43", "44", "45", "46", "47", "48",
    "49", "500", "501", "502", "503", "504", "505", "506", "507", "508", "509", "51", "52", "53",
    "54", "55", "56", "57", "58", "590", "591", "592", "593", "594", "595", "596", "597", "598",
    "599", "60", "61", "62", "63", "64", "65", "66", "670", "672", "673", "674", "675", "676",
    "677", "678", "679", "680", "681", "682", "683", "685", "686", "687", "688", "689", "690",
    "691", "692", "7", "81", "82", "84", "850", "852", "853", "855", "856", "86", "880", "886",
    "90", "91", "92", "93", "94", "95", "960", "961", "962", "963", "964", "965", "966", "967",
    "968", "970", "971", "972", "973", "974", "975", "976", "977", "98", "992", "993", "994",
    "995", "996", "998",
];

/// Countries that share a plan in which every number has ten digits after the code.
const TEN_DIGITS: &[&str] = &["1", "7"];

impl Phone {
    /// Reads a number as somebody typed it: spaces, dots, hyphens and round brackets are left out.
    ///
    /// # Errors
    /// [`PhoneProblem`].
    pub fn parse(text: &str) -> Result<Self, PhoneProblem> {
        let digits = text.trim().strip_prefix('+');
        let digits = digits.ok_or(PhoneProblem::NoCountryCode)?;
        let is_mark = |letter: &char| " .-()\u{a0}".contains(*letter);
        let digits: String = digits.chars().filter(|it| !is_mark(it)).take(32).collect();
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || !(LEAST_DIGITS..=MOST_DIGITS).contains(&digits.len()) {
            return Err(PhoneProblem::NotANumber);
        }
        let country = COUNTRIES.iter().find(|code| digits.starts_with(**code));
        let country = country.ok_or(PhoneProblem::UnknownCountry)?;
        let national = digits.len() - country.len();
        if TEN_DIGITS.contains(country) && national != 10 {
            return Err(PhoneProblem::NotANumber);
        }
        Ok(Phone(format!("+{digits}").into()))
    }

    /// The number as `+` and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number with its middle hidden: enough to recognise one's own.
    #[must_use]
    pub fn masked(&self) -> String {
        let hidden = self.0.len() - 5;
        format!(
            "{}{}{}",
            &self.0[..3],
            "*".repeat(hidden),
            &self.0[hidden + 3..]
        )
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_in_one_form() {
        for (typed, kept) in [
            ("+1 (415) 555-0100", "+14155550100"),
            ("+49 30 901820", "+4930901820"),
            (" +44.20.7946.0000 ", "+442079460000"),
            ("+683 4000", "+6834000"),
            ("+7 495 123-45-67", "+74951234567"),
            ("+15550001111", "+15550001111"),
        ] {
            assert_eq!(Phone::parse(typed).expect(typed).as_str(), kept);
        }
        assert_eq!(
            Phone::parse("+14155550100").expect("one").masked(),
            "+14*******00"
        );
    }

    #[test]
    fn what_is_no_number_of_a_country_is_refused() {
        use PhoneProblem::{NoCountryCode, NotANumber, UnknownCountry};
        for (typed, problem) in [
            ("", NoCountryCode),
            ("030 901820", NoCountryCode),
            ("0049 30 901820", NoCountryCode),
            ("+", NotANumber),
            ("+49", NotANumber),
            ("+49 30 90182a", NotANumber),
            ("+49 30 901820 ext 4", NotANumber),
            ("++4930901820", NotANumber),
            ("+1 415 555 010", NotANumber),
            ("+1 415 555 01000", NotANumber),
            ("+4930901820123456", NotANumber),
            ("+٤٩٣٠٩٠١٨٢٠", NotANumber),
            ("+0 415 555 0100", UnknownCountry),
            ("+999 1234567", UnknownCountry),
            ("+800 12345678", UnknownCountry),
            ("+881 612345678", UnknownCountry),
            ("+979 123456789", UnknownCountry),
        ] {
            assert_eq!(Phone::parse(typed), Err(problem), "{typed:?}");
        }
    }

    #[test]
    fn no_code_is_the_beginning_of_another() {
        for code in COUNTRIES {
            let longer = COUNTRIES.iter().filter(|it| it.starts_with(code));
            assert_eq!(longer.count(), 1, "{code}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[+]?.{0,40}") {
            if let Ok(phone) = Phone::parse(&text) {
                prop_assert!(phone.as_str().len() <= 16);
                prop_assert_eq!(Phone::parse(phone.as_str()), Ok(phone.clone()));
                prop_assert_eq!(phone.masked().len(), phone.as_str().len());
            }
        }
    }
}
