//! The rules of Farebox: money, prices, the ledger, holds, budgets, rate limits, keys and access.
//!
//! Pure: no I/O, no clock, no randomness, no async, no serialization. Time arrives as a parameter
//! ([`time::AtUs`]), randomness as a function ([`Entropy`]), so every rule is tested by tables and
//! properties, and the gateway, the control plane and the simulator obey the same ones.
#![deny(
    missing_docs,
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

pub mod access;
pub mod admission;
pub mod alert;
pub mod bound;
pub mod breakdown;
pub mod budget;
pub mod credit;
pub mod document;
pub mod hold;
pub mod id;
pub mod idempotency;
pub mod job;
pub mod key;
pub mod key_scan;
pub mod lease;
pub mod ledger;
pub mod markup;
pub mod message;
pub mod model_permissions;
pub mod money;
pub mod month;
pub mod network;
pub mod payment;
pub mod people;
pub mod permission;
pub mod price;
pub mod purchase;
pub mod rate;
pub mod recharge;
pub mod redeem_code;
pub mod restriction;
pub mod rotation;
pub mod sealed;
pub mod secret;
pub mod time;
pub mod usage;
pub mod webhook;
pub mod window;

/// Fills a buffer with unpredictable bytes. The binary passes the operating system's source; tests
/// pass a counter.
pub type Entropy = fn(&mut [u8]);
