//! The meters of the control plane, for Prometheus: whether the books of others are as ours are.
//!
//! They are read from the database now and then, so that every node tells the same, also after a
//! restart, whichever of them compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::time::{AtUs, MINUTE_US};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use store::payments::reconciliations;
use store::{StoreError, upstream_costs};

use crate::Control;

/// How often they are read.
const EVERY_US: i64 = MINUTE_US;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProviderLabels {
    provider: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: String,
}

/// What the books of others say, as it was read last. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    read_at_us: Arc<AtomicI64>,
    differences: Family<ProviderLabels, Gauge>,
    compared_until: Family<ProviderLabels, Gauge>,
    drift: Family<UpstreamLabels, Gauge>,
    drift_day: Family<UpstreamLabels, Gauge>,
}

impl Meters {
    /// Puts them where Prometheus finds them.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("farebox");
        registry.register(
            "payment_differences",
            "What the latest comparison with a payment provider's books found not to be the same",
            self.differences.clone(),
        );
        registry.register_with_unit(
            "payments_compared_until",
            "Up to when a payment provider's books were compared with ours",
            Unit::Seconds,
            self.compared_until.clone(),
        );
        registry.register(
            "upstream_drift_nusd",
            "What an upstream says of the latest day that is over, less what our books say",
            self.drift.clone(),
        );
        registry.register_with_unit(
            "upstream_drift_day",
            "The start of the day that upstream_drift_nusd is about",
            Unit::Seconds,
            self.drift_day.clone(),
        );
    }

    /// Reads them, if that was not done within the minute.
    ///
    /// # Errors
    /// [`StoreError`]: they stay as they were.
    pub(crate) async fn refresh(&self, control: &Control) -> Result<(), StoreError> {
        let now = control.now();
        if now.since(AtUs(self.read_at_us.load(Ordering::Relaxed))) < EVERY_US {
            return Ok(());
        }
        let provider = control.payments.provider.as_ref().map(|it| it.name());
        let read = control.store.read(move |tx| -> Result<_, StoreError> {
            let compared = match provider {
                Some(provider) => reconciliations::latest(tx, provider)?,
                None => None,
            };
            Ok((compared, upstream_costs::latest(tx, now)?))
        });
        let (compared, drifts) = read.await?;
        if let Some(compared) = compared {
            let labels = ProviderLabels {
                provider: compared.provider,
            };
            let differences = i64::try_from(compared.tally.differences).unwrap_or(i64::MAX);
            self.differences.get_or_create(&labels).set(differences);
            let until = compared.until.seconds();
            self.compared_until.get_or_create(&labels).set(until);
        }
        for (upstream, drift) in drifts {
            let labels = UpstreamLabels { upstream };
            let difference = (drift.theirs - drift.ours).get();
            self.drift.get_or_create(&labels).set(difference);
            self.drift_day
                .get_or_create(&labels)
                .set(drift.day.seconds());
        }
        self.read_at_us.store(now.0, Ordering::Relaxed);
        Ok(())
    }
}
