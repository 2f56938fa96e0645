//! Sends what is written to people: takes messages from the store's queue, and puts them where the
//! operator wants mails and text messages to go.

mod attachments;
mod endpoints;
mod failure;
mod http_post;
mod letters;
mod smtp;
mod twilio;
mod webhook;
mod worker;

pub use endpoints::Endpoints;
pub use smtp::{Encryption, Smtp, SmtpSettings, SmtpSettingsError, check_mailbox};
pub use twilio::{Twilio, TwilioSettings};
pub(crate) use webhook::SECRET_PREFIX;
pub use webhook::{Webhook, WebhookSettings};
pub use worker::Worker;

/// Where mails go.
#[derive(Debug)]
pub enum MailRoute {
    /// Nowhere: they are kept, and shown to who tries Farebox out.
    Outbox,
    /// To a mail server.
    Smtp(Smtp),
}

/// Where text messages go.
#[derive(Debug)]
pub enum SmsRoute {
    /// Nowhere: they are kept, as mails are.
    Outbox,
    /// To Twilio.
    Twilio(Twilio),
    /// To a program of the operator's.
    Webhook(Webhook),
}

/// Where everything goes.
#[derive(Debug)]
pub struct Routes {
    /// Mails.
    pub mail: MailRoute,
    /// Text messages.
    pub sms: SmsRoute,
    /// Events for endpoints of organizations.
    pub endpoints: Endpoints,
}
