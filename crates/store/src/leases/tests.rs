//! Leases on a real PostgreSQL, held against the office.

mod crossed;
mod days;
mod desk;
mod members;
mod opening;
mod same;
mod sharer;
mod till;
mod walk;
