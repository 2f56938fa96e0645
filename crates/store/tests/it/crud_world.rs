//! An installation that was just set up, and how to change it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::access::Owner;
use domain::id::{KeyId, OrganizationId, ProjectId, UserId};
use domain::key::{KeyClass, KeySecret};
use domain::people::password::PasswordHash;
use domain::time::AtUs;
use store::installation::{self, NewInstallation, SetUp};
use store::keys::{self, ActiveKey, NewKey};
use store::{Role, Store, StoreError, Tx};
use testkit::TestDatabase;

use crate::fixture::{entropy, open};

/// When everything is made that says nothing else.
pub(crate) const NOW: AtUs = AtUs(1_800_000_000_000_000);

pub(crate) fn first(email: &str) -> NewInstallation {
    NewInstallation {
        email: email.into(),
        password: PasswordHash::new("none".into()),
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

/// A member of an organization. SQL in a test: nobody can become one yet.
pub(crate) fn person(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    name: &str,
    role: &str,
) -> Result<UserId, StoreError> {
    let user = UserId::new(&format!("user-{name}"));
    let email = format!("{name}@example.com");
    tx.execute_one(
        "INSERT INTO users (id, email, name, password_hash, created_at_us)
         VALUES ($1, $2, $3, 'none', 1)",
        &[user.as_str().into(), email.into(), name.into()],
    )?;
    tx.execute_one(
        "INSERT INTO members (organization_id, user_id, role, added_at_us) VALUES ($1, $2, $3, 1)",
        &[
            organization.as_str().into(),
            user.as_str().into(),
            role.into(),
        ],
    )?;
    Ok(user)
}

/// Makes a member of an organization a member of a project.
pub(crate) fn join(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
    user: &UserId,
    role: &str,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO project_members (project_id, user_id, organization_id, role, added_at_us)
         VALUES ($1, $2, $3, $4, 1)",
        &[
            project.as_str().into(),
            user.as_str().into(),
            organization.as_str().into(),
            role.into(),
        ],
    )
}

/// A key of a person in a project.
pub(crate) fn key_of(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
    user: &UserId,
) -> Result<KeyId, StoreError> {
    let id = KeyId::random(entropy);
    let new = NewKey {
        id: id.clone(),
        organization,
        project: Some(project),
        owner: Owner::User(user.clone()),
        name: "k",
        expires_at: None,
    };
    keys::create(tx, &new, &KeySecret::mint(KeyClass::Project, entropy), NOW)?;
    Ok(id)
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
