//! A server on a free port, and a plain HTTP client to talk to it.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode};
use farebox_local::engine::{Engine, EngineOptions, WeightFormat};
use farebox_local::server::{Server, ServerOptions};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::synthetic::{self, Variant};

/// The name that the test server gives its model.
pub(crate) const MODEL: &str = "test/model";

/// Far beyond what any answer here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct TestServer {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _stop: oneshot::Sender<()>,
    _folder: TempDir,
}

/// A response that is there as a whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The data of all events but the last, which must be the end mark.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.body).unwrap();
        let mut events: Vec<&str> = text
            .split_terminator("\n\n")
            .map(|event| event.strip_prefix("data: ").expect("only data is sent"))
            .collect();
        assert_eq!(events.pop(), Some("[DONE]"));
        let parse = |event| serde_json::from_str(event).expect("every event is JSON");
        events.into_iter().map(parse).collect()
    }
}

impl TestServer {
    /// A synthetic model with room for one request at a time and one waiting.
    pub(crate) async fn start() -> Self {
        Self::start_with(&Variant::default(), 1, 1).await
    }

    pub(crate) async fn start_with(variant: &Variant, parallel: usize, queue: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synthetic.gguf");
        synthetic::write(&path, variant);
        let options = EngineOptions {
            weights: WeightFormat::F32,
            context_tokens: usize::MAX,
        };
        let engine = Engine::load(&path, options).unwrap();
        let options = ServerOptions {
            model_id: MODEL.to_owned(),
            parallel,
            queue,
        };
        let server = Server::start(engine, options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(server.serve(listener, async {
            let _ = stopped.await;
        }));
        Self {
            base,
            client: Client::builder(TokioExecutor::new()).build_http(),
            _stop: stop,
            _folder: folder,
        }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "application/json", &body.to_string())
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "application/json", "").await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        let response = self.client.request(self.request(method, path, kind, body));
        let response = tokio::time::timeout(PATIENCE, response).await;
        let (head, body) = response.expect("an answer in time").unwrap().into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await;
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.expect("a whole body in time").unwrap().to_bytes(),
        }
    }

    /// Sends a request and gives the handle on which everything hangs: dropping it closes the
    /// connection.
    pub(crate) fn begin(&self, path: &str, body: &Value) -> tokio::task::JoinHandle<()> {
        // A client of its own, so that the connection is no one else's.
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let request = self.request("POST", path, "application/json", &body.to_string());
        tokio::spawn(async move {
            let mut body = client.request(request).await.unwrap().into_body();
            while let Some(frame) = body.frame().await {
                frame.unwrap();
            }
        })
    }

    /// Waits until this many requests run and wait.
    pub(crate) async fn load(&self, running: usize, waiting: usize) {
        let expected = json!({"status": "ok", "running": running, "waiting": waiting});
        let reached = async {
            while self.get("/healthz").await.json() != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("the load never became {expected}"));
    }

    fn request(&self, method: &str, path: &str, kind: &str, body: &str) -> Request<Full<Bytes>> {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", kind)
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap()
    }
}

/// A greedy chat request with one message and these members more.
pub(crate) fn chat(more: &Value) -> Value {
    let mut body = json!({
        "model": MODEL,
        "temperature": 0,
        "messages": [{"role": "user", "content": "Hello World"}],
    });
    merge(&mut body, more);
    body
}

/// A greedy completion of `prompt` with these members more.
pub(crate) fn completion(prompt: impl Into<Value>, more: &Value) -> Value {
    let mut body = json!({"model": MODEL, "temperature": 0});
    body["prompt"] = prompt.into();
    merge(&mut body, more);
    body
}

fn merge(body: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
}
