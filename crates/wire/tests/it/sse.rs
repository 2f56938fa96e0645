//! Events cut out of byte streams.

use bytes::Bytes;
use farebox_wire::sse::{
    SseError, SseFrame, SseReader, comment_frame, data_frame, done_frame, event_frame,
};
use proptest::prelude::*;

use crate::utf8;

/// All frames of a stream that comes in the given chunks, and how it ended.
fn read<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limit: usize,
) -> (Vec<SseFrame>, Option<SseError>) {
    let mut reader = SseReader::new(limit);
    let mut frames = Vec::new();
    for chunk in chunks {
        reader.push(Bytes::copy_from_slice(chunk));
        loop {
            match reader.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    loop {
        match reader.finish() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

fn read_whole(stream: &str) -> (Vec<SseFrame>, Option<SseError>) {
    read([stream.as_bytes()], 1 << 20)
}

/// A frame as `event|data`, with `-` for what it lacks.
fn shown(frame: &SseFrame) -> String {
    let show = |field: &Option<Bytes>| field.as_ref().map_or("-".to_owned(), utf8);
    format!("{}|{}", show(&frame.event), show(&frame.data))
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let cases: [(&str, &[&str]); 13] = [
        ("data: a\n\ndata: b\n\n", &["-|a", "-|b"]),
        ("data:a\r\n\r\ndata:  b\r\n\r\n", &["-|a", "-| b"]),
        ("data: a\r\rdata: b\r\r", &["-|a", "-|b"]),
        ("data: a\ndata: b\ndata: c\n\n", &["-|a\nb\nc"]),
        ("data\ndata:\ndata: x\n\n", &["-|\n\nx"]),
        ("event: e\ndata: a\nid: 7\nretry: 5\n\n", &["e|a"]),
        (": ping\n\ndata: a\n\n", &["-|-", "-|a"]),
        ("\n\n\ndata: a\n\n", &["-|-", "-|-", "-|-", "-|a"]),
        ("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["-|a", "-|-"]),
        ("\u{feff}\ndata: a\n\n", &["-|-", "-|a"]),
        (
            "data: {\"x\":\"é\u{1F600}\"}\n\n",
            &["-|{\"x\":\"é\u{1F600}\"}"],
        ),
        ("data: a: b\nDATA: c\n\n", &["-|a: b"]),
        ("", &[]),
    ];
    for (stream, expected) in cases {
        let (frames, error) = read_whole(stream);
        assert_eq!(
            frames.iter().map(shown).collect::<Vec<_>>(),
            expected,
            "{stream:?}"
        );
        assert_eq!(error, None, "{stream:?}");
    }
}

#[test]
fn the_end_marker_is_known() {
    let (frames, _) = read_whole("data: [DONE]\n\ndata:[DONE] \n\ndata: {}\n\n: [DONE]\n\n");
    assert_eq!(
        frames.iter().map(SseFrame::is_done).collect::<Vec<_>>(),
        [true, true, false, false]
    );
}

#[test]
fn an_ending_without_blank_line_is_told_from_a_broken_one() {
    for whole in [
        "data: {\"a\":1}\n",
        "data: {\"a\":1}",
        "data: [DONE]",
        "event: x\ndata: 1\r\n",
    ] {
        let (frames, error) = read_whole(&format!("data: 0\n\n{whole}"));
        assert_eq!((frames.len(), error), (2, None), "{whole:?}");
        assert_eq!(frames[1].raw, whole);
    }
    for broken in [
        "data: {\"a\":",
        "data: {\"a\":1}x",
        "dat",
        "event: x\ndata",
        "data: 12",
        ": pi",
    ] {
        let (frames, error) = read_whole(&format!("data: 0\n\n{broken}"));
        let held_bytes = broken.len();
        assert_eq!(
            (frames.len(), error),
            (1, Some(SseError::Truncated { held_bytes })),
            "{broken:?}"
        );
    }
}

#[test]
fn an_endless_event_is_refused_for_good() {
    let mut reader = SseReader::new(20);
    reader.push(Bytes::from_static(b"data: 1\n\ndata: 0123456789"));
    assert!(matches!(reader.next(), Ok(Some(_))));
    assert_eq!(reader.next(), Ok(None));
    reader.push(Bytes::from_static(b"0123456789"));
    let too_long = Err(SseError::TooLong { limit_bytes: 20 });
    assert_eq!(reader.next(), too_long);
    reader.push(Bytes::from_static(b"\n\ndata: 1\n\n"));
    assert_eq!(reader.next(), too_long);
    assert_eq!(reader.finish(), too_long);
}

#[test]
fn what_is_written_is_read_back() {
    let frames: [(Bytes, &str, &str); 6] = [
        (
            data_frame(b"{\"a\":1}"),
            "data: {\"a\":1}\n\n",
            "-|{\"a\":1}",
        ),
        (
            data_frame(b"{\r\n\"a\":\r1}\n"),
            "data: {\ndata: \"a\":\ndata: 1}\ndata: \n\n",
            "-|{\n\"a\":\n1}\n",
        ),
        (
            event_frame("e.f", b"{}"),
            "event: e.f\ndata: {}\n\n",
            "e.f|{}",
        ),
        (
            comment_frame("farebox-cost 0.1"),
            ": farebox-cost 0.1\n\n",
            "-|-",
        ),
        (
            comment_frame("a\n\ndata: b"),
            ": a\n: \n: data: b\n\n",
            "-|-",
        ),
        (done_frame(), "data: [DONE]\n\n", "-|[DONE]"),
    ];
    for (frame, raw, meaning) in frames {
        assert_eq!(utf8(&frame), raw);
        let (read, error) = read_whole(raw);
        assert_eq!((read.len(), error), (1, None));
        assert_eq!(shown(&read[0]), meaning);
    }
}

/// Streams made of what matters to the reader, plus some text that is several bytes long.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("\n"),
        Just("\r"),
        Just("\r\n"),
        Just("\n\n"),
        Just("\r\n\r\n"),
        Just("data: "),
        Just("data:"),
        Just("event: "),
        Just(": "),
        Just("{\"a\":\"é\u{1F600}\"}"),
        Just("[DONE]"),
        Just("\u{feff}"),
        Just("x"),
    ];
    (any::<bool>(), prop::collection::vec(piece, 0..30)).prop_map(|(marked, pieces)| {
        let mark = if marked { "\u{feff}" } else { "" };
        format!("{mark}{}", pieces.concat()).into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn chunks_make_no_difference_and_no_byte_is_lost(
        stream in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        limit in prop_oneof![Just(1_usize << 20), 1_usize..40],
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        let whole = read([stream.as_slice()], limit);
        prop_assert_eq!(&read(chunks, limit), &whole);
        prop_assert_eq!(&read(stream.chunks(1), limit), &whole);

        let (frames, error) = whole;
        let raw: Vec<u8> = frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
        prop_assert!(stream.starts_with(&raw));
        prop_assert!(raw.len() == stream.len() || error.is_some());
        prop_assert!(frames.iter().all(|frame| frame.raw.len() <= limit));
    }
}
