//! Papers about money, as organizations get them.

// SQL in a test: another organization, which nothing makes without signing up.

use std::sync::atomic::Ordering;

use domain::document::{Line, PaidWith, Party, Seller};
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::{AtUs, HOUR_US};
use serde_json::{Value, json};
use store::grants::{self, Grant, GrantError};
use store::receipts::{self, Refunded, Sale};
use store::{StoreError, billing_profiles};
use testkit::on_each_database;

use crate::spending::Spender;
use crate::world::{START_S, World, refused};

const DOLLAR: i64 = 1_000_000_000;

fn seller() -> Seller {
    Seller {
        party: Party {
            name: "Fare & Co.".into(),
            address: "1 Main Street\nSpringfield".into(),
            country: "US".into(),
            tax_id: "US-1".into(),
            email: "billing@fare.example".into(),
        },
        prefix: "F-".into(),
    }
}

/// A purchase of $10 with its receipt, and a refund of $4 with its credit note.
async fn trade(world: &World) {
    let organization = world.made.organization.clone();
    let now = AtUs::from_seconds(START_S);
    let traded = world.store.write(move |tx| -> Result<(), StoreError> {
        billing_profiles::set_seller(tx, &seller(), now)?;
        let sale = Sale {
            purchase: "payment:pay_1",
            organization: &organization,
            lines: vec![Line {
                description: "Prepaid credit".into(),
                amount: Nusd::new(10 * DOLLAR),
            }],
            tax: Nusd::new(1_900_000_000),
            tax_percent: "19",
            paid_with: Some(PaidWith {
                brand: "visa".into(),
                last4: "4242".into(),
            }),
        };
        receipts::issue(tx, &sale, now)?;
        let refunded = Refunded {
            refund: "refund:re_1",
            purchase: "payment:pay_1",
            amount: Nusd::new(4 * DOLLAR),
            tax: Nusd::new(760_000_000),
            reason: "asked for",
        };
        receipts::credit(tx, &refunded, now.plus(1)).expect("it is issued");
        Ok(())
    });
    traded.await.expect("it is written");
}

/// Turns the clock to so many seconds.
fn turn_to(world: &World, seconds: i64) {
    world.now.store(seconds * 1_000_000, Ordering::Relaxed);
}

async fn grant(world: &World, id: &str, amount: i64, reason: &str, at: AtUs) {
    let grant = Grant {
        id: id.into(),
        organization: world.made.organization.clone(),
        amount: Nusd::new(amount),
        expires_at: None,
        reason: reason.into(),
        actor: "operator".into(),
    };
    let given = world
        .store
        .write(move |tx| -> Result<_, GrantError> { grants::give(tx, &grant, at) });
    given.await.expect("it is given");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_what_new_papers_name() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let before = world.get("/api/billing/profile").await.json();
        assert_eq!(
            (&before["name"], &before["country"]),
            (&json!("Acme"), &json!(""))
        );
        let profile = json!({
            "name": "ΑΒΓ Ένωση", "address": " ул. Граф 5 \r\n1000 София\n", "country": "BG",
            "tax_id": "BG123", "email": "Books@Example.com",
        });
        let set = world.post("/api/billing/profile", &profile).await;
        assert_eq!(set.status, 200, "{}", set.text());
        let set = set.json();
        assert_eq!(set["address"], "ул. Граф 5\n1000 София");
        assert_eq!(set["email"], "books@example.com");
        assert_eq!(world.get("/api/billing/profile").await.json(), set);
        let less = world
            .post("/api/billing/profile", &json!({"name": "", "tax_id": ""}))
            .await;
        let less = less.json();
        assert_eq!(
            (&less["name"], &less["tax_id"]),
            (&json!("Acme"), &json!(""))
        );
        assert_eq!(less["country"], "BG", "what is not named stays");
        for (param, wrong) in [
            ("name", json!("a".repeat(257))),
            ("name", json!("two\nlines")),
            ("address", json!("1\n2\n3\n4\n5\n6\n7")),
            ("address", json!("a".repeat(501))),
            ("address", json!("a\u{0}b")),
            ("country", json!("de")),
            ("country", json!("DEU")),
            ("tax_id", json!("1".repeat(65))),
            ("email", json!("nobody")),
            ("email", json!(5)),
        ] {
            let answer = world
                .post("/api/billing/profile", &json!({param: wrong}))
                .await;
            assert_eq!(answer.status, 400, "{param}: {wrong}");
            assert_eq!(answer.json()["error"]["param"], param, "{wrong}");
        }
        assert_eq!(world.get("/api/billing/profile").await.json(), less);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn papers_are_listed_and_come_in_every_form() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        trade(&world).await;
        let first = world.get("/api/billing/receipts?limit=1").await.json();
        assert_eq!(first["has_more"], true);
        let note = &first["data"][0];
        assert_eq!(note["id"], "F-CN-2027-000001");
        assert_eq!(
            (&note["kind"], &note["total_usd"]),
            (&json!("credit_note"), &json!("4.76"))
        );
        assert_eq!(note["of_receipt"], "F-2027-000001");
        let after = "/api/billing/receipts?after=F-CN-2027-000001";
        let rest = world.get(after).await.json();
        let receipt = &rest["data"][0];
        assert_eq!(rest["has_more"], false);
        assert_eq!(receipt["seller"]["name"], "Fare & Co.");
        assert_eq!(receipt["buyer"]["name"], "Acme");
        assert_eq!(
            receipt["paid_with"],
            json!({"brand": "visa", "last4": "4242"})
        );
        let one = world
            .get("/api/billing/receipts/F-2027-000001")
            .await
            .json();
        assert_eq!(one, *receipt);

        let page = world.get("/api/billing/receipts/F-2027-000001.html").await;
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let policy = page.header("content-security-policy").expect("it has one");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let text = page.text();
        assert!(
            text.contains("Fare &amp; Co.") && text.contains("$11.90 paid on"),
            "{text}"
        );
        let file = world.get("/api/billing/receipts/F-2027-000001.pdf").await;
        assert_eq!(file.header("content-type"), Some("application/pdf"));
        let name = "attachment; filename=\"F-2027-000001.pdf\"";
        assert_eq!(file.header("content-disposition"), Some(name));
        assert!(file.body.starts_with(b"%PDF-"), "it is a file");
        let again = world.get("/api/billing/receipts/F-2027-000001.pdf").await;
        assert_eq!(file.body, again.body, "always the same");
        for nothing in [
            "F-2027-000009",
            "F-2027-000001.csv",
            "F-2027-000009.pdf",
            "x",
        ] {
            let answer = world.get(&format!("/api/billing/receipts/{nothing}")).await;
            assert_eq!(answer.status, 404, "{nothing}");
        }
        let answer = world.get("/api/billing/receipts?after=F-2027-000009").await;
        refused(&answer, 400, "after", "invalid_value");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn months_follow_each_other_and_the_present_one_is_so_far() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let spender = Spender::new(&world).await;
        let start = AtUs::from_seconds(START_S);
        grant(&world, "g", 5 * DOLLAR, "a start", start).await;
        spender.spend(&world, 125, start.plus(HOUR_US)).await;
        // The clock goes on to the next month.
        turn_to(&world, START_S + 20 * 86_400);
        let list = world.get("/api/billing/statements").await.json();
        let months = |index: usize| list["data"][index].clone();
        assert_eq!(list["data"].as_array().map(Vec::len), Some(2));
        assert_eq!(
            (&months(0)["id"], &months(1)["id"]),
            (&json!("2027-02"), &json!("2027-01"))
        );
        assert_eq!(months(0)["is_final"], false);
        assert_eq!(months(1)["is_final"], true);
        assert_eq!(months(1)["closing_usd"], "103.75");
        assert_eq!(months(0)["opening_usd"], months(1)["closing_usd"]);
        assert_eq!(months(1)["opening_usd"], "0.00");
        let after = world
            .get("/api/billing/statements?after=2027-02&limit=1")
            .await
            .json();
        assert_eq!(after["data"], json!([months(1)]));

        let january = world.get("/api/billing/statements/2027-01").await.json();
        assert_eq!(january["closing_usd"], "103.75");
        assert_eq!(
            january["movements"],
            json!([
                {"kind": "grant", "count": 2, "amount_usd": "105.00"}
            ])
        );
        assert_eq!(january["usage"][0]["project_name"], "p");
        assert_eq!(january["usage"][0]["amount_usd"], "1.25");
        let table = world
            .get("/api/billing/statements/2027-01.csv")
            .await
            .text();
        let lines: Vec<&str> = table.split_terminator("\r\n").collect();
        assert_eq!(lines[1], "opening_balance,,,,,,,,0.00");
        assert_eq!(lines.last(), Some(&"closing_balance,,,,,,,,103.75"));
        let page = world
            .get("/api/billing/statements/2027-02.html")
            .await
            .text();
        assert!(
            page.contains("$103.75 left so far in February 2027"),
            "{page}"
        );
        let file = world.get("/api/billing/statements/2027-01.pdf").await;
        assert!(file.body.starts_with(b"%PDF-"), "it is a file");
        for nothing in ["2026-12", "2027-03", "2027-13", "x", "2027-01.txt"] {
            let answer = world
                .get(&format!("/api/billing/statements/{nothing}"))
                .await;
            assert_eq!(answer.status, 404, "{nothing}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_told_once_when_a_month_is_final() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        // 2027-02-01, UTC.
        let february = START_S + 16 * 86_400 + 16 * 3_600;
        let told = async |seconds: i64| {
            turn_to(&world, seconds);
            // One look tells, the next finds that all were told.
            for _ in 0..2 {
                world.caretaker.tend().await;
            }
            let read = world.store.read(|tx| {
                // SQL in a test: alerts are read by nobody else yet.
                let sql = "SELECT cause FROM alerts WHERE kind = 'statement_ready'";
                tx.query(sql, &[])
            });
            let rows = read.await.expect("they are read");
            rows.iter()
                .map(|row| row.text(0).expect("a month").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(february + 3_590).await,
            [""; 0],
            "requests may still be settled"
        );
        assert_eq!(told(february + 3_601).await, ["2027-01"]);
        assert_eq!(told(february + 5 * 86_400).await, ["2027-01"], "once");
        assert_eq!(
            told(february + 40 * 86_400).await,
            ["2027-01"],
            "nothing moved in February"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_whole_however_many_pages_they_take() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let spender = Spender::new(&world).await;
        let start = AtUs::from_seconds(START_S);
        // More than two pages, many of one instant.
        for index in 0..2_100_i64 {
            if index % 700 == 0 {
                let at = start.plus(index);
                grants_at(&world, index, 700, at).await;
            }
        }
        grant(&world, "last", DOLLAR, "=1+1, \"x\"", start.plus(HOUR_US)).await;
        for cents in 1..4 {
            spender
                .spend(&world, cents, start.plus(cents * 1_000_000))
                .await;
        }
        turn_to(&world, START_S + 86_400);
        let url = format!("/api/billing/exports/movements?start_time={START_S}");
        let answer = world.get(&url).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-farebox-rows"), Some("2102"));
        assert_eq!(
            answer.header("content-type"),
            Some("text/csv; charset=utf-8; header=present")
        );
        let text = answer.text();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines[0], "id,at,kind,amount_usd,reason");
        assert_eq!(lines.len(), 2_103);
        let mut ids: Vec<&str> = lines[1..]
            .iter()
            .map(|line| line.split(',').next().unwrap_or(""))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2_102, "none twice");
        assert_eq!(
            lines.last(),
            Some(&"last,2027-01-15T09:00:00Z,grant,1.00,\"'=1+1, \"\"x\"\"\"")
        );
        let part = format!("{url}&end_time={}", START_S + 3_600);
        let part = world.get(&part).await;
        assert_eq!(
            part.header("x-farebox-rows"),
            Some("2101"),
            "the end is not in it"
        );

        let url = format!("/api/billing/exports/usage?start_time={START_S}");
        let answer = world.get(&url).await;
        assert_eq!(answer.header("x-farebox-rows"), Some("3"));
        let text = answer.text();
        let costs: Vec<&str> = text
            .split_terminator("\r\n")
            .skip(1)
            .filter_map(|line| line.rsplit(',').next())
            .collect();
        assert_eq!(costs, ["0.01", "0.02", "0.03"]);
        for (query, param) in [
            ("", "start_time"),
            ("start_time=x", "start_time"),
            ("start_time=5&end_time=4", "end_time"),
        ] {
            let answer = world
                .get(&format!("/api/billing/exports/usage?{query}"))
                .await;
            assert_eq!(answer.status, 400, "{query}");
            assert_eq!(answer.json()["error"]["param"], param, "{query}");
        }
    })
    .await;
}

/// So many grants of a nano-dollar in one transaction.
async fn grants_at(world: &World, first: i64, count: i64, at: AtUs) {
    let organization = world.made.organization.clone();
    let given = world.store.write(move |tx| -> Result<(), GrantError> {
        for index in first..first + count {
            let grant = Grant {
                id: format!("g-{index}"),
                organization: organization.clone(),
                amount: Nusd::new(1),
                expires_at: None,
                reason: "one of many".into(),
                actor: "operator".into(),
            };
            grants::give(tx, &grant, at)?;
        }
        Ok(())
    });
    given.await.expect("they are given");
}

#[tokio::test(flavor = "multi_thread")]
async fn papers_are_nobody_elses_business() {
    let world = World::start(testkit::databases::sqlite()).await;
    let now = AtUs::from_seconds(START_S);
    let issued = world.store.write(move |tx| -> Result<_, StoreError> {
        let sql = "INSERT INTO organizations (id, name, created_at_us) VALUES ('org-b', 'B', 1)";
        tx.execute_one(sql, &[])?;
        let sale = Sale {
            purchase: "payment:pay_b",
            organization: &OrganizationId::new("org-b"),
            lines: vec![Line {
                description: "Prepaid credit".into(),
                amount: Nusd::new(DOLLAR),
            }],
            tax: Nusd::ZERO,
            tax_percent: "0",
            paid_with: None,
        };
        receipts::issue(tx, &sale, now)
    });
    let number = issued.await.expect("it is issued").number;
    for ending in ["", ".html", ".pdf"] {
        let answer = world
            .get(&format!("/api/billing/receipts/{number}{ending}"))
            .await;
        refused(&answer, 404, Value::Null, "not_found");
    }
    assert_eq!(
        world.get("/api/billing/receipts").await.json()["data"],
        json!([])
    );
}
