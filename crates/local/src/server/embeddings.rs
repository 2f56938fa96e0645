//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::App;
use super::answer::THREAD_GAVE_UP;
use super::body::JsonObject;
use super::error::ApiError;
use super::fields::{Fields, wrong_value};
use super::queue::Job;
use super::texts::{Texts, split_all};
use crate::engine::EmbedError;

const MAX_INPUTS: usize = 2048;

/// How vectors are written. The official SDKs ask for base64, which is a third of the size.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Float,
    Base64,
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    JsonObject(body): JsonObject,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields(&body);
    app.check_model(fields.model()?)?;
    let texts = Texts {
        param: "input",
        most: MAX_INPUTS,
    };
    let texts = texts.read(fields.required("input")?)?;
    let encoding = match fields.text("encoding_format")? {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(other) => {
            return Err(wrong_value(
                "encoding_format",
                other,
                "'float' and 'base64'",
            ));
        }
    };
    let width = app.engine.embedding_width();
    let asked_width = fields.integer("dimensions")?;
    if asked_width.is_some_and(|asked| usize::try_from(asked) != Ok(width)) {
        return Err(ApiError::unsupported("dimensions"));
    }
    let inputs = split_all(&app, "input", texts).await?;
    let context_tokens = app.engine.context_tokens();
    if let Some(long) = inputs.iter().find(|input| input.len() > context_tokens) {
        return Err(ApiError::too_long(context_tokens, long.len(), "input"));
    }
    let input_tokens: usize = inputs.iter().map(Vec::len).sum();
    let vectors = embed(&app, inputs).await?;
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| {
            let embedding = encoding.write(vector);
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    Ok(Json(json!({
        "object": "list",
        "data": data,
        "model": app.model_id,
        "usage": {"prompt_tokens": input_tokens, "total_tokens": input_tokens},
    })))
}

/// Has all inputs embedded by one inference thread, which stops when this future is dropped.
async fn embed(app: &App, inputs: Vec<Vec<u32>>) -> Result<Vec<Vec<f32>>, ApiError> {
    let (reply, mut result) = mpsc::channel(1);
    let watched = reply.clone();
    let engine = Arc::clone(&app.engine);
    let job = Job {
        abandoned: Box::new(move || watched.is_closed()),
        run: Box::new(move |session| {
            let keep_going = || !reply.is_closed();
            let vectors: Result<Vec<_>, EmbedError> = inputs
                .iter()
                .map(|input| engine.embed(session, input, &keep_going))
                .collect();
            // There is room for the one result; nobody minds if the client has just left.
            let _ = reply.try_send(vectors);
        }),
    };
    app.queue.submit(job).map_err(ApiError::overloaded)?;
    match result.recv().await {
        Some(Ok(vectors)) => Ok(vectors),
        Some(Err(problem)) => Err(ApiError::internal(&problem)),
        None => Err(ApiError::internal(&THREAD_GAVE_UP)),
    }
}

impl Encoding {
    fn write(self, vector: &[f32]) -> Value {
        match self {
            Self::Float => json!(vector),
            Self::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                Value::String(STANDARD.encode(bytes))
            }
        }
    }
}
