//! The program itself: what it prints, and when it ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::synthetic::{self, Variant};

fn program(model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farebox-local"));
    command
        .args(["--listen", "127.0.0.1:0", "--model"])
        .arg(model)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The address on the one line of output.
fn address(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).expect("one line of JSON");
    let url = line["listening"].as_str().unwrap();
    let address = url.strip_prefix("http://").unwrap();
    address.strip_suffix("/v1").unwrap().to_owned()
}

#[test]
fn it_says_where_it_listens_and_ends_with_its_parent() {
    let file = tempfile::NamedTempFile::new().unwrap();
    synthetic::write(file.path(), &Variant::default());
    for more in [
        &["--exit-with-parent"][..],
        &["--exit-with-parent", "--threads", "1"],
    ] {
        let mut child = program(file.path()).args(more).spawn().unwrap();
        let address = address(&mut child);
        TcpStream::connect(&address).expect("it listens by the time it says so");
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        TcpStream::connect(&address).expect_err("nobody listens any more");
    }
}

#[test]
fn without_the_flag_a_closed_input_means_nothing_and_a_signal_ends_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    synthetic::write(file.path(), &Variant::default());
    let mut child = program(file.path()).spawn().unwrap();
    drop(child.stdin.take());
    let address = address(&mut child);
    TcpStream::connect(&address).unwrap();
    let id = child.id().to_string();
    let kill = Command::new("kill").arg(&id).status().unwrap();
    assert!(kill.success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_bad_file_is_one_clear_line_and_exit_code_1() {
    let mut child = program(Path::new("/nowhere/x.gguf")).spawn().unwrap();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(
        stderr.starts_with("farebox-local: /nowhere/x.gguf: "),
        "{stderr}"
    );
    assert!(stderr.contains("cargo xtask model"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
