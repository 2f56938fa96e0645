//! Relays an answer that comes as a stream, event by event as it arrives.
//!
//! The head leaves when the hold is durable, the last event when the settlement is. Between them
//! nothing is kept but the event being read, so a stream's memory does not grow with its length.
//! (Events of Responses repeat their text at the end; there it is kept, up to a limit. So is a copy
//! of an answer whose request may come again.)
//!
//! An event leaves only if its tokens are paid for: a stream ends where its money does. And it
//! waits for a ledger that cannot note what was delivered: else a crash would give it all away.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use domain::hold::Flags;
use domain::time::{AtUs, SECOND_US};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use store::{LedgerError, NoteTicket};
use tokio::sync::mpsc;
use wire::chunk::{self, ChunkFacts};
use wire::request::Endpoint;
use wire::responses::{NativeStream, StreamTranslator};
use wire::sse::{self, SseFrame, SseReader};

use crate::admission::Settled;
use crate::body::ChannelBody;
use crate::catalog::OnDisconnect;
use crate::ending::{self, End, Form};
use crate::headers::money_comment;
use crate::idempotency::Transcript;
use crate::meter::Meter;
use crate::pipeline::{Job, Reply};
use crate::plain::response_meta;
use crate::refusal::{Refusal, UpstreamFailure};
use crate::relay::Called;
use crate::respond::stream_error;
use crate::upstream::Call;

/// The largest single event that is taken from an upstream.
const MOST_EVENT_BYTES: usize = 8 * 1024 * 1024;
/// Pieces that may wait for a slow client before the upstream is made to wait too.
const PIECES: usize = 16;
/// What was delivered is noted this often, for the case that this process dies.
const CHECKPOINT_US: i64 = SECOND_US;
pub(crate) const MEDIA_TYPE: &str = "text/event-stream; charset=utf-8";
/// Tells proxies in front not to collect a stream.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A stream being relayed.
struct Relay {
    job: Job,
    meter: Meter,
    reader: SseReader,
    out: mpsc::Sender<Bytes>,
    /// The form the upstream speaks.
    endpoint: Endpoint,
    form: Form,
    renamed: bool,
    /// The upstream said that the answer is complete.
    finished: bool,
    client_left: bool,
    transcript: Transcript,
    checkpoint_at: AtUs,
    /// The last note of what was delivered, until it is known to be durable.
    noted: Option<NoteTicket>,
}

/// Runs a request whose upstream has begun a stream.
pub(crate) async fn run(mut job: Job, called: Called, reply: Reply) {
    if !is_event_stream(&called.response) {
        tracing::warn!(
            upstream = &**called.upstream.id(),
            "the upstream sent no event stream"
        );
        let failure = UpstreamFailure::NotAnAnswer;
        called.call.failed(job.gateway.now(), &failure);
        job.refuse(failure.into(), reply).await;
        return;
    }
    if job.admitted.durable().await.is_err() {
        job.refuse(Refusal::Ledger, reply).await;
        return;
    }
    let (out, pieces) = mpsc::channel(PIECES);
    // A client that has left by now is noticed through the channel, like one that leaves later.
    let _ = reply.send(Ok(head(&job, pieces)));
    let form = match (job.request.endpoint, called.endpoint) {
        (Endpoint::Responses, Endpoint::Responses) => Form::Events(NativeStream::default(), None),
        (Endpoint::Responses, _) => {
            Form::Translated(Box::new(StreamTranslator::new(response_meta(&job))))
        }
        _ => Form::Chunks(Default::default()),
    };
    let relay = Relay {
        meter: job.admitted.meter(),
        reader: SseReader::new(MOST_EVENT_BYTES),
        out,
        endpoint: called.endpoint,
        form,
        renamed: called.renamed,
        finished: false,
        client_left: false,
        transcript: Transcript::of(&job),
        checkpoint_at: job.gateway.now().plus(CHECKPOINT_US),
        noted: None,
        job,
    };
    let pace = Pace {
        timeout: called.upstream.timeout(),
        drain: called.upstream.on_disconnect() == OnDisconnect::Drain,
    };
    let body = called.response.into_body();
    relay.run(body, called.call, pace).await;
}

/// What the upstream's settings say about waiting.
#[derive(Clone, Copy)]
struct Pace {
    timeout: Duration,
    drain: bool,
}

fn head(job: &Job, pieces: mpsc::Receiver<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(ChannelBody(pieces)));
    put_head(response.headers_mut());
    job.stamp_now().put(response.headers_mut());
    response
}

/// The headers of every stream.
pub(crate) fn put_head(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

fn is_event_stream(response: &Response<Incoming>) -> bool {
    let media_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    media_type.is_some_and(|it| it.trim_start().starts_with("text/event-stream"))
}

impl Relay {
    async fn run(mut self, upstream: Incoming, call: Call, pace: Pace) {
        if let Form::Translated(translator) = &mut self.form {
            let opening = translator.start();
            self.send(opening, pace).await;
        }
        let end = self.pump(upstream, pace).await;
        if let Some(failure) = end.upstream_failure() {
            call.failed(self.job.gateway.now(), &failure);
        }
        drop(call);
        self.close(end).await;
    }

    /// Relays until the stream ends, one way or another. An upstream that is not read to its end
    /// is told to stop: its connection closes.
    async fn pump(&mut self, mut upstream: Incoming, pace: Pace) -> End {
        loop {
            let next = tokio::time::timeout(pace.timeout, upstream.frame());
            let next = match self.client_left {
                true => next.await,
                false => tokio::select! {
                    biased;
                    next = next => next,
                    () = self.out.closed() => {
                        self.client_left = true;
                        if pace.drain { continue } else { return End::ClientLeft }
                    }
                },
            };
            let mut pieces = Vec::new();
            let end = match next {
                Err(_) => Some(End::Failed(UpstreamFailure::TimedOut)),
                Ok(Some(Err(_))) => Some(End::Failed(UpstreamFailure::BrokeOff)),
                Ok(None) => Some(self.at_end(&mut pieces).await),
                Ok(Some(Ok(frame))) => {
                    self.reader.push(frame.into_data().unwrap_or_default());
                    self.take_events(&mut pieces).await
                }
            };
            if let Some(end) = end {
                // Not after a slow client has taken the last of it: what it makes costs money.
                drop(upstream);
                self.send(pieces, pace).await;
                return end;
            }
            self.send(pieces, pace).await;
            if self.client_left && !pace.drain {
                return End::ClientLeft;
            }
            if let Some(end) = self.checkpoint(pace).await {
                return end;
            }
        }
    }

    /// Takes every event that has arrived whole.
    async fn take_events(&mut self, pieces: &mut Vec<Bytes>) -> Option<End> {
        loop {
            match self.reader.next() {
                Ok(Some(event)) => {
                    if let Some(end) = self.take(event, pieces).await {
                        return Some(end);
                    }
                }
                Ok(None) => return None,
                Err(error) => {
                    tracing::warn!(%error, "the upstream's stream cannot be read");
                    return Some(End::Failed(UpstreamFailure::NotAnAnswer));
                }
            }
        }
    }

    /// The upstream closed the stream: well, if it had said that the answer is complete.
    async fn at_end(&mut self, pieces: &mut Vec<Bytes>) -> End {
        if let Ok(Some(event)) = self.reader.finish()
            && let Some(end) = self.take(event, pieces).await
        {
            return end;
        }
        match self.finished {
            true => End::Finished,
            false => End::Failed(UpstreamFailure::BrokeOff),
        }
    }

    /// Meters one event, and decides what of it leaves.
    async fn take(&mut self, event: SseFrame, pieces: &mut Vec<Bytes>) -> Option<End> {
        if event.is_done() {
            return Some(End::Finished);
        }
        let Some(data) = &event.data else {
            // A comment keeps the connection alive; it says nothing of the answer.
            pieces.push(event.raw);
            return None;
        };
        let facts = chunk::read_chunk(self.endpoint, data);
        if facts.malformed {
            // What cannot be read cannot be metered, so it does not leave.
            tracing::debug!("an event of the upstream is malformed and was left out");
            return None;
        }
        let mut meter = self.meter;
        meter.chunk(&facts);
        match self.is_paid_for(&meter).await {
            Ok(false) if facts.deltas > 0 => return Some(End::CutOff(data.clone())),
            Ok(_) => {}
            Err(LedgerError) => return Some(End::LedgerBroke),
        }
        self.meter = meter;
        let course = &mut self.job.admitted.course;
        if facts.deltas > 0 && course.first_output_us.is_none() {
            let now = self.job.gateway.now();
            course.first_output_us = Some(now.since(self.job.admitted.hold.admitted_at));
        }
        course.finish_reason = course.finish_reason.or(facts.finish_reason);
        self.finished |= facts.finished;
        if let Some(error) = facts.error {
            return Some(End::Errored(error));
        }
        if let Form::Translated(translator) = &mut self.form {
            pieces.extend(translator.on_chunk(data));
            return translator.is_full().then_some(End::Finished);
        }
        let piece = self.passed_on(&event, data, &facts)?;
        self.form.see(data, &facts);
        if let Form::Events(_, last) = &mut self.form
            && facts.finished
        {
            *last = Some(piece);
            return Some(End::Finished);
        }
        pieces.push(piece);
        None
    }

    /// Whether the answer up to here is paid for; holds more if it must be. What was likely used is
    /// held for, so that the end is too; but only what certainly was used ends a stream.
    async fn is_paid_for(&mut self, meter: &Meter) -> Result<bool, LedgerError> {
        let admitted = &mut self.job.admitted;
        let mut grown = Ok(true);
        while !admitted.covers(&meter.count().usage) && grown == Ok(true) {
            grown = admitted.grow().await;
        }
        match grown {
            Err(error) if !admitted.covers(&meter.at_least()) => Err(error),
            _ => Ok(admitted.covers(&meter.at_least())),
        }
    }

    /// The event as the client gets it; none if it is not the client's.
    fn passed_on(&self, event: &SseFrame, data: &Bytes, facts: &ChunkFacts) -> Option<Bytes> {
        let asked_for_usage =
            self.job.request.include_usage || self.endpoint == Endpoint::Responses;
        if facts.usage_only && !asked_for_usage {
            return None;
        }
        let stripped = match asked_for_usage {
            true => data.as_ref().into(),
            false => chunk::strip_null_usage(data),
        };
        let named = match self.renamed {
            true => chunk::rewrite_model(self.endpoint, &stripped, &self.job.model.id),
            false => std::borrow::Cow::Borrowed(&*stripped),
        };
        if *named == **data {
            return Some(event.raw.clone());
        }
        Some(match event.event.as_deref().map(std::str::from_utf8) {
            Some(Ok(name)) => sse::event_frame(name, &named),
            _ => sse::data_frame(&named),
        })
    }

    /// Sends pieces as one; a client that does not take them for too long has left.
    async fn send(&mut self, mut pieces: Vec<Bytes>, pace: Pace) {
        for piece in &pieces {
            self.transcript.add(piece);
            self.job.sends(piece);
        }
        if self.client_left || pieces.is_empty() {
            return;
        }
        let piece = match pieces.len() {
            1 => pieces.remove(0),
            _ => {
                let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
                pieces.iter().for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        };
        let sent = tokio::time::timeout(pace.timeout, self.out.send(piece)).await;
        self.client_left = !matches!(sent, Ok(Ok(())));
    }

    /// Notes what was delivered, once in a while; first it waits until the last note is durable, so
    /// that no stream is ever further ahead of the ledger than two notes.
    async fn checkpoint(&mut self, pace: Pace) -> Option<End> {
        if self.job.gateway.now() < self.checkpoint_at {
            return None;
        }
        if let Some(noted) = self.noted.take()
            && !self.client_left
        {
            tokio::select! {
                biased;
                durable = noted.durable() => if durable.is_err() {
                    return Some(End::LedgerBroke);
                },
                () = self.out.closed() => self.client_left = true,
            }
            if self.client_left && !pace.drain {
                return Some(End::ClientLeft);
            }
        }
        let usage = self.meter.count().usage;
        self.noted = Some(self.job.admitted.checkpoint(&usage));
        self.checkpoint_at = self.job.gateway.now().plus(CHECKPOINT_US);
        None
    }

    /// Settles, and then lets the end of the stream go.
    async fn close(self, end: End) {
        let Relay {
            mut job,
            meter,
            out,
            form,
            client_left,
            mut transcript,
            ..
        } = self;
        if end.is_failure() && meter.is_empty() {
            // Nothing was delivered, so nothing is charged. The head had left.
            let frames = ending::frames(form, &end, None, &job.request);
            match end.error(false) {
                Some(error) => job.failed(&Refusal::Upstream { status: 200, error }).await,
                None => job.admitted.release().await,
            }
            send_all(&out, frames).await;
            return;
        }
        let counted = meter.count();
        let flags = Flags {
            estimated: counted.estimated,
            disconnected: client_left || matches!(end, End::ClientLeft),
            broken_off: end.is_failure(),
            cut_off: matches!(end, End::CutOff(_)),
            ..Flags::default()
        };
        // Where the money was short, the upstream was not told how far it goes: it did no wrong.
        if flags.cut_off && !job.admitted.is_shortened() {
            tracing::warn!(
                request_id = %job.admitted.hold.id,
                model = &*job.admitted.hold.model,
                "an upstream went on beyond what was held for its answer; the stream was cut off"
            );
        }
        if flags.cut_off {
            job.admitted.course.finish_reason = Some("length");
        }
        let frames = ending::frames(form, &end, Some(&counted), &job.request);
        frames.iter().for_each(|frame| job.sends(frame));
        job.charged();
        let metrics = &job.gateway.0.metrics;
        let keep = |settled| {
            let frames = with_money(frames.clone(), settled);
            frames.iter().for_each(|frame| transcript.add(frame));
            // What nobody waited for is no answer.
            let is_whole = !matches!(end, End::ClientLeft);
            is_whole.then(|| transcript.finish(MEDIA_TYPE)).flatten()
        };
        // An answer that is kept is written before the balance of all nodes is known, and comes
        // again byte for byte: so it tells none the first time either.
        let is_kept = job.admitted.is_claimed();
        let (settled, ticket) = job.admitted.settle_with(&counted.usage, flags, keep);
        metrics.settled(&counted.usage, settled.cost);
        let frames = match ticket.durable().await {
            Ok(_) if is_kept => with_money(frames, settled),
            Ok(balance) => with_money(frames, settled.with(balance)),
            Err(_) => vec![sse::data_frame(
                &stream_error(&Refusal::Ledger, true).to_json(),
            )],
        };
        send_all(&out, frames).await;
    }
}

/// The last frames of a stream, and before the very last what it cost.
fn with_money(mut frames: Vec<Bytes>, settled: Settled) -> Vec<Bytes> {
    let money = sse::comment_frame(&money_comment(settled.cost, settled.balance));
    frames.insert(frames.len().saturating_sub(1), money);
    frames
}

/// The end of a stream; a client that has left misses it.
async fn send_all(out: &mpsc::Sender<Bytes>, frames: Vec<Bytes>) {
    for frame in frames {
        if out.send(frame).await.is_err() {
            return;
        }
    }
}
