//! Reads a request's body before anything is decided about the request.
//!
//! A refusal that leaves a body unread ends the connection, and the next request that the client
//! sends on it finds nobody there. Bodies are small here, so they are read first.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::Control;
use crate::respond::{BODY_BYTES, Refusal, answer};

/// Goes on with a request whose body is here. One that is too large, or does not say how large it
/// is, is left to who wants it.
pub(crate) async fn read_first(
    State(control): State<Control>,
    request: Request,
    next: Next,
) -> Response {
    let length = request.body().size_hint().upper();
    if length.is_none_or(|bytes| bytes == 0 || bytes > BODY_BYTES as u64) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    match to_bytes(body, BODY_BYTES).await {
        Ok(bytes) => next.run(Request::from_parts(head, Body::from(bytes))).await,
        Err(_) => answer::<()>(&control, Err(Refusal::CutOff)),
    }
}
