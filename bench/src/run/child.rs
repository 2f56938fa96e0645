//! A server under measurement, as a child process that never outlives this one.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};

/// Killed when dropped. A shell that waits on our pipe kills it if we are killed ourselves.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    watchdog: Process,
}

impl Child {
    /// Starts a program in `folder`; its output goes to `log`.
    pub(super) fn start(
        program: &Path,
        args: &[impl AsRef<OsStr>],
        folder: &Path,
        log: &Path,
    ) -> Result<Self, String> {
        let mut command = command(program, folder);
        let log = File::create(log).map_err(|error| error.to_string())?;
        let copy = log.try_clone().map_err(|error| error.to_string())?;
        let process = command.args(args).stdout(log).stderr(copy).spawn();
        Self::guard(process.map_err(|error| cannot(program, &error))?)
    }

    /// Starts this program's own server and waits for the address that it says.
    pub(super) fn start_own(args: &[String]) -> Result<(Self, SocketAddr), String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = command(&program, Path::new("/"));
        let process = command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = Self::guard(process.map_err(|error| cannot(&program, &error))?)?;
        let pipe = child
            .process
            .stdout
            .take()
            .ok_or("a child without a pipe")?;
        let mut line = String::new();
        BufReader::new(pipe)
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let address = line
            .trim()
            .strip_prefix(crate::LISTENING)
            .and_then(|text| text.parse().ok());
        let address = address.ok_or_else(|| format!("`{}` did not start", args.join(" ")))?;
        Ok((child, address))
    }

    /// The process id.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    fn guard(process: Process) -> Result<Self, String> {
        let watchdog = Command::new("sh")
            .args([
                "-c",
                "read -r _; kill -s KILL \"$1\"",
                "watchdog",
                &process.id().to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| cannot(Path::new("sh"), &error))?;
        Ok(Self { process, watchdog })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The watchdog first: after the wait, the pid may be another's. What has ended is ended.
        for process in [&mut self.watchdog, &mut self.process] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Runs a program to its end and gives its standard output.
pub(super) fn output(program: &Path, args: &[&str], folder: &Path) -> Result<String, String> {
    let output = command(program, folder)
        .args(args)
        .output()
        .map_err(|error| cannot(program, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let name = program.file_name().map(PathBuf::from).unwrap_or_default();
    Err(format!(
        "`{} {}` failed ({}): {}{}",
        name.display(),
        args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    ))
}

/// Without standard input, and without the settings of whoever runs the benchmark.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FAREBOX_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn cannot(program: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be started: {error}", program.display())
}
