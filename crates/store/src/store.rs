//! Opening an installation, and running reads and writes on it.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::time::{AtUs, Clock, MonoClock};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};

use crate::ballast::{Ballast, Room};
use crate::batch::{Batch, Writer};
use crate::commit::{CommitError, Committer};
use crate::fleet::{Around, Fleet, Joined};
use crate::idempotency::Waiting;
use crate::ledger::Ledger;
use crate::postgres::PostgresServer;
use crate::postgres_batch::PostgresCommitter;
use crate::queue::{self, Queue};
use crate::sqlite::{self, SqliteFile};
use crate::sqlite_batch::SqliteCommitter;
use crate::tx::Engine;
use crate::{DatabaseUrl, OpenError, StoreError, Tx, changes, disk, leases, migrate, orphans};

/// The only node there is: one process serves a SQLite file.
const NODE: &str = "main";
/// A write that has to wait longer is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a write waits for this process's own server to have heard of it.
const HEARD_TIMEOUT: Duration = Duration::from_secs(2);

/// What a process wants with an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To serve it: alone, and with the ledger.
    Server,
    /// To make it or change it beside a server, as a command does.
    Command,
    /// To look at one that exists, beside a server.
    Reader,
}

/// How to open an installation.
#[derive(Clone)]
pub struct Options {
    /// Where it is kept.
    pub url: DatabaseUrl,
    /// What for.
    pub role: Role,
    /// Room that a server keeps back on the disk of a SQLite database, so that open holds can be
    /// settled when it is full.
    pub ballast_bytes: u64,
    /// Tells the time.
    pub clock: Clock,
    /// Tells how time passes.
    pub mono: MonoClock,
}

/// An open installation. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: StoreEngine,
    writer: Writer,
    fleet: Option<Fleet>,
    claims: Waiting,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    changed: Arc<Notify>,
    enqueued: Notify,
    heard: watch::Sender<Option<i64>>,
}

enum StoreEngine {
    Sqlite(SqliteFile),
    Postgres(Arc<PostgresServer>),
}

impl Store {
    /// Opens an installation and brings it to this program's schema. A server also takes its lock,
    /// and resolves what a predecessor that died had left undecided.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        match options.url.clone() {
            DatabaseUrl::Sqlite(path) => {
                let open = move || Self::open_sqlite(&path, &options);
                tokio::task::spawn_blocking(open)
                    .await
                    .expect("opening does not panic")
            }
            DatabaseUrl::Postgres(url) => Self::open_postgres(&url, &options).await,
        }
    }

    fn open_sqlite(path: &std::path::Path, options: &Options) -> Result<Self, OpenError> {
        let lock: Option<File> = match options.role {
            Role::Server => Some(sqlite::lock(path)?),
            Role::Command | Role::Reader => None,
        };
        let mut connection = sqlite::open_writer(path, options.role != Role::Reader)?;
        let now = (options.clock)();
        let (committer, writer) = match options.role {
            Role::Server => {
                if let Some(doubt) = disk::doubt(path) {
                    let database = path.display();
                    tracing::warn!(%database, "what was flushed here may be lost: {doubt}");
                }
                let ballast = Ballast::beside(path, options.ballast_bytes);
                take_over(connection, lock, Room::with(Some(ballast)), now)?
            }
            Role::Command | Role::Reader => {
                let prepared = |tx: &mut Tx<'_>| prepare_alone(tx, options.role, now);
                let writer = in_sqlite_transaction(&mut connection, prepared)?;
                let room = Room::with(None);
                (SqliteCommitter::new(connection, None, room), writer)
            }
        };
        if options.role != Role::Reader {
            // The names of the files must survive a power cut too; SQLite does not report that
            // failing.
            disk::sync_folder(path).map_err(|error| sqlite::unusable(path, error.to_string()))?;
        }
        let engine = StoreEngine::Sqlite(SqliteFile::new(path));
        Ok(Self::start(
            engine,
            Box::new(committer),
            writer,
            Arc::clone(&options.clock),
            |_, _, _| None,
        ))
    }

    async fn open_postgres(url: &str, options: &Options) -> Result<Self, OpenError> {
        let runtime = Handle::current();
        let server = Arc::new(PostgresServer::new(url, runtime.clone())?);
        let client = server
            .connect()
            .await
            .map_err(|error| OpenError::Unusable {
                database: DatabaseUrl::Postgres(url.to_owned()).to_string(),
                reason: error.to_string(),
            })?;
        let place = match options.role {
            Role::Server => Some(PostgresServer::take_place(&client).await?),
            Role::Command | Role::Reader => None,
        };
        let (role, now) = (options.role, (options.clock)());
        let opening = Arc::clone(&server);
        let mono = options.mono;
        let open = move || -> Result<_, OpenError> {
            opening.transaction(false, |tx| prepare(tx, role, now))?;
            let mut committer =
                PostgresCommitter::new(Arc::clone(&opening), runtime, client, place);
            let Some(place) = place else {
                return Ok((Writer::of_nobody(), committer, None));
            };
            let node = place.node();
            let before = mono();
            let (epoch, nodes) = opening.transaction(false, |tx| leases::join(tx, &node))?;
            let writer = Writer {
                node: node.to_string(),
                epoch: epoch.0,
            };
            loop {
                let ops = opening.transaction(true, |tx| orphans::resolve(tx, now))?;
                if ops.is_empty() {
                    break;
                }
                settle_orphans(&mut committer, ops, &writer)?;
            }
            let joined = Joined {
                node,
                epoch,
                nodes,
                before,
            };
            Ok((writer, committer, Some(joined)))
        };
        let (writer, committer, joined) = tokio::task::spawn_blocking(open)
            .await
            .expect("opening does not panic")?;
        let store = Self::start(
            StoreEngine::Postgres(Arc::clone(&server)),
            Box::new(committer),
            writer,
            Arc::clone(&options.clock),
            |queue, heard, changed| {
                let around = Around {
                    server,
                    queue,
                    heard,
                    changed,
                    clock: Arc::clone(&options.clock),
                    mono: options.mono,
                };
                joined.map(|joined| Fleet::begin(joined, around))
            },
        );
        Ok(store)
    }

    fn start(
        engine: StoreEngine,
        mut committer: Box<dyn Committer>,
        writer: Writer,
        clock: Clock,
        fleet: impl FnOnce(Arc<Queue>, watch::Receiver<Option<i64>>, Arc<Notify>) -> Option<Fleet>,
    ) -> Self {
        let queue = Queue::new(clock);
        queue.heed(committer.shortage());
        let (waiting, committing) = (Arc::clone(&queue), writer.clone());
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || queue::run(&waiting, &mut *committer, &committing))
            .expect("a thread can be started");
        let (heard, hearing) = watch::channel(None);
        let changed = Arc::new(Notify::new());
        Store(Arc::new(Inner {
            engine,
            writer,
            fleet: fleet(Arc::clone(&queue), hearing, Arc::clone(&changed)),
            claims: Waiting::default(),
            queue,
            thread: Mutex::new(Some(thread)),
            changed,
            enqueued: Notify::new(),
            heard,
        }))
    }

    /// The money of requests in flight. Only a server's is fenced against another one.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Arc::clone(&self.0.queue), self.0.fleet.clone())
    }

    /// This process among the nodes that share the installation; none where it is the only one.
    #[must_use]
    pub fn fleet(&self) -> Option<&Fleet> {
        self.0.fleet.as_ref()
    }

    /// Who this process is to the database.
    pub(crate) fn writer(&self) -> &Writer {
        &self.0.writer
    }

    /// Claims that wait to be written.
    pub(crate) fn claims(&self) -> &Waiting {
        &self.0.claims
    }

    /// Runs a read in one snapshot.
    ///
    /// # Errors
    /// What `read` answers, or [`StoreError`].
    pub async fn read<T, E, F>(&self, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || inner.engine.read(read))
            .await
            .unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Runs a read that sees every step that this process gave the ledger before this call, and
    /// none given after it: the call itself takes the place in the ledger's order, so it can be
    /// made under the lock that orders the steps.
    ///
    /// # Errors
    /// What `read` answers, or [`StoreError`]; also if the steps before it cannot be committed.
    pub fn read_in_order<T, F>(
        &self,
        read: F,
    ) -> impl Future<Output = Result<T, StoreError>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let inner = Arc::clone(&self.0);
        self.0.queue.push_between(Box::new(move || {
            let answer = match inner.queue.is_poisoned() {
                true => Err(StoreError::Unavailable("the ledger broke".into())),
                false => inner.engine.read(read),
            };
            let _ = sender.send(answer);
        }));
        async { answer.await.unwrap_or_else(|_| Err(stopped())) }
    }

    /// Runs a write as one transaction. If it changed what a server must hear of, and this process
    /// has one, it returns only when that has heard.
    ///
    /// # Errors
    /// What `write` answers, or [`StoreError`]; nothing was kept.
    pub async fn write<T, E, F>(&self, write: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let body = move |tx: &mut Tx<'_>| -> Result<(T, i64, bool), E> {
            let answer = write(tx)?;
            Ok((answer, changes::latest(tx)?, tx.has_enqueued))
        };
        let (answer, seq, has_enqueued) = match &self.0.engine {
            StoreEngine::Sqlite(_) => self.write_sqlite(body).await?,
            StoreEngine::Postgres(server) => {
                let server = Arc::clone(server);
                let run = move || server.transaction(false, body);
                tokio::task::spawn_blocking(run)
                    .await
                    .unwrap_or_else(|_| Err(stopped().into()))?
            }
        };
        if has_enqueued {
            self.0.enqueued.notify_one();
        }
        self.until_heard(seq).await;
        Ok(answer)
    }

    async fn write_sqlite<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (sender, mut answer) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let claim = Arc::clone(&begun);
        self.0.queue.push_task(Box::new(move |connection| {
            // Whoever gave up waiting was told that nothing was kept.
            if !sender.is_closed() && !claim.swap(true, Ordering::AcqRel) {
                let _ = sender.send(in_sqlite_transaction(connection, body));
            }
        }));
        let outcome = match tokio::time::timeout(WRITE_TIMEOUT, &mut answer).await {
            Ok(outcome) => outcome,
            Err(_) if begun.swap(true, Ordering::AcqRel) => answer.await,
            Err(_) => {
                let reason = "the write had to wait too long";
                return Err(StoreError::Unavailable(reason.into()).into());
            }
        };
        outcome.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Says that the changes up to `seq` are in force in this process. The first call makes this
    /// process one whose writes wait for it.
    pub fn heard(&self, seq: i64) {
        self.0.heard.send_replace(Some(seq));
    }

    /// Waits until this process has changed something, or `most` has passed.
    pub async fn changed(&self, most: Duration) {
        let _ = tokio::time::timeout(most, self.0.changed.notified()).await;
    }

    /// Waits until this process has put a job into the queue, or `most` has passed.
    pub async fn enqueued(&self, most: Duration) {
        let _ = tokio::time::timeout(most, self.0.enqueued.notified()).await;
    }

    async fn until_heard(&self, seq: i64) {
        let mut heard = self.0.heard.subscribe();
        let done = |heard: &Option<i64>| heard.is_none_or(|heard| heard >= seq);
        if done(&heard.borrow()) {
            return;
        }
        self.0.changed.notify_one();
        if let Err(_late) = tokio::time::timeout(HEARD_TIMEOUT, heard.wait_for(done)).await {
            tracing::warn!(
                seq,
                "a change is kept, and not in force yet: this process is behind"
            );
        }
    }

    /// Commits what waits, and stops the writer. Later steps are lost; later writes fail.
    pub async fn close(&self) {
        self.0.queue.close();
        let thread = self.0.thread.lock().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        if let Some(fleet) = &self.0.fleet {
            fleet.leave().await;
        }
    }
}

impl StoreEngine {
    /// Runs a read in one snapshot, on a thread that may wait.
    fn read<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            StoreEngine::Sqlite(file) => {
                file.read(|connection| read(&mut Tx::on(Engine::Sqlite(connection))))?
            }
            StoreEngine::Postgres(server) => server.transaction(true, read),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(fleet) = &self.fleet {
            fleet.fall_silent();
        }
    }
}

/// Migrates, or requires the schema.
fn prepare(tx: &mut Tx<'_>, role: Role, now: AtUs) -> Result<(), OpenError> {
    match role {
        Role::Server | Role::Command => migrate::migrate(tx, now.0),
        Role::Reader => migrate::require(tx),
    }
}

/// As [`prepare`], and for a server begins the epoch of the only node there is.
fn prepare_alone(tx: &mut Tx<'_>, role: Role, now: AtUs) -> Result<Writer, OpenError> {
    prepare(tx, role, now)?;
    if role != Role::Server {
        return Ok(Writer::of_nobody());
    }
    let epoch = tx
        .query_one(
            "INSERT INTO nodes (id, epoch, batch, started_at_us) VALUES ($1, 1, 0, $2)
                 ON CONFLICT (id) DO UPDATE
                 SET epoch = nodes.epoch + 1, batch = 0, started_at_us = EXCLUDED.started_at_us
                 RETURNING epoch",
            &[NODE.into(), now.0.into()],
        )?
        .int(0)?;
    Ok(Writer {
        node: NODE.into(),
        epoch,
    })
}

/// Begins a server's epoch on a SQLite file that it has locked, and decides what the last server
/// left undecided.
pub(crate) fn take_over(
    mut connection: rusqlite::Connection,
    lock: Option<File>,
    room: Room,
    now: AtUs,
) -> Result<(SqliteCommitter, Writer), OpenError> {
    let writer = in_sqlite_transaction(&mut connection, |tx| prepare_alone(tx, Role::Server, now))?;
    let mut committer = SqliteCommitter::new(connection, lock, room);
    while let Some(connection) = committer.connection() {
        let ops = in_sqlite_transaction(connection, |tx| {
            orphans::resolve(tx, now).map_err(OpenError::from)
        })?;
        if ops.is_empty() {
            break;
        }
        settle_orphans(&mut committer, ops, &writer)?;
    }
    Ok((committer, writer))
}

fn settle_orphans(
    committer: &mut dyn Committer,
    ops: Vec<crate::batch::Op>,
    writer: &Writer,
) -> Result<(), OpenError> {
    if ops.is_empty() {
        return Ok(());
    }
    let batch = Batch::gather(ops);
    tracing::warn!(
        released = batch.ended.len() - batch.settlements.len(),
        settled = batch.settlements.len(),
        "resolved the requests that were in flight when the last process ended"
    );
    committer
        .commit(&batch, writer)
        .map(|_| ())
        .map_err(|error| match error {
            CommitError::Retry(reason) => StoreError::Unavailable(reason).into(),
            CommitError::Poison(reason) => StoreError::Failed(reason).into(),
        })
}

fn in_sqlite_transaction<T, E: From<StoreError>>(
    connection: &mut rusqlite::Connection,
    body: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(StoreError::from)?;
    let answer = body(&mut Tx::on(Engine::Sqlite(&transaction)))?;
    transaction.commit().map_err(StoreError::from)?;
    Ok(answer)
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the store has been closed".into())
}
