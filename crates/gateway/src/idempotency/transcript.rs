//! What a client is sent, written down on the way if it is to be kept.

use store::idempotency::Answer;

use crate::pipeline::Job;

/// A copy of an answer, as long as it is not too large to be kept.
#[derive(Debug)]
pub(crate) struct Transcript {
    most_bytes: usize,
    /// None if it is not kept. A copy: pieces of an upstream's answer would hold on to more memory
    /// than they are long.
    body: Option<Vec<u8>>,
}

impl Transcript {
    /// Of the answer to a request; nothing is written down if that has no key.
    pub(crate) fn of(job: &Job) -> Self {
        let most_bytes = job.gateway.0.settings.idempotent_answer_bytes;
        Transcript::of_at_most(match job.admitted.is_claimed() {
            true => most_bytes,
            false => 0,
        })
    }

    fn of_at_most(most_bytes: usize) -> Self {
        Transcript {
            most_bytes,
            body: (most_bytes > 0).then(Vec::new),
        }
    }

    /// The client is sent this.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        let Some(body) = &mut self.body else {
            return;
        };
        if piece.len() > self.most_bytes - body.len() {
            self.body = None;
            return;
        }
        body.extend_from_slice(piece);
    }

    /// The whole answer, if it is to be kept.
    pub(crate) fn finish(self, content_type: &str) -> Option<Answer> {
        self.body.map(|body| Answer {
            content_type: content_type.to_owned(),
            body: body.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_down_up_to_its_bound_and_then_not_at_all() {
        let written = |most_bytes, pieces: &[&str]| {
            let mut transcript = Transcript::of_at_most(most_bytes);
            pieces
                .iter()
                .for_each(|piece| transcript.add(piece.as_bytes()));
            transcript.finish("text/plain").map(|answer| answer.body)
        };
        assert_eq!(
            written(5, &["ab", "", "cde"]).as_deref(),
            Some(b"abcde" as &[u8])
        );
        assert_eq!(written(5, &["ab", "cdef"]), None);
        assert_eq!(written(5, &["abcdef", "g"]), None);
        assert_eq!(written(0, &["a"]), None);
    }
}
