//! Every key that works, in memory, so that recognising one never asks the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::access::Principal;
use domain::id::KeyId;
use domain::key::KeyDigest;
use domain::time::AtUs;
use parking_lot::RwLock;
use store::keys::ActiveKey;
use store::{StoreError, Tx};

/// A key that was recognised.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    last_used_us: AtomicI64,
    written_us: AtomicI64,
}

/// All keys, by what is kept of their secrets.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    keys: RwLock<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    by_digest: HashMap<KeyDigest, Arc<Caller>>,
    digests: HashMap<KeyId, KeyDigest>,
}

/// A key's use is written when it is this much later than what was written before.
const LAST_USE_STEP_US: i64 = 10_000_000;

impl Caller {
    /// Notes that the key was used.
    pub(crate) fn used(&self, now: AtUs) {
        self.last_used_us.store(now.0, Ordering::Relaxed);
    }
}

impl Directory {
    /// Reads every key that works.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let mut keys = Keys::default();
        // Tables that grow are copied, and for a moment there twice.
        let made = usize::try_from(store::keys::count_made(tx)?).unwrap_or(0);
        keys.by_digest.reserve(made);
        keys.digests.reserve(made);
        store::keys::each_active(tx, |key| keys.insert(key))?;
        Ok(Directory {
            keys: RwLock::new(keys),
        })
    }

    /// The caller that a secret belongs to.
    pub(crate) fn find(&self, digest: &KeyDigest) -> Option<Arc<Caller>> {
        self.keys.read().by_digest.get(digest).cloned()
    }

    /// Follows the database: the key `id` is now `key`, or works no more.
    pub(crate) fn set(&self, id: &KeyId, key: Option<ActiveKey>) {
        let mut keys = self.keys.write();
        if let Some(digest) = keys.digests.remove(id) {
            keys.by_digest.remove(&digest);
        }
        if let Some(key) = key {
            keys.insert(key);
        }
    }

    /// Keys whose last use has not been written yet, and when that was.
    pub(crate) fn take_last_uses(&self) -> Vec<(KeyId, AtUs)> {
        let keys = self.keys.read();
        let due = keys.by_digest.values().filter_map(|caller| {
            let used = caller.last_used_us.load(Ordering::Relaxed);
            let written = caller.written_us.load(Ordering::Relaxed);
            (used - written >= LAST_USE_STEP_US).then(|| {
                caller.written_us.store(used, Ordering::Relaxed);
                (caller.principal.key.clone(), AtUs(used))
            })
        });
        due.collect()
    }
}

impl Keys {
    fn insert(&mut self, key: ActiveKey) {
        self.digests.insert(key.principal.key.clone(), key.digest);
        let caller = Caller {
            principal: key.principal,
            last_used_us: AtomicI64::new(0),
            written_us: AtomicI64::new(0),
        };
        self.by_digest.insert(key.digest, Arc::new(caller));
    }
}
