//! Errors as OpenAI's clients expect them; every status code of this server is decided here.

use std::borrow::Cow;
use std::fmt::Display;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::error::ErrorBody;

use super::queue::Overloaded;
use crate::engine::PromptError;

const INTERNAL: &str = "The server had an error while processing your request. Sorry about that! \
    The model's log says more.";

/// A refused or failed request.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    retry_after_s: Option<u64>,
}

impl ApiError {
    /// 400: the request is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            body: ErrorBody {
                message: message.into(),
                kind: Cow::Borrowed("invalid_request_error"),
                param: None,
                code: None,
            },
            retry_after_s: None,
        }
    }

    /// 400: this parameter exists, and this model cannot do what it asks for.
    pub(crate) fn unsupported(param: &str) -> Self {
        let message = format!("Unsupported parameter: '{param}' is not supported with this model.");
        Self::invalid(message)
            .with_param(param)
            .with_code("unsupported_parameter")
    }

    /// 404: another model was asked for.
    pub(crate) fn model_not_found(asked: &str) -> Self {
        let message =
            format!("The model `{asked}` does not exist or you do not have access to it.");
        Self::invalid(message)
            .with_status(StatusCode::NOT_FOUND)
            .with_code("model_not_found")
    }

    /// 400: the prompt, sent in `param`, leaves no room in the context.
    pub(crate) fn too_long(context_tokens: usize, prompt_tokens: usize, param: &str) -> Self {
        let message = format!(
            "This model's maximum context length is {context_tokens} tokens. However, your \
             {param} resulted in {prompt_tokens} tokens. Please reduce the length of the {param}."
        );
        Self::invalid(message)
            .with_param(param)
            .with_code("context_length_exceeded")
    }

    /// 400: no prompt could be made.
    pub(crate) fn prompt(problem: &PromptError) -> Self {
        Self::invalid(problem.to_string())
    }

    /// 503: the queue is full.
    pub(crate) fn overloaded(overloaded: Overloaded) -> Self {
        let seconds = overloaded.retry_after_s;
        let message = format!(
            "The model is overloaded: as many requests as allowed are waiting already. \
             Please try again in {seconds}s."
        );
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: ErrorBody {
                message,
                kind: Cow::Borrowed("service_unavailable_error"),
                param: None,
                code: Some(Cow::Borrowed("server_is_overloaded")),
            },
            retry_after_s: Some(seconds),
        }
    }

    /// 500: our fault. The cause is logged here and not told.
    pub(crate) fn internal(cause: &dyn Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            body: ErrorBody {
                message: INTERNAL.to_owned(),
                kind: Cow::Borrowed("server_error"),
                param: None,
                code: None,
            },
            retry_after_s: None,
        }
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_param(mut self, param: impl Into<String>) -> Self {
        self.body.param = Some(param.into());
        self
    }

    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.body.code = Some(Cow::Borrowed(code));
        self
    }

    /// The envelope, for a stream that has already begun.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        self.body.to_json()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let mut response = (self.status, self.body.to_json()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = self.retry_after_s {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
