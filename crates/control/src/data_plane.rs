//! What the control plane may ask of the data plane. It knows no more of it: the binary puts both
//! together.

use std::pin::Pin;
use std::sync::Arc;

use domain::admission::DefaultRates;
use domain::id::{BudgetId, OrganizationId};
use domain::money::Nusd;
use domain::time::AtUs;
use store::StoreError;

/// Tells of an organization and one of its budgets whether requests are refused for it now.
pub type IsRefusing = Arc<dyn Fn(&OrganizationId, &BudgetId) -> bool + Send + Sync>;

/// Asks the upstream of an id for its models; none if there is no such upstream.
pub type CheckUpstream = Arc<dyn Fn(String) -> Checking + Send + Sync>;

/// The answer to it.
pub type Checking = Pin<Box<dyn Future<Output = Option<UpstreamCheck>> + Send>>;

/// Takes money of an organization's wallet out of the reach of requests, before the ledger takes
/// it. Where nodes lease what they spend, what they do not hold goes back instead: of this node
/// always, also if nothing is withheld.
pub type Withhold = Arc<dyn Fn(OrganizationId, Nusd) -> Withholding + Send + Sync>;

/// Answers when the money is out of reach.
pub type Withholding = Pin<Box<dyn Future<Output = Result<GiveBack, NotWithheld>> + Send>>;

/// Gives back so much of what was withheld, as the ledger did not take it.
pub type GiveBack = Box<dyn FnOnce(Nusd) + Send>;

/// Why money is not withheld.
#[derive(Debug)]
pub enum NotWithheld {
    /// Only so much is neither spent nor held.
    Short(Nusd),
    /// The database.
    Store(StoreError),
}

/// What can be asked of the data plane.
#[derive(Clone)]
pub struct DataPlane {
    /// Names the models that can be called now, in any order: they change with the configuration.
    pub models: Arc<dyn Fn() -> Vec<Arc<str>> + Send + Sync>,
    /// The rate limits of every project and model where no rule lowers them.
    pub rates: DefaultRates,
    /// Whether the latest request that needed money of a budget was refused for it.
    pub is_refusing: IsRefusing,
    /// Every model of the configuration, also those that cannot be called, by name.
    pub offered: Arc<dyn Fn() -> Vec<OfferedModel> + Send + Sync>,
    /// Every upstream of the configuration, as this process finds it, in the operator's order.
    pub upstreams: Arc<dyn Fn() -> Vec<UpstreamSeen> + Send + Sync>,
    /// Asks an upstream whether it is there.
    pub check_upstream: CheckUpstream,
    /// Takes money out of the reach of requests.
    pub withhold: Withhold,
}

/// A model of the configuration.
#[derive(Clone, Debug)]
pub struct OfferedModel {
    /// Its public name.
    pub id: Arc<str>,
    /// Whose it is said to be.
    pub owned_by: String,
    /// Its window.
    pub context_tokens: u64,
    /// Its longest answer.
    pub max_output_tokens: u64,
    /// What it can do.
    pub endpoints: Vec<&'static str>,
    /// Where it runs.
    pub deployments: Vec<DeployedAt>,
}

/// A place where a model runs.
#[derive(Clone, Debug)]
pub struct DeployedAt {
    /// The upstream's id.
    pub upstream: Arc<str>,
    /// The upstream's own name for the model.
    pub model: String,
    /// Its share of the requests beside its neighbours'.
    pub weight: u64,
}

/// An upstream, as requests of this process found it.
#[derive(Clone, Debug)]
pub struct UpstreamSeen {
    /// The operator's name for it.
    pub id: Arc<str>,
    /// Where it answers; none while it starts.
    pub base_url: Option<Arc<str>>,
    /// Requests that it works on for this process.
    pub in_flight: u64,
    /// When it last began an answer.
    pub last_answer_at: Option<AtUs>,
    /// When it last failed, and how.
    pub last_failure: Option<(AtUs, &'static str)>,
    /// Failures since its last answer.
    pub failures_in_a_row: u64,
    /// Answers of the last five minutes, which the next two are of.
    pub recent_answers: usize,
    /// Half of them began within so many microseconds.
    pub median_us: Option<i64>,
    /// Nineteen of twenty began within so many microseconds.
    pub p95_us: Option<i64>,
}

/// What an upstream answered when it was asked for its models.
#[derive(Clone, Debug)]
pub struct UpstreamCheck {
    /// How it went: `answered`, `not_started`, `unreachable` or `timed_out`.
    pub outcome: &'static str,
    /// The status of its answer.
    pub status: Option<u16>,
    /// How long that took, in microseconds.
    pub took_us: i64,
    /// The names of its models, if it told them.
    pub models: Option<Vec<String>>,
}
