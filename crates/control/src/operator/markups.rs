//! `/api/operator/organizations/{organization_id}/markups`: what an organization pays on top of the
//! price book, or less.
//!
//! Rules have dates and are never changed, only followed or ended. docs/prices.md says what counts
//! when.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{MarkupId, OrganizationId};
use domain::markup::{Markup, Markups};
use domain::time::AtUs;
use serde::Serialize;
use store::Tx;
use store::audit::Kind;
use store::markups::{self, MarkupError, NewMarkup, Stated};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use super::models::ensure_offered;
use super::organizations::find;
use crate::Control;
use crate::body::Fields;
use crate::pagination::{List, Listed, Page, between};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// A markup of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrganizationMarkup {
    #[schema(example = "markup_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.markup")]
    object: &'static str,
    organization_id: String,
    /// The model that it is for; null: every model that has no markup of its own.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    /// Hundredths of a per cent on each unit price; a discount below 0.
    #[schema(example = 1_250, minimum = -9_999, maximum = 100_000)]
    basis_points: i32,
    state: MarkupState,
    /// From when on it is in force, until the next one for the same models begins.
    #[schema(example = 1_798_761_600)]
    effective_at: i64,
    created_at: i64,
    /// When it was ended, or taken back before it began.
    ended_at: Option<i64>,
}

/// Whether a markup counts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarkupState {
    ToCome,
    InForce,
    Past,
    Withdrawn,
}

/// A markup to be added.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; read by the handler")]
pub(crate) struct NewOrganizationMarkup {
    /// Hundredths of a per cent on each unit price; a discount below 0.
    #[schema(example = 1_250, minimum = -9_999, maximum = 100_000)]
    basis_points: i64,
    /// The model that it is for; every model without a markup of its own if absent.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    /// When it comes into force, in Unix seconds; at once if absent.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64, example = 1_798_761_600)]
    effective_at: Option<i64>,
}

impl OrganizationMarkup {
    fn of(organization: &OrganizationId, stated: Stated, all: &Markups, now: AtUs) -> Self {
        let rule = stated.rule;
        let in_force = all.of(rule.model.as_deref(), now).map(|it| &it.id);
        let state = match rule.effective_at > now {
            _ if rule.is_withdrawn() => MarkupState::Withdrawn,
            true => MarkupState::ToCome,
            false if in_force == Some(&rule.id) => MarkupState::InForce,
            false => MarkupState::Past,
        };
        OrganizationMarkup {
            id: rule.id.to_string(),
            object: "operator.markup",
            organization_id: organization.to_string(),
            model: rule.model,
            basis_points: rule.markup.basis_points(),
            state,
            effective_at: rule.effective_at.seconds(),
            created_at: stated.created_at.seconds(),
            ended_at: rule.ended_at.map(AtUs::seconds),
        }
    }
}

impl Listed for OrganizationMarkup {
    fn id(&self) -> &str {
        &self.id
    }
}

/// How much is asked for, and for which model.
pub(super) fn asked(control: &Control, fields: &Fields) -> Outcome<(Markup, Option<String>)> {
    let bounds = i64::from(Markup::LEAST)..=i64::from(Markup::MOST);
    let basis_points = fields.integer("basis_points", bounds)?;
    let basis_points = fields.required("basis_points", basis_points)?;
    let markup = Markup::new(basis_points);
    let markup = markup.ok_or_else(|| fields.invalid("basis_points", "it is out of bounds"))?;
    let model = fields.text("model")?.map(str::to_owned);
    if let Some(model) = &model {
        ensure_offered(control, model)?;
    }
    Ok((markup, model))
}

/// List the markups of an organization, the latest to begin first.
#[utoipa::path(
    get, path = "/api/operator/organizations/{organization_id}/markups", tag = "Operator",
    operation_id = "list_markups",
    params(
        ("organization_id" = String, Path, description = "The organization"),
        Page,
    ),
    responses((status = 200, body = List<OrganizationMarkup>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
    page: Page,
) -> Response {
    let now = control.now();
    let outcome = async {
        let read = control.store.read(move |tx| -> Outcome<_> {
            let organization = find(tx, &id)?;
            let all = markups::of(tx, &organization)?;
            let stated = markups::list(tx, &organization)?.into_iter().rev();
            let shown = |it| OrganizationMarkup::of(&organization, it, &all, now);
            Ok(stated.map(shown).collect::<Vec<_>>())
        });
        Ok(Json(between(read.await?, &page, None)?))
    };
    answer(&control, outcome.await)
}

/// Put a markup on an organization's prices, at once or from a later date on.
#[utoipa::path(
    post, path = "/api/operator/organizations/{organization_id}/markups", tag = "Operator",
    operation_id = "create_markup", request_body = NewOrganizationMarkup,
    params(("organization_id" = String, Path, description = "The organization")),
    responses((status = 200, body = OrganizationMarkup)), security(("session" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let (markup, model) = asked(&control, &fields)?;
        let start = fields.instant("effective_at")?;
        let entropy = control.entropy;
        let change = control.operate(operator, move |tx, now| {
            let organization = find(tx, &id)?;
            let new = NewMarkup {
                organization: organization.clone(),
                model,
                markup,
                start,
            };
            let stated = markups::add(tx, &new, now, entropy);
            let stated = stated.map_err(|error| refusal(error, &id))?;
            // One that begins at once may do so an instant later than the clock says.
            let at = match new.start {
                None => now.max(stated.rule.effective_at),
                Some(_) => now,
            };
            acted(tx, organization, stated, Kind::MarkupCreated, at)
        });
        change.await.map(Json)
    };
    answer(&control, outcome.await)
}

/// End a markup that is in force, or take one back that is to come.
#[utoipa::path(
    delete, path = "/api/operator/organizations/{organization_id}/markups/{markup_id}",
    tag = "Operator", operation_id = "end_markup",
    params(
        ("organization_id" = String, Path, description = "The organization"),
        ("markup_id" = String, Path, description = "The markup"),
    ),
    responses((status = 200, body = OrganizationMarkup)), security(("session" = []))
)]
pub(crate) async fn end(
    State(control): State<Control>,
    operator: Operator,
    Ids([organization, id]): Ids<2>,
) -> Response {
    let change = control.operate(operator, move |tx, now| {
        let organization = find(tx, &organization)?;
        let stated = markups::end(tx, &organization, &MarkupId::new(&id), now);
        let stated = stated.map_err(|error| refusal(error, &id))?;
        acted(tx, organization, stated, Kind::MarkupEnded, now)
    });
    answer(&control, change.await.map(Json))
}

/// What was done to a markup, for both logs.
fn acted(
    tx: &mut Tx<'_>,
    organization: OrganizationId,
    stated: Stated,
    kind: Kind,
    at: AtUs,
) -> Outcome<Acted<OrganizationMarkup>> {
    let event = stated.event(kind);
    let all = markups::of(tx, &organization)?;
    let markup = OrganizationMarkup::of(&organization, stated, &all, at);
    Ok(Acted::new(event, markup).concerning(vec![organization]))
}

/// `id` is the markup's that was named.
fn refusal(error: MarkupError, id: &str) -> Refusal {
    let start = |message: String| Refusal::Invalid {
        param: "effective_at".into(),
        message: format!("Invalid 'effective_at': {message}."),
    };
    match error {
        MarkupError::Past => {
            start("a markup never begins in the past; leave it out, and it begins at once".into())
        }
        MarkupError::Taken(other) => start(format!("the markup '{other}' begins then")),
        MarkupError::TooMany => {
            start("too many markups of the organization wait for their date".into())
        }
        MarkupError::Over => Refusal::PriceStands {
            message: "This markup is over: it was ended, or another one has followed it.",
        },
        MarkupError::Unknown => Refusal::Nowhere {
            what: "markup",
            id: id.to_owned(),
        },
        MarkupError::Store(error) => Refusal::Store(error),
    }
}
