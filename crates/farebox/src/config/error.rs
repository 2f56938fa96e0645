//! What is wrong with a configuration: every problem at once, each with its place.

use std::fmt;

use super::tree::Origin;

/// One thing that is wrong, or worth a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was written.
    pub origin: Origin,
    /// The key, such as `models[0].price.input`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, as the end of a sentence that begins with the key.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.path.is_empty()) {
            (origin, true) => write!(f, "{origin}: {}", self.message),
            // A default that became wrong through another key: the file is not the place to look.
            (Origin::Default, false) => write!(f, "`{}` {}", self.path, self.message),
            (origin, false) => write!(f, "{origin}: `{}` {}", self.path, self.message),
        }
    }
}

/// Why there is no configuration to run with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line cannot be read.
    #[error("{path} cannot be read: {reason}. Name another file with --config.")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// The values do not make a configuration.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    let count = match problems.len() {
        1 => "a problem".to_owned(),
        count => format!("{count} problems"),
    };
    format!(
        "the configuration has {count}. Correct it and start again:{}",
        lines.concat()
    )
}
