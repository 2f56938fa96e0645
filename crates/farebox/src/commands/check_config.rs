//! `farebox check-config`: the values in force, and what is doubtful about them.

use super::print;
use crate::cli::Failure;
use crate::config::{DEFAULT_FILE, Loaded, effective};

/// Prints the configuration. Warnings go to standard error, so that the output stays TOML.
pub(super) fn run(loaded: &Loaded) -> Result<(), Failure> {
    let source = match &loaded.file {
        Some(file) => format!("# {} is valid. The values in force:\n\n", file.display()),
        None => format!("# There is no {DEFAULT_FILE} here. The values in force:\n\n"),
    };
    print(&format!("{source}{}", effective(&loaded.config)))?;
    for warning in loaded.unset_secrets.iter().chain(&loaded.warnings) {
        eprintln!("farebox: warning: {warning}.");
    }
    Ok(())
}
