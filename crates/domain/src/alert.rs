//! Alerts: what an organization is told of once for each cause, by mail, by webhooks and in chats.
//!
//! An alert holds facts, each with a name. The same names stand in webhooks, in the templates of
//! mails and in docs/alerts.md; how a fact is written depends on who reads it.

use crate::budget::{Force, Scope};
use crate::id::{BudgetId, KeyId, OrganizationId, UserId, WebhookEndpointId};
use crate::money::Nusd;
use crate::time::AtUs;
use crate::webhook::Off;
use crate::window::Window;

/// What alerts are about: the words of settings and the types of webhook events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertKind {
    /// Spending reached a threshold of a budget.
    BudgetThreshold,
    /// The balance fell below the organization's threshold.
    LowBalance,
    /// A recharge was declined, and will be tried again.
    RechargeFailed,
    /// A bank wants the owner of the card to confirm a recharge.
    RechargeNeedsAction,
    /// Recharges were switched off.
    RechargeDisabled,
    /// A bank takes a payment back.
    PaymentDisputed,
    /// A key was found where others can read it.
    KeyLeaked,
    /// Somebody signed in from where they never did.
    NewSignIn,
    /// A month's statement is there.
    StatementReady,
    /// A purchase was paid.
    Receipt,
    /// A webhook endpoint took nothing for too long, and was switched off.
    WebhookDisabled,
}

impl AlertKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [AlertKind; 11] = [
        AlertKind::BudgetThreshold,
        AlertKind::LowBalance,
        AlertKind::RechargeFailed,
        AlertKind::RechargeNeedsAction,
        AlertKind::RechargeDisabled,
        AlertKind::PaymentDisputed,
        AlertKind::KeyLeaked,
        AlertKind::NewSignIn,
        AlertKind::StatementReady,
        AlertKind::Receipt,
        AlertKind::WebhookDisabled,
    ];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AlertKind::BudgetThreshold => "budget_threshold",
            AlertKind::LowBalance => "low_balance",
            AlertKind::RechargeFailed => "recharge_failed",
            AlertKind::RechargeNeedsAction => "recharge_needs_action",
            AlertKind::RechargeDisabled => "recharge_disabled",
            AlertKind::PaymentDisputed => "payment_disputed",
            AlertKind::KeyLeaked => "key_leaked",
            AlertKind::NewSignIn => "new_sign_in",
            AlertKind::StatementReady => "statement_ready",
            AlertKind::Receipt => "receipt",
            AlertKind::WebhookDisabled => "webhook_disabled",
        }
    }

    /// The kind that is written so.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl AlertKind {
    /// Who gets the mails if nobody decided otherwise: those who look after money get what is about
    /// paid money; of a sign-in only whoever it was, whom the alert names.
    #[must_use]
    pub fn usual_mail(self) -> MailTo {
        match self {
            AlertKind::BudgetThreshold | AlertKind::KeyLeaked | AlertKind::WebhookDisabled => {
                MailTo::Owners
            }
            AlertKind::StatementReady | AlertKind::Receipt => MailTo::Billing,
            AlertKind::LowBalance
            | AlertKind::RechargeFailed
            | AlertKind::RechargeNeedsAction
            | AlertKind::RechargeDisabled
            | AlertKind::PaymentDisputed => MailTo::OwnersAndBilling,
            AlertKind::NewSignIn => MailTo::Nobody,
        }
    }
}

/// Who gets the mails of a kind of alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTo {
    /// The owners of the organization.
    Owners,
    /// The address of its billing profile; the owners if there is none.
    Billing,
    /// All of them.
    OwnersAndBilling,
    /// Nobody: webhooks and chats are told all the same.
    Nobody,
}

impl MailTo {
    /// Everybody that mails can go to.
    pub const ALL: [MailTo; 4] = [
        MailTo::Owners,
        MailTo::Billing,
        MailTo::OwnersAndBilling,
        MailTo::Nobody,
    ];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MailTo::Owners => "owners",
            MailTo::Billing => "billing",
            MailTo::OwnersAndBilling => "owners_and_billing",
            MailTo::Nobody => "nobody",
        }
    }

    /// Who is written so.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|to| to.as_str() == word)
    }
}

/// An alert that is to be raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whose.
    pub organization: OrganizationId,
    /// What makes it the only one of its kind in its organization, such as the id of what
    /// happened. The same cause is never told twice.
    pub cause: String,
    /// What happened.
    pub event: AlertEvent,
    /// Who gets the mails instead of those whom the organization's settings name.
    pub people: Option<Vec<String>>,
    /// What the subjects of mails begin with, if somebody chose that.
    pub subject_prefix: Option<String>,
}

impl Alert {
    /// An alert for those whom the organization's settings name.
    #[must_use]
    pub fn new(organization: &OrganizationId, cause: impl Into<String>, event: AlertEvent) -> Self {
        Alert {
            organization: organization.clone(),
            cause: cause.into(),
            event,
            people: None,
            subject_prefix: None,
        }
    }

    /// The same with mails to these addresses; webhooks and chats are told all the same.
    #[must_use]
    pub fn to(self, people: Vec<String>) -> Self {
        Alert {
            people: Some(people),
            ..self
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertEvent {
    /// Spending reached a threshold of a budget.
    BudgetThreshold(BudgetReached),
    /// The balance fell below the organization's threshold.
    LowBalance {
        /// What requests can still use: what is held is not in it.
        available: Nusd,
        /// The threshold.
        threshold: Nusd,
    },
    /// A recharge did not work.
    Recharge(RechargeTrouble),
    /// A bank takes a payment back.
    PaymentDisputed {
        /// The payment's id.
        payment: String,
        /// How much of it.
        amount: Nusd,
        /// Why, for people.
        reason: String,
    },
    /// A key was found where others can read it.
    KeyLeaked {
        /// Its id.
        id: KeyId,
        /// Its redacted value.
        key: String,
        /// What its owner calls it.
        name: String,
        /// Where it was found.
        place: String,
        /// Whether it was revoked, or somebody must.
        revoked: bool,
    },
    /// Somebody signed in from where they never did.
    NewSignIn {
        /// Who.
        user: UserId,
        /// Their address.
        email: String,
        /// The program, such as "Firefox on Linux".
        device: String,
        /// The network's address.
        ip_address: String,
    },
    /// A month's statement is there.
    StatementReady {
        /// Its id or number.
        statement: String,
        /// The month, such as "2026-11".
        month: String,
        /// The balance at its end.
        closing: Nusd,
    },
    /// A purchase was paid.
    Receipt {
        /// The receipt's number.
        number: String,
        /// The payment's id.
        payment: String,
        /// What was paid, tax included.
        amount: Nusd,
        /// The tax in it.
        tax: Nusd,
    },
    /// A webhook endpoint was switched off.
    WebhookDisabled(EndpointOff),
}

/// A recharge did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RechargeTrouble {
    /// A recharge was declined, and will be tried again.
    Failed {
        /// Its id.
        recharge: String,
        /// What was to be paid, tax included.
        amount: Nusd,
        /// Why it was declined, for people.
        reason: String,
        /// How many in a row were.
        failures: u32,
        /// When it is tried again.
        next_try_at: Option<AtUs>,
    },
    /// A bank wants the owner of the card to confirm a recharge.
    NeedsAction {
        /// Its id.
        recharge: String,
        /// What is to be paid, tax included.
        amount: Nusd,
        /// Where to confirm it.
        link: String,
    },
    /// Recharges were switched off.
    Disabled {
        /// Why, for people.
        reason: String,
        /// How many in a row were declined.
        failures: u32,
    },
}

/// Spending reached a threshold of a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetReached {
    /// The budget.
    pub budget: BudgetId,
    /// What it is on.
    pub scope: Scope,
    /// What that is called, such as "the project Search".
    pub called: String,
    /// What it counts over.
    pub window: Window,
    /// Per cent of the limit.
    pub threshold: u16,
    /// The limit.
    pub limit: Nusd,
    /// What was spent of it.
    pub spent: Nusd,
    /// Whether requests are refused at the limit.
    pub force: Force,
}

/// A webhook endpoint was switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOff {
    /// The endpoint.
    pub endpoint: WebhookEndpointId,
    /// Its address, as it may be shown.
    pub url: String,
    /// Why.
    pub why: Off,
    /// What its latest answer was, or why there was none.
    pub last: String,
}

/// One fact, not yet written for anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A name or a word, perhaps somebody's choice.
    Name(String),
    /// A sentence, or the place of something.
    Text(String),
    /// Where to go. Whoever has it may do what it is for.
    Link(String),
    /// An amount.
    Usd(Nusd),
    /// A moment.
    At(AtUs),
    /// A number.
    Number(i64),
    /// So, or not.
    Is(bool),
    /// There is none.
    None,
}

/// The facts of an alert by name, in the order of the documentation.
pub type AlertFacts = Vec<(&'static str, Fact)>;

impl AlertEvent {
    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> AlertKind {
        match self {
            AlertEvent::BudgetThreshold(_) => AlertKind::BudgetThreshold,
            AlertEvent::LowBalance { .. } => AlertKind::LowBalance,
            AlertEvent::Recharge(trouble) => trouble.kind(),
            AlertEvent::PaymentDisputed { .. } => AlertKind::PaymentDisputed,
            AlertEvent::KeyLeaked { .. } => AlertKind::KeyLeaked,
            AlertEvent::NewSignIn { .. } => AlertKind::NewSignIn,
            AlertEvent::StatementReady { .. } => AlertKind::StatementReady,
            AlertEvent::Receipt { .. } => AlertKind::Receipt,
            AlertEvent::WebhookDisabled(_) => AlertKind::WebhookDisabled,
        }
    }

    /// Its facts.
    #[must_use]
    pub fn facts(&self) -> AlertFacts {
        match self {
            AlertEvent::BudgetThreshold(reached) => reached.facts(),
            AlertEvent::LowBalance {
                available,
                threshold,
            } => vec![
                ("available_usd", Fact::Usd(*available)),
                ("threshold_usd", Fact::Usd(*threshold)),
            ],
            AlertEvent::Recharge(trouble) => trouble.facts(),
            AlertEvent::PaymentDisputed {
                payment,
                amount,
                reason,
            } => vec![
                ("payment_id", named(payment)),
                ("amount_usd", Fact::Usd(*amount)),
                ("reason", Fact::Text(reason.clone())),
            ],
            AlertEvent::KeyLeaked {
                id,
                key,
                name,
                place,
                revoked,
            } => vec![
                ("key_id", named(id.as_str())),
                ("key", named(key)),
                ("name", Fact::Name(name.clone())),
                ("place", Fact::Text(place.clone())),
                ("revoked", Fact::Is(*revoked)),
            ],
            AlertEvent::NewSignIn {
                user,
                email,
                device,
                ip_address,
            } => vec![
                ("user_id", named(user.as_str())),
                ("email", named(email)),
                ("device", named(device)),
                ("ip_address", named(ip_address)),
            ],
            AlertEvent::StatementReady {
                statement,
                month,
                closing,
            } => vec![
                ("statement_id", named(statement)),
                ("month", named(month)),
                ("closing_usd", Fact::Usd(*closing)),
            ],
            AlertEvent::WebhookDisabled(off) => off.facts(),
            AlertEvent::Receipt {
                number,
                payment,
                amount,
                tax,
            } => vec![
                ("number", named(number)),
                ("payment_id", named(payment)),
                ("amount_usd", Fact::Usd(*amount)),
                ("tax_usd", Fact::Usd(*tax)),
            ],
        }
    }
}

impl RechargeTrouble {
    fn kind(&self) -> AlertKind {
        match self {
            RechargeTrouble::Failed { .. } => AlertKind::RechargeFailed,
            RechargeTrouble::NeedsAction { .. } => AlertKind::RechargeNeedsAction,
            RechargeTrouble::Disabled { .. } => AlertKind::RechargeDisabled,
        }
    }

    fn facts(&self) -> AlertFacts {
        match self {
            RechargeTrouble::Failed {
                recharge,
                amount,
                reason,
                failures,
                next_try_at,
            } => vec![
                ("recharge_id", named(recharge)),
                ("amount_usd", Fact::Usd(*amount)),
                ("reason", Fact::Text(reason.clone())),
                ("failures", Fact::Number((*failures).into())),
                ("next_try_at", next_try_at.map_or(Fact::None, Fact::At)),
            ],
            RechargeTrouble::NeedsAction {
                recharge,
                amount,
                link,
            } => vec![
                ("recharge_id", named(recharge)),
                ("amount_usd", Fact::Usd(*amount)),
                ("link", Fact::Link(link.clone())),
            ],
            RechargeTrouble::Disabled { reason, failures } => vec![
                ("reason", Fact::Text(reason.clone())),
                ("failures", Fact::Number((*failures).into())),
            ],
        }
    }
}

impl BudgetReached {
    fn facts(&self) -> AlertFacts {
        let (project, key) = match &self.scope {
            Scope::Organization => (Fact::None, Fact::None),
            Scope::Project(id) => (named(id.as_str()), Fact::None),
            Scope::Key(id) => (Fact::None, named(id.as_str())),
        };
        vec![
            ("budget_id", named(self.budget.as_str())),
            ("project_id", project),
            ("key_id", key),
            ("scope", named(&self.called)),
            ("window", named(self.window.as_str())),
            ("threshold_percent", Fact::Number(self.threshold.into())),
            ("limit_usd", Fact::Usd(self.limit)),
            ("spent_usd", Fact::Usd(self.spent)),
            ("hard", Fact::Is(self.force == Force::Hard)),
        ]
    }
}

impl EndpointOff {
    fn facts(&self) -> AlertFacts {
        vec![
            ("endpoint_id", named(self.endpoint.as_str())),
            ("url", Fact::Text(self.url.clone())),
            ("why", named(self.why.as_str())),
            ("last_failure", Fact::Text(self.last.clone())),
        ]
    }
}

fn named(text: &str) -> Fact {
    Fact::Name(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(AlertKind::from_word("low balance"), None);
        for to in MailTo::ALL {
            assert_eq!(MailTo::from_word(to.as_str()), Some(to));
        }
    }
}
