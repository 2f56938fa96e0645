//! Thousands of simulated fleets, each decided by a seed.
//!
//! `FAREBOX_SIM_SEEDS=n` runs n of them, `FAREBOX_SIM_FROM=n` begins at another seed than 1, and
//! `FAREBOX_SIM_SEED=n` runs exactly that one and tells everything that happens in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sim::{self, Outcome, Tally};

const SEEDS: u64 = 10_000;

/// What must have happened in so many fleets: else they prove less than they seem to.
const SEEN: [&str; 16] = [
    "admitted",
    "answered: denied",
    "answered: gone",
    "answered: granted",
    "answered: wait",
    "batches heard again",
    "completed",
    "fenced",
    "gave up",
    "late ends",
    "late ends refused",
    "orphans charged",
    "refused: broken",
    "refused: too fast",
    "replaced",
    "waited in vain",
];

#[test]
fn no_fleet_spends_a_nano_dollar_too_many_or_loses_one() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("FAREBOX_SIM_SEED") {
        println!("{:#?}", sim::run(seed, true));
        return;
    }
    let seeds = number("FAREBOX_SIM_SEEDS").unwrap_or(SEEDS);
    let tally = run_all(number("FAREBOX_SIM_FROM").unwrap_or(1), seeds);
    println!("{tally:#?}");
    let unseen = |what: &&&str| tally.of(what) == 0;
    let unseen: Vec<_> = SEEN.iter().filter(unseen).collect();
    assert!(
        seeds < 1_000 || unseen.is_empty(),
        "never happened: {unseen:?}"
    );
}

/// Runs them on all processors, until one fails.
fn run_all(from: u64, seeds: u64) -> Tally {
    let next = AtomicU64::new(from);
    let failed = Mutex::new(None);
    let total = Mutex::new(Tally::default());
    let work = || {
        let mut own = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds || failed.lock().expect("not poisoned").is_some() {
                break;
            }
            match catch_unwind(AssertUnwindSafe(|| sim::run(seed, false))) {
                Ok(outcome) => own.add(&outcome.tally),
                Err(_) => *failed.lock().expect("not poisoned") = Some(seed),
            }
        }
        total.lock().expect("not poisoned").add(&own);
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    if let Some(seed) = failed.into_inner().expect("not poisoned") {
        panic!(
            "seed {seed} failed, as said above. To see all of it:\n\
             FAREBOX_SIM_SEED={seed} cargo test -p farebox-domain --test it no_fleet -- --nocapture"
        );
    }
    total.into_inner().expect("not poisoned")
}

/// Like the ones above, and so long that the figures mean something.
#[test]
fn a_hot_pot_is_spent_to_its_end_with_few_grants() {
    for seed in 1..5 {
        let outcome = sim::run_dry(seed);
        let Outcome {
            used,
            admitted,
            grants,
            ..
        } = outcome;
        assert!(used >= 9_990, "{used} of ten thousand parts were used");
        assert!(
            grants * 1_000 <= admitted * 20,
            "{grants} grants for {admitted} requests"
        );
    }
}
