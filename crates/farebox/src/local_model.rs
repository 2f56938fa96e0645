//! Runs the built-in engine: one `farebox-local` child for each upstream of kind `local`.
//!
//! - The child says where it listens in one line of JSON on its standard output.
//! - It ends with us, however we end: it watches the pipe that is its standard input.
//! - When it dies it is started again, after a pause that doubles up to half a minute.
//! - It is in a process group of its own, so Ctrl-C reaches us alone and running answers finish.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Split};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Stopwatch;
use crate::config::Environment;

const PROGRAM: &str = "farebox-local";

/// What to run.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The upstream's id, for logs.
    pub upstream: String,
    /// The engine's binary, from [`find_program`].
    pub program: PathBuf,
    /// The weights, a GGUF file.
    pub model_path: PathBuf,
    /// What the engine calls the model.
    pub name: String,
    /// How it is started again.
    pub pace: Pace,
}

/// How a child that ends is started again.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
    /// After being ready for so long, the next failure counts as the first.
    pub forgiven_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            first: Duration::from_secs(1),
            most: Duration::from_secs(30),
            forgiven_after: Duration::from_secs(60),
        }
    }
}

/// How the child is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Loading the weights for the first time.
    Starting,
    /// Answering.
    Ready {
        /// Where, with the version, such as `http://127.0.0.1:41234/v1`.
        base_url: Arc<str>,
    },
    /// Ended; being started again.
    Restarting {
        /// Failures in a row, counted from 1.
        attempt: u32,
    },
    /// Ended for good, with us.
    Stopped,
}

impl Health {
    /// Where the child answers, if it does.
    #[must_use]
    pub fn base_url(&self) -> Option<Arc<str>> {
        match self {
            Health::Ready { base_url } => Some(base_url.clone()),
            _ => None,
        }
    }
}

/// Why the engine cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum LocalModelError {
    /// There is no binary.
    #[error(
        "the built-in engine, {PROGRAM}, was found neither beside farebox nor on the PATH. Build it with `make build`, or set FAREBOX_LOCAL_BIN to where it is"
    )]
    NoProgram,
    /// `FAREBOX_LOCAL_BIN` is wrong.
    #[error("FAREBOX_LOCAL_BIN names {0}, which is not a file. Correct or unset it")]
    WrongProgram(PathBuf),
    /// There are no weights.
    #[error("upstream \"{upstream}\" has no weights: {} is not there. Fetch the small model with `cargo xtask model`, or correct its model_path", model_path.display())]
    NoWeights {
        /// The upstream's id.
        upstream: String,
        /// What its configuration names.
        model_path: PathBuf,
    },
}

/// A child under supervision.
#[derive(Debug)]
pub struct LocalModel {
    health: watch::Receiver<Health>,
    task: JoinHandle<()>,
}

impl LocalModel {
    /// How the child is, now and later.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Waits until the child is gone, after its token was cancelled.
    pub async fn ended(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the supervisor of a local model failed");
        }
    }
}

/// Finds the engine's binary: `FAREBOX_LOCAL_BIN`, else beside this program, else on the PATH.
///
/// # Errors
/// [`LocalModelError::NoProgram`] or [`LocalModelError::WrongProgram`].
pub fn find_program(environment: &Environment) -> Result<PathBuf, LocalModelError> {
    if let Some(program) = environment.local_engine() {
        let found = program.is_file();
        return found
            .then(|| program.clone())
            .ok_or(LocalModelError::WrongProgram(program));
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|this| Some(this.parent()?.to_owned()));
    let folders = beside.into_iter().chain(environment.program_folders());
    let mut programs = folders.map(|folder| folder.join(PROGRAM));
    programs
        .find(|program| program.is_file())
        .ok_or(LocalModelError::NoProgram)
}

/// Starts the child and keeps it running until `stop`.
///
/// # Errors
/// [`LocalModelError::NoWeights`] at once, rather than a child that dies again and again.
pub fn supervise(spec: Spec, stop: CancellationToken) -> Result<LocalModel, LocalModelError> {
    if !spec.model_path.is_file() {
        let Spec {
            upstream,
            model_path,
            ..
        } = spec;
        return Err(LocalModelError::NoWeights {
            upstream,
            model_path,
        });
    }
    let (health, watched) = watch::channel(Health::Starting);
    let task = tokio::spawn(keep_running(spec, health, stop));
    Ok(LocalModel {
        health: watched,
        task,
    })
}

async fn keep_running(spec: Spec, health: watch::Sender<Health>, stop: CancellationToken) {
    let mut attempt = 0;
    loop {
        let ready_for = tokio::select! {
            ready_for = run_once(&spec, &health) => ready_for,
            () = stop.cancelled() => break,
        };
        attempt = if ready_for >= spec.pace.forgiven_after {
            1
        } else {
            attempt + 1
        };
        health.send_replace(Health::Restarting { attempt });
        tokio::select! {
            () = tokio::time::sleep(pause(&spec.pace, attempt)) => {}
            () = stop.cancelled() => break,
        }
    }
    // Dropping the run above killed its child.
    health.send_replace(Health::Stopped);
}

/// The pause before the given attempt, counted from 1.
fn pause(pace: &Pace, attempt: u32) -> Duration {
    let doubled = 1_u32
        .checked_shl(attempt.saturating_sub(1))
        .unwrap_or(u32::MAX);
    pace.first.saturating_mul(doubled).min(pace.most)
}

/// Runs one child to its end. Returns how long it was ready.
async fn run_once(spec: &Spec, health: &watch::Sender<Health>) -> Duration {
    let upstream = spec.upstream.as_str();
    let mut child = match start(spec) {
        Ok(child) => child,
        Err(error) => {
            let program = spec.program.display();
            tracing::error!(upstream, %program, %error, "the built-in engine did not start");
            return Duration::ZERO;
        }
    };
    // The open pipe tells the child that we live; it is dropped together with the child.
    let _alive = child.stdin.take();
    if let Some(complaints) = child.stderr.take() {
        tokio::spawn(forward(complaints, upstream.to_owned()));
    }
    let mut output = child
        .stdout
        .take()
        .map(|output| BufReader::new(output).split(b'\n'));
    let mut ready: Option<Stopwatch> = None;
    let ended = loop {
        tokio::select! {
            line = next_line(&mut output) => {
                if let Some(base_url) = announced(&line) {
                    tracing::info!(upstream, %base_url, "the built-in engine is ready");
                    ready = Some(Stopwatch::start());
                    health.send_replace(Health::Ready { base_url });
                }
            }
            ended = child.wait() => break ended,
        }
    };
    match ended {
        Ok(status) => tracing::warn!(upstream, %status, "the built-in engine ended"),
        Err(error) => tracing::warn!(upstream, %error, "the built-in engine was lost"),
    }
    ready.map(Stopwatch::elapsed).unwrap_or_default()
}

fn start(spec: &Spec) -> io::Result<Child> {
    Command::new(&spec.program)
        .arg("--model")
        .arg(&spec.model_path)
        .args([
            "--name",
            &spec.name,
            "--listen",
            "127.0.0.1:0",
            "--exit-with-parent",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// The next line of the child's output. Waits for ever once there is no more: its end is noticed
/// by its exit.
async fn next_line(output: &mut Option<Split<BufReader<ChildStdout>>>) -> Vec<u8> {
    if let Some(lines) = output {
        if let Ok(Some(line)) = lines.next_segment().await {
            return line;
        }
        *output = None;
    }
    std::future::pending().await
}

/// The address in a line such as `{"listening":"http://127.0.0.1:41234/v1"}`.
fn announced(line: &[u8]) -> Option<Arc<str>> {
    #[derive(Deserialize)]
    struct Announcement {
        listening: String,
    }
    let announcement: Announcement = serde_json::from_slice(line).ok()?;
    Some(announcement.listening.trim_end_matches('/').into())
}

/// Puts the child's complaints into our log.
async fn forward(complaints: ChildStderr, upstream: String) {
    let mut lines = BufReader::new(complaints).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        tracing::info!(upstream, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pace = Pace::default();
        let seconds: Vec<u64> = (1..=7)
            .map(|attempt| pause(&pace, attempt).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(&pace, u32::MAX), pace.most);
    }

    #[test]
    fn only_announcements_announce() {
        let address = |line: &str| announced(line.as_bytes()).map(|url| url.to_string());
        let expected = Some("http://127.0.0.1:1/v1".to_owned());
        assert_eq!(
            address(r#"{"listening":"http://127.0.0.1:1/v1"}"#),
            expected
        );
        assert_eq!(
            address(r#"{"listening":"http://127.0.0.1:1/v1/","model":"m"}"#),
            expected
        );
        assert_eq!(address("loading the weights"), None);
        assert_eq!(address("{}"), None);
    }
}
