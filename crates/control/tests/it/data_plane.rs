//! What a data plane would tell: one upstream that answers and one that fails.

use std::sync::Arc;

use domain::id::BudgetId;
use domain::time::AtUs;
use farebox_control::{
    Checking, DataPlane, DeployedAt, GiveBack, OfferedModel, UpstreamCheck, UpstreamSeen,
    Withholding,
};

use crate::world::{MODELS, RATES, START_S};

/// Runs every model but [`FAILING`]'s.
pub(crate) const WELL: &str = "well";
/// Runs the model `a`.
pub(crate) const FAILING: &str = "failing";

/// A data plane that refuses for these budgets.
pub(crate) fn double(is_refusing: impl Fn(&BudgetId) -> bool + Send + Sync + 'static) -> DataPlane {
    DataPlane {
        models: Arc::new(|| MODELS.map(Into::into).to_vec()),
        rates: RATES,
        is_refusing: Arc::new(move |_, budget| is_refusing(budget)),
        offered: Arc::new(|| {
            let mut models = MODELS;
            models.sort_unstable();
            models.map(offered).to_vec()
        }),
        upstreams: Arc::new(|| vec![seen(WELL), seen(FAILING)]),
        check_upstream: Arc::new(|id| -> Checking { Box::pin(async move { checked(&id) }) }),
        // Nothing is held here that the database does not know of.
        withhold: Arc::new(|_, _| -> Withholding {
            Box::pin(async { Ok(Box::new(|_| ()) as GiveBack) })
        }),
    }
}

fn offered(model: &str) -> OfferedModel {
    let upstream = if model == "a" { FAILING } else { WELL };
    OfferedModel {
        id: model.into(),
        owned_by: "farebox".into(),
        context_tokens: 8_192,
        max_output_tokens: 1_024,
        endpoints: vec!["chat"],
        deployments: vec![DeployedAt {
            upstream: upstream.into(),
            model: format!("their-{model}"),
            weight: 1,
        }],
    }
}

fn seen(id: &str) -> UpstreamSeen {
    let is_well = id == WELL;
    let at = AtUs::from_seconds(START_S - 60);
    UpstreamSeen {
        id: id.into(),
        base_url: Some(format!("http://{id}.test/v1").into()),
        in_flight: 3,
        last_answer_at: is_well.then_some(at),
        last_failure: (!is_well).then_some((at, "timed_out")),
        failures_in_a_row: if is_well { 0 } else { 4 },
        recent_answers: if is_well { 20 } else { 0 },
        median_us: is_well.then_some(1_500),
        p95_us: is_well.then_some(9_000),
    }
}

fn checked(id: &str) -> Option<UpstreamCheck> {
    let (outcome, status, models) = match id {
        WELL => {
            let all = ["their-m", "their-vendor/large", "another"];
            (
                "answered",
                Some(200),
                Some(all.map(ToOwned::to_owned).to_vec()),
            )
        }
        FAILING => ("timed_out", None, None),
        _ => return None,
    };
    Some(UpstreamCheck {
        outcome,
        status,
        took_us: 1_234,
        models,
    })
}
