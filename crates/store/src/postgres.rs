//! PostgreSQL: a pool for reads and writes, and a connection of its own for the ledger's writer,
//! which also holds the lock of a server while it lives.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use domain::lease::NodeId;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tx::Engine;
use crate::{DatabaseUrl, OpenError, StoreError, Tx};

const POOL_CONNECTIONS: usize = 16;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements that a connection keeps prepared. Those that are used often are fewer; lists with
/// many filters have many texts.
const MOST_PREPARED: usize = 500;
/// A connection that says nothing for this long is lost.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// No read or write may hold a connection for longer, or keep others from their rows.
const POOL_OPTIONS: &str = "-c synchronous_commit=on -c statement_timeout=30000 \
                            -c lock_timeout=10000 -c idle_in_transaction_session_timeout=30000";
/// A batch takes milliseconds; it can only be stuck, and goes again. What is acknowledged must be
/// on the disk, and on the standby that a server has, whatever its settings say.
const LEDGER_OPTIONS: &str = "-c synchronous_commit=on -c statement_timeout=20000";
/// Names the lock of the first place for a serving process, "fareserv" in ASCII; the others follow.
const SERVER_LOCK: i64 = 0x6661_7265_7365_7276;
/// The most processes that serve one installation.
const PLACES: i64 = 64;
/// How often a place is tried whose last process may just have been killed, and how far apart.
const PLACE_TRIES: (usize, Duration) = (5, Duration::from_millis(100));

/// A place for a serving process, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(i64);

impl Place {
    /// The node that has this place: the first is `main`.
    pub(crate) fn node(self) -> NodeId {
        match self.0 {
            1 => NodeId::new("main"),
            other => NodeId::new(&format!("node-{other}")),
        }
    }

    /// The place of a node.
    pub(crate) fn of(node: &NodeId) -> Option<Place> {
        (1..=PLACES).map(Place).find(|place| place.node() == *node)
    }

    /// The number of its lock.
    pub(crate) fn lock(self) -> i64 {
        SERVER_LOCK + self.0 - 1
    }
}

/// What was said, and on which channel; ends with its connection.
pub(crate) type Notices = mpsc::Receiver<(String, String)>;

/// A server, and how to reach it.
pub(crate) struct PostgresServer {
    config: Config,
    pool: Pool,
    runtime: Handle,
}

impl PostgresServer {
    pub(crate) fn new(url: &str, runtime: Handle) -> Result<Self, OpenError> {
        let unusable = |reason: String| OpenError::Unusable {
            database: DatabaseUrl::Postgres(url.to_owned()).to_string(),
            reason,
        };
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            unusable(format!("the address cannot be read: {error}"))
        })?;
        config
            .application_name("farebox")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(SILENCE_TIMEOUT)
            .tcp_user_timeout(SILENCE_TIMEOUT);
        let pooled = with_options(&config, POOL_OPTIONS);
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match config.get_ssl_mode() {
            SslMode::Require => Manager::from_config(pooled, tls(), recycling),
            _ => Manager::from_config(pooled, NoTls, recycling),
        };
        let pool = Pool::builder(manager)
            .max_size(POOL_CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(PostgresServer {
            config: with_options(&config, LEDGER_OPTIONS),
            pool,
            runtime,
        })
    }

    /// A connection outside the pool, for the ledger.
    pub(crate) async fn connect(&self) -> Result<Client, StoreError> {
        let silent = |_| StoreError::Unavailable("PostgreSQL does not answer".into());
        tokio::time::timeout(CONNECT_TIMEOUT, self.connect_at_last())
            .await
            .map_err(silent)?
    }

    async fn connect_at_last(&self) -> Result<Client, StoreError> {
        if self.config.get_ssl_mode() == SslMode::Require {
            let (client, connection) = self.config.connect(tls()).await?;
            self.runtime.spawn(connection);
            return Ok(client);
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        self.runtime.spawn(connection);
        Ok(client)
    }

    /// Takes the first free place for a serving process; it goes with the connection.
    pub(crate) async fn take_place(client: &Client) -> Result<Place, OpenError> {
        let (tries, pause) = PLACE_TRIES;
        for _ in 0..tries {
            if Self::try_lock(client, Place(1)).await? {
                return Ok(Place(1));
            }
            tokio::time::sleep(pause).await;
        }
        for place in (2..=PLACES).map(Place) {
            if Self::try_lock(client, place).await? {
                return Ok(place);
            }
        }
        let reason = format!("{PLACES} processes serve this PostgreSQL database, as many as may");
        Err(OpenError::InUse(reason))
    }

    /// Takes every place: nobody serves this database while the connection lives.
    pub(crate) async fn take_all_places(client: &Client) -> Result<(), OpenError> {
        for place in (1..=PLACES).map(Place) {
            let mut tries = PLACE_TRIES.0;
            while !Self::try_lock(client, place).await? {
                if tries == 0 {
                    let reason = "a process serves this PostgreSQL database";
                    return Err(OpenError::InUse(reason.into()));
                }
                tries -= 1;
                tokio::time::sleep(PLACE_TRIES.1).await;
            }
        }
        Ok(())
    }

    /// Takes a place, unless another connection has it.
    pub(crate) async fn try_lock(client: &Client, place: Place) -> Result<bool, StoreError> {
        let sql = "SELECT pg_try_advisory_lock($1)";
        Ok(client.query_one(sql, &[&place.lock()]).await?.get(0))
    }

    /// A connection that hears what is said on these channels: which one, and what.
    pub(crate) async fn listen(
        &self,
        channels: &'static [&'static str],
    ) -> Result<(Client, Notices), StoreError> {
        let silent = |_| StoreError::Unavailable("PostgreSQL does not answer".into());
        let listening = async {
            let (client, notices) = match self.config.get_ssl_mode() {
                SslMode::Require => {
                    let (client, connection) = self.config.connect(tls()).await?;
                    (client, self.hear(connection))
                }
                _ => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    (client, self.hear(connection))
                }
            };
            for channel in channels {
                client.batch_execute(&format!("LISTEN {channel}")).await?;
            }
            Ok((client, notices))
        };
        tokio::time::timeout(CONNECT_TIMEOUT, listening)
            .await
            .map_err(silent)?
    }

    /// Runs a connection and passes on the notices that come over it.
    fn hear<S, T>(&self, mut connection: tokio_postgres::Connection<S, T>) -> Notices
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Notices are hints: of those that nobody takes in time, the oldest are worth no more.
        let (sender, notices) = mpsc::channel(64);
        self.runtime.spawn(async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notification(notice) = message {
                    let _ = sender.try_send((notice.channel().into(), notice.payload().into()));
                }
            }
        });
        notices
    }

    /// Runs a transaction to its end. Blocks: call where that is allowed.
    pub(crate) fn transaction<T, E: From<StoreError>>(
        &self,
        read_only: bool,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut client = self
            .runtime
            .block_on(self.pool.get())
            .map_err(StoreError::from)?;
        if client.statement_cache.size() >= MOST_PREPARED {
            client.statement_cache.clear();
        }
        let builder = client.build_transaction();
        let builder = match read_only {
            true => builder
                .read_only(true)
                .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead),
            false => builder,
        };
        let transaction = self
            .runtime
            .block_on(builder.start())
            .map_err(StoreError::from)?;
        let mut tx = Tx::on(Engine::Postgres {
            transaction,
            runtime: self.runtime.clone(),
        });
        let answer = body(&mut tx)?;
        let Engine::Postgres { transaction, .. } = tx.engine else {
            unreachable!("opened above")
        };
        self.runtime
            .block_on(transaction.commit())
            .map_err(StoreError::from)?;
        Ok(answer)
    }
}

/// Adds to the options that the address states.
fn with_options(config: &Config, options: &str) -> Config {
    let stated = config.get_options().unwrap_or_default();
    let mut config = config.clone();
    config.options(format!("{stated} {options}"));
    config
}

fn tls() -> MakeRustlsConnect {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}
