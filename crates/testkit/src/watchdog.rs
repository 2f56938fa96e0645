//! Ends a child process when this process ends, however it ends.
//!
//! A shell waits on a pipe whose other end only this process holds. The kernel closes that end
//! when the process exits, panics or is killed, and the shell then signals the child.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the pipe to close, signals, makes sure after five seconds, and removes the folder.
const SCRIPT: &str = r#"
read -r _
kill -s "$1" "$2"
tries=0
while kill -0 "$2" && [ "$tries" -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
kill -s KILL "$2"
if [ -n "$3" ]; then rm -rf "$3"; fi
"#;

/// Guards one child process. Dropping it calls the guard off: the child is then the owner's again.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Guards the process `pid`, to be ended by `signal` (a name such as `KILL`).
    ///
    /// `folder`, if given, is deleted after the process has gone.
    pub(crate) fn over(pid: u32, signal: &str, folder: Option<&Path>) -> Self {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog", signal, &pid.to_string()])
            .arg(folder.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal must reach the tests, not the one who cleans up after them.
            .process_group(0)
            .spawn()
            .expect("`sh` can be started");
        Self { shell }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Killed before its pipe closes, so it never signals a pid that was given to another.
        if self.shell.kill().is_ok() {
            // There is nobody to tell: the shell is gone either way.
            let _ = self.shell.wait();
        }
    }
}
