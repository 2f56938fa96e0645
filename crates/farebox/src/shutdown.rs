//! SIGTERM and SIGINT: the first asks everything to finish, the second ends the process at once.
//! SIGHUP: read the configuration again.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Signals within this time of the first are the same wish.
const SAME_WISH: Duration = Duration::from_secs(1);

/// Listens for signals. The token is cancelled by the first; a later one ends the process with
/// code 1, since what was running is cut off.
///
/// # Errors
/// If the operating system refuses signal handlers.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let first = stop.clone();
    tokio::spawn(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping; a second signal stops at once");
        first.cancel();
        // One Ctrl-C can arrive twice, from the terminal and from a parent that passes it on.
        let repeats = async {
            loop {
                either(&mut terminate, &mut interrupt).await;
            }
        };
        let _: Result<(), _> = tokio::time::timeout(SAME_WISH, repeats).await;
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::warn!(
            signal = name,
            "stopped at once: running requests were cut off"
        );
        leave();
    });
    Ok(stop)
}

/// Listens for SIGHUP, which asks for the configuration to be read again.
///
/// # Errors
/// If the operating system refuses signal handlers.
pub fn on_hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

#[expect(
    clippy::disallowed_methods,
    reason = "who asks twice wants no more waiting; open holds are resolved at the next start"
)]
fn leave() -> ! {
    std::process::exit(1)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
