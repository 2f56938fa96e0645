//! The command line: what each command takes, and how its end is told.
//!
//! Exit codes: 0 done, 1 failed, 2 usage. What failed goes to standard error, as a sentence on what
//! happened and one on what to do; what was asked for goes to standard output.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use domain::money::Nusd;

use crate::commands;
use crate::config::Environment;

/// Your own AI API platform: accounts, keys, prepaid credit and limits in front of any model.
#[derive(Debug, Parser)]
#[command(name = "farebox", version, about, max_term_width = 100)]
pub struct Cli {
    /// Configuration file [default: ./farebox.toml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything: gateway, API, console, jobs
    Serve,
    /// Make the first user, organization, project and keys of an empty installation
    Setup(Setup),
    /// Check the configuration and print the values in force, secrets hidden
    CheckConfig,
    /// Give an organization credit
    #[command(subcommand)]
    Credit(Credit),
    /// Look after the ledger
    #[command(subcommand)]
    Ledger(Ledger),
    /// Try Farebox: a throwaway installation with the built-in model says hello
    Demo(Demo),
}

/// What `setup` takes.
#[derive(Debug, Args)]
pub struct Setup {
    /// Email address of the operator, who also owns the organization
    #[arg(long, value_parser = email)]
    pub email: String,
    /// Name of the organization
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub organization: String,
    /// Read the password from standard input (left out: one is made and shown once)
    #[arg(long)]
    pub password_stdin: bool,
    /// Credit to begin with, in USD, such as 25 or 0.50
    #[arg(long, value_name = "USD", value_parser = amount_or_none, default_value = "0")]
    pub credit: Nusd,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What can be done with credit.
#[derive(Debug, Subcommand)]
pub enum Credit {
    /// Grant credit to an organization
    Grant(Grant),
}

/// What `credit grant` takes.
#[derive(Debug, Args)]
pub struct Grant {
    /// Id of the organization, org-…
    #[arg(long, value_name = "ID")]
    pub organization: String,
    /// Amount in USD, such as 25 or 0.50
    #[arg(long, value_name = "USD", value_parser = amount)]
    pub amount: Nusd,
    /// Days until what is left of it expires (left out: never)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub expires_in_days: Option<u32>,
    /// Why, for the books
    #[arg(long, value_name = "TEXT", value_parser = name)]
    pub reason: String,
}

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Prove every invariant; exit 1 and say which fails, where and by how much
    Verify(Verify),
}

/// What `ledger verify` takes.
#[derive(Debug, Args)]
pub struct Verify {
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct Demo {
    /// Weights of the built-in model, a GGUF file
    #[arg(long, value_name = "PATH", default_value = crate::demo::WEIGHTS)]
    pub model: PathBuf,
}

/// Why a command failed: what happened, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// A failure told in whole sentences, the first without a capital: it follows `farebox: `.
    pub fn new(sentences: impl Into<String>) -> Self {
        Failure(sentences.into())
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    // Ends the process itself for --help (0) and for wrong usage (2).
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return report(&Failure::new(format!(
                "no threads could be started: {error}."
            )));
        }
    };
    match runtime.block_on(commands::run(cli, &Environment::of_this_process())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    let text = failure.to_string();
    let text = text.trim_end();
    let end = if text.ends_with(['.', '?', '!', ')']) || text.contains('\n') {
        ""
    } else {
        "."
    };
    eprintln!("farebox: {text}{end}");
    ExitCode::from(1)
}

fn amount_or_none(text: &str) -> Result<Nusd, String> {
    let text = text.strip_prefix('$').unwrap_or(text);
    Nusd::parse_usd(text).map_err(|error| error.to_string())
}

fn amount(text: &str) -> Result<Nusd, String> {
    match amount_or_none(text)? {
        Nusd::ZERO => Err("the amount must be above 0".to_owned()),
        amount => Ok(amount),
    }
}

fn email(text: &str) -> Result<String, String> {
    let plausible = |(user, host): (&str, &str)| !user.is_empty() && !host.is_empty();
    let blank = |letter: char| letter.is_whitespace() || letter.is_control();
    if text.len() <= 254 && text.split_once('@').is_some_and(plausible) && !text.contains(blank) {
        Ok(text.to_owned())
    } else {
        Err("write an email address, such as you@example.com".to_owned())
    }
}

fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it cannot be empty".to_owned()),
        text if text.chars().count() > 200 => Err("use at most 200 characters".to_owned()),
        text => Ok(text.to_owned()),
    }
}
