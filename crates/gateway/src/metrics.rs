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

/// Counts since the process started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Family<RequestLabels, Counter>,
    pub(crate) in_flight: Gauge,
    pub(crate) upstream_failures: Family<UpstreamLabels, Counter>,
    pub(crate) replays: Counter,
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
        registry.register("tokens", "Tokens charged", self.tokens.clone());
        registry.register(
            "charged_nusd",
            "Money charged to customers, in nano-USD",
            self.charged_nusd.clone(),
        );
    }
}
