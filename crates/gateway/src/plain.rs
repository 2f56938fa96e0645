//! Relays an answer that comes as a whole: read, metered, charged, and only then handed over.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use domain::hold::Flags;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use store::idempotency::Answer;
use wire::answer;
use wire::responses::{self, ResponseMeta};

use crate::admission::Settled;
use crate::catalog::OnDisconnect;
use crate::headers::put_money;
use crate::idempotency::Transcript;
use crate::meter::Meter;
use crate::pipeline::{Job, Reply};
use crate::refusal::{Refusal, UpstreamFailure};
use crate::relay::Called;

const MEDIA_TYPE: &str = "application/json";
/// The largest answer that is taken from an upstream.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How reading an answer ended.
enum Read {
    Whole(Bytes),
    /// The client left; this many bytes had come.
    ClientLeft(u64),
    Failed(UpstreamFailure),
}

/// Runs a request whose upstream has begun a plain answer.
pub(crate) async fn run(mut job: Job, called: Called, mut reply: Reply) {
    let mut meter = job.admitted.meter();
    let body = match read(called.response, &called.upstream, &mut reply).await {
        Read::Whole(body) => body,
        Read::ClientLeft(bytes) => {
            meter.unread(bytes);
            let flags = Flags {
                disconnected: true,
                ..Flags::default()
            };
            let _ = settle(job, &meter, flags, None).await;
            return;
        }
        Read::Failed(failure) => {
            called.call.failed(job.gateway.now(), &failure);
            job.refuse(failure.into(), reply).await;
            return;
        }
    };
    let translated = called.endpoint != job.request.endpoint;
    let answer = answer::read_answer(called.endpoint, &body).and_then(|facts| {
        meter.answer(&facts);
        job.admitted.course.finish_reason = facts.finish_reason;
        match translated {
            true => responses::from_chat(&body, &response_meta(&job)).map(Bytes::from),
            false => Ok(body),
        }
    });
    let Ok(body) = answer else {
        tracing::warn!(
            upstream = &**called.upstream.id(),
            "the upstream sent no answer"
        );
        let failure = UpstreamFailure::NotAnAnswer;
        called.call.failed(job.gateway.now(), &failure);
        job.refuse(failure.into(), reply).await;
        return;
    };
    drop(called.call);
    let body = match called.renamed && !translated {
        true => answer::rewrite_model(&body, &job.model.id).into(),
        false => body,
    };
    let (stamp, flags) = (
        job.stamp_now(),
        Flags {
            disconnected: reply.is_closed(),
            ..Flags::default()
        },
    );
    let mut transcript = Transcript::of(&job);
    transcript.add(&body);
    job.sends(&body);
    let settling = settle(job, &meter, flags, transcript.finish(MEDIA_TYPE));
    let outcome = settling.await.map(|settled| {
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        stamp.put(headers);
        put_money(headers, settled.cost, settled.balance);
        response
    });
    let _ = reply.send(outcome);
}

/// What a translated response says about itself.
pub(crate) fn response_meta(job: &Job) -> ResponseMeta {
    let id = format!("resp_{}", job.admitted.hold.id.hex());
    ResponseMeta::new(id, job.admitted.hold.admitted_at.seconds(), &job.request)
}

/// Charges what was counted, keeps the answer if it is to be, and waits until that is durable.
async fn settle(
    mut job: Job,
    meter: &Meter,
    flags: Flags,
    kept: Option<Answer>,
) -> Result<Settled, Refusal> {
    job.charged();
    let counted = meter.count();
    let flags = Flags {
        estimated: counted.estimated,
        ..flags
    };
    let settled = job.admitted.settle_with(&counted.usage, flags, |_| kept);
    let (settled, ticket) = settled;
    job.gateway.0.metrics.settled(&counted.usage, settled.cost);
    let balance = ticket.durable().await.map_err(|_| Refusal::Ledger)?;
    Ok(settled.with(balance))
}

async fn read(response: Response<Incoming>, upstream: &crate::Upstream, reply: &mut Reply) -> Read {
    let mut body = response.into_body();
    let mut whole = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let next = tokio::time::timeout(upstream.timeout(), body.frame());
        let next = match upstream.on_disconnect() {
            OnDisconnect::Drain => next.await,
            OnDisconnect::Cancel => tokio::select! {
                biased;
                next = next => next,
                () = reply.closed() => return Read::ClientLeft((whole.len() + rest.len()) as u64),
            },
        };
        let data = match next {
            Err(_) => return Read::Failed(UpstreamFailure::TimedOut),
            Ok(Some(Err(_))) => return Read::Failed(UpstreamFailure::BrokeOff),
            Ok(None) if rest.is_empty() => return Read::Whole(whole),
            Ok(None) => return Read::Whole(rest.freeze()),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        if whole.len() + rest.len() + data.len() > MOST_BYTES {
            return Read::Failed(UpstreamFailure::NotAnAnswer);
        }
        if whole.is_empty() && rest.is_empty() {
            whole = data;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut whole));
            rest.extend_from_slice(&data);
        }
    }
}
