//! The sending of mails and text messages, as the configuration wants it.

use std::path::Path;
use std::time::Duration;

use control::Webhooks;
use control::senders::{
    Encryption, Endpoints, MailRoute, Routes, SmsRoute, Smtp, SmtpSettings, Twilio, TwilioSettings,
    Webhook, WebhookSettings, Worker,
};
use domain::secret::Secret;
use domain::webhook::Reach;
use prometheus_client::registry::Registry;
use store::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::config::{self, Config, Mail, MailServer, MailTls, NamedSecret, Sms};
use crate::{clock, entropy};

/// Messages, being sent.
pub(crate) struct Sending {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sending {
    /// Begins to send what is in the queue.
    pub(crate) fn start(
        store: Store,
        routes: Routes,
        config: &Config,
        registry: &mut Registry,
    ) -> Self {
        let (clock, url) = (clock::system(), &config.public_url);
        let worker = Worker::new(store, routes, url, clock, entropy::system);
        worker.register_metrics(registry);
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Sending { stop, task }
    }

    /// Ends what was begun; the rest waits in the queue.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the sending of messages broke off");
        }
    }
}

/// Whether messages are kept instead of sent, and only this machine reaches the installation.
pub(crate) fn shows_outbox(config: &Config) -> bool {
    let keeps = config.mail == Mail::Outbox || config.sms == Sms::Outbox;
    keeps && config::is_at_home(config)
}

/// What webhooks may reach. An installation that only its own machine reaches has nothing to keep
/// them from.
pub(crate) fn reach(config: &Config) -> Reach {
    match config::is_at_home(config) {
        true => Reach::Everything,
        false => Reach::Public(config.webhook_networks.clone()),
    }
}

/// Where messages go. Nobody is called yet.
///
/// # Errors
/// [`Failure`] if the certificates that are to be trusted cannot be read.
pub(crate) fn routes(config: &Config, webhooks: &Webhooks) -> Result<Routes, Failure> {
    let mail = match &config.mail {
        Mail::Outbox => MailRoute::Outbox,
        Mail::Smtp(server) => MailRoute::Smtp(smtp(server)?),
    };
    let sms = match &config.sms {
        Sms::Outbox => SmsRoute::Outbox,
        Sms::Twilio(account) => SmsRoute::Twilio(Twilio::new(&TwilioSettings {
            base_url: account.base_url.clone(),
            account_sid: account.account_sid.clone(),
            auth_token: value(&account.auth_token),
            from: account.from.clone(),
            timeout: Duration::from_millis(account.timeout_ms),
        })),
        Sms::Webhook(webhook) => SmsRoute::Webhook(Webhook::new(WebhookSettings {
            url: webhook.url.clone(),
            secret: value(&webhook.secret),
            timeout: Duration::from_millis(webhook.timeout_ms),
        })),
    };
    Ok(Routes {
        mail,
        sms,
        endpoints: Endpoints::new(webhooks.reach.clone(), webhooks.sealing.clone()),
    })
}

fn smtp(server: &MailServer) -> Result<Smtp, Failure> {
    let authorities_pem = authorities(server.ca_file.as_deref(), "mail.ca_file")?;
    let login = server.password.as_ref();
    Smtp::new(SmtpSettings {
        host: server.host.clone(),
        port: server.port,
        encryption: match server.tls {
            MailTls::StartTls => Encryption::StartTls,
            MailTls::Implicit => Encryption::Implicit,
            MailTls::None => Encryption::None,
        },
        from: server.from.clone(),
        login: login.map(|password| (server.user.clone(), value(password))),
        authorities_pem,
        timeout: Duration::from_millis(server.timeout_ms),
    })
    .map_err(|error| Failure::new(format!("mails cannot be sent: {error}.")))
}

/// The certificates of the file that `key` names, if any.
///
/// # Errors
/// [`Failure`] if it cannot be read.
pub(crate) fn authorities(file: Option<&Path>, key: &str) -> Result<Option<Vec<u8>>, Failure> {
    let Some(file) = file else {
        return Ok(None);
    };
    let read = std::fs::read(file);
    read.map(Some).map_err(|error| {
        let file = file.display();
        Failure::new(format!(
            "`{key}` names {file}, which cannot be read: {error}."
        ))
    })
}

/// A secret that is known to be set: the server does not start with one that is not.
pub(crate) fn value(secret: &NamedSecret) -> Secret {
    secret
        .value
        .clone()
        .unwrap_or_else(|| Secret::new(String::new()))
}
