//! Paying by card, on the pages of the test provider: every test card, and everything that people
//! do twice, too late or not at all.

use http::Method;
use serde_json::{Value, json};
use store::StoreError;
use testkit::http::Request;
use testkit::on_each_database;

use crate::paying_world::{leads_to, page};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn five_dollars_are_bought_and_the_balance_shows_them() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let options = world.get("/api/billing/options").await.json();
        assert_eq!(options["minimum_usd"], "5.00");
        assert_eq!(options["presets_usd"][0], "5.00");
        assert_eq!(options["tax_percent"], "19");
        assert_eq!(
            (&options["can_pay"], &options["provider"]),
            (&json!(true), &json!("test"))
        );
        let order = world.order("5.00", false).await;
        assert_eq!(order["status"], "open");
        let amounts = [&order["amount_usd"], &order["tax_usd"], &order["total_usd"]];
        assert_eq!(amounts, ["5.00", "0.95", "5.95"]);
        let id = order["id"].as_str().unwrap();
        let shown = Request::get(&world.url(&page(&order)))
            .send()
            .await
            .unwrap();
        assert_eq!(shown.status, 200);
        assert!(shown.text().contains("$5.95") && !shown.text().contains("<script"));
        let policy = shown.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self';"),
            "{policy}"
        );
        let paid = world.type_in(&page(&order), "4242 4242 4242 4242").await;
        assert_eq!(paid.status, 303, "{}", paid.text());
        let back = format!("http://farebox.test/billing?checkout={id}");
        assert_eq!(leads_to(&paid), back);
        world.comes_to(id, "succeeded").await;
        assert_eq!(world.bought_cents().await, 500);
        let payment = world.payment(id).await;
        assert_eq!(payment["card"], json!({"brand": "visa", "last4": "4242"}));
        assert_eq!(payment["url"], Value::Null);
        let list = world
            .get("/api/billing/payments?order=desc&limit=1")
            .await
            .json();
        assert_eq!(list["data"][0]["id"], id);
        let methods = world.get("/api/billing/payment_methods").await.json();
        assert_eq!(methods["data"], json!([]), "nobody asked to save the card");
    })
    .await;
}

/// Number, and what comes of it: paid, asked by the bank, or why it was declined.
const CARDS: [(&str, &str); 18] = [
    ("4242424242424242", "succeeded"),
    ("5555555555554444", "succeeded"),
    ("378282246310005", "succeeded"),
    ("4000002500003155", "asked"),
    ("4000002760003184", "asked"),
    ("4000000000003220", "asked"),
    ("4000000000000002", "generic_decline"),
    ("4000000000009995", "insufficient_funds"),
    ("4000000000009987", "lost_card"),
    ("4000000000009979", "stolen_card"),
    ("4000000000000069", "expired_card"),
    ("4000000000000127", "incorrect_cvc"),
    ("4000000000000119", "processing_error"),
    ("4000000000000341", "generic_decline"),
    // No card, no test number, and one that is cut off.
    ("4242424242424241", "Your card number is incorrect."),
    (
        "4111111111111111",
        "Only the test numbers that Stripe publishes",
    ),
    ("4242", "Your card number is incorrect."),
    ("", "Your card number is incorrect."),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_test_card_does_what_is_published_of_it() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut bought = 0;
        for (number, outcome) in CARDS {
            let order = world.order("5.00", false).await;
            let (id, page) = (order["id"].as_str().unwrap(), page(&order));
            let answer = world.type_in(&page, number).await;
            match outcome {
                "succeeded" => {
                    assert_eq!(answer.status, 303, "{number}");
                    world.comes_to(id, "succeeded").await;
                    bought += 500;
                }
                "asked" => {
                    let question = format!("{page}/authenticate");
                    assert_eq!(leads_to(&answer), question, "{number}");
                    // Somebody else says no; the card may be tried again, and is not charged twice.
                    let refused = world.send_form(&question, "outcome=fail").await;
                    assert_eq!(leads_to(&refused), page, "{number}");
                    assert_eq!(
                        world.payment(id).await["failure"]["code"],
                        "authentication_failed"
                    );
                    world.type_in(&page, number).await;
                    for _ in 0..2 {
                        world.send_form(&question, "outcome=complete").await;
                    }
                    world.comes_to(id, "succeeded").await;
                    bought += 500;
                }
                problem if problem.contains(' ') => {
                    assert_eq!(answer.status, 422, "{number}");
                    assert!(
                        answer.text().contains(problem),
                        "{number}: {}",
                        answer.text()
                    );
                    assert_eq!(world.payment(id).await["failure"], Value::Null);
                }
                code => {
                    assert_eq!(leads_to(&answer), page, "{number}");
                    let payment = world.payment(id).await;
                    assert_eq!(payment["failure"]["code"], code, "{number}");
                    assert_eq!(payment["status"], "open", "another card can be tried");
                    let shown = Request::get(&world.url(&page)).send().await.unwrap().text();
                    let alert = shown.contains("role=\"alert\"");
                    assert!(alert, "{number}: {shown}");
                }
            }
            assert_eq!(world.bought_cents().await, bought, "{number}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_orders_or_pays_twice_pays_once() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let (first, second) = tokio::join!(
            world.order_with_key("25.00", "k-1"),
            world.order_with_key("25.00", "k-1"),
        );
        // At the same instant one of them may be told to come again.
        let order = [first, second]
            .into_iter()
            .find(|answer| answer.status == 200);
        let order = order.expect("one of them is served").json();
        let again = world.order_with_key("25.00", "k-1").await.json();
        assert_eq!((&again["id"], &again["url"]), (&order["id"], &order["url"]));
        for (amount, key, code) in [
            ("26.00", "k-1", "idempotency_key_reused"),
            ("25.00", "k 1", "invalid_value"),
            ("25.00", "", "invalid_value"),
        ] {
            let refused = world.order_with_key(amount, key).await;
            assert_eq!(refused.json()["error"]["code"], code, "{amount} {key}");
        }
        let list = world.get("/api/billing/payments").await.json();
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
        // Two tabs, and a third that comes back.
        let (page, id) = (page(&order), order["id"].as_str().unwrap());
        let tab = || world.type_in(&page, "4242424242424242");
        let (one, other) = tokio::join!(tab(), tab());
        assert!([one.status, other.status].contains(&303));
        world.comes_to(id, "succeeded").await;
        let late = tab().await;
        assert_eq!(late.status, 200);
        assert!(late.text().contains("<h1>Paid</h1>"), "{}", late.text());
        assert_eq!(world.bought_cents().await, 2_500);
        // SQL in a test: what the provider took is nobody's business else.
        let charges = world.store.read(|tx| {
            let sql = "SELECT COUNT(*) FROM test_payments WHERE kind = 'charge'";
            tx.query_one(sql, &[])?.int(0)
        });
        assert_eq!(charges.await.map_err(|error: StoreError| error).unwrap(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_called_off_or_too_late_and_cannot_be_paid_then() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let cancelled = world.order("5.00", false).await;
        let id = cancelled["id"].as_str().unwrap();
        let cancel = format!("/api/billing/checkouts/{id}/cancel");
        let answer = world.post(&cancel, &json!({})).await;
        assert_eq!(answer.json()["status"], "cancelled", "{}", answer.text());
        let again = world.post(&cancel, &json!({})).await;
        assert_eq!(
            (again.status, &again.json()["error"]["code"]),
            (409, &json!("payment_over"))
        );
        let late = world.order("5.00", false).await;
        let late_id = late["id"].as_str().unwrap();
        world.wait(3_601);
        for order in [&cancelled, &late] {
            let answer = world.type_in(&page(order), "4242424242424242").await;
            assert_eq!(answer.status, 200);
            assert!(
                answer.text().contains("This page is closed"),
                "{}",
                answer.text()
            );
        }
        // Nobody looks at it: the caretaker does.
        world.caretaker.tend().await;
        let seen = world
            .get(&format!("/api/billing/payments/{late_id}"))
            .await
            .json();
        assert_eq!(seen["status"], "expired");
        assert_eq!(world.bought_cents().await, 0);
        // What is paid is not called off.
        let paid = world.buy("4242424242424242", false).await;
        let path = format!("/api/billing/checkouts/{paid}/cancel");
        assert_eq!(world.post(&path, &json!({})).await.status, 409);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_says_of_another_amount_or_currency_credits_nothing() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let lies = [
            ("\"amount_cents\":500", "\"amount_cents\":50000"),
            ("\"currency\":\"usd\"", "\"currency\":\"jpy\""),
        ];
        for (truth, lie) in lies {
            let order = world.order("5.00", false).await;
            let name = page(&order).rsplit('/').next().unwrap().to_owned();
            // SQL in a test: the provider itself says something else than was ordered.
            let write = world.store.write(move |tx| -> Result<u64, StoreError> {
                let sql = "UPDATE test_payments SET body = REPLACE(body, $2, $3) WHERE ref = $1";
                tx.execute(sql, &[name.into(), truth.into(), lie.into()])
            });
            assert_eq!(write.await.unwrap(), 1);
            world.type_in(&page(&order), "4242424242424242").await;
        }
        let mut operator = world.operator().await;
        let path = "/api/operator/unmatched_payments";
        testkit::eventually("both are seen", async || {
            let mut operator = world.operator().await;
            let list = operator.get(path).await.json();
            list["data"].as_array().unwrap().len() == 2
        })
        .await;
        assert_eq!(world.bought_cents().await, 0);
        let list = operator.get(path).await.json();
        let mut problems: Vec<&str> = Vec::new();
        for row in list["data"].as_array().unwrap() {
            problems.push(row["problem"].as_str().unwrap());
            let resolve = format!("{path}/{}/resolve", row["id"].as_str().unwrap());
            let body = json!({"resolution": "given back"});
            assert_eq!(operator.post(&resolve, &body).await.status, 200);
        }
        problems.sort_unstable();
        assert_eq!(problems, ["other_amount", "other_currency"]);
        assert_eq!(operator.get(path).await.json()["data"], json!([]));
        let all = operator.get(&format!("{path}?show=all")).await.json();
        assert_eq!(all["data"][0]["resolution"], "given back");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_whole_cents_within_bounds() {
    let world = World::start(testkit::databases::sqlite()).await;
    for (body, code, words) in [
        (json!({}), "missing_required_parameter", "amount_usd"),
        (
            json!({"amount_usd": 5}),
            "invalid_type",
            "expected a string",
        ),
        (
            json!({"amount_usd": "4.99"}),
            "invalid_value",
            "at least 5.00",
        ),
        (json!({"amount_usd": "0"}), "invalid_value", "at least 5.00"),
        (
            json!({"amount_usd": "1000.01"}),
            "invalid_value",
            "at most 1000.00",
        ),
        (
            json!({"amount_usd": "5.001"}),
            "invalid_value",
            "whole cents",
        ),
        (json!({"amount_usd": "-5"}), "invalid_value", "digits"),
        (
            json!({"amount_usd": "5", "save_method": "yes"}),
            "invalid_type",
            "a boolean",
        ),
    ] {
        let answer = world.post("/api/billing/checkouts", &body).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["code"]),
            (400, &json!(code)),
            "{body}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error}"
        );
    }
    let own = world.order("123.45", false).await;
    assert_eq!(own["total_usd"], "146.91", "19 % of 123.45 is 23.4555");
}

#[tokio::test(flavor = "multi_thread")]
async fn test_cards_are_taken_only_where_nobody_else_comes() {
    let world = World::start_showing(testkit::databases::sqlite(), false).await;
    let options = world.get("/api/billing/options").await.json();
    assert_eq!(
        (&options["can_pay"], &options["provider"]),
        (&json!(false), &Value::Null)
    );
    let refused = world
        .post("/api/billing/checkouts", &json!({"amount_usd": "5"}))
        .await;
    assert_eq!(refused.json()["error"]["code"], "payments_unavailable");
    let nowhere = world.send_form("/test-payments/test_cs_x", "number=4242424242424242");
    assert_eq!(nowhere.await.status, 404);
    let world = World::start(testkit::databases::sqlite()).await;
    let order = world.order("5.00", false).await;
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.7"),
        ("host", "farebox.example.com"),
    ] {
        let path = page(&order);
        let request = Request::new(Method::GET, &world.url(&path)).header(name, value);
        assert_eq!(request.send().await.unwrap().status, 404, "{name}");
    }
    let nothing = Request::get(&world.url("/test-payments/test_cs_nothing"));
    let nothing = nothing.send().await.unwrap();
    assert_eq!(nothing.status, 404);
    assert!(nothing.text().contains("There is nothing to pay here"));
}
