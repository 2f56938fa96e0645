//! `farebox demo`: a throwaway installation with the built-in model says hello, and stays.
//!
//! It takes the same road as everybody: a configuration, a set-up, a served address, a key, and
//! one request over HTTP. Only the folder it lives in is gone when it ends.

mod call;
mod page;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use domain::money::Nusd;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::{Demo, Failure};
use crate::clock::Stopwatch;
use crate::commands::print;
use crate::config::{self, Environment, Loaded};
use crate::installation::{self, Founded, NewInstallation};
use crate::local_model::Health;
use crate::{entropy, serve, server, shutdown, telemetry};

/// Where `cargo xtask model` puts the small model.
pub const WEIGHTS: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

const MODEL: &str = "smollm2-135m-instruct";
const PROMPT: &str = "Hello World";
const EMAIL: &str = "demo@localhost.localdomain";
const CREDIT: Nusd = Nusd::new(5_000_000_000);
const USUAL_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// How often to say that the model is still being loaded.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);
/// Restarts of the engine after which there is no hope.
const MOST_ATTEMPTS: u32 = 3;

/// Runs the demo until a signal.
///
/// # Errors
/// [`Failure`], with what to do about it.
pub async fn run(demo: &Demo, environment: &Environment) -> Result<(), Failure> {
    if !demo.model.is_file() {
        return Err(Failure::new(format!(
            "{} is not there. Fetch it with `cargo xtask model`, or name another with --model.",
            demo.model.display()
        )));
    }
    let stop = shutdown::on_signals()
        .map_err(|error| Failure::new(format!("signals cannot be listened for: {error}.")))?;
    let folder = tempfile::Builder::new()
        .prefix("farebox-demo-")
        .tempdir()
        .map_err(|error| {
            Failure::new(format!(
                "no temporary folder could be made: {error}. Free some space."
            ))
        })?;
    let (listener, address) = listen()?;
    let loaded = configure(folder.path(), address, &demo.model, environment)?;
    telemetry::start(&loaded.config.log);

    say(&format!(
        "Setting up a throwaway installation in {}\n",
        folder.path().display()
    ))?;
    let password = domain::id::random_base62(24, entropy::system);
    let founded = installation::found(&loaded.config, &new_installation(&password)).await?;
    let running = serve::start(&loaded, environment, Some(listener)).await?;
    say(&format!("Serving on http://{address}\n"))?;

    let told = tokio::select! {
        told = greet(&running, &loaded, &founded, &password) => told,
        () = stop.cancelled() => Ok(()),
    };
    if told.is_ok() {
        stop.cancelled().await;
        say("\nStopping; the installation is thrown away.\n")?;
    }
    running.end().await;
    told
}

/// Everything that is shown while it runs.
async fn greet(
    running: &serve::Running,
    loaded: &Loaded,
    founded: &Founded,
    password: &str,
) -> Result<(), Failure> {
    say("Starting the built-in model\n")?;
    for health in running.local_models() {
        loading(health).await?;
    }
    say("Asking it to say hello\n")?;
    let base = loaded.config.api_base();
    let key = founded.api_key.expose();
    let exchange = call::chat(&base, key, MODEL, PROMPT)
        .await
        .map_err(Failure::new)?;
    let console = page::Console {
        url: &loaded.config.public_url,
        email: EMAIL,
        password,
    };
    print(&page::summary(&exchange, &console, &base, key))?;
    print(&page::snippets(&base, key, MODEL))?;
    say("\nServing until Ctrl-C.\n")
}

/// Waits until the model answers, saying now and then that it is not stuck.
async fn loading(mut health: watch::Receiver<Health>) -> Result<(), Failure> {
    let begun = Stopwatch::start();
    loop {
        let state = health.borrow_and_update().clone();
        match state {
            Health::Ready { .. } => {
                let seconds = begun.elapsed().as_secs();
                return say(&format!("The model is ready after {seconds} s\n"));
            }
            Health::Restarting { attempt } if attempt >= MOST_ATTEMPTS => {
                return Err(Failure::new(
                    "the built-in model does not start; its messages are above. Fetch its weights \
                     again with `cargo xtask model`.",
                ));
            }
            Health::Stopped => return Err(Failure::new("the built-in model was stopped.")),
            Health::Starting | Health::Restarting { .. } => {}
        }
        if tokio::time::timeout(PROGRESS_EVERY, health.changed())
            .await
            .is_err()
        {
            say(&format!(
                "  still loading the model ({} s)\n",
                begun.elapsed().as_secs()
            ))?;
        }
    }
}

/// The usual address, or a free port when it is taken.
fn listen() -> Result<(TcpListener, SocketAddr), Failure> {
    let anywhere = SocketAddr::new(USUAL_ADDRESS.ip(), 0);
    let listener = match server::listen(USUAL_ADDRESS) {
        Ok(listener) => Ok(listener),
        Err(_) => {
            say(&format!(
                "{USUAL_ADDRESS} is taken by another program; using a free port\n"
            ))?;
            server::listen(anywhere)
        }
    };
    let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = bound.map_err(|error| {
        Failure::new(format!(
            "no loopback address could be listened on: {error}."
        ))
    })?;
    Ok((listener, address))
}

/// Writes the demo's configuration into its folder and reads it as any other. Settings of the
/// machine's own Farebox are left out of it; the way to the engine is not.
fn configure(
    folder: &Path,
    address: SocketAddr,
    weights: &Path,
    environment: &Environment,
) -> Result<Loaded, Failure> {
    let text = page::configuration(folder, address, weights, MODEL);
    let file = folder.join(config::DEFAULT_FILE);
    std::fs::write(&file, &text)
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}.", file.display())))?;
    config::load(Some(&file), &environment.without_configuration())
        .map_err(|error| Failure::new(error.to_string()))
}

fn new_installation(password: &str) -> NewInstallation {
    NewInstallation {
        email: EMAIL.to_owned(),
        organization: "Demo".to_owned(),
        password: config::Secret::new(password.to_owned()),
        credit: CREDIT,
    }
}

fn say(line: &str) -> Result<(), Failure> {
    print(line)
}
