//! Operators look after organizations.

use domain::id::OrganizationId;
use http::Method;
use serde_json::{Value, json};
use store::people::users::{self, NewUser};
use store::{StoreError, Tx, organizations};
use testkit::on_each_database;

use crate::people_world::Browser;
use crate::world::{World, entropy, refused};

const PATH: &str = "/api/operator/organizations";

/// More organizations, with an owner each, by name.
async fn found(world: &World, names: &'static [&'static str]) -> Vec<OrganizationId> {
    let clock = domain::time::AtUs(world.now.load(std::sync::atomic::Ordering::Relaxed));
    let write = world.store.write(move |tx| -> Result<_, StoreError> {
        let mut ids = Vec::new();
        for (name, later) in names.iter().zip(1..) {
            let email = format!("{}@example.com", name.to_lowercase());
            let now = clock.plus(later);
            let new = NewUser {
                email: &email,
                name,
                password: None,
                phone: None,
                is_operator: false,
            };
            let owner = users::create(tx, &new, now, entropy)?;
            ids.push(organizations::found(tx, name, &owner, now, entropy)?.id);
        }
        Ok(ids)
    });
    write.await.unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_are_found_and_walked() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let ids = found(&world, &["Bolt", "100%_sure", "Zebra"]).await;
        let mut operator = world.operator().await;
        let mut list = async |query: &str| {
            let answer = operator.get(&format!("{PATH}?{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()
        };
        let first = list("limit=3").await;
        assert_eq!(names(&first), ["Acme", "Bolt", "100%_sure"]);
        assert_eq!(first["has_more"], true);
        let next = first["next"].as_str().unwrap();
        let second = list(&format!("limit=3&after={next}")).await;
        assert_eq!(names(&second), ["Zebra"]);
        assert_eq!(second["next"], Value::Null);
        let after = format!("after={}", ids[1]);
        assert_eq!(names(&list(&after).await), ["Zebra"], "an id is a place");
        let newest = list("order=desc&limit=1").await;
        assert_eq!(names(&newest), ["Zebra"]);
        for (search, wanted) in [
            ("bOL", &["Bolt"][..]),
            ("bolt@EXAMPLE", &["Bolt"]),
            ("%25_", &["100%_sure"]),
            ("_", &["100%_sure"]),
            ("example.com", &["Acme", "Bolt", "100%_sure", "Zebra"]),
            ("nothing", &[]),
            ("%5C", &[]),
        ] {
            let found = list(&format!("search={search}")).await;
            assert_eq!(names(&found), wanted, "{search}");
        }
        let by_id = list(&format!("search={}", ids[2])).await;
        assert_eq!(names(&by_id), ["Zebra"]);
        let acme = &first["data"][0];
        assert_eq!(acme["id"], world.made.organization.as_str());
        assert_eq!(acme["state"], "active");
        assert_eq!(acme["member_count"], 1);
        assert_eq!(acme["balance_usd"], "100.00");
        assert_eq!(acme["spent_this_month_usd"], "0.00");
        for (query, param) in [
            ("state=odd", "state"),
            ("limit=101", "limit"),
            ("after=x", "after"),
        ] {
            let answer = operator.get(&format!("{PATH}?{query}")).await;
            refused(&answer, 400, param, "invalid_value");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_shown_with_what_is_in_it() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let budget = json!({"scope": {"type": "organization"}, "window": "month",
                            "limit_usd": "7.5", "force": "hard"});
        assert_eq!(world.post("/api/budgets", &budget).await.status, 200);
        let mut operator = world.operator().await;
        let path = format!("{PATH}/{}", world.made.organization);
        let shown = operator.get(&path).await.json();
        assert_eq!(shown["name"], "Acme");
        assert_eq!(shown["held_usd"], "0.00");
        assert_eq!(shown["members"][0]["email"], "ada@example.com");
        assert_eq!(shown["members"][0]["role"], "owner");
        assert_eq!(shown["projects"][0]["is_default"], true);
        assert_eq!(shown["budgets"][0]["limit_usd"], "7.50");
        assert_eq!(shown["budgets"][0]["on"], Value::Null);
        let nowhere = operator.get(&format!("{PATH}/org-nowhere")).await;
        refused(&nowhere, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_organization_is_looked_at_and_not_changed() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let path = format!("{PATH}/{}", world.made.organization);
        let suspend = format!("{path}/suspend");
        let no_reason = operator.post(&suspend, &json!({})).await;
        refused(&no_reason, 400, "reason", "missing_required_parameter");
        let reason = json!({"reason": "Unpaid since May"});
        let suspended = operator.post(&suspend, &reason).await.json();
        assert_eq!(suspended["state"], "suspended");
        assert_eq!(suspended["suspension_reason"], "Unpaid since May");
        let again = operator.post(&suspend, &json!({"reason": "another"})).await;
        assert_eq!(again.json()["suspension_reason"], "Unpaid since May");
        for (state, wanted) in [("suspended", &["Acme"][..]), ("active", &[])] {
            let list = operator.get(&format!("{PATH}?state={state}")).await.json();
            assert_eq!(names(&list), wanted);
        }

        assert_eq!(world.get("/projects").await.status, 200);
        let name = json!({"name": "a"});
        let new = world.post("/projects", &name).await;
        refused(&new, 403, Value::Null, "billing_not_active");
        let default = format!("/projects/{}", world.made.project);
        let changed = world.post(&default, &name).await;
        refused(&changed, 403, Value::Null, "billing_not_active");
        // By whoever is signed in, too: the operator owns it.
        let request = operator.request(Method::POST, "/projects").json(&name);
        let by_session = operator.send(request).await;
        refused(&by_session, 403, Value::Null, "billing_not_active");
        let me = operator.get("/api/me").await.json();
        assert_eq!(me["organizations"][0]["is_suspended"], true);
        let log = world.get("/audit_logs?limit=1").await.json();
        let entry = &log["data"][0];
        assert_eq!(entry["type"], "farebox.organization.suspended");
        let detail = &entry["farebox.organization.suspended"];
        assert_eq!(detail["data"]["reason"], "Unpaid since May");
        assert_eq!(entry["actor"], Value::Null);

        let resumed = operator.post(&format!("{path}/resume"), &json!({})).await;
        assert_eq!(resumed.json()["state"], "active");
        assert_eq!(resumed.json()["suspended_at"], Value::Null);
        assert_eq!(world.post("/projects", &name).await.status, 200);
    })
    .await;
}

async fn balance(operator: &mut Browser<'_>, path: &str) -> Value {
    operator.get(path).await.json()["balance_usd"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_is_given_and_taken_back_once_for_each_key() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let path = format!("{PATH}/{}", world.made.organization);
        let (credits, adjustments) = (format!("{path}/credits"), format!("{path}/adjustments"));
        let new = json!({"amount_usd": "25.5", "reason": "Invoice 7", "key": "invoice-7"});
        let given = operator.post(&credits, &new).await.json();
        assert_eq!(given["kind"], "grant");
        assert_eq!(given["id"], "operator:invoice-7");
        assert_eq!(given["balance_usd"], "125.50");
        let again = operator.post(&credits, &new).await;
        assert_eq!(again.json(), given, "nothing more is given");
        let other = json!({"amount_usd": "26", "reason": "Invoice 7", "key": "invoice-7"});
        for path in [&credits, &adjustments] {
            let reused = operator.post(path, &other).await;
            refused(&reused, 409, "key", "idempotency_key_reused");
        }
        let back = json!({"amount_usd": "5.25", "reason": "Twice", "key": "sorry"});
        let taken = operator.post(&adjustments, &back).await.json();
        let told = (&taken["kind"], &taken["balance_usd"]);
        assert_eq!(told, (&json!("adjustment"), &json!("120.25")), "{taken}");
        assert_eq!(operator.post(&adjustments, &back).await.json(), taken);
        // What is leased, as on PostgreSQL a nano-dollar is, is not free.
        let all = json!({"amount_usd": "120.26", "reason": "All", "key": "all"});
        let too_much = operator.post(&adjustments, &all).await;
        refused(&too_much, 400, "amount_usd", "invalid_value");
        assert_eq!(balance(&mut operator, &path).await, "120.25");
        let log = world.get("/audit_logs?limit=2").await.json();
        let kinds = [&log["data"][0]["type"], &log["data"][1]["type"]];
        assert_eq!(
            kinds,
            ["farebox.credit.taken_back", "farebox.credit.granted"]
        );
        let prove = |tx: &mut Tx<'_>| store::verify::verify(tx);
        let report = world.store.read(prove).await.unwrap();
        assert!(report.holds(), "{:?}", report.checks);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_is_given_only_as_it_should_be() {
    let world = World::start(testkit::databases::sqlite()).await;
    let mut operator = world.operator().await;
    let path = format!("{PATH}/{}", world.made.organization);
    let (credits, adjustments) = (format!("{path}/credits"), format!("{path}/adjustments"));
    for (body, param, code) in [
        (
            json!({"reason": "a", "key": "a"}),
            "amount_usd",
            "missing_required_parameter",
        ),
        (
            json!({"amount_usd": "1", "key": "a"}),
            "reason",
            "missing_required_parameter",
        ),
        (
            json!({"amount_usd": "1", "reason": "a"}),
            "key",
            "missing_required_parameter",
        ),
        (
            json!({"amount_usd": "0", "reason": "a", "key": "a"}),
            "amount_usd",
            "invalid_value",
        ),
        (
            json!({"amount_usd": "-1", "reason": "a", "key": "a"}),
            "amount_usd",
            "invalid_value",
        ),
        (
            json!({"amount_usd": "1000000.01", "reason": "a", "key": "a"}),
            "amount_usd",
            "invalid_value",
        ),
        (
            json!({"amount_usd": "1", "reason": "a", "key": "a b"}),
            "key",
            "invalid_value",
        ),
        (
            json!({"amount_usd": 1, "reason": "a", "key": "a"}),
            "amount_usd",
            "invalid_type",
        ),
    ] {
        for path in [&credits, &adjustments] {
            refused(&operator.post(path, &body).await, 400, param, code);
        }
    }
    let nowhere = format!("{PATH}/org-nowhere");
    for path in [
        format!("{nowhere}/credits"),
        format!("{nowhere}/adjustments"),
    ] {
        let new = json!({"amount_usd": "1", "reason": "a", "key": "a"});
        let answer = operator.post(&path, &new).await;
        refused(&answer, 404, Value::Null, "not_found");
    }
}
