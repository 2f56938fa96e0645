//! What an organization has, what moved, and codes that give more.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_world::Browser;
use crate::reports::used;
use crate::world::{START_S, World, refused};

const BATCHES: &str = "/api/operator/code_batches";
const REDEEM: &str = "/api/billing/redeem";

async fn posted(operator: &mut Browser<'_>, path: &str, body: &Value) -> Value {
    let answer = operator.post(path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn got(world: &World, path: &str) -> Value {
    let answer = world.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_an_operator_makes_is_exchanged_for_credit() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let before = got(&world, "/api/billing/balance").await;
        let body = json!({
            "note": "A fair", "amount_usd": "10", "code_count": 2, "credit_days": 30,
            "once_per_organization": false,
        });
        let batch = posted(&mut operator, BATCHES, &body).await;
        let codes = batch["codes"].as_array().unwrap();
        assert_eq!((codes.len(), &batch["state"]), (2, &json!("active")));
        let code = codes[0].as_str().unwrap().to_lowercase();
        let redeemed = world.post(REDEEM, &json!({"code": code})).await;
        assert_eq!(redeemed.status, 200, "{}", redeemed.text());
        let redeemed = redeemed.json();
        assert_eq!(redeemed["amount_usd"], "10.00");
        assert_eq!(redeemed["reason"], "A fair");

        let balance = got(&world, "/api/billing/balance").await;
        assert_eq!(balance["balance_usd"], redeemed["balance_usd"]);
        assert_ne!(balance["granted_usd"], before["granted_usd"]);
        let lots = balance["credits"].as_array().unwrap();
        let lot = lots.iter().find(|it| it["id"] == redeemed["id"]).unwrap();
        assert_eq!(
            (&lot["kind"], &lot["remaining_usd"]),
            (&json!("grant"), &json!("10.00"))
        );
        assert_eq!(lot["expires_at"], redeemed["expires_at"]);
        assert_eq!(lots[0]["id"], redeemed["id"], "what expires is spent first");

        let again = world.post(REDEEM, &json!({"code": code})).await;
        refused(&again, 400, "code", "redeem_code_used_here");
        let id = batch["id"].as_str().unwrap();
        let uses = operator.get(&format!("{BATCHES}/{id}/uses")).await.json();
        let uses = uses["data"].as_array().unwrap();
        assert_eq!(uses.len(), 1);
        let organization = world.made.organization.as_str();
        assert_eq!(uses[0]["organization_id"], organization);
        let disabled = posted(
            &mut operator,
            &format!("{BATCHES}/{id}/disable"),
            &json!({}),
        )
        .await;
        assert_eq!(
            (&disabled["state"], &disabled["use_count"]),
            (&json!("disabled"), &json!(1))
        );
        let late = world.post(REDEEM, &json!({"code": codes[1]})).await;
        refused(&late, 400, "code", "redeem_code_unknown");
        let shown = operator.get(&format!("{BATCHES}/{id}")).await.text();
        assert!(!shown.contains(codes[1].as_str().unwrap()), "{shown}");
        let list = operator.get(BATCHES).await.json();
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_codes_is_bounded() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        for code in ["", "nonsense", "00000-00000-00000-00001"] {
            let wrong = world.post(REDEEM, &json!({"code": code})).await;
            refused(&wrong, 400, "code", "redeem_code_unknown");
        }
        refused(
            &world.post(REDEEM, &json!({})).await,
            400,
            "code",
            "missing_required_parameter",
        );
        let mut last = None;
        for _ in 0..30 {
            let answer = world.post(REDEEM, &json!({"code": "x"})).await;
            last = Some(answer.json()["error"]["code"].clone());
            if answer.status == 429 {
                break;
            }
        }
        assert_eq!(last, Some(json!("too_many_attempts")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_codes_have_bounds() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let good = json!({"note": "a", "amount_usd": "1"});
        for (param, value) in [
            ("amount_usd", json!("0")),
            ("amount_usd", json!("10001")),
            ("amount_usd", json!(5)),
            ("note", json!("")),
            ("code_count", json!(1_001)),
            ("max_uses", json!(0)),
            ("credit_days", json!(0)),
            ("expires_at", json!(START_S)),
            ("once_per_organization", json!("yes")),
        ] {
            let mut bad = good.clone();
            bad[param] = value;
            let answer = operator.post(BATCHES, &bad).await;
            assert_eq!(answer.status, 400, "{bad}");
            assert_eq!(answer.json()["error"]["param"], param, "{bad}");
        }
        let none = operator.get(&format!("{BATCHES}/codes_none")).await;
        refused(&none, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn movements_are_listed_for_the_organization_and_its_operator() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let cost = used(&world, 5, "m", "chat").await + used(&world, 65, "m", "chat").await;
        let mut operator = world.operator().await;
        let organization = world.made.organization.to_string();
        let credits = format!("/api/operator/organizations/{organization}/credits");
        let body = json!({"amount_usd": "3", "reason": "Sorry", "key": "sorry"});
        posted(&mut operator, &credits, &body).await;

        let list = got(&world, "/api/billing/movements?order=desc").await;
        let lines = list["data"].as_array().unwrap();
        let kinds: Vec<_> = lines
            .iter()
            .map(|it| it["kind"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds.iter().filter(|it| **it == "usage").count(),
            1,
            "{list}"
        );
        let usage = lines.iter().find(|it| it["kind"] == "usage").unwrap();
        assert_eq!(usage["amount_usd"], format!("-{}", cost.to_usd()));
        assert_eq!(
            (&usage["request_count"], &usage["reason"]),
            (&json!(2), &Value::Null)
        );
        let sorry = lines.iter().find(|it| it["reason"] == "Sorry").unwrap();
        let balance = got(&world, "/api/billing/balance").await;
        assert_eq!(sorry["balance_after_usd"], balance["balance_usd"]);

        let theirs = format!("/api/operator/organizations/{organization}/movements?order=desc");
        assert_eq!(operator.get(&theirs).await.json(), list);
        let grants = got(&world, "/api/billing/movements?kind=grant").await;
        let grants = grants["data"].as_array().unwrap();
        assert!(grants.iter().all(|it| it["kind"] == "grant") && !grants.is_empty());

        let first = got(&world, "/api/billing/movements?limit=1&order=desc").await;
        assert_eq!(
            (&first["has_more"], &first["data"][0]),
            (&json!(true), &lines[0])
        );
        let next = first["next"].as_str().unwrap();
        let path = format!("/api/billing/movements?limit=1&order=desc&after={next}");
        assert_eq!(got(&world, &path).await["data"][0], lines[1]);
        for (query, param) in [
            ("kind=bribe", "kind"),
            ("start_time=x", "start_time"),
            ("end_time=-1", "end_time"),
            ("after=nothing", "after"),
        ] {
            let answer = world.get(&format!("/api/billing/movements?{query}")).await;
            assert_eq!(answer.status, 400, "{query}: {}", answer.text());
            assert_eq!(answer.json()["error"]["param"], param);
        }
    })
    .await;
}
