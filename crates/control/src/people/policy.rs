//! Who may sign up: as the configuration says, where no operator said otherwise since.
//!
//! What operators say is a row that is read for every step of a sign-up: a change acts on the next
//! one, whichever node takes it.

use domain::money::Nusd;
use domain::time::AtUs;
use serde_json::{Map, Value, json};
use store::{StoreError, Tx, settings};

use super::{SignupMode, SignupRules};
use crate::Control;
use crate::respond::Outcome;

/// The row's name.
const NAME: &str = "signup";

/// What operators said; what is none is as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) mode: Option<SignupMode>,
    pub(crate) needs_phone: Option<bool>,
    pub(crate) trial_credit: Option<Nusd>,
}

impl SignupMode {
    pub(crate) const ALL: [SignupMode; 3] =
        [SignupMode::Open, SignupMode::Invite, SignupMode::Closed];

    /// The word it is written as.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SignupMode::Open => "open",
            SignupMode::Invite => "invite",
            SignupMode::Closed => "closed",
        }
    }
}

impl Said {
    /// What operators said, and when the last of it.
    pub(crate) fn read(tx: &mut Tx<'_>) -> Result<(Said, Option<AtUs>), StoreError> {
        let Some(setting) = settings::get(tx, NAME)? else {
            return Ok((Said::default(), None));
        };
        let unreadable = || StoreError::Corrupt("the setting 'signup' cannot be read".into());
        let said: Map<String, Value> =
            serde_json::from_str(&setting.value).map_err(|_| unreadable())?;
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        let mode = text("mode").map(|word| {
            let known = SignupMode::ALL.into_iter().find(|it| it.as_str() == word);
            known.ok_or_else(unreadable)
        });
        let credit = text("trial_credit_usd").map(Nusd::parse_usd);
        let said = Said {
            mode: mode.transpose()?,
            needs_phone: said.get("needs_phone").and_then(Value::as_bool),
            trial_credit: credit.transpose().map_err(|_| unreadable())?,
        };
        Ok((said, Some(setting.set_at)))
    }

    /// Keeps this as what operators said.
    pub(crate) fn keep(self, tx: &mut Tx<'_>, now: AtUs) -> Result<(), StoreError> {
        let said = json!({
            "mode": self.mode.map(SignupMode::as_str),
            "needs_phone": self.needs_phone,
            "trial_credit_usd": self.trial_credit.map(Nusd::to_usd),
        });
        settings::set(tx, NAME, &said.to_string(), now)
    }

    /// Lets all be as configured; false if it is.
    pub(crate) fn forget(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        settings::clear(tx, NAME)
    }

    /// This over what was said before.
    pub(crate) fn over(self, before: Said) -> Said {
        Said {
            mode: self.mode.or(before.mode),
            needs_phone: self.needs_phone.or(before.needs_phone),
            trial_credit: self.trial_credit.or(before.trial_credit),
        }
    }

    /// The rules in force, where these are configured.
    pub(crate) fn rules(self, configured: SignupRules) -> SignupRules {
        SignupRules {
            mode: self.mode.unwrap_or(configured.mode),
            needs_phone: self.needs_phone.unwrap_or(configured.needs_phone),
            trial_credit: self.trial_credit.unwrap_or(configured.trial_credit),
            trial_credit_days: configured.trial_credit_days,
        }
    }
}

impl Control {
    /// Who may sign up now.
    pub(crate) async fn signup_rules(&self) -> Outcome<SignupRules> {
        let configured = self.people.signup;
        let read = self.store.read(move |tx| rules(tx, configured));
        Ok(read.await?)
    }
}

/// Who may sign up now, where these rules are configured.
pub(super) fn rules(tx: &mut Tx<'_>, configured: SignupRules) -> Result<SignupRules, StoreError> {
    Ok(Said::read(tx)?.0.rules(configured))
}
