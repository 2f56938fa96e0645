//! A small HTTP/1.1 client for tests: one connection per request, nothing hidden, nothing retried.
//!
//! [`Streaming`] hands out bytes as they arrive, so a test can see that nothing is held back, and
//! closes the connection when dropped, so a test can leave in the middle.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Why there was no whole answer; the text is for the reader of a failed test.
#[derive(Debug)]
pub struct HttpError(pub String);

impl std::fmt::Display for HttpError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for HttpError {}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// `GET url`; `bearer` is the key, or "" for none. Panics if there is no whole answer.
pub async fn get(url: &str, bearer: &str) -> Answer {
    Request::get(url).bearer(bearer).expect().await
}

/// `DELETE url`; otherwise as [`get`].
pub async fn delete(url: &str, bearer: &str) -> Answer {
    Request::new(Method::DELETE, url)
        .bearer(bearer)
        .expect()
        .await
}

/// `POST url` with a JSON body; otherwise as [`get`].
pub async fn post_json(url: &str, bearer: &str, body: &Value) -> Answer {
    Request::post(url).bearer(bearer).json(body).expect().await
}

/// `POST url` with a JSON body, to be read as it arrives. Panics if there is no answer's head.
pub async fn post_stream(url: &str, bearer: &str, body: &Value) -> Streaming {
    let request = Request::post(url).bearer(bearer).json(body);
    request
        .stream()
        .await
        .unwrap_or_else(|error| panic!("POST {url}: {error}"))
}

impl Answer {
    /// The body as JSON. Panics with the body if it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's text, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// A request without a body yet.
    pub fn new(method: Method, url: &str) -> Self {
        Self {
            method,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A `GET`.
    pub fn get(url: &str) -> Self {
        Self::new(Method::GET, url)
    }

    /// A `POST`.
    pub fn post(url: &str) -> Self {
        Self::new(Method::POST, url)
    }

    /// Sends the key in `Authorization`; "" sends none.
    pub fn bearer(self, key: &str) -> Self {
        if key.is_empty() {
            return self;
        }
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {key}"))
    }

    /// Adds a header. Panics if the name or value is none.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.append(
            name,
            HeaderValue::from_str(value).expect("a header's value"),
        );
        self
    }

    /// Sends JSON, and says so.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends any body; `content_type` may be "" for none.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        if content_type.is_empty() {
            return self;
        }
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// Sends it and waits for the whole answer.
    ///
    /// # Errors
    /// If the server cannot be reached, or the answer ends before it is whole.
    pub async fn send(self) -> Result<Answer, HttpError> {
        let mut streaming = self.stream().await?;
        let mut body = Vec::new();
        while let Some(chunk) = streaming.chunk().await {
            body.extend_from_slice(&chunk?);
        }
        let Streaming {
            status,
            ref headers,
            ..
        } = streaming;
        Ok(Answer {
            status,
            headers: headers.clone(),
            body: body.into(),
        })
    }

    /// Sends it and waits for the head of the answer only.
    ///
    /// # Errors
    /// If the server cannot be reached, or closes without an answer.
    pub async fn stream(self) -> Result<Streaming, HttpError> {
        let uri: Uri = self
            .url
            .parse()
            .map_err(|error| wrong("the address", &error))?;
        let authority = uri
            .authority()
            .expect("a test's address names a host")
            .clone();
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let port = authority.port_u16().unwrap_or(80);
        let socket = TcpStream::connect((authority.host(), port))
            .await
            .map_err(|error| wrong("connecting", &error))?;
        socket
            .set_nodelay(true)
            .map_err(|error| wrong("connecting", &error))?;
        let mut request = hyper::Request::builder().method(self.method).uri(target);
        let headers = request.headers_mut().expect("the parts above are valid");
        headers.extend(self.headers);
        let host = authority.as_str().parse();
        headers
            .entry(HOST)
            .or_insert(host.expect("an authority is a header's value"));
        let body: UnsyncBoxBody<Bytes, Infallible> = Full::new(self.body).boxed_unsync();
        let request = request
            .body(body)
            .map_err(|error| wrong("the request", &error))?;

        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| wrong("connecting", &error))?;
        let connection = Connection(tokio::spawn(async move {
            // What goes wrong here is told to the one who reads the answer.
            let _ = connection.await;
        }));
        let answer = sender
            .send_request(request)
            .await
            .map_err(|e| wrong("the answer", &e))?;
        let (head, body) = answer.into_parts();
        Ok(Streaming {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            unread: Vec::new(),
            _connection: connection,
        })
    }

    async fn expect(self) -> Answer {
        let what = format!("{} {}", self.method, self.url);
        self.send()
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}

/// An answer that is still arriving. Dropping it closes the connection at once.
#[derive(Debug)]
pub struct Streaming {
    pub status: u16,
    pub headers: HeaderMap,
    body: Incoming,
    unread: Vec<u8>,
    _connection: Connection,
}

impl Streaming {
    /// The next bytes as they arrive; `None` at a proper end, an error if the connection broke.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, HttpError>> {
        if !self.unread.is_empty() {
            return Some(Ok(std::mem::take(&mut self.unread).into()));
        }
        self.arrived().await
    }

    /// The next server-sent event, without the blank line that ends it; `None` at the end.
    ///
    /// A comment comes out as `: text`, an event as its `event:` and `data:` lines.
    /// Panics if the connection broke.
    pub async fn record(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let rest = self.unread.split_off(end + 2);
                let mut record = std::mem::replace(&mut self.unread, rest);
                record.truncate(end);
                return Some(String::from_utf8(record).expect("events are UTF-8"));
            }
            match self.arrived().await {
                Some(chunk) => self
                    .unread
                    .extend_from_slice(&chunk.expect("an unbroken stream")),
                None => {
                    assert!(self.unread.is_empty(), "half an event: {:?}", self.unread);
                    return None;
                }
            }
        }
    }

    /// All remaining events. Panics if the connection broke.
    pub async fn records(&mut self) -> Vec<String> {
        let mut records = Vec::new();
        while let Some(record) = self.record().await {
            records.push(record);
        }
        records
    }

    /// The rest of the body and whether it came to a proper end.
    pub async fn rest(mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await {
            match chunk {
                Ok(bytes) => body.extend_from_slice(&bytes),
                Err(_) => return (body, false),
            }
        }
        (body, true)
    }

    /// A header's text, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    async fn arrived(&mut self) -> Option<Result<Bytes, HttpError>> {
        loop {
            match self.body.frame().await? {
                Err(error) => return Some(Err(wrong("the answer", &error))),
                // Trailers are the only frames that carry no data.
                Ok(frame) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Some(Ok(bytes));
                    }
                }
            }
        }
    }
}

/// The JSON of every `data:` line of `records` (events as [`Streaming::record`] gives them) but
/// `[DONE]`.
pub fn sse_json(records: &[String]) -> Vec<Value> {
    let lines = records.iter().flat_map(|record| record.lines());
    lines
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim_start)
        .filter(|data| *data != "[DONE]")
        .map(|data| {
            serde_json::from_str(data).unwrap_or_else(|error| panic!("not JSON ({error}): {data}"))
        })
        .collect()
}

/// The task that moves the bytes; without it the socket closes.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn wrong(what: &str, error: &dyn std::error::Error) -> HttpError {
    let mut text = format!("{what}: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    HttpError(text)
}
