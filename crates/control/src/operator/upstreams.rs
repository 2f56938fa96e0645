//! `/api/operator/upstreams`: the servers that run models, as the process that answers found them,
//! and asking one whether it is there.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::time::AtUs;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Operator;
use crate::pagination::{List, Listed, Page, between};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};
use crate::{Control, OfferedModel, UpstreamSeen};

/// A server that runs models, as this process's requests found it since its configuration was read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Upstream {
    #[schema(example = "vllm")]
    id: String,
    #[schema(example = "operator.upstream")]
    object: &'static str,
    /// Null while a built-in engine starts.
    #[schema(example = "http://127.0.0.1:8000/v1")]
    base_url: Option<String>,
    state: UpstreamState,
    /// The node whose view this is; null where one process serves everything.
    #[schema(example = "main")]
    node: Option<String>,
    /// Requests that it works on for this node.
    in_flight: u64,
    /// When it last began an answer, or said what is wrong with a request.
    last_answer_at: Option<i64>,
    last_failure: Option<UpstreamFailure>,
    /// Failures since its last answer.
    failures_in_a_row: u64,
    recent: RecentAnswers,
    /// The models that run on it.
    models: Vec<ServedModel>,
}

/// How an upstream is: nobody called it yet (`unknown`), its latest request was answered
/// (`answering`) or failed (`failing`), or it is a built-in engine that is not up (`not_started`).
/// Nothing is kept from a failing one: every request tries it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpstreamState {
    Unknown,
    Answering,
    Failing,
    NotStarted,
}

/// The latest failure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpstreamFailure {
    at: i64,
    /// `unavailable`, `busy`, `timed_out`, `misconfigured`, `invalid_answer` or `broke_off`.
    #[schema(example = "timed_out")]
    kind: String,
}

/// The answers of the last five minutes: until each began, whole or as a stream.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecentAnswers {
    /// At most 1,024, the latest.
    answers: usize,
    /// Half of them began within so many microseconds.
    median_us: Option<i64>,
    /// Nineteen of twenty began within so many microseconds.
    p95_us: Option<i64>,
}

/// A model that runs on an upstream.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServedModel {
    /// Its public name.
    #[schema(example = "gpt-4o-mini")]
    id: String,
    /// The upstream's own name for it.
    #[schema(example = "gpt-4o-mini")]
    model: String,
    #[schema(example = 1)]
    weight: u64,
}

/// What an upstream answered when it was asked for its models.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpstreamCheck {
    /// The upstream's.
    #[schema(example = "vllm")]
    id: String,
    #[schema(example = "operator.upstream.check")]
    object: &'static str,
    /// Whether it told its models, and all that are to run on it are among them.
    is_well: bool,
    /// `answered`, `not_started`, `unreachable` or `timed_out`.
    #[schema(example = "answered")]
    outcome: &'static str,
    /// The status of its answer.
    #[schema(example = 200)]
    status: Option<u16>,
    took_us: i64,
    /// Its models, by its own names; null if it did not tell them.
    models: Option<Vec<String>>,
    /// Those that are to run on it by the configuration, and that it did not name.
    missing_models: Vec<String>,
}

impl Upstream {
    fn of(control: &Control, seen: UpstreamSeen, offered: &[OfferedModel]) -> Self {
        let fleet = control.store.fleet();
        Upstream {
            state: state(&seen),
            models: served(&seen.id, offered),
            id: seen.id.to_string(),
            object: "operator.upstream",
            base_url: seen.base_url.map(|url| url.to_string()),
            node: fleet.map(|fleet| fleet.node().to_string()),
            in_flight: seen.in_flight,
            last_answer_at: seen.last_answer_at.map(AtUs::seconds),
            last_failure: seen.last_failure.map(|(at, kind)| UpstreamFailure {
                at: at.seconds(),
                kind: kind.to_owned(),
            }),
            failures_in_a_row: seen.failures_in_a_row,
            recent: RecentAnswers {
                answers: seen.recent_answers,
                median_us: seen.median_us,
                p95_us: seen.p95_us,
            },
        }
    }
}

fn state(seen: &UpstreamSeen) -> UpstreamState {
    if seen.base_url.is_none() {
        return UpstreamState::NotStarted;
    }
    match (seen.failures_in_a_row, seen.last_answer_at) {
        (0, None) => UpstreamState::Unknown,
        (0, Some(_)) => UpstreamState::Answering,
        _ => UpstreamState::Failing,
    }
}

fn served(upstream: &str, offered: &[OfferedModel]) -> Vec<ServedModel> {
    let mut served = Vec::new();
    for model in offered {
        let here = model.deployments.iter();
        let here = here.filter(|it| *it.upstream == *upstream);
        served.extend(here.map(|it| ServedModel {
            id: model.id.to_string(),
            model: it.model.clone(),
            weight: it.weight,
        }));
    }
    served
}

impl Listed for Upstream {
    fn id(&self) -> &str {
        &self.id
    }
}

fn all(control: &Control) -> Vec<Upstream> {
    let offered = (control.data_plane.offered)();
    let seen = (control.data_plane.upstreams)().into_iter();
    seen.map(|seen| Upstream::of(control, seen, &offered))
        .collect()
}

fn nowhere(id: &str) -> Refusal {
    Refusal::Nowhere {
        what: "upstream",
        id: id.to_owned(),
    }
}

/// List the upstreams, as this node found them, in the order of the configuration.
#[utoipa::path(
    get, path = "/api/operator/upstreams", tag = "Operator",
    operation_id = "list_upstreams",
    params(Page),
    responses((status = 200, body = List<Upstream>)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, _: Operator, page: Page) -> Response {
    let list = between(all(&control), &page, None);
    answer(&control, list.map(Json))
}

/// Retrieve an upstream, as this node found it.
#[utoipa::path(
    get, path = "/api/operator/upstreams/{upstream_id}", tag = "Operator",
    operation_id = "retrieve_upstream",
    params(("upstream_id" = String, Path, description = "The upstream")),
    responses((status = 200, body = Upstream)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let mut all = all(&control).into_iter();
    let found = all.find(|upstream| upstream.id == id);
    let found = found.ok_or_else(|| nowhere(&id));
    answer(&control, found.map(Json))
}

/// Ask an upstream for the list of its models, now: for at most five seconds, and at no cost.
#[utoipa::path(
    post, path = "/api/operator/upstreams/{upstream_id}/check", tag = "Operator",
    operation_id = "check_upstream",
    params(("upstream_id" = String, Path, description = "The upstream")),
    responses((status = 200, body = UpstreamCheck)), security(("session" = []))
)]
pub(crate) async fn check(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    answer(&control, checked(&control, id).await.map(Json))
}

async fn checked(control: &Control, id: String) -> Outcome<UpstreamCheck> {
    let asked = (control.data_plane.check_upstream)(id.clone()).await;
    let check = asked.ok_or_else(|| nowhere(&id))?;
    let told: HashSet<&str> = check.models.iter().flatten().map(String::as_str).collect();
    let served = served(&id, &(control.data_plane.offered)());
    let mut missing: Vec<String> = match check.models {
        None => Vec::new(),
        Some(_) => served.into_iter().map(|it| it.model).collect(),
    };
    missing.retain(|model| !told.contains(model.as_str()));
    missing.sort_unstable();
    missing.dedup();
    Ok(UpstreamCheck {
        id,
        object: "operator.upstream.check",
        is_well: check.models.is_some() && missing.is_empty(),
        outcome: check.outcome,
        status: check.status,
        took_us: check.took_us,
        missing_models: missing,
        models: check.models,
    })
}
