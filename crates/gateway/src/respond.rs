//! The only place of the data plane that turns a refusal into a status, a body and headers.
//!
//! Messages open with the words that clients match on, go on to say what to do, and link to this
//! installation. Logged here, once.

use axum::body::Body;
use domain::access::AccessRefusal;
use domain::admission::{self, BudgetRefusal, RateKind, RateStop};
use domain::budget::Scope;
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::rate::RateRefusal;
use domain::recharge::{GaveUp, Hopeless, State};
use domain::window::Window;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderName, Response, StatusCode};
use wire::error::{ErrorBody, missing_scopes};

use crate::headers::Stamp;
use crate::idempotency::HEADER_NAME;
use crate::refusal::{Refusal, Repeated, UpstreamFailure};

/// Every error code that the data plane itself answers with. docs/errors.md explains each.
pub const CODES: &[&str] = &[
    "array_above_max_length",
    "billing_not_active",
    "credit_balance_exhausted",
    "empty_array",
    "empty_string",
    "endpoint_not_offered",
    "idempotency_answer_not_kept",
    "idempotency_key_reused",
    "idempotency_request_in_progress",
    "integer_above_max_value",
    "integer_below_min_value",
    "internal_error",
    "invalid_api_key",
    "invalid_type",
    "invalid_value",
    "ip_not_authorized",
    "key_spend_limit_exceeded",
    "ledger_unavailable",
    "method_not_supported",
    "mismatched_organization",
    "mismatched_project",
    "missing_required_parameter",
    "missing_scope",
    "model_not_found",
    "model_not_priced",
    "organization_spend_limit_exceeded",
    "project_archived",
    "project_spend_limit_exceeded",
    "rate_limit_exceeded",
    "receipt_not_found",
    "receipt_not_ready",
    "slow_down",
    "unsupported_parameter",
    "unsupported_value",
    "upstream_broke_off",
    "upstream_invalid_answer",
    "upstream_misconfigured",
    "upstream_timeout",
    "upstream_unavailable",
];

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const UNAVAILABLE: &str = "service_unavailable_error";
/// Whether the official SDKs try again, whatever they think of the status.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// When a caller should try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    /// As its rules for the status say.
    AsUsual,
    /// Never: it would be refused again.
    Never,
    /// After this many microseconds.
    After(i64),
    /// The same, and whatever its rules for the status say.
    Surely(i64),
}

/// A refusal, decided.
struct Answer {
    status: StatusCode,
    error: ErrorBody,
    retry: Retry,
}

/// Answers a refusal.
pub(crate) fn respond(refusal: &Refusal, stamp: &Stamp, public_url: &str) -> Response<Body> {
    let answer = whole(refusal, public_url);
    log(refusal, &answer, stamp);
    let mut response = Response::new(Body::from(answer.error.to_json()));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match answer.retry {
        Retry::AsUsual => {}
        Retry::Never => {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        Retry::After(us) | Retry::Surely(us) => {
            if let Retry::Surely(_) = answer.retry {
                headers.insert(SHOULD_RETRY, HeaderValue::from_static("true"));
            }
            headers.insert(RETRY_AFTER, number(us.saturating_add(999_999) / 1_000_000));
            headers.insert(RETRY_AFTER_MS, number(us.saturating_add(999) / 1_000));
        }
    }
    stamp.put(headers);
    response
}

/// What a refusal is told as.
pub(crate) fn told(refusal: &Refusal, public_url: &str) -> (StatusCode, ErrorBody) {
    let Answer { status, error, .. } = whole(refusal, public_url);
    (status, error)
}

/// The answer to a request of which nothing was answered before.
fn whole(refusal: &Refusal, public_url: &str) -> Answer {
    let mut answer = answer(refusal, public_url);
    if let Refusal::UpstreamFailed(_) = refusal {
        // An answer that was not begun is not charged, whatever the upstream did for it.
        answer.error.message += " You were not charged.";
    }
    answer
}

/// The body that ends a stream which cannot go on, after some of it was `delivered` or not.
pub(crate) fn stream_error(refusal: &Refusal, delivered: bool) -> ErrorBody {
    let mut error = answer(refusal, "").error;
    error.message += if delivered {
        " What arrived is charged."
    } else {
        " You were not charged."
    };
    error
}

fn log(refusal: &Refusal, answer: &Answer, stamp: &Stamp) {
    let (request_id, status) = (&stamp.request_id, answer.status.as_u16());
    let code = answer.error.code.as_deref().unwrap_or("none");
    match refusal {
        Refusal::Internal => tracing::error!(%request_id, status, code, "request failed"),
        Refusal::UpstreamFailed(_) | Refusal::Ledger => {
            tracing::warn!(%request_id, status, code, "request failed");
        }
        _ => tracing::debug!(%request_id, status, code, "request refused"),
    }
}

fn answer(refusal: &Refusal, url: &str) -> Answer {
    match refusal {
        Refusal::NoKey | Refusal::BadKey { .. } | Refusal::Access { .. } => access(refusal, url),
        Refusal::Request(error) => Answer {
            status: StatusCode::BAD_REQUEST,
            error: error.to_body(),
            retry: Retry::AsUsual,
        },
        Refusal::Admission {
            refusal:
                admission::Refusal::Credit {
                    available,
                    required,
                },
            hopeless,
            ..
        } => credit(*available, *required, *hopeless, url),
        Refusal::Admission {
            refusal,
            model,
            organization,
            ..
        } => admission(refusal, model, organization, url),
        Refusal::Suspended(organization) => suspended(organization),
        Refusal::Upstream { status, error } => Answer {
            status: StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
            error: error.clone(),
            retry: Retry::AsUsual,
        },
        Refusal::UpstreamFailed(failure) => upstream(failure),
        Refusal::Repeated(repeated) => again(repeated),
        Refusal::NoReceipt { id, is_running } => no_receipt(id, *is_running),
        Refusal::Ledger | Refusal::Internal => ours(refusal),
        _ => request(refusal),
    }
}

fn access(refusal: &Refusal, url: &str) -> Answer {
    let unauthorized = |code: Option<&'static str>, message: String| {
        plain(StatusCode::UNAUTHORIZED, INVALID, code, message)
    };
    match refusal {
        Refusal::BadKey { masked } => {
            let message = format!(
                "Incorrect API key provided: {masked}. You can find your API key at {url}/keys."
            );
            unauthorized(Some("invalid_api_key"), message)
        }
        Refusal::Access { refusal, model } => match dead(refusal, url) {
            Some(why) => {
                let message = format!("Incorrect API key provided: {why}");
                unauthorized(Some("invalid_api_key"), message)
            }
            None => not_for(refusal, model.as_deref().unwrap_or_default(), url),
        },
        _ => unauthorized(None, no_key_message(url)),
    }
}

/// Why a key works nowhere on this plane, and what to do; none if it does somewhere.
fn dead(refusal: &AccessRefusal, url: &str) -> Option<String> {
    let keys = format!("{url}/keys");
    Some(match refusal {
        AccessRefusal::Expired => format!("it has expired. Make a new one at {keys}."),
        AccessRefusal::Replaced => format!(
            "it was replaced by a new secret, and its time is over. Use the new one, or rotate the key again at {keys}."
        ),
        AccessRefusal::AdminKeyOnDataPlane => format!(
            "an admin key cannot call models. Use a project key; you can find yours at {keys}."
        ),
        AccessRefusal::DataKeyOnAdministration => {
            format!("the Administration API needs an admin key. You can find yours at {keys}.")
        }
        AccessRefusal::OwnerLeft(project) => format!(
            "whoever made it does not belong to project `{project}` any more. Use another key, or ask an owner of the project to add them again."
        ),
        _ => return None,
    })
}

/// A key that works, and not for this request.
fn not_for(refusal: &AccessRefusal, model: &str, url: &str) -> Answer {
    let forbidden = |code: &'static str, message: String| {
        plain(StatusCode::FORBIDDEN, INVALID, Some(code), message)
    };
    match refusal {
        AccessRefusal::MismatchedOrganization => mismatched("organization"),
        AccessRefusal::MismatchedProject => mismatched("project"),
        AccessRefusal::AddressNotAllowed(address) => {
            let address = address.map_or_else(|| "an unknown address".into(), |it| it.to_string());
            let message = format!(
                "IP not authorized: this key may not be used from {address}. Call from an allowed address, or change the key's IP ranges at {url}/keys."
            );
            plain(
                StatusCode::UNAUTHORIZED,
                INVALID,
                Some("ip_not_authorized"),
                message,
            )
        }
        AccessRefusal::ProjectArchived(project) => forbidden(
            "project_archived",
            format!(
                "Project `{project}` is archived and takes no more requests. Use a key of another project."
            ),
        ),
        AccessRefusal::MissingScope(permission) => {
            forbidden("missing_scope", missing_scopes(permission.in_refusals()))
        }
        AccessRefusal::KeyLacks(scope) => {
            forbidden("missing_scope", missing_scopes(scope.in_refusals()))
        }
        AccessRefusal::ModelNotAllowed => forbidden(
            "model_not_found",
            format!(
                "This key does not have access to model `{model}`. Use a key that has, or change its models at {url}/keys."
            ),
        ),
        // `dead` says why.
        AccessRefusal::Expired
        | AccessRefusal::Replaced
        | AccessRefusal::AdminKeyOnDataPlane
        | AccessRefusal::DataKeyOnAdministration
        | AccessRefusal::OwnerLeft(_) => ours(&Refusal::Internal),
    }
}

fn mismatched(what: &str) -> Answer {
    let (code, header) = match what {
        "project" => ("mismatched_project", "OpenAI-Project"),
        _ => ("mismatched_organization", "OpenAI-Organization"),
    };
    let message = format!("{header} header should match {what} for API key");
    plain(StatusCode::UNAUTHORIZED, INVALID, Some(code), message)
}

fn no_key_message(url: &str) -> String {
    format!(
        "You didn't provide an API key. You need to provide your API key in an Authorization header \
         using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with \
         blank username) if you're accessing the API from your browser and are prompted for a \
         username and password. You can obtain an API key from {url}/keys."
    )
}

fn request(refusal: &Refusal) -> Answer {
    let bad = |status, code, message| plain(status, INVALID, code, message);
    match refusal {
        Refusal::ContentType(sent) => bad(
            StatusCode::BAD_REQUEST,
            None,
            format!(
                "Invalid Content-Type header ({sent}), expected application/json. (HINT: If you're using curl, you can pass -H 'Content-Type: application/json')"
            ),
        ),
        Refusal::ContentEncoding(sent) => bad(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            None,
            format!(
                "Unsupported Content-Encoding header ({sent}). Send the body as plain JSON in UTF-8."
            ),
        ),
        Refusal::TooLarge { most_bytes } => bad(
            StatusCode::PAYLOAD_TOO_LARGE,
            None,
            format!(
                "The request body is too large: at most {most_bytes} bytes are accepted. Send less, or split the request."
            ),
        ),
        Refusal::BodyCutOff => bad(
            StatusCode::BAD_REQUEST,
            None,
            "The request body did not arrive whole. Send it again.".into(),
        ),
        Refusal::NoModel { model } => bad(
            StatusCode::NOT_FOUND,
            Some("model_not_found"),
            format!(
                "The model `{model}` does not exist or you do not have access to it. GET /v1/models lists the models you can use."
            ),
        ),
        Refusal::ModelNotOfProject { model, project } => bad(
            StatusCode::FORBIDDEN,
            Some("model_not_found"),
            format!(
                "Project `{project}` does not have access to model `{model}`. GET /v1/models lists the models it can use; an owner changes them by the project's model permissions."
            ),
        ),
        Refusal::NotOffered { model, endpoint } => bad(
            StatusCode::NOT_FOUND,
            Some("endpoint_not_offered"),
            format!(
                "The model `{model}` does not offer the {endpoint} endpoint here. Use another model, or another endpoint of this one."
            ),
        ),
        Refusal::NotPriced { model } => bad(
            StatusCode::BAD_REQUEST,
            Some("model_not_priced"),
            format!(
                "The model `{model}` has no price in force, so it cannot be called. Ask the operator to set one."
            ),
        ),
        Refusal::NoRoute { method, path } => bad(
            StatusCode::NOT_FOUND,
            None,
            format!("Invalid URL ({method} {path})"),
        ),
        Refusal::NoMethod { method, path } => bad(
            StatusCode::METHOD_NOT_ALLOWED,
            Some("method_not_supported"),
            format!("Not allowed to {method} on {path}."),
        ),
        _ => ours(refusal),
    }
}

fn admission(refusal: &admission::Refusal, model: &str, organization: &str, url: &str) -> Answer {
    match refusal {
        admission::Refusal::Credit {
            available,
            required,
        } => credit(*available, *required, None, url),
        admission::Refusal::Budget(refusal) => budget(refusal, url),
        admission::Refusal::Rate(stop) => limited(stop, (model, organization, url)),
    }
}

/// Too little credit, and no recharge that mends it, if the wallet is filled up by itself.
fn credit(available: Nusd, required: Nusd, hopeless: Option<Hopeless>, url: &str) -> Answer {
    let recharge = hopeless.map_or_else(String::new, no_recharge);
    quota(
        "credit_balance_exhausted",
        &format!(
            "This request can cost up to {required} and {available} of credit is available.{recharge} Add credit at {url}/billing, or lower the output limit (max_tokens)."
        ),
    )
}

fn no_recharge(why: Hopeless) -> String {
    match why {
        Hopeless::State(State::Off) => " Auto-recharge is off.".into(),
        Hopeless::State(State::GaveUp(GaveUp::Declined)) => {
            " Auto-recharge was switched off, as the saved card was declined too often.".into()
        }
        Hopeless::State(State::GaveUp(GaveUp::NoPaymentMethod)) => {
            " Auto-recharge was switched off, as no card is saved.".into()
        }
        Hopeless::State(State::BackingOff(until)) => format!(
            " The last auto-recharge was declined; the card is tried again after {}.",
            until.to_utc()
        ),
        Hopeless::State(State::NeedsAuthentication(amount)) => format!(
            " An auto-recharge of {amount} waits for the card's owner to authenticate: the organization's owners have the link by mail."
        ),
        Hopeless::State(State::Capped(until)) => format!(
            " Auto-recharge has reached its monthly cap; the next month begins at {}.",
            until.to_utc()
        ),
        Hopeless::AboveThreshold(threshold) => {
            format!(" Auto-recharge begins when less than {threshold} is available.")
        }
        Hopeless::TooSmall(amount) => {
            format!(" An auto-recharge of {amount} would not pay for it.")
        }
        // The other states bring money.
        Hopeless::Late | Hopeless::State(State::Armed | State::InFlight(_)) => {
            " An auto-recharge is under way, and did not arrive in time.".into()
        }
    }
}

/// Trying again mends it only once the operator has.
fn suspended(organization: &OrganizationId) -> Answer {
    let code = "billing_not_active";
    let message = format!(
        "Your account is not active, please check your billing details on our website. The operator of this installation has suspended organization `{organization}`; ask them."
    );
    Answer {
        retry: Retry::Never,
        ..plain(StatusCode::TOO_MANY_REQUESTS, code, Some(code), message)
    }
}

/// Money is short, and trying again does not mend it.
fn quota(code: &'static str, facts: &str) -> Answer {
    let message = format!(
        "You exceeded your current quota, please check your plan and billing details. {facts}"
    );
    let status = StatusCode::TOO_MANY_REQUESTS;
    Answer {
        retry: Retry::Never,
        ..plain(status, "insufficient_quota", Some(code), message)
    }
}

fn budget(refusal: &BudgetRefusal, url: &str) -> Answer {
    let (code, whose) = match &refusal.scope {
        Scope::Organization => ("organization_spend_limit_exceeded", "organization"),
        Scope::Project(_) => ("project_spend_limit_exceeded", "project"),
        Scope::Key(_) => ("key_spend_limit_exceeded", "key"),
    };
    let BudgetRefusal {
        limit,
        spent,
        held,
        required,
        ..
    } = refusal;
    let (over, ends) = match refusal.window {
        Window::Always => ("for good".to_owned(), String::new()),
        window => (
            format!("a {}", window.as_str()),
            format!(
                " The next {} begins at {}.",
                window.as_str(),
                refusal.ends_at.to_utc()
            ),
        ),
    };
    quota(
        code,
        &format!(
            "The {whose} may spend {limit} {over}: {spent} is spent, {held} is held for requests in flight, and this request can cost up to {required}.{ends} Raise the limit at {url}/limits, or lower the output limit (max_tokens)."
        ),
    )
}

fn limited(stop: &RateStop, (model, organization, url): (&str, &str, &str)) -> Answer {
    let (kind, per) = match stop.kind {
        RateKind::RequestsPerMinute => ("requests", "requests per min (RPM)"),
        RateKind::TokensPerMinute => ("tokens", "tokens per min (TPM)"),
        RateKind::RequestsPerDay => ("requests", "requests per day (RPD)"),
        RateKind::TokensPerDay => ("tokens", "tokens per day (TPD)"),
        RateKind::ConcurrentRequests => ("requests", "concurrent requests"),
    };
    let RateRefusal {
        state,
        requested,
        retry_after_us,
    } = &stop.refusal;
    let used = state.limit.saturating_sub(state.remaining);
    let facts = format!(
        "Rate limit reached for {model} in organization {organization} on {per}: Limit {}, Used {used}, Requested {requested}.",
        state.limit
    );
    let (retry, advice) = match (retry_after_us, stop.kind) {
        (Some(us), _) => {
            let wait = crate::headers::go_duration(*us);
            (Retry::After(*us), format!("Please try again in {wait}."))
        }
        (None, RateKind::ConcurrentRequests) if state.limit > 0 => (
            Retry::AsUsual,
            "Please try again when another request has ended.".into(),
        ),
        (None, _) => (
            Retry::Never,
            "The request is larger than the limit itself: make it smaller.".into(),
        ),
    };
    let message = format!("{facts} {advice} Visit {url}/limits to learn more.");
    let status = StatusCode::TOO_MANY_REQUESTS;
    Answer {
        retry,
        ..plain(status, kind, Some("rate_limit_exceeded"), message)
    }
}

/// A request with the same idempotency key came before.
fn again(repeated: &Repeated) -> Answer {
    let conflict = |code, retry, message| {
        let mut answer = plain(StatusCode::CONFLICT, INVALID, Some(code), message);
        answer.error.param = Some(HEADER_NAME.into());
        answer.retry = retry;
        answer
    };
    match repeated {
        Repeated::Different { request } => conflict(
            "idempotency_key_reused",
            Retry::Never,
            format!(
                "This {HEADER_NAME} came before with another body or endpoint (request {request}). Send the first request unchanged, or this one with a key of its own."
            ),
        ),
        Repeated::InProgress { request } => conflict(
            "idempotency_request_in_progress",
            Retry::Surely(1_000_000),
            format!(
                "The first request with this {HEADER_NAME} ({request}) is still being answered. Please try again shortly: you get its answer as soon as it is there."
            ),
        ),
        Repeated::NotKept { request, cost } => conflict(
            "idempotency_answer_not_kept",
            Retry::Never,
            format!(
                "The first request with this {HEADER_NAME} ({request}) has ended and was charged {cost}, but its answer was not kept: it was too large, was never sent whole, or this installation keeps none. It was not run again. To run it once more, send another key."
            ),
        ),
    }
}

fn no_receipt(id: &str, is_running: bool) -> Answer {
    let (code, message) = match is_running {
        true => (
            "receipt_not_ready",
            format!(
                "The request '{id}' is still being answered. Its receipt is there as soon as it is settled: with the last byte of its answer."
            ),
        ),
        false => (
            "receipt_not_found",
            format!(
                "There is no receipt of a request '{id}' that this key may see. A receipt has the 'x-request-id' of an answer that was charged; a request that was refused has none."
            ),
        ),
    };
    plain(StatusCode::NOT_FOUND, INVALID, Some(code), message)
}

fn upstream(failure: &UpstreamFailure) -> Answer {
    let after = |seconds: &Option<u64>| {
        let seconds = seconds.unwrap_or(1).clamp(1, 3_600);
        Retry::After(i64::try_from(seconds).expect("at most an hour") * 1_000_000)
    };
    match failure {
        UpstreamFailure::Unavailable { retry_after_s } => Answer {
            retry: after(retry_after_s),
            ..plain(
                StatusCode::SERVICE_UNAVAILABLE,
                UNAVAILABLE,
                Some("upstream_unavailable"),
                "The server that runs this model is not available. Please try again shortly.".into(),
            )
        },
        UpstreamFailure::Busy { retry_after_s } => Answer {
            retry: after(retry_after_s),
            ..plain(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                Some("slow_down"),
                "The server that runs this model has too many requests. Please try again shortly.".into(),
            )
        },
        UpstreamFailure::TimedOut => plain(
            StatusCode::GATEWAY_TIMEOUT,
            SERVER,
            Some("upstream_timeout"),
            "The server that runs this model did not answer in time. Please try again.".into(),
        ),
        UpstreamFailure::Misconfigured => Answer {
            retry: Retry::Never,
            ..plain(
                StatusCode::BAD_GATEWAY,
                SERVER,
                Some("upstream_misconfigured"),
                "The server that runs this model refused this installation's request. Please tell the operator: its key or model name needs mending.".into(),
            )
        },
        UpstreamFailure::NotAnAnswer => plain(
            StatusCode::BAD_GATEWAY,
            SERVER,
            Some("upstream_invalid_answer"),
            "The server that runs this model sent something that is not an answer. Please try again.".into(),
        ),
        UpstreamFailure::BrokeOff => plain(
            StatusCode::BAD_GATEWAY,
            SERVER,
            Some("upstream_broke_off"),
            "The server that runs this model broke off in the middle of its answer. Please try again.".into(),
        ),
    }
}

fn ours(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Ledger => Answer {
            retry: Retry::After(1_000_000),
            ..plain(
                StatusCode::SERVICE_UNAVAILABLE,
                UNAVAILABLE,
                Some("ledger_unavailable"),
                "The ledger cannot record charges right now, so no request is taken. Please try again shortly.".into(),
            )
        },
        _ => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            SERVER,
            Some("internal_error"),
            "The server had an error while processing your request. Sorry about that! The operator finds it in the log by the request id.".into(),
        ),
    }
}

fn plain(
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
) -> Answer {
    let code = code.map(Into::into);
    let error = ErrorBody {
        message,
        kind: kind.into(),
        param: None,
        code,
    };
    Answer {
        status,
        error,
        retry: Retry::AsUsual,
    }
}

fn number(value: i64) -> HeaderValue {
    HeaderValue::from(value.max(0))
}
