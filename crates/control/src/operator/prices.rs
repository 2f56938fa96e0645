//! `/api/operator/models/{model_id}/prices`: the price book of a model.
//!
//! A price is never changed, only followed by another one, now or at a later date; one that is to
//! come can be withdrawn. docs/prices.md says what counts when.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::PriceId;
use domain::money::Nusd;
use domain::price::{PriceHistory, StatedPrices, UnitPrices};
use domain::time::AtUs;
use domain::usage::UsageClass;
use serde::Serialize;
use store::Tx;
use store::audit::Kind;
use store::prices::{self, NewVersion, PriceError, Source, Stated, Version};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use super::models::ensure_offered;
use crate::Control;
use crate::body::Fields;
use crate::pagination::{List, Listed, Page, between};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// An entry of the price book.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Price {
    #[schema(example = "price_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(example = "operator.price")]
    object: &'static str,
    #[schema(example = "gpt-4o-mini")]
    model: String,
    state: PriceState,
    /// From when on it is in force, until the next one begins.
    effective_at: i64,
    /// What customers pay.
    price: Amounts,
    /// What the operator pays the upstream.
    cost: Amounts,
    /// Who stated it: `configuration`, `operator` or `import`.
    #[schema(example = "operator")]
    source: &'static str,
    created_at: i64,
    withdrawn_at: Option<i64>,
}

/// Whether a price counts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PriceState {
    ToCome,
    InForce,
    Past,
    Withdrawn,
}

/// US dollars for a million units of each class, as decimal numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Amounts {
    /// Input tokens that were read afresh.
    #[schema(example = "0.15")]
    input: String,
    #[schema(example = "0.075")]
    cached_input: String,
    #[schema(example = "0.15")]
    cache_write: String,
    /// Text tokens of answers.
    #[schema(example = "0.60")]
    output: String,
    #[schema(example = "0.60")]
    reasoning: String,
    #[schema(example = "0.15")]
    audio_input: String,
    #[schema(example = "0.60")]
    audio_output: String,
    #[schema(example = "0.15")]
    image: String,
    /// The requests themselves.
    #[schema(example = "0.00")]
    request: String,
}

/// US dollars for a million units, as decimal numbers. What is absent follows: cached input, cache
/// writes, audio and image input cost what input does, reasoning and audio output what output does,
/// and requests nothing.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; read by `stated`")]
pub(crate) struct StatedAmounts {
    /// "0" is a decision, too.
    #[schema(example = "0.15")]
    input: String,
    #[schema(example = "0.075")]
    cached_input: Option<String>,
    #[schema(example = "0.15")]
    cache_write: Option<String>,
    #[schema(example = "0.60")]
    output: String,
    #[schema(example = "0.60")]
    reasoning: Option<String>,
    #[schema(example = "0.15")]
    audio_input: Option<String>,
    #[schema(example = "0.60")]
    audio_output: Option<String>,
    #[schema(example = "0.15")]
    image: Option<String>,
    #[schema(example = "0.00")]
    request: Option<String>,
}

/// A price to be added to the book.
#[derive(Debug, ToSchema)]
pub(crate) struct NewPrice {
    /// What customers pay.
    #[schema(value_type = StatedAmounts)]
    price: UnitPrices,
    /// What the operator pays; what it is now if absent.
    #[schema(value_type = Option<StatedAmounts>)]
    cost: Option<UnitPrices>,
    /// When it comes into force, in Unix seconds; at once if absent.
    #[schema(
        value_type = Option<i64>, minimum = 0, maximum = 253_402_300_799_i64,
        example = 1_798_761_600
    )]
    effective_at: Option<AtUs>,
}

impl Amounts {
    pub(crate) fn of(prices: &UnitPrices) -> Self {
        let usd = |class| prices.of(class).to_usd();
        Amounts {
            input: usd(UsageClass::FreshInput),
            cached_input: usd(UsageClass::CachedInput),
            cache_write: usd(UsageClass::CacheWrite),
            output: usd(UsageClass::Output),
            reasoning: usd(UsageClass::Reasoning),
            audio_input: usd(UsageClass::AudioInput),
            audio_output: usd(UsageClass::AudioOutput),
            image: usd(UsageClass::Image),
            request: usd(UsageClass::Request),
        }
    }
}

impl Price {
    /// `history` is the model's, to which the version belongs unless it was withdrawn.
    pub(crate) fn of(version: Version, history: &PriceHistory, now: AtUs) -> Self {
        let entry = &version.entry;
        let in_force = history.in_force(now).map(|it| &it.id);
        let state = match version.withdrawn_at {
            Some(_) => PriceState::Withdrawn,
            None if entry.effective_at > now => PriceState::ToCome,
            None if in_force == Some(&entry.id) => PriceState::InForce,
            None => PriceState::Past,
        };
        Price {
            id: entry.id.to_string(),
            object: "operator.price",
            state,
            effective_at: entry.effective_at.seconds(),
            price: Amounts::of(&entry.price),
            cost: Amounts::of(&entry.cost),
            source: version.source.as_str(),
            created_at: version.created_at.seconds(),
            withdrawn_at: version.withdrawn_at.map(AtUs::seconds),
            model: version.model,
        }
    }
}

impl Listed for Price {
    fn id(&self) -> &str {
        &self.id
    }
}

impl NewPrice {
    pub(crate) fn read(fields: &Fields) -> Outcome<Self> {
        Ok(NewPrice {
            effective_at: fields.instant("effective_at")?,
            price: fields.required("price", stated(fields, "price")?)?,
            cost: stated(fields, "cost")?,
        })
    }

    /// The price as it is to be, for a model.
    pub(crate) fn stated(&self, tx: &mut Tx<'_>, model: &str, now: AtUs) -> Outcome<Stated> {
        let cost = match self.cost {
            Some(cost) => cost,
            None => {
                let history = prices::history(tx, model)?;
                let from = self.effective_at.unwrap_or(now);
                let before = history.in_force(from).map(|entry| entry.cost);
                before.unwrap_or_else(|| StatedPrices::default().into())
            }
        };
        Ok(Stated {
            model: model.to_owned(),
            price: self.price,
            cost,
        })
    }
}

fn stated(fields: &Fields, param: &str) -> Outcome<Option<UnitPrices>> {
    let Some(amounts) = fields.object(param, &format!("{param}."))? else {
        return Ok(None);
    };
    let amount = |class: &str| -> Outcome<Option<Nusd>> { amounts.usd(class) };
    let stated = StatedPrices {
        input: amounts.required("input", amount("input")?)?,
        cached_input: amount("cached_input")?,
        cache_write: amount("cache_write")?,
        output: amounts.required("output", amount("output")?)?,
        reasoning: amount("reasoning")?,
        audio_input: amount("audio_input")?,
        audio_output: amount("audio_output")?,
        image: amount("image")?,
        request: amount("request")?,
    };
    Ok(Some(stated.into()))
}

/// List the price book of a model, the latest to begin first.
#[utoipa::path(
    get, path = "/api/operator/models/{model_id}/prices", tag = "Operator",
    operation_id = "list_prices",
    params(
        ("model_id" = String, Path, description = "The model, its slashes as %2F"),
        Page,
    ),
    responses((status = 200, body = List<Price>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    Ids([model]): Ids<1>,
    page: Page,
) -> Response {
    let outcome = async {
        ensure_offered(&control, &model)?;
        let now = control.now();
        let read = control.store.read(move |tx| -> Outcome<_> {
            let history = prices::history(tx, &model)?;
            let versions = prices::versions(tx, &model)?.into_iter().rev();
            Ok(versions
                .map(|it| Price::of(it, &history, now))
                .collect::<Vec<_>>())
        });
        Ok(Json(between(read.await?, &page, None)?))
    };
    answer(&control, outcome.await)
}

/// Retrieve a price.
#[utoipa::path(
    get, path = "/api/operator/models/{model_id}/prices/{price_id}", tag = "Operator",
    operation_id = "retrieve_price",
    params(
        ("model_id" = String, Path, description = "The model, its slashes as %2F"),
        ("price_id" = String, Path, description = "The price"),
    ),
    responses((status = 200, body = Price)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([model, id]): Ids<2>,
) -> Response {
    let now = control.now();
    let read = control.store.read(move |tx| -> Outcome<_> {
        let version = prices::version(tx, &model, &PriceId::new(&id))?;
        let version = version.ok_or_else(|| no_price(&id))?;
        Ok(Price::of(version, &prices::history(tx, &model)?, now))
    });
    answer(&control, read.await.map(Json))
}

/// Add a price to the book, in force at once or from a later date on. What is in flight keeps its.
#[utoipa::path(
    post, path = "/api/operator/models/{model_id}/prices", tag = "Operator",
    operation_id = "create_price", request_body = NewPrice,
    params(("model_id" = String, Path, description = "The model, its slashes as %2F")),
    responses((status = 200, body = Price)), security(("session" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    operator: Operator,
    Ids([model]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewPrice::read(&fields)?;
        ensure_offered(&control, &model)?;
        let entropy = control.entropy;
        let change = control.operate(operator, move |tx, now| {
            let version = NewVersion {
                stated: new.stated(tx, &model, now)?,
                start: new.effective_at,
                source: Source::Operator,
            };
            let version = prices::add(tx, &version, now, entropy);
            let version = version.map_err(|error| refusal(error, &model))?;
            let event = version.event(Kind::PriceCreated);
            // One that begins at once may do so an instant later than the other clock says.
            let at = now.max(version.created_at);
            let price = Price::of(version, &prices::history(tx, &model)?, at);
            Ok(Acted::new(event, price))
        });
        change.await.map(Json)
    };
    answer(&control, outcome.await)
}

/// Withdraw a price that is to come, at least ten seconds before it does.
#[utoipa::path(
    delete, path = "/api/operator/models/{model_id}/prices/{price_id}", tag = "Operator",
    operation_id = "withdraw_price",
    params(
        ("model_id" = String, Path, description = "The model, its slashes as %2F"),
        ("price_id" = String, Path, description = "The price"),
    ),
    responses((status = 200, body = Price)), security(("session" = []))
)]
pub(crate) async fn withdraw(
    State(control): State<Control>,
    operator: Operator,
    Ids([model, id]): Ids<2>,
) -> Response {
    let change = control.operate(operator, move |tx, now| {
        let version = prices::withdraw(tx, &model, &PriceId::new(&id), now);
        let version = version.map_err(|error| refusal(error, &id))?;
        let event = version.event(Kind::PriceWithdrawn);
        let price = Price::of(version, &prices::history(tx, &model)?, now);
        Ok(Acted::new(event, price))
    });
    answer(&control, change.await.map(Json))
}

fn no_price(id: &str) -> Refusal {
    Refusal::Nowhere {
        what: "price",
        id: id.to_owned(),
    }
}

/// `id` is the price's that was named.
fn refusal(error: PriceError, id: &str) -> Refusal {
    let start = |message: String| Refusal::Invalid {
        param: "effective_at".into(),
        message: format!("Invalid 'effective_at': {message}."),
    };
    match error {
        PriceError::Past => start(
            "a price never begins in the past; leave it out, and the price begins at once".into(),
        ),
        PriceError::Taken(other) => start(format!("the price '{other}' begins then")),
        PriceError::TooMany => start("too many prices of the model wait for their date".into()),
        PriceError::Begun | PriceError::Withdrawn => Refusal::PriceStands {
            message: match error {
                PriceError::Begun => {
                    "This price has begun, or begins within seconds, so it stands. Add another one to follow it."
                }
                _ => "This price was withdrawn before.",
            },
        },
        PriceError::Unknown => no_price(id),
        PriceError::Store(error) => Refusal::Store(error),
    }
}
