//! The front door: accepts connections and speaks HTTP/1.1 on them until told to stop.
//!
//! On a stop, nothing new is accepted, idle connections close, running answers go on to their end
//! or to the end of the grace, and only then are they cut. Cutting drops a request's future, which
//! is what a client that leaves does too: the money settles the same way.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Limits;

/// How long to wait after the operating system could not give a connection, for want of files.
const PAUSE: Duration = Duration::from_millis(50);

/// How many clients may wait to be accepted. The operating system may allow fewer: Linux what
/// `net.core.somaxconn` says. Whoever comes beyond that is turned away before anybody here sees it,
/// so a rush is taken in here, and refused in words if need be.
const BACKLOG: u32 = 16_384;

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has it.
    #[error(
        "{0} is taken by another program. Stop that one, or set another address: FAREBOX_LISTEN=127.0.0.1:8081 or `listen` in farebox.toml"
    )]
    Taken(SocketAddr),
    /// The operating system refuses it.
    #[error(
        "{address} cannot be listened on: {reason}. Set another address: FAREBOX_LISTEN=127.0.0.1:8081 or `listen` in farebox.toml"
    )]
    Refused {
        /// What was asked for.
        address: SocketAddr,
        /// What the operating system said.
        reason: io::Error,
    },
}

/// The bounds of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest request head.
    pub header_bytes: usize,
    /// The longest a request head may take, and the longest a connection may be idle.
    pub header_timeout: Duration,
    /// The longest that running answers may go on after a stop.
    pub grace: Duration,
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Bounds {
            header_bytes: usize::try_from(limits.header_bytes).unwrap_or(usize::MAX),
            header_timeout: Duration::from_millis(limits.header_timeout_ms),
            grace: Duration::from_millis(limits.shutdown_grace_ms),
        }
    }
}

/// Takes an address. To be called in the runtime that serves it.
///
/// # Errors
/// [`BindError`] when it is taken or refused.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address).map_err(|reason| match reason.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken(address),
        _ => BindError::Refused { address, reason },
    })
}

/// As [`bind`], in the operating system's words.
///
/// # Errors
/// What the operating system says.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart does not wait until the last connections are forgotten. (Elsewhere it would mean
    // that two programs may have one address.)
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `app` until `stop`, then drains. Returns how many connections had to be cut.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    bounds: Bounds,
    stop: CancellationToken,
) -> usize {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .max_header_size(bounds.header_bytes);
    let app = TowerToHyperService::new(app);
    let (phase, watched) = watch::channel(Phase::Serving);
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                open.spawn(converse(
                    http.clone(),
                    stream,
                    peer,
                    app.clone(),
                    watched.clone(),
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    phase.send_replace(Phase::Draining);
    open.close();
    if tokio::time::timeout(bounds.grace, open.wait())
        .await
        .is_ok()
    {
        return 0;
    }
    let cut = open.len();
    phase.send_replace(Phase::Cutting);
    open.wait().await;
    cut
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Connections end with the answer they are giving.
    Draining,
    /// Connections end now.
    Cutting,
}

/// All requests of one connection, one after the other.
async fn converse(
    http: http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    app: TowerToHyperService<Router>,
    mut phase: watch::Receiver<Phase>,
) {
    // Small chunks of a stream leave at once; a socket that refuses this is merely slower.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        app.call(request)
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            biased;
            // Why a connection broke is the peer's business; requests log their own failures.
            _ = connection.as_mut() => return,
            changed = phase.changed() => match *phase.borrow() {
                Phase::Draining if changed.is_ok() => connection.as_mut().graceful_shutdown(),
                _ => return,
            },
        }
    }
}
