//! Limits that a key is born with: in force when it is made, by the same transaction.

use domain::admission::DefaultRates;
use domain::budget::Scope;
use domain::id::{BudgetId, KeyId, OrganizationId};
use domain::permission::Permission;
use domain::time::AtUs;
use store::Tx;
use store::audit::Event;

use crate::Control;
use crate::authenticate::Caller;
use crate::body::Fields;
use crate::budgets::BudgetTerms;
use crate::rate_limits::RateLimitTerms;
use crate::respond::Outcome;
use crate::user_keys::{UserKeyWithSecret, missing};

/// The most rate limits that a key is made with.
const MOST_RULES: usize = 100;

/// What is asked for.
pub(crate) struct KeyLimits {
    budget: Option<(BudgetId, BudgetTerms)>,
    rules: Vec<RateLimitTerms>,
    rates: DefaultRates,
}

impl KeyLimits {
    /// Reads `budget` and `rate_limits` of a caller who may set limits.
    pub(crate) fn read(fields: &Fields, control: &Control, caller: &Caller) -> Outcome<Self> {
        let budget = fields.object("budget", "budget.")?;
        let budget = budget.as_ref().map(BudgetTerms::read).transpose()?;
        let rules = fields
            .objects("rate_limits", MOST_RULES)?
            .unwrap_or_default();
        let models = control.models();
        let rules = rules.iter().map(|rule| RateLimitTerms::read(rule, &models));
        let rules = rules.collect::<Outcome<Vec<_>>>()?;
        let twice = |at: usize| rules[..at].iter().any(|it| it.model() == rules[at].model());
        if let Some(at) = (0..rules.len()).find(|at| twice(*at)) {
            let param = format!("rate_limits[{at}].model");
            return Err(fields.invalid(&param, "there is a rate limit for it already"));
        }
        let allowed = caller.standing.in_organization();
        let asks = budget.is_some() || !rules.is_empty();
        if asks && !allowed.contains(Permission::RateLimitsWrite) {
            return Err(missing(Permission::RateLimitsWrite));
        }
        Ok(KeyLimits {
            budget: budget.map(|terms| (BudgetId::random(control.entropy), terms)),
            rules,
            rates: control.data_plane.rates,
        })
    }

    /// Puts them on a key that was just made, and says so.
    pub(crate) fn make(
        self,
        tx: &mut Tx<'_>,
        (organization, key): (&OrganizationId, &KeyId),
        made: &mut UserKeyWithSecret,
        now: AtUs,
    ) -> Outcome<Vec<Event>> {
        let scope = || (organization, Scope::Key(key.clone()));
        let mut events = Vec::new();
        if let Some((id, terms)) = self.budget {
            let (row, event) = terms.make(tx, scope(), id, now)?;
            made.budget_id = Some(row.budget.id.to_string());
            events.push(event);
        }
        for rule in self.rules {
            let (shown, event) = rule.put(tx, scope(), self.rates, now)?;
            made.rate_limits.push(shown);
            events.push(event);
        }
        Ok(events)
    }
}
