//! An answer as server-sent events, each sent when its text is known.
//!
//! The stream owns the channel from the inference thread. When the client leaves, the server
//! drops the stream, the channel closes, and the thread stops at its next token.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use wire::sse::{data_frame, done_frame};

use super::answer::{Told, next};
use super::error::ApiError;
use super::render::{Renderer, Usage};
use crate::engine::Event;

/// A response that streams `first` and all that follows it. With `input_tokens`, it ends with
/// the usage.
pub(crate) fn stream(
    renderer: Renderer,
    first: Told,
    told: UnboundedReceiver<Told>,
    input_tokens: Option<usize>,
) -> Response {
    let mut frames = Frames {
        renderer,
        told,
        input_tokens,
        opened_choices: 0,
        ready: VecDeque::new(),
        ended: false,
    };
    frames.add(first);
    let frames = unfold(frames, |mut frames| async move {
        let frame = frames.next().await?;
        Some((Ok::<_, Infallible>(frame), frames))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

struct Frames {
    renderer: Renderer,
    told: UnboundedReceiver<Told>,
    input_tokens: Option<usize>,
    /// Answers come one after the other; those below this have begun.
    opened_choices: usize,
    ready: VecDeque<Bytes>,
    ended: bool,
}

impl Frames {
    async fn next(&mut self) -> Option<Bytes> {
        while self.ready.is_empty() && !self.ended {
            let told = next(&mut self.told).await;
            self.add(told);
        }
        self.ready.pop_front()
    }

    fn add(&mut self, told: Told) {
        match told {
            Told::Event(Event::Working) => {}
            Told::Event(Event::Text { choice, text }) => {
                self.open(choice);
                self.push(self.renderer.text(choice, &text));
            }
            Told::Event(Event::End { choice, finish }) => {
                self.open(choice);
                self.push(self.renderer.end(choice, finish));
            }
            Told::Done { output_tokens } => {
                if let Some(input_tokens) = self.input_tokens {
                    let usage = Usage {
                        input_tokens,
                        output_tokens,
                    };
                    self.push(self.renderer.usage(usage));
                }
                self.ready.push_back(done_frame());
                self.ended = true;
            }
            Told::Failed(cause) => {
                let error = ApiError::internal(&cause).to_json();
                self.ready.push_back(data_frame(&error));
                self.ended = true;
            }
        }
    }

    fn open(&mut self, choice: usize) {
        while self.opened_choices <= choice {
            if let Some(chunk) = self.renderer.opening(self.opened_choices) {
                self.push(chunk);
            }
            self.opened_choices += 1;
        }
    }

    fn push(&mut self, mut chunk: Value) {
        // Those who asked for the usage find the member in every chunk, empty but in the last.
        if self.input_tokens.is_some() && chunk.get("usage").is_none() {
            chunk["usage"] = Value::Null;
        }
        let frame = data_frame(chunk.to_string().as_bytes());
        self.ready.push_back(frame);
    }
}
