//! Leases on a real PostgreSQL, held against the office.

mod desk;
mod same;
mod sharer;
mod till;
mod walk;
