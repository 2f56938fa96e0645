//! A plain HTTP/1.1 client for the commands that call a server as any program would.
//!
//! One connection, kept open between requests as SDKs do. A request that was surely not sent,
//! because the server had closed the kept connection, goes out once more on a new one; nothing
//! else is ever repeated.

use std::fmt;

use http::header::HOST;
use http::uri::{Authority, Uri};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Why there was no answer, for people.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Where an API begins, such as `http://127.0.0.1:8080/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    authority: Authority,
    /// Without a slash at its end.
    path: String,
}

impl BaseUrl {
    /// Reads `http://host:port/path`; the port is 80 if it is left out.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "write an address such as http://127.0.0.1:8080/v1".to_owned();
        if text.starts_with("https://") {
            return Err("only http:// is spoken here: name the server without TLS".to_owned());
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        // Whoever writes a name and a password there expects them to be sent, and hidden.
        if uri.scheme_str() != Some("http") || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(Self {
            authority: authority.clone(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The path of `endpoint` (`/chat/completions`, query included) at this server.
    fn path_of(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.path)
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        let host = self.authority.host().trim_matches(['[', ']']);
        let port = self.authority.port_u16().unwrap_or(80);
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// A connection to one server, opened when needed.
#[derive(Debug)]
pub struct Connection {
    base: BaseUrl,
    open: Option<Open>,
}

impl Connection {
    /// A connection to the server of `base`, not open yet.
    #[must_use]
    pub fn new(base: BaseUrl) -> Self {
        Connection { base, open: None }
    }

    /// Forgets the connection, with whatever is under way on it.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// Sends a request, whose address is an endpoint below the base URL such as
    /// `/chat/completions`, and waits for the head of the answer.
    ///
    /// # Errors
    /// If the server cannot be reached, or breaks off before an answer.
    pub async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failed> {
        *request.uri_mut() = self.base.path_of(&request.uri().to_string()).parse()?;
        let host = HeaderValue::from_str(self.base.authority.as_str())?;
        request.headers_mut().insert(HOST, host);
        if let Some(mut open) = self.open.take()
            && open.sender.ready().await.is_ok()
        {
            match open.sender.try_send_request(request).await {
                Ok(answer) => {
                    self.open = Some(open);
                    return Ok(answer);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut open = Open::on(self.base.connect().await?).await?;
        let answer = open.sender.send_request(request).await?;
        self.open = Some(open);
        Ok(answer)
    }
}

/// A failure with its causes, which is where such errors say what happened.
#[must_use]
pub fn told(failed: &Failed) -> String {
    let mut text = failed.to_string();
    let mut cause = failed.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Reads a whole body of at most `most_bytes`.
///
/// # Errors
/// If it is longer, or breaks off.
pub async fn whole(body: Incoming, most_bytes: usize) -> Result<Bytes, Failed> {
    Ok(Limited::new(body, most_bytes).collect().await?.to_bytes())
}

#[derive(Debug)]
struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; without it the socket closes.
    mover: JoinHandle<()>,
}

impl Open {
    async fn on(socket: TcpStream) -> Result<Self, hyper::Error> {
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let mover = tokio::spawn(async move {
            // What goes wrong here is told to the one who reads the answer.
            let _ = connection.await;
        });
        Ok(Open { sender, mover })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.mover.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_names_a_server_without_tls() {
        for (text, path) in [
            (
                "http://127.0.0.1:8080/v1",
                "http://127.0.0.1:8080/v1/models",
            ),
            ("http://[::1]:1/v1/", "http://[::1]:1/v1/models"),
            ("http://gateway", "http://gateway/models"),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            let origin = format!("http://{}", base.authority);
            assert_eq!(format!("{origin}{}", base.path_of("/models")), path);
            assert_eq!(base.to_string(), text.trim_end_matches('/'));
        }
        for text in [
            "",
            "127.0.0.1:8080",
            "https://a/v1",
            "ftp://a",
            "http://",
            "http://u:p@a/v1",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }
}
