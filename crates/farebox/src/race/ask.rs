//! One client of the race: it asks, reads the answer as far as it comes, and says what it got.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use serde_json::{Value, json};
use tokio::time::timeout;
use wire::sse::{SseFrame, SseReader};

use super::answer;
use super::books::Seen;
use super::plan::Plan;
use crate::clock::Stopwatch;
use crate::config::Secret;
use crate::http_client::{self, BaseUrl, Connection, Failed};

/// The longest that one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Many times the longest answer.
const MOST_ANSWER_BYTES: usize = 1 << 20;
const MOST_MESSAGE_CHARS: usize = 400;

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Text of an answer, whole or not.
    Answer(Seen),
    /// No text, and the gateway said so.
    Refused(Refusal),
    /// No text, and no word of the gateway: it could not be reached, or broke off.
    Broken(String),
}

/// How a gateway says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The error's code, or its type; "" if it has neither.
    pub(super) code: String,
    /// Without the key, should the gateway have repeated it.
    pub(super) message: String,
}

/// How long it took, from before the request was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) whole: Duration,
    /// Until the first event with text; of a plain answer, the whole.
    pub(super) first_text: Duration,
}

/// One connection to an OpenAI-compatible server, and what is asked there.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    authorization: HeaderValue,
    key: Secret,
    model: String,
    run: String,
    stream: bool,
}

/// What all clients of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) model: String,
    /// The run's name in prompts.
    pub(super) run: String,
    pub(super) stream: bool,
}

impl Client {
    /// A client that shows `key` to the server of `base`.
    ///
    /// # Errors
    /// If the key cannot be a header's value.
    pub(super) fn new(base: &BaseUrl, key: &Secret, manner: &Manner) -> Result<Self, String> {
        let authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
        let mut authorization =
            authorization.map_err(|_| "the key holds characters that no key has".to_owned())?;
        authorization.set_sensitive(true);
        Ok(Client {
            connection: Connection::new(base.clone()),
            authorization,
            key: key.clone(),
            model: manner.model.clone(),
            run: manner.run.clone(),
            stream: manner.stream,
        })
    }

    /// Asks and waits for the end of the answer.
    pub(super) async fn ask(&mut self, plan: &Plan) -> (Outcome, Times) {
        let began = Stopwatch::start();
        let mut reading = Reading::default();
        let ended = match timeout(PATIENCE, self.exchange(plan, began, &mut reading)).await {
            Ok(ended) => ended,
            Err(_) => Err(format!("there was no whole answer within {PATIENCE:?}").into()),
        };
        if ended.is_err() {
            // Whatever is still to come must not be taken for the next answer.
            self.connection.close();
        }
        let times = Times {
            whole: began.elapsed(),
            first_text: reading.first_text.unwrap_or_else(|| began.elapsed()),
        };
        (reading.outcome(ended, &self.key), times)
    }

    async fn exchange(
        &mut self,
        plan: &Plan,
        began: Stopwatch,
        reading: &mut Reading,
    ) -> Result<(), Failed> {
        let mut body = json!({
            "model": self.model,
            "messages": [{"role": "user", "content": plan.prompt(&self.run)}],
            "max_tokens": plan.max_tokens,
        });
        if self.stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        let request = Request::post("/chat/completions")
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let (head, body) = self.connection.send(request).await?.into_parts();
        reading.status = head.status;
        let streamed = head
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        if streamed && head.status == StatusCode::OK {
            return reading.events(body, began).await;
        }
        let body = http_client::whole(body, MOST_ANSWER_BYTES).await?;
        reading.plain(&body);
        Ok(())
    }
}

/// An answer as far as it has come.
#[derive(Debug, Default)]
struct Reading {
    status: StatusCode,
    text: String,
    first_text: Option<Duration>,
    /// It has a finish reason, or `[DONE]`.
    finished: bool,
    error: Option<Value>,
}

impl Reading {
    fn plain(&mut self, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        if self.status == StatusCode::OK {
            let choice = &body["choices"][0];
            self.take(choice, &choice["message"]["content"]);
        }
        if self.status != StatusCode::OK || body["error"].is_object() {
            self.error = Some(body["error"].clone());
        }
    }

    async fn events(&mut self, mut body: Incoming, began: Stopwatch) -> Result<(), Failed> {
        let mut reader = SseReader::new(MOST_ANSWER_BYTES);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                reader.push(data);
            }
            while let Some(event) = reader.next()? {
                self.event(&event);
            }
            if !self.text.is_empty() && self.first_text.is_none() {
                self.first_text = Some(began.elapsed());
            }
            if self.text.len() > MOST_ANSWER_BYTES {
                return Err("the answer does not end".into());
            }
        }
        while let Some(event) = reader.finish()? {
            self.event(&event);
        }
        Ok(())
    }

    fn event(&mut self, event: &SseFrame) {
        if event.is_done() {
            self.finished = true;
            return;
        }
        let data = event.data.as_deref().unwrap_or_default();
        let data: Value = serde_json::from_slice(data).unwrap_or(Value::Null);
        let choice = &data["choices"][0];
        self.take(choice, &choice["delta"]["content"]);
        if data["error"].is_object() {
            self.error = Some(data["error"].clone());
        }
    }

    fn take(&mut self, choice: &Value, text: &Value) {
        self.text.push_str(text.as_str().unwrap_or_default());
        self.finished |= choice["finish_reason"].is_string();
    }

    /// `ended` is how the connection left it.
    fn outcome(self, ended: Result<(), Failed>, key: &Secret) -> Outcome {
        if !self.text.is_empty() {
            return Outcome::Answer(Seen {
                call: answer::call_of(&self.text),
                words: self.text.split_whitespace().count() as u64,
                whole: self.finished && self.error.is_none() && ended.is_ok(),
            });
        }
        if let Err(problem) = ended {
            return Outcome::Broken(shown(&http_client::told(&problem), key));
        }
        let error = self.error.unwrap_or(Value::Null);
        let text = |name: &str| match &error[name] {
            Value::String(text) => shown(text, key),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let code = Some(text("code")).filter(|code| !code.is_empty());
        Outcome::Refused(Refusal {
            status: self.status.as_u16(),
            code: code.unwrap_or_else(|| text("type")),
            message: text("message"),
        })
    }
}

/// A gateway's words, fit to be printed: no key, no control characters, not too long.
pub(super) fn shown(text: &str, key: &Secret) -> String {
    let text = match key.expose() {
        "" => text.to_owned(),
        key => text.replace(key, crate::config::REDACTED),
    };
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MOST_MESSAGE_CHARS).collect()
}
