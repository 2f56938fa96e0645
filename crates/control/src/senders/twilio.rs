//! Text messages leave through Twilio's Programmable Messaging API.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use serde::Deserialize;

use super::failure::Failure;
use super::http_post::{HttpPost, Refused};
use crate::outbound::{encoded, form};

/// An account at Twilio.
#[derive(Clone, Debug)]
pub struct TwilioSettings {
    /// Where the API is; no slash at the end.
    pub base_url: String,
    /// `AC…`
    pub account_sid: String,
    /// The account's secret.
    pub auth_token: Secret,
    /// A number, or a messaging service (`MG…`).
    pub from: String,
    /// The longest that a request may take.
    pub timeout: Duration,
}

/// Sends text messages through Twilio.
pub struct Twilio {
    post: HttpPost,
    url: String,
    authorization: HeaderValue,
    from: String,
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twilio({})", self.url)
    }
}

/// What Twilio says when it refuses.
#[derive(Deserialize)]
struct Complaint {
    code: Option<i64>,
    message: Option<String>,
}

impl Twilio {
    /// Prepares for an account; Twilio is not called yet.
    #[must_use]
    pub fn new(settings: &TwilioSettings) -> Self {
        let sid = &settings.account_sid;
        let login = STANDARD.encode(format!("{sid}:{}", settings.auth_token.expose()));
        let mut authorization =
            HeaderValue::from_str(&format!("Basic {login}")).expect("base64 may stand in a header");
        authorization.set_sensitive(true);
        Twilio {
            post: HttpPost::new(settings.timeout),
            url: format!(
                "{}/2010-04-01/Accounts/{}/Messages.json",
                settings.base_url,
                encoded(sid)
            ),
            authorization,
            from: settings.from.clone(),
        }
    }

    pub(super) async fn send(&self, to: &str, text: &str) -> Result<(), Failure> {
        let sender = match self.from.starts_with("MG") {
            true => "MessagingServiceSid",
            false => "From",
        };
        let form = form(&[("To", to), (sender, &self.from), ("Body", text)]);
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .map_err(|error| Failure::passing(format!("Twilio cannot be called: {error}")))?;
        self.post.send(request, complaint).await
    }
}

/// Twilio's number for what went wrong is worth more than its status.
fn complaint(refused: &Refused) -> Failure {
    let status = refused.status.as_u16();
    let said: Option<Complaint> = serde_json::from_slice(&refused.body).ok();
    let reason = match said {
        Some(Complaint {
            code: Some(code),
            message,
        }) => {
            let message = message.unwrap_or_default();
            format!("Twilio answered {status}, error {code}: {message}")
        }
        _ => format!("Twilio answered {status}"),
    };
    refused.failure(reason)
}
