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

use farebox_local::engine::WeightFormat;

const VARIABLES: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];

/// Returns when `asked` threads are the limit, which may be in a new image of this process.
///
/// Without a wish the environment decides, and if it says nothing, all cores compute; but only
/// half of them with packed weights. Threads that multiply packed weights wait for each other by
/// spinning, and where cores are shared, as with the gateway that this model serves, one thread
/// too many makes all of them several times slower.
pub(crate) fn limit(asked: Option<NonZero<usize>>, weights: WeightFormat) -> io::Result<()> {
    let set: Vec<_> = VARIABLES.iter().filter_map(env::var_os).collect();
    let threads = match (asked, weights) {
        (Some(asked), _) => asked.get(),
        (None, WeightFormat::Packed) if set.is_empty() => half_of_the_cores(),
        (None, _) => return Ok(()),
    };
    let threads = threads.to_string();
    if set.len() == VARIABLES.len() && set.iter().all(|value| *value == *threads) {
        return Ok(());
    }
    Err(restart(&threads))
}

fn half_of_the_cores() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    (cores / 2).max(1)
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
