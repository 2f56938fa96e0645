//! Puts an answer on the wire at its pace, and books it once its last byte was handed over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::Sleep;

use super::books::Books;

/// The body of one answer.
#[derive(Debug)]
pub(super) struct Delivery {
    pieces: VecDeque<Bytes>,
    /// Before each piece.
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Its length is said beforehand.
    says_length: bool,
    books: Arc<Books>,
    call: usize,
}

impl Delivery {
    /// All of it now.
    pub(super) fn at_once(body: Bytes, books: Arc<Books>, call: usize) -> Self {
        let mut delivery = Self::paced(vec![body], Duration::ZERO, books, call);
        delivery.says_length = true;
        delivery
    }

    /// Piece by piece, the last one after `time`.
    pub(super) fn paced(
        pieces: Vec<Bytes>,
        time: Duration,
        books: Arc<Books>,
        call: usize,
    ) -> Self {
        let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX).max(1);
        Delivery {
            pieces: pieces.into(),
            pause: time / count,
            sleep: None,
            says_length: false,
            books,
            call,
        }
    }
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.pieces.is_empty() {
            return Poll::Ready(None);
        }
        if !this.pause.is_zero() {
            let pause = this.pause;
            let sleep = this
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            this.sleep = None;
        }
        let piece = this.pieces.pop_front();
        if this.pieces.is_empty() {
            this.books.answered(this.call);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.says_length {
            return SizeHint::default();
        }
        let bytes: usize = self.pieces.iter().map(Bytes::len).sum();
        SizeHint::with_exact(bytes as u64)
    }
}
