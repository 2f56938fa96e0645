//! Requests that carry an `Idempotency-Key`: however often one comes, it runs once.
//!
//! Which one that is the database decides, by the claim that is written before an upstream hears of
//! the request. A request that comes again is answered as the first one was, for nothing. A request
//! without the header never comes here.

mod transcript;
mod turns;

use std::sync::Arc;

use axum::body::Body;
use domain::id::RequestId;
use domain::idempotency::{IdempotencyKey, MOST_BYTES, RequestDigest};
use domain::money::Nusd;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, Response};
use store::idempotency::{Answer, Claim, Earlier, Standing};
use wire::request::RequestError;

pub(crate) use transcript::Transcript;
pub(crate) use turns::{Turn, Turns};

use crate::headers::{Stamp, put_money, put_replayed};
use crate::pipeline::Job;
use crate::refusal::{Refusal, Repeated};
use crate::state::Gateway;
use crate::stream;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The header as people write it.
pub(crate) const HEADER_NAME: &str = "Idempotency-Key";

/// A request that may run once, and is on its way to claim that.
pub(crate) struct Once {
    claim: Arc<Claim>,
    _turn: Turn,
}

/// What a request's headers say of who it is.
///
/// # Errors
/// [`RequestError`] for anything but one short text of visible ASCII.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, RequestError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = IdempotencyKey::parse(value.as_bytes()).filter(|_| values.next().is_none());
    key.map(Some).ok_or_else(|| RequestError {
        message: format!(
            "Invalid value for the header '{HEADER_NAME}': it must be sent once, with 1 to \
             {MOST_BYTES} visible ASCII characters."
        ),
        param: Some(HEADER_NAME.into()),
        code: Some("invalid_value"),
    })
}

/// What looking for an earlier request finds.
pub(crate) enum Looked {
    /// There is none: this one may try to be the first.
    New(Once),
    /// Its answer.
    Answered(Response<Body>),
}

/// Looks whether a request came before.
///
/// # Errors
/// [`Refusal`] if it may not run, and there is nothing to answer it with.
pub(crate) async fn look(
    gateway: &Gateway,
    key: IdempotencyKey,
    content: RequestDigest,
    stamp: &Stamp,
) -> Result<Looked, Refusal> {
    let (organization, project) = stamp.caller.clone().ok_or(Refusal::Internal)?;
    let claim = Arc::new(Claim {
        organization,
        project,
        key,
        content,
        request: stamp.request_id,
    });
    let turn = gateway
        .0
        .turns
        .take(&claim)
        .map_err(|request| Repeated::InProgress { request })?;
    let (looked_for, now) = (Arc::clone(&claim), gateway.now());
    let look = move |tx: &mut store::Tx<'_>| store::idempotency::look(tx, &looked_for, now);
    match gateway.0.store.read(look).await {
        Ok(None) => Ok(Looked::New(Once { claim, _turn: turn })),
        Ok(Some(earlier)) => {
            let answer = answer(gateway, earlier, stamp).await;
            answer.map(Looked::Answered)
        }
        Err(error) => {
            tracing::warn!(%error, "an idempotency key cannot be looked up");
            Err(Refusal::Ledger)
        }
    }
}

/// Claims for an admitted request that it is the one that runs. If it is not, answers what its
/// client is told instead; then it must be released.
pub(crate) async fn claim(job: &mut Job, once: Once) -> Option<Result<Response<Body>, Refusal>> {
    let (gateway, claim) = (&job.gateway, Arc::clone(&once.claim));
    let claimed = gateway.0.store.claim(Arc::clone(&claim), gateway.now());
    match claimed.await {
        Ok(None) => {
            job.admitted.claimed(claim);
            None
        }
        Ok(Some(earlier)) => Some(answer(gateway, earlier, &job.stamp).await),
        Err(error) => {
            tracing::warn!(%error, "an idempotency key cannot be claimed");
            // It may have been written all the same.
            job.admitted.claimed(claim);
            Some(Err(Refusal::Ledger))
        }
    }
}

/// Answers a request as an earlier one was.
async fn answer(
    gateway: &Gateway,
    earlier: Earlier,
    stamp: &Stamp,
) -> Result<Response<Body>, Refusal> {
    let request = earlier.request;
    match earlier.standing {
        Standing::Different => Err(Repeated::Different { request }.into()),
        Standing::Running => Err(Repeated::InProgress { request }.into()),
        Standing::Charged { cost, answer: None } => Err(Repeated::NotKept { request, cost }.into()),
        Standing::Charged {
            cost,
            answer: Some(answer),
        } => {
            gateway.0.metrics.replays.inc();
            Ok(replay(gateway, stamp, answer, (request, cost)).await)
        }
    }
}

/// The kept answer, with the cost of the first request and the balance of now.
async fn replay(
    gateway: &Gateway,
    stamp: &Stamp,
    answer: Answer,
    (request, cost): (RequestId, Nusd),
) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    let headers = response.headers_mut();
    if answer.content_type == stream::MEDIA_TYPE {
        stream::put_head(headers);
    } else if let Ok(content_type) = HeaderValue::from_str(&answer.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    // Nothing of a limit was taken, so there is nothing to tell of one.
    Stamp {
        rates: None,
        max_output_tokens: None,
        processing_ms: gateway.now().since(stamp.request_id.admitted_at()) / 1_000,
        ..stamp.clone()
    }
    .put(headers);
    put_replayed(headers, request);
    let balance = match &stamp.caller {
        Some((organization, _)) => gateway.0.books.balance(organization).await,
        None => None,
    };
    put_money(headers, cost, balance);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_one_short_visible_text_or_is_not_there() {
        let read = |values: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value).expect("a header's value");
                headers.append(HEADER, value);
            }
            key(&headers).map_err(|error| (error.param, error.code))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"k-1"]), Ok(IdempotencyKey::parse(b"k-1")));
        let wrong: [&[&[u8]]; 4] = [&[b""], &[b"a b"], &[b"\xff"], &[b"a", b"a"]];
        for values in wrong {
            let param = Some("Idempotency-Key".to_owned());
            assert_eq!(
                read(values),
                Err((param, Some("invalid_value"))),
                "{values:?}"
            );
        }
    }
}
