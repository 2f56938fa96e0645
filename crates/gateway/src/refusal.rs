//! Every way in which the data plane says no.

use domain::access::AccessRefusal;
use domain::admission;
use domain::id::{OrganizationId, ProjectId, RequestId};
use domain::money::Nusd;
use domain::recharge::Hopeless;
use wire::error::ErrorBody;
use wire::request::RequestError;

/// Why a request was not answered. [`crate::respond`] decides how that is said.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// No key came with the request.
    NoKey,
    /// The key is not one of ours, mistyped, revoked or expired; shown masked.
    BadKey { masked: String },
    /// The key is known and may not do this.
    Access {
        refusal: AccessRefusal,
        model: Option<String>,
    },
    /// An operator suspended the organization.
    Suspended(OrganizationId),
    /// The `Content-Type` is not JSON.
    ContentType(String),
    /// The body is compressed or encoded.
    ContentEncoding(String),
    /// The body is larger than allowed.
    TooLarge { most_bytes: usize },
    /// The body did not arrive whole.
    BodyCutOff,
    /// The request is malformed.
    Request(RequestError),
    /// No such model.
    NoModel { model: String },
    /// The project may not use the model.
    ModelNotOfProject { model: String, project: ProjectId },
    /// The model does not offer this endpoint.
    NotOffered {
        model: String,
        endpoint: &'static str,
    },
    /// The model has no price in force.
    NotPriced { model: String },
    /// A limit has no room.
    Admission {
        refusal: admission::Refusal,
        /// Why no recharge mends that, if the wallet is filled up by itself.
        hopeless: Option<Hopeless>,
        model: String,
        organization: String,
    },
    /// A request with the same idempotency key came before.
    Repeated(Repeated),
    /// No such request was charged, as far as the caller may know; `is_running` if it is not yet.
    NoReceipt { id: String, is_running: bool },
    /// The ledger cannot commit.
    Ledger,
    /// The upstream found the request bad, and said so in OpenAI's form.
    Upstream { status: u16, error: ErrorBody },
    /// The upstream failed.
    UpstreamFailed(UpstreamFailure),
    /// Unknown path.
    NoRoute { method: String, path: String },
    /// Known path, wrong method.
    NoMethod { method: String, path: String },
    /// A bug.
    Internal,
}

/// Why a request that came again is not answered like the first; `request` is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// It does not say the same.
    Different { request: RequestId },
    /// The first is still running.
    InProgress { request: RequestId },
    /// The first was charged, and its answer was not kept.
    NotKept { request: RequestId, cost: Nusd },
}

/// How an upstream failed, as far as a caller needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamFailure {
    /// It could not be reached, or says that it is unavailable.
    Unavailable { retry_after_s: Option<u64> },
    /// It has too many requests.
    Busy { retry_after_s: Option<u64> },
    /// It took too long.
    TimedOut,
    /// It refused the operator's key or does not know the model: only the operator can mend that.
    Misconfigured,
    /// It answered with something that is not an answer.
    NotAnAnswer,
    /// It broke off in the middle of an answer.
    BrokeOff,
}

impl Refusal {
    /// The model that was asked for, where that is why.
    pub(crate) fn model(&self) -> Option<&str> {
        match self {
            Refusal::NoModel { model }
            | Refusal::ModelNotOfProject { model, .. }
            | Refusal::NotOffered { model, .. }
            | Refusal::NotPriced { model }
            | Refusal::Admission { model, .. } => Some(model),
            Refusal::Access { model, .. } => model.as_deref(),
            _ => None,
        }
    }
}

impl UpstreamFailure {
    /// Its word, for operators.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            UpstreamFailure::Unavailable { .. } => "unavailable",
            UpstreamFailure::Busy { .. } => "busy",
            UpstreamFailure::TimedOut => "timed_out",
            UpstreamFailure::Misconfigured => "misconfigured",
            UpstreamFailure::NotAnAnswer => "invalid_answer",
            UpstreamFailure::BrokeOff => "broke_off",
        }
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Refusal::Request(error)
    }
}

impl From<Repeated> for Refusal {
    fn from(repeated: Repeated) -> Self {
        Refusal::Repeated(repeated)
    }
}

impl From<UpstreamFailure> for Refusal {
    fn from(failure: UpstreamFailure) -> Self {
        Refusal::UpstreamFailed(failure)
    }
}
