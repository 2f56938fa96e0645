//! People who are removed or locked out: their keys are refused from the next request on.

// SQL in a test: nothing here makes users.

use domain::access::Owner;
use domain::id::{KeyId, UserId};
use domain::key::{KeyClass, KeySecret};
use store::keys::{self, NewKey};
use store::people::users;
use store::{StoreError, Tx, members};
use testkit::http::post_json;
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{Plan, World, clock, entropy, hello};

/// Somebody who joined, and the secret of their key.
async fn bob(world: &World) -> (UserId, KeySecret) {
    let secret = KeySecret::mint(KeyClass::Project, entropy);
    let kept = KeySecret::parse(secret.expose()).unwrap();
    let user = UserId::new("user-bob");
    let (organization, project) = (world.made.organization.clone(), world.made.project.clone());
    let bob = user.clone();
    let join = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let now = (clock())();
        let sql = "INSERT INTO users (id, email, name, password_hash, created_at_us)
                   VALUES ('user-bob', 'bob@example.com', 'bob', 'none', 1)";
        tx.execute_one(sql, &[])?;
        members::add(tx, &organization, &bob, "owner", now)?;
        let new = NewKey {
            id: KeyId::new("key_bob"),
            organization: &organization,
            project: Some(&project),
            owner: Owner::User(bob),
            name: "k",
            expires_at: None,
        };
        keys::create(tx, &new, &kept, now)
    };
    world.store.write(join).await.unwrap();
    (user, secret)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_members_key_works_no_more() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 12, 3)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let (user, secret) = bob(&world).await;
        let url = world.url("/chat/completions");
        let status = async || post_json(&url, secret.expose(), &hello(5)).await.status;
        assert_eq!(status().await, 200);
        let organization = world.made.organization.clone();
        let remove = move |tx: &mut Tx<'_>| members::remove(tx, &organization, &user, (clock())());
        world.store.write(remove).await.unwrap();
        assert_eq!(status().await, 401);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_who_is_locked_out_work_again_when_they_are_let_in() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 12, 3)).await;
        let upstreams = [upstream.base_url()];
        let world = World::start(database, &upstreams, Plan::default()).await;
        let (user, secret) = bob(&world).await;
        let status = async |world: &World| {
            let url = world.url("/chat/completions");
            post_json(&url, secret.expose(), &hello(5)).await.status
        };
        assert_eq!(status(&world).await, 200);
        let locked = user.clone();
        let lock = move |tx: &mut Tx<'_>| users::lock(tx, &locked, (clock())());
        assert!(world.store.write(lock).await.unwrap());
        assert_eq!(status(&world).await, 401);
        assert_eq!(world.chat(&hello(5)).await.status, 200, "others go on");
        // A server that starts knows it from the beginning.
        let world = world.restart(&upstreams).await;
        assert_eq!(status(&world).await, 401);
        let unlock = move |tx: &mut Tx<'_>| users::unlock(tx, &user, (clock())());
        assert!(world.store.write(unlock).await.unwrap());
        assert_eq!(status(&world).await, 200);
        world.at_rest().await;
    })
    .await;
}
