//! An upstream that answers at once: what is measured through it is the gateway.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior};

/// Input tokens that every answer says.
pub const INPUT_TOKENS: u64 = 200;
/// Output tokens that a whole answer says; a stream says one for each chunk.
pub const OUTPUT_TOKENS: u64 = 20;

const CHAT: &str = concat!(
    r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"#,
    r#""model":"bench-model","choices":[{"index":0,"message":{"role":"assistant","#,
    r#""content":"An answer of about twenty tokens."},"logprobs":null,"finish_reason":"stop"}],"#,
    r#""usage":{"prompt_tokens":200,"completion_tokens":20,"total_tokens":220}}"#,
);

/// How the upstream listens and streams.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// How many chunks of text a stream has.
    #[arg(long, default_value_t = 200)]
    pub chunks: u64,
    /// How long it waits between two chunks.
    #[arg(long, default_value_t = 10)]
    pub interval_ms: u64,
}

/// Serves until it is killed.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn serve(settings: Settings) -> Result<(), String> {
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("{} cannot be listened on: {error}", settings.listen))?;
    crate::announce(listener.local_addr().map_err(|error| error.to_string())?);
    accept(listener, settings).await
}

/// Starts an upstream inside this process, on a free port; for tests.
///
/// # Errors
/// If no port can be listened on.
pub async fn start(settings: Settings) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    tokio::spawn(accept(listener, settings));
    Ok(address)
}

async fn accept(listener: TcpListener, settings: Settings) -> Result<(), String> {
    let script = Arc::new(Script::new(settings));
    loop {
        let (socket, _) = listener.accept().await.map_err(|error| error.to_string())?;
        let script = Arc::clone(&script);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&script)));
            // The load generator counts what breaks.
            if socket.set_nodelay(true).is_ok() {
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            }
        });
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Everything it ever sends, made once.
struct Script {
    first: Bytes,
    chunk: Bytes,
    finish: Bytes,
    usage: Bytes,
    chunks: u64,
    interval: Duration,
}

impl Script {
    fn new(settings: Settings) -> Self {
        let head = "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\
                    \"created\":1700000000,\"model\":\"bench-model\"";
        let event = |choices: &str, usage: &str| {
            Bytes::from(format!("data: {head},\"choices\":[{choices}]{usage}}}\n\n"))
        };
        let choice = |delta: &str, reason: &str| {
            format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}"#)
        };
        let (input, output) = (INPUT_TOKENS, settings.chunks);
        let usage = format!(
            ",\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":{output},\
             \"total_tokens\":{}}}",
            input + output,
        );
        Self {
            first: event(
                &choice(r#"{"role":"assistant","content":"word "}"#, "null"),
                "",
            ),
            chunk: event(&choice(r#"{"content":"word "}"#, "null"), ""),
            finish: event(&choice("{}", r#""stop""#), ""),
            usage: event("", &usage),
            chunks: settings.chunks,
            interval: Duration::from_millis(settings.interval_ms),
        }
    }

    /// The event with this number, in a stream that says its usage or not; `None` at the end.
    fn event(&self, number: u64, says_usage: bool) -> Option<Bytes> {
        match number {
            0 if self.chunks > 0 => Some(self.first.clone()),
            number if number < self.chunks => Some(self.chunk.clone()),
            number => match (number - self.chunks, says_usage) {
                (0, _) => Some(self.finish.clone()),
                (1, true) => Some(self.usage.clone()),
                (1, false) | (2, true) => Some(Bytes::from_static(b"data: [DONE]\n\n")),
                _ => None,
            },
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
) -> Result<Response<impl Body<Data = Bytes, Error: Into<BoxError>>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let (content_type, body) = if asks(&body, "stream") {
        let says_usage = asks(&body, "include_usage");
        let mut pace = tokio::time::interval(script.interval.max(Duration::from_nanos(1)));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = stream::unfold(
            Stream {
                script,
                pace,
                number: 0,
                says_usage,
            },
            Stream::next,
        );
        ("text/event-stream", Either::Left(StreamBody::new(events)))
    } else {
        (
            "application/json",
            Either::Right(Full::new(Bytes::from_static(CHAT.as_bytes()))),
        )
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

/// Whether the body sets this field to true: read no further than that, to cost little.
fn asks(body: &[u8], field: &str) -> bool {
    let name = format!("\"{field}\":");
    memmem::find(body, name.as_bytes()).is_some_and(|at| {
        body[at + name.len()..]
            .trim_ascii_start()
            .starts_with(b"true")
    })
}

struct Stream {
    script: Arc<Script>,
    pace: Interval,
    number: u64,
    says_usage: bool,
}

impl Stream {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        let event = self.script.event(self.number, self.says_usage)?;
        // The first tick is at once, and the events after the text come with its last chunk.
        if self.number < self.script.chunks && !self.script.interval.is_zero() {
            self.pace.tick().await;
        }
        self.number += 1;
        Some((Ok(Frame::data(event)), self))
    }
}
