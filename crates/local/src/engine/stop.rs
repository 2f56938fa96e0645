//! Stop texts: the answer ends before the first of them, wherever the tokens' borders lie.

/// Watches a text for stop texts while it is being written.
///
/// Of several stop texts, the one that is complete first ends the answer; of those complete at
/// the same character, the longest. So the result does not depend on how the text is cut up.
pub(crate) struct StopMatcher {
    stops: Vec<String>,
    /// The end of the text so far, as far as it could be the start of a stop text.
    held: String,
}

/// What may be given out after some more text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Released {
    pub(crate) text: String,
    /// A stop text is complete: nothing more will come.
    pub(crate) stopped: bool,
}

impl StopMatcher {
    /// Empty stop texts match nothing.
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty());
        Self {
            stops: stops.cloned().collect(),
            held: String::new(),
        }
    }

    /// Adds text and takes what can no longer be part of a stop text.
    pub(crate) fn push(&mut self, text: &str) -> Released {
        for letter in text.chars() {
            self.held.push(letter);
            let complete = self.stops.iter().filter(|stop| self.held.ends_with(*stop));
            if let Some(bytes) = complete.map(String::len).max() {
                self.held.truncate(self.held.len() - bytes);
                return Released {
                    text: std::mem::take(&mut self.held),
                    stopped: true,
                };
            }
        }
        let held = self.held.split_off(self.release_end());
        Released {
            text: std::mem::replace(&mut self.held, held),
            stopped: false,
        }
    }

    /// Takes what was held back, when the text ends without a stop text.
    pub(crate) fn finish(self) -> String {
        self.held
    }

    /// Where the longest suffix begins that some stop text begins with.
    fn release_end(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let first = self.held.len().saturating_sub(longest);
        (first..self.held.len())
            .filter(|&start| self.held.is_char_boundary(start))
            .find(|&start| {
                let suffix = &self.held[start..];
                self.stops.iter().any(|stop| stop.starts_with(suffix))
            })
            .unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut matcher = StopMatcher::new(&stops);
        let mut given = String::new();
        for piece in pieces {
            let released = matcher.push(piece);
            given.push_str(&released.text);
            if released.stopped {
                return (given, true);
            }
        }
        given.push_str(&matcher.finish());
        (given, false)
    }

    /// The plain definition: the shortest start of the text that ends with a stop text.
    fn naive(stops: &[String], text: &str) -> (String, bool) {
        for (end, _) in text.char_indices().skip(1).chain([(text.len(), ' ')]) {
            let complete = stops.iter().filter(|stop| text[..end].ends_with(*stop));
            if let Some(bytes) = complete.map(String::len).max() {
                return (text[..end - bytes].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    #[test]
    fn stop_texts_never_appear_and_near_misses_do() {
        let table: [(&[&str], &[&str], &str, bool); 7] = [
            (&["STOP"], &["one ST", "OP two"], "one ", true),
            (&["STOP"], &["one STO", "RK"], "one STORK", false),
            (&["STOP"], &["one ST"], "one ST", false),
            (&["abcd", "bc"], &["a", "b", "c", "d"], "a", true),
            (&["abc", "c"], &["xabc"], "x", true),
            (&["é!"], &["caf", "é", "!"], "caf", true),
            (&[""], &["text"], "text", false),
        ];
        for (stops, pieces, text, stopped) in table {
            let expected = (text.to_owned(), stopped);
            assert_eq!(run(stops, pieces), expected, "{stops:?} in {pieces:?}");
        }
    }

    #[test]
    fn text_that_cannot_be_a_stop_is_not_delayed() {
        let mut matcher = StopMatcher::new(&["\n\n".to_owned()]);
        assert_eq!(matcher.push("a line").text, "a line");
        assert_eq!(matcher.push("\n").text, "");
        assert_eq!(matcher.push("next").text, "\nnext");
    }

    proptest! {
        #[test]
        fn any_cut_gives_what_a_search_of_the_whole_gives(
            stops in prop::collection::vec("[abé]{1,4}", 0..4),
            pieces in prop::collection::vec("[abé]{0,3}", 0..12),
        ) {
            let borrowed: Vec<&str> = stops.iter().map(String::as_str).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (text, stopped) = run(&borrowed, &pieces);
            prop_assert_eq!(&(text.clone(), stopped), &naive(&stops, &pieces.concat()));
            prop_assert!(stops.iter().all(|stop| !text.contains(stop)));
        }
    }
}
