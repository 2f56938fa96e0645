//! Credit whose time is over goes, also where a server has leased all of it.

use domain::money::Nusd;
use domain::time::SECOND_US;
use serde_json::json;
use store::grants::{self, Grant};
use store::{Role, Tx, wallets};
use testkit::http::post_json;

use crate::stage::{Stage, clock};

#[tokio::test(flavor = "multi_thread")]
async fn credit_that_a_server_has_leased_expires_all_the_same() {
    let database = testkit::databases::postgres().await;
    let stage = Stage::new(&database.url).await;
    let store = stage.open(Role::Command).await;
    let organization = stage.organization.clone();
    let balance = async || {
        let of = organization.clone();
        let read = move |tx: &mut Tx<'_>| wallets::get(tx, &of);
        let wallet = store.read(read).await.expect("readable");
        wallet.expect("there is one").balance()
    };
    let before = balance().await;
    let server = stage.place.serve().await;
    let grant = Grant {
        id: "grant_short".into(),
        organization: organization.clone(),
        amount: Nusd::new(10_000_000_000),
        expires_at: Some(clock()().plus(SECOND_US)),
        reason: "A gift".into(),
        actor: "operator".into(),
    };
    let give = store.write(move |tx| grants::give(tx, &grant, clock()()));
    assert!(give.await.expect("given"));
    let body = json!({
        "model": "m", "max_tokens": 3, "messages": [{"role": "user", "content": "Number 1"}],
    });
    let url = stage.place.url("/v1/chat/completions");
    let answer = post_json(&url, &stage.keys[0].secret, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    testkit::eventually("the gift is gone, and nothing else", async || {
        balance().await == before
    })
    .await;
    store.close().await;
    stage.stop(server).await;
}
