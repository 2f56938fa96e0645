//! Answers what the control plane may ask of the data plane, which do not know each other.

use std::sync::Arc;

use control::{
    Checking, DataPlane, DeployedAt, GiveBack, OfferedModel, UpstreamCheck, UpstreamSeen,
    Withholding,
};
use domain::admission::DefaultRates;
use domain::id::OrganizationId;
use domain::money::Nusd;
use gateway::{
    Check, CheckOutcome, Deployment, Gateway, Model, NotWithheld, Upstream, UpstreamHealth,
};

/// What can be asked of `gateway`.
pub(crate) fn of(gateway: &Gateway, rates: DefaultRates) -> DataPlane {
    let [named, asked, offering, calling, checking, withholding] =
        [(); 6].map(|()| gateway.clone());
    DataPlane {
        models: Arc::new(move || named.models()),
        rates,
        is_refusing: Arc::new(move |organization, budget| asked.is_refusing(organization, budget)),
        offered: Arc::new(move || {
            let catalog = offering.catalog();
            catalog
                .models
                .values()
                .map(|model| offered(model))
                .collect()
        }),
        upstreams: Arc::new(move || calling.upstreams().iter().map(seen).collect()),
        check_upstream: Arc::new(move |id| -> Checking {
            let gateway = checking.clone();
            Box::pin(async move { gateway.check_upstream(&id).await.map(checked) })
        }),
        withhold: Arc::new(move |organization, amount| -> Withholding {
            Box::pin(withhold(withholding.clone(), organization, amount))
        }),
    }
}

/// Takes money out of the reach of requests, and answers what gives it back.
async fn withhold(
    gateway: Gateway,
    organization: OrganizationId,
    amount: Nusd,
) -> Result<GiveBack, control::NotWithheld> {
    let withheld = gateway.withhold(&organization, amount).await;
    withheld.map_err(|why| match why {
        NotWithheld::Short(free) => control::NotWithheld::Short(free),
        NotWithheld::Ledger(error) => control::NotWithheld::Store(error),
    })?;
    Ok(Box::new(move |rest| gateway.give_back(&organization, rest)))
}

fn offered(model: &Model) -> OfferedModel {
    let deployed = |it: &Deployment| DeployedAt {
        upstream: Arc::clone(it.upstream.id()),
        model: it.model.clone(),
        weight: it.weight,
    };
    OfferedModel {
        id: Arc::clone(&model.id),
        owned_by: model.owned_by.clone(),
        context_tokens: model.size.context_tokens,
        max_output_tokens: model.size.max_output_tokens,
        endpoints: model.endpoints.iter().map(|it| it.name()).collect(),
        deployments: model.deployments.iter().map(deployed).collect(),
    }
}

fn seen((upstream, health): &(Arc<Upstream>, UpstreamHealth)) -> UpstreamSeen {
    UpstreamSeen {
        id: Arc::clone(upstream.id()),
        base_url: upstream.base_url(),
        in_flight: health.in_flight,
        last_answer_at: health.last_answer_at,
        last_failure: health.last_failure,
        failures_in_a_row: health.failures_in_a_row,
        recent_answers: health.recent_answers,
        median_us: health.median_us,
        p95_us: health.p95_us,
    }
}

fn checked(check: Check) -> UpstreamCheck {
    let (outcome, status) = match check.outcome {
        CheckOutcome::Answered(status) => ("answered", Some(status)),
        CheckOutcome::NotStarted => ("not_started", None),
        CheckOutcome::Unreachable => ("unreachable", None),
        CheckOutcome::TimedOut => ("timed_out", None),
    };
    UpstreamCheck {
        outcome,
        status,
        took_us: check.took_us,
        models: check.models,
    }
}
