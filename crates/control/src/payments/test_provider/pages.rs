//! `/test-payments`: the pages of the test provider, where a customer would leave Farebox for a
//! provider's. They are there only where the provider is, for callers from this machine.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use domain::id::random_base62;
use domain::money::Nusd;
use http::StatusCode;
use http::request::Parts;
use minijinja::context;

use super::TestProvider;
use super::html::{NUMBERS, page, style};
use super::steps::{News, Next, Over, answered, decided, question, try_to_pay, view};
use super::things::{CheckoutThing, Kept};
use super::typed::Form;
use crate::Control;
use crate::outbox::is_at_home;
use crate::payments::hearing::hear;
use crate::payments::provider::{Notice, ProviderError};
use crate::query::Query;
use crate::respond::{Refusal, answer};

/// The pages, which are no part of the API.
pub(crate) fn routes() -> axum::Router<Control> {
    axum::Router::new()
        .route("/test-payments/style.css", get(looks))
        .route("/test-payments/{reference}", get(show).post(pay))
        .route(
            "/test-payments/{reference}/authenticate",
            get(ask).post(authenticate),
        )
        .route("/test-payments/{reference}/dispute", post(decide))
}

/// Somebody on this machine, where the test provider is.
pub(crate) struct Desk(TestProvider);

impl FromRequestParts<Control> for Desk {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        match &control.payments.test {
            Some(provider) if is_at_home(parts) => Ok(Desk(provider.clone())),
            _ => {
                let nowhere = Refusal::NoRoute {
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                };
                Err(answer::<()>(control, Err(nowhere)))
            }
        }
    }
}

async fn looks(State(control): State<Control>, _: Desk) -> Response {
    style(&control.public_url)
}

async fn show(State(control): State<Control>, desk: Desk, Path(name): Path<String>) -> Response {
    let shown = desk.0.write(move |tx, now| view(tx, &name, now)).await;
    respond(&control, shown)
}

async fn ask(State(control): State<Control>, desk: Desk, Path(name): Path<String>) -> Response {
    let shown = desk.0.write(move |tx, now| question(tx, &name, now));
    respond(&control, shown.await)
}

async fn pay(
    State(control): State<Control>,
    desk: Desk,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let form = Form::read(&body);
    let again = name.clone();
    let tried = desk
        .0
        .write(move |tx, now| try_to_pay(tx, &name, &form, now));
    let tried = tried.await;
    finish(control, desk, again, tried).await
}

async fn authenticate(
    State(control): State<Control>,
    desk: Desk,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let is_known = outcome(&body) == "complete";
    let again = name.clone();
    let tried = desk
        .0
        .write(move |tx, now| answered(tx, &name, is_known, now));
    let tried = tried.await;
    finish(control, desk, again, tried).await
}

async fn decide(
    State(control): State<Control>,
    desk: Desk,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let is_won = outcome(&body) == "won";
    let again = name.clone();
    let tried = desk.0.write(move |tx, now| decided(tx, &name, is_won, now));
    let tried = tried.await;
    finish(control, desk, again, tried).await
}

fn outcome(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let query = Query::parse(Some(&text)).ok();
    let outcome = query.and_then(|query| query.one("outcome").map(ToOwned::to_owned));
    outcome.unwrap_or_default()
}

/// Shows what came of a form, and lets Farebox hear of it as a provider would: later.
async fn finish(
    control: Control,
    desk: Desk,
    name: String,
    tried: Result<(Next, News), ProviderError>,
) -> Response {
    let (next, news) = match tried {
        Ok(done) => done,
        // Another tab was faster: what is now is shown.
        Err(ProviderError::Store(_)) => {
            let shown = desk.0.write(move |tx, now| view(tx, &name, now)).await;
            return respond(&control, shown);
        }
        Err(error) => return respond(&control, Err(error)),
    };
    let hearing = control.clone();
    tokio::spawn(async move {
        for (kind, about) in news {
            let notice = Notice {
                id: format!("test_evt_{}", random_base62(24, hearing.entropy)),
                kind: kind.to_owned(),
                about,
            };
            if let Err(error) = hear(&hearing, &desk.0, &notice).await {
                // Nothing is lost: what is under way is looked at again and again.
                tracing::warn!(%error, "what the test provider told was not heard");
            }
        }
    });
    respond(&control, Ok(next))
}

fn respond(control: &Control, next: Result<Next, ProviderError>) -> Response {
    let url = &control.public_url;
    match next {
        Ok(Next::To(to)) => Redirect::to(&to).into_response(),
        Ok(Next::Form(checkout, problem)) => {
            let status = match problem {
                Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
                None => StatusCode::OK,
            };
            form(status, &checkout, problem, url)
        }
        Ok(Next::Ask(reference, amount)) => {
            let total = amount.map(|amount| amount.to_string());
            page(
                StatusCode::OK,
                "authenticate.html",
                context! { reference, total },
                url,
            )
        }
        Ok(Next::Over(over)) => {
            let Over {
                reference,
                title,
                text,
                back_url,
                is_disputed: disputed,
            } = over;
            let context = context! { reference, title, text, back_url, disputed };
            page(StatusCode::OK, "over.html", context, url)
        }
        Err(ProviderError::Refused { .. }) => {
            let context = context! {
                title => "There is nothing to pay here",
                text => "Go back, and begin again.",
                back_url => format!("{url}/billing"),
            };
            page(StatusCode::NOT_FOUND, "over.html", context, url)
        }
        Err(error) => {
            tracing::error!(%error, "the test provider failed");
            let context = context! {
                title => "That did not work",
                text => "Nothing was charged by this try. Go back, and look at your payments.",
                back_url => format!("{url}/billing"),
            };
            page(StatusCode::SERVICE_UNAVAILABLE, "over.html", context, url)
        }
    }
}

fn form(
    status: StatusCode,
    checkout: &Kept<CheckoutThing>,
    problem: Option<String>,
    url: &str,
) -> Response {
    let order = &checkout.body.order;
    let shown = |cents: i64| Nusd::from_cents(cents).unwrap_or_default().to_string();
    let declined = checkout.body.failure.as_ref().map(|it| it.message.clone());
    let context = context! {
        reference => checkout.reference,
        is_setup => order.is_setup,
        saves_method => order.saves_method,
        amount => shown(order.amount_cents),
        tax => (order.tax_cents > 0).then(|| shown(order.tax_cents)),
        total => shown(order.gross_cents()),
        problem => problem.or(declined),
        cancel_url => order.cancel_url,
        cards => NUMBERS,
    };
    page(status, "pay.html", context, url)
}
