//! A throwaway real PostgreSQL server, started from the installed binaries.
//!
//! [`database`] is what most tests need: one server per test process, one new database per call.
//! [`Server::start`] gives a server of one's own, for tests that take it away and bring it back, or
//! that promote a standby of it.
//! With `FAREBOX_TEST_POSTGRES_URL` set, [`database`] makes its databases on that server instead,
//! and leaves them there (named `farebox_test_…`).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

use crate::watchdog::Watchdog;

/// A new, empty database on the server of this test process: `postgres://…/name`.
///
/// # Panics
/// If PostgreSQL is not installed, or does not start; the message says what to do.
pub async fn database() -> String {
    static SHARED: OnceCell<Place> = OnceCell::const_new();
    let place = SHARED.get_or_init(Place::find).await;
    let server_url = match place {
        Place::Given(url) => url.clone(),
        Place::Own(server) => server.url("postgres"),
    };
    create_database(&server_url).await
}

/// Where the shared server is.
enum Place {
    Given(String),
    Own(Server),
}

impl Place {
    async fn find() -> Self {
        match std::env::var("FAREBOX_TEST_POSTGRES_URL") {
            Ok(url) if !url.is_empty() => Self::Given(url),
            _ => Self::Own(Server::start().await),
        }
    }
}

/// A PostgreSQL server on loopback TCP and a Unix socket. Dropping it ends it and deletes its
/// files.
///
/// It trusts everybody and does not wait for the disk: after [`Server::kill`] everything committed
/// is still there (the operating system holds it), after a power cut it would not be.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    port: u16,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    _watchdog: Watchdog,
}

impl Server {
    /// Starts a server of one's own; takes about a second.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    pub async fn start() -> Self {
        off_the_runtime(Self::start_blocking).await
    }

    /// Starts a standby that follows this server by streaming replication.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_standby(&self) -> Self {
        let port = self.port;
        off_the_runtime(move || Self::start_with(|folder| copy_from(port, folder))).await
    }

    /// Forgets all that this server had, and makes it a standby of another one, on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn replace_by_standby_of(&mut self, primary: &Server) {
        self.kill();
        let (folder, port) = (self.folder.clone(), primary.port);
        off_the_runtime(move || {
            fs::remove_dir_all(folder.join("data")).expect("a server's data can be removed");
            copy_from(port, &folder);
        })
        .await;
        self.start_again().await;
    }

    /// From now on a commit waits until the standby has it too. Returns when one is following; a
    /// standby that was started before does not have the setting itself.
    pub async fn replicate_synchronously(&self) {
        let client = connect(&self.url("postgres")).await;
        // Each runs alone: no transaction may hold the first.
        for sql in [
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
        ] {
            client.batch_execute(sql).await.expect("a superuser may");
        }
        let sql = "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        crate::eventually("the standby follows", async || {
            client
                .query_one(sql, &[])
                .await
                .expect("it answers")
                .get::<_, i64>(0)
                == 1
        })
        .await;
    }

    /// Makes a standby a server of its own, which takes writes when this returns.
    pub async fn promote(&self) {
        let client = connect(&self.url("postgres")).await;
        let promoted = client.query_one("SELECT pg_promote()", &[]).await;
        assert!(promoted.expect("a superuser may").get::<_, bool>(0));
    }

    /// A new, empty database on this server: `postgres://…/name`.
    pub async fn database(&self) -> String {
        create_database(&self.url("postgres")).await
    }

    /// The address of a database that is on whichever of this server and `other` takes writes.
    pub fn url_of_either(&self, other: &Server, database_url: &str) -> String {
        let name = database_url.rsplit('/').next().unwrap_or_default();
        format!(
            "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{name}?target_session_attrs=read-write",
            self.port, other.port
        )
    }

    /// The address of the database called `name`, existing or not.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// The folder of the Unix socket, as in `postgres://postgres@%2Ftmp%2F…:port/name`.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the server at once, without a shutdown checkpoint: connections break, commits stay.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // SIGQUIT is PostgreSQL's own "stop now": it takes its children along.
            signal("QUIT", running.child.id());
            running
                .child
                .wait()
                .expect("a child of ours can be waited for");
        }
    }

    /// Stops every process of the server where it stands: connections stay open and silent.
    pub fn freeze(&self) {
        self.signal_all("STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    /// Brings a killed server back on the same port, with the same data.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_again(&mut self) {
        self.kill();
        let (folder, port) = (self.folder.clone(), self.port);
        let running = off_the_runtime(move || {
            launch(&folder, port).unwrap_or_else(|end| {
                panic!(
                    "PostgreSQL did not start again ({end}): {}",
                    log_tail(&folder)
                )
            })
        });
        self.running = Some(running.await);
    }

    fn start_blocking() -> Self {
        Self::start_with(initialise)
    }

    /// Starts a server on the data that `fill` puts into the folder, which the server's user owns.
    fn start_with(fill: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("farebox-pg-")
            .tempdir()
            .expect("a temporary folder can be made")
            .keep();
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(&folder));
        }
        fill(&folder);
        // The port was free a moment ago; another test may have taken it since.
        for _ in 0..5 {
            let port = crate::free_port();
            match launch(&folder, port) {
                Ok(running) => {
                    return Self {
                        folder,
                        port,
                        running: Some(running),
                    };
                }
                Err(_) if log_tail(&folder).contains("could not bind") => {}
                Err(end) => panic!("PostgreSQL did not start ({end}): {}", log_tail(&folder)),
            }
        }
        panic!("PostgreSQL found no free port: {}", log_tail(&folder));
    }

    fn signal_all(&self, name: &str) {
        let Some(running) = &self.running else { return };
        let postmaster = running.child.id();
        let listing = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        for pid in listing.unwrap_or_default().split_whitespace() {
            signal(name, pid.parse().expect("the kernel lists numbers"));
        }
        signal(name, postmaster);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.thaw();
            self.kill();
        }
        // What cannot be deleted is in the system's temporary folder, which is emptied by others.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ends every connection of Farebox to a database, as an operator might.
pub async fn disconnect(url: &str) {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'farebox'";
    let client = connect(url).await;
    client.query(sql, &[]).await.expect("a superuser may");
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("PostgreSQL at {url} does not answer: {error}"));
    tokio::spawn(connection);
    client
}

async fn create_database(server_url: &str) -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    // The time keeps names apart on a given server, where process ids come round again.
    let time = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_micros());
    let name = format!("farebox_test_{}_{time}_{number}", std::process::id());
    let (client, connection) = tokio_postgres::connect(server_url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("PostgreSQL at {server_url} does not answer: {error}"));
    let connection = tokio::spawn(connection);
    client
        .batch_execute(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
        ))
        .await
        .unwrap_or_else(|error| panic!("a test database cannot be made: {error:?}"));
    drop(client);
    // An error here is the connection's end, which is what was asked for.
    let _ = connection.await;
    with_database(server_url, &name)
}

/// The same address with another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address
        .split_once("://")
        .expect("a PostgreSQL address has a scheme");
    let host = rest.split('/').next().unwrap_or(rest);
    let mark = if options.is_empty() { "" } else { "?" };
    format!("{scheme}://{host}/{name}{mark}{options}")
}

/// Fills a folder with a copy of the server on `port`, which will follow that server.
fn copy_from(port: u16, folder: &Path) {
    let mut copy = as_postgres(&binary("pg_basebackup"));
    copy.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
    copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]);
    run(copy.arg("-D").arg(folder.join("data")));
}

fn initialise(folder: &Path) {
    let mut initdb = as_postgres(&binary("initdb"));
    initdb.args([
        "--auth=trust",
        "--username=postgres",
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
    ]);
    run(initdb.arg("-D").arg(folder.join("data")));
}

/// Starts the server and waits until it takes connections; tells how it ended if it did not.
fn launch(folder: &Path, port: u16) -> Result<Running, ExitStatus> {
    let log = fs::File::create(folder.join("log")).expect("our own folder is writable");
    let errors = log.try_clone().expect("a file handle can be copied");
    let mut command = as_postgres(&binary("postgres"));
    command
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    for setting in ["fsync=off", "full_page_writes=off", "max_connections=200"] {
        command.args(["-c", setting]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .expect("`postgres` was found, so it can be started");
    let watchdog = Watchdog::over(child.id(), "QUIT", Some(folder));
    let started = Instant::now();
    while !is_ready(folder, child.id()) {
        if let Some(end) = child.try_wait().expect("a child of ours can be waited for") {
            return Err(end);
        }
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "PostgreSQL is not ready after two minutes: {}",
            log_tail(folder),
        );
        thread::sleep(Duration::from_millis(10));
    }
    Ok(Running {
        child,
        _watchdog: watchdog,
    })
}

/// Whether the process that we started says so itself: a connection might reach somebody else.
fn is_ready(folder: &Path, pid: u32) -> bool {
    let status = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    let mut lines = status.lines();
    lines.next() == Some(pid.to_string().as_str())
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

fn log_tail(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Finds an installed binary, of the highest version under Debian's folder, else on the PATH.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| debian(*version, name).is_file())
        .max();
    if let Some(version) = newest {
        return debian(version, name);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
    files.find(|file| file.is_file()).unwrap_or_else(|| {
        panic!(
            "PostgreSQL's `{name}` is not installed. \
             Run `apt-get install postgresql`, or set FAREBOX_TEST_POSTGRES_URL."
        )
    })
}

fn debian(version: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/{name}"))
}

/// PostgreSQL refuses to run as root, so root hands it to the user that its package made.
fn as_postgres(program: &Path) -> Command {
    let mut command;
    if is_root() {
        command = Command::new("setpriv");
        command.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ]);
        command.arg(program);
    } else {
        command = Command::new(program);
    }
    // The working folder may be one that the other user cannot enter.
    command.current_dir("/");
    command
}

/// Asked of a file of our own, since the standard library has no other way.
fn is_root() -> bool {
    let file = tempfile::tempfile().expect("a temporary file can be made");
    file.metadata().expect("an open file has an owner").uid() == 0
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{:?} cannot be run: {error}", command.get_program()));
    assert!(
        output.status.success(),
        "{command:?} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
}

fn signal(name: &str, pid: u32) {
    // A process that has gone meanwhile needs no signal.
    let _ = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
