//! A suspended organization: the next request is refused, one in flight ends as it would.

use domain::id::OrganizationId;
use serde_json::Value;
use store::{StoreError, Tx, organizations};
use testkit::http::{Request, post_stream};
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{Plan, World, clock, hello, streamed};

async fn change(
    world: &World,
    change: fn(&mut Tx<'_>, &OrganizationId) -> Result<bool, StoreError>,
) -> bool {
    let organization = world.made.organization.clone();
    let write = world.store.write(move |tx| change(tx, &organization));
    write.await.unwrap()
}

fn suspend(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<bool, StoreError> {
    organizations::suspend(tx, organization, "unpaid", (clock())())
}

fn resume(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<bool, StoreError> {
    organizations::resume(tx, organization, (clock())())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_organization_is_refused_at_once_and_served_again_when_it_is_not() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|request| match request.wants_stream() {
            true => Reply::stream(&["a "; 40]).delay_ms(20),
            false => Reply::chat_with_usage("Hi", 12, 3),
        })
        .await;
        let upstreams = [upstream.base_url()];
        let world = World::start(database, &upstreams, Plan::default()).await;
        let url = world.url("/chat/completions");
        let mut running = post_stream(&url, world.key(), &streamed(hello(50))).await;
        assert_eq!(running.status, 200);

        assert!(change(&world, suspend).await);
        let refused = world.chat(&hello(10)).await;
        assert_eq!(refused.status, 429, "{}", refused.text());
        assert_eq!(refused.header("x-should-retry"), Some("false"));
        let error = &refused.json()["error"];
        assert_eq!(error["code"], "billing_not_active");
        assert_eq!(error["param"], Value::Null);
        let message = error["message"].as_str().unwrap();
        let opening =
            "Your account is not active, please check your billing details on our website.";
        assert!(message.starts_with(opening), "{message}");
        let models = Request::get(&world.url("/models")).bearer(world.key());
        assert_eq!(models.send().await.unwrap().status, 429);
        assert!(!change(&world, suspend).await, "it is suspended already");

        let records = running.records().await;
        assert_eq!(records.last().unwrap(), "data: [DONE]", "what ran goes on");
        world.at_rest().await;
        assert_eq!(world.usage().await.len(), 1, "and is charged");

        // A server that starts knows it from the beginning.
        let world = world.restart(&upstreams).await;
        assert_eq!(world.chat(&hello(10)).await.status, 429);
        assert!(change(&world, resume).await);
        assert!(
            !change(&world, resume).await,
            "it is not suspended any more"
        );
        assert_eq!(world.chat(&hello(10)).await.status, 200);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_hear_of_a_suspension() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        // By another process: nobody wakes this one.
        let other = crate::world::open(&world.database, store::Role::Command).await;
        let organization = world.made.organization.clone();
        let write = other.write(move |tx| suspend(tx, &organization));
        assert!(write.await.unwrap());
        testkit::eventually("it is heard of", async || {
            world.chat(&hello(10)).await.status == 429
        })
        .await;
        world.at_rest().await;
    })
    .await;
}
