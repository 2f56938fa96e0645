//! Puts a rendered answer on the wire at the script's pace, and sees whether it got there.

use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::Seen;
use super::render::{Chunks, Rendered};

pub(super) type Body = UnsyncBoxBody<Bytes, Broken>;

/// Makes hyper drop the connection.
#[derive(Debug)]
pub(super) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the script breaks the connection here")
    }
}

impl std::error::Error for Broken {}

/// One reply under way. Dropped unfinished, it counts as cancelled by the other side.
pub(super) struct Outcome {
    seen: Arc<Seen>,
    finished: bool,
}

impl Outcome {
    pub(super) fn expected(seen: Arc<Seen>) -> Self {
        seen.in_flight.fetch_add(1, Ordering::SeqCst);
        Self {
            seen,
            finished: false,
        }
    }

    /// Everything that was to be sent has been handed over.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.seen.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !self.finished {
            self.seen.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The answer's head at once, its body at the script's pace.
pub(super) fn respond(rendered: Rendered, outcome: Outcome) -> Response<Body> {
    let mut head = Response::builder()
        .status(rendered.status)
        .header(CONTENT_TYPE, rendered.content_type);
    if let Some(body_bytes) = rendered.body_bytes {
        head = head.header(CONTENT_LENGTH, body_bytes);
    }
    for (name, value) in rendered.headers {
        head = head.header(name, value);
    }
    let delivery = Delivery {
        chunks: rendered.chunks.peekable(),
        sent: 0,
        delay: rendered.delay,
        cut_after: rendered.cut_after,
        stall_after: rendered.stall_after,
        count: rendered.count,
        outcome,
    };
    let body = StreamBody::new(stream::unfold(delivery, Delivery::next)).boxed_unsync();
    head.body(body).expect("a script gives valid headers")
}

struct Delivery {
    chunks: Peekable<Chunks>,
    sent: usize,
    delay: Duration,
    cut_after: Option<usize>,
    stall_after: Option<usize>,
    count: Option<Arc<AtomicU64>>,
    outcome: Outcome,
}

impl Delivery {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Broken>, Self)> {
        if self.stall_after == Some(self.sent) {
            std::future::pending::<()>().await;
        }
        if self.cut_after == Some(self.sent) {
            self.outcome.finish();
            // While it waits, hyper sends what it has; an error at once would throw that away.
            tokio::time::sleep(Duration::from_millis(2)).await;
            return Some((Err(Broken), self));
        }
        let Some(chunk) = self.chunks.next() else {
            self.outcome.finish();
            return None;
        };
        if self.sent > 0 && !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.sent += 1;
        if let Some(count) = &self.count {
            count.fetch_add(1, Ordering::SeqCst);
        }
        // With a length said beforehand hyper does not ask again after the last chunk.
        let is_last = self.chunks.peek().is_none();
        if is_last && self.cut_after.is_none() && self.stall_after.is_none() {
            self.outcome.finish();
        }
        Some((Ok(Frame::data(chunk)), self))
    }
}
