//! Writing server-sent events.

use bytes::{Bytes, BytesMut};

/// `data: {json}` and a blank line. JSON spread over lines becomes several `data:` lines.
pub fn data_frame(json: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(json.len() + 8);
    put_lines(&mut frame, b"data: ", json);
    frame.extend_from_slice(b"\n");
    frame.freeze()
}

/// The same under an event's name, which must be a single line.
pub fn event_frame(event: &str, json: &[u8]) -> Bytes {
    debug_assert!(!event.contains(['\r', '\n']), "an event's name is one line");
    let mut frame = BytesMut::with_capacity(event.len() + json.len() + 16);
    frame.extend_from_slice(b"event: ");
    frame.extend_from_slice(event.as_bytes());
    frame.extend_from_slice(b"\n");
    put_lines(&mut frame, b"data: ", json);
    frame.extend_from_slice(b"\n");
    frame.freeze()
}

/// A comment, which clients skip: for keep-alives and notes.
pub fn comment_frame(text: &str) -> Bytes {
    let mut frame = BytesMut::with_capacity(text.len() + 4);
    put_lines(&mut frame, b": ", text.as_bytes());
    frame.extend_from_slice(b"\n");
    frame.freeze()
}

/// `data: [DONE]`, the end of a stream of chat or completions.
pub fn done_frame() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// Writes every line of `text` behind `prefix`. Line ends stand only between JSON's tokens, so
/// leaving them to the framing changes nothing of what the JSON says.
fn put_lines(frame: &mut BytesMut, prefix: &[u8], text: &[u8]) {
    let mut rest = text;
    loop {
        frame.extend_from_slice(prefix);
        let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
            frame.extend_from_slice(rest);
            frame.extend_from_slice(b"\n");
            return;
        };
        frame.extend_from_slice(&rest[..end]);
        frame.extend_from_slice(b"\n");
        let width = if rest[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = &rest[end + width..];
    }
}
