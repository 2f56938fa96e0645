//! What Farebox writes to people: which message, to whom, and the facts in it. The words around the
//! facts are templates, where messages are sent.
//!
//! Codes and links in here let whoever reads them in, so a message prints without its facts.

use std::fmt;

use crate::alert::{AlertEvent, Fact};
use crate::id::{OrganizationId, WebhookDeliveryId, WebhookEndpointId};
use crate::money::Nusd;
use crate::people::factor::FactorChange;
use crate::time::AtUs;

/// The longest a name may be that somebody chose and that is shown to others.
const NAME_CHARS: usize = 100;
/// The longest that a sentence may be, or the place of something, such as an address.
const TEXT_CHARS: usize = 500;

/// A message to one person, or one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A mail.
    Mail {
        /// The address, such as `ada@example.com`.
        to: String,
        /// What it says.
        letter: Letter,
    },
    /// A text message.
    Sms {
        /// The number as `+` and digits (E.164), such as `+4930123456`.
        to: String,
        /// What it says.
        text: Text,
    },
    /// An event for a program of an organization's.
    Webhook {
        /// Where it goes.
        endpoint: WebhookEndpointId,
        /// What is sent.
        delivery: WebhookDeliveryId,
    },
}

/// What a mail says.
#[derive(Clone, PartialEq, Eq)]
pub enum Letter {
    /// Prove that this address is yours.
    EmailCode {
        /// What to type in.
        code: String,
        /// How long it works.
        valid_minutes: u32,
    },
    /// Somebody asks you into an organization.
    Invite {
        /// Its name.
        organization: String,
        /// Who asks: a name or an address.
        inviter: String,
        /// Where to accept.
        link: String,
        /// How long the link works.
        valid_days: u32,
    },
    /// Choose a new password.
    PasswordReset {
        /// Where.
        link: String,
        /// How long the link works.
        valid_minutes: u32,
    },
    /// Your password was changed.
    PasswordChanged {
        /// When.
        at: AtUs,
    },
    /// The address of your account was changed: to the old address.
    EmailChanged {
        /// The address that it has now.
        new: String,
        /// When.
        at: AtUs,
    },
    /// Your phone number was changed.
    PhoneChanged {
        /// The number that the account has now, its middle hidden.
        new: String,
        /// When.
        at: AtUs,
    },
    /// What lets you in beside your password was changed.
    SecondFactorsChanged {
        /// What was done.
        what: FactorChange,
        /// When.
        at: AtUs,
    },
    /// A recovery code let somebody in.
    RecoveryCodeUsed {
        /// How many there are left.
        left: u32,
        /// When.
        at: AtUs,
    },
    /// Somebody with your password did not get past the second factor.
    SecondFactorFailed {
        /// When.
        at: AtUs,
    },
    /// Your account can be signed in to with another one, at a provider.
    IdentityLinked {
        /// What the provider is called.
        provider: String,
        /// When.
        at: AtUs,
    },
    /// It cannot any more.
    IdentityUnlinked {
        /// What the provider is called.
        provider: String,
        /// When.
        at: AtUs,
    },
    /// Somebody, perhaps you, wanted an account with this address, and there is one.
    AddressInUse {
        /// Where to sign in.
        sign_in: String,
        /// Where to go if the password is forgotten.
        reset: String,
    },
    /// An upstream says that it is owed another amount for a day than our books say.
    UpstreamDrift {
        /// Which.
        upstream: String,
        /// The day's start, UTC.
        day: AtUs,
        /// By our books.
        ours: Nusd,
        /// By its own.
        theirs: Nusd,
    },
    /// An organization is told of something.
    Alert(AlertLetter),
}

/// An organization is told of something.
#[derive(Clone, PartialEq, Eq)]
pub struct AlertLetter {
    /// What the subject begins with, if somebody chose that.
    pub subject_prefix: Option<String>,
    /// Which organization.
    pub organization_id: OrganizationId,
    /// Its name.
    pub organization: String,
    /// What happened.
    pub event: AlertEvent,
    /// When.
    pub at: AtUs,
}

/// What a text message says.
#[derive(Clone, PartialEq, Eq)]
pub enum Text {
    /// Prove that this number is yours.
    PhoneCode {
        /// What to type in.
        code: String,
        /// How long it works.
        valid_minutes: u32,
    },
}

/// The facts of a message by name.
pub type Facts = Vec<(&'static str, String)>;

impl Message {
    /// The address or number, or the id of the endpoint.
    #[must_use]
    pub fn to(&self) -> &str {
        match self {
            Message::Mail { to, .. } | Message::Sms { to, .. } => to,
            Message::Webhook { endpoint, .. } => endpoint.as_str(),
        }
    }

    /// The name of its template.
    #[must_use]
    pub fn template(&self) -> &'static str {
        match self {
            Message::Mail { letter, .. } => letter.template(),
            Message::Sms { text, .. } => text.template(),
            Message::Webhook { .. } => "webhook",
        }
    }

    /// What its template fills in.
    #[must_use]
    pub fn facts(&self) -> Facts {
        match self {
            Message::Mail { letter, .. } => letter.facts(),
            Message::Sms { text, .. } => text.facts(),
            Message::Webhook { delivery, .. } => vec![("delivery", delivery.to_string())],
        }
    }
}

impl Letter {
    fn template(&self) -> &'static str {
        match self {
            Letter::EmailCode { .. } => "email_code",
            Letter::Invite { .. } => "invite",
            Letter::PasswordReset { .. } => "password_reset",
            Letter::PasswordChanged { .. } => "password_changed",
            Letter::EmailChanged { .. } => "email_changed",
            Letter::PhoneChanged { .. } => "phone_changed",
            Letter::SecondFactorsChanged { .. } => "second_factors_changed",
            Letter::RecoveryCodeUsed { .. } => "recovery_code_used",
            Letter::SecondFactorFailed { .. } => "second_factor_failed",
            Letter::IdentityLinked { .. } => "identity_linked",
            Letter::IdentityUnlinked { .. } => "identity_unlinked",
            Letter::AddressInUse { .. } => "address_in_use",
            Letter::UpstreamDrift { .. } => "upstream_drift",
            Letter::Alert(alert) => alert.event.kind().as_str(),
        }
    }

    fn facts(&self) -> Facts {
        match self {
            Letter::EmailCode {
                code,
                valid_minutes,
            } => vec![
                ("code", one_line(code)),
                ("valid", spelled(*valid_minutes, "minute")),
            ],
            Letter::Invite {
                organization,
                inviter,
                link,
                valid_days,
            } => vec![
                ("organization", one_line(organization)),
                ("inviter", one_line(inviter)),
                ("link", link.clone()),
                ("valid", spelled(*valid_days, "day")),
            ],
            Letter::PasswordReset {
                link,
                valid_minutes,
            } => vec![
                ("link", link.clone()),
                ("valid", spelled(*valid_minutes, "minute")),
            ],
            Letter::PasswordChanged { at } | Letter::SecondFactorFailed { at } => {
                vec![("at", minute(*at))]
            }
            Letter::SecondFactorsChanged { what, at } => {
                vec![("what", one_line(&what.to_string())), ("at", minute(*at))]
            }
            Letter::RecoveryCodeUsed { left, at } => {
                vec![("left", spelled(*left, "code")), ("at", minute(*at))]
            }
            Letter::EmailChanged { new, at } => vec![("new", one_line(new)), ("at", minute(*at))],
            Letter::PhoneChanged { new, at } => vec![("new", one_line(new)), ("at", minute(*at))],
            Letter::IdentityLinked { provider, at } | Letter::IdentityUnlinked { provider, at } => {
                vec![("provider", one_line(provider)), ("at", minute(*at))]
            }
            Letter::AddressInUse { sign_in, reset } => {
                vec![("sign_in", sign_in.clone()), ("reset", reset.clone())]
            }
            Letter::UpstreamDrift {
                upstream,
                day,
                ours,
                theirs,
            } => vec![
                ("upstream", one_line(upstream)),
                ("day", minute(*day)),
                ("ours", format!("${}", ours.to_usd())),
                ("theirs", format!("${}", theirs.to_usd())),
            ],
            Letter::Alert(alert) => alert.facts(),
        }
    }
}

/// A fact of an alert, for people.
fn written(fact: &Fact) -> String {
    match fact {
        Fact::Name(name) => one_line(name),
        Fact::Text(text) => line_of(text, TEXT_CHARS),
        Fact::Link(link) => link.clone(),
        Fact::Usd(amount) => format!("${}", amount.to_usd()),
        Fact::At(at) => minute(*at),
        Fact::Number(number) => number.to_string(),
        Fact::Is(it_is_so) => yes(*it_is_so),
        Fact::None => String::new(),
    }
}

impl AlertLetter {
    /// What its template fills in: the facts of the event by the names that programs know, and
    /// those around it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let prefix = self.subject_prefix.as_deref().unwrap_or_default();
        let around = [
            ("subject_prefix", one_line(prefix)),
            ("organization_id", self.organization_id.to_string()),
            ("organization", one_line(&self.organization)),
            ("at", minute(self.at)),
        ];
        let facts = self.event.facts().into_iter();
        let facts = facts.map(|(name, fact)| (name, written(&fact)));
        around.into_iter().chain(facts).collect()
    }
}

impl Text {
    fn template(&self) -> &'static str {
        match self {
            Text::PhoneCode { .. } => "phone_code",
        }
    }

    fn facts(&self) -> Facts {
        match self {
            Text::PhoneCode {
                code,
                valid_minutes,
            } => vec![
                ("code", one_line(code)),
                ("valid", spelled(*valid_minutes, "minute")),
            ],
        }
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({})", self.template())
    }
}

impl fmt::Debug for AlertLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlertLetter({})", self.event.kind().as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({})", self.template())
    }
}

/// A name that somebody chose, in one line and not endless: it may not add to what a mail says.
fn one_line(name: &str) -> String {
    line_of(name, NAME_CHARS)
}

fn line_of(name: &str, most_chars: usize) -> String {
    let words: Vec<&str> = name
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(most_chars) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `1 day`, `2 days`.
fn spelled(number: u32, unit: &str) -> String {
    match number {
        1 => format!("1 {unit}"),
        many => format!("{many} {unit}s"),
    }
}

/// A fact that is so or not: templates take the empty text as "no".
fn yes(it_is_so: bool) -> String {
    match it_is_so {
        true => "yes".to_owned(),
        false => String::new(),
    }
}

/// As `2026-12-01 14:05 UTC`.
fn minute(at: AtUs) -> String {
    let text = at.to_utc();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_prints_without_its_facts() {
        let code = || "482913".to_owned();
        let messages = [
            Message::Mail {
                to: "ada@example.com".into(),
                letter: Letter::EmailCode {
                    code: code(),
                    valid_minutes: 10,
                },
            },
            Message::Sms {
                to: "+4930123456".into(),
                text: Text::PhoneCode {
                    code: code(),
                    valid_minutes: 1,
                },
            },
        ];
        for message in messages {
            let printed = format!("{message:?}");
            assert!(!printed.contains("482913"), "{printed}");
            assert!(printed.contains(message.template()), "{printed}");
            assert!(message.facts().contains(&("code", code())));
        }
    }

    #[test]
    fn a_name_cannot_begin_a_new_line_or_go_on_forever() {
        assert_eq!(
            one_line("  Acme\r\n\r\nhttp://evil \u{2028}x"),
            "Acme http://evil x"
        );
        let long = one_line(&"ä".repeat(1000));
        assert_eq!(long.chars().count(), NAME_CHARS + 1);
        assert!(long.ends_with("ä…"));
        assert_eq!(one_line(&"b".repeat(NAME_CHARS)), "b".repeat(NAME_CHARS));
    }

    #[test]
    fn facts_are_written_for_people() {
        assert_eq!(spelled(1, "day"), "1 day");
        assert_eq!(spelled(10, "minute"), "10 minutes");
        assert_eq!(
            minute(AtUs::from_seconds(1_796_083_200)),
            "2026-12-01 00:00 UTC"
        );
        assert_eq!(minute(AtUs(i64::MAX)), "never");
        assert_eq!((yes(true).as_str(), yes(false).as_str()), ("yes", ""));
    }
}
