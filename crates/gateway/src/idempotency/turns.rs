//! One at a time between looking for a key and claiming it.
//!
//! Which request runs is decided by the claim in the database. But a twin that is admitted in vain
//! takes credit and rates for a moment, and might be told that they are used up, when it need only
//! wait for the first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use domain::id::{ProjectId, RequestId};
use domain::idempotency::IdempotencyKey;
use parking_lot::Mutex;
use store::idempotency::Claim;

/// Twins meet; strangers should not wait for each other.
const SHARDS: usize = 64;

type Place = (ProjectId, IdempotencyKey);
type Shard = Arc<Mutex<HashMap<Place, RequestId>>>;

/// The keys that are being claimed at this moment, and by which request.
#[derive(Debug)]
pub(crate) struct Turns([Shard; SHARDS]);

/// A key's turn; over when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    shard: Shard,
    place: Place,
}

impl Default for Turns {
    fn default() -> Self {
        Turns(std::array::from_fn(|_| Shard::default()))
    }
}

impl Turns {
    /// Takes the turn of a key.
    ///
    /// # Errors
    /// The request that has it.
    pub(crate) fn take(&self, claim: &Claim) -> Result<Turn, RequestId> {
        let shard = &self.0[usize::from(claim.key.first_byte()) % SHARDS];
        let place = (claim.project.clone(), claim.key);
        match shard.lock().entry(place.clone()) {
            Entry::Occupied(taken) => return Err(*taken.get()),
            Entry::Vacant(free) => free.insert(claim.request),
        };
        Ok(Turn {
            shard: Arc::clone(shard),
            place,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shard.lock().remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::OrganizationId;
    use domain::idempotency::RequestDigest;
    use domain::time::AtUs;

    #[test]
    fn a_key_has_one_turn_at_a_time_and_others_do_not_wait() {
        let claim = |project: &str, key: &str, seed: u8| Claim {
            organization: OrganizationId::new("org-a"),
            project: ProjectId::new(project),
            key: IdempotencyKey::parse(key.as_bytes()).expect("a key"),
            content: RequestDigest::of("/v1/test", &[seed]),
            request: RequestId::random(AtUs(i64::from(seed) * 1_000), |bytes| bytes.fill(7)),
        };
        let turns = Turns::default();
        let first = claim("proj_a", "k", 1);
        let turn = turns.take(&first).expect("it is free");
        let second = claim("proj_a", "k", 2);
        assert_eq!(turns.take(&second).err(), Some(first.request));
        let others = [claim("proj_b", "k", 3), claim("proj_a", "l", 4)];
        let _turns = others
            .each_ref()
            .map(|it| turns.take(it).expect("it is free"));
        drop(turn);
        let turn = turns.take(&second).expect("it is free again");
        assert_eq!(turns.take(&first).err(), Some(second.request));
        drop(turn);
    }
}
