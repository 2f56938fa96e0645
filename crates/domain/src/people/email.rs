//! E-mail addresses in the one form that they are kept and compared in.
//!
//! What browsers accept as an address (the HTML standard's "valid e-mail address") in small
//! letters, without what mail servers refuse anyway. That leaves visible ASCII only, so an address
//! can stand in a mail's head as it is.

use std::fmt;
use std::sync::Arc;

/// The longest address that a mail server must take (RFC 5321), in bytes.
const MOST_BYTES: usize = 254;
const MOST_LOCAL_BYTES: usize = 64;
const MOST_LABEL_BYTES: usize = 63;

/// An e-mail address, normalised: two that reach the same mailbox by the rules of most providers
/// are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(Arc<str>);

/// The text is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not an email address, such as you@example.com")]
pub struct NotAnEmail;

impl Email {
    /// Reads an address as somebody typed it.
    ///
    /// # Errors
    /// [`NotAnEmail`].
    pub fn parse(text: &str) -> Result<Self, NotAnEmail> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let short = text.len() <= MOST_BYTES && local.len() <= MOST_LOCAL_BYTES;
        let local_fits = local.split('.').all(is_atom);
        let domain_fits = domain.split('.').all(is_label);
        match short && local_fits && domain_fits {
            true => Ok(Email(text.to_ascii_lowercase().into())),
            false => Err(NotAnEmail),
        }
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.parts().0
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').expect("it was checked")
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What may stand between two dots before the `@`: at least one of these.
fn is_atom(text: &str) -> bool {
    let marks = b"!#$%&'*+/=?^_`{|}~-";
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let fits = (1..=MOST_LABEL_BYTES).contains(&text.len());
    fits && text.bytes().all(allowed) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read_in_one_form() {
        for (typed, kept) in [
            ("ada@example.com", "ada@example.com"),
            ("  Ada.Lovelace@EXAMPLE.com\n", "ada.lovelace@example.com"),
            ("a+tag@sub.example.co.uk", "a+tag@sub.example.co.uk"),
            ("o'hara@example.ie", "o'hara@example.ie"),
            ("root@localhost", "root@localhost"),
            ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
            ("1@2.example", "1@2.example"),
        ] {
            let email = Email::parse(typed).expect(typed);
            assert_eq!(email.as_str(), kept);
            let parts = format!("{}@{}", email.local_part(), email.domain());
            assert_eq!(parts, kept);
        }
    }

    #[test]
    fn what_no_mail_server_would_take_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("a@{}.com", "b".repeat(64));
        let long = format!("a@{}com", "b.".repeat(126));
        for typed in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@@example.com",
            "ada@example..com",
            "ada@.example.com",
            "ada@example.com.",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "ada@-example.com",
            "ada@example-.com",
            "ada lovelace@example.com",
            "ada@exa mple.com",
            "ada@exam_ple.com",
            "\"ada\"@example.com",
            "ada@[127.0.0.1]",
            "ädä@example.com",
            "ada@bücher.example",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada\0@example.com",
            "<ada@example.com>",
            "ada@example.com,eve@example.com",
            &long_local,
            &long_label,
            &long,
        ] {
            assert_eq!(Email::parse(typed), Err(NotAnEmail), "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader_and_what_it_takes_is_plain(text in ".{0,300}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email), "read twice");
            }
        }
    }
}
