//! The HTTP side: OpenAI's protocol, and a queue before the inference threads.
//!
//! Handlers check a request and split its text into tokens; the arithmetic happens only on the
//! threads that [`Server::start`] makes, so that a busy model never delays an answer about it.

mod answer;
mod body;
mod chat;
mod completions;
mod embeddings;
mod error;
mod fields;
mod models;
mod queue;
mod render;
mod settings;
mod stream;
mod texts;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::error::ApiError;
use self::queue::Queue;
use crate::clock;
use crate::engine::{Engine, PromptError, Session};

/// How to serve a model.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The name that requests must ask for.
    pub model_id: String,
    /// How many requests run at the same time.
    pub parallel: usize,
    /// How many more may wait.
    pub queue: usize,
}

/// A model with its inference threads, which end when this is dropped.
pub struct Server {
    app: Arc<App>,
}

/// What every handler needs.
struct App {
    engine: Arc<Engine>,
    queue: Arc<Queue<Session>>,
    model_id: String,
    started_at_s: u64,
}

impl Server {
    /// Starts the inference threads.
    ///
    /// # Errors
    /// If a thread cannot be started or its memory cannot be had.
    pub fn start(engine: Engine, options: ServerOptions) -> io::Result<Self> {
        let engine = Arc::new(engine);
        let queue = Arc::new(Queue::new(options.parallel, options.queue));
        let server = Self {
            app: Arc::new(App {
                engine: Arc::clone(&engine),
                queue: Arc::clone(&queue),
                model_id: options.model_id,
                started_at_s: clock::unix_now_s(),
            }),
        };
        for number in 0..options.parallel {
            let mut session = engine.session().map_err(io::Error::other)?;
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("inference-{number}"))
                .spawn(move || queue.work(&mut session))?;
        }
        Ok(server)
    }

    /// Answers requests on `listener` until `shutdown` completes and running ones are answered.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let listener = listener.tap_io(|stream| {
            // Tokens are small and must leave at once.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY was refused");
            }
        });
        axum::serve(listener, routes(Arc::clone(&self.app)))
            .with_graceful_shutdown(shutdown)
            .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.app.queue.close();
    }
}

impl App {
    /// Refuses a request for any model but this one.
    fn check_model(&self, asked: &str) -> Result<(), ApiError> {
        if asked == self.model_id {
            Ok(())
        } else {
            Err(ApiError::model_not_found(asked))
        }
    }

    /// Splits text into tokens on a thread that may take its time over it.
    async fn split<T: Send + 'static>(
        &self,
        split: impl FnOnce(&Engine) -> Result<T, PromptError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let engine = Arc::clone(&self.engine);
        let split = tokio::task::spawn_blocking(move || split(&engine));
        match split.await {
            Ok(Ok(tokens)) => Ok(tokens),
            Ok(Err(problem)) => Err(ApiError::prompt(&problem)),
            Err(panic) => Err(ApiError::internal(&panic)),
        }
    }
}

fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/completions", post(completions::create))
        .route("/v1/embeddings", post(embeddings::create))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .with_state(app)
}

/// Alive, and how busy: a supervisor may look here.
async fn health(State(app): State<Arc<App>>) -> axum::Json<Value> {
    let load = app.queue.load();
    axum::Json(json!({
        "status": "ok",
        "running": load.running,
        "waiting": load.waiting,
    }))
}

async fn unknown_path(method: Method, uri: Uri) -> ApiError {
    let message = format!("Invalid URL ({method} {})", uri.path());
    ApiError::invalid(message).with_status(StatusCode::NOT_FOUND)
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("Not allowed to {method} on {}.", uri.path());
    ApiError::invalid(message)
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
        .with_code("method_not_supported")
}
