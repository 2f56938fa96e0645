//! Streams: a fixed number under way at all times, started evenly so that they do not come in step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::closed::{Connection, collect};
use super::{Report, Target, Window};

/// Keeps `count` streams under way; measures those that start within the window.
///
/// The first ones start evenly over `warm_up`, which should be at least as long as one stream.
/// `probe` is called at the start and at the end of the measured window.
pub async fn streams(
    target: &Target,
    count: u32,
    (warm_up, measured): (Duration, Duration),
    mut probe: impl FnMut(),
) -> Report {
    let target = Arc::new(target.clone());
    let start = Instant::now();
    let window = Window::after(start, warm_up, measured);
    let mut workers = JoinSet::new();
    for number in 0..count {
        let begin = start + warm_up * number / count.max(1);
        workers.spawn(work(Arc::clone(&target), begin, window));
    }
    tokio::time::sleep_until(window.start.into()).await;
    probe();
    tokio::time::sleep_until(window.end.into()).await;
    probe();
    let mut report = collect(workers).await;
    report.measured = measured;
    report
}

async fn work(target: Arc<Target>, begin: Instant, window: Window) -> Report {
    let mut report = Report::default();
    let mut connection = Connection::default();
    tokio::time::sleep_until(begin.into()).await;
    loop {
        let sent = Instant::now();
        if sent >= window.end {
            return report;
        }
        match connection.exchange(&target, sent).await {
            Ok(exchange) => report.answer(&exchange, window.contains(sent)),
            Err(problem) => {
                report.failure(&problem);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
