//! `farebox-local`: serves one model file over OpenAI's protocol.
//!
//! Standard output carries one line, once the address is bound:
//! `{"listening":"http://127.0.0.1:PORT/v1"}`. Everything else goes to standard error, so a
//! supervisor can start this on port 0 and read where it is.

mod threads;

use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use farebox_local::engine::{Engine, EngineOptions, WeightFormat};
use farebox_local::server::{Server, ServerOptions};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long running answers may take to end after a signal.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Serves a model in a GGUF file on this machine's CPU, over OpenAI's protocol.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The model file (GGUF, architecture llama)
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// The model's name in requests [default: the file's name without its ending]
    #[arg(long, value_name = "ID")]
    name: Option<String>,
    /// Where to listen; port 0 takes a free one. There is no authentication
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8091")]
    listen: SocketAddr,
    /// How to keep the weights in memory
    #[arg(long, value_enum, default_value_t)]
    weights: WeightFormat,
    /// The most tokens of prompt and answer together
    #[arg(long, value_name = "TOKENS", default_value = "2048")]
    context: NonZero<usize>,
    /// How many requests to run at the same time
    #[arg(long, value_name = "N", default_value = "1")]
    parallel: NonZero<usize>,
    /// How many more requests may wait
    #[arg(long, value_name = "N", default_value = "16")]
    queue: usize,
    /// How many threads compute [default: one per core, or per two with packed weights]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Exit when standard input is closed, as it is when the parent process ends
    #[arg(long)]
    exit_with_parent: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(tracing::Level::INFO)
        .init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("farebox-local: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    threads::limit(arguments.threads, arguments.weights)?;
    let parent = arguments.exit_with_parent.then(watch_parent).transpose()?;
    let options = EngineOptions {
        weights: arguments.weights,
        context_tokens: arguments.context.get(),
    };
    let engine = Engine::load(&arguments.model, options)?;
    let model_id = arguments.name.unwrap_or_else(|| {
        let stem = arguments.model.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    });
    if !arguments.listen.ip().is_loopback() {
        tracing::warn!("listening beyond this machine, without authentication");
    }
    let server = ServerOptions {
        model_id,
        parallel: arguments.parallel.get(),
        queue: arguments.queue,
    };
    let server = Server::start(engine, server)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let result = runtime.block_on(serve(server, arguments.listen, parent));
    // Whatever still computes has nobody left to tell.
    runtime.shutdown_background();
    result
}

async fn serve(
    server: Server,
    address: SocketAddr,
    parent: Option<oneshot::Receiver<()>>,
) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr()?;
    // Listened for before anyone knows the address: a signal right after must end it well.
    let stop_signal = stop_signal()?;
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "{}",
        json!({"listening": format!("http://{address}/v1")})
    )?;
    stdout.flush()?;

    let (drain, draining) = oneshot::channel::<()>();
    let (stop, stopping) = oneshot::channel::<()>();
    let served = server.serve(listener, async {
        // A dropped sender means the same as a message.
        let _ = stopping.await;
    });
    let signals = async {
        stop_signal.await;
        drop((stop, drain));
        std::future::pending::<()>().await;
    };
    let too_late = async {
        let _ = draining.await;
        tokio::time::sleep(DRAIN_TIME).await;
    };
    let parent_gone = async {
        match parent {
            Some(parent) => drop(parent.await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = served => result?,
        () = signals => {}
        () = too_late => tracing::warn!("answers were cut off: they did not end in time"),
        () = parent_gone => tracing::info!("the parent process is gone"),
    }
    Ok(())
}

/// Begins to listen for signals; the answer completes when the process is asked to end.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes when standard input ends. The thread reads and discards, which works for pipes,
/// files and terminals alike, and is left behind when the process exits.
fn watch_parent() -> std::io::Result<oneshot::Receiver<()>> {
    let (gone, parent) = oneshot::channel();
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            let ended = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            if let Err(error) = ended {
                tracing::debug!(%error, "standard input failed");
            }
            // The receiver is gone only if the process is ending anyway.
            let _ = gone.send(());
        })?;
    Ok(parent)
}
