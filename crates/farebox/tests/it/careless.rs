//! A gateway as gateways should not be, for the race to find out.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Refuses when the budget is spent, and counts an answer when it has been given.
    CountsAfterwards,
    NeverRefuses,
    /// Gives everybody after the first its answer.
    RepeatsAnswers,
}

/// A running one; prices are $1 and $2 per million tokens.
pub(crate) struct Careless {
    pub(crate) base_url: String,
    books: Arc<Books>,
}

struct Books {
    upstream: String,
    budget_nusd: i64,
    spent_nusd: AtomicI64,
    habit: Habit,
    first: Mutex<Option<Value>>,
}

impl Careless {
    pub(crate) async fn start(upstream: &str, budget_nusd: i64, habit: Habit) -> Self {
        let books = Arc::new(Books {
            upstream: format!("http://{upstream}/v1/chat/completions"),
            budget_nusd,
            spent_nusd: AtomicI64::new(0),
            habit,
            first: Mutex::new(None),
        });
        let routes = axum::Router::new()
            .route("/v1/chat/completions", post(chat))
            .with_state(Arc::clone(&books));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Careless { base_url, books }
    }

    pub(crate) fn spent_nusd(&self) -> i64 {
        self.books.spent_nusd.load(Ordering::SeqCst)
    }
}

async fn chat(State(books): State<Arc<Books>>, Json(body): Json<Value>) -> Response {
    let spent = books.spent_nusd.load(Ordering::SeqCst);
    if books.habit == Habit::CountsAfterwards && spent >= books.budget_nusd {
        let error = json!({"error": {"code": "budget_exceeded", "message": "No more."}});
        return (StatusCode::PAYMENT_REQUIRED, Json(error)).into_response();
    }
    if let Some(first) = books.first.lock().clone() {
        return Json(first).into_response();
    }
    let answer = testkit::http::post_json(&books.upstream, "any", &body)
        .await
        .json();
    let tokens = |name: &str| answer["usage"][name].as_i64().unwrap();
    let cost = tokens("prompt_tokens") * 1_000 + tokens("completion_tokens") * 2_000;
    books.spent_nusd.fetch_add(cost, Ordering::SeqCst);
    if books.habit == Habit::RepeatsAnswers {
        *books.first.lock() = Some(answer.clone());
    }
    Json(answer).into_response()
}
