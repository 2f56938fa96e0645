//! Stripe on loopback, as far as Farebox uses it, with its ill luck at a test's command.
//!
//! It is strict where Stripe is: a key, a version and on every POST an idempotency key must come,
//! and a key that comes again gets the same answer, or a refusal if it asks for something else.
//! Cards are Stripe's published test numbers. Webhooks are not sent by themselves: a test takes the
//! [`events`](StripeDouble::events) and delivers them in any order, as often as it likes, late, or
//! not at all.

mod books;
mod cards;
mod requests;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

pub use cards::{
    ALWAYS_ASKS, DECLINED, DECLINED_LATER, EXPIRED, GOOD, INSUFFICIENT_FUNDS, PROCESSING_ERROR,
};

use crate::http::{Answer, Request};
use crate::upstream::{Reply, Upstream, UpstreamRequest};
use books::Books;

/// The account's secret key.
pub const SECRET_KEY: &str = "sk_test_double";
/// What webhooks are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_double_0123456789";

/// A running double. Dropping it closes its port.
pub struct StripeDouble {
    upstream: Upstream,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    books: Mutex<Books>,
    faults: Mutex<Vec<(String, Fault)>>,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and the connection closed without a word.
    LosesAnswer,
    /// It is done, and nothing is ever said.
    Hangs,
    /// It is not done, and the connection closed without a word.
    Refuses,
    /// It is not done, and this is the status.
    Fails(u16),
}

impl StripeDouble {
    /// Starts a double, whose clock stands at `now_s`.
    pub async fn start(now_s: i64) -> Self {
        let state = Arc::<State>::default();
        state.books.lock().now_s = now_s;
        let answering = Arc::clone(&state);
        let upstream = Upstream::start(move |request| answering.answer(request)).await;
        StripeDouble { upstream, state }
    }

    /// What a client's base address would be.
    pub fn url(&self) -> String {
        let url = self.upstream.base_url();
        url.strip_suffix("/v1").unwrap_or(&url).to_owned()
    }

    /// Sets its clock.
    pub fn set_time(&self, now_s: i64) {
        self.state.books.lock().now_s = now_s;
    }

    /// Lets the next request whose path begins so go wrong; several go wrong one after the other.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.state.faults.lock().push((path.to_owned(), fault));
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<UpstreamRequest> {
        self.upstream.requests()
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        let requests = self.upstream.requests();
        requests.iter().filter(|asked| asked.path == path).count()
    }

    /// Closes its port.
    pub fn stop(&mut self) {
        self.upstream.stop();
    }

    /// An object as it is now. Panics if there is none.
    pub fn object(&self, id: &str) -> Value {
        self.state.books.lock().object(id)
    }

    /// Every object of a kind, such as `charge`, the oldest first.
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        self.state.books.lock().of_kind(kind)
    }

    /// Changes an object behind everybody's back.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Value)) {
        change(self.state.books.lock().object_mut(id));
    }

    /// Forgets an object, as if it had never been.
    pub fn forget(&self, id: &str) {
        self.state.books.lock().forget(id);
    }

    /// Somebody types this card into a session's page: pays, or leaves it; and agrees where the
    /// bank asks. Whether the page was satisfied.
    pub fn type_card(&self, session: &str, number: &str) -> bool {
        self.state.books.lock().type_card(session, number)
    }

    /// Somebody pays on a session's page in a way that takes days.
    pub fn pay_slowly(&self, session: &str) {
        self.state.books.lock().pay_slowly(session);
    }

    /// A payment that took days arrives, or does not.
    pub fn end_slow_payment(&self, session: &str, arrives: bool) {
        self.state.books.lock().end_slow_payment(session, arrives);
    }

    /// Whoever owns the card of an intent says yes to their bank, or no.
    pub fn agree(&self, intent: &str, agrees: bool) {
        self.state.books.lock().agree(intent, agrees);
    }

    /// Nobody came to a session's page in time.
    pub fn expire(&self, session: &str) {
        self.state.books.lock().expire(session);
    }

    /// Somebody pays with a card outside of Farebox, and gets this metadata put on it. The intent.
    pub fn pay_elsewhere(&self, customer: &str, cents: i64, metadata: &Value) -> String {
        let mut books = self.state.books.lock();
        books.pay_elsewhere(customer, cents, metadata)
    }

    /// Somebody gives back what an intent took, or a part of it, outside of Farebox. The refund.
    pub fn refund_elsewhere(&self, intent: &str, cents: i64) -> String {
        let refund = self
            .state
            .books
            .lock()
            .refund(intent, cents, &serde_json::json!({}));
        let refund = refund.unwrap_or_else(|refusal| panic!("{refusal:?}"));
        refund["id"].as_str().expect("an id").to_owned()
    }

    /// A refund cannot be given back after all.
    pub fn fail_refund(&self, refund: &str) {
        self.state.books.lock().fail_refund(refund);
    }

    /// A bank takes back what an intent took. The dispute.
    pub fn dispute(&self, intent: &str, cents: i64) -> String {
        self.state.books.lock().dispute(intent, cents)
    }

    /// A dispute ends.
    pub fn close_dispute(&self, dispute: &str, is_won: bool) {
        self.state.books.lock().close_dispute(dispute, is_won);
    }

    /// Every event so far, the oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.state.books.lock().events.clone()
    }

    /// The latest event of a type. Panics if there is none.
    pub fn event(&self, kind: &str) -> Value {
        let events = self.events();
        let event = events.into_iter().rfind(|event| event["type"] == kind);
        event.unwrap_or_else(|| panic!("there is no event {kind}"))
    }

    /// Sends an event to a webhook, signed now.
    pub async fn deliver(&self, url: &str, event: &Value) -> Answer {
        let body = event.to_string();
        let now_s = self.state.books.lock().now_s;
        let signature = signature(&body, now_s, &[WEBHOOK_SECRET]);
        deliver_signed(url, &signature, &body).await
    }
}

/// `Stripe-Signature` of a body: the time, and a signature with each secret.
pub fn signature(body: &str, at_s: i64, secrets: &[&str]) -> String {
    let text = format!("{at_s}.{body}");
    let sign = |secret: &&str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = ring::hmac::sign(&key, text.as_bytes());
        let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        format!(",v1={hex}")
    };
    let signatures: String = secrets.iter().map(sign).collect();
    format!("t={at_s}{signatures}")
}

/// Sends a body to a webhook with this `Stripe-Signature`; none if it is empty.
pub async fn deliver_signed(url: &str, signature: &str, body: &str) -> Answer {
    let mut request = Request::post(url).body("application/json; charset=utf-8", body.to_owned());
    if !signature.is_empty() {
        request = request.header("stripe-signature", signature);
    }
    let sent = request.send().await;
    sent.unwrap_or_else(|error| panic!("POST {url}: {error}"))
}

impl State {
    fn answer(&self, request: &UpstreamRequest) -> Reply {
        let fault = {
            let mut faults = self.faults.lock();
            let next = faults
                .iter()
                .position(|(path, _)| request.path.starts_with(path));
            next.map(|next| faults.remove(next).1)
        };
        match fault {
            Some(Fault::Refuses) => return Reply::refuse(),
            Some(Fault::Fails(status)) => {
                let error = serde_json::json!({"type": "api_error", "message": "Out of order."});
                return Reply::json(status, &serde_json::json!({"error": error}));
            }
            _ => {}
        }
        let reply = requests::answer(&mut self.books.lock(), request);
        match fault {
            Some(Fault::LosesAnswer) => Reply::refuse(),
            Some(Fault::Hangs) => Reply::hang(),
            _ => reply,
        }
    }
}

impl fmt::Debug for StripeDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StripeDouble({})", self.url())
    }
}
