//! One chat completion over HTTP, as any client would make it.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::http_client::{self, BaseUrl, Connection, Failed};

/// Far more than the demo's answer needs.
const MOST_ANSWER_BYTES: usize = 1 << 20;

/// What was asked, what came back, and what it cost: ready to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) request: String,
    pub(super) answer: String,
    pub(super) usage: String,
    /// USD, a decimal number.
    pub(super) cost: String,
    /// USD, a decimal number.
    pub(super) balance: String,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// Sends `prompt` to `model` at `base`, with `key`.
///
/// # Errors
/// What went wrong, in sentences; never the key.
pub(super) async fn chat(
    base: &str,
    key: &str,
    model: &str,
    prompt: &str,
) -> Result<Exchange, String> {
    let url = format!("{base}/chat/completions");
    let body = json!({
        "model": model,
        "messages": [{ "role": "user", "content": prompt }],
        "max_tokens": 64,
        "temperature": 0,
    });
    let (status, headers, answer) = post(base, key, &body).await.map_err(|error| {
        let why = http_client::told(&error);
        format!("the request to {url} failed: {why}. Try again.")
    })?;
    let text = String::from_utf8_lossy(&answer);
    if status != StatusCode::OK {
        return Err(format!(
            "the request was answered with {status}: {}.",
            text.trim()
        ));
    }
    let completion: Completion = serde_json::from_slice(&answer)
        .map_err(|error| format!("the answer is not what was expected ({error}): {text}."))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let money = |name: &str| {
        header(name)
            .map(str::to_owned)
            .ok_or_else(|| format!("the answer has no {name} header."))
    };
    let usage = &completion.usage;
    Ok(Exchange {
        request: format!("POST {url}\n{body}"),
        answer: completion
            .choices
            .into_iter()
            .map(|choice| choice.message.content)
            .collect(),
        usage: format!(
            "{} input + {} output = {} tokens",
            usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
        ),
        cost: money("farebox-cost")?,
        balance: money("farebox-balance")?,
    })
}

async fn post(
    base: &str,
    key: &str,
    body: &serde_json::Value,
) -> Result<(StatusCode, HeaderMap, Bytes), Failed> {
    let request = Request::post("/chat/completions")
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let mut connection = Connection::new(BaseUrl::parse(base)?);
    let (head, body) = connection.send(request).await?.into_parts();
    let body = http_client::whole(body, MOST_ANSWER_BYTES).await?;
    Ok((head.status, head.headers, body))
}
