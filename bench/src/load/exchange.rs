//! One request's answer, timed as it is read.

use std::io;
use std::time::{Duration, Instant};

use super::Response;

/// How much is read at once: far more than a whole answer.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// One whole answer. Times count from when the request was, or should have been, sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) status: u16,
    pub(super) first_byte: Duration,
    pub(super) first_event: Option<Duration>,
    pub(super) whole: Duration,
    pub(super) events: u64,
}

/// Reads one answer after the other.
#[derive(Debug, Default)]
pub(super) struct Reader {
    response: Response,
    since: Option<Instant>,
    first_byte: Option<Duration>,
    first_event: Option<Duration>,
}

impl Reader {
    /// Gets ready for the answer to a request whose time counts from `since`.
    pub(super) fn begin(&mut self, since: Instant) {
        self.response.clear();
        self.since = Some(since);
        self.first_byte = None;
        self.first_event = None;
    }

    /// Takes what was read; none means that the server closed. Gives the answer once it is whole.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> io::Result<Option<Exchange>> {
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let whole = self.response.feed(bytes)?;
        let elapsed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        let first_byte = *self.first_byte.get_or_insert(elapsed);
        if self.response.events() > 0 {
            self.first_event.get_or_insert(elapsed);
        }
        Ok(whole.then(|| Exchange {
            status: self.response.status(),
            first_byte,
            first_event: self.first_event,
            whole: elapsed,
            events: self.response.events(),
        }))
    }

    /// Whether the connection cannot be used again.
    pub(super) fn closes(&self) -> bool {
        self.response.closes()
    }
}
