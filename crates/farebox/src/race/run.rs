//! What all parts of one run share, and the count of what its clients got.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ask::{Client, Manner, Outcome, Refusal};
use super::books::{Books, Sum};
use super::plan::Plan;
use super::settings::Settings;
use crate::cli::Failure;
use crate::config::Secret;
use crate::http_client::BaseUrl;

/// One run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) books: Arc<Books>,
    pub(super) manner: Manner,
    numbers: AtomicU64,
}

impl Run {
    pub(super) fn new(settings: Settings, books: Arc<Books>, name: String) -> Self {
        Run {
            manner: Manner {
                model: settings.model.clone(),
                run: name,
                stream: settings.stream,
            },
            settings,
            books,
            numbers: AtomicU64::new(0),
        }
    }

    /// The next request, of the sizes of `level`.
    pub(super) fn plan(&self, level: u32, answer_ms: u64) -> Plan {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        Plan::new(self.settings.seed, number, level, answer_ms)
    }

    /// One client for each place.
    ///
    /// # Errors
    /// If the key cannot be sent.
    pub(super) fn clients(&self, base: &BaseUrl, key: &Secret) -> Result<Vec<Client>, Failure> {
        let client = |_| Client::new(base, key, &self.manner);
        let clients: Result<Vec<Client>, String> = (0..self.settings.clients).map(client).collect();
        clients.map_err(|problem| Failure::usage(format!("{problem}. Look at it again.")))
    }
}

/// How one request went, for whoever sends the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// There was an answer, whole or not.
    Served,
    Refused,
    Broken,
}

/// What clients got.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Answers that came whole, and what they cost.
    pub(super) whole: Sum,
    /// How many of these the gateway ended before the upstream did, properly.
    pub(super) shortened: u64,
    /// Answers that broke off, and what their beginnings cost.
    pub(super) partial: Sum,
    /// Answers that were not the upstream's to this request.
    pub(super) foreign: u64,
    /// Refusals by status and code.
    pub(super) refused: BTreeMap<(u16, String), u64>,
    /// Requests without a word of answer.
    pub(super) broken: u64,
    /// The first reason for one.
    pub(super) first_broken: Option<String>,
}

/// Statuses and codes that are told apart; what comes after is counted under its status.
const MOST_CODES: usize = 24;

impl Tally {
    /// Notes what came of a request, in the books too.
    pub(super) fn note(&mut self, books: &Books, plan: &Plan, outcome: &Outcome) -> Fate {
        match outcome {
            Outcome::Answer(seen) => {
                match books.deliver(plan.number, *seen) {
                    Ok(got) if seen.whole => {
                        self.whole.add(got.cost);
                        self.shortened += u64::from(got.shortened);
                    }
                    Ok(got) => self.partial.add(got.cost),
                    Err(_) => self.foreign += 1,
                }
                Fate::Served
            }
            Outcome::Refused(refusal) => {
                self.refuse(refusal);
                Fate::Refused
            }
            Outcome::Broken(why) => {
                self.broken += 1;
                self.first_broken.get_or_insert_with(|| why.clone());
                Fate::Broken
            }
        }
    }

    /// Adds what others got.
    pub(super) fn merge(&mut self, other: Tally) {
        self.whole = self.whole + other.whole;
        self.partial = self.partial + other.partial;
        self.shortened += other.shortened;
        self.foreign += other.foreign;
        for (kind, count) in other.refused {
            *self.refused.entry(kind).or_default() += count;
        }
        self.broken += other.broken;
        if self.first_broken.is_none() {
            self.first_broken = other.first_broken;
        }
    }

    /// Answers of all kinds.
    pub(super) fn answers(&self) -> u64 {
        self.whole.count + self.partial.count + self.foreign
    }

    /// Refusals of all kinds.
    pub(super) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// What was served, whole or not.
    pub(super) fn served(&self) -> Sum {
        self.whole + self.partial
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let mut kind = (refusal.status, refusal.code.clone());
        if self.refused.len() >= MOST_CODES && !self.refused.contains_key(&kind) {
            kind.1 = "…".to_owned();
        }
        *self.refused.entry(kind).or_default() += 1;
    }
}
