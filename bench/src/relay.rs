//! The floor: a relay on the same HTTP library with none of what a gateway is for.

use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::http::uri::{Authority, Scheme};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// Relays every request to `upstream` until it is killed.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn serve(listen: SocketAddr, upstream: SocketAddr) -> Result<(), String> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("{listen} cannot be listened on: {error}"))?;
    crate::announce(listener.local_addr().map_err(|error| error.to_string())?);
    accept(listener, upstream).await
}

/// Starts a relay inside this process, on a free port; for tests.
///
/// # Errors
/// If no port can be listened on.
pub async fn start(upstream: SocketAddr) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    tokio::spawn(accept(listener, upstream));
    Ok(address)
}

async fn accept(listener: TcpListener, upstream: SocketAddr) -> Result<(), String> {
    let authority: Authority = upstream
        .to_string()
        .parse()
        .expect("an address is an authority");
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (socket, _) = listener.accept().await.map_err(|error| error.to_string())?;
        let (client, authority) = (client.clone(), authority.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| relay(&client, &authority, request));
            // The load generator counts what breaks.
            if socket.set_nodelay(true).is_ok() {
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            }
        });
    }
}

async fn relay(
    client: &Client<HttpConnector, Incoming>,
    upstream: &Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Error> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream.clone());
    *request.uri_mut() = Uri::from_parts(parts).expect("a request's target has a path");
    client.request(request).await
}
