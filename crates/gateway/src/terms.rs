//! What the database says of models, in memory: their prices, and which are switched off. The
//! configuration says the rest, in [`crate::catalog`].

use std::collections::HashMap;

use domain::price::{PriceEntry, PriceHistory};
use domain::time::AtUs;
use parking_lot::RwLock;
use store::{StoreError, Tx, models, prices};

/// Of one model.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    prices: PriceHistory,
    is_disabled: bool,
}

/// Of every model that the database knows, by its public name.
#[derive(Debug, Default)]
pub(crate) struct AllTerms(RwLock<HashMap<String, Terms>>);

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
    /// Reads those of all models.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let mut all: HashMap<String, Terms> = HashMap::new();
        for (model, prices) in prices::histories(tx)? {
            all.entry(model).or_default().prices = prices;
        }
        for (model, _) in models::disabled(tx)? {
            all.entry(model).or_default().is_disabled = true;
        }
        Ok(AllTerms(RwLock::new(all)))
    }

    /// Follows the database: these are a model's terms now.
    pub(crate) fn set(&self, model: String, terms: Terms) {
        self.0.write().insert(model, terms);
    }

    /// Whether a model is switched off.
    pub(crate) fn is_disabled(&self, model: &str) -> bool {
        let all = self.0.read();
        all.get(model).is_some_and(|terms| terms.is_disabled)
    }

    /// The price of a model in force at `at`; without one it cannot be called.
    pub(crate) fn price(&self, model: &str, at: AtUs) -> Option<PriceEntry> {
        let all = self.0.read();
        all.get(model)?.prices.in_force(at).cloned()
    }
}
