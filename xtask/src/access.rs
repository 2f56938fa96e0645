//! `cargo xtask access`: prints docs/access.md anew from the table of who may call what.
//!
//! A test of the control plane compares the two; told to, the same test writes the page instead.

use std::path::Path;
use std::process::Command;

/// Runs the comparing test with leave to write the page.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    println!("Writing docs/access.md from the table in crates/control/src/access.rs…");
    let status = Command::new(cargo)
        .args(["test", "--quiet", "--package", "farebox-control"])
        .args(["--test", "it", "the_page_is_printed_from_the_table"])
        .env("FAREBOX_UPDATE_ACCESS", "1")
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("The test that writes docs/access.md failed; see above.".into()),
    }
}
