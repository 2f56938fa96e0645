//! Bytes that arrive in pieces, given out as whole characters.

/// Holds back the bytes of a character until its last one has come.
///
/// Bytes that cannot be part of any character become U+FFFD, as in `String::from_utf8_lossy`.
/// A character that never gets its last byte is never given out.
#[derive(Default)]
pub(crate) struct Utf8Stream {
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// Adds bytes and takes all characters that are complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            let error = match std::str::from_utf8(&self.pending) {
                Ok(rest) => {
                    text.push_str(rest);
                    self.pending.clear();
                    return text;
                }
                Err(error) => error,
            };
            let (valid, rest) = self.pending.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            let Some(invalid_bytes) = error.error_len() else {
                self.pending = rest.to_vec();
                return text;
            };
            text.push(char::REPLACEMENT_CHARACTER);
            self.pending = rest[invalid_bytes..].to_vec();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_character_waits_for_its_other_half() {
        let mut stream = Utf8Stream::default();
        let euro = "€".as_bytes();
        assert_eq!(stream.push(&[b'a', euro[0]]), "a");
        assert_eq!(stream.push(&euro[1..2]), "");
        assert_eq!(stream.push(&[euro[2], b'b']), "€b");
    }

    #[test]
    fn a_broken_character_does_not_swallow_the_next() {
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push(&[0xe2, 0x82, b'x', 0xff]), "\u{fffd}x\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_text(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            cuts in prop::collection::vec(1usize..5, 0..64),
        ) {
            let mut stream = Utf8Stream::default();
            let (mut text, mut rest) = (String::new(), bytes.as_slice());
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                text.push_str(&stream.push(head));
                rest = tail;
            }
            text.push_str(&stream.push(rest));
            let complete = &bytes[..bytes.len() - stream.pending.len()];
            prop_assert_eq!(text, String::from_utf8_lossy(complete));
            prop_assert!(stream.pending.len() < 4);
        }
    }
}
