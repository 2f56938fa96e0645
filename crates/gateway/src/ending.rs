//! How a relayed stream ends, and how its client is told.
//!
//! A client sees one of three ends: the upstream's own, an error, or, where Farebox cuts a stream
//! off, the proper end of an answer that reached its length.

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::usage::UsageClass;
use wire::chunk::{self, ChunkFacts};
use wire::cut::CutChunks;
use wire::error::ErrorBody;
use wire::request::ModelRequest;
use wire::responses::{NativeStream, StreamEnd, StreamTranslator};
use wire::sse;
use wire::usage::TokenUsage;

use crate::meter::Counted;
use crate::refusal::{Refusal, UpstreamFailure};
use crate::respond::stream_error;

/// How a stream ended.
pub(crate) enum End {
    /// As it should.
    Finished,
    /// The upstream went on beyond what the hold pays for. The data of the event that was held
    /// back.
    CutOff(Bytes),
    /// The upstream sent an error instead of going on.
    Errored(ErrorBody),
    /// The upstream stopped without an end.
    Failed(UpstreamFailure),
    /// The client left.
    ClientLeft,
    /// What was delivered cannot be noted any more, so no more of it leaves.
    LedgerBroke,
}

/// What must be remembered of a stream so that it can be ended well, by the form it has.
pub(crate) enum Form {
    /// Chunks of chat or completions, and the choices that have ended.
    Chunks(BTreeSet<u64>),
    /// Events of Responses, passed through, and the one that ends them.
    Events(NativeStream, Option<Bytes>),
    /// Events of Responses, made from chunks of chat.
    Translated(Box<StreamTranslator>),
}

impl Form {
    /// Takes note of an event that is passed on as it is.
    pub(crate) fn see(&mut self, data: &[u8], facts: &ChunkFacts) {
        match self {
            Form::Chunks(ended) if facts.finished => ended.extend(chunk::ended_choices(data)),
            Form::Events(stream, _) => stream.see(data),
            Form::Chunks(_) | Form::Translated(_) => {}
        }
    }
}

impl End {
    /// Whether the upstream failed to bring the answer to an end.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, End::Errored(_) | End::Failed(_))
    }

    /// How the upstream failed, if it did. One that sends an error breaks its answer off.
    pub(crate) fn upstream_failure(&self) -> Option<UpstreamFailure> {
        match self {
            End::Failed(failure) => Some(failure.clone()),
            End::Errored(_) => Some(UpstreamFailure::BrokeOff),
            End::Finished | End::ClientLeft | End::CutOff(_) | End::LedgerBroke => None,
        }
    }

    /// The error that the client is told, if it is one; `delivered` if something came before it.
    pub(crate) fn error(&self, delivered: bool) -> Option<ErrorBody> {
        match self {
            End::Finished | End::ClientLeft | End::CutOff(_) => None,
            End::Errored(error) => Some(error.clone()),
            End::Failed(failure) => Some(stream_error(&failure.clone().into(), delivered)),
            End::LedgerBroke => Some(stream_error(&Refusal::Ledger, delivered)),
        }
    }
}

/// The last frames of a stream. `counted` is what is charged; none if nothing came.
pub(crate) fn frames(
    form: Form,
    end: &End,
    counted: Option<&Counted>,
    request: &ModelRequest,
) -> Vec<Bytes> {
    let error = end.error(counted.is_some());
    let usage = counted.map(token_usage);
    match (form, end, error) {
        (Form::Translated(mut translator), end, error) => {
            let end = match (end, error) {
                (End::CutOff(_), _) => StreamEnd::CutShort,
                (_, Some(error)) => StreamEnd::Failed(error),
                (_, None) => StreamEnd::Finished,
            };
            translator.finish(usage, end)
        }
        (Form::Events(..), _, Some(error)) => vec![sse::event_frame("error", &error.to_json())],
        (Form::Chunks(_), _, Some(error)) => vec![sse::data_frame(&error.to_json())],
        (Form::Events(stream, _), End::CutOff(_), None) => {
            stream.cut_short(&request.model, &usage.unwrap_or_default())
        }
        (Form::Events(_, last), _, None) => last.into_iter().collect(),
        (Form::Chunks(ended), End::CutOff(like), None) => {
            // Choices of which nothing has come yet end too: whoever asked for them waits for them.
            let open: Vec<u64> = (0..request.choices)
                .filter(|index| !ended.contains(index))
                .collect();
            let cut = CutChunks {
                endpoint: request.endpoint,
                like,
                model: &request.model,
                open: &open,
                usage: usage.filter(|_| request.include_usage),
            };
            let mut frames = cut.frames();
            frames.push(sse::done_frame());
            frames
        }
        (Form::Chunks(_), _, None) => vec![sse::done_frame()],
    }
}

/// What was charged, as the client's protocol says it.
fn token_usage(counted: &Counted) -> TokenUsage {
    let usage = &counted.usage;
    TokenUsage {
        input_tokens: usage.input_tokens(),
        cached_input_tokens: usage[UsageClass::CachedInput],
        cache_write_tokens: usage[UsageClass::CacheWrite],
        audio_input_tokens: usage[UsageClass::AudioInput],
        image_input_tokens: usage[UsageClass::Image],
        output_tokens: usage.output_tokens(),
        reasoning_tokens: usage[UsageClass::Reasoning],
        audio_output_tokens: usage[UsageClass::AudioOutput],
    }
}
