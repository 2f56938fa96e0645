//! The upstream that the gateway under test calls: it answers as each prompt says, reports exact
//! usage, and books every call.
//!
//! It counts a word as a token, on both sides, and obeys the output limit it is given. What is
//! asked without this run's mark (a health check) gets a short answer and is booked all the same.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::answer::{self, Text};
use super::books::Books;
use super::delivery::Delivery;
use super::plan::Mark;
use crate::cli::Failure;
use crate::server;

/// Far more than the longest prompt, with whatever a gateway adds.
const MOST_BODY_BYTES: usize = 4 << 20;
/// What an answer without a mark says.
const UNMARKED_WORDS: u64 = 2;

/// A running upstream; it ends when dropped.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

/// What every call needs.
struct Script {
    books: Arc<Books>,
    run: String,
    model: String,
}

impl Upstream {
    /// Serves on `listen`.
    ///
    /// # Errors
    /// If it cannot be listened on.
    pub(super) async fn start(
        listen: SocketAddr,
        books: Arc<Books>,
        run: &str,
        model: &str,
    ) -> Result<Self, Failure> {
        let bound = server::listen(listen);
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|error| {
            Failure::new(format!(
                "{listen} cannot be listened on: {error}. Choose another address for the upstream \
                 with --upstream-listen, and lead the gateway there."
            ))
        })?;
        let script = Arc::new(Script {
            books,
            run: run.to_owned(),
            model: model.to_owned(),
        });
        let task = tokio::spawn(accept(listener, script));
        Ok(Upstream { address, task })
    }

    /// What the gateway's configuration must say, unless it sees this machine by another name.
    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(serve(socket, Arc::clone(&script)));
            }
            // Out of file descriptors, most likely: some will be given back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(socket: TcpStream, script: Arc<Script>) {
    let service = service_fn(|request| route(request, Arc::clone(&script)));
    // A gateway that is killed breaks its connections; the books tell what came of the calls.
    if socket.set_nodelay(true).is_ok() {
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(socket), service)
            .await;
    }
}

type Body = Either<Full<Bytes>, Delivery>;

async fn route(
    request: Request<Incoming>,
    script: Arc<Script>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    // Gateways differ in whether `/v1` is theirs to add.
    let endpoint = path.strip_prefix("/v1").unwrap_or(&path);
    Ok(match (request.method(), endpoint) {
        (&Method::POST, "/chat/completions") => chat(request, &script).await,
        (&Method::GET, "/models") => plain(StatusCode::OK, &answer::models(&script.model)),
        (method, _) => {
            let message = format!("This mock upstream does not serve {method} {path}.");
            plain(StatusCode::NOT_FOUND, &answer::error(&message))
        }
    })
}

async fn chat(request: Request<Incoming>, script: &Script) -> Response<Body> {
    let body = Limited::new(request.into_body(), MOST_BODY_BYTES)
        .collect()
        .await;
    let body = body.ok().and_then(|body| {
        let body: Value = serde_json::from_slice(&body.to_bytes()).ok()?;
        body["messages"].is_array().then_some(body)
    });
    let Some(body) = body else {
        let message = "This mock upstream needs a JSON body with messages.";
        return plain(StatusCode::BAD_REQUEST, &answer::error(message));
    };
    let prompt = text_of(&body["messages"]);
    let mark = Mark::find(&prompt, &script.run);
    let limit = ["max_completion_tokens", "max_tokens"]
        .iter()
        .find_map(|name| body[name].as_u64());
    let wanted = mark.map_or(UNMARKED_WORDS, |mark| mark.answer_words);
    let answer_words = limit.map_or(wanted, |limit| wanted.min(limit)).max(1);
    let input_tokens = (prompt.split_whitespace().count() as u64).max(1);
    let number = mark.map(|mark| mark.number);
    let Some(call) = script.books.begin(number, input_tokens, answer_words) else {
        let message = "This mock upstream was called too often.";
        return plain(StatusCode::SERVICE_UNAVAILABLE, &answer::error(message));
    };
    let text = Text {
        call,
        model: body["model"].as_str().unwrap_or(&script.model).to_owned(),
        input_tokens,
        words: answer_words,
        cut: answer_words < wanted,
    };
    let pace = Duration::from_millis(mark.map_or(0, |mark| mark.answer_ms));
    let books = Arc::clone(&script.books);
    let (content_type, delivery) = if body["stream"] == true {
        let says_usage = body["stream_options"]["include_usage"] == true;
        let events = text.events(says_usage);
        (
            "text/event-stream",
            Delivery::paced(events, pace, books, call),
        )
    } else {
        // As a model does it: nothing, and then all of it.
        tokio::time::sleep(pace).await;
        let body = text.whole().to_string().into();
        ("application/json", Delivery::at_once(body, books, call))
    };
    respond(StatusCode::OK, content_type, Either::Right(delivery))
}

/// The text of all messages, whether a gateway leaves it as it is or cuts it into parts.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(text_of).collect();
            texts.join("\n")
        }
        Value::Object(fields) => ["content", "text"]
            .iter()
            .filter_map(|name| fields.get(*name))
            .map(text_of)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

fn plain(status: StatusCode, body: &Value) -> Response<Body> {
    let body = Full::new(body.to_string().into());
    respond(status, "application/json", Either::Left(body))
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_found_in_whatever_shape_a_gateway_sends_it() {
        let messages = json!([
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "how far"}]},
            {"role": "assistant", "content": null},
        ]);
        let text = text_of(&messages);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words, ["Be", "kind.", "how", "far"]);
    }
}
