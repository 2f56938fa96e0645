//! Bodies: reading a request's, bounded, or what a refusal left of it; and an answer's that arrives
//! piece by piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::refusal::Refusal;

/// How much of the body of a refused request is taken, and for how long.
const LEFT_BYTES: u64 = 64 * 1024 * 1024;
const LEFT_TIME: Duration = Duration::from_secs(5);

/// Refuses bodies that are not plain JSON, before they are read.
pub(crate) fn check(headers: &HeaderMap, most_bytes: usize) -> Result<(), Refusal> {
    let text = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("unreadable"))
    };
    let media_type = text(CONTENT_TYPE).unwrap_or("none");
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let subtype = essence.rsplit_once('/').map_or("", |(_, subtype)| subtype);
    if !subtype.eq_ignore_ascii_case("json") && !subtype.to_ascii_lowercase().ends_with("+json") {
        return Err(Refusal::ContentType(shown(media_type)));
    }
    if let Some(encoding) = text(CONTENT_ENCODING)
        && !encoding.eq_ignore_ascii_case("identity")
    {
        return Err(Refusal::ContentEncoding(shown(encoding)));
    }
    let announced = text(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    match announced.is_some_and(|length| length > most_bytes) {
        true => Err(Refusal::TooLarge { most_bytes }),
        false => Ok(()),
    }
}

/// Reads a body of at most `most_bytes`.
pub(crate) async fn read(body: &mut Body, most_bytes: usize) -> Result<Bytes, Refusal> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BodyCutOff)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > most_bytes {
            return Err(Refusal::TooLarge { most_bytes });
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

/// Takes what a refusal left of a body, for nothing. Most clients send all of a request before they
/// look for the answer: if the connection ended before, they would be told that it was reset, and
/// never why they were refused.
///
/// A body that is too long or too slow for that is left where it is, and so is one whose client
/// waits to be asked for it.
pub(crate) async fn take_rest(headers: &HeaderMap, body: Body) {
    take_rest_within(LEFT_TIME, headers, body).await;
}

async fn take_rest_within(most: Duration, headers: &HeaderMap, mut body: Body) {
    if headers.contains_key(EXPECT) || body.size_hint().lower() > LEFT_BYTES {
        return;
    }
    let taking = async {
        let mut left = LEFT_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(most, taking).await;
}

fn shown(header: &str) -> String {
    header.chars().take(100).collect()
}

/// An answer whose pieces come through a channel. Dropping it tells the sender that the client
/// has left.
pub(crate) struct ChannelBody(pub(crate) mpsc::Receiver<Bytes>);

impl http_body::Body for ChannelBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http_body::SizeHint;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn checked(content_type: Option<&'static str>, encoding: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(value) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        if let Some(value) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        check(&headers, 100).is_ok()
    }

    #[test]
    fn only_plain_json_is_read() {
        assert!(checked(Some("application/json"), None));
        assert!(checked(
            Some("Application/JSON; charset=utf-8"),
            Some("identity")
        ));
        assert!(checked(Some("application/vnd.api+json"), None));
        assert!(!checked(Some("text/plain"), None));
        assert!(!checked(None, None));
        assert!(!checked(Some("application/json"), Some("gzip")));
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        let pieces = ["ab", "cd", "ef"].map(Ok::<_, Infallible>);
        let stream = || Body::from_stream(futures_util::stream::iter(pieces));
        assert_eq!(read(&mut stream(), 6).await.expect("fits"), "abcdef");
        assert!(matches!(
            read(&mut stream(), 5).await,
            Err(Refusal::TooLarge { most_bytes: 5 })
        ));
    }

    /// A body of so many pieces of a mebibyte each, of which some are announced, and how many were
    /// taken of it.
    async fn taken(pieces: u64, announced: u64, headers: &HeaderMap) -> u64 {
        struct Pieces {
            left: u64,
            announced: u64,
            taken: Arc<AtomicU64>,
        }
        impl http_body::Body for Pieces {
            type Data = Bytes;
            type Error = Infallible;

            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                static PIECE: [u8; 1 << 20] = [0; 1 << 20];
                if self.left == 0 {
                    return Poll::Ready(None);
                }
                self.left -= 1;
                self.taken.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&PIECE)))))
            }

            fn size_hint(&self) -> SizeHint {
                let mut hint = SizeHint::new();
                hint.set_lower(self.announced << 20);
                hint
            }
        }
        let taken = Arc::<AtomicU64>::default();
        let body = Pieces {
            left: pieces,
            announced,
            taken: Arc::clone(&taken),
        };
        take_rest(headers, Body::new(body)).await;
        taken.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn what_a_refusal_leaves_is_taken_within_bounds() {
        let plain = HeaderMap::new();
        assert_eq!(taken(64, 64, &plain).await, 64);
        assert_eq!(taken(1_000, 0, &plain).await, 65, "it never ends");
        assert_eq!(taken(65, 65, &plain).await, 0, "too long from the start");
        let mut waits = HeaderMap::new();
        waits.insert(EXPECT, HeaderValue::from_static("100-continue"));
        assert_eq!(taken(1, 1, &waits).await, 0, "nobody asks for it");
        let silent = futures_util::stream::pending::<Result<Bytes, Infallible>>();
        // It ends, though the body never does.
        take_rest_within(Duration::ZERO, &plain, Body::from_stream(silent)).await;
    }
}
