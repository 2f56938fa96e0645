//! An admitted request's own task: calls the upstream, relays its answer, settles.
//!
//! Failover and retries happen here and only before the first byte of an answer. Every way out
//! settles or releases.

use std::sync::Arc;

use bytes::Bytes;
use domain::hold::Flags;
use http::Response;
use hyper::body::Incoming;
use wire::request::{Edits, Endpoint};
use wire::responses;

use crate::catalog::{Deployment, OnDisconnect};
use crate::metrics::UpstreamLabels;
use crate::pipeline::{Job, Reply};
use crate::refusal::{Refusal, UpstreamFailure};
use crate::upstream::{Call, Rejection, Upstream};
use crate::{idempotency, plain, stream};

/// The most deployments that one request tries.
const MOST_ATTEMPTS: usize = 3;

/// An upstream that answers.
pub(crate) struct Called {
    pub(crate) response: Response<Incoming>,
    pub(crate) upstream: Arc<Upstream>,
    /// What the answer is written in: the endpoint's own form, or chat to be translated.
    pub(crate) endpoint: Endpoint,
    /// The upstream knows the model by another name than callers do.
    pub(crate) renamed: bool,
    /// Dropped when the upstream need not work on it any more.
    pub(crate) call: Call,
}

/// Why no upstream answers.
enum NotCalled {
    ClientLeft,
    Refused(Refusal),
}

/// Runs a request to its end.
pub(crate) async fn run(mut job: Job, mut reply: Reply) {
    if let Some(once) = job.once.take()
        && let Some(answer) = Box::pin(idempotency::claim(&mut job, once)).await
    {
        match answer {
            Ok(answer) => {
                job.admitted.release().await;
                let _ = reply.send(Ok(answer));
            }
            Err(refusal) => job.refuse(refusal, reply).await,
        }
        return;
    }
    if job.gateway.0.settings.hold_before_forward && job.admitted.durable().await.is_err() {
        job.refuse(Refusal::Ledger, reply).await;
        return;
    }
    match call(&mut job, &mut reply).await {
        // Boxed: a plain answer's task need not be as large as a stream's.
        Ok(called) if job.request.stream => Box::pin(stream::run(job, called, reply)).await,
        Ok(called) => plain::run(job, called, reply).await,
        Err(NotCalled::Refused(refusal)) => job.refuse(refusal, reply).await,
        Err(NotCalled::ClientLeft) => abandon(job).await,
    }
}

/// The client left while an upstream worked on the request, of which nothing has been seen: it
/// read the prompt at least, and that is charged.
async fn abandon(mut job: Job) {
    job.charged();
    let meter = job.admitted.meter();
    let usage = meter.count().usage;
    let flags = Flags {
        estimated: true,
        disconnected: true,
        ..Flags::default()
    };
    let (settled, ticket) = job.admitted.settle(&usage, flags);
    job.gateway.0.metrics.settled(&usage, settled.cost);
    let _ = ticket.durable().await;
}

/// Tries the model's deployments until one begins an answer.
async fn call(job: &mut Job, reply: &mut Reply) -> Result<Called, NotCalled> {
    let model = Arc::clone(&job.model);
    let draw = job.admitted.hold.id.random_bits();
    let mut failure = UpstreamFailure::Unavailable {
        retry_after_s: None,
    };
    for deployment in model.order(draw).take(MOST_ATTEMPTS) {
        match attempt(job, deployment, reply).await {
            Ok(called) => return Ok(called),
            Err(Attempt::ClientLeft) => return Err(NotCalled::ClientLeft),
            Err(Attempt::Refused(refusal)) => return Err(NotCalled::Refused(refusal)),
            Err(Attempt::Failed(next)) => {
                let upstream = deployment.upstream.id().to_string();
                let failures = &job.gateway.0.metrics.upstream_failures;
                failures.get_or_create(&UpstreamLabels { upstream }).inc();
                deployment.upstream.failed(job.gateway.now(), &next);
                failure = next;
            }
        }
    }
    Err(NotCalled::Refused(failure.into()))
}

enum Attempt {
    ClientLeft,
    /// Another deployment would say the same.
    Refused(Refusal),
    /// Another deployment may do better.
    Failed(UpstreamFailure),
}

async fn attempt(
    job: &mut Job,
    deployment: &Deployment,
    reply: &mut Reply,
) -> Result<Called, Attempt> {
    let upstream = &deployment.upstream;
    job.admitted.forwarded_to(upstream.id());
    let asked = job.request.endpoint;
    let native = asked != Endpoint::Responses || upstream.may_speak_responses();
    if native {
        match post(job, deployment, asked, reply).await? {
            Ok(called) => {
                if asked == Endpoint::Responses {
                    upstream.learn_responses(true);
                }
                return Ok(called);
            }
            Err(Rejection::NoSuchPath)
                if asked == Endpoint::Responses && upstream.may_be_translated() => {}
            Err(rejection) => return Err(rejection.into()),
        }
    }
    let called = post(job, deployment, Endpoint::Chat, reply)
        .await?
        .map_err(Attempt::from)?;
    if native {
        upstream.learn_responses(false);
    }
    Ok(called)
}

/// One HTTP request. The outer error ends the attempt; the inner one says what was rejected.
async fn post(
    job: &Job,
    deployment: &Deployment,
    endpoint: Endpoint,
    reply: &mut Reply,
) -> Result<Result<Called, Rejection>, Attempt> {
    let body = encode(job, deployment, endpoint)?;
    let (upstream, gateway) = (&deployment.upstream, &job.gateway);
    let call = upstream.call(gateway.mono());
    let sent = upstream.post(endpoint.path(), body, job.request.stream);
    let response = match upstream.on_disconnect() {
        OnDisconnect::Drain => sent.await,
        OnDisconnect::Cancel => tokio::select! {
            biased;
            response = sent => response,
            () = reply.closed() => return Err(Attempt::ClientLeft),
        },
    }
    .map_err(Attempt::Failed)?;
    if !response.status().is_success() {
        let rejection = upstream.reject(response).await;
        if let Rejection::Request { .. } = rejection {
            call.answered(gateway.now(), gateway.mono());
        }
        return Ok(Err(rejection));
    }
    call.answered(gateway.now(), gateway.mono());
    Ok(Ok(Called {
        response,
        upstream: Arc::clone(upstream),
        endpoint,
        renamed: deployment.model != *job.model.id,
        call,
    }))
}

/// The body for an upstream: the client's, with its model name, and limited to what is held.
fn encode(job: &Job, deployment: &Deployment, endpoint: Endpoint) -> Result<Bytes, Attempt> {
    let request = &job.request;
    let edits = Edits {
        model: &deployment.model,
        include_usage: request.stream && endpoint != Endpoint::Responses,
        max_output_tokens: job.output_limit(),
        chat_limit: deployment.upstream.chat_limit(),
    };
    let translated = endpoint != request.endpoint;
    let body = match translated {
        true => responses::to_chat(request, &edits)
            .map_err(|error| Attempt::Refused(Refusal::Request(error)))?,
        false => request.encode(&edits),
    };
    Ok(body.into())
}

impl From<Rejection> for Attempt {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Request { status, error } => {
                Attempt::Refused(Refusal::Upstream { status, error })
            }
            Rejection::Failed(failure) => Attempt::Failed(failure),
            Rejection::NoSuchPath => Attempt::Failed(UpstreamFailure::Misconfigured),
        }
    }
}
