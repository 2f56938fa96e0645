//! What a request cost and why, by the key that made it; and markups, which it tells.

use domain::markup::Markup;
use serde_json::json;
use store::markups::{self, NewMarkup};
use testkit::http::{self, Answer};
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{MODEL, Plan, World, clock, entropy, hello, streamed};

impl World {
    async fn receipt(&self, id: &str) -> Answer {
        http::get(&self.url(&format!("/receipts/{id}")), self.key()).await
    }

    /// Puts a markup on the prices of the organization, in force now.
    async fn mark_up(&self, model: Option<&str>, basis_points: i64) {
        let new = NewMarkup {
            organization: self.made.organization.clone(),
            model: model.map(str::to_owned),
            markup: Markup::new(basis_points).expect("within bounds"),
            start: None,
        };
        let now = (clock())();
        let add = move |tx: &mut store::Tx<'_>| markups::add(tx, &new, now, entropy);
        self.store.write(add).await.expect("a markup");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gets_the_receipts_of_its_requests() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 9, 3)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let answer = world.chat(&hello(50)).await;
        let id = answer.header("x-request-id").expect("an id").to_owned();
        let receipt = world.receipt(&id).await;
        assert_eq!(receipt.status, 200, "{}", receipt.text());
        assert_eq!(receipt.header("farebox-cost"), Some("0.00"));
        assert_eq!(
            receipt.header("farebox-balance"),
            answer.header("farebox-balance")
        );
        let told = receipt.json();
        assert_eq!(told["id"], json!(id));
        assert_eq!(told["cost_usd"], json!(answer.header("farebox-cost")));
        assert_eq!(
            told["balance_after_usd"],
            json!(answer.header("farebox-balance"))
        );
        let classes: Vec<_> = told["classes"].as_array().expect("a list").iter().collect();
        let units = classes.iter().map(|it| (&it["class"], &it["units"]));
        let wanted = [("input", 9), ("output", 3), ("request", 1)];
        let wanted = wanted.map(|(class, units)| (json!(class), json!(units)));
        let units: Vec<_> = units.map(|(a, b)| (a.clone(), b.clone())).collect();
        assert_eq!(units, wanted);

        for unknown in ["req_00000000000000000000000000000000", "nonsense", "%ff"] {
            let none = world.receipt(unknown).await;
            assert_eq!(none.status, 404, "{unknown}");
            assert_eq!(none.json()["error"]["code"], "receipt_not_found");
        }
        let keyless = http::get(&world.url(&format!("/receipts/{id}")), "sk-nobody").await;
        assert_eq!(keyless.status, 401);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_runs_has_no_receipt_yet() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::stream(&["a", "b", "c"]).stall_after(1)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let url = world.url("/chat/completions");
        let body = streamed(hello(50));
        let mut stream = http::post_stream(&url, world.key(), &body).await;
        let id = stream.header("x-request-id").expect("an id").to_owned();
        stream.record().await.expect("a chunk");
        let early = world.receipt(&id).await;
        assert_eq!(early.status, 404);
        assert_eq!(early.json()["error"]["code"], "receipt_not_ready");
        // Its client leaves, so it ends.
        drop(stream);
        world.at_rest().await;
        let receipt = world.receipt(&id).await;
        assert_eq!(receipt.status, 200, "{}", receipt.text());
        let flags = receipt.json()["flags"].to_string();
        assert!(flags.contains("disconnected"), "{flags}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_markup_is_in_force_for_the_next_request_of_its_organization() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 9, 3)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let cost = async || {
            let answer = world.chat(&hello(50)).await;
            answer.header("farebox-cost").expect("a cost").to_owned()
        };
        assert_eq!(cost().await, "0.000015");
        world.mark_up(None, 2_500).await;
        testkit::eventually("it is in force", async || cost().await == "0.00001875").await;
        world.mark_up(Some(MODEL), -1_000).await;
        testkit::eventually("its own is", async || cost().await == "0.0000135").await;
        world.at_rest().await;
    })
    .await;
}
