//! Posts to services that send messages: one request, a bounded answer, no redirects followed.

use std::time::Duration;

use bytes::Bytes;
use domain::time::SECOND_US;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;

use super::failure::Failure;
use crate::outbound::Outbound;

/// The most that is read of an answer.
const ANSWER_BYTES: usize = 64 * 1024;

/// Posts to one service.
pub(super) struct HttpPost(Outbound);

/// An answer that says no.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    headers: HeaderMap,
}

impl HttpPost {
    /// Calls nobody yet. `timeout` is the longest that a request may take.
    pub(super) fn new(timeout: Duration) -> Self {
        HttpPost(Outbound::new(timeout))
    }

    /// Sends a request. Any answer of the 200s is a yes; any other is `refused`'s to judge.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        refused: impl FnOnce(&Refused) -> Failure,
    ) -> Result<(), Failure> {
        let answer = self.0.call(request, ANSWER_BYTES).await;
        let answer = answer.map_err(Failure::passing)?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(refused(&Refused {
            status: answer.status,
            headers: answer.headers,
            // The status is the answer; a body that breaks off cannot take it back.
            body: answer.body.unwrap_or_default(),
        }))
    }
}

impl Refused {
    /// A refusal for `reason`, of this message or of any: what is wrong with the service or with
    /// this Farebox's right to use it passes when somebody mends it.
    pub(super) fn failure(&self, reason: String) -> Failure {
        let lasting = self.status.is_client_error()
            && !matches!(
                self.status,
                StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::NOT_FOUND
                    | StatusCode::REQUEST_TIMEOUT
                    | StatusCode::TOO_EARLY
                    | StatusCode::TOO_MANY_REQUESTS
            );
        match lasting {
            true => Failure::lasting(reason),
            false => Failure::Passing {
                reason,
                asked_us: asked_us(&self.headers),
            },
        }
    }
}

/// How long the other side asks to be left alone; zero if it does not say, in seconds.
pub(super) fn asked_us(headers: &HeaderMap) -> i64 {
    let value = headers.get(RETRY_AFTER);
    let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
    seconds.unwrap_or(0).clamp(0, i64::MAX / SECOND_US) * SECOND_US
}
