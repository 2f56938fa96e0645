//! The gateway as a process that this command did not start: killed by its number, and started
//! again by a command of whoever runs the race.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::cli::Failure;

const DEAD_WITHIN: Duration = Duration::from_secs(10);

/// Whether there is such a process, and it may be killed.
pub(super) async fn exists(pid: u32) -> bool {
    signal("0", pid).await
}

/// Kills all of them at once, as the kernel does when memory runs out.
pub(super) async fn kill(pids: &[u32]) {
    for &pid in pids {
        // One may take another with it.
        signal("KILL", pid).await;
    }
}

/// Waits until all of them have ended, and so let go of their files; a busy machine may take long
/// over it. Gives up after a while: what is then still there, the restart will tell.
pub(super) async fn gone(pids: &[u32]) {
    let all = async {
        for &pid in pids {
            while !ended(pid) && exists(pid).await {
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    let _ = timeout(DEAD_WITHIN, all).await;
}

/// Whether the process is dead and only waits for its parent to notice.
fn ended(pid: u32) -> bool {
    // After the name, which stands in parentheses and may hold some itself, comes the state.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_some_and(|state| state.starts_with('Z'))
}

/// A shell's `kill`, since there is one everywhere.
async fn signal(name: &str, pid: u32) -> bool {
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.await.is_ok_and(|status| status.success())
}

/// What the restart command started. It is left running.
#[derive(Debug)]
pub(super) struct Started {
    child: Child,
    pid: Option<u32>,
    log: PathBuf,
}

impl Started {
    /// Runs the command in a shell, in a process group of its own so that Ctrl-C does not reach
    /// it; its output goes to a file.
    ///
    /// # Errors
    /// If there is no shell, or no place for the file.
    pub(super) fn by(command: &str) -> Result<Self, Failure> {
        let log = tempfile::Builder::new()
            .prefix("farebox-race-restart-")
            .suffix(".log")
            .tempfile()
            .and_then(|file| file.keep().map_err(|error| error.error));
        let opened = log.and_then(|(file, path)| Ok((file.try_clone()?, file, path)));
        let (copy, file, log) = opened.map_err(|error| {
            Failure::new(format!(
                "no file for the output of --restart could be made: {error}. Free some space."
            ))
        })?;
        let child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::new(format!("--restart could not be run: {error}.")))?;
        let pid = child.id();
        Ok(Started { child, pid, log })
    }

    /// Whether the command has failed: it ended, and not with 0.
    pub(super) fn failed(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(status)) if !status.success())
    }

    /// The process, if it still runs.
    pub(super) fn running(&mut self) -> Option<u32> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self.pid)?
    }

    /// Where its output goes.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// The same, and how it ends.
    pub(super) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(10)..];
        format!("{}:\n{}", self.log.display(), last.join("\n"))
    }
}
