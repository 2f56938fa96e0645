//! The handlers: each names its endpoint and its part of the API's description.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{Request, Response};
use domain::access;
use domain::id::{OrganizationId, RequestId};
use domain::money::Nusd;
use domain::restriction::Call;
use http::header::{CONTENT_TYPE, HeaderValue};
use utoipa::IntoParams;
use wire::models;
use wire::request::Endpoint;

use crate::bodies::{self, ChatRequest, CompletionRequest, EmbeddingRequest, ResponseRequest};
use crate::catalog::Model;
use crate::headers::{Stamp, put_money};
use crate::log::Who;
use crate::refusal::Refusal;
use crate::state::Gateway;
use crate::{authenticate, body, pipeline, respond};

/// What a request may carry beside its body and key.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "describes; the headers are read where they mean something"
)]
struct RequestHeaders {
    /// Names the request: sent again within 24 hours, with the same body, it does not run or cost
    /// again, and gets the same answer. Visible ASCII; a UUID is a good one.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        nullable = false
    )]
    idempotency_key: Option<String>,
    /// Whether the output limit may be lowered to what the money pays for. Left out, it may where
    /// the request names none.
    #[param(rename = "farebox-allow-shorter", nullable = false)]
    farebox_allow_shorter: Option<bool>,
}

/// Create a chat completion.
///
/// OpenAI's request and answer, plain or streamed. Fields that Farebox does not know reach the
/// model untouched.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "Models", request_body = ChatRequest,
    params(RequestHeaders),
    responses((status = 200, description = "A chat completion, or its chunks", content(
        (Object = "application/json", example = json!({
            "id": "chatcmpl-7YkQ2nV0bX4cR9sLwA3eTz1M", "object": "chat.completion",
            "created": 1_798_761_600, "model": "gpt-4o-mini",
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": "Hello!"},
                "finish_reason": "stop"
            }],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
        })),
        (String = "text/event-stream")
    ))),
    security(("key" = []))
)]
pub(crate) async fn chat(State(gateway): State<Gateway>, request: Request<Body>) -> Response<Body> {
    pipeline::answer(&gateway, Endpoint::Chat, request).await
}

/// Create a completion.
#[utoipa::path(
    post, path = "/v1/completions", tag = "Models", request_body = CompletionRequest,
    params(RequestHeaders),
    responses((status = 200, description = "A completion, or its chunks", content(
        (Object = "application/json", example = json!({
            "id": "cmpl-7YkQ2nV0bX4cR9sLwA3eTz1M", "object": "text_completion",
            "created": 1_798_761_600, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "text": "there was", "finish_reason": "length"}],
            "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
        })),
        (String = "text/event-stream")
    ))),
    security(("key" = []))
)]
pub(crate) async fn completions(
    State(gateway): State<Gateway>,
    request: Request<Body>,
) -> Response<Body> {
    pipeline::answer(&gateway, Endpoint::Completions, request).await
}

/// Create a response.
///
/// Nothing is stored: `store`, `previous_response_id`, `conversation` and hosted tools are refused.
#[utoipa::path(
    post, path = "/v1/responses", tag = "Models", request_body = ResponseRequest,
    params(RequestHeaders),
    responses((status = 200, description = "A response, or a stream of its events", content(
        (Object = "application/json", example = json!({
            "id": "resp_7YkQ2nV0bX4cR9sLwA3eTz1M", "object": "response",
            "created_at": 1_798_761_600, "model": "gpt-4o-mini", "status": "completed",
            "output": [{
                "id": "msg_7YkQ2nV0bX4cR9sLwA3eTz1M", "type": "message", "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hello!", "annotations": []}]
            }],
            "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}
        })),
        (String = "text/event-stream")
    ))),
    security(("key" = []))
)]
pub(crate) async fn responses(
    State(gateway): State<Gateway>,
    request: Request<Body>,
) -> Response<Body> {
    pipeline::answer(&gateway, Endpoint::Responses, request).await
}

/// Create embeddings.
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "Models", request_body = EmbeddingRequest,
    params(RequestHeaders),
    responses((status = 200, description = "A list of embeddings", body = Object, example = json!({
        "object": "list", "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
        "usage": {"prompt_tokens": 2, "total_tokens": 2}
    }))),
    security(("key" = []))
)]
pub(crate) async fn embeddings(
    State(gateway): State<Gateway>,
    request: Request<Body>,
) -> Response<Body> {
    pipeline::answer(&gateway, Endpoint::Embeddings, request).await
}

/// List the models that the key may use.
#[utoipa::path(
    get, path = "/v1/models", tag = "Models",
    responses((status = 200, description = "All models", body = bodies::ModelList)),
    security(("key" = []))
)]
pub(crate) async fn list_models(State(gateway): State<Gateway>, head: Parts) -> Response<Body> {
    look_up(&gateway, &head, |visible| {
        let list = models::ModelList::new(visible.iter().map(|model| shown(model)).collect());
        Ok(serde_json::to_vec(&list).unwrap_or_default())
    })
    .await
}

/// Retrieve a model. Its id may contain slashes.
#[utoipa::path(
    get, path = "/v1/models/{model}", tag = "Models",
    params(("model" = String, Path, description = "The model's id")),
    responses((status = 200, description = "The model", body = bodies::Model)),
    security(("key" = []))
)]
pub(crate) async fn retrieve_model(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    head: Parts,
) -> Response<Body> {
    model_named(&gateway, &id, &head).await
}

/// As [`retrieve_model`], for an id with slashes that the client did not encode.
pub(crate) async fn retrieve_slashed_model(
    State(gateway): State<Gateway>,
    Path((vendor, rest)): Path<(String, String)>,
    head: Parts,
) -> Response<Body> {
    model_named(&gateway, &format!("{vendor}/{rest}"), &head).await
}

async fn model_named(gateway: &Gateway, id: &str, head: &Parts) -> Response<Body> {
    look_up(gateway, head, |visible| {
        let model = visible.iter().find(|model| *model.id == *id);
        let model = model.ok_or_else(|| Refusal::NoModel {
            model: id.to_owned(),
        })?;
        Ok(serde_json::to_vec(&shown(model)).unwrap_or_default())
    })
    .await
}

/// Answers a path that nobody serves.
pub(crate) async fn no_route(
    State(gateway): State<Gateway>,
    request: Request<Body>,
) -> Response<Body> {
    let refusal = Refusal::NoRoute {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
    };
    refuse(&gateway, request, &refusal).await
}

/// Answers a method that a path does not take.
pub(crate) async fn no_method(
    State(gateway): State<Gateway>,
    request: Request<Body>,
) -> Response<Body> {
    let refusal = Refusal::NoMethod {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
    };
    refuse(&gateway, request, &refusal).await
}

async fn refuse(gateway: &Gateway, request: Request<Body>, refusal: &Refusal) -> Response<Body> {
    let (head, body) = request.into_parts();
    body::take_rest(&head.headers, body).await;
    let id = RequestId::random(gateway.now(), gateway.0.settings.entropy);
    respond::respond(refusal, &Stamp::new(id), &gateway.0.settings.public_url)
}

/// A look at the catalogue, which costs nothing and still wants a key.
async fn look_up(
    gateway: &Gateway,
    head: &Parts,
    read: impl FnOnce(&[std::sync::Arc<Model>]) -> Result<Vec<u8>, Refusal>,
) -> Response<Body> {
    let now = gateway.now();
    let mut stamp = Stamp::new(RequestId::random(now, gateway.0.settings.entropy));
    let outcome = (|| {
        let (caller, project) =
            authenticate::caller(gateway, head, Call::Models, now, &mut Who::default())?;
        let principal = &caller.principal;
        stamp.caller = Some((principal.organization.clone(), project.clone()));
        gateway.0.suspended.pass(&principal.organization)?;
        let catalog = gateway.0.catalog.load();
        let allowed = |model: &&std::sync::Arc<Model>| {
            access::model(principal, &model.id).is_ok()
                && gateway.0.project_models.allow(&project, &model.id)
                && !gateway.0.terms.is_disabled(&model.id)
        };
        let visible: Vec<_> = catalog.models.values().filter(allowed).cloned().collect();
        let body = read(&visible)?;
        caller.used(now);
        Ok((body, principal.organization.clone()))
    })();
    match outcome {
        Ok((body, organization)) => free(gateway, &stamp, body, &organization).await,
        Err(refusal) => respond::respond(&refusal, &stamp, &gateway.0.settings.public_url),
    }
}

/// An answer that costs nothing.
pub(crate) async fn free(
    gateway: &Gateway,
    stamp: &Stamp,
    body: Vec<u8>,
    organization: &OrganizationId,
) -> Response<Body> {
    let balance = gateway.0.books.balance(organization).await;
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    stamp.put(headers);
    put_money(headers, Nusd::ZERO, balance);
    response
}

fn shown(model: &Model) -> models::Model {
    models::Model::new(&*model.id, model.created_at_s, &*model.owned_by)
}
