//! Text messages leave through a program of the operator's: one signed POST for each.
//!
//! The form is that of the [Standard Webhooks](https://www.standardwebhooks.com) specification, for
//! whose signatures there are libraries in every language. docs/messages.md describes it.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use domain::time::AtUs;
use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::Full;
use serde::Serialize;
use sha2::Sha256;

use super::failure::Failure;
use super::http_post::{HttpPost, Refused};

/// What the specification's secrets begin with; the rest is base64.
pub(crate) const SECRET_PREFIX: &str = "whsec_";

/// A program that sends text messages.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where it listens.
    pub url: String,
    /// What requests are signed with.
    pub secret: Secret,
    /// The longest that a request may take.
    pub timeout: Duration,
}

/// Sends text messages through a program of the operator's.
pub struct Webhook {
    post: HttpPost,
    url: String,
    secret: Secret,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({})", self.url)
    }
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: Sms<'a>,
}

#[derive(Serialize)]
struct Sms<'a> {
    to: &'a str,
    text: &'a str,
}

impl Webhook {
    /// Prepares for a program; it is not called yet.
    #[must_use]
    pub fn new(settings: WebhookSettings) -> Self {
        Webhook {
            post: HttpPost::new(settings.timeout),
            url: settings.url,
            secret: settings.secret,
        }
    }

    /// Sends a text message. `id` is the same whenever the same one is sent again.
    pub(super) async fn send(
        &self,
        id: &str,
        to: &str,
        text: &str,
        now: AtUs,
    ) -> Result<(), Failure> {
        let event = Event {
            kind: "sms.send",
            timestamp: now.to_utc(),
            data: Sms { to, text },
        };
        let unsendable =
            |error: String| Failure::passing(format!("the webhook cannot be called: {error}"));
        let body = serde_json::to_string(&event).map_err(|error| unsendable(error.to_string()))?;
        let at_s = now.seconds();
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at_s)
            .header(
                "webhook-signature",
                signature(&self.secret, id, at_s, &body),
            )
            .body(Full::from(body))
            .map_err(|error| unsendable(error.to_string()))?;
        let refused = |refused: &Refused| {
            refused.failure(format!("the webhook answered {}", refused.status.as_u16()))
        };
        self.post.send(request, refused).await
    }
}

/// `v1,` and the base64 of HMAC-SHA256 over id, time and body, with dots between.
pub(super) fn signature(secret: &Secret, id: &str, at_s: i64, body: &str) -> String {
    let text = secret.expose();
    let decoded = text
        .strip_prefix(SECRET_PREFIX)
        .and_then(|encoded| STANDARD.decode(encoded).ok());
    let key = decoded.as_deref().unwrap_or(text.as_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{at_s}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let body = "{\"test\": 2432232314}";
        assert_eq!(
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_without_the_prefix_is_taken_as_it_is() {
        let plain = Secret::new("open sesame".into());
        let same = Secret::new(format!("whsec_{}", STANDARD.encode("open sesame")));
        let sign = |secret| signature(secret, "a", 1, "b");
        assert_eq!(sign(&plain), sign(&same));
        assert_ne!(sign(&plain), sign(&Secret::new("other".into())));
    }
}
