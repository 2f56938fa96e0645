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
use store::keys::rotation::Retired;
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

/// Whom a secret belongs to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) caller: Arc<Caller>,
    /// When the secret stops working, if its key has a newer one.
    pub(crate) ends_at: Option<AtUs>,
}

#[derive(Debug, Default)]
struct Keys {
    by_digest: HashMap<KeyDigest, Arc<Caller>>,
    digests: HashMap<KeyId, KeyDigest>,
    /// Earlier secrets; few keys have any.
    retired: HashMap<KeyDigest, (Arc<Caller>, AtUs)>,
    retired_of: HashMap<KeyId, Vec<Retired>>,
}

/// A key's use is written when it is this much later than what was written before.
const LAST_USE_STEP_US: i64 = 10_000_000;

impl Caller {
    fn new(principal: Principal) -> Self {
        Caller {
            principal,
            last_used_us: AtomicI64::new(0),
            written_us: AtomicI64::new(0),
        }
    }

    /// Notes that the key was used.
    pub(crate) fn used(&self, now: AtUs) {
        self.last_used_us.store(now.0, Ordering::Relaxed);
    }

    /// Takes over what is known of the use of the same key.
    fn used_as(&self, before: &Caller) {
        for (mine, known) in [
            (&self.last_used_us, &before.last_used_us),
            (&self.written_us, &before.written_us),
        ] {
            mine.fetch_max(known.load(Ordering::Relaxed), Ordering::Relaxed);
        }
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
    pub(crate) fn find(&self, digest: &KeyDigest) -> Option<Found> {
        let keys = self.keys.read();
        if let Some(caller) = keys.by_digest.get(digest) {
            let caller = Arc::clone(caller);
            let ends_at = None;
            return Some(Found { caller, ends_at });
        }
        let (caller, end) = keys.retired.get(digest)?;
        Some(Found {
            caller: Arc::clone(caller),
            ends_at: Some(*end),
        })
    }

    /// Follows the database: the key `id` is now `key`, or works no more.
    pub(crate) fn set(&self, id: &KeyId, key: Option<ActiveKey>) {
        let mut keys = self.keys.write();
        let before = keys.remove(id);
        if let Some(key) = key {
            let digest = key.digest;
            keys.insert(key);
            // A use that is not written yet is not forgotten because the key was changed.
            if let (Some(before), Some(now)) = (before, keys.by_digest.get(&digest)) {
                now.used_as(&before);
            }
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
        let caller = Arc::new(Caller::new(key.principal));
        for retired in &key.retired {
            let known = (Arc::clone(&caller), retired.ends_at);
            self.retired.insert(retired.digest, known);
        }
        if !key.retired.is_empty() {
            let id = caller.principal.key.clone();
            self.retired_of.insert(id, key.retired);
        }
        self.by_digest.insert(key.digest, caller);
    }

    fn remove(&mut self, id: &KeyId) -> Option<Arc<Caller>> {
        for retired in self.retired_of.remove(id).unwrap_or_default() {
            self.retired.remove(&retired.digest);
        }
        self.by_digest.remove(&self.digests.remove(id)?)
    }
}
