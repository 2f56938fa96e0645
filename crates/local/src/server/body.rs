//! Request bodies: JSON objects of a bounded size.

use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde_json::{Map, Value};

use super::error::ApiError;

/// No prompt that fits a small model's context comes near this size.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The members of the JSON object that a request carries.
pub(crate) struct JsonObject(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        check_content_type(&request)?;
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await;
        let body = body.map_err(|_| {
            // A body that broke off has nobody left to read this; so it was too long.
            let message = format!("The request is larger than {MAX_BODY_BYTES} bytes.");
            ApiError::invalid(message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
        })?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(ApiError::invalid(
                "The request's body must be a JSON object.",
            )),
            Err(error) => Err(ApiError::invalid(format!(
                "We could not parse the JSON body of your request. It is not valid JSON: {error}."
            ))),
        }
    }
}

fn check_content_type(request: &Request) -> Result<(), ApiError> {
    let Some(given) = request.headers().get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let given = given.to_str().unwrap_or("unreadable");
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("Invalid Content-Type header ({kind}), expected application/json.");
    Err(ApiError::invalid(message))
}
