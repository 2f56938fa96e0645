//! The meters of the data plane, for Prometheus.

use domain::money::Nusd;
use domain::usage::Usage;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) endpoint: &'static str,
    pub(crate) status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct UpstreamLabels {
    pub(crate) upstream: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct LeftOutLabels {
    record: &'static str,
    reason: &'static str,
}

/// Counts records that the log of requests leaves out.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOut(Family<LeftOutLabels, Counter>);

impl LeftOut {
    /// Its organization had too many in a minute.
    pub(crate) fn too_many(&self, record: &'static str) {
        self.add(record, "too_many", 1);
    }

    /// Too many waited to be written.
    pub(crate) fn queue_full(&self, record: &'static str) {
        self.add(record, "queue_full", 1);
    }

    /// The database refused to write so many.
    pub(crate) fn not_written(&self, record: &'static str, records: usize) {
        self.add(record, "not_written", records as u64);
    }

    /// How many were left out.
    #[cfg(test)]
    pub(crate) fn count(&self, record: &'static str, reason: &'static str) -> u64 {
        let labels = LeftOutLabels { record, reason };
        self.0.get_or_create(&labels).get()
    }

    fn add(&self, record: &'static str, reason: &'static str, records: u64) {
        let labels = LeftOutLabels { record, reason };
        self.0.get_or_create(&labels).inc_by(records);
    }
}

/// Counts since the process started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Family<RequestLabels, Counter>,
    pub(crate) in_flight: Gauge,
    pub(crate) upstream_failures: Family<UpstreamLabels, Counter>,
    pub(crate) replays: Counter,
    pub(crate) log_left_out: LeftOut,
    tokens: Family<TokenLabels, Counter>,
    charged_nusd: Counter,
}

impl Metrics {
    /// Adds a request that was charged.
    pub(crate) fn settled(&self, usage: &Usage, cost: Nusd) {
        let count = |kind, tokens| {
            self.tokens
                .get_or_create(&TokenLabels { kind })
                .inc_by(tokens)
        };
        count("input", usage.input_tokens());
        count("output", usage.output_tokens());
        self.charged_nusd
            .inc_by(u64::try_from(cost.get()).unwrap_or(0));
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("farebox");
        registry.register(
            "requests",
            "Requests answered or refused",
            self.requests.clone(),
        );
        registry.register(
            "in_flight",
            "Requests being answered",
            self.in_flight.clone(),
        );
        registry.register(
            "upstream_failures",
            "Calls to an upstream that failed",
            self.upstream_failures.clone(),
        );
        registry.register(
            "replays",
            "Answers given again to a repeated Idempotency-Key, for nothing",
            self.replays.clone(),
        );
        registry.register(
            "log_records_left_out",
            "Refused requests and prompts that the log of requests does not have",
            self.log_left_out.0.clone(),
        );
        registry.register("tokens", "Tokens charged", self.tokens.clone());
        registry.register(
            "charged_nusd",
            "Money charged to customers, in nano-USD",
            self.charged_nusd.clone(),
        );
    }
}
