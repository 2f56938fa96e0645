//! Credit is bought at the real binary, on the page of the test provider, and spent.

use http::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::{Reply, Upstream, eventually, on_each_database};

use crate::place::Place;

async fn get(place: &Place, path: &str, key: &str) -> Answer {
    let request = Request::new(Method::GET, &place.url(path)).bearer(key);
    request.send().await.unwrap()
}

async fn balance(place: &Place, key: &str) -> String {
    let answer = get(place, "/v1/models", key).await;
    answer
        .header("farebox-balance")
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_dollars_are_bought_with_a_test_card_and_spent() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", 1, 2)).await;
        let place = Place::new(&database.url, &upstream.base_url());
        let made = place.set_up("0");
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let (admin, key) = (text("admin_key"), text("api_key"));
        let server = place.serve().await;
        let chat = async || {
            let body = json!({
                "model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}],
            });
            let request = Request::post(&place.url("/v1/chat/completions")).bearer(&key);
            request.json(&body).send().await.unwrap()
        };
        let refused = chat().await;
        assert_eq!(refused.json()["error"]["code"], "credit_balance_exhausted");

        let order = Request::post(&place.url("/api/billing/checkouts")).bearer(&admin);
        let order = order
            .json(&json!({"amount_usd": "5.00"}))
            .send()
            .await
            .unwrap();
        assert_eq!(order.status, 200, "{}", order.text());
        let order: Value = order.json();
        let form = "number=4242424242424242&expiry=12%2F34&cvc=123";
        let page = Request::post(order["url"].as_str().unwrap());
        let page = page.body("application/x-www-form-urlencoded", form);
        let paid = page.send().await.unwrap();
        assert_eq!(paid.status, 303, "{}", paid.text());
        let id = order["id"].as_str().unwrap();
        assert!(
            paid.header("location")
                .unwrap()
                .ends_with(&format!("checkout={id}"))
        );
        eventually("the balance shows it", async || {
            balance(&place, &key).await == "5.00"
        })
        .await;
        let payment = get(&place, &format!("/api/billing/payments/{id}"), &admin).await;
        assert_eq!(payment.json()["status"], "succeeded");
        assert_eq!(chat().await.status, 200);
        drop(server);
        let proof = place.json(&["ledger", "verify", "--json"]);
        assert_eq!(proof["ok"], true, "{proof}");
    })
    .await;
}
