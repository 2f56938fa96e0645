//! Requests that wait for what other nodes have, and what they claim of each limit.
//!
//! A claim lasts for as long as its request waits, whether that has looked again since the last
//! beat or not. If looks were counted instead, a request that looked twice between two beats would
//! be asked for twice, at the cost of others who wait; and in a beat that was sent before it
//! looked, its node would want nothing and lose its turn.

use std::collections::HashMap;
use std::sync::Arc;

use super::Of;
use crate::admission::Ask;
use crate::id::{KeyId, ProjectId, RequestId};

/// What requests claim that wait.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<RequestId, Claim>);

#[derive(Debug)]
struct Claim {
    project: ProjectId,
    key: KeyId,
    model: Arc<str>,
    tokens: u64,
}

impl Claims {
    /// A request waits. False if it did before.
    pub(super) fn insert(&mut self, ask: &Ask) -> bool {
        let claim = Claim {
            project: ask.project.clone(),
            key: ask.key.clone(),
            model: Arc::clone(&ask.model),
            tokens: ask.tokens,
        };
        self.0.insert(ask.id, claim).is_none()
    }

    /// A request waits no longer.
    pub(super) fn remove(&mut self, id: RequestId) {
        self.0.remove(&id);
    }

    /// The tokens of each request that waits, by whose use it would count as.
    pub(super) fn tokens(&self) -> HashMap<Of, Vec<u64>> {
        let mut tokens: HashMap<Of, Vec<u64>> = HashMap::new();
        for claim in self.0.values() {
            let of_project = Of::Project((claim.project.clone(), Arc::clone(&claim.model)));
            let of_key = Of::Key((claim.key.clone(), Arc::clone(&claim.model)));
            for of in [of_project, of_key] {
                tokens.entry(of).or_default().push(claim.tokens);
            }
        }
        tokens
    }
}
