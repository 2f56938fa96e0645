//! A request of the log, as people are shown it.

use domain::money::Nusd;
use domain::usage::UsageClass;
use serde::Serialize;
use serde_json::Value;
use store::request_log::{Charge, Entry, Found};
use utoipa::ToSchema;

/// A request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogEntry {
    /// Its answer's `x-request-id`.
    #[schema(example = "req_019b77a1c2f07d3e9a6b1c2d3e4f5a6b")]
    id: String,
    #[schema(value_type = String, example = "request.log")]
    object: &'static str,
    /// When it arrived.
    #[schema(example = 1_798_761_600)]
    started_at: i64,
    /// The same in milliseconds.
    #[schema(example = 1_798_761_600_250_i64)]
    started_at_ms: i64,
    /// When it ended.
    #[schema(example = 1_798_761_602)]
    ended_at: i64,
    /// `ok`; `refused`: no upstream was asked; `failed`: the upstream failed, or the process that
    /// served it; `cancelled`: the client left before the end.
    #[schema(value_type = String, example = "ok")]
    outcome: &'static str,
    /// The answer's; 499 if the client left.
    #[schema(example = 200)]
    status: i64,
    #[schema(example = json!(null))]
    error_code: Option<String>,
    #[schema(example = json!(null))]
    error_message: Option<String>,
    /// `chat`, `responses`, `completions` or `embeddings`.
    #[schema(example = "chat")]
    endpoint: String,
    /// What was asked for; null if the request was refused before it was read.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    /// Null if the key belongs to no project.
    #[schema(example = "proj_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    project_id: Option<String>,
    #[schema(example = "key_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    api_key_id: Option<String>,
    #[schema(example = "Nightly build")]
    api_key_name: Option<String>,
    /// The person whose key it is.
    #[schema(example = "user-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    user_id: Option<String>,
    #[schema(example = "Ada")]
    user_name: Option<String>,
    /// The service account whose key it is.
    #[schema(example = json!(null))]
    service_account_id: Option<String>,
    /// Whether the answer was to come piece by piece; null if the request was not read.
    #[schema(example = true)]
    streamed: Option<bool>,
    /// The operator's name of the server that was called last; null if none was.
    #[schema(example = "vllm")]
    upstream: Option<String>,
    /// From its arrival, or its admission if it was admitted, to its end.
    #[schema(example = 1_480)]
    duration_ms: i64,
    /// From its admission to the first piece with output; null of a plain answer.
    #[schema(example = 210)]
    first_output_ms: Option<i64>,
    /// What it used; null if it was not charged.
    tokens: Option<LogTokens>,
    /// What it cost; `0.00` if it was not charged.
    #[schema(example = "0.000002869")]
    cost_usd: String,
    /// Why the model stopped, such as `stop` or `length`; null if its server did not say.
    #[schema(example = "stop")]
    finish_reason: Option<String>,
    /// What else happened: `estimated`, `overrun`, `orphan`, `disconnected`, `broken_off` or
    /// `cut_off`.
    #[schema(value_type = Vec<String>, example = json!([]))]
    flags: Vec<&'static str>,
}

/// Tokens by class. The classes do not overlap.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogTokens {
    /// Read afresh.
    #[schema(example = 9)]
    input: u64,
    /// Found in the upstream's cache.
    #[schema(example = 0)]
    cached_input: u64,
    /// Written to it.
    #[schema(example = 0)]
    cache_write: u64,
    #[schema(example = 0)]
    audio_input: u64,
    #[schema(example = 0)]
    image: u64,
    #[schema(example = 2)]
    output: u64,
    #[schema(example = 0)]
    reasoning: u64,
    #[schema(example = 0)]
    audio_output: u64,
}

/// Why a request was refused, or failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogRefusal {
    #[schema(example = "project_spend_limit_exceeded")]
    code: Option<String>,
    #[schema(example = "You have reached your project spend limit.")]
    message: String,
    /// What was looked at, in order, as the gateway saw it at that moment.
    #[schema(value_type = Vec<LogCheck>)]
    checks: Value,
}

/// Something that was looked at before a request was refused.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what the gateway wrote")]
pub(crate) struct LogCheck {
    /// `key`, `ip_range`, `organization`, `project`, `role`, `key_permissions`, `suspension`,
    /// `request`, `model`, `key_models`, `project_models`, `endpoint`, `idempotency_key`, `price`,
    /// `ledger`, `rate_limit`, `balance`, `budget`, `upstream`.
    #[schema(example = "budget")]
    check: String,
    /// `passed`, `refused`, or `not_reached`: something before it refused.
    #[schema(example = "refused")]
    verdict: String,
    /// Of a budget or rate limit: what it is put on, `organization`, `project` or `key`.
    #[schema(example = "project")]
    scope: Option<String>,
    /// Of a budget: which.
    #[schema(example = "budget_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    budget_id: Option<String>,
    /// Of a rate limit: which, such as `requests_per_minute`.
    #[schema(example = json!(null))]
    rate: Option<String>,
    /// What the numbers count: `usd`, `requests` or `tokens`.
    #[schema(example = "usd")]
    unit: Option<String>,
    /// The limit; of the balance, what was paid in and not spent. Null, as the next two, where the
    /// limit is shared by nodes and this one did not know.
    #[schema(example = "10.00")]
    limit: Option<String>,
    /// What of it was used.
    #[schema(example = "9.98")]
    used: Option<String>,
    /// What of it was held for requests in flight.
    #[schema(example = "0.02")]
    held: Option<String>,
    /// What the request needed of it.
    #[schema(example = "0.0042")]
    asked: Option<String>,
    /// When there is room again, or the budget's window ends, as far as that is known.
    #[schema(example = 1_798_761_660)]
    resets_at: Option<i64>,
}

impl From<Entry> for LogEntry {
    fn from(entry: Entry) -> Self {
        let (api_key_id, api_key_name) = entry.key.unzip();
        let (user_id, user_name) = entry.user.unzip();
        let (error_code, error_message) = match entry.error {
            Some((code, message)) => (code, Some(message)),
            None => (None, None),
        };
        let charge = entry.charge.as_ref();
        LogEntry {
            id: entry.id,
            object: "request.log",
            started_at: entry.started_at.seconds(),
            started_at_ms: entry.started_at.0 / 1_000,
            ended_at: entry.ended_at.seconds(),
            outcome: entry.outcome.as_str(),
            status: entry.status,
            error_code,
            error_message,
            endpoint: entry.endpoint,
            model: entry.model,
            project_id: entry.project,
            api_key_id,
            api_key_name,
            user_id,
            user_name,
            service_account_id: entry.service_account,
            streamed: entry.streamed,
            upstream: entry.upstream,
            duration_ms: (entry.ended_at.0 - entry.started_at.0).max(0) / 1_000,
            first_output_ms: charge.and_then(|it| Some(it.first_output_us? / 1_000)),
            tokens: charge.map(LogTokens::from),
            cost_usd: charge.map_or(Nusd::ZERO, |it| it.cost).to_usd(),
            flags: charge.map_or_else(Vec::new, |it| it.flags.names()),
            finish_reason: entry.charge.and_then(|it| it.finish_reason),
        }
    }
}

impl From<&Charge> for LogTokens {
    fn from(charge: &Charge) -> Self {
        let of = |class| charge.usage[class];
        LogTokens {
            input: of(UsageClass::FreshInput),
            cached_input: of(UsageClass::CachedInput),
            cache_write: of(UsageClass::CacheWrite),
            audio_input: of(UsageClass::AudioInput),
            image: of(UsageClass::Image),
            output: of(UsageClass::Output),
            reasoning: of(UsageClass::Reasoning),
            audio_output: of(UsageClass::AudioOutput),
        }
    }
}

impl LogRefusal {
    /// Why a request was refused; none if it was not.
    pub(crate) fn of(found: &Found) -> Option<Self> {
        let (code, message) = found.entry.error.clone()?;
        let checks = found.checks.as_deref().unwrap_or("[]");
        Some(LogRefusal {
            code,
            message,
            checks: serde_json::from_str(checks).unwrap_or_default(),
        })
    }
}
