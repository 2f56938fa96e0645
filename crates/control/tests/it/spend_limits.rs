//! Spend limits in OpenAI's form: set, replaced, shown, deleted, and whether they enforce.

use std::sync::atomic::Ordering;

use domain::budget::{Force, Scope};
use domain::id::{BudgetId, ProjectId};
use domain::money::Nusd;
use domain::window::Window;
use serde_json::{Value, json};
use store::budgets;
use testkit::http::Answer;
use testkit::on_each_database;

use crate::spending::Spender;
use crate::world::{World, refused};

fn limit(cents: i64) -> Value {
    json!({"threshold_amount": cents, "currency": "USD", "interval": "month"})
}

/// Where limits are, and what they are called there.
fn places(project: &str) -> [(String, &'static str); 2] {
    [
        ("/spend_limit".into(), "organization.spend_limit"),
        (
            format!("/projects/{project}/spend_limit"),
            "project.spend_limit",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_set_replaced_and_deleted() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        for (path, object) in places(world.made.project.as_str()) {
            refused(&world.get(&path).await, 404, Value::Null, "not_found");
            refused(&world.delete(&path).await, 404, Value::Null, "not_found");
            for cents in [1, 12_345, 400_000_000_000_i64] {
                let shown = json!({
                    "object": object,
                    "threshold_amount": cents,
                    "currency": "USD",
                    "interval": "month",
                    "enforcement": {"status": "inactive"},
                });
                assert_eq!(world.post(&path, &limit(cents)).await.json(), shown);
                assert_eq!(world.get(&path).await.json(), shown);
            }
        }
        let of_project = ProjectId::new(world.made.project.as_str());
        for (project, scope) in [
            (None, Scope::Organization),
            (Some(of_project.clone()), Scope::Project(of_project)),
        ] {
            let id = world.made.organization.clone();
            let read = move |tx: &mut store::Tx<'_>| {
                Ok::<_, store::StoreError>((
                    budgets::spend_limit(tx, &id, project.as_ref())?,
                    budgets::count(tx, &id, &Scope::Organization)?,
                ))
            };
            let (row, count) = world.store.read(read).await.unwrap();
            let budget = row.unwrap().budget;
            assert_eq!(count, (1, 2), "replaced, not added");
            assert_eq!(budget.scope, scope);
            assert_eq!(
                (budget.window, budget.force),
                (Window::Month, Force::Hard),
                "what admission works by"
            );
            assert_eq!(budget.limit, Nusd::MAX);
        }
        for (path, object) in places(world.made.project.as_str()) {
            let gone = json!({"object": format!("{object}.deleted"), "deleted": true});
            assert_eq!(world.delete(&path).await.json(), gone);
            refused(&world.get(&path).await, 404, Value::Null, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_limit_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    let table = [
        ("threshold_amount", json!(0), "invalid_value"),
        ("threshold_amount", json!(-1), "invalid_value"),
        ("threshold_amount", json!(10.5), "invalid_value"),
        ("threshold_amount", json!(10.0), "invalid_value"),
        (
            "threshold_amount",
            json!(400_000_000_001_i64),
            "invalid_value",
        ),
        ("threshold_amount", json!(u64::MAX), "invalid_value"),
        ("threshold_amount", json!("100"), "invalid_type"),
        ("threshold_amount", json!(true), "invalid_type"),
        (
            "threshold_amount",
            Value::Null,
            "missing_required_parameter",
        ),
        ("currency", json!("usd"), "invalid_value"),
        ("currency", json!("EUR"), "invalid_value"),
        ("currency", json!(1), "invalid_type"),
        ("currency", Value::Null, "missing_required_parameter"),
        ("interval", json!("week"), "invalid_value"),
        ("interval", json!([]), "invalid_type"),
        ("interval", Value::Null, "missing_required_parameter"),
    ];
    for (path, _) in places(world.made.project.as_str()) {
        for (param, value, code) in &table {
            let mut body = limit(100);
            body[param] = value.clone();
            refused(&world.post(&path, &body).await, 400, *param, *code);
            body.as_object_mut().unwrap().remove(*param);
            let missing = "missing_required_parameter";
            refused(&world.post(&path, &body).await, 400, *param, missing);
        }
        refused(&world.get(&path).await, 404, Value::Null, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_enforces_when_nothing_is_left_of_its_month() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let spender = Spender::new(&world).await;
        let path = format!("/projects/{}/spend_limit", spender.project);
        let status = async |path: &str| status(&world.get(path).await);
        let now = domain::time::AtUs(world.now.load(Ordering::Relaxed));
        world.post(&path, &limit(10)).await;
        world.post("/spend_limit", &limit(11)).await;
        spender.spend(&world, 9, now).await;
        assert_eq!(status(&path).await, "inactive");
        spender.spend(&world, 1, now).await;
        assert_eq!(status(&path).await, "enforcing");
        assert_eq!(status("/spend_limit").await, "inactive");
        let raised = world.post(&path, &limit(11)).await;
        assert_eq!(self::status(&raised), "inactive");
        spender.hold(&world, 1, now).await;
        assert_eq!(status(&path).await, "enforcing", "the rest is held");
        assert_eq!(status("/spend_limit").await, "enforcing");
        let lowered = world.post(&path, &limit(1)).await;
        assert_eq!(self::status(&lowered), "enforcing");

        let other = Spender::new(&world).await;
        let elsewhere = format!("/projects/{}/spend_limit", other.project);
        world.post(&elsewhere, &limit(1)).await;
        assert_eq!(status(&elsewhere).await, "inactive");
        let next_month = Window::Month.span(now).end;
        world.now.store(next_month.0, Ordering::Relaxed);
        assert_eq!(status(&path).await, "inactive");
    })
    .await;
}

/// What is left may be too little for what is asked: only the data plane knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_enforces_when_the_data_plane_refuses_for_it() {
    let world = World::start(testkit::databases::sqlite()).await;
    for (path, _) in places(world.made.project.as_str()) {
        world.post(&path, &limit(5)).await;
    }
    let list = world.get("/api/budgets").await.json();
    let id = list["data"][1]["id"].as_str().unwrap();
    world.refusing.lock().unwrap().insert(BudgetId::new(id));
    let [of_organization, of_project] = places(world.made.project.as_str());
    assert_eq!(status(&world.get(&of_organization.0).await), "inactive");
    assert_eq!(status(&world.get(&of_project.0).await), "enforcing");
    let path = format!("/api/budgets/{id}");
    let standing = &world.get(&path).await.json()["standing"];
    assert_eq!(
        (&standing["remaining_usd"], &standing["is_enforcing"]),
        (&json!("0.05"), &json!(true))
    );
}

fn status(limit: &Answer) -> String {
    let status = &limit.json()["enforcement"]["status"];
    status.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_must_be_there_and_in_use() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let nowhere = "/projects/proj_nothing/spend_limit";
        for answer in [
            world.get(nowhere).await,
            world.post(nowhere, &limit(1)).await,
            world.delete(nowhere).await,
        ] {
            refused(&answer, 404, Value::Null, "not_found");
        }
        let project = Spender::new(&world).await.project;
        let path = format!("/projects/{project}/spend_limit");
        world.post(&path, &limit(5)).await;
        world
            .post(&format!("/projects/{project}/archive"), &json!({}))
            .await;
        for answer in [
            world.post(&path, &limit(1)).await,
            world.delete(&path).await,
        ] {
            refused(&answer, 400, Value::Null, "project_archived");
        }
        assert_eq!(world.get(&path).await.json()["threshold_amount"], 5);
    })
    .await;
}

/// Whoever is second sees what the first made, or is told to try again: there is one limit.
#[tokio::test(flavor = "multi_thread")]
async fn limits_set_at_the_same_time_are_one_limit() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let set = |cents| {
            let world = &world;
            async move { world.post("/spend_limit", &limit(cents)).await.status }
        };
        let (a, b, c, d) = tokio::join!(set(1), set(2), set(3), set(4));
        let statuses = [a, b, c, d];
        let fine = |status: &u16| [200, 409].contains(status);
        assert!(statuses.iter().all(fine), "{statuses:?}");
        assert!(statuses.contains(&200), "{statuses:?}");
        let id = world.made.organization.clone();
        let count = move |tx: &mut store::Tx<'_>| budgets::count(tx, &id, &Scope::Organization);
        let count: Result<_, store::StoreError> = world.store.read(count).await;
        assert_eq!(count.unwrap(), (1, 1));
    })
    .await;
}
