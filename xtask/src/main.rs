//! The project's own tools: `cargo xtask tidy`, `access`, `model` and `openapi`.
//!
//! Plain Rust, so that they work wherever the project builds, and small, because they are built
//! by whoever wants to use them. `tidy` also runs as a test of this crate.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool for developers, which takes its settings from the environment cargo gives it"
)]

mod access;
mod model;
mod openapi;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <command>

  tidy      check the rules of the house that no compiler knows; prints what to mend
  access    print docs/access.md anew from the table of who may call what
  model     fetch the weights of the built-in model into models/ (93 MB, once)
  openapi   write openapi.json anew from the routes of the code
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match command.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["access"] => access::run(&root()),
        ["model"] => model::run(&root()),
        ["openapi"] => openapi::run(&root()),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace, wherever the command was typed.
fn root() -> PathBuf {
    let own_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    own_folder
        .parent()
        .expect("xtask lies inside the workspace")
        .to_path_buf()
}

/// Where cargo puts what it builds, so that downloads in progress lie there too.
fn target_folder(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => root.join(folder),
        _ => root.join("target"),
    }
}
