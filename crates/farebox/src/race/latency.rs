//! Latency with billing on: the same small requests in a closed loop, through the gateway and to
//! the upstream directly, in turns, so that both see the same machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::ask::{Client, Times};
use super::plan::SMALLEST;
use super::progress;
use super::run::{Fate, Run, Tally};
use super::upstream::Upstream;
use crate::cli::Failure;
use crate::clock::Stopwatch;
use crate::config::Secret;
use crate::http_client::BaseUrl;

/// Requests through the gateway, all turns together.
const MOST_REQUESTS: u64 = 4_000;
/// Fewer for each client, and there is nothing to measure.
const LEAST_FOR_EACH: u64 = 4;
/// One turn takes no longer, however slow the gateway is.
const LONGEST_TURN: Duration = Duration::from_secs(10);

/// One side of the comparison.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    whole: Vec<Duration>,
    first_text: Vec<Duration>,
    /// Answered in all turns, and how long these took.
    answers: u64,
    took: Duration,
}

/// Both, and what the requests through the gateway came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Latency {
    pub(super) direct: Side,
    pub(super) gateway: Side,
    pub(super) tally: Tally,
}

impl Side {
    /// Times until answers were whole, measured.
    pub(super) fn count(&self) -> usize {
        self.whole.len()
    }

    /// The time that `percent` of all answers took at most.
    pub(super) fn whole(&self, percent: usize) -> Duration {
        quantile(&self.whole, percent)
    }

    /// The same until the first text.
    pub(super) fn first_text(&self, percent: usize) -> Duration {
        quantile(&self.first_text, percent)
    }

    /// Answers a second.
    pub(super) fn rate(&self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn add(&mut self, times: Vec<Times>, answers: u64) {
        for times in times {
            self.whole.push(times.whole);
            self.first_text.push(times.first_text);
        }
        self.answers += answers;
    }

    fn sort(&mut self) {
        self.whole.sort_unstable();
        self.first_text.sort_unstable();
    }
}

/// The nearest rank of sorted times; zero if there are none.
fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Measures; `Err` within says why it could not.
///
/// # Errors
/// If the key cannot be sent.
pub(super) async fn measure(
    run: &Arc<Run>,
    upstream: &Upstream,
) -> Result<Result<Latency, String>, Failure> {
    let settings = &run.settings;
    let requests = settings.allowance(MOST_REQUESTS);
    if requests < LEAST_FOR_EACH * u64::from(settings.clients) {
        return Ok(Err(format!(
            "a tenth of the budget pays for {requests} small requests, too few for {} clients",
            settings.clients
        )));
    }
    let direct = BaseUrl::parse(&upstream.base_url()).map_err(Failure::new)?;
    let nobody = Secret::new("none".to_owned());
    let mut latency = Latency::default();
    for (turn, through) in [false, true, true, false].into_iter().enumerate() {
        let (base, key, side) = match through {
            true => (&settings.base, settings.paying_key(), &mut latency.gateway),
            false => (&direct, &nobody, &mut latency.direct),
        };
        let clients = run.clients(base, key)?;
        let done = Arc::new(AtomicU64::new(0));
        let began = Stopwatch::start();
        let mut loops = JoinSet::new();
        for client in clients {
            let (run, done) = (Arc::clone(run), Arc::clone(&done));
            loops.spawn(closed(run, client, done, requests / 2, began));
        }
        let way = if through {
            "through the gateway"
        } else {
            "directly"
        };
        let how_far = || {
            let done = done.load(Ordering::Relaxed).min(requests / 2);
            format!("turn {} of 4, {way}: {done} of {}", turn + 1, requests / 2)
        };
        for (times, tally) in progress::watch(loops.join_all(), how_far).await {
            side.add(times, tally.whole.count);
            if through {
                latency.tally.merge(tally);
            }
        }
        side.took += began.elapsed();
        side.sort();
    }
    if latency.gateway.count() == 0 {
        return Ok(Err("the gateway answered none of the requests".to_owned()));
    }
    Ok(Ok(latency))
}

/// Asks until the turn's requests are used up; the first answer, which opens the connection, is not
/// timed.
async fn closed(
    run: Arc<Run>,
    mut client: Client,
    done: Arc<AtomicU64>,
    most: u64,
    began: Stopwatch,
) -> (Vec<Times>, Tally) {
    let (mut all, mut tally, mut opened) = (Vec::new(), Tally::default(), false);
    while done.fetch_add(1, Ordering::Relaxed) < most && began.elapsed() < LONGEST_TURN {
        let plan = run.plan(SMALLEST, 0);
        let (outcome, times) = client.ask(&plan).await;
        let whole = tally.whole.count;
        if tally.note(&run.books, &plan, &outcome) != Fate::Served {
            // Refusals are quick, and a gateway that is down must not be hammered.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        if opened && tally.whole.count > whole {
            all.push(times);
        }
        opened = true;
    }
    (all, tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks_of_the_sorted_list() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 50), Duration::from_millis(100));
        assert_eq!(quantile(&times, 99), Duration::from_millis(198));
        assert_eq!(quantile(&times[..1], 99), Duration::from_millis(1));
        assert_eq!(quantile(&[], 50), Duration::ZERO);
    }
}
