//! Mails leave through a mail server, over one connection each.
//!
//! When the server has taken a mail, the mail is sent, whatever happens to the connection then. The
//! other way round a mail may be out although its acknowledgement was lost; it then goes out again
//! under the same `Message-ID`, by which mailboxes recognise it.

use std::error::Error as _;
use std::fmt;
use std::time::{Duration, SystemTime};

use domain::secret::Secret;
use domain::time::AtUs;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Attachment as AttachedFile, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use store::outbox::Attachment;

use super::failure::Failure;
use super::letters::Written;

/// How long a connection that has served is given to close properly.
const GOODBYE: Duration = Duration::from_secs(5);
/// What servers answer who do not let this Farebox in: the operator's to mend, not the message's.
const LOGIN_REFUSALS: [u16; 4] = [530, 534, 535, 538];

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// After the first words, by STARTTLS; a server that does not offer it is not used.
    StartTls,
    /// With the first byte.
    Implicit,
    /// Never.
    None,
}

/// A mail server, and what it is told.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Its name: also what its certificate must say.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When TLS begins.
    pub encryption: Encryption,
    /// Who mails are from, such as `Farebox <farebox@example.com>`.
    pub from: String,
    /// User and password, if it wants them.
    pub login: Option<(String, Secret)>,
    /// Certificates of authorities to be trusted instead of the public ones, as PEM.
    pub authorities_pem: Option<Vec<u8>>,
    /// The longest that sending a mail may take.
    pub timeout: Duration,
}

/// What is wrong with a mail server's settings, as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpSettingsError {
    /// The sender is no mailbox.
    #[error("\"{0}\" is no mailbox: write it as Farebox <farebox@example.com>")]
    From(String),
    /// The authorities' certificates cannot be read.
    #[error("the certificates cannot be read: {0}")]
    Authorities(String),
}

/// Sends mails through a mail server.
pub struct Smtp {
    host: String,
    port: u16,
    encryption: Encryption,
    tls: TlsParameters,
    from: Mailbox,
    credentials: Option<Credentials>,
    timeout: Duration,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Smtp({}:{}, {:?})",
            self.host, self.port, self.encryption
        )
    }
}

/// Reads who mails are from.
///
/// # Errors
/// [`SmtpSettingsError::From`].
pub fn check_mailbox(from: &str) -> Result<(), SmtpSettingsError> {
    mailbox(from).map(|_| ())
}

/// A file as a part of a mail.
fn part(file: &Attachment) -> Result<SinglePart, Failure> {
    let kind = ContentType::parse(&file.media_type)
        .map_err(|error| Failure::lasting(format!("what is attached is nothing known: {error}")))?;
    Ok(AttachedFile::new(file.name.clone()).body(file.content.to_vec(), kind))
}

fn mailbox(from: &str) -> Result<Mailbox, SmtpSettingsError> {
    from.parse()
        .map_err(|_| SmtpSettingsError::From(from.to_owned()))
}

impl Smtp {
    /// Prepares for a mail server; it is not called yet.
    ///
    /// # Errors
    /// [`SmtpSettingsError`].
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpSettingsError> {
        let unreadable = |error: Error| SmtpSettingsError::Authorities(explained(&error));
        let mut tls = TlsParameters::builder(settings.host.clone());
        if let Some(pem) = &settings.authorities_pem {
            tls = tls
                .certificate_store(CertificateStore::None)
                .add_root_certificate(Certificate::from_pem(pem).map_err(unreadable)?);
        }
        Ok(Smtp {
            from: mailbox(&settings.from)?,
            tls: tls.build_rustls().map_err(unreadable)?,
            credentials: settings
                .login
                .map(|(user, password)| Credentials::new(user, password.expose().to_owned())),
            host: settings.host,
            port: settings.port,
            encryption: settings.encryption,
            timeout: settings.timeout,
        })
    }

    /// Sends a mail. `id` is the same whenever the same mail is sent again.
    pub(super) async fn send(
        &self,
        id: &str,
        to: &str,
        (written, attached): (&Written, &[Attachment]),
        now: AtUs,
    ) -> Result<(), Failure> {
        let mail = self.compose(id, to, (written, attached), now)?;
        match tokio::time::timeout(self.timeout, self.hand_over(&mail)).await {
            Ok(sent) => sent,
            Err(_) => Err(Failure::passing(format!(
                "the mail server {} did not answer in time",
                self.host
            ))),
        }
    }

    fn compose(
        &self,
        id: &str,
        to: &str,
        (written, attached): (&Written, &[Attachment]),
        now: AtUs,
    ) -> Result<Message, Failure> {
        let to: Address = to
            .parse()
            .map_err(|_| Failure::lasting("the address cannot be read"))?;
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(now.millis());
        let text = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .body(written.text.clone());
        let html = SinglePart::builder()
            .header(ContentType::TEXT_HTML)
            .body(written.html.clone());
        let words = MultiPart::alternative().singlepart(text).singlepart(html);
        // A mail without files is only its words: some mailboxes show a clip beside any other.
        let parts = match attached {
            [] => words,
            files => files
                .iter()
                .try_fold(MultiPart::mixed().multipart(words), |parts, file| {
                    Ok::<_, Failure>(parts.singlepart(part(file)?))
                })?,
        };
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(written.subject.clone())
            .date(date)
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(AutoSubmitted)
            .multipart(parts)
            .map_err(|error| Failure::lasting(format!("the mail cannot be composed: {error}")))
    }

    async fn hand_over(&self, mail: &Message) -> Result<(), Failure> {
        let failed = |error: Error| self.failed(&error);
        let mut connection = self.connect().await?;
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection
                .auth(&mechanisms, credentials)
                .await
                .map_err(failed)?;
        }
        connection
            .send(mail.envelope(), &mail.formatted())
            .await
            .map_err(failed)?;
        // The mail is out: nothing that happens now may make it go out again.
        tokio::spawn(async move {
            let _ = tokio::time::timeout(GOODBYE, connection.quit()).await;
        });
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let failed = |error: Error| self.failed(&error);
        let name = ClientId::Domain(self.from.email.domain().to_owned());
        let at_once = (self.encryption == Encryption::Implicit).then(|| self.tls.clone());
        let place = (self.host.as_str(), self.port);
        let timeout = Some(self.timeout);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(place, timeout, &name, at_once, None)
                .await
                .map_err(failed)?;
        if self.encryption == Encryption::StartTls {
            if !connection.can_starttls() {
                return Err(Failure::passing(format!(
                    "the mail server {} does not offer STARTTLS",
                    self.host
                )));
            }
            connection
                .starttls(self.tls.clone(), &name)
                .await
                .map_err(failed)?;
        }
        Ok(connection)
    }

    fn failed(&self, error: &Error) -> Failure {
        let reason = format!("the mail server {}: {}", self.host, explained(error));
        let code = error.status().map(u16::from);
        let lets_us_in = code.is_none_or(|code| !LOGIN_REFUSALS.contains(&code));
        match error.is_permanent() && lets_us_in {
            true => Failure::lasting(reason),
            false => Failure::passing(reason),
        }
    }
}

/// An error with its causes.
fn explained(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// Tells other programs not to answer (RFC 3834): no out-of-office notes come back.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
