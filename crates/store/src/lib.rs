//! What Farebox keeps: the only crate that knows SQL, or that there are two databases.
//!
//! - [`Store`] opens an installation and runs reads and writes, each one transaction.
//! - [`Ledger`] takes the money of requests: holds and settlements, committed in groups.
//! - The other modules are the aggregates: plain functions on a [`Tx`], one SQL text for both.
//! - [`verify`] proves the invariants that all of this promises.

pub mod adjustments;
pub mod admin_keys;
pub mod alerts;
pub mod audit;
mod ballast;
mod batch;
pub mod billing_profiles;
pub mod books;
pub mod budgets;
mod chain;
pub mod changes;
mod commit;
pub mod copy;
pub mod credits;
mod disk;
mod error;
pub mod exports;
mod fleet;
pub mod grants;
pub mod groups;
pub mod idempotency;
pub mod installation;
pub mod invites;
pub mod jobs;
pub mod keys;
pub mod leaks;
mod leases;
mod ledger;
pub mod margins;
pub mod markup_previews;
pub mod markups;
pub mod members;
mod migrate;
pub mod model_permissions;
pub mod models;
pub mod movements;
pub mod organizations;
mod orphans;
pub mod outbox;
pub mod overdrafts;
pub mod page;
pub mod payments;
pub mod people;
mod postgres;
mod postgres_batch;
pub mod price_previews;
pub mod prices;
pub mod project_members;
pub mod projects;
pub mod prompts;
pub mod purchases;
mod queue;
pub mod rate_limits;
pub mod receipts;
pub mod recharges;
pub mod redeem_codes;
pub mod request_log;
pub mod request_receipts;
pub mod role_assignments;
pub mod roles;
pub mod service_accounts;
pub mod settings;
pub mod spend_alerts;
mod sqlite;
mod sqlite_batch;
pub mod standing;
pub mod statements;
mod store;
pub mod test_payments;
pub mod transfers;
mod tx;
pub mod upstream_costs;
mod url;
pub mod usage_reports;
mod value;
pub mod verifications;
pub mod verify;
pub mod wallets;
pub mod webhooks;

pub use batch::Settlement;
pub use error::{OpenError, StoreError};
pub use fleet::{Fleet, Member};
pub use ledger::{
    HoldTicket, Ledger, LedgerError, LedgerState, NoteTicket, SettleTicket, UnclaimTicket,
};
pub use store::{Options, Role, Store};
pub use tx::Tx;
pub use url::{DatabaseUrl, DatabaseUrlError};
pub use value::{Row, Value};
