//! Closed loop: each connection sends its next request when it has the answer to the last.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::exchange::{BUFFER_BYTES, Exchange, Reader};
use super::{Length, Report, Target, Window};

/// Keeps `connections` requests under way for as long as `length` says.
///
/// `probe` is called at the start and at the end of the measured window.
pub async fn closed(
    target: &Target,
    connections: usize,
    length: Length,
    mut probe: impl FnMut(),
) -> Report {
    let target = Arc::new(target.clone());
    let start = Instant::now();
    let (window, tickets) = match length {
        Length::Time { warm_up, measured } => (Some(Window::after(start, warm_up, measured)), None),
        Length::Requests(count) => (None, Some(Arc::new(AtomicU64::new(count)))),
    };
    if let Some(window) = window {
        let workers = start_workers(&target, connections, Some(window), None);
        tokio::time::sleep_until(window.start.into()).await;
        probe();
        tokio::time::sleep_until(window.end.into()).await;
        probe();
        let mut report = collect(workers).await;
        report.measured = window.end - window.start;
        return report;
    }
    probe();
    let workers = start_workers(&target, connections, None, tickets.as_ref());
    let mut report = collect(workers).await;
    report.measured = start.elapsed();
    probe();
    report
}

fn start_workers(
    target: &Arc<Target>,
    connections: usize,
    window: Option<Window>,
    tickets: Option<&Arc<AtomicU64>>,
) -> JoinSet<Report> {
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let end = End {
            window,
            tickets: tickets.cloned(),
        };
        workers.spawn(work(Arc::clone(target), end));
    }
    workers
}

pub(super) async fn collect(workers: JoinSet<Report>) -> Report {
    let mut report = Report::default();
    for part in workers.join_all().await {
        report.merge(&part);
    }
    report
}

/// When a worker stops.
struct End {
    window: Option<Window>,
    tickets: Option<Arc<AtomicU64>>,
}

impl End {
    fn reached(&self, now: Instant) -> bool {
        if let Some(tickets) = &self.tickets {
            let taken = tickets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
            return taken.is_err();
        }
        self.window.is_some_and(|window| now >= window.end)
    }
}

async fn work(target: Arc<Target>, end: End) -> Report {
    let mut report = Report::default();
    let mut connection = Connection::default();
    loop {
        let sent = Instant::now();
        if end.reached(sent) {
            return report;
        }
        match connection.exchange(&target, sent).await {
            Ok(exchange) => {
                let done = sent + exchange.whole;
                report.answer(
                    &exchange,
                    end.window.is_none_or(|window| window.contains(done)),
                );
            }
            Err(problem) => {
                report.failure(&problem);
                // A server that is gone must not be hammered.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// One connection, opened when needed and kept alive.
#[derive(Default)]
pub(super) struct Connection {
    socket: Option<TcpStream>,
    reader: Reader,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends the request and waits for the whole answer; times count from `since`.
    pub(super) async fn exchange(
        &mut self,
        target: &Target,
        since: Instant,
    ) -> io::Result<Exchange> {
        // Taken out, so that a connection that failed is not used again.
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = TcpStream::connect(target.address).await?;
                socket.set_nodelay(true)?;
                socket
            }
        };
        self.buffer.resize(BUFFER_BYTES, 0);
        self.reader.begin(since);
        socket.write_all(&target.request).await?;
        loop {
            let length = socket.read(&mut self.buffer).await?;
            if let Some(exchange) = self.reader.feed(&self.buffer[..length])? {
                if !self.reader.closes() {
                    self.socket = Some(socket);
                }
                return Ok(exchange);
            }
        }
    }
}
