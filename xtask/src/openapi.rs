//! `cargo xtask openapi`: writes openapi.json anew.
//!
//! The document is what the running binary serves at `/openapi.json`. A test of the farebox crate
//! compares the two; told to, the same test writes the file instead.

use std::path::Path;
use std::process::Command;

/// Runs the comparing test with leave to write the file. Two types that share a schema's name are
/// refused before: the document would show one of them for both.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    crate::tidy::schema_names(root)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    println!("Writing openapi.json from the routes of the code…");
    let status = Command::new(cargo)
        .args([
            "test",
            "--quiet",
            "--package",
            "farebox",
            "--test",
            "it",
            "openapi",
        ])
        .env("FAREBOX_UPDATE_OPENAPI", "1")
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !status.success() {
        return Err("The test that writes openapi.json failed; its output above says why.".into());
    }
    println!("Done. `git diff openapi.json` shows what changed.");
    Ok(())
}
