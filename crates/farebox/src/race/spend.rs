//! The race itself: many clients spend one budget until the gateway refuses all of them for good.
//!
//! A refused client asks again, since what others hold may come back; then it asks for less. It
//! gives up when even the smallest request was refused every time. As long as one client has money
//! in flight, that client goes on; so in the end nothing that was admitted is left unused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::money::Nusd;
use tokio::task::JoinSet;

use super::ask::Client;
use super::plan::SMALLEST;
use super::progress;
use super::run::{Fate, Run, Tally};
use crate::cli::Failure;
use crate::clock::Stopwatch;

/// Whoever serves the budget so many times has shown enough.
const MOST_BUDGETS: i128 = 4;
/// Before a refused request is repeated: longer than most answers take.
const PAUSE_MS: u64 = 100;
/// So many answers in a row, and a client that asked for less asks for more again.
const GOOD_TIMES: u32 = 8;
/// So many requests in a row without an answer, and the gateway is gone.
const GONE_AFTER: u32 = 25;

/// Why the race ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// The gateway refused every client for good.
    Refused,
    /// The gateway went on when many times the budget was served.
    Overspent,
    /// The most answers were reached.
    Requests,
    /// The time was over.
    Time,
    /// The gateway no longer answered.
    Gone,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Spent {
    pub(super) tally: Tally,
    pub(super) end: End,
    pub(super) took: Duration,
}

struct Field {
    run: Arc<Run>,
    tally: Mutex<Tally>,
    most: Nusd,
    began: Stopwatch,
}

/// Lets all clients loose, and waits for all of them.
///
/// # Errors
/// If the key cannot be sent.
pub(super) async fn race(run: &Arc<Run>) -> Result<Spent, Failure> {
    let field = Arc::new(Field {
        run: Arc::clone(run),
        tally: Mutex::default(),
        most: Nusd::saturating_from(i128::from(run.settings.budget.get()) * MOST_BUDGETS),
        began: Stopwatch::start(),
    });
    let mut clients = JoinSet::new();
    for client in run.clients(&run.settings.base, &run.settings.key)? {
        clients.spawn(spend(Arc::clone(&field), client));
    }
    let ends = progress::watch(clients.join_all(), || field.how_far()).await;
    let tally = std::mem::take(&mut *field.tally());
    Ok(Spent {
        tally,
        end: ends.into_iter().max().unwrap_or(End::Refused),
        took: field.began.elapsed(),
    })
}

async fn spend(field: Arc<Field>, mut client: Client) -> End {
    let settings = &field.run.settings;
    let (mut level, mut refused, mut broken, mut good) = (0, 0, 0, 0);
    loop {
        if let Some(end) = field.end() {
            return end;
        }
        let plan = field.run.plan(level, settings.answer_ms);
        let (outcome, _) = client.ask(&plan).await;
        let fate = field.tally().note(&field.run.books, &plan, &outcome);
        match fate {
            Fate::Served => {
                (refused, broken, good) = (0, 0, good + 1);
                if good >= GOOD_TIMES {
                    (level, good) = (level.saturating_sub(1), 0);
                }
                continue;
            }
            Fate::Refused => (refused, broken, good) = (refused + 1, 0, 0),
            Fate::Broken => (broken, good) = (broken + 1, 0),
        }
        if broken >= GONE_AFTER {
            return End::Gone;
        }
        if refused > settings.retries {
            if level == SMALLEST {
                return End::Refused;
            }
            (level, refused) = (level + 1, 0);
        }
        // Not all at the same moment.
        let pause = PAUSE_MS + plan.number % PAUSE_MS;
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

impl Field {
    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing more is asked, if so.
    fn end(&self) -> Option<End> {
        let settings = &self.run.settings;
        let tally = self.tally();
        if tally.served().cost >= self.most {
            return Some(End::Overspent);
        }
        if tally.answers() >= settings.most_requests {
            return Some(End::Requests);
        }
        (self.began.elapsed() >= settings.most_time).then_some(End::Time)
    }

    fn how_far(&self) -> String {
        let tally = self.tally();
        format!(
            "{} answers worth {} of {}, {} refusals",
            tally.answers(),
            tally.served().cost,
            self.run.settings.budget,
            tally.refusals()
        )
    }
}
