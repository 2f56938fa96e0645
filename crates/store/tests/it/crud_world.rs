//! An installation that was just set up, and how to change it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::time::AtUs;
use store::installation::{self, NewInstallation, SetUp};
use store::keys::{self, ActiveKey};
use store::{Role, Store, StoreError, Tx};
use testkit::TestDatabase;

use crate::fixture::{entropy, open};

/// When everything is made that says nothing else.
pub(crate) const NOW: AtUs = AtUs(1_800_000_000_000_000);

pub(crate) fn first(email: &str) -> NewInstallation {
    NewInstallation {
        email: email.into(),
        password_hash: "none".into(),
        organization: "Acme".into(),
    }
}

pub(crate) async fn set_up(database: &TestDatabase) -> (Store, SetUp) {
    let store = open(&database.url, Role::Command).await.unwrap();
    let new = first("ada@example.com");
    let made = store.write(move |tx| installation::set_up(tx, &new, NOW, entropy));
    let made = made.await.unwrap();
    (store, made)
}

/// Every key that works.
pub(crate) fn all_active(tx: &mut Tx<'_>) -> Result<Vec<ActiveKey>, StoreError> {
    let mut all = Vec::new();
    keys::each_active(tx, |key| all.push(key))?;
    Ok(all)
}

/// Runs a write that must succeed.
pub(crate) async fn write<T: Send + 'static>(
    store: &Store,
    write: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(write).await.unwrap()
}
