//! The provider's books and ours: what is the same, what is settled late, and what is told to an
//! operator.

use serde_json::{Value, json};
use testkit::on_each_database;
use testkit::stripe::{Fault, GOOD};

use crate::people_world::Browser;
use crate::stripe_world::Shop;
use crate::world::World;

const PATH: &str = "/api/operator/payments/reconciliations";
const DAY_S: i64 = 86_400;

/// What an operator is told of a comparison that has ended.
async fn ended(operator: &mut Browser<'_>, id: &Value) -> Value {
    let path = format!("{PATH}/{}", id.as_str().unwrap());
    for _ in 0..3_000 {
        let shown = operator.get(&path).await;
        assert_eq!(shown.status, 200, "{}", shown.text());
        let shown = shown.json();
        if shown["state"] != "running" {
            return shown;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{id} does not end");
}

async fn compare(world: &World, body: &Value) -> Value {
    let mut operator = world.operator().await;
    let begun = operator.post(PATH, body).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    ended(&mut operator, &begun.json()["id"]).await
}

async fn compare_shop(shop: &Shop) -> Value {
    // Movements of the second that it begins in belong to the next comparison.
    shop.world.wait(1);
    shop.now_s();
    compare(&shop.world, &json!({})).await
}

/// The differences: kind, reference and problem of each.
fn found(report: &Value) -> Vec<[&str; 3]> {
    let found = report["found"].as_array().unwrap().iter();
    found
        .map(|it| ["kind", "reference", "problem"].map(|name| it[name].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_are_the_same_are_said_to_be() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (_, charge) = shop.sell().await;
        shop.double.refund_elsewhere(&charge, 119);
        shop.deliver_latest("charge.refunded").await;
        let (_, charge) = shop.sell().await;
        let dispute = shop.double.dispute(&charge, 595);
        shop.deliver_latest("charge.dispute.created").await;
        let report = compare_shop(&shop).await;
        assert_eq!(report["state"], "matched", "{report}");
        assert_eq!(report["movements"], 4);
        assert_eq!(
            (&report["settled"], &report["differences"]),
            (&json!(0), &json!(0))
        );
        // What comes days later, too.
        shop.world.wait(DAY_S);
        shop.now_s();
        shop.double.close_dispute(&dispute, true);
        shop.deliver_latest("charge.dispute.closed").await;
        let report = compare_shop(&shop).await;
        assert_eq!(report["state"], "matched", "{report}");
        let again = compare(&shop.world, &json!({"days": 7})).await;
        assert_eq!(again["state"], "matched", "{again}");
        assert_eq!(again["movements"], 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stripe_never_told_is_taken_in() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (payment, page) = shop.order().await;
        assert!(shop.double.type_card(&page, GOOD));
        let report = compare_shop(&shop).await;
        assert_eq!(report["state"], "matched", "{report}");
        assert_eq!(report["settled"], 1);
        assert_eq!(shop.status(&payment).await, "succeeded");
        assert_eq!(shop.world.bought_cents().await, 500);
        shop.deliver_latest("checkout.session.completed").await;
        assert_eq!(
            shop.world.bought_cents().await,
            500,
            "told late, it is credited once"
        );

        let charge = shop.charge_of(&page);
        let refund = shop.double.refund_elsewhere(&charge, 119);
        shop.double.dispute(&charge, 119);
        let report = compare_shop(&shop).await;
        assert_eq!(report["state"], "matched", "{report}");
        assert_eq!(shop.world.bought_cents().await, 300);
        shop.double.fail_refund(&refund);
        let report = compare_shop(&shop).await;
        assert_eq!(report["state"], "matched", "{report}");
        assert_eq!(shop.world.bought_cents().await, 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_more_or_another_amount_is_told_to_an_operator() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (missing, gone) = shop.sell().await;
        shop.double
            .forget(shop.double.object(&gone)["latest_charge"].as_str().unwrap());
        shop.double.forget(&gone);
        let of_gone = |it: &Value| {
            it["source"]
                .as_str()
                .is_some_and(|id| id.starts_with("ch_"))
        };
        let movements = shop.double.objects("balance_transaction");
        let movement = movements.iter().find(|it| of_gone(it)).unwrap();
        shop.double.forget(movement["id"].as_str().unwrap());

        let customer = shop.double.objects("customer")[0]["id"].clone();
        let customer = customer.as_str().unwrap().to_owned();
        let strange = shop.double.pay_elsewhere(&customer, 700, &json!({}));
        let named = json!({"farebox_payment": "pay_of_nobody"});
        let no_order = shop.double.pay_elsewhere(&customer, 700, &named);

        let (_, more) = shop.sell().await;
        let charge = shop.double.object(&more)["latest_charge"].clone();
        shop.double
            .change(charge.as_str().unwrap(), |it| it["amount"] = json!(600));
        let (_, other) = shop.sell().await;
        let charge = shop.double.object(&other)["latest_charge"].clone();
        shop.double
            .change(charge.as_str().unwrap(), |it| it["currency"] = json!("eur"));

        let report = compare_shop(&shop).await;
        assert_eq!(report["state"], "different", "{report}");
        let mut expected = vec![
            ["charge", &gone, "not_there"],
            ["charge", &strange, "not_here"],
            ["charge", &no_order, "no_order"],
            ["charge", &more, "other_amount"],
            ["charge", &other, "other_currency"],
        ];
        expected.sort_unstable();
        let mut differences = found(&report);
        differences.sort_unstable();
        assert_eq!(differences, expected);
        assert_eq!(report["differences"], 5);
        let rows = report["found"].as_array().unwrap();
        let of = |id: &str| rows.iter().find(|it| it["reference"] == id).unwrap();
        assert_eq!(of(&gone)["payment_id"], json!(missing));
        let amounts = |row: &Value| (row["ours_usd"].clone(), row["theirs"].clone());
        assert_eq!(amounts(of(&more)), (json!("5.95"), json!("6.00")));
        assert_eq!(amounts(of(&gone)), (json!("5.95"), Value::Null));
        assert_eq!(amounts(of(&strange)), (Value::Null, json!("7.00")));
        assert_eq!(
            shop.world.bought_cents().await,
            1_500,
            "nothing was credited"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_is_told_how_much_differs_and_of_when() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        shop.world.caretaker.tend().await;
        let told = shop.world.metered();
        assert!(
            !told.contains("{provider="),
            "nothing was compared yet: {told}"
        );
        shop.sell().await;
        let mut operator = shop.world.operator().await;
        for expected in [0, 1] {
            if expected == 1 {
                // Somebody paid where Farebox does not know of it.
                let customer = shop.double.objects("customer")[0]["id"].clone();
                let customer = customer.as_str().unwrap().to_owned();
                shop.double.pay_elsewhere(&customer, 700, &json!({}));
            }
            shop.world.wait(DAY_S);
            shop.now_s();
            shop.world.caretaker.tend().await;
            let newest = operator.get(&format!("{PATH}?order=desc")).await.json();
            let done = ended(&mut operator, &newest["data"][0]["id"]).await;
            shop.world.wait(61);
            shop.world.caretaker.tend().await;
            let told = shop.world.metered();
            for line in [
                format!("farebox_payment_differences{{provider=\"stripe\"}} {expected}"),
                format!(
                    "farebox_payments_compared_until_seconds{{provider=\"stripe\"}} {}",
                    done["until"]
                ),
            ] {
                assert!(told.contains(&line), "{line} in {told}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_compares_each_night_and_tries_again_what_failed() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let mut operator = shop.world.operator().await;
        shop.world.caretaker.tend().await;
        let list = operator.get(PATH).await.json();
        assert_eq!(list["data"], json!([]), "there is nothing to compare yet");
        shop.sell().await;
        shop.double.fault("/v1/balance", Fault::Fails(500));
        shop.double.fault("/v1/balance", Fault::Fails(500));
        shop.double.fault("/v1/balance", Fault::Fails(500));
        for _ in 0..3 {
            shop.world.caretaker.tend().await;
        }
        let list = operator.get(PATH).await.json();
        assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
        let failed = ended(&mut operator, &list["data"][0]["id"]).await;
        assert_eq!(failed["state"], "failed", "{failed}");
        assert_eq!(failed["user_id"], Value::Null);
        shop.world.caretaker.tend().await;
        let list = operator.get(PATH).await.json();
        assert_eq!(list["data"].as_array().unwrap().len(), 1, "not at once");

        let newest = format!("{PATH}?order=desc");
        shop.world.wait(3_601);
        shop.now_s();
        shop.world.caretaker.tend().await;
        let list = operator.get(&newest).await.json();
        let done = ended(&mut operator, &list["data"][0]["id"]).await;
        assert_eq!(done["state"], "matched", "{done}");
        shop.world.wait(3_601);
        shop.world.caretaker.tend().await;
        assert_eq!(
            operator.get(PATH).await.json()["data"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        shop.world.wait(DAY_S);
        shop.world.caretaker.tend().await;
        assert_eq!(
            operator.get(PATH).await.json()["data"]
                .as_array()
                .unwrap()
                .len(),
            3
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_provider_is_compared_as_well() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        world.buy("4242424242424242", false).await;
        let report = compare(&world, &json!({"days": 1})).await;
        assert_eq!(report["state"], "matched", "{report}");
        assert_eq!(report["provider"], "test");
        assert_eq!(report["movements"], 1);
        let mut operator = world.operator().await;
        for days in [json!(0), json!(91), json!("7")] {
            let refused = operator.post(PATH, &json!({"days": days})).await;
            assert_eq!(refused.status, 400, "{days}");
        }
        let none = operator.get(&format!("{PATH}/reconciliation_none")).await;
        assert_eq!(none.status, 404);
    })
    .await;
}
