//! A scripted OpenAI-compatible upstream on loopback.
//!
//! A script sees each request and says what to answer; see [`Reply`]. The server runs on a thread
//! of its own, so a test that blocks its runtime does not stop it. It keeps every request and
//! counts the replies that the other side did not wait for.

mod chat;
mod completion;
mod delivery;
mod echo;
mod embedding;
mod render;
mod reply;
mod request;
mod response;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use delivery::{Body, Broken};
pub use reply::{Reply, Usage, words};
pub use request::UpstreamRequest;

/// A running upstream. Dropping it closes its port and every connection.
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the upstream has seen; shared with the replies under way.
#[derive(Debug, Default)]
struct Seen {
    requests: Mutex<Vec<UpstreamRequest>>,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    cancelled: AtomicUsize,
}

struct Server {
    script: Box<dyn Fn(&UpstreamRequest) -> Reply + Send + Sync>,
    seen: Arc<Seen>,
}

impl Upstream {
    /// Starts an upstream that answers every request as `script` says.
    pub async fn start(script: impl Fn(&UpstreamRequest) -> Reply + Send + Sync + 'static) -> Self {
        let seen = Arc::<Seen>::default();
        let server = Arc::new(Server {
            script: Box::new(script),
            seen: Arc::clone(&seen),
        });
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built");
            runtime.block_on(async move {
                let listener = crate::listener();
                let address = listener
                    .local_addr()
                    .expect("a bound socket has an address");
                // A test that stopped waiting does not need the address.
                let _ = tell.send(address);
                tokio::select! {
                    () = accept(listener, server) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(run)
            .expect("a thread can be started");
        let address = told.await.expect("the upstream's thread tells its address");
        Self {
            address,
            seen,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// An upstream that serves chat, completions, responses, embeddings, moderations and models
    /// sensibly: text answers are "Hello from the upstream.", cut at the request's output limit.
    pub async fn echo() -> Self {
        Self::start(echo::answer).await
    }

    /// An address where nobody listens: connections are refused.
    pub fn unreachable_base_url() -> String {
        format!("http://127.0.0.1:{}/v1", crate::free_port())
    }

    /// What an upstream's `base_url` in the configuration would say: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far, in the order their bodies were complete.
    pub fn requests(&self) -> Vec<UpstreamRequest> {
        self.seen.requests.lock().clone()
    }

    /// The latest request. Panics if there is none.
    pub fn last_request(&self) -> UpstreamRequest {
        self.seen
            .requests
            .lock()
            .last()
            .expect("the upstream was called")
            .clone()
    }

    /// Connections open now, idle ones included.
    pub fn open_connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Requests whose replies are not finished.
    pub fn in_flight(&self) -> usize {
        self.seen.in_flight.load(Ordering::SeqCst)
    }

    /// Replies that the other side dropped before they were finished.
    pub fn cancelled(&self) -> usize {
        self.seen.cancelled.load(Ordering::SeqCst)
    }

    /// Closes the port and every connection; replies under way break off. What was seen stays.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // If the thread has ended by itself there is nothing to stop.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic there has already been printed; panicking in a drop would hide the test's
            // own.
            let _ = thread.join();
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Upstream")
            .field("base_url", &self.base_url())
            .field("seen", &self.seen)
            .finish()
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(serve(socket, Arc::clone(&server)));
            }
            // Out of file descriptors, most likely: some will be given back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(socket: TcpStream, server: Arc<Server>) {
    let _open = Open::count(&server.seen);
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| answer(Arc::clone(&server), request));
    // A connection that breaks is what many tests are about; the counts tell.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

async fn answer(
    server: Arc<Server>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Broken> {
    let request = UpstreamRequest::read(request).await.map_err(|_| Broken)?;
    let mut outcome = delivery::Outcome::expected(Arc::clone(&server.seen));
    server.seen.requests.lock().push(request.clone());
    let reply = (server.script)(&request);
    if !reply.first_byte_delay.is_zero() {
        tokio::time::sleep(reply.first_byte_delay).await;
    }
    if reply.hangs() {
        std::future::pending::<()>().await;
    }
    if reply.refuses() {
        outcome.finish();
        return Err(Broken);
    }
    Ok(delivery::respond(render::render(reply, &request), outcome))
}

/// Counts one connection for as long as it lives.
struct Open(Arc<Seen>);

impl Open {
    fn count(seen: &Arc<Seen>) -> Self {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}
