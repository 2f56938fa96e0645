//! The binary `farebox`: command line, configuration, wiring, console files, telemetry, shutdown.
//!
//! Everything that touches the outside world without being the database or an upstream is here: the
//! clock, randomness, the environment, signals, listeners. The layers below get them passed in.

pub mod assets;
mod bill_import;
mod care;
pub mod cli;
pub mod clock;
mod commands;
pub mod config;
mod data_plane;
pub mod demo;
pub mod entropy;
pub mod health;
pub mod http_client;
pub mod installation;
mod key_scan;
pub mod local_model;
pub mod openapi;
mod paying;
mod price_file;
pub mod price_import;
mod progress;
mod race;
mod sealing;
mod sending;
pub mod serve;
pub mod server;
pub mod shutdown;
pub mod telemetry;
mod wiring;
