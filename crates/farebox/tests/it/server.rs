//! The front door: its bounds, and how it closes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::routing::get;
use farebox::server::{BindError, Bounds, bind};
use testkit::http::{self, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::door::{BOUNDS, Door};

/// A route whose answer is what the test sends, for as long as the test holds the sender.
fn slow() -> (Router, mpsc::Sender<Bytes>) {
    let (sender, receiver) = mpsc::channel::<Bytes>(8);
    let receiver = std::sync::Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let answer = move || {
        let receiver = receiver.clone();
        async move {
            let receiver = receiver.lock().await.take().expect("asked once");
            Body::new(Chunks(receiver))
        }
    };
    (Router::new().route("/slow", get(answer)), sender)
}

struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(context)
            .map(|chunk| chunk.map(|it| Ok(hyper::body::Frame::data(it))))
    }
}

#[tokio::test]
async fn handlers_learn_who_calls() {
    let who =
        get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() });
    let door = Door::open(Router::new().route("/who", who)).await;
    assert_eq!(http::get(&door.url("/who"), "").await.text(), "127.0.0.1");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let door = Door::open(Router::new().route("/", get(|| async { "in" }))).await;
    let sized = |bytes: usize| Request::get(&door.url("/")).header("x-pad", &"x".repeat(bytes));
    assert_eq!(sized(1024).send().await.unwrap().status, 200);
    assert_eq!(sized(8192).send().await.unwrap().status, 431);
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let bounds = Bounds {
        header_timeout: Duration::from_millis(50),
        ..BOUNDS
    };
    let door = Door::bounded(Router::new(), bounds).await;
    let mut socket = TcpStream::connect(door.url("").trim_start_matches("http://"))
        .await
        .unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // It ends only because the door ends it.
    let read = socket.read_to_end(&mut answer);
    let ended = tokio::time::timeout(testkit::PATIENCE, read).await;
    assert!(ended.is_ok(), "the connection stayed open");
}

#[tokio::test]
async fn a_stop_lets_running_answers_end_and_closes_idle_connections() {
    let (app, sender) = slow();
    let door = Door::open(app).await;
    let mut answer = Request::get(&door.url("/slow")).stream().await.unwrap();
    sender.send("one ".into()).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "one ");
    let idle = TcpStream::connect(door.url("").trim_start_matches("http://"))
        .await
        .unwrap();

    door.stop.cancel();
    testkit::eventually("nothing new is accepted", async || {
        Request::get(&door.url("/")).send().await.is_err()
    })
    .await;
    sender.send("two".into()).await.unwrap();
    drop(sender);
    assert_eq!(answer.rest().await, (b"two".to_vec(), true));
    drop(idle);
    assert_eq!(door.close().await, 0);
}

#[tokio::test]
async fn answers_that_outlast_the_grace_are_cut() {
    let (app, sender) = slow();
    let door = Door::bounded(
        app,
        Bounds {
            grace: Duration::from_millis(20),
            ..BOUNDS
        },
    )
    .await;
    let mut answer = Request::get(&door.url("/slow")).stream().await.unwrap();
    sender.send("one".into()).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "one");
    assert_eq!(door.close().await, 1);
    assert!(!answer.rest().await.1, "a cut answer must not look whole");
    // The handler's future is gone, as when a client leaves.
    assert!(sender.is_closed());
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).unwrap_err();
    assert!(
        matches!(error, BindError::Taken(named) if named == address),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with(&format!("{address} is taken")),
        "{error}"
    );
}

/// What Linux allows to wait; nothing where that is not known.
fn most_waiting() -> usize {
    let path = "/proc/sys/net/core/somaxconn";
    let said = std::fs::read_to_string(path).ok();
    said.and_then(|it| it.trim().parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_rush_is_let_in_before_anybody_is_accepted() {
    // More than are let in if nothing is said about it, as far as this machine allows.
    let clients = 3_000.min(most_waiting());
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let rush = async {
        for _ in 0..clients {
            // One that has left still waits.
            TcpStream::connect(address).await.expect("it is let in");
        }
    };
    let let_in = tokio::time::timeout(testkit::PATIENCE, rush).await;
    let_in.expect("nobody is kept out");
}
