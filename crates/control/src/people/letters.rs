//! What people are sent about their accounts.

use domain::Entropy;
use domain::id::random_base62;
use domain::message::{Letter, Message, Text};
use domain::people::code::{Code, LIFETIME_US};
use domain::time::{AtUs, MINUTE_US};
use store::jobs::{self, Job};
use store::{StoreError, Tx};

/// Sends messages once the transaction is committed that they are given to.
#[derive(Clone, Copy)]
pub(crate) struct Post {
    /// When.
    pub(crate) now: AtUs,
    /// Names them.
    pub(crate) entropy: Entropy,
}

impl Post {
    /// Mails a letter; one that has expired is not sent any more.
    pub(crate) fn mail(
        self,
        tx: &mut Tx<'_>,
        to: &str,
        letter: Letter,
        expires_at: Option<AtUs>,
    ) -> Result<(), StoreError> {
        let to = to.to_owned();
        self.send(tx, Message::Mail { to, letter }, expires_at)
    }

    /// Mails a code.
    pub(super) fn mail_code(
        self,
        tx: &mut Tx<'_>,
        to: &str,
        code: &Code,
    ) -> Result<(), StoreError> {
        let letter = Letter::EmailCode {
            code: code.expose().to_owned(),
            valid_minutes: valid_minutes(),
        };
        self.mail(tx, to, letter, Some(self.now.plus(LIFETIME_US)))
    }

    /// Sends a code as a text message.
    pub(super) fn text_code(
        self,
        tx: &mut Tx<'_>,
        to: &str,
        code: &Code,
    ) -> Result<(), StoreError> {
        let text = Text::PhoneCode {
            code: code.expose().to_owned(),
            valid_minutes: valid_minutes(),
        };
        let to = to.to_owned();
        self.send(
            tx,
            Message::Sms { to, text },
            Some(self.now.plus(LIFETIME_US)),
        )
    }

    /// Tells the owner of an address that somebody wanted to make it theirs.
    pub(super) fn mail_in_use(
        self,
        tx: &mut Tx<'_>,
        to: &str,
        public_url: &str,
    ) -> Result<(), StoreError> {
        let letter = Letter::AddressInUse {
            sign_in: format!("{public_url}/sign-in"),
            reset: format!("{public_url}/forgot-password"),
        };
        self.mail(tx, to, letter, Some(self.now.plus(LIFETIME_US)))
    }

    fn send(
        self,
        tx: &mut Tx<'_>,
        message: Message,
        expires_at: Option<AtUs>,
    ) -> Result<(), StoreError> {
        // What is asked for twice is sent twice: throttles bound how often that is.
        let key = format!("{}:{}", message.template(), random_base62(24, self.entropy));
        let job = Job {
            key,
            message,
            expires_at,
        };
        jobs::enqueue(tx, &job, self.now, self.entropy).map(|_| ())
    }
}

fn valid_minutes() -> u32 {
    u32::try_from(LIFETIME_US / MINUTE_US).expect("a few")
}
