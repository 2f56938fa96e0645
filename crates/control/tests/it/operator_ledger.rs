//! Operators look at the books, and have them proved.

// SQL in a test: it falsifies the books, and leaves a proof that nobody goes on with, on purpose.

use http::Method;
use serde_json::{Value, json};
use store::StoreError;
use testkit::on_each_database;

use crate::people_world::Browser;
use crate::world::{World, refused};

const PATH: &str = "/api/operator/ledger";
const PROOFS: &str = "/api/operator/ledger/verifications";

/// The proof, once it has ended.
async fn ended(operator: &Browser<'_>, id: &str) -> Value {
    let mut shown = Value::Null;
    testkit::eventually("the proof ends", async || {
        let request = operator.request(Method::GET, &format!("{PROOFS}/{id}"));
        shown = request.send().await.unwrap().json();
        shown["state"] != "running"
    })
    .await;
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_are_looked_at() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let books = operator.get(PATH).await;
        assert_eq!(books.status, 200, "{}", books.text());
        let books = books.json();
        let grants = json!({"id": "grants", "debits_usd": "100.00", "credits_usd": "0.00"});
        assert_eq!(books["house"], json!([grants]));
        assert_eq!(books["wallets"]["count"], 1);
        assert_eq!(books["wallets"]["balance_usd"], "100.00");
        assert_eq!(books["holds"]["count"], 0);
        assert_eq!(books["holds"]["oldest_age_ms"], Value::Null);
        assert_eq!(books["heads"][0]["chain"], "control");
        assert_eq!(books["heads"][0]["batch"], 1);
        assert_eq!(books["nodes"].as_array().unwrap().len(), 1);
        assert_eq!(books["last_verification"], Value::Null);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_are_proved_in_the_background() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let begun = operator.post(PROOFS, &Value::Null).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let id = begun.json()["id"].as_str().unwrap().to_owned();
        let proof = ended(&operator, &id).await;
        assert_eq!(proof["state"], "proved", "{proof}");
        assert_eq!(proof["report"]["transfers"], 1);
        let checks = proof["report"]["checks"].as_array().unwrap();
        assert!(checks.len() > 15, "{checks:?}");
        let books = operator.get(PATH).await.json();
        assert_eq!(books["last_verification"], proof);
        assert_eq!(
            books["heads"][0]["hash"],
            proof["report"]["heads"][0]["hash"]
        );

        // Somebody paid themselves, behind Farebox's back.
        let forge = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
            let sql = "UPDATE accounts SET credits_nusd = credits_nusd + 7 WHERE overdraft = 0";
            tx.execute_one(sql, &[])
        };
        world.store.write(forge).await.unwrap();
        let begun = operator.post(PROOFS, &Value::Null).await.json();
        let proof = ended(&operator, begun["id"].as_str().unwrap()).await;
        assert_eq!(proof["state"], "broken");
        let checks = proof["report"]["checks"].as_array().unwrap().iter();
        let broken = checks.filter(|check| check["violations"] != json!([]));
        let names: Vec<&str> = broken
            .map(|check| check["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["balanced", "credits"]);
        let list = operator.get(PROOFS).await.json();
        assert_eq!(list["data"][0], proof, "the latest first");
        assert_eq!(list["data"].as_array().unwrap().len(), 2);
        let nowhere = operator.get(&format!("{PROOFS}/verification_x")).await;
        refused(&nowhere, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_proof_runs_at_a_time_and_one_whose_server_died_is_given_up() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        // Of a server that is at it, and says nothing.
        let begin = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
            let sql = "INSERT INTO verifications
                           (id, state, steps_done, steps, begun_at_us, seen_at_us)
                       VALUES ('verification_a', 'running', 1, 9, $1, $1)";
            tx.execute_one(sql, &[(crate::world::START_S * 1_000_000).into()])
        };
        world.store.write(begin).await.unwrap();
        let busy = operator.post(PROOFS, &Value::Null).await;
        refused(&busy, 409, Value::Null, "verification_running");
        world.wait_s(60);
        let begun = operator.post(PROOFS, &Value::Null).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let given_up = operator.get(&format!("{PROOFS}/verification_a")).await;
        assert_eq!(given_up.json()["state"], "given_up");
        ended(&operator, begun.json()["id"].as_str().unwrap()).await;
    })
    .await;
}
