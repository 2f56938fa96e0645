//! People who are removed: their keys are refused from the next request on.

// SQL in a test: nothing here makes users.

use domain::access::Owner;
use domain::id::{KeyId, UserId};
use domain::key::{KeyClass, KeySecret};
use store::keys::{self, NewKey};
use store::{StoreError, Tx, members};
use testkit::http::post_json;
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{Plan, World, clock, entropy, hello};

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_members_key_works_no_more() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 12, 3)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
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
