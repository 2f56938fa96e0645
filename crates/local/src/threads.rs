//! `--threads`: how many threads the arithmetic may use.
//!
//! candle makes its threads at first use and takes their number from the environment only, and
//! a process cannot safely change its own environment. So the process starts itself once more,
//! in its own place: same id, same standard streams, with the variables set.
#![expect(
    clippy::disallowed_methods,
    reason = "the variables are candle's, not settings of ours"
)]

use std::env;
use std::io;
use std::num::NonZero;

const VARIABLES: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];

/// Returns when the limit is in force, which may be in a new image of this process.
pub(crate) fn limit(threads: NonZero<usize>) -> io::Result<()> {
    let wanted = threads.to_string();
    let is_set = |name: &&str| env::var(name).is_ok_and(|value| value == wanted);
    if VARIABLES.iter().all(|name| is_set(name)) {
        return Ok(());
    }
    Err(restart(&wanted))
}

/// Replaces this process; comes back only with the reason why not.
#[cfg(unix)]
fn restart(threads: &str) -> io::Error {
    use std::os::unix::process::CommandExt as _;

    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut command = std::process::Command::new(program);
    command.args(env::args_os().skip(1));
    for name in VARIABLES {
        command.env(name, threads);
    }
    command.exec()
}

#[cfg(not(unix))]
fn restart(threads: &str) -> io::Error {
    let [candle, rayon] = VARIABLES;
    io::Error::other(format!(
        "--threads does not work on this system; set {candle} and {rayon} to {threads} instead"
    ))
}
