//! People in a test: users who belong to the organization without having been asked.

// SQL in a test: nothing in the product makes a user by itself.

use domain::access::Owner;
use domain::id::{KeyId, ProjectId, UserId};
use domain::key::{KeyClass, KeySecret};
use domain::time::AtUs;
use store::keys::{self, NewKey};
use store::{StoreError, Tx, members};

use crate::world::{START_S, World, entropy};

impl World {
    /// A user without an organization. Users made later come later in lists.
    pub(crate) async fn user(&self, name: &str) -> UserId {
        let (user, email) = (
            UserId::new(&format!("user-{name}")),
            format!("{name}@example.com"),
        );
        let (id, name, now) = (user.clone(), name.to_owned(), self.at());
        let write = move |tx: &mut Tx<'_>| {
            let sql = "INSERT INTO users (id, email, name, password_hash, created_at_us)
                       VALUES ($1, $2, $3, 'none', $4)";
            let id = id.as_str().into();
            tx.execute_one(sql, &[id, email.into(), name.into(), now.0.into()])
        };
        self.store.write(write).await.unwrap();
        user
    }

    /// A user who belongs to the organization.
    pub(crate) async fn member(&self, name: &str, role: &'static str) -> UserId {
        let user = self.user(name).await;
        let (organization, id, now) = (self.made.organization.clone(), user.clone(), self.at());
        let write = move |tx: &mut Tx<'_>| members::add(tx, &organization, &id, role, now);
        assert!(self.store.write(write).await.unwrap());
        user
    }

    /// A key of a user; an admin key if it is of no project.
    pub(crate) async fn key_of(&self, user: &UserId, project: Option<&str>) -> KeySecret {
        let class = match project {
            Some(_) => KeyClass::Project,
            None => KeyClass::Admin,
        };
        let secret = KeySecret::mint(class, entropy);
        let kept = KeySecret::parse(secret.expose()).unwrap();
        let (organization, owner) = (self.made.organization.clone(), Owner::User(user.clone()));
        let (project, now) = (project.map(ProjectId::new), self.at());
        let write = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let new = NewKey {
                id: KeyId::random(entropy),
                organization: &organization,
                project: project.as_ref(),
                owner,
                name: "k",
                expires_at: None,
            };
            keys::create(tx, &new, &kept, now)
        };
        self.store.write(write).await.unwrap();
        secret
    }

    /// Whether a key may call models.
    pub(crate) async fn works(&self, key: &KeySecret) -> bool {
        let digest = key.digest();
        let read = move |tx: &mut Tx<'_>| keys::active_by_digest(tx, &digest);
        let found = self.store.read(read).await;
        let key = found.map_err(|error: StoreError| error).unwrap();
        key.is_some_and(|key| key.principal.granted.is_some())
    }

    fn at(&self) -> AtUs {
        let us = self.now.fetch_add(10, std::sync::atomic::Ordering::Relaxed);
        assert!(us >= START_S * 1_000_000);
        AtUs(us)
    }
}
