//! A simulator of several nodes on one database: discrete events, decided by a seed alone.
//!
//! Real are the rules: `Presence`, `Leases` and `Share` on each node, and the `Office`. The rest
//! stands in: a book with caps, the steps of requests, the ledger's queue, clocks, a network that
//! loses, repeats and overtakes, and whatever else befalls a fleet. `truth` watches all of it with
//! knowledge that nobody inside has.

mod book;
mod database;
mod ended;
mod faults;
mod network;
mod process;
mod queue;
mod rates;
mod request;
mod rng;
mod scenario;
mod strike;
mod truth;
mod verdict;
mod world;

pub(crate) use truth::Tally;
pub(crate) use world::{Outcome, run, run_dry};

/// Microseconds in a millisecond.
const MS: i64 = 1_000;
/// Microseconds in a second.
const S: i64 = 1_000 * MS;
