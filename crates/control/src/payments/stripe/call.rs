//! One call of Stripe's API: signed with the secret key, of one version of the API, and tried again
//! where that is safe.
//!
//! Every POST carries an idempotency key, so a call that is tried again after its answer was lost
//! is done once: Stripe repeats its answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Method, Request};
use http_body_util::Full;
use serde::de::DeserializeOwned;

use super::Stripe;
use super::failure::StripeError;
use super::form::Form;

/// The version of the API that this client was written for, whatever the account's own is.
pub const VERSION: &str = "2025-09-30.clover";
/// The most that is read of an answer: a page of a hundred balance transactions has room.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How often a call is tried.
const TRIES: u32 = 3;
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// An answer, whatever it says.
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Stripe {
    /// Asks for something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Form,
    ) -> Result<T, StripeError> {
        let query = query.encoded();
        let target = match query.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{query}"),
        };
        self.call(Method::GET, &target, String::new(), None).await
    }

    /// Has something done, once for each `key`, however often it is asked for.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form,
        key: &str,
    ) -> Result<T, StripeError> {
        self.call(Method::POST, path, form.encoded(), Some(key))
            .await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: String,
        key: Option<&str>,
    ) -> Result<T, StripeError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answered = self.once(&method, target, body.clone(), key).await?;
            let wait = match &answered {
                Ok(answered) => answered.wait(),
                Err(_) => Some(Duration::ZERO),
            };
            match (wait, answered) {
                (Some(wait), _) if tries < TRIES => {
                    let wait = wait.max(self.back_off(tries)).min(LONGEST_WAIT);
                    tokio::time::sleep(wait).await;
                }
                (_, Ok(answered)) => return answered.read(),
                (_, Err(reason)) => return Err(StripeError::Unavailable(reason)),
            }
        }
    }

    /// An answer, or why there is none.
    async fn once(
        &self,
        method: &Method,
        target: &str,
        body: String,
        key: Option<&str>,
    ) -> Result<Result<Answered, String>, StripeError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.base_url))
            .header(AUTHORIZATION, &self.authorization)
            .header("stripe-version", VERSION)
            .header(ACCEPT, "application/json");
        if let Some(key) = key {
            request = request
                .header("idempotency-key", key)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::from(body));
        let request = request.map_err(|error| StripeError::Unreadable(error.to_string()))?;
        let answer = match self.outbound.call(request, ANSWER_BYTES).await {
            Ok(answer) => answer,
            Err(reason) => return Ok(Err(reason)),
        };
        let (status, headers) = (answer.status.as_u16(), answer.headers);
        Ok(match answer.body {
            Some(body) => Ok(Answered {
                status,
                headers,
                body,
            }),
            None => Err(format!("its answer ({status}) broke off")),
        })
    }

    /// How long to wait after so many tries: twice as long each time, and not in step with others.
    fn back_off(&self, tries: u32) -> Duration {
        let mut chance = [0];
        (self.entropy)(&mut chance);
        let most = self.back_off * 2_u32.pow(tries - 1);
        most / 2 + most * u32::from(chance[0]) / 512
    }
}

impl Answered {
    /// How long to wait at least before it is worth another try; none if it is not.
    fn wait(&self) -> Option<Duration> {
        let text = |value: Option<&http::HeaderValue>| Some(value?.to_str().ok()?.to_owned());
        let worth = match text(self.headers.get("stripe-should-retry")).as_deref() {
            Some("true") => true,
            Some("false") => false,
            // 409: another request with the same idempotency key, or on the same object, runs.
            _ => matches!(self.status, 409 | 429 | 500..),
        };
        let asked = text(self.headers.get(RETRY_AFTER)).and_then(|text| text.trim().parse().ok());
        worth.then(|| Duration::from_secs(asked.unwrap_or(0)))
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, StripeError> {
        match self.status {
            200..=299 => serde_json::from_slice(&self.body)
                .map_err(|error| StripeError::Unreadable(error.to_string())),
            status => Err(StripeError::of(status, &self.body)),
        }
    }
}
