//! What the database says of models, in memory: their prices, what organizations pay on top of
//! them, and which are switched off. The configuration says the rest, in [`crate::catalog`].

use std::collections::HashMap;

use domain::id::OrganizationId;
use domain::markup::{Markup, Markups};
use domain::price::{PinnedPrice, PriceHistory};
use domain::time::AtUs;
use parking_lot::RwLock;
use store::{StoreError, Tx, markups, models, prices};

/// Of one model.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    prices: PriceHistory,
    is_disabled: bool,
}

/// Of everything that the database knows.
#[derive(Debug, Default)]
pub(crate) struct AllTerms(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By the model's public name.
    models: HashMap<String, Terms>,
    /// Of those organizations alone that have any: a map without entries costs a look at its size.
    markups: HashMap<OrganizationId, Markups>,
}

impl Terms {
    /// Reads those of one model.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(tx: &mut Tx<'_>, model: &str) -> Result<Self, StoreError> {
        Ok(Terms {
            prices: prices::history(tx, model)?,
            is_disabled: models::disabled_since(tx, model)?.is_some(),
        })
    }
}

impl AllTerms {
    /// Reads those of all models, and all markups.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let mut known = Known::default();
        for (model, prices) in prices::histories(tx)? {
            known.models.entry(model).or_default().prices = prices;
        }
        for (model, _) in models::disabled(tx)? {
            known.models.entry(model).or_default().is_disabled = true;
        }
        known.markups = markups::all(tx)?;
        Ok(AllTerms(RwLock::new(known)))
    }

    /// Follows the database: these are a model's terms now.
    pub(crate) fn set(&self, model: String, terms: Terms) {
        self.0.write().models.insert(model, terms);
    }

    /// Follows the database: these are an organization's markups now.
    pub(crate) fn set_markups(&self, organization: OrganizationId, markups: Markups) {
        let mut known = self.0.write();
        match markups.is_empty() {
            true => known.markups.remove(&organization),
            false => known.markups.insert(organization, markups),
        };
    }

    /// Whether a model is switched off.
    pub(crate) fn is_disabled(&self, model: &str) -> bool {
        let known = self.0.read();
        known
            .models
            .get(model)
            .is_some_and(|terms| terms.is_disabled)
    }

    /// What a model costs an organization at `at`; without a price it cannot be called.
    pub(crate) fn price(
        &self,
        model: &str,
        organization: &OrganizationId,
        at: AtUs,
    ) -> Option<PinnedPrice> {
        let known = self.0.read();
        let entry = known.models.get(model)?.prices.in_force(at)?;
        let markups = known.markups.get(organization);
        let markup = markups.map_or(Markup::NONE, |it| it.in_force(model, at));
        Some(entry.pinned(markup))
    }
}
