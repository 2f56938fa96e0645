//! The command line: what each command takes, and how its end is told.
//!
//! Exit codes: 0 done, 1 failed, 2 usage. What failed goes to standard error, as a sentence on what
//! happened and one on what to do; what was asked for goes to standard output.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::money::Nusd;
use domain::people::email::Email;
use store::DatabaseUrl;

use crate::commands;
use crate::config::{Environment, Secret};
use crate::http_client::BaseUrl;

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
    /// Find keys where they should not be
    #[command(subcommand)]
    Keys(Keys),
    /// See which mails and text messages wait or were given up, and try them again
    #[command(subcommand)]
    Messages(Messages),
    /// Look after people with a login
    #[command(subcommand)]
    Users(Users),
    /// Look after the price book
    #[command(subcommand)]
    Prices(Prices),
    /// Look after what upstreams say they are owed
    #[command(subcommand)]
    UpstreamCosts(UpstreamCosts),
    /// Copy this SQLite installation into an empty PostgreSQL database; run again, it goes on
    Migrate(Migrate),
    /// Try Farebox: a throwaway installation with the built-in model says hello
    Demo(Demo),
    /// Race many clients against one small budget, at this or any other gateway
    #[command(long_about = RACE_ABOUT, after_long_help = RACE_EXAMPLES)]
    Race(Box<Race>),
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
    /// A head that an earlier verification printed; proves that history still contains it
    #[arg(long = "expect-head", value_name = "HASH", value_parser = hash)]
    pub expected_heads: Vec<String>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Find this installation's keys in files; exit 1 if one that works is there
    Scan(ScanKeys),
}

/// What `keys scan` takes.
#[derive(Debug, Args)]
pub struct ScanKeys {
    /// Files and folders; - is standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Revoke the keys that work, and tell their owners; at a terminal it asks first
    #[arg(long, conflicts_with = "no_database")]
    pub revoke: bool,
    /// Do not ask
    #[arg(long, requires = "revoke")]
    pub yes: bool,
    /// Only look at the form of keys; do not ask the database whose they are
    #[arg(long)]
    pub no_database: bool,
    /// Also look into files that are no text
    #[arg(long)]
    pub binary: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What can be done with messages.
#[derive(Debug, Subcommand)]
pub enum Messages {
    /// List what waits to be sent and what was given up
    List(ListMessages),
    /// Try again what was given up
    Retry(RetryMessages),
}

/// What `messages list` takes.
#[derive(Debug, Args)]
pub struct ListMessages {
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What `messages retry` takes.
#[derive(Debug, Args)]
pub struct RetryMessages {
    /// Ids of messages, job_…
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub ids: Vec<String>,
    /// Every message that was given up
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
}

/// What can be done with people.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Remove somebody's second factors, when they lost all of them: their password suffices then
    ResetFactors(ResetFactors),
}

/// What `users reset-factors` takes.
#[derive(Debug, Args)]
pub struct ResetFactors {
    /// Email address of the account
    #[arg(value_name = "EMAIL", value_parser = address)]
    pub email: Email,
}

/// What can be done with the price book.
#[derive(Debug, Subcommand)]
pub enum Prices {
    /// Take costs from LiteLLM's model_prices_and_context_window.json; shows what would change
    Import(ImportPrices),
}

/// What `prices import` takes.
#[derive(Debug, Args)]
pub struct ImportPrices {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only entries of this provider, as the file calls it
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub provider: Option<String>,
    /// The name of a model's entry, where it is not the model's; may be repeated
    #[arg(long = "map", value_name = "MODEL=NAME", value_parser = mapped)]
    pub names: Vec<(String, String)>,
    /// What the costs in the file are taken for; the other stays as it is
    #[arg(long = "as", value_name = "WHAT", value_enum, default_value_t = TakenAs::Cost)]
    pub taken_as: TakenAs,
    /// Take them for what you pay, and this much more for what customers pay, such as 20%
    #[arg(long, value_name = "PERCENT", value_parser = markup, conflicts_with = "taken_as")]
    pub markup: Option<u32>,
    /// Put it into force, from now on
    #[arg(long)]
    pub apply: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What costs in a file are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TakenAs {
    /// What you pay the upstream
    Cost,
    /// What customers pay
    Price,
}

/// What can be done with what upstreams say they are owed.
#[derive(Debug, Subcommand)]
pub enum UpstreamCosts {
    /// Take what an upstream says from a file, as OpenAI's GET /v1/organization/costs answers
    Import(ImportCosts),
}

/// What `upstream-costs import` takes.
#[derive(Debug, Args)]
pub struct ImportCosts {
    /// The file: a page of daily buckets, or a list of pages
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which upstream says so, as the configuration calls it
    #[arg(long, value_name = "ID", value_parser = name)]
    pub upstream: String,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What `migrate` takes.
#[derive(Debug, Args)]
pub struct Migrate {
    /// An empty PostgreSQL database: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "DATABASE_URL", value_parser = PostgresUrl)]
    pub to: DatabaseUrl,
}

/// Reads the address of a PostgreSQL database. Its complaint, unlike that of other values, does not
/// repeat what was written: it may hold a password.
#[derive(Clone)]
struct PostgresUrl;

impl TypedValueParser for PostgresUrl {
    type Value = DatabaseUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<DatabaseUrl, clap::Error> {
        match value.to_str().map(DatabaseUrl::parse) {
            Some(Ok(url @ DatabaseUrl::Postgres(_))) => Ok(url),
            _ => Err(clap::Error::raw(
                ErrorKind::ValueValidation,
                "--to needs the address of a PostgreSQL database, which begins with postgres://",
            )
            .with_cmd(command)),
        }
    }
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct Demo {
    /// Weights of the built-in model, a GGUF file
    #[arg(long, value_name = "PATH", default_value = crate::demo::WEIGHTS)]
    pub model: PathBuf,
}

/// What `race` takes.
#[derive(Debug, Args)]
pub struct Race {
    /// Where the gateway's OpenAI API begins, such as http://127.0.0.1:8080/v1
    #[arg(long, value_name = "URL", value_parser = BaseUrl::parse)]
    pub base_url: BaseUrl,
    /// What the key may spend, in USD, and has not begun to
    #[arg(long, value_name = "USD", value_parser = amount)]
    pub budget: Nusd,
    /// The key with that budget [default: $FAREBOX_RACE_KEY, or $OPENAI_API_KEY]
    #[arg(long, value_name = "KEY", value_parser = secret)]
    pub key: Option<Secret>,
    /// The model to ask for, as the gateway calls it
    #[arg(long, value_name = "NAME", value_parser = name, default_value = "race")]
    pub model: String,
    /// What the gateway charges for it: USD per million input and output tokens
    #[arg(long, value_name = "INPUT,OUTPUT", value_parser = prices, default_value = "1,2")]
    pub prices: (Nusd, Nusd),
    /// Where the mock upstream listens, for the gateway to call
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9417")]
    pub upstream_listen: SocketAddr,
    /// How long to wait for the gateway: at first, after its restart, and for its bill
    #[arg(long, value_name = "S", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub wait_seconds: u32,
    /// Measure only these
    #[arg(long, value_name = "PART,…", value_delimiter = ',', value_enum)]
    pub only: Vec<Part>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,

    /// Clients at a time
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = "Load",
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub clients: u32,
    /// Ask for streams
    #[arg(long, help_heading = "Load")]
    pub stream: bool,
    /// How long the upstream takes for each answer, except where latency is measured
    #[arg(long, value_name = "MS", default_value_t = 50, help_heading = "Load",
          value_parser = clap::value_parser!(u64).range(0..=30_000))]
    pub answer_ms: u64,
    /// How often a client repeats a refused request before it asks for less
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Load",
          value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// Stop the race after so many answers; it also stops once four times the budget was served
    #[arg(long, value_name = "N", default_value_t = 1_000_000, help_heading = "Load",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub requests: u64,
    /// Stop the race after so many seconds
    #[arg(long, value_name = "S", default_value_t = 300, help_heading = "Load",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Decides the sizes of requests and answers
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Load")]
    pub seed: u64,
    /// Another key, with money of its own, to pay for the latency and the kill [default:
    /// $FAREBOX_RACE_LOAD_KEY, or a tenth of the budget for each]
    #[arg(long, value_name = "KEY", value_parser = secret, help_heading = "Load")]
    pub load_key: Option<Secret>,

    /// Process of the gateway, to be killed under load; several with commas
    #[arg(long, value_name = "PID,…", value_delimiter = ',', requires = "restart",
          help_heading = "Kill", value_parser = clap::value_parser!(u32).range(2..))]
    pub pid: Vec<u32>,
    /// Shell command that starts the gateway again; what it starts is left running
    #[arg(long, value_name = "COMMAND", requires = "pid", value_parser = command,
          help_heading = "Kill")]
    pub restart: Option<String>,
    /// A Farebox admin key, to compare what was delivered with what was billed
    /// [default: $FAREBOX_RACE_ADMIN_KEY]
    #[arg(long, value_name = "KEY", value_parser = secret, help_heading = "Kill")]
    pub admin_key: Option<Secret>,
}

/// A part of the race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Latency with billing on, beside the upstream called directly
    Latency,
    /// kill -9 in the middle of load
    Kill,
    /// Many clients against the budget
    Race,
}

const RACE_ABOUT: &str = "\
Race many clients against one small budget, at this or any other OpenAI-compatible gateway.

The command serves a mock upstream, sends requests through the gateway to it, and holds what the \
clients got against the budget. Its upstream's books are the truth; the gateway's word is not \
needed. It says how many dollars were served beyond the budget, which share of the budget could be \
used, what the gateway adds to each request's time, and, if it may kill and restart the gateway, \
whether answers were delivered and never billed.

Before: give the gateway the upstream http://127.0.0.1:9417/v1 (any key), on it the model `race` \
at $1 and $2 per million tokens, and a fresh key with a budget; lift its rate limits, and turn off \
caching and retries. Nobody else may use the key meanwhile.";

const RACE_EXAMPLES: &str = "\
Examples:
  farebox race --base-url http://127.0.0.1:8080/v1 --budget 1
      the key in $FAREBOX_RACE_KEY may spend a dollar
  farebox race --base-url http://127.0.0.1:8080/v1 --budget 1 --pid 4711 --restart 'farebox serve'
      also kill -9 the gateway and start it again

Exit codes: 0 measured, however badly the gateway did; 1 could not measure; 2 usage.
docs/race.md says what each line means and how to point it at other gateways.";

/// Why a command failed: what happened, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{sentences}")]
pub struct Failure {
    sentences: String,
    exit_code: u8,
}

impl Failure {
    /// A failure told in whole sentences, the first without a capital: it follows `farebox: `.
    pub fn new(sentences: impl Into<String>) -> Self {
        Failure {
            sentences: sentences.into(),
            exit_code: 1,
        }
    }

    /// The same, where the command line is what is wrong.
    pub fn usage(sentences: impl Into<String>) -> Self {
        Failure {
            exit_code: 2,
            ..Failure::new(sentences)
        }
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
    let outcome = runtime.block_on(commands::run(cli, &Environment::of_this_process()));
    // What still reads, such as a proof of the books, changes nothing, and nobody waits for it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
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
    ExitCode::from(failure.exit_code)
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

fn secret(text: &str) -> Result<Secret, String> {
    // Never repeat the text: it may be a secret with a slip in it.
    match text.trim() {
        "" => Err("it cannot be empty".to_owned()),
        text => Ok(Secret::new(text.to_owned())),
    }
}

fn command(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it cannot be empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn prices(text: &str) -> Result<(Nusd, Nusd), String> {
    let (input, output) = text
        .split_once(',')
        .ok_or("write two amounts in USD with a comma, such as 1,2")?;
    let price = |text: &str| amount_or_none(text.trim());
    match (price(input)?, price(output)?) {
        (Nusd::ZERO, Nusd::ZERO) => Err("what is free never reaches a budget".to_owned()),
        prices => Ok(prices),
    }
}

fn address(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|problem| problem.to_string())
}

fn mapped(text: &str) -> Result<(String, String), String> {
    // Names of models may hold anything but this sign.
    match text.split_once('=') {
        Some((model, entry)) if !model.is_empty() && !entry.is_empty() => {
            Ok((model.to_owned(), entry.to_owned()))
        }
        _ => Err("write the model, '=', and the name in the file".to_owned()),
    }
}

/// Per cents with at most four decimals, as millionths.
fn markup(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 4 {
        return Err("write per cents with at most four decimals, such as 20% or 12.5%".to_owned());
    }
    let millionths = format!("{whole}{decimals:0<4}").parse::<u32>().ok();
    millionths
        .filter(|millionths| *millionths <= 100_000_000)
        .ok_or_else(|| "the markup can be 10000% at most".to_owned())
}

fn email(text: &str) -> Result<String, String> {
    address(text).map(|email| email.to_string())
}

fn hash(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a hash has 64 hexadecimal digits".to_owned())
    }
}

fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it cannot be empty".to_owned()),
        text if text.chars().count() > 200 => Err("use at most 200 characters".to_owned()),
        text => Ok(text.to_owned()),
    }
}
