//! Clients of every kind, and what each of them saw of each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::money::Nusd;
use parking_lot::Mutex;
use serde_json::json;
use testkit::http::{HttpError, Request};
use tokio::task::JoinHandle;

use crate::place::Place;
use crate::stage::Stage;

/// How many clients of each kind; half of the first two use the second key.
#[derive(Clone, Copy)]
pub(crate) struct Mix {
    pub(crate) streaming: usize,
    pub(crate) plain: usize,
    /// Clients that leave in the middle of a stream.
    pub(crate) leaving: usize,
    /// The output limit that each request names.
    pub(crate) max_tokens: u64,
}

/// What its client knows of one request.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The request's own number, which the upstream knows too.
    pub(crate) number: u64,
    /// `x-request-id`, if there was an answer's head.
    pub(crate) id: Option<String>,
    pub(crate) stream: bool,
    /// Deltas of a stream that arrived.
    pub(crate) received: u64,
    pub(crate) end: End,
}

/// How a request ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it arrived, and that it cost this.
    Whole(Nusd),
    /// It began and broke off, or there was no answer at all.
    Broken,
    /// The client left.
    Left,
    /// Refused with this status.
    Refused(u16),
}

/// There may be no server just now, or no money: that is not to be a busy loop.
const PAUSE_MS: u64 = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Streaming,
    Plain,
    Leaving,
}

/// Clients that go on, over the death of servers too, until they are told to stop.
pub(crate) struct Load {
    board: Arc<Board>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Board {
    stop: AtomicBool,
    whole: AtomicU64,
    refused: AtomicU64,
    seen: Mutex<Vec<Seen>>,
}

impl Load {
    /// Sends all clients off.
    pub(crate) fn start(stage: &Stage, mix: Mix) -> Self {
        Self::start_at(&stage.place, stage, mix)
    }

    /// Sends all clients off to a server at another place.
    pub(crate) fn start_at(place: &Place, stage: &Stage, mix: Mix) -> Self {
        let board = Arc::<Board>::default();
        let kinds = [
            (Kind::Streaming, mix.streaming),
            (Kind::Plain, mix.plain),
            (Kind::Leaving, mix.leaving),
        ];
        let url = place.url("/v1/chat/completions");
        let client = |kind: Kind, number: usize| {
            let key = &stage.keys[number % stage.keys.len()];
            let (board, url, key) = (Arc::clone(&board), url.clone(), key.secret.clone());
            let max_tokens = mix.max_tokens;
            tokio::spawn(async move { board.client(kind, &url, &key, max_tokens).await })
        };
        let clients = kinds
            .into_iter()
            .flat_map(|(kind, count)| (0..count).map(move |number| (kind, number)))
            .map(|(kind, number)| client(kind, number))
            .collect();
        Load { board, clients }
    }

    /// Answers that arrived whole so far.
    pub(crate) fn whole(&self) -> u64 {
        self.board.whole.load(Ordering::SeqCst)
    }

    /// Requests that were refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.board.refused.load(Ordering::SeqCst)
    }

    /// Waits until so many more answers have arrived whole.
    pub(crate) async fn goes_on(&self, more: u64) {
        let before = self.whole();
        testkit::eventually("answers arrive", async || self.whole() >= before + more).await;
    }

    /// Lets every client finish what it has begun, and answers all that was seen.
    pub(crate) async fn end(self) -> Vec<Seen> {
        self.ends_soon().await
    }

    /// The same: no client begins anything new once this is called, awaited or not.
    pub(crate) fn ends_soon(self) -> impl Future<Output = Vec<Seen>> {
        self.board.stop.store(true, Ordering::SeqCst);
        self.finished()
    }

    async fn finished(self) -> Vec<Seen> {
        for client in self.clients {
            client.await.expect("no client panics");
        }
        std::mem::take(&mut *self.board.seen.lock())
    }
}

impl Board {
    async fn client(&self, kind: Kind, url: &str, key: &str, max_tokens: u64) {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        while !self.stop.load(Ordering::SeqCst) {
            let number = NUMBERS.fetch_add(1, Ordering::SeqCst);
            let body = json!({
                "model": "m", "stream": kind != Kind::Plain, "max_tokens": max_tokens,
                "messages": [{"role": "user", "content": format!("Please answer number {number}")}],
            });
            let request = Request::post(url).bearer(key).json(&body);
            let seen = ask(kind, request, number).await;
            let pause = match seen.end {
                End::Whole(_) => {
                    self.whole.fetch_add(1, Ordering::SeqCst);
                    0
                }
                End::Left => 0,
                End::Refused(_) => {
                    self.refused.fetch_add(1, Ordering::SeqCst);
                    PAUSE_MS
                }
                End::Broken => PAUSE_MS,
            };
            self.seen.lock().push(seen);
            if pause > 0 {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
    }
}

async fn ask(kind: Kind, request: Request, number: u64) -> Seen {
    let mut seen = Seen {
        number,
        id: None,
        stream: kind != Kind::Plain,
        received: 0,
        end: End::Broken,
    };
    // What broke off says so by the end that was set above.
    let _: Result<(), HttpError> = match kind {
        Kind::Plain => plain(request, &mut seen).await,
        Kind::Streaming => streamed(request, u64::MAX, &mut seen).await,
        Kind::Leaving => streamed(request, 1 + number % 8, &mut seen).await,
    };
    seen
}

async fn plain(request: Request, seen: &mut Seen) -> Result<(), HttpError> {
    let answer = request.send().await?;
    seen.id = answer.header("x-request-id").map(str::to_owned);
    seen.end = match answer.status {
        200 => End::Whole(dollars(
            answer.header("farebox-cost").expect("it tells its cost"),
        )),
        refused => End::Refused(refused),
    };
    Ok(())
}

/// Reads a stream to its end, or leaves after so many deltas.
async fn streamed(request: Request, leave_after: u64, seen: &mut Seen) -> Result<(), HttpError> {
    let mut streaming = request.stream().await?;
    seen.id = streaming.header("x-request-id").map(str::to_owned);
    if streaming.status != 200 {
        seen.end = End::Refused(streaming.status);
        return Ok(());
    }
    let mut text = String::new();
    while let Some(chunk) = streaming.chunk().await {
        text.push_str(&String::from_utf8_lossy(&chunk?));
        seen.received = text.matches(r#""content":"one ""#).count() as u64;
        if seen.received >= leave_after {
            seen.end = End::Left;
            return Ok(());
        }
    }
    if let Some(rest) = text.strip_suffix("\n\ndata: [DONE]\n\n") {
        let (_, money) = rest
            .rsplit_once("farebox-cost=")
            .expect("it tells its cost");
        let cost = money.split(' ').next().expect("a number");
        seen.end = End::Whole(dollars(cost));
    }
    Ok(())
}

fn dollars(text: &str) -> Nusd {
    Nusd::parse_usd(text).expect("dollars")
}
