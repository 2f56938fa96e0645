//! `farebox serve`: builds everything from the configuration, runs it, and ends it in order.
//!
//! The order of the end matters: first no new requests, then running answers to their end, then
//! the ledger writes what is left and closes, and only then the built-in engine goes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use store::Fleet;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::assets::Assets;
use crate::cli::Failure;
use crate::config::{self, Config, Environment, Loaded, Target};
use crate::local_model::{self, Health, LocalModel, Pace, Spec};
use crate::server::{self, Bounds};
use crate::wiring::{self, Planes, Provisioner};
use crate::{health, shutdown, telemetry};

/// Everything, while it runs.
pub struct Running {
    stop: CancellationToken,
    servers: JoinSet<usize>,
    engines: Engines,
    provisioner: Provisioner,
    planes_end: wiring::End,
    fleet: Option<Fleet>,
}

/// The built-in engines: one child for each upstream of kind `local`.
struct Engines {
    stop: CancellationToken,
    running: Vec<(String, LocalModel)>,
}

/// Serves until a signal.
///
/// # Errors
/// [`Failure`] when it cannot start.
pub async fn run(loaded: &Loaded, environment: &Environment) -> Result<(), Failure> {
    telemetry::start(&loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let stop = shutdown::on_signals()
        .map_err(|error| Failure::new(format!("signals cannot be listened for: {error}.")))?;
    let mut hangup = shutdown::on_hangup()
        .map_err(|error| Failure::new(format!("signals cannot be listened for: {error}.")))?;
    let running = start(loaded, environment, None).await?;
    let ended = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            () = running.fenced() => break Err(Failure::new(
                "other nodes went on without this one, which was out of reach for too long; \
                 start it again.",
            )),
            _ = hangup.recv() => running.reload(loaded.file.as_deref(), environment).await,
        }
    };
    running.end().await;
    tracing::info!("stopped");
    ended
}

/// Starts everything. `listener` stands in for `listen` when the caller holds the address already.
///
/// # Errors
/// [`Failure`]; nothing is left running.
pub async fn start(
    loaded: &Loaded,
    environment: &Environment,
    listener: Option<TcpListener>,
) -> Result<Running, Failure> {
    if let Some(unset) = loaded.unset_secrets.first() {
        return Err(Failure::new(format!("{unset}.")));
    }
    // Addresses first: what fails cheaply and often should not have started anything.
    let doors = Doors::open(&loaded.config, listener).await?;
    let loaded = Loaded {
        config: doors.settled(loaded.config.clone()),
        ..loaded.clone()
    };
    let config = loaded.config.clone();
    let engines = Engines::start(&config, environment)?;
    let planes = match wiring::planes(&loaded, environment, &engines.healths()).await {
        Ok(planes) => planes,
        Err(failure) => {
            engines.end().await;
            return Err(failure);
        }
    };
    let Planes {
        data,
        control,
        gateway,
        provisioner,
        registry,
        ready,
        end,
        fleet,
    } = planes;

    let probes = health::routes(move || ready(), Arc::new(registry));
    let control = control.merge(Assets::embedded().router());
    let stop = CancellationToken::new();
    let mut servers = JoinSet::new();
    let bounds = Bounds::from(&config.limits);
    let mut serve = |listener: TcpListener, app: Router| {
        let app = gateway::with_unknown(app, gateway.clone());
        servers.spawn(server::serve(listener, app, bounds, stop.clone()));
    };
    match doors.admin {
        None => serve(doors.main, data.merge(control).merge(probes)),
        Some(admin) => {
            serve(
                doors.main,
                data.merge(Assets::default().router()).merge(probes.clone()),
            );
            serve(admin, control.merge(probes));
        }
    }
    tracing::info!(
        listen = %config.listen,
        public_url = config.public_url,
        database = %config.database_url,
        models = config.models.len(),
        "serving"
    );
    Ok(Running {
        stop,
        servers,
        engines,
        provisioner,
        planes_end: end,
        fleet,
    })
}

impl Running {
    /// Reads the configuration again, and puts its upstreams, models, prices and providers to sign
    /// in with into force. What cannot be read changes nothing; everything else needs a restart.
    async fn reload(&self, file: Option<&Path>, environment: &Environment) {
        let loaded = match config::load(file, environment) {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(%error, "the configuration was not read again: it is wrong");
                return;
            }
        };
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        if let Some(unset) = loaded.unset_secrets.first() {
            tracing::error!("the configuration was not read again: {unset}");
            return;
        }
        match self.provisioner.apply(&loaded).await {
            Ok(()) => {
                let models = loaded.config.models.len();
                tracing::info!(models, "read the configuration again");
            }
            Err(failure) => tracing::error!(%failure, "the configuration was not put into force"),
        }
    }

    /// Waits until others have gone on without this node; for ever where it is the only one.
    async fn fenced(&self) {
        match &self.fleet {
            Some(fleet) => fleet.fenced().await,
            None => std::future::pending().await,
        }
    }

    /// How each built-in engine is.
    #[must_use]
    pub fn local_models(&self) -> Vec<watch::Receiver<Health>> {
        self.engines
            .healths()
            .into_iter()
            .map(|(_, health)| health)
            .collect()
    }

    /// Ends everything in order.
    pub async fn end(mut self) {
        self.stop.cancel();
        while let Some(served) = self.servers.join_next().await {
            match served {
                Ok(0) => {}
                Ok(cut) => tracing::warn!(cut, "connections were cut: the grace was over"),
                Err(error) => tracing::error!(%error, "a server failed"),
            }
        }
        self.planes_end.await;
        self.engines.end().await;
    }
}

/// The addresses, taken.
struct Doors {
    main: TcpListener,
    admin: Option<TcpListener>,
    main_at: SocketAddr,
    admin_at: Option<SocketAddr>,
}

impl Doors {
    async fn open(config: &Config, main: Option<TcpListener>) -> Result<Doors, Failure> {
        let failed = |error: server::BindError| Failure::new(error.to_string());
        let main = match main {
            Some(listener) => listener,
            None => server::bind(config.listen).map_err(failed)?,
        };
        let admin = match config.admin_listen.filter(|admin| *admin != config.listen) {
            Some(address) => Some(server::bind(address).map_err(failed)?),
            None => None,
        };
        let address = |listener: &TcpListener| {
            listener
                .local_addr()
                .map_err(|error| Failure::new(format!("a listening address was lost: {error}.")))
        };
        let main_at = address(&main)?;
        let admin_at = admin.as_ref().map(address).transpose()?;
        Ok(Doors {
            main,
            admin,
            main_at,
            admin_at,
        })
    }

    /// The configuration with the ports that port 0 turned into.
    fn settled(&self, mut config: Config) -> Config {
        if config.listen.port() == 0 {
            let asked = config.listen.to_string();
            let given = self.main_at.to_string();
            config.public_url = config.public_url.replace(&asked, &given);
        }
        config.listen = self.main_at;
        config.admin_listen = self.admin_at;
        config
    }
}

impl Engines {
    fn start(config: &Config, environment: &Environment) -> Result<Engines, Failure> {
        let failed = |error: local_model::LocalModelError| Failure::new(error.to_string());
        let stop = CancellationToken::new();
        // Whoever fails below takes down what was started above.
        let guard = stop.clone().drop_guard();
        let mut running = Vec::new();
        for upstream in &config.upstreams {
            let Target::Local { model_path, name } = &upstream.target else {
                continue;
            };
            let spec = Spec {
                upstream: upstream.id.clone(),
                program: local_model::find_program(environment).map_err(failed)?,
                model_path: model_path.clone(),
                name: name.clone(),
                pace: Pace::default(),
            };
            let engine = local_model::supervise(spec, stop.clone()).map_err(failed)?;
            running.push((upstream.id.clone(), engine));
        }
        guard.disarm();
        Ok(Engines { stop, running })
    }

    fn healths(&self) -> Vec<(String, watch::Receiver<Health>)> {
        let health = |(id, engine): &(String, LocalModel)| (id.clone(), engine.health());
        self.running.iter().map(health).collect()
    }

    async fn end(self) {
        self.stop.cancel();
        for (_, engine) in self.running {
            engine.ended().await;
        }
    }
}
