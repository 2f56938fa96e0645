//! The headers that every answer of the data plane carries, and the one of Farebox's own that a
//! request may.

use domain::admission::RateStates;
use domain::id::{OrganizationId, ProjectId, RequestId};
use domain::money::Nusd;
use http::{HeaderMap, HeaderName, HeaderValue};
use wire::request::RequestError;

/// Who asked and which request this is: known before anything else is.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) request_id: RequestId,
    pub(crate) caller: Option<(OrganizationId, ProjectId)>,
    pub(crate) rates: Option<RateStates>,
    /// The output limit of each choice, where it is not the one that the caller would expect.
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) processing_ms: i64,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
const PROJECT: HeaderName = HeaderName::from_static("openai-project");
const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
const VERSION: HeaderName = HeaderName::from_static("openai-version");
const EXPOSE: HeaderName = HeaderName::from_static("access-control-expose-headers");
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const COST: HeaderName = HeaderName::from_static("farebox-cost");
const BALANCE: HeaderName = HeaderName::from_static("farebox-balance");
const MAX_OUTPUT_TOKENS: HeaderName = HeaderName::from_static("farebox-max-output-tokens");
/// Whether the caller takes a shorter answer where the money does not pay for the longest one.
const ALLOW_SHORTER: HeaderName = HeaderName::from_static("farebox-allow-shorter");
/// The request whose answer this is, where it is given again.
const REPLAYED: HeaderName = HeaderName::from_static("farebox-replayed");
const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");

/// The date of the API that is spoken, as OpenAI gives it.
const API_VERSION: &str = "2020-10-01";

impl Stamp {
    /// The stamp of a request of which nothing is known yet.
    pub(crate) fn new(request_id: RequestId) -> Self {
        Stamp {
            request_id,
            caller: None,
            rates: None,
            max_output_tokens: None,
            processing_ms: 0,
        }
    }

    /// Puts the headers of an answer.
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, text(&self.request_id.to_string()));
        headers.insert(VERSION, HeaderValue::from_static(API_VERSION));
        headers.insert(PROCESSING_MS, HeaderValue::from(self.processing_ms));
        headers.insert(EXPOSE, HeaderValue::from_static("X-Request-ID"));
        headers.insert(NO_SNIFF, HeaderValue::from_static("nosniff"));
        if let Some((organization, project)) = &self.caller {
            headers.insert(ORGANIZATION, text(organization.as_str()));
            headers.insert(PROJECT, text(project.as_str()));
        }
        if let Some(limit) = self.max_output_tokens {
            headers.insert(MAX_OUTPUT_TOKENS, HeaderValue::from(limit));
        }
        if let Some(rates) = &self.rates {
            headers.insert(LIMIT_REQUESTS, HeaderValue::from(rates.requests.limit));
            headers.insert(LIMIT_TOKENS, HeaderValue::from(rates.tokens.limit));
            headers.insert(
                REMAINING_REQUESTS,
                HeaderValue::from(rates.requests.remaining),
            );
            headers.insert(REMAINING_TOKENS, HeaderValue::from(rates.tokens.remaining));
            headers.insert(RESET_REQUESTS, text(&go_duration(rates.requests.reset_us)));
            headers.insert(RESET_TOKENS, text(&go_duration(rates.tokens.reset_us)));
        }
    }
}

/// Whether the caller allows, or forbids, that the output limit is lowered to what the money pays
/// for. `None` if nothing is said: then it is lowered only where the caller named none.
///
/// # Errors
/// [`RequestError`] for anything but one `true` or `false`, or several that agree.
pub(crate) fn allow_shorter(headers: &HeaderMap) -> Result<Option<bool>, RequestError> {
    let mut allowed = None;
    for value in headers.get_all(ALLOW_SHORTER) {
        let said = match value.as_bytes() {
            b"true" => true,
            b"false" => false,
            _ => return Err(neither_true_nor_false(value)),
        };
        if allowed.is_some_and(|allowed| allowed != said) {
            return Err(neither_true_nor_false(value));
        }
        allowed = Some(said);
    }
    Ok(allowed)
}

fn neither_true_nor_false(value: &HeaderValue) -> RequestError {
    let shown: String = String::from_utf8_lossy(value.as_bytes())
        .chars()
        .take(40)
        .collect();
    RequestError {
        message: format!(
            "Invalid value: '{shown}'. Supported values are: 'true' and 'false', once, in the \
             header '{ALLOW_SHORTER}'."
        ),
        param: Some(ALLOW_SHORTER.to_string()),
        code: Some("invalid_value"),
    }
}

/// Says whose answer this is, given again.
pub(crate) fn put_replayed(headers: &mut HeaderMap, request: RequestId) {
    headers.insert(REPLAYED, text(&request.to_string()));
}

/// Puts what the answer cost and what is left, if that is known, in dollars.
pub(crate) fn put_money(headers: &mut HeaderMap, cost: Nusd, balance: Option<Nusd>) {
    headers.insert(COST, text(&cost.to_usd()));
    if let Some(balance) = balance {
        headers.insert(BALANCE, text(&balance.to_usd()));
    }
}

/// The same as a comment in a stream.
pub(crate) fn money_comment(cost: Nusd, balance: Option<Nusd>) -> String {
    let cost = format!("farebox-cost={}", cost.to_usd());
    match balance {
        Some(balance) => format!("{cost} farebox-balance={}", balance.to_usd()),
        None => cost,
    }
}

/// Microseconds as Go writes a duration: `0s`, `120ms`, `8.64s`, `6m0s`. Rounded up to whole
/// milliseconds, so that waiting that long suffices.
pub(crate) fn go_duration(us: i64) -> String {
    let ms = us.max(0).saturating_add(999) / 1_000;
    if ms == 0 {
        return "0s".into();
    }
    if ms < 1_000 {
        return format!("{ms}ms");
    }
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let seconds = format!("{}.{:03}", ms % 60_000 / 1_000, ms % 1_000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Ids and numbers are visible ASCII, so they always fit into a header.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static("unprintable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_answer_is_allowed_forbidden_or_not_spoken_of() {
        let allowed = |values: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value).expect("a header's value");
                headers.append(ALLOW_SHORTER, value);
            }
            allow_shorter(&headers).map_err(|error| (error.param, error.code))
        };
        assert_eq!(allowed(&[]), Ok(None));
        assert_eq!(allowed(&[b"true"]), Ok(Some(true)));
        assert_eq!(allowed(&[b"false"]), Ok(Some(false)));
        assert_eq!(allowed(&[b"true", b"true"]), Ok(Some(true)));
        let wrong: [&[&[u8]]; 6] = [
            &[b""],
            &[b"True"],
            &[b"1"],
            &[b"true, false"],
            &[b"true", b"false"],
            &[b"\xff"],
        ];
        for values in wrong {
            let param = Some("farebox-allow-shorter".to_owned());
            assert_eq!(allowed(values), Err((param, Some("invalid_value"))));
        }
    }

    #[test]
    fn durations_look_like_go() {
        for (us, want) in [
            (0, "0s"),
            (1, "1ms"),
            (120_000, "120ms"),
            (1_000_000, "1s"),
            (8_640_000, "8.64s"),
            (360_000_000, "6m0s"),
            (62_500_000, "1m2.5s"),
            (3_600_000_000, "1h0m0s"),
            (999_001, "1s"),
        ] {
            assert_eq!(go_duration(us), want);
        }
    }
}
