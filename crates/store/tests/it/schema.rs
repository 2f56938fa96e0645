//! Both databases get the same tables, once, and the books cannot be edited.

use std::collections::BTreeMap;

use store::audit::{self, Act, Actor, Event, Kind};
use store::{OpenError, Role, StoreError};
use testkit::on_each_database;

use crate::fixture::{Customer, Outside, clock, entropy, execute, open, rows, serve, settlement};

/// The columns of each table: name, type, whether it may be null.
type Tables = BTreeMap<String, Vec<(String, String, bool)>>;

const SQLITE_COLUMNS: &str = "
    SELECT t.name, c.name, c.type, MAX(c.\"notnull\", c.pk > 0 AND c.type = 'INTEGER')
    FROM sqlite_schema t JOIN pragma_table_info(t.name) c
    WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid";
const POSTGRES_COLUMNS: &str = "
    SELECT table_name::text, column_name::text, data_type::text,
           CASE WHEN is_nullable = 'NO' THEN 1::bigint ELSE 0::bigint END
    FROM information_schema.columns WHERE table_schema = 'public'
    ORDER BY table_name, ordinal_position";

async fn tables(store: &store::Store, name: &str) -> Tables {
    let sql = match name {
        "sqlite" => SQLITE_COLUMNS,
        _ => POSTGRES_COLUMNS,
    };
    let mut tables = Tables::new();
    for row in rows(store, sql).await {
        let text = |index| row.text(index).expect("text").to_lowercase();
        let kind = match text(2).as_str() {
            "integer" | "bigint" => "bigint".to_owned(),
            "blob" | "bytea" => "bytea".to_owned(),
            other => other.to_owned(),
        };
        // A view's columns are never declared not null.
        let nullable = row.int(3).expect("a number") == 0 && text(0) != "postings";
        let column = match text(0).as_str() {
            "postings" => (text(1), String::new(), nullable),
            _ => (text(1), kind, nullable),
        };
        tables.entry(text(0)).or_default().push(column);
    }
    tables
}

#[tokio::test]
async fn both_databases_get_the_same_tables() {
    let mut found = Vec::new();
    for database in testkit::databases().await {
        let store = serve(&database).await;
        found.push(tables(&store, database.name).await);
        store.close().await;
    }
    assert!(
        found[0].contains_key("usage_records"),
        "{:?}",
        found[0].keys()
    );
    assert_eq!(found[0], found[1]);
}

#[tokio::test]
async fn opening_again_changes_nothing_but_the_epoch() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        Customer::new(&store, 5).await;
        let before = tables(&store, database.name).await;
        let migrations = "SELECT version, applied_at_us FROM migrations";
        let applied = rows(&store, migrations).await;
        store.close().await;
        drop(store);
        // On PostgreSQL a server that ends in good order ends its epoch, too.
        let after_two = if database.name == "sqlite" { 2 } else { 3 };
        for (role, epoch) in [
            (Role::Server, 2),
            (Role::Command, after_two),
            (Role::Reader, after_two),
        ] {
            let store = open(&database.url, role).await.expect("it opens");
            assert_eq!(tables(&store, database.name).await, before);
            assert_eq!(rows(&store, migrations).await, applied);
            assert_eq!(
                rows(&store, "SELECT epoch FROM nodes").await[0].int(0).ok(),
                Some(epoch)
            );
            store.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_every_role() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        execute(&store, "INSERT INTO migrations VALUES (99, 0)")
            .await
            .expect("it runs");
        store.close().await;
        drop(store);
        for role in [Role::Server, Role::Command, Role::Reader] {
            let refused = open(&database.url, role).await.err().expect("refused");
            assert!(
                matches!(refused, OpenError::TooNew { found: 99, .. }),
                "{refused}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_reader_never_makes_or_upgrades_an_installation() {
    on_each_database(async |database| {
        let refused = open(&database.url, Role::Reader)
            .await
            .err()
            .expect("refused");
        assert!(
            refused.to_string().contains("Run `farebox setup` first"),
            "{refused}"
        );
        if let Some(path) = database.url.strip_prefix("sqlite://") {
            let folder = std::path::Path::new(path)
                .parent()
                .expect("it has a folder");
            assert_eq!(std::fs::read_dir(folder).expect("it is there").count(), 0);
        }
        let outside = Outside::at(&database.url).await;
        outside.run("CREATE TABLE else_ (id TEXT)").await;
        let refused = open(&database.url, Role::Reader)
            .await
            .err()
            .expect("refused");
        assert!(matches!(refused, OpenError::NotSetUp), "{refused}");
        outside
            .run("CREATE TABLE migrations (version BIGINT, applied_at_us BIGINT)")
            .await;
        outside.run("INSERT INTO migrations VALUES (0, 0)").await;
        let refused = open(&database.url, Role::Reader)
            .await
            .err()
            .expect("refused");
        assert!(matches!(refused, OpenError::NotSetUp), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn what_was_booked_cannot_be_edited() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let of = customer.organization.clone();
        let write = store.write(move |tx| {
            let act = Act {
                actor: &Actor::operator(),
                organization: &of,
                at: clock()(),
                entropy,
            };
            audit::record(tx, &act, &[Event::new(Kind::CreditGranted, "grant")])
        });
        write.await.expect("an entry");
        let withdraw = "INSERT INTO price_withdrawals SELECT id, 1 FROM prices";
        execute(&store, withdraw).await.expect("a withdrawal");
        let organization = "INSERT INTO organizations VALUES ('org-a', '', 1, NULL, NULL)";
        execute(&store, organization).await.expect("a row");
        let mark_up = "INSERT INTO markups SELECT 'markup_1', id, NULL, 1, 1, 1 FROM organizations";
        execute(&store, mark_up).await.expect("a markup");
        let end = "INSERT INTO markup_ends VALUES ('markup_1', 1)";
        execute(&store, end).await.expect("its end");
        let hold = customer.hold(50);
        let _ = store.ledger().hold(hold.clone());
        let used = domain::usage::Usage::text(1, 1);
        let ticket = store.ledger().settle(settlement(&hold, used));
        ticket.durable().await.expect("durable");
        for sql in [
            "UPDATE transfers SET amount_nusd = amount_nusd + 1",
            "DELETE FROM transfers",
            "UPDATE usage_records SET flags = 0",
            "DELETE FROM usage_records",
            "UPDATE batches SET hash = previous_hash",
            "DELETE FROM batches",
            "UPDATE prices SET price = cost",
            "DELETE FROM prices",
            "UPDATE price_withdrawals SET withdrawn_at_us = 0",
            "DELETE FROM price_withdrawals",
            "UPDATE markups SET markup_bp = 0",
            "DELETE FROM markups",
            "UPDATE markup_ends SET ended_at_us = 0",
            "DELETE FROM markup_ends",
            "UPDATE audit_log SET email = NULL",
            "DELETE FROM audit_log",
        ] {
            let refused = execute(&store, sql).await.expect_err(sql).to_string();
            let table = [
                "transfers",
                "usage_records",
                "batches",
                "prices",
                "price_withdrawals",
                "markups",
                "markup_ends",
                "audit_log",
            ]
            .into_iter()
            .find(|table| sql.contains(table))
            .expect("one of them");
            let reason = format!("{table} is append-only: correct it with another row");
            assert!(refused.contains(&reason), "{sql}: {refused}");
        }
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn both_databases_refuse_what_no_row_may_say() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let wallet = format!("wallet:{}", customer.organization);
        let above_most = "4000000000000000001";
        for sql in [
            format!("UPDATE accounts SET held_nusd = 101 WHERE id = '{wallet}'"),
            format!("UPDATE accounts SET debits_nusd = -1 WHERE id = '{wallet}'"),
            format!("UPDATE accounts SET credits_nusd = {above_most} WHERE id = '{wallet}'"),
            "INSERT INTO transfers VALUES ('o', 't', 'a', 'a', 1, 'grant', NULL, '', '', 0, 'c', 1, NULL, NULL)"
                .into(),
            "INSERT INTO transfers VALUES ('o', 't', 'a', 'b', 0, 'grant', NULL, '', '', 0, 'c', 1, NULL, NULL)"
                .into(),
            "INSERT INTO accounts VALUES ('grants', 1, 0, 0, 0, 0)".into(),
        ] {
            let refused = execute(&store, &sql).await;
            assert!(
                matches!(refused, Err(StoreError::Conflict(_))),
                "{sql}: {refused:?}"
            );
        }
        store.close().await;
    })
    .await;
}
