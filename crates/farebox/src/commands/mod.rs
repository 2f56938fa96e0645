//! The commands, one file each. They read the configuration, ask the layers below, and print.

mod check_config;
mod credit;
mod keys;
mod ledger;
mod messages;
mod migrate;
mod prices;
mod setup;
mod upstream_costs;
mod users;

use std::io::{self, Write};
use std::path::Path;

use crate::cli::{Cli, Command, Credit, Failure, Keys, Ledger, UpstreamCosts};
use crate::config::{self, Environment, Loaded};
use crate::{demo, race, serve};

/// Does what the command line says.
///
/// # Errors
/// [`Failure`]: the process ends with code 1.
pub(crate) async fn run(cli: Cli, environment: &Environment) -> Result<(), Failure> {
    let file = cli.config.as_deref();
    match cli.command {
        Command::Serve => serve::run(&load(file, environment)?, environment).await,
        Command::Setup(setup) => setup::run(&load(file, environment)?, setup).await,
        Command::CheckConfig => check_config::run(&load(file, environment)?),
        Command::Credit(Credit::Grant(grant)) => {
            credit::run(&load(file, environment)?, grant).await
        }
        Command::Ledger(Ledger::Verify(verify)) => {
            ledger::run(&load(file, environment)?, &verify).await
        }
        Command::Keys(Keys::Scan(scan)) => keys::run(&load(file, environment)?, scan).await,
        Command::Messages(messages) => messages::run(&load(file, environment)?, messages).await,
        Command::Users(users) => users::run(&load(file, environment)?, users).await,
        Command::Prices(prices) => prices::run(&load(file, environment)?, prices).await,
        Command::UpstreamCosts(UpstreamCosts::Import(import)) => {
            upstream_costs::run(&load(file, environment)?, import).await
        }
        Command::Migrate(migrate) => migrate::run(&load(file, environment)?, &migrate).await,
        Command::Demo(demo) => demo::run(&demo, environment).await,
        Command::Race(race) => race::run(*race, environment).await,
    }
}

fn load(file: Option<&Path>, environment: &Environment) -> Result<Loaded, Failure> {
    config::load(file, environment).map_err(|error| Failure::new(error.to_string()))
}

/// Prints to standard output, which may be a pipe that somebody closed.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| {
            Failure::new(format!(
                "the output could not be written: {error}. Look where it goes."
            ))
        })
}

/// Lines of a label and a value, aligned, indented by two.
pub(crate) fn aligned(rows: &[(&str, String)]) -> String {
    let width = rows
        .iter()
        .map(|(label, _)| label.chars().count())
        .max()
        .unwrap_or(0);
    let line = |(label, value): &(&str, String)| {
        // Values of several lines stay in their column.
        let value = value
            .trim_end()
            .replace('\n', &format!("\n{:1$}", "", width + 4));
        format!("  {label:width$}  {value}\n")
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_a_column_also_when_they_have_lines() {
        let rows = [
            ("a", "one".to_owned()),
            ("longer", "two\nlines\n".to_owned()),
        ];
        assert_eq!(
            aligned(&rows),
            "  a       one\n  longer  two\n          lines\n"
        );
    }
}
