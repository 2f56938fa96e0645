//! Budgets: made, listed with where they stand, changed, told of, removed.

use std::sync::atomic::Ordering;

use domain::admission::Crossing;
use domain::budget::{Budget, Force, Scope};
use domain::id::BudgetId;
use domain::money::Nusd;
use domain::time::AtUs;
use domain::window::Window;
use serde_json::{Value, json};
use store::budgets::{self, BudgetRow};
use store::keys;
use testkit::on_each_database;

use crate::spending::Spender;
use crate::world::{START_S, World, entropy, refused};

/// The first seconds of January and February 2027; the tests' clock begins on January the 15th.
const JANUARY_S: i64 = 1_798_761_600;
const FEBRUARY_S: i64 = 1_801_440_000;

fn new(scope: &Value, window: &str) -> Value {
    json!({"scope": scope, "window": window, "limit_usd": "12.5", "force": "hard"})
}

async fn create(world: &World, body: &Value) -> Value {
    let made = world.post("/api/budgets", body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_from_its_creation_to_its_end() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let organization = world.made.organization.as_str();
        let made = create(&world, &new(&json!({"type": "organization"}), "month")).await;
        let id = made["id"].as_str().unwrap();
        assert!(id.starts_with("budget_"), "{id}");
        let mut want = json!({
            "id": id,
            "object": "budget",
            "scope": {"type": "organization", "id": organization},
            "window": "month",
            "limit_usd": "12.50",
            "force": "hard",
            "thresholds": [],
            "is_spend_limit": false,
            "created_at": START_S,
            "standing": {
                "starts_at": JANUARY_S,
                "ends_at": FEBRUARY_S,
                "spent_usd": "0.00",
                "held_usd": "0.00",
                "remaining_usd": "12.50",
                "is_enforcing": false,
            },
        });
        assert_eq!(made, want);
        let path = format!("/api/budgets/{id}");
        assert_eq!(world.get(&path).await.json(), want);

        let changes = json!({"limit_usd": "0.000000001", "thresholds": [100, 1, 1000]});
        want["limit_usd"] = json!("0.000000001");
        want["standing"]["remaining_usd"] = json!("0.000000001");
        want["thresholds"] = json!([1, 100, 1000]);
        assert_eq!(world.post(&path, &changes).await.json(), want);
        want["force"] = json!("soft");
        let soft = json!({"force": "soft", "window": "month", "scope": {"type": "organization"}});
        assert_eq!(
            world.post(&path, &soft).await.json(),
            want,
            "the same scope and window"
        );
        assert_eq!(world.post(&path, &json!({})).await.json(), want);

        let gone = json!({"object": "budget.deleted", "id": id, "deleted": true});
        assert_eq!(world.delete(&path).await.json(), gone);
        refused(&world.get(&path).await, 404, Value::Null, "not_found");
        refused(&world.delete(&path).await, 404, Value::Null, "not_found");
        let again = world.post(&path, &json!({})).await;
        refused(&again, 404, Value::Null, "not_found");
    })
    .await;
}

/// On what it is put, whether it is a spend limit and enforces, and when the next turn begins.
type Marks = (String, [bool; 2], Option<i64>);

/// The marks of a budget in a list, and what is spent, held and left.
fn marks_and_money(budget: &Value) -> (Marks, [String; 3]) {
    let standing = &budget["standing"];
    let money = ["spent_usd", "held_usd", "remaining_usd"];
    let marks = (
        budget["scope"]["type"].as_str().unwrap().to_owned(),
        [&budget["is_spend_limit"], &standing["is_enforcing"]].map(|mark| *mark == true),
        standing["ends_at"].as_i64(),
    );
    (
        marks,
        money.map(|name| standing[name].as_str().unwrap().to_owned()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_where_each_budget_stands() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let (spender, other) = (Spender::new(&world).await, Spender::new(&world).await);
        let of_project = json!({"type": "project", "id": spender.project});
        let of_key = json!({"type": "key", "id": other.key});
        let limit = json!({"threshold_amount": 6, "currency": "USD", "interval": "month"});
        let path = format!("/projects/{}/spend_limit", spender.project);
        world.post(&path, &limit).await;
        for body in [
            new(
                &json!({"type": "organization", "id": world.made.organization.as_str()}),
                "day",
            ),
            new(&of_project, "week"),
            json!({"scope": of_key, "window": "always", "limit_usd": "0.02", "force": "soft"}),
        ] {
            create(&world, &body).await;
        }
        let now = AtUs(world.now.load(Ordering::Relaxed));
        let days_ago = |days: i64| now.plus(-days * domain::time::DAY_US);
        spender.spend(&world, 4, now).await;
        spender.spend(&world, 3, days_ago(1)).await;
        spender.hold(&world, 2, now).await;
        other.spend(&world, 5, days_ago(300)).await;

        let list = world.get("/api/budgets").await.json();
        let budgets = list["data"].as_array().unwrap().iter();
        let shown: Vec<_> = budgets.map(marks_and_money).collect();
        let row = |scope: &str, marks, ends_at, money: [&str; 3]| {
            let marks = (scope.to_owned(), marks, ends_at);
            (marks, money.map(str::to_owned))
        };
        let (limit, plain) = ([true, true], [false, false]);
        let (tomorrow, monday) = (
            START_S - 8 * 3_600 + 86_400,
            START_S - 8 * 3_600 + 3 * 86_400,
        );
        let want = [
            row("project", limit, Some(FEBRUARY_S), ["0.07", "0.02", "0.00"]),
            row(
                "organization",
                plain,
                Some(tomorrow),
                ["0.04", "0.02", "12.44"],
            ),
            row("project", plain, Some(monday), ["0.07", "0.02", "12.41"]),
            // It is soft.
            row("key", plain, None, ["0.05", "0.00", "0.00"]),
        ];
        assert_eq!(shown, want);
        assert_eq!(list["data"][3]["thresholds"], json!([50, 80, 100]));

        let id = |index: usize| list["data"][index]["id"].as_str().unwrap();
        let page = world.get("/api/budgets?limit=2").await.json();
        assert_eq!(
            (&page["has_more"], &page["last_id"]),
            (&json!(true), &json!(id(1)))
        );
        let path = format!("/api/budgets?limit=2&after={}", id(1));
        let page = world.get(&path).await.json();
        assert_eq!(
            (&page["has_more"], &page["first_id"]),
            (&json!(false), &json!(id(2)))
        );
        let nowhere = world.get("/api/budgets?after=budget_nothing").await;
        refused(&nowhere, 400, "after", "invalid_value");
    })
    .await;
}

/// What is named, the member that is wrong, and the code; of a new budget and of changes alike.
fn wrong_members() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("limit_usd", json!(12.5), "invalid_type"),
        ("limit_usd", json!("-1"), "invalid_value"),
        ("limit_usd", json!("1e3"), "invalid_value"),
        ("limit_usd", json!("0.0000000001"), "invalid_value"),
        ("limit_usd", json!("4000000000.01"), "invalid_value"),
        ("force", json!("firm"), "invalid_value"),
        ("thresholds", json!(50), "invalid_type"),
        ("thresholds", json!(["50"]), "invalid_type"),
        ("thresholds", json!([0]), "invalid_value"),
        ("thresholds", json!([1_001]), "invalid_value"),
        ("thresholds", json!([50.5]), "invalid_value"),
        ("thresholds", json!([50, 80, 50]), "invalid_value"),
        (
            "thresholds",
            json!((1..=21).collect::<Vec<_>>()),
            "invalid_value",
        ),
        ("window", json!("year"), "invalid_value"),
        ("scope", json!("organization"), "invalid_type"),
        (
            "scope.type",
            json!({"id": "proj_a"}),
            "missing_required_parameter",
        ),
        ("scope.type", json!({"type": "user"}), "invalid_value"),
        (
            "scope.id",
            json!({"type": "key"}),
            "missing_required_parameter",
        ),
        (
            "scope.id",
            json!({"type": "key", "id": "a b"}),
            "invalid_value",
        ),
        (
            "scope.id",
            json!({"type": "key", "id": "\u{0}"}),
            "invalid_value",
        ),
        (
            "scope.id",
            json!({"type": "organization", "id": "org-other"}),
            "invalid_value",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_budget_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    let made = create(&world, &new(&json!({"type": "organization"}), "day")).await;
    let one = format!("/api/budgets/{}", made["id"].as_str().unwrap());
    for (param, value, code) in wrong_members() {
        let (member, _) = param.split_once('.').unwrap_or((param, ""));
        let mut body = new(&json!({"type": "organization"}), "day");
        body[member] = value.clone();
        refused(&world.post("/api/budgets", &body).await, 400, param, code);
        refused(
            &world.post(&one, &json!({member: value})).await,
            400,
            param,
            code,
        );
    }
    for param in ["scope", "window", "limit_usd", "force"] {
        let mut body = new(&json!({"type": "organization"}), "day");
        body[param] = Value::Null;
        let answer = world.post("/api/budgets", &body).await;
        refused(&answer, 400, param, "missing_required_parameter");
    }
    for (param, value) in [
        (
            "scope",
            json!({"type": "project", "id": world.made.project.as_str()}),
        ),
        ("window", json!("week")),
    ] {
        let answer = world.post(&one, &json!({param: value})).await;
        refused(&answer, 400, param, "invalid_value");
        assert!(answer.text().contains("Make another budget."));
    }
    let twenty: Vec<i64> = (981..=1_000).collect();
    let most = world
        .post(&one, &json!({"limit_usd": "0", "thresholds": twenty}))
        .await;
    assert_eq!(most.status, 200, "{}", most.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_put_only_on_what_can_spend() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let on = async |kind: &str, id: &str| {
            let body = new(&json!({"type": kind, "id": id}), "day");
            world.post("/api/budgets", &body).await
        };
        for (kind, id) in [("project", "proj_nothing"), ("key", "key_nothing")] {
            refused(&on(kind, id).await, 404, Value::Null, "not_found");
        }
        let digest = world.made.admin_key.digest();
        let find = move |tx: &mut store::Tx<'_>| keys::active_by_digest(tx, &digest);
        let admin_key = world.store.read(find).await.unwrap().unwrap();
        let answer = on("key", admin_key.principal.key.as_str()).await;
        refused(&answer, 400, "scope.id", "invalid_value");

        let spender = Spender::new(&world).await;
        assert_eq!(on("key", &spender.key).await.status, 200);
        let archive = format!("/projects/{}/archive", spender.project);
        world.post(&archive, &json!({})).await;
        for (kind, id) in [("project", &spender.project), ("key", &spender.key)] {
            refused(&on(kind, id).await, 400, Value::Null, "project_archived");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_limit_stays_one() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let limit = json!({"threshold_amount": 500, "currency": "USD", "interval": "month"});
        world.post("/spend_limit", &limit).await;
        let shown = world.get("/api/budgets").await.json()["data"][0].clone();
        assert_eq!(shown["is_spend_limit"], true);
        assert_eq!(
            (&shown["window"], &shown["force"]),
            (&json!("month"), &json!("hard"))
        );
        let path = format!("/api/budgets/{}", shown["id"].as_str().unwrap());
        for (param, value) in [
            ("force", "soft"),
            ("limit_usd", "0.015"),
            ("limit_usd", "0"),
        ] {
            let answer = world.post(&path, &json!({param: value})).await;
            refused(&answer, 400, param, "invalid_value");
        }
        let raised = json!({"limit_usd": "7.01", "thresholds": [90]});
        assert_eq!(world.post(&path, &raised).await.json()["limit_usd"], "7.01");
        let seen = world.get("/spend_limit").await.json();
        assert_eq!(seen["threshold_amount"], 701);
        world.post("/spend_limit", &limit).await;
        let replaced = world.get(&path).await.json();
        assert_eq!(replaced["limit_usd"], "5.00");
        assert_eq!(replaced["thresholds"], json!([90]), "it is the same budget");
        world.delete(&path).await;
        refused(
            &world.get("/spend_limit").await,
            404,
            Value::Null,
            "not_found",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_budgets_on_one_scope() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let spender = Spender::new(&world).await;
        let of_project = new(&json!({"type": "project", "id": spender.project}), "day");
        for _ in 0..20 {
            create(&world, &of_project).await;
        }
        let answer = world.post("/api/budgets", &of_project).await;
        refused(&answer, 400, Value::Null, "too_many_limits");
        let limit = json!({"threshold_amount": 500, "currency": "USD", "interval": "month"});
        let path = format!("/projects/{}/spend_limit", spender.project);
        let answer = world.post(&path, &limit).await;
        refused(&answer, 400, Value::Null, "too_many_limits");
        create(
            &world,
            &new(&json!({"type": "key", "id": spender.key}), "day"),
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_budgets_in_an_organization() {
    let world = World::start(testkit::databases::sqlite()).await;
    let organization = world.made.organization.clone();
    let fill = move |tx: &mut store::Tx<'_>| -> Result<(), store::StoreError> {
        for number in 0..5_000 {
            let budget = Budget {
                id: BudgetId::new(&format!("budget_{number}")),
                scope: Scope::Organization,
                window: Window::Day,
                limit: Nusd::MAX,
                force: Force::Soft,
                thresholds: Vec::new(),
            };
            let row = BudgetRow {
                budget,
                is_spend_limit: false,
                created_at: AtUs(number),
            };
            budgets::create(tx, &organization, &row)?;
        }
        Ok(())
    };
    world.store.write(fill).await.unwrap();
    let of_project = json!({"type": "project", "id": world.made.project.as_str()});
    let answer = world.post("/api/budgets", &new(&of_project, "day")).await;
    refused(&answer, 400, Value::Null, "too_many_limits");
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_that_were_reached_are_listed() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut soft = new(&json!({"type": "organization"}), "month");
        soft["force"] = json!("soft");
        let made = create(&world, &soft).await;
        let id = made["id"].as_str().unwrap();
        let crossing = |window_s, threshold, spent_cents| Crossing {
            budget: BudgetId::new(id),
            window_at: AtUs::from_seconds(window_s),
            threshold,
            limit: Nusd::from_cents(1_250).unwrap(),
            spent: Nusd::from_cents(spent_cents).unwrap(),
            at: AtUs::from_seconds(window_s + 77),
        };
        let crossings = [
            crossing(JANUARY_S, 50, 625),
            crossing(JANUARY_S, 80, 1_001),
            crossing(FEBRUARY_S, 50, 700),
        ];
        let organization = world.made.organization.clone();
        let keep = move |tx: &mut store::Tx<'_>| {
            budgets::keep_events(tx, &organization, &crossings, entropy)
        };
        let kept: Result<_, store::StoreError> = world.store.write(keep).await;
        kept.unwrap();
        let path = format!("/api/budgets/{id}/events");
        let list = world.get(&path).await.json();
        let ids = |list: &Value| {
            let events = list["data"].as_array().unwrap().iter();
            let ids = events.map(|event| event["id"].as_str().unwrap().to_owned());
            ids.collect::<Vec<_>>()
        };
        let names = ["1801440000-50", "1798761600-80", "1798761600-50"];
        assert_eq!(ids(&list), names);
        let want = json!({
            "id": "1798761600-80",
            "object": "budget.event",
            "window_starts_at": JANUARY_S,
            "threshold": 80,
            "limit_usd": "12.50",
            "spent_usd": "10.01",
            "created_at": JANUARY_S + 77,
        });
        assert_eq!(list["data"][1], want);
        let page = world
            .get(&format!("{path}?limit=1&after={}", names[0]))
            .await;
        assert_eq!(ids(&page.json()), names[1..2]);
        assert_eq!(page.json()["has_more"], true);
        for after in ["nothing", "1-", "1798761600", "1-99999999"] {
            let answer = world.get(&format!("{path}?after={after}")).await;
            refused(&answer, 400, "after", "invalid_value");
        }
    })
    .await;
}
