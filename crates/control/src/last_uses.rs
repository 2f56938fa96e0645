//! When admin keys were last used: noted in memory with each request, and written now and then.

use std::collections::HashMap;
use std::sync::Arc;

use domain::id::KeyId;
use domain::time::AtUs;
use parking_lot::Mutex;

/// Uses that are not written yet: the latest of each key. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LastUses(Arc<Mutex<HashMap<KeyId, AtUs>>>);

impl LastUses {
    /// Notes that a key was used.
    pub(crate) fn note(&self, key: &KeyId, at: AtUs) {
        let mut uses = self.0.lock();
        match uses.get_mut(key) {
            Some(noted) => *noted = at.max(*noted),
            None => drop(uses.insert(key.clone(), at)),
        }
    }

    /// Hands out what is noted, to be written.
    pub(crate) fn take(&self) -> Vec<(KeyId, AtUs)> {
        let uses = std::mem::take(&mut *self.0.lock());
        uses.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_use_of_each_key_is_handed_out_once() {
        let (uses, first, second) = (LastUses::default(), KeyId::new("a"), KeyId::new("b"));
        for (key, at) in [(&first, 5), (&second, 1), (&first, 7), (&first, 6)] {
            uses.note(key, AtUs(at));
        }
        let mut taken = uses.take();
        taken.sort_by_key(|(_, at)| *at);
        assert_eq!(taken, [(second, AtUs(1)), (first, AtUs(7))]);
        assert_eq!(uses.take(), []);
    }
}
