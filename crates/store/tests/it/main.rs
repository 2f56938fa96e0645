//! What the store promises, on SQLite and on a real PostgreSQL.

// By the name that its users know it by.
extern crate farebox_store as store;

mod alerts;
mod audit;
mod change_log;
mod connection_loss;
mod copying;
mod credit_life;
mod credit_lots;
mod credit_oracle;
mod credit_world;
mod crud_installation;
mod crud_keys;
mod crud_people;
mod crud_projects;
mod crud_service_accounts;
mod crud_world;
#[cfg(target_os = "linux")]
mod disk_faults;
mod fixture;
mod full_disk;
mod idempotency;
mod jobs;
mod key_settings;
mod kill9;
mod ledger_life;
mod ledger_trouble;
mod limits;
mod low_balances;
mod markups;
mod model;
mod movements;
mod orphans;
mod payments;
mod people_entry;
mod people_factors;
mod people_identities;
mod people_signups;
mod price_book;
mod price_previews;
mod proofs;
mod proofs_credit;
mod proofs_papers;
mod receipts;
mod recharges;
mod redeem_codes;
mod request_log;
mod request_receipts;
mod roles;
mod schema;
mod snapshots;
mod standby;
mod statements;
mod wallet_order;
mod webhooks;
