//! A mail server that keeps what it is given and can be told to misbehave: with or without TLS,
//! from the first byte or by STARTTLS, and with logins.
//!
//! Its certificate and the authority that signed it lie beside this file. They are for tests only:
//! the authority's key was thrown away, and everybody can read the server's.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// The certificate of the authority that signed the server's, for `localhost`, as PEM.
pub const AUTHORITY: &str = include_str!("smtp/authority.pem");

/// When the server speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    None,
    /// When it is asked to.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// A mail that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The whole mail, with headers.
    pub data: String,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Who had logged in.
    pub user: Option<String>,
}

/// What the server does at a command instead of what it should. `.` is the end of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Answers this line.
    Reply(&'static str, &'static str),
    /// Obeys, and hangs up without an answer.
    HangUp(&'static str),
    /// Obeys, and never answers.
    Silence(&'static str),
}

/// A running server; it ends when dropped.
pub struct SmtpServer {
    port: u16,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    encryption: Encryption,
    login: Option<(String, String)>,
    tls: TlsAcceptor,
    received: Mutex<Vec<ReceivedMail>>,
    trouble: Mutex<Option<Trouble>>,
}

impl SmtpServer {
    /// Starts a server on a free port of 127.0.0.1. With a login it takes mails only from who knows
    /// it, and logins only over TLS unless it speaks none.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn start(encryption: Encryption, login: Option<(&str, &str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let owned = |(user, password): (&str, &str)| (user.to_owned(), password.to_owned());
        let shared = Arc::new(Shared {
            encryption,
            login: login.map(owned),
            tls: acceptor(),
            received: Mutex::default(),
            trouble: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // Whoever hangs up or talks nonsense is of no interest to a test.
                tokio::spawn(async move { shared.serve(socket).await });
            }
        });
        SmtpServer {
            port,
            shared,
            task: task.abort_handle(),
        }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every mail so far, in the order of their arrival.
    pub fn received(&self) -> Vec<ReceivedMail> {
        self.shared.received.lock().clone()
    }

    /// Misbehaves from now on, or no more.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        *self.shared.trouble.lock() = trouble;
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("smtp/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("smtp/server.key.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("PEM")], key.expect("PEM"))
        .expect("the key is the certificate's");
    TlsAcceptor::from(Arc::new(config))
}

/// Why a conversation ended.
enum Ended {
    /// One side is gone.
    Closed,
    /// TLS is to begin.
    Upgrade,
}

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Ended::Closed
    }
}

impl Shared {
    async fn serve(&self, mut socket: TcpStream) -> Result<(), Ended> {
        if self.encryption == Encryption::Implicit {
            let socket = self.tls.accept(socket).await?;
            return self.converse(socket, true, true).await;
        }
        match self.converse(&mut socket, false, true).await {
            Err(Ended::Upgrade) => {
                let socket = self.tls.accept(socket).await?;
                self.converse(socket, true, false).await
            }
            ended => ended,
        }
    }

    async fn converse(
        &self,
        socket: impl AsyncRead + AsyncWrite + Unpin,
        encrypted: bool,
        greets: bool,
    ) -> Result<(), Ended> {
        let mut talk = Talk {
            socket: BufReader::new(socket),
            shared: self,
            mail: ReceivedMail {
                from: String::new(),
                to: Vec::new(),
                data: String::new(),
                encrypted,
                user: None,
            },
        };
        if greets {
            talk.say("220 localhost ready").await?;
        }
        loop {
            let line = talk.hear().await?;
            talk.obey(&line).await?;
        }
    }
}

struct Talk<'a, S> {
    socket: BufReader<S>,
    shared: &'a Shared,
    mail: ReceivedMail,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    async fn hear(&mut self) -> Result<String, Ended> {
        let mut line = String::new();
        match self.socket.read_line(&mut line).await? {
            0 => Err(Ended::Closed),
            _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    async fn say(&mut self, line: &str) -> Result<(), Ended> {
        let line = format!("{line}\r\n");
        Ok(self.socket.get_mut().write_all(line.as_bytes()).await?)
    }

    /// Answers `verb`, unless there is trouble.
    async fn answer(&mut self, verb: &str, line: &str) -> Result<(), Ended> {
        let trouble = *self.shared.trouble.lock();
        match trouble {
            Some(Trouble::HangUp(at)) if at == verb => Err(Ended::Closed),
            Some(Trouble::Silence(at)) if at == verb => std::future::pending().await,
            _ => self.say(line).await,
        }
    }

    async fn obey(&mut self, line: &str) -> Result<(), Ended> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = verb.to_ascii_uppercase();
        let trouble = *self.shared.trouble.lock();
        if let Some(Trouble::Reply(at, reply)) = trouble
            && at == verb
        {
            return self.say(reply).await;
        }
        match verb.as_str() {
            "EHLO" => self.hello().await,
            "STARTTLS" if self.shared.encryption == Encryption::StartTls => {
                self.say("220 go ahead").await?;
                Err(Ended::Upgrade)
            }
            "AUTH" => self.log_in(rest).await,
            "MAIL" if self.shared.login.is_some() && self.mail.user.is_none() => {
                self.say("530 5.7.0 log in first").await
            }
            "MAIL" => {
                self.mail.from = address(rest);
                self.answer("MAIL", "250 ok").await
            }
            "RCPT" => {
                self.mail.to.push(address(rest));
                self.answer("RCPT", "250 ok").await
            }
            "DATA" => {
                self.answer("DATA", "354 go ahead").await?;
                self.take_mail().await
            }
            "QUIT" => {
                self.answer("QUIT", "221 bye").await?;
                Err(Ended::Closed)
            }
            _ => self.say("502 5.5.1 not known here").await,
        }
    }

    async fn hello(&mut self) -> Result<(), Ended> {
        self.say("250-localhost").await?;
        if self.shared.encryption == Encryption::StartTls && !self.mail.encrypted {
            self.say("250-STARTTLS").await?;
        } else if self.shared.login.is_some() {
            self.say("250-AUTH PLAIN LOGIN").await?;
        }
        self.say("250 8BITMIME").await
    }

    async fn log_in(&mut self, rest: &str) -> Result<(), Ended> {
        let given = rest.strip_prefix("PLAIN ").and_then(|encoded| {
            let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
            let mut parts = text.split('\0').skip(1).map(str::to_owned);
            Some((parts.next()?, parts.next()?))
        });
        if given.is_some() && given == self.shared.login {
            self.mail.user = given.map(|(user, _)| user);
            return self.answer("AUTH", "235 2.7.0 welcome").await;
        }
        self.say("535 5.7.8 wrong user or password").await
    }

    async fn take_mail(&mut self) -> Result<(), Ended> {
        self.mail.data.clear();
        loop {
            let line = self.hear().await?;
            if line == "." {
                break;
            }
            let line = line.strip_prefix('.').unwrap_or(&line);
            self.mail.data.push_str(line);
            self.mail.data.push('\n');
        }
        let trouble = *self.shared.trouble.lock();
        if let Some(Trouble::Reply(".", reply)) = trouble {
            return self.say(reply).await;
        }
        self.shared.received.lock().push(self.mail.clone());
        self.mail.to.clear();
        self.answer(".", "250 2.0.0 kept").await
    }
}

/// The address in `FROM:<address> PARAMETERS`.
fn address(text: &str) -> String {
    let start = text.find('<').map_or(0, |at| at + 1);
    let end = text.find('>').unwrap_or(text.len());
    text[start..end].to_owned()
}
