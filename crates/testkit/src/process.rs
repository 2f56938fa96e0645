//! A program under test, as a child process whose output is kept.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::http;
use crate::watchdog::Watchdog;

/// A running (or ended) child. Killed when dropped, and when this process dies.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    name: String,
    stdout: Output,
    stderr: Output,
    /// Gone as soon as the child has been waited for: its pid may then be another's.
    watchdog: Option<Watchdog>,
    status: Option<ExitStatus>,
}

/// Starts `path` with `args` in the folder `cwd`; standard input is empty.
///
/// The environment is this process's without any `FAREBOX_…`, plus `env`.
///
/// # Panics
/// If the program cannot be started.
pub fn spawn_binary(
    path: impl AsRef<Path>,
    args: &[&str],
    cwd: impl AsRef<Path>,
    env: &[(&str, &str)],
) -> Process {
    let path = path.as_ref();
    let mut command = Command::new(path);
    command.args(args).current_dir(cwd);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FAREBOX_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", path.display()));
    let pid = child.id();
    let stdout = Output::of(child.stdout.take().expect("stdout was asked to be a pipe"));
    let stderr = Output::of(child.stderr.take().expect("stderr was asked to be a pipe"));
    let watchdog = Some(Watchdog::over(pid, "KILL", None));
    let name = path.display().to_string();
    Process {
        child,
        pid,
        name,
        stdout,
        stderr,
        watchdog,
        status: None,
    }
}

/// Waits until `GET url` answers 200. Panics after `deadline`.
pub async fn wait_for_http(url: &str, deadline: Duration) {
    let started = Instant::now();
    while !answers(url).await {
        assert!(
            started.elapsed() < deadline,
            "{url} does not answer 200 after {deadline:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Process {
    /// The process id, also after its end.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until `GET url` answers 200. Panics with the program's stderr if it ends before, or
    /// after `deadline`.
    pub async fn wait_for_http(&mut self, url: &str, deadline: Duration) {
        let started = Instant::now();
        while !answers(url).await {
            if let Some(status) = self.ended() {
                panic!("{} ended ({status}):\n{}", self.name, self.stderr());
            }
            assert!(
                started.elapsed() < deadline,
                "{url} does not answer 200 after {deadline:?}:\n{}",
                self.stderr(),
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills it as the kernel does when memory runs out (SIGKILL), and waits until it has gone.
    pub fn kill9(&mut self) {
        if self.ended().is_none() {
            // It may end by itself between the question and the kill.
            let _ = self.child.kill();
            let status = self
                .child
                .wait()
                .expect("a child of ours can be waited for");
            self.record_end(status);
        }
    }

    /// Sends a signal by name (`TERM`, `HUP`, `STOP`, `CONT`, `INT`) and does not wait.
    pub fn signal(&self, name: &str) {
        let pid = self.pid.to_string();
        if self.status.is_none() {
            let sent = Command::new("kill").args(["-s", name, &pid]).status();
            assert!(sent.is_ok(), "`kill` can be run");
        }
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none()
            && let Some(status) = self.child.try_wait().expect("a child can be asked")
        {
            self.record_end(status);
        }
        self.status
    }

    /// Waits for its end. Panics with its stderr after `deadline`.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                started.elapsed() < deadline,
                "{} still runs after {deadline:?}:\n{}",
                self.name,
                self.stderr(),
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it has written to standard output so far; all of it once it has ended.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far; all of it once it has ended.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    fn record_end(&mut self, status: ExitStatus) {
        self.status = Some(status);
        self.watchdog = None;
        self.stdout.finish();
        self.stderr.finish();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

async fn answers(url: &str) -> bool {
    http::Request::get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status == 200)
}

/// One pipe, read to its end by a thread so that the child never blocks on it.
#[derive(Debug)]
struct Output {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                kept.lock().append(&mut line);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock()).into_owned()
    }

    /// Waits for the last lines, but not for grandchildren that hold the pipe open.
    fn finish(&mut self) {
        let Some(reader) = self.reader.take() else {
            return;
        };
        for _ in 0..100 {
            if reader.is_finished() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
