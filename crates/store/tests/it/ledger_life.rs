//! A request's money from grant to charge: what each step leaves in the rows.

use domain::money::Nusd;
use domain::usage::{Reported, Usage};
use store::grants::GrantError;
use store::{LedgerError, LedgerState, Role, StoreError};
use testkit::{eventually, on_each_database};

use crate::fixture::{
    Customer, Outside, assert_verified, execute, number, open, rows, serve, settlement,
};

#[tokio::test]
async fn money_goes_from_grant_through_hold_to_charge() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let ledger = store.ledger();
        let customer = Customer::new(&store, 1_000).await;
        assert_eq!(customer.money(&store).await, (1_000, 1_000));

        let hold = customer.hold(100);
        ledger.hold(hold.clone()).durable().await.expect("durable");
        assert_eq!(customer.money(&store).await, (1_000, 900));
        assert_verified(&store).await;

        // 10 input and 20 output tokens and the request: 10 + 40 + 3.
        let settled = settlement(&hold, Usage::text(10, 20));
        ledger.settle(settled).durable().await.expect("durable");
        assert_eq!(customer.money(&store).await, (947, 947));

        let given_back = customer.hold(947);
        let ticket = ledger.hold(given_back.clone());
        ticket.durable().await.expect("durable");
        assert_eq!(customer.money(&store).await, (947, 0));
        ledger.release(given_back.id);
        eventually("the released hold is gone", async || {
            customer.money(&store).await == (947, 947)
        })
        .await;
        assert_eq!(number(&store, "SELECT COUNT(*) FROM holds").await, 0);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_settlement_is_kept_in_full_in_one_commit() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let hold = customer.hold(60);
        let usage = Usage::from_reported(&Reported {
            input_tokens: 20,
            cached_input_tokens: 5,
            cache_write_tokens: 4,
            audio_input_tokens: 3,
            image_input_tokens: 2,
            output_tokens: 30,
            reasoning_tokens: 11,
            audio_output_tokens: 7,
        });
        let _ = store.ledger().hold(hold.clone());
        let ticket = store.ledger().settle(settlement(&hold, usage));
        ticket.durable().await.expect("durable");

        // 20 + 2 * 30 + 3 = 83, of which the hold pays 60; the operator pays 2 + 6.
        let id = hold.id;
        let organization = customer.organization.as_str();
        let record = rows(
            &store,
            "SELECT project_id, key_id, model, upstream_id, endpoint, price_id,
                    fresh_input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
                    reasoning_tokens, audio_input_tokens, audio_output_tokens, image_tokens,
                    held_nusd, cost_nusd, input_cost_nusd, cached_input_cost_nusd,
                    output_cost_nusd, request_cost_nusd, overrun_nusd, upstream_cost_nusd,
                    admitted_at_us FROM usage_records",
        )
        .await;
        assert_eq!(record.len(), 1);
        let text = |index| record[0].text(index).expect("text").to_owned();
        let words = [text(0), text(1), text(2), text(3), text(4), text(5)];
        let price_id = hold.price_id.as_str();
        assert_eq!(words, ["proj_a", "key_a", "m", "up", "chat", price_id]);
        let numbers: Vec<i64> = (6..22)
            .map(|i| record[0].int(i).expect("a number"))
            .collect();
        let tokens = [6, 5, 4, 12, 11, 3, 7, 2];
        let money = [60, 60, 15, 5, 40, 0, 23, 8];
        assert_eq!(numbers, [tokens, money].concat());
        assert_eq!(record[0].int(22).ok(), Some(hold.admitted_at.0));
        let moved = rows(
            &store,
            "SELECT id, organization_id, debit_account, credit_account, code, request_id,
                    amount_nusd FROM transfers WHERE code <> 'grant' ORDER BY id",
        )
        .await;
        let got: Vec<String> = moved
            .iter()
            .map(|row| {
                let words: Vec<&str> = (0..6).map(|index| row.text(index).expect("text")).collect();
                format!("{} {}", words.join(" "), row.int(6).expect("a number"))
            })
            .collect();
        let wallet = format!("wallet:{organization}");
        assert_eq!(
            got,
            [
                format!("{id} {organization} {wallet} revenue:main usage {id} 60"),
                format!("{id}:overrun {organization} overrun revenue:main overrun {id} 23"),
                format!(
                    "{id}:upstream_cost {organization} upstream_cost:up upstream_payable:up \
                     upstream_cost {id} 8"
                ),
            ]
        );
        assert_eq!(
            customer.money(&store).await,
            (940, 940),
            "never above the hold"
        );
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn hours_are_the_sums_of_their_requests() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000_000).await;
        let mut tickets = Vec::new();
        for tokens in 1..=40 {
            let hold = customer.hold(200);
            let _ = store.ledger().hold(hold.clone());
            let settled = settlement(&hold, Usage::text(tokens, 1));
            tickets.push(store.ledger().settle(settled));
            if tokens % 16 == 0 {
                // In several commits, so that hours are also added to.
                tickets
                    .pop()
                    .expect("pushed")
                    .durable()
                    .await
                    .expect("durable");
            }
        }
        for ticket in tickets {
            ticket.durable().await.expect("durable");
        }
        let sums = "SELECT CAST(SUM(requests) AS BIGINT), CAST(SUM(fresh_input_tokens) AS BIGINT),
                           CAST(SUM(cost_nusd) AS BIGINT) FROM usage_hours";
        let row = &rows(&store, sums).await[0];
        let sum = |index| row.int(index).expect("a number");
        assert_eq!((sum(0), sum(1), sum(2)), (40, 820, 820 + 40 * 5));
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_hold_that_nobody_waits_for_is_written_soon() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let _unawaited = store.ledger().hold(customer.hold(100));
        eventually("the hold is written by itself", async || {
            number(&store, "SELECT COUNT(*) FROM holds").await == 1
        })
        .await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_that_ends_in_its_batch_never_writes_its_hold() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let ledger = store.ledger();
        let customer = Customer::new(&store, 1_000).await;
        let outside = Outside::at(&database.url).await;
        outside.run("CREATE TABLE seen (id TEXT)").await;
        outside
            .run(match outside {
                Outside::Sqlite(_) => {
                    "CREATE TRIGGER see AFTER INSERT ON holds
                     BEGIN INSERT INTO seen VALUES (NEW.id); END"
                }
                Outside::Postgres(_) => {
                    "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN INSERT INTO seen VALUES (NEW.id); RETURN NEW; END $$;
                     CREATE TRIGGER see AFTER INSERT ON holds FOR EACH ROW EXECUTE FUNCTION see()"
                }
            })
            .await;

        // The writer is stuck with the first, so that all that follows falls in one batch.
        outside.hold_up().await;
        let first = customer.hold(10);
        let stuck = tokio::spawn(ledger.hold(first.clone()).durable());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let (charged, dropped) = (customer.hold(20), customer.hold(30));
        let _ = ledger.hold(charged.clone());
        let _ = ledger.hold(dropped.clone());
        ledger.checkpoint(charged.id, 5, 5);
        ledger.release(dropped.id);
        let settled = ledger.settle(settlement(&charged, Usage::text(1, 1)));
        outside.let_go().await;
        stuck.await.expect("no panic").expect("durable");
        settled.durable().await.expect("durable");

        let seen = rows(&store, "SELECT id FROM seen").await;
        let seen: Vec<&str> = seen.iter().map(|row| row.text(0).expect("text")).collect();
        assert_eq!(seen, [first.id.to_string()]);
        assert_eq!(customer.money(&store).await, (994, 984));
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_hold_beyond_the_wallet_poisons_the_ledger_and_changes_nothing() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let ledger = store.ledger();
        let customer = Customer::new(&store, 100).await;
        let good = customer.hold(60);
        ledger.hold(good).durable().await.expect("durable");
        let before = rows(&store, "SELECT * FROM accounts ORDER BY id").await;
        let refused = ledger.hold(customer.hold(1_000)).durable().await;
        assert_eq!(refused, Err(LedgerError));
        let LedgerState::Poisoned(reason) = ledger.state() else {
            panic!("{:?}", ledger.state());
        };
        assert!(reason.to_lowercase().contains("check"), "{reason}");

        let later = customer.hold(1);
        assert_eq!(ledger.hold(later.clone()).durable().await, Err(LedgerError));
        let settled = ledger.settle(settlement(&later, Usage::text(0, 0)));
        assert_eq!(settled.durable().await, Err(LedgerError));
        assert_eq!(
            rows(&store, "SELECT * FROM accounts ORDER BY id").await,
            before
        );
        assert_verified(&store).await;
        // What is not money goes on.
        customer.grant(&store, 1).await.expect("writes work");
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn money_on_an_account_that_does_not_exist_poisons_and_changes_nothing() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let real = Customer::new(&store, 100).await;
        let ghost = Customer {
            organization: domain::id::OrganizationId::new("org-ghost"),
            ..real.clone()
        };
        let free_hold = ghost.hold(0);
        let refused = store.ledger().hold(free_hold).durable().await;
        assert_eq!(refused, Err(LedgerError));
        assert!(matches!(store.ledger().state(), LedgerState::Poisoned(_)));
        assert_eq!(number(&store, "SELECT COUNT(*) FROM holds").await, 0);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn after_the_end_nothing_is_taken_and_nobody_waits() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let ledger = store.ledger();
        let last = ledger.hold(customer.hold(10));
        store.close().await;
        last.durable()
            .await
            .expect("what was queued before is committed");
        assert!(matches!(ledger.state(), LedgerState::Stalled(_)));
        let late = ledger.hold(customer.hold(10));
        assert_eq!(late.durable().await, Err(LedgerError));
        if database.name == "sqlite" {
            let refused = customer.grant(&store, 1).await;
            let unavailable = GrantError::Store(StoreError::Unavailable(String::new()));
            assert_eq!(
                std::mem::discriminant(&refused.expect_err("closed")),
                std::mem::discriminant(&unavailable)
            );
        }
        drop(store);
        // The ledger outlives its store without keeping the installation from anybody.
        let store = serve(&database).await;
        assert_eq!(
            customer.money(&store).await,
            (100, 100),
            "the orphan was released"
        );
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_write_that_panics_ends_itself_and_nothing_else() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let broken = store
            .write(|tx| -> Result<(), StoreError> {
                tx.execute("DELETE FROM accounts", &[])?;
                panic!("a bug, as the test wants it");
            })
            .await;
        assert!(broken.is_err());
        let hold = customer.hold(10);
        store.ledger().hold(hold).durable().await.expect("durable");
        assert_eq!(customer.money(&store).await, (100, 90));
        assert_eq!(store.ledger().state(), LedgerState::Healthy);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn grants_are_given_once_and_refused_exactly() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        for _ in 0..3 {
            customer
                .grant_as(&store, "gift", 70)
                .await
                .expect("given once");
        }
        assert_eq!(customer.money(&store).await, (70, 70));
        let changes = "SELECT COUNT(*) FROM change_log WHERE kind = 'wallet'";
        assert_eq!(number(&store, changes).await, 1);
        for amount in [0, -1] {
            let refused = customer.grant(&store, amount).await;
            assert!(matches!(refused, Err(GrantError::NotPositive)));
        }
        let most = Nusd::MAX.get();
        let refused = customer.grant(&store, most).await;
        assert!(matches!(refused, Err(GrantError::TooLarge)));
        let nobody = Customer {
            organization: domain::id::OrganizationId::new("org-nobody"),
            ..customer.clone()
        };
        let refused = nobody.grant(&store, 1).await;
        assert!(matches!(refused, Err(GrantError::NoOrganization(_))));
        assert_eq!(customer.money(&store).await, (70, 70));
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_takes_long_is_said_to() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let outside = Outside::at(&database.url).await;
        outside.hold_up().await;
        let stuck = tokio::spawn(store.ledger().hold(customer.hold(1)).durable());
        // The clock goes a second further whenever it is read.
        eventually("the state tells", async || {
            matches!(store.ledger().state(), LedgerState::Stalled(_))
        })
        .await;
        outside.let_go().await;
        stuck.await.expect("no panic").expect("durable");
        eventually("and recovers", async || {
            store.ledger().state() == LedgerState::Healthy
        })
        .await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn only_a_server_settles_on_postgres() {
    let database = testkit::databases::postgres().await;
    let command = open(&database.url, Role::Command).await.expect("it opens");
    let customer = Customer::new(&command, 100).await;
    let refused = command.ledger().hold(customer.hold(1)).durable().await;
    assert_eq!(refused, Err(LedgerError));
    assert_eq!(
        execute(&command, "UPDATE counters SET value = value")
            .await
            .ok(),
        Some(1)
    );
    command.close().await;
}
