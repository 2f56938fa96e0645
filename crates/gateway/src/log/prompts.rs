//! Prompts and answers of organizations that want them kept: their beginnings, copied on the way,
//! and sealed and written by a task. As a rule no organization wants that, and nothing is copied.

use std::collections::HashSet;

use domain::Entropy;
use domain::id::{OrganizationId, RequestId};
use domain::sealed::SealingKey;
use parking_lot::RwLock;
use store::prompts::{Kept, Side};
use store::{StoreError, Tx, prompts};

/// The most that is kept of a request, and of its answer.
pub(super) const MOST_BYTES: usize = 64 * 1024;

/// The organizations that want it.
#[derive(Debug, Default)]
pub(crate) struct Wanted(RwLock<HashSet<OrganizationId>>);

impl Wanted {
    /// Reads which do.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let all = prompts::enabled(tx)?.into_iter().collect();
        Ok(Wanted(RwLock::new(all)))
    }

    /// Follows the database: whether an organization wants it now.
    pub(crate) fn set(&self, organization: OrganizationId, wants: bool) {
        let mut all = self.0.write();
        match wants {
            true => all.insert(organization),
            false => all.remove(&organization),
        };
    }

    pub(super) fn by(&self, organization: &OrganizationId) -> bool {
        let all = self.0.read();
        !all.is_empty() && all.contains(organization)
    }
}

/// The beginning of a text, and how long all of it is.
#[derive(Clone, Debug, Default)]
struct Beginning {
    text: Vec<u8>,
    whole_bytes: u64,
}

impl Beginning {
    fn add(&mut self, piece: &[u8]) {
        let room = MOST_BYTES - self.text.len();
        self.text.extend_from_slice(&piece[..piece.len().min(room)]);
        self.whole_bytes += piece.len() as u64;
    }

    fn sealed(&self, (key, entropy): (&SealingKey, Entropy), place: &str) -> Side {
        Side {
            sealed: key.seal(&self.text, place, entropy).into(),
            whole_bytes: self.whole_bytes,
        }
    }
}

/// What is kept of a request on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copied {
    request: Beginning,
    response: Beginning,
}

impl Copied {
    pub(super) fn of(request: &[u8]) -> Self {
        let mut copied = Copied::default();
        copied.request.add(request);
        copied
    }

    /// The client is sent this.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.response.add(piece);
    }

    /// As the database keeps it.
    pub(super) fn sealed(&self, request: RequestId, by: (&SealingKey, Entropy)) -> Kept {
        let response = &self.response;
        Kept {
            request: self
                .request
                .sealed(by, &store::prompts::place(request, "request")),
            response: (response.whole_bytes > 0)
                .then(|| response.sealed(by, &store::prompts::place(request, "response"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_kept_and_the_length_of_all() {
        let mut beginning = Beginning::default();
        for piece in [
            vec![b'a'; MOST_BYTES - 1],
            vec![b'b'; 3],
            vec![],
            vec![b'c'; 9],
        ] {
            beginning.add(&piece);
        }
        assert_eq!(beginning.text.len(), MOST_BYTES);
        assert_eq!(beginning.text.last(), Some(&b'b'));
        assert_eq!(beginning.whole_bytes, (MOST_BYTES + 11) as u64);
    }

    #[test]
    fn organizations_are_asked_for_and_forgotten() {
        let wanted = Wanted::default();
        let org = OrganizationId::new("org-a");
        assert!(!wanted.by(&org));
        wanted.set(org.clone(), true);
        assert!(wanted.by(&org));
        wanted.set(org.clone(), false);
        assert!(!wanted.by(&org));
    }
}
