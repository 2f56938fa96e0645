//! The words around the facts: templates, filled in.
//!
//! A letter is written once, as plain text whose first line is its subject; its HTML is made from
//! the same paragraphs. What fills a template in cannot add to it: facts have no line breaks, and
//! HTML is escaped after they are in place.

use std::collections::BTreeMap;

use minijinja::value::Value;
use minijinja::{
    AutoEscape, Environment, Output, State, UndefinedBehavior, context, escape_formatter,
};

macro_rules! templates {
    ($($name:literal,)+) => {
        &[$(($name, include_str!(concat!("templates/", $name, ".txt"))),)+]
    };
}

/// Every template by name. Those of mails have a subject.
const TEMPLATES: &[(&str, &str)] = templates![
    "address_in_use",
    "budget_threshold",
    "email_changed",
    "email_code",
    "identity_linked",
    "identity_unlinked",
    "invite",
    "key_leaked",
    "low_balance",
    "new_sign_in",
    "password_changed",
    "password_reset",
    "payment_disputed",
    "phone_changed",
    "phone_code",
    "receipt",
    "recharge_disabled",
    "recharge_failed",
    "recharge_needs_action",
    "recovery_code_used",
    "second_factor_failed",
    "second_factors_changed",
    "statement_ready",
    "test",
    "upstream_drift",
    "webhook_disabled",
];
const PAGE: &str = "letter.html";

/// A mail, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// One line.
    pub(crate) subject: String,
    /// The plain text.
    pub(crate) text: String,
    /// The same, as a page of HTML.
    pub(crate) html: String,
}

/// Why a message cannot be written: its template is not here, or misses a fact. Another version of
/// Farebox put it into the queue.
#[derive(Debug, thiserror::Error)]
#[error("the message {template} cannot be written: {reason}")]
pub(crate) struct Unwritable {
    template: String,
    reason: String,
}

/// Writes messages.
pub(crate) struct Letters {
    templates: Environment<'static>,
    public_url: String,
}

impl Letters {
    /// Reads the templates. `public_url` is where people find this installation.
    pub(crate) fn new(public_url: &str) -> Self {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_formatter(escape);
        for (name, source) in TEMPLATES {
            templates
                .add_template(name, source)
                .expect("the templates are right: a test fills in each");
        }
        templates
            .add_template(PAGE, include_str!("templates/letter.html"))
            .expect("the page is right: a test fills it in");
        Letters {
            templates,
            public_url: public_url.to_owned(),
        }
    }

    /// A mail.
    pub(crate) fn mail(
        &self,
        template: &str,
        facts: &BTreeMap<String, String>,
    ) -> Result<Written, Unwritable> {
        let whole = self.fill_in(template, facts)?;
        let (subject, text) = parts(template, &whole)?;
        let paragraphs: Vec<Value> = text
            .split("\n\n")
            .map(|text| {
                let is = |name| facts.get(name).is_some_and(|fact| fact == text);
                let kind = match () {
                    () if is("code") => "code",
                    () if is("link") || self.is_own(text) => "link",
                    () => "text",
                };
                context! { kind, text }
            })
            .collect();
        let page = self.templates.get_template(PAGE).and_then(|page| {
            let public_url = &self.public_url;
            page.render(context! { subject, paragraphs, public_url })
        });
        Ok(Written {
            subject: subject.to_owned(),
            text: format!(
                "{text}\n\n-- \nSent by the Farebox at {}\n",
                self.public_url
            ),
            html: page.map_err(|error| unwritable(template, &error))?,
        })
    }

    /// Whether a paragraph is an address of this installation and nothing else. Facts cannot make
    /// one: a template that puts one into a paragraph of its own means it as a link.
    fn is_own(&self, paragraph: &str) -> bool {
        let path = paragraph.strip_prefix(&self.public_url);
        path.is_some_and(|path| {
            let is_path = path.is_empty() || path.starts_with('/');
            is_path
                && path
                    .bytes()
                    .all(|it| matches!(it, b'a'..=b'z' | b'-' | b'/'))
        })
    }

    /// A message for a chat: a headline, and its paragraphs.
    pub(crate) fn for_chat(
        &self,
        template: &str,
        facts: &BTreeMap<String, String>,
    ) -> Result<(String, Vec<String>), Unwritable> {
        let whole = self.fill_in(template, facts)?;
        let (subject, text) = parts(template, &whole)?;
        let paragraphs = text.split("\n\n").map(ToOwned::to_owned).collect();
        Ok((subject.to_owned(), paragraphs))
    }

    /// A text message.
    pub(crate) fn sms(
        &self,
        template: &str,
        facts: &BTreeMap<String, String>,
    ) -> Result<String, Unwritable> {
        self.fill_in(template, facts)
    }

    fn fill_in(
        &self,
        template: &str,
        facts: &BTreeMap<String, String>,
    ) -> Result<String, Unwritable> {
        let public_url = [("public_url", self.public_url.as_str())];
        let facts = facts
            .iter()
            .map(|(name, fact)| (name.as_str(), fact.as_str()));
        let all: BTreeMap<&str, &str> = facts.chain(public_url).collect();
        let found = self.templates.get_template(template);
        found
            .and_then(|template| template.render(all))
            .map_err(|error| unwritable(template, &error))
    }
}

/// The subject of a mail, and its text.
fn parts<'a>(template: &str, whole: &'a str) -> Result<(&'a str, &'a str), Unwritable> {
    whole.split_once("\n\n").ok_or_else(|| Unwritable {
        template: template.to_owned(),
        reason: "it has no subject".to_owned(),
    })
}

/// Escapes what HTML needs escaped. The engine would also escape slashes, and addresses full of
/// entities look to spam filters as if they had something to hide.
fn escape(
    out: &mut Output<'_>,
    state: &State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let Some(text) = value
        .as_str()
        .filter(|_| state.auto_escape() == AutoEscape::Html)
    else {
        return escape_formatter(out, state, value);
    };
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    out.write_str(&escaped).map_err(minijinja::Error::from)
}

/// Says what is missing, and none of what is there.
fn unwritable(template: &str, error: &minijinja::Error) -> Unwritable {
    Unwritable {
        template: template.to_owned(),
        reason: error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::alert::{AlertEvent, BudgetReached, EndpointOff, RechargeTrouble};
    use domain::budget::{Force, Scope};
    use domain::id::{BudgetId, KeyId, OrganizationId, ProjectId, UserId, WebhookEndpointId};
    use domain::message::{AlertLetter, Letter, Message, Text};
    use domain::money::Nusd;
    use domain::people::factor::FactorChange;
    use domain::time::AtUs;
    use domain::webhook::Off;
    use domain::window::Window;

    const URL: &str = "https://ai.example.com";
    const NOON: AtUs = AtUs(1_796_126_400_000_000);

    fn facts(message: &Message) -> BTreeMap<String, String> {
        let facts = message.facts().into_iter();
        facts.map(|(name, fact)| (name.to_owned(), fact)).collect()
    }

    fn write(letter: Letter) -> Written {
        let message = Message::Mail {
            to: "ada@example.com".into(),
            letter,
        };
        let letters = Letters::new(URL);
        letters.mail(message.template(), &facts(&message)).unwrap()
    }

    fn alert(event: AlertEvent) -> Letter {
        Letter::Alert(AlertLetter {
            subject_prefix: None,
            organization_id: OrganizationId::new("org-acme"),
            organization: "Acme".into(),
            event,
            at: NOON,
        })
    }

    fn budget(force: Force, window: Window) -> Letter {
        let event = AlertEvent::BudgetThreshold(BudgetReached {
            budget: BudgetId::new("budget_1"),
            scope: Scope::Project(ProjectId::new("proj_1")),
            called: "the project Search".into(),
            window,
            threshold: 80,
            limit: Nusd::parse_usd("100").unwrap(),
            spent: Nusd::parse_usd("81.5").unwrap(),
            force,
        });
        Letter::Alert(AlertLetter {
            subject_prefix: (window == Window::Day).then(|| "[money]".into()),
            organization_id: OrganizationId::new("org-acme"),
            organization: "Acme".into(),
            event,
            at: NOON,
        })
    }

    fn every_letter() -> Vec<Letter> {
        let link = || format!("{URL}/reset?code=a&b=c");
        vec![
            Letter::EmailCode {
                code: "482913".into(),
                valid_minutes: 10,
            },
            Letter::Invite {
                organization: "Acme".into(),
                inviter: "Grace".into(),
                link: link(),
                valid_days: 7,
            },
            Letter::PasswordReset {
                link: link(),
                valid_minutes: 60,
            },
            Letter::PasswordChanged { at: NOON },
            Letter::IdentityLinked {
                provider: "Acme".into(),
                at: NOON,
            },
            Letter::IdentityUnlinked {
                provider: "Acme".into(),
                at: NOON,
            },
            Letter::EmailChanged {
                new: "new@example.com".into(),
                at: NOON,
            },
            Letter::PhoneChanged {
                new: "+49******20".into(),
                at: NOON,
            },
            Letter::SecondFactorsChanged {
                what: FactorChange::TotpAdded,
                at: NOON,
            },
            Letter::RecoveryCodeUsed { left: 3, at: NOON },
            Letter::SecondFactorFailed { at: NOON },
            Letter::UpstreamDrift {
                upstream: "openai".into(),
                day: NOON,
                ours: Nusd::new(7_250_000_000),
                theirs: Nusd::new(7_400_000_000),
            },
            Letter::AddressInUse {
                sign_in: format!("{URL}/sign-in"),
                reset: format!("{URL}/forgot-password"),
            },
            budget(Force::Hard, Window::Month),
            budget(Force::Hard, Window::Always),
            budget(Force::Soft, Window::Day),
            key_leaked(true),
            key_leaked(false),
        ]
        .into_iter()
        .chain(every_alert())
        .collect()
    }

    fn every_alert() -> Vec<Letter> {
        let usd = |text| Nusd::parse_usd(text).unwrap();
        let failed = |next_try_at| RechargeTrouble::Failed {
            recharge: "recharge_1".into(),
            amount: usd("25"),
            reason: "The card has not enough money.".into(),
            failures: 1,
            next_try_at,
        };
        let receipt = |tax| AlertEvent::Receipt {
            number: "2026-000042".into(),
            payment: "pay_1".into(),
            amount: usd("25"),
            tax: usd(tax),
        };
        let events = [
            AlertEvent::LowBalance {
                available: usd("0.75"),
                threshold: usd("1"),
            },
            AlertEvent::Recharge(failed(Some(NOON))),
            AlertEvent::Recharge(failed(None)),
            AlertEvent::Recharge(RechargeTrouble::NeedsAction {
                recharge: "recharge_1".into(),
                amount: usd("25"),
                link: "https://pay.example.com/confirm?a=b&c=d".into(),
            }),
            AlertEvent::Recharge(RechargeTrouble::Disabled {
                reason: "The card was declined three times.".into(),
                failures: 3,
            }),
            AlertEvent::PaymentDisputed {
                payment: "pay_1".into(),
                amount: usd("25"),
                reason: "The cardholder does not know the payment.".into(),
            },
            AlertEvent::NewSignIn {
                user: UserId::new("user-ada"),
                email: "ada@example.com".into(),
                device: "Firefox on Linux".into(),
                ip_address: "203.0.113.7".into(),
            },
            AlertEvent::StatementReady {
                statement: "2026-11".into(),
                month: "2026-11".into(),
                closing: usd("12.5"),
            },
            receipt("0"),
            receipt("3.99"),
            endpoint_off(Off::Failing),
            endpoint_off(Off::Gone),
        ];
        events.map(alert).into()
    }

    fn endpoint_off(why: Off) -> AlertEvent {
        AlertEvent::WebhookDisabled(EndpointOff {
            endpoint: WebhookEndpointId::new("webhook_1"),
            url: "https://example.com/farebox".into(),
            why,
            last: "the endpoint answered 500".into(),
        })
    }

    fn key_leaked(revoked: bool) -> Letter {
        alert(AlertEvent::KeyLeaked {
            id: KeyId::new("key_1"),
            key: "sk-proj-fare...wXyZ".into(),
            name: "search".into(),
            place: "github.com/acme/search/.env".into(),
            revoked,
        })
    }

    #[test]
    fn every_letter_is_written_as_text_and_as_html() {
        let mut seen = String::new();
        for letter in every_letter() {
            let Written {
                subject,
                text,
                html,
            } = write(letter);
            assert!(!subject.is_empty() && !subject.contains('\n'), "{subject}");
            assert!(text.ends_with("-- \nSent by the Farebox at https://ai.example.com\n"));
            assert!(!text.contains("{{") && !text.contains("\n\n\n"), "{text}");
            assert!(html.contains("</html>") && html.contains(URL), "{html}");
            seen.push_str(&format!("Subject: {subject}\n\n{text}\n"));
        }
        // The words of every letter, to be read over when one of them changes.
        insta::assert_snapshot!("every_letter", seen);
    }

    #[test]
    fn pages_are_as_they_were_looked_at() {
        let code = Letter::EmailCode {
            code: "482913".into(),
            valid_minutes: 10,
        };
        insta::assert_snapshot!("page_with_code", write(code).html);
        let alert = budget(Force::Hard, Window::Month);
        insta::assert_snapshot!("page_of_alert", write(alert).html);
    }

    #[test]
    fn a_text_message_is_one_line() {
        let message = Message::Sms {
            to: "+4930123456".into(),
            text: Text::PhoneCode {
                code: "482913".into(),
                valid_minutes: 10,
            },
        };
        let text = Letters::new(URL).sms(message.template(), &facts(&message));
        assert_eq!(
            text.unwrap(),
            "482913 is your Farebox code. It works for 10 minutes. Never tell it to anybody."
        );
    }

    #[test]
    fn names_are_words_in_html_too_and_never_a_link_or_a_line() {
        let written = write(Letter::Invite {
            organization: "<a href='https://evil.example'>\r\n\r\nhttps://evil.example".into(),
            inviter: "{{ public_url }}".into(),
            link: format!("{URL}/invite?code=a&b=c"),
            valid_days: 7,
        });
        assert!(!written.html.contains("<a href='"), "{}", written.html);
        assert!(
            !written.html.contains("href=\"https://evil"),
            "{}",
            written.html
        );
        assert!(
            !written.text.contains("\n\nhttps://evil"),
            "{}",
            written.text
        );
        assert!(written.text.contains("{{ public_url }} invites you"));
        assert!(
            written.html.contains("/invite?code=a&amp;b=c\""),
            "{}",
            written.html
        );
        assert!(!written.subject.contains('\n'), "{}", written.subject);
    }

    #[test]
    fn what_another_version_wrote_is_refused_without_its_facts() {
        let letters = Letters::new(URL);
        let facts = BTreeMap::from([("code".to_owned(), "482913".to_owned())]);
        for template in ["email_code", "no_such_template"] {
            let refused = letters.mail(template, &facts).err().expect("refused");
            let said = format!("{refused} {refused:?}");
            assert!(
                said.contains(template) && !said.contains("482913"),
                "{said}"
            );
        }
    }
}
