//! `/api/operator/models`: every model of the configuration, what it costs, whether it can be
//! called and why not; and switching one off.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::PriceId;
use domain::price::PriceHistory;
use domain::time::AtUs;
use serde::Serialize;
use store::audit::{Event, Kind};
use store::{Tx, models, prices};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use super::prices::Price;
use crate::body::Fields;
use crate::pagination::{List, Listed, Page, between};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};
use crate::{Control, DeployedAt, OfferedModel};

/// A model of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorModel {
    #[schema(example = "gpt-4o-mini")]
    id: String,
    #[schema(example = "operator.model")]
    object: &'static str,
    #[schema(example = "farebox")]
    owned_by: String,
    /// `chat`, `responses`, `completions`, `embeddings`.
    #[schema(example = json!(["chat", "responses"]))]
    endpoints: Vec<&'static str>,
    context_tokens: u64,
    max_output_tokens: u64,
    deployments: Vec<Deployment>,
    /// False if an operator switched it off: callers are told that there is no such model.
    is_enabled: bool,
    disabled_at: Option<i64>,
    /// Whether a request to it is taken.
    is_callable: bool,
    problems: Vec<ModelProblem>,
    /// What is in force now.
    price: Option<Price>,
    /// What follows it, if that is known.
    next_price: Option<Price>,
}

/// What is wrong with a model: it is `disabled`, or has no price in force (`not_priced`), and
/// cannot be called; or the latest request to each of its upstreams failed (`upstreams_failing`),
/// which are tried all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModelProblem {
    Disabled,
    NotPriced,
    UpstreamsFailing,
}

/// A place where a model runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deployment {
    #[schema(example = "vllm")]
    upstream_id: String,
    /// The upstream's own name for the model.
    #[schema(example = "gpt-4o-mini")]
    model: String,
    /// Its share of the requests beside its neighbours'.
    #[schema(example = 1)]
    weight: u64,
}

/// What is to change of a model; what is absent stays.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; read by the handler")]
pub(crate) struct ModelChanges {
    /// False: callers are told that there is no such model.
    is_enabled: Option<bool>,
}

/// What the database says of models.
#[derive(Default)]
struct Terms {
    histories: HashMap<String, PriceHistory>,
    disabled: HashMap<String, AtUs>,
}

impl Terms {
    fn read(tx: &mut Tx<'_>) -> Outcome<Self> {
        Ok(Terms {
            histories: prices::histories(tx)?,
            disabled: models::disabled(tx)?.into_iter().collect(),
        })
    }
}

impl From<&DeployedAt> for Deployment {
    fn from(deployed: &DeployedAt) -> Self {
        Deployment {
            upstream_id: deployed.upstream.to_string(),
            model: deployed.model.clone(),
            weight: deployed.weight,
        }
    }
}

impl OperatorModel {
    /// `failing` are the upstreams whose latest request failed.
    fn of(
        tx: &mut Tx<'_>,
        offered: &OfferedModel,
        terms: &Terms,
        failing: &HashSet<Arc<str>>,
        now: AtUs,
    ) -> Outcome<Self> {
        let name = &*offered.id;
        let none = PriceHistory::default();
        let history = terms.histories.get(name).unwrap_or(&none);
        let mut shown = |id: Option<&PriceId>| -> Outcome<Option<Price>> {
            let Some(id) = id else {
                return Ok(None);
            };
            let version = prices::version(tx, name, id)?;
            Ok(version.map(|version| Price::of(version, history, now)))
        };
        let price = shown(history.in_force(now).map(|entry| &entry.id))?;
        let next_price = shown(history.next(now).map(|entry| &entry.id))?;
        let disabled_at = terms.disabled.get(name);
        let is_failing = |it: &DeployedAt| failing.contains(&it.upstream);
        let is_callable = disabled_at.is_none() && price.is_some();
        let mut problems = Vec::new();
        if disabled_at.is_some() {
            problems.push(ModelProblem::Disabled);
        }
        if price.is_none() {
            problems.push(ModelProblem::NotPriced);
        }
        if offered.deployments.iter().all(is_failing) {
            problems.push(ModelProblem::UpstreamsFailing);
        }
        Ok(OperatorModel {
            id: name.to_owned(),
            object: "operator.model",
            owned_by: offered.owned_by.clone(),
            endpoints: offered.endpoints.clone(),
            context_tokens: offered.context_tokens,
            max_output_tokens: offered.max_output_tokens,
            deployments: offered.deployments.iter().map(Deployment::from).collect(),
            is_enabled: disabled_at.is_none(),
            disabled_at: disabled_at.map(|at| at.seconds()),
            is_callable,
            problems,
            price,
            next_price,
        })
    }
}

impl Listed for OperatorModel {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Control {
    /// The upstreams whose latest request failed.
    fn failing(&self) -> HashSet<Arc<str>> {
        let seen = (self.data_plane.upstreams)().into_iter();
        let failing = seen.filter(|it| it.failures_in_a_row > 0);
        failing.map(|it| it.id).collect()
    }
}

/// The model of that name.
fn offered(control: &Control, id: &str) -> Outcome<OfferedModel> {
    let mut all = (control.data_plane.offered)().into_iter();
    all.find(|model| *model.id == *id)
        .ok_or_else(|| Refusal::Nowhere {
            what: "model",
            id: id.to_owned(),
        })
}

/// Refuses a name that the configuration does not know.
pub(super) fn ensure_offered(control: &Control, id: &str) -> Outcome<()> {
    offered(control, id).map(drop)
}

/// List the models of the configuration, by name.
#[utoipa::path(
    get, path = "/api/operator/models", tag = "Operator",
    operation_id = "list_operator_models",
    params(Page),
    responses((status = 200, body = List<OperatorModel>)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, _: Operator, page: Page) -> Response {
    let (all, failing, now) = (
        (control.data_plane.offered)(),
        control.failing(),
        control.now(),
    );
    let read = control.store.read(move |tx| -> Outcome<_> {
        let terms = Terms::read(tx)?;
        let shown = |model: &OfferedModel| OperatorModel::of(tx, model, &terms, &failing, now);
        let shown = all.iter().map(shown).collect::<Outcome<Vec<_>>>()?;
        between(shown, &page, None)
    });
    answer(&control, read.await.map(Json))
}

/// Retrieve a model.
#[utoipa::path(
    get, path = "/api/operator/models/{model_id}", tag = "Operator",
    operation_id = "retrieve_operator_model",
    params(("model_id" = String, Path, description = "The model, its slashes as %2F")),
    responses((status = 200, body = OperatorModel)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let outcome = async {
        let (model, failing) = (offered(&control, &id)?, control.failing());
        let now = control.now();
        let read = control.store.read(move |tx| {
            let terms = Terms::read(tx)?;
            OperatorModel::of(tx, &model, &terms, &failing, now)
        });
        read.await.map(Json)
    };
    answer(&control, outcome.await)
}

/// Switch a model off, or on again: from the next request on.
#[utoipa::path(
    post, path = "/api/operator/models/{model_id}", tag = "Operator",
    operation_id = "update_operator_model", request_body = ModelChanges,
    params(("model_id" = String, Path, description = "The model, its slashes as %2F")),
    responses((status = 200, body = OperatorModel)), security(("session" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let wanted = fields.flag("is_enabled")?;
        let (model, failing) = (offered(&control, &id)?, control.failing());
        let change = control.operate(operator, move |tx, now| {
            let changed = match wanted {
                Some(is_enabled) => models::set_disabled(tx, &id, !is_enabled, now)?,
                None => false,
            };
            let terms = Terms::read(tx)?;
            let shown = OperatorModel::of(tx, &model, &terms, &failing, now)?;
            let kind = match shown.is_enabled {
                true => Kind::ModelEnabled,
                false => Kind::ModelDisabled,
            };
            Ok(Acted::when(changed, Event::new(kind, &id), shown))
        });
        change.await.map(Json)
    };
    answer(&control, outcome.await)
}
