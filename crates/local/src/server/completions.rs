//! `POST /v1/completions`: plain text in, its continuation out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::App;
use super::answer::{Prompts, answer};
use super::body::JsonObject;
use super::error::ApiError;
use super::fields::Fields;
use super::render::Shape;
use super::settings::Settings;
use super::texts::{Texts, split_all};

/// What OpenAI continues a text by, if not told.
const DEFAULT_MAX_TOKENS: usize = 16;
const MAX_PROMPTS: usize = 32;

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let fields = Fields(&body);
    app.check_model(fields.model()?)?;
    let texts = Texts {
        param: "prompt",
        most: MAX_PROMPTS,
    };
    let texts = texts.read(fields.required("prompt")?)?;
    refuse_unsupported(&fields)?;
    let mut settings = Settings::read(&fields)?;
    settings.max_tokens.get_or_insert(DEFAULT_MAX_TOKENS);
    let prompts = Prompts {
        tokens: split_all(&app, "prompt", texts).await?,
        param: "prompt",
    };
    answer(&app, Shape::Completion, prompts, settings).await
}

fn refuse_unsupported(fields: &Fields<'_>) -> Result<(), ApiError> {
    if fields.text("suffix")?.is_some_and(|text| !text.is_empty()) {
        return Err(ApiError::unsupported("suffix"));
    }
    if fields.flag("echo")? {
        return Err(ApiError::unsupported("echo"));
    }
    if fields.integer("logprobs")?.is_some() {
        return Err(ApiError::unsupported("logprobs"));
    }
    let wanted = fields.integer("n")?.unwrap_or(1);
    if fields.integer("best_of")?.is_some_and(|of| of > wanted) {
        return Err(ApiError::unsupported("best_of"));
    }
    Ok(())
}
