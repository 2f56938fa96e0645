//! A request's money from grant to charge: what each step leaves in the rows.

use domain::money::Nusd;
use domain::usage::{Reported, Usage};
use store::grants::GrantError;
use store::{Row, Store};
use testkit::{eventually, on_each_database};

use crate::fixture::{Customer, Outside, assert_verified, number, rows, serve, settlement};

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
        let words = ["proj_a", "key_a", "m", "up", "chat", hold.price_id.as_str()];
        let tokens = [6, 5, 4, 12, 11, 3, 7, 2];
        let money = [60, 60, 15, 5, 40, 0, 23, 8];
        let numbers = [tokens, money].concat();
        let expected = (
            words.map(str::to_owned).to_vec(),
            numbers,
            hold.admitted_at.0,
        );
        assert_eq!(only_record(&store).await, expected);
        let (id, organization) = (hold.id, customer.organization.as_str());
        let wallet = format!("wallet:{organization}");
        assert_eq!(
            moved(&store).await,
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

/// The words, the numbers and the admission of the one usage record.
async fn only_record(store: &Store) -> (Vec<String>, Vec<i64>, i64) {
    let record = rows(
        store,
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
    let number = |index| record[0].int(index).expect("a number");
    let words = (0..6).map(text).collect();
    (words, (6..22).map(number).collect(), number(22))
}

/// Every transfer that is no grant, as a line of text.
async fn moved(store: &Store) -> Vec<String> {
    let sql = "SELECT id, organization_id, debit_account, credit_account, code, request_id,
                      amount_nusd FROM transfers WHERE code <> 'grant' ORDER BY id";
    let line = |row: &Row| {
        let words: Vec<&str> = (0..6).map(|index| row.text(index).expect("text")).collect();
        format!("{} {}", words.join(" "), row.int(6).expect("a number"))
    };
    rows(store, sql).await.iter().map(line).collect()
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
async fn every_wallet_is_read_as_each_is() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let mut expected = Vec::new();
        for credit in [0, 70, 900] {
            let customer = Customer::new(&store, credit).await;
            let hold = customer.hold(credit / 2);
            store.ledger().hold(hold).durable().await.expect("durable");
            let id = customer.organization.clone();
            let wallet = store.read(move |tx| store::wallets::get(tx, &id)).await;
            let wallet = wallet.map_err(|error: store::StoreError| error);
            let wallet = wallet.expect("it is read").expect("it exists");
            expected.push((customer.organization.clone(), wallet));
        }
        let read = store.read(|tx| {
            let mut all = Vec::new();
            store::wallets::each(tx, |id, wallet| all.push((id, wallet)))?;
            Ok::<_, store::StoreError>(all)
        });
        let mut all = read.await.expect("they are read");
        all.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(all, expected, "and the accounts of the house are none");
        store.close().await;
    })
    .await;
}
