//! Bodies: reading a request's, bounded; and an answer's that arrives piece by piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::refusal::Refusal;

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
pub(crate) async fn read(mut body: Body, most_bytes: usize) -> Result<Bytes, Refusal> {
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
        assert_eq!(read(stream(), 6).await.expect("fits"), "abcdef");
        assert!(matches!(
            read(stream(), 5).await,
            Err(Refusal::TooLarge { most_bytes: 5 })
        ));
    }
}
