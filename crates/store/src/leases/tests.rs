//! Leases on a real PostgreSQL, held against the office.

mod asker;
mod crossed;
mod days;
mod desk;
mod members;
mod opening;
mod returning;
mod same;
mod sharer;
mod till;
mod walk;
