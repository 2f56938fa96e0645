//! Logs: structured, to standard error, as text or JSON. Prompts and secrets are never logged,
//! because no type that holds one can be printed.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Begins to log. A second call in one process changes nothing.
pub fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let begun = match log.format {
        LogFormat::Text => logs
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init(),
        LogFormat::Json => logs.json().flatten_event(true).finish().try_init(),
    };
    if begun.is_err() {
        tracing::debug!("logs were already begun");
    }
}

/// Checks `log.level`: a level, or a list of rules such as `info,farebox_gateway=debug`.
///
/// # Errors
/// What to write instead, as the end of a sentence.
pub(crate) fn check_level(text: &str) -> Result<(), String> {
    // A lone word that is no level would be taken as the name of a part of the program, so that
    // "infos" would silence everything else.
    let is_level = |rule: &str| rule.parse::<LevelFilter>().is_ok();
    let rules = || text.split(',').map(str::trim);
    let understood = rules().all(|rule| !rule.is_empty() && (rule.contains('=') || is_level(rule)));
    if understood && EnvFilter::try_new(text).is_ok() {
        return Ok(());
    }
    Err(
        "must be error, warn, info, debug, trace or off, or rules such as \
         \"info,farebox_gateway=debug\""
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_rules_are_understood_and_slips_are_not() {
        for good in [
            "info",
            "WARN",
            "off",
            "info,farebox_gateway=debug",
            "warn,hyper=error",
        ] {
            assert_eq!(check_level(good), Ok(()), "{good}");
        }
        for bad in ["", "infos", "info,", "verbose", "info,farebox_gateway=loud"] {
            assert!(check_level(bad).is_err(), "{bad}");
        }
    }
}
