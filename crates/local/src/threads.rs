//! How many threads the arithmetic may use.
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
use std::thread;

const VARIABLES: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];

/// Returns when `asked` threads are the limit, which may be in a new image of this process.
///
/// Without a wish the environment decides, and if it says nothing, half of the cores compute.
/// The threads wait for each other by spinning after every product; where cores are shared, as
/// with the gateway that this model serves, one thread too many makes all of them several times
/// slower, and one too few costs little.
pub(crate) fn limit(asked: Option<NonZero<usize>>) -> io::Result<()> {
    let is_set = |wanted: &str| {
        let mut set = VARIABLES.iter().map(env::var);
        set.all(|value| value.is_ok_and(|value| value == wanted))
    };
    let threads = match asked {
        Some(asked) => asked.get(),
        None if VARIABLES.iter().any(|name| env::var_os(name).is_some()) => return Ok(()),
        None => (thread::available_parallelism().map_or(1, NonZero::get) / 2).max(1),
    };
    let wanted = threads.to_string();
    if is_set(&wanted) {
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
