//! The command line of the benchmarks. Without a command it runs everything.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use farebox_bench::{load, relay, run, upstream};

/// Measures Farebox beside a bare relay, alternately in one run, and prints one table.
#[derive(Parser)]
#[command(name = "farebox-bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything, measure Farebox and the relay alternately, and print one table (the
    /// default)
    Run(run::Settings),
    /// Send requests to one address and print what came of it
    Load(load::cli::Settings),
    /// Serve instant answers as an upstream
    Upstream(upstream::Settings),
    /// Relay to an upstream with nothing in between: the floor
    Relay {
        /// Where to listen; port 0 takes a free one and prints it
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// The upstream's address
        #[arg(long)]
        upstream: SocketAddr,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(settings) => run::run(&settings).await,
        Command::Load(settings) => load::cli::run(&settings).await,
        Command::Upstream(settings) => upstream::serve(settings).await,
        Command::Relay { listen, upstream } => relay::serve(listen, upstream).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("farebox-bench: {problem}");
            ExitCode::FAILURE
        }
    }
}
