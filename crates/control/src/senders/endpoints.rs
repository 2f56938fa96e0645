//! Events leave to the endpoints of organizations: one POST for each, signed as
//! [Standard Webhooks](https://www.standardwebhooks.com) says, or the message for a chat.
//! docs/alerts.md describes both.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use domain::Entropy;
use domain::job::next_try;
use domain::sealed::SealingKey;
use domain::secret::Secret;
use domain::time::{AtUs, Clock, SECOND_US};
use domain::webhook::{Form, Reach};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use store::webhooks::{Attempt, End, Order};

use super::http_post::asked_us;
use super::letters::Letters;
use super::webhook::signature;
use crate::outbound::{Answer, Outbound};

/// The longest that an endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The most that is kept of an answer.
const ANSWER_BYTES: usize = 1_000;
/// The longest headline and paragraph that Slack takes.
const HEADLINE_CHARS: usize = 150;
const PARAGRAPH_CHARS: usize = 3_000;

/// Sends events to endpoints.
pub struct Endpoints {
    outbound: Outbound,
    reach: Reach,
    sealing: Option<SealingKey>,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoints({:?})", self.reach)
    }
}

/// A try that is over.
pub(super) struct Tried {
    pub(super) attempt: Attempt,
    pub(super) end: End,
}

impl Endpoints {
    /// Calls nobody yet. What is within `reach` may be called; `sealing` opens the secrets.
    #[must_use]
    pub fn new(reach: Reach, sealing: Option<SealingKey>) -> Self {
        Endpoints {
            outbound: Outbound::within(reach.clone(), TIMEOUT),
            reach,
            sealing,
        }
    }

    /// Sends what is ordered, for the `tries`th time.
    pub(super) async fn send(
        &self,
        order: &Order,
        tries: u32,
        letters: &Letters,
        (clock, entropy): (&Clock, Entropy),
    ) -> Tried {
        let at = clock();
        let answer = match self.request(order, letters, at) {
            Ok(request) => {
                self.outbound
                    .call_for_beginning(request, ANSWER_BYTES)
                    .await
            }
            Err(reason) => Err(reason),
        };
        let now = clock();
        let (status, asked) = match &answer {
            Ok(answer) => (Some(answer.status), asked_us(&answer.headers)),
            Err(_) => (None, 0),
        };
        let end = match status {
            Some(status) if status.is_success() => End::Delivered,
            Some(StatusCode::GONE) => End::Gone,
            _ => next_try(tries, asked, now, entropy).map_or(End::GivenUp, End::Again),
        };
        let (answer, failure) = match answer {
            Ok(Answer { body, .. }) => (body.map(|body| readable(&body)), None),
            Err(reason) => (None, Some(reason)),
        };
        let attempt = Attempt {
            at,
            took_ms: now.since(at).max(0) / (SECOND_US / 1_000),
            status: status.map(|status| status.as_u16()),
            answer,
            failure,
        };
        Tried { attempt, end }
    }

    /// The request of an order.
    ///
    /// # Errors
    /// Why it cannot be made.
    fn request(
        &self,
        order: &Order,
        letters: &Letters,
        now: AtUs,
    ) -> Result<Request<Full<Bytes>>, String> {
        let secrets = self.secrets(order)?;
        let url = match order.form {
            Form::Standard => order.url.as_str(),
            Form::Slack => secrets[0].expose(),
        };
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "Farebox");
        let unsendable = |error: http::Error| format!("it cannot be called: {error}");
        match order.form {
            Form::Standard => {
                let at_s = now.seconds();
                let sign = |secret| signature(secret, &order.event, at_s, &order.payload);
                let signatures: Vec<String> = secrets.iter().map(sign).collect();
                request
                    .header("webhook-id", &order.event)
                    .header("webhook-timestamp", at_s)
                    .header("webhook-signature", signatures.join(" "))
                    .body(Full::from(order.payload.clone()))
                    .map_err(unsendable)
            }
            Form::Slack => {
                let (subject, paragraphs) = letters
                    .for_chat(&order.kind, &order.facts)
                    .map_err(|error| error.to_string())?;
                let body = chat_message(&subject, &paragraphs);
                request.body(Full::from(body)).map_err(unsendable)
            }
        }
    }

    fn secrets(&self, order: &Order) -> Result<Vec<Secret>, String> {
        let Some(sealing) = &self.sealing else {
            return Err("this server has no secret key to read the endpoint's secret with".into());
        };
        let open = |sealed: &Bytes| {
            let opened = sealing.open(sealed, order.endpoint.as_str());
            let opened = opened.map_err(|why| format!("the endpoint's secret: {why}"))?;
            let text = String::from_utf8(opened);
            let text = text.map_err(|_| "the endpoint's secret is no text".to_owned())?;
            Ok(Secret::new(text))
        };
        order.secrets.iter().map(open).collect()
    }
}

/// A message as Slack's incoming webhooks take it: blocks, and a text for notifications.
fn chat_message(subject: &str, paragraphs: &[String]) -> String {
    let headline = json!({
        "type": "header",
        "text": {"type": "plain_text", "text": shortened(subject, HEADLINE_CHARS)},
    });
    let section = |paragraph: &String| {
        // These three are all that Slack's texts give a meaning to that names could abuse.
        let text = paragraph
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        json!({
            "type": "section",
            "text": {"type": "mrkdwn", "text": shortened(&text, PARAGRAPH_CHARS)},
        })
    };
    let blocks: Vec<_> = std::iter::once(headline)
        .chain(paragraphs.iter().map(section))
        .collect();
    let text = subject
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    json!({"text": text, "blocks": blocks}).to_string()
}

fn shortened(text: &str, most_chars: usize) -> String {
    match text.char_indices().nth(most_chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most_chars - 1).chain(['…']).collect(),
    }
}

/// The beginning of an answer, as a text that a database and a page can hold.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let kept = |letter: &char| !letter.is_control() || *letter == '\n';
    text.chars().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_gets_words_and_no_links_or_mentions_that_names_smuggle_in() {
        let message = chat_message("A & B", &["<!channel> <https://evil|x>".to_owned()]);
        let message: serde_json::Value = serde_json::from_str(&message).expect("JSON");
        assert_eq!(message["text"], "A &amp; B");
        assert_eq!(message["blocks"][0]["text"]["text"], "A & B", "plain text");
        let section = &message["blocks"][1]["text"]["text"];
        assert_eq!(section, "&lt;!channel&gt; &lt;https://evil|x&gt;");
        let long = shortened(&"ä".repeat(200), HEADLINE_CHARS);
        assert_eq!(long.chars().count(), HEADLINE_CHARS);
    }

    #[test]
    fn answers_are_kept_as_readable_text() {
        assert_eq!(readable(b"ok\0\x1b[31m\nline\xff"), "ok[31m\nline\u{fffd}");
    }
}
