//! On PostgreSQL a node leases what it spends. Whoever is to take money of a wallet has it back.

use domain::money::Nusd;
use testkit::{Reply, Upstream};

use crate::world::{Plan, World, hello};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_leased_and_not_held_goes_back_when_it_is_to_be_taken() {
    let upstream = Upstream::start(|_| Reply::chat("Hi there")).await;
    let database = testkit::databases::postgres().await;
    let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
    let organization = world.made.organization.clone();
    for _ in 0..2 {
        assert_eq!(world.chat(&hello(5)).await.status, 200);
        let leased = world.wallet().await;
        assert!(leased.available() < leased.balance(), "{leased:?}");
        let withheld = world.gateway.withhold(&organization, Nusd::ZERO).await;
        withheld.expect("the database is there");
        let wallet = world.wallet().await;
        assert_eq!(wallet.available(), leased.balance());
    }
}
