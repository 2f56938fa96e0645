//! Sends codes: one at a time for each subject, with growing waits between them.

use domain::Entropy;
use domain::people::code::{Code, Purpose, ResendRefusal, SentCode};
use domain::people::email::Email;
use domain::people::phone::Phone;
use domain::people::throttle::{
    MAILS_TO_ADDRESS, MAILS_TO_ADDRESS_FROM_NETWORK, TEXTS_FROM_NETWORK, TEXTS_TO_PHONE,
    TEXTS_TO_PHONE_FROM_NETWORK,
};
use domain::time::AtUs;
use store::Tx;
use store::people::codes;

use super::guessing::Bucket;
use super::letters::Post;
use super::refusal::PeopleRefusal;
use super::visitor::Visitor;
use crate::respond::Outcome;

/// A code to be sent.
pub(super) struct Sending<'a> {
    /// What it is good for.
    pub(super) purpose: Purpose,
    /// Whose it is: a sign-up's digest, or a user.
    pub(super) subject: &'a str,
    /// The address or number that it proves.
    pub(super) target: &'a str,
}

impl Sending<'_> {
    /// Keeps a code in place of an earlier one and sends it. Answers how it is kept.
    pub(super) fn send(&self, tx: &mut Tx<'_>, now: AtUs, entropy: Entropy) -> Outcome<SentCode> {
        let (sent, code) = self.keep(tx, now, entropy)?;
        let post = Post { now, entropy };
        match self.purpose {
            Purpose::SignupEmail | Purpose::NewEmail => {
                post.mail_code(tx, self.target, &code)?;
            }
            Purpose::SignupPhone | Purpose::NewPhone => {
                post.text_code(tx, self.target, &code)?;
            }
        }
        Ok(sent)
    }

    /// Keeps a code that nobody is told, and tells the owner of the address that it is in use.
    pub(super) fn pretend(
        &self,
        tx: &mut Tx<'_>,
        public_url: &str,
        now: AtUs,
        entropy: Entropy,
    ) -> Outcome<SentCode> {
        let (sent, _) = self.keep(tx, now, entropy)?;
        Post { now, entropy }.mail_in_use(tx, self.target, public_url)?;
        Ok(sent)
    }

    fn keep(&self, tx: &mut Tx<'_>, now: AtUs, entropy: Entropy) -> Outcome<(SentCode, Code)> {
        let code = Code::mint(entropy);
        let previous = codes::get(tx, self.subject, self.purpose)?.map(|(_, sent)| sent);
        // A sign-up is over soon; a user may change their address again another day.
        let counts = |sent: &SentCode| self.is_of_signup() || now < sent.expires_at();
        let sent = match previous.filter(counts) {
            None => SentCode::first(self.purpose, &code, now, entropy),
            Some(previous) => previous
                .next(&code, now, entropy)
                .map_err(|why| match why {
                    ResendRefusal::Wait(then) => PeopleRefusal::until(then, now),
                    ResendRefusal::NoMore => PeopleRefusal::NoMoreCodes,
                })?,
        };
        codes::put(tx, self.subject, self.target, &sent)?;
        Ok((sent, code))
    }

    fn is_of_signup(&self) -> bool {
        matches!(self.purpose, Purpose::SignupEmail | Purpose::SignupPhone)
    }
}

/// What a mail that this visitor causes counts for.
pub(super) fn mails(to: &Email, visitor: &Visitor) -> Vec<Bucket> {
    let from = visitor.network();
    vec![
        (&MAILS_TO_ADDRESS_FROM_NETWORK, format!("{to} {from}")),
        (&MAILS_TO_ADDRESS, to.to_string()),
    ]
}

/// What a text message that this visitor causes counts for.
pub(super) fn texts(to: &Phone, visitor: &Visitor) -> Vec<Bucket> {
    let from = visitor.network();
    vec![
        (&TEXTS_TO_PHONE_FROM_NETWORK, format!("{to} {from}")),
        (&TEXTS_TO_PHONE, to.to_string()),
        (&TEXTS_FROM_NETWORK, from),
    ]
}
