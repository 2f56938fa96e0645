//! `verify` finds every way to break the books by hand, and says which, where and by how much.

use std::sync::Arc;

use domain::hold::Hold;
use domain::time::{AtUs, DAY_US, HOUR_US};
use domain::usage::Usage;
use store::verify::{self, Report, SHOWN};
use store::{Store, StoreError, Tx};
use testkit::on_each_database;

use crate::fixture::{
    Customer, answered, assert_verified, claim, execute, report, serve, settlement,
};
use crate::{proofs_credit, proofs_papers};

/// Ends a write without keeping it, and hands out what `verify` found in it.
#[derive(Debug)]
enum Found {
    Report(Report),
    Store(StoreError),
}

impl From<StoreError> for Found {
    fn from(error: StoreError) -> Self {
        Found::Store(error)
    }
}

/// Takes away everything that keeps rows from being corrupted.
fn disarm(tx: &mut Tx<'_>, sqlite: bool) -> Result<(), StoreError> {
    const TABLES: [&str; 4] = ["transfers", "usage_records", "batches", "prices"];
    // Of a table that was made anew, no index keeps numbers apart either.
    const BARE: [&str; 3] = [
        "CREATE TABLE bare AS SELECT * FROM receipts",
        "DROP TABLE receipts",
        "ALTER TABLE bare RENAME TO receipts",
    ];
    let mut run = |sql: &str| tx.execute(sql, &[]).map(|_| ());
    for sql in BARE {
        run(sql)?;
    }
    if sqlite {
        for table in TABLES {
            run(&format!("DROP TRIGGER {table}_no_update"))?;
            run(&format!("DROP TRIGGER {table}_no_delete"))?;
        }
        return run("PRAGMA ignore_check_constraints = ON");
    }
    for table in TABLES {
        run(&format!("ALTER TABLE {table} DISABLE TRIGGER USER"))?;
    }
    run("DO $$ DECLARE it record; BEGIN
             FOR it IN SELECT conrelid::regclass AS place, conname FROM pg_constraint
                 WHERE contype = 'c' AND connamespace = 'public'::regnamespace
             LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', it.place, it.conname);
             END LOOP;
         END $$")
}

/// What `verify` finds after a statement that nobody should be able to run.
async fn found_after(store: &Store, sqlite: bool, sql: String) -> Report {
    for _ in 0..5 {
        let sql = sql.clone();
        let outcome = store.write(move |tx| -> Result<(), Found> {
            disarm(tx, sqlite)?;
            assert!(tx.execute(&sql, &[])? > 0, "{sql} hit nothing");
            Err(Found::Report(verify::verify(tx)?))
        });
        let outcome = outcome.await;
        if sqlite {
            let rearm = execute(store, "PRAGMA ignore_check_constraints = OFF").await;
            rearm.expect("it runs");
        }
        match outcome.expect_err("it is never kept") {
            Found::Report(report) => return report,
            // Disarming locks table after table, and PostgreSQL may prefer somebody who beats.
            Found::Store(StoreError::Unavailable(why)) => eprintln!("tried again: {why}"),
            Found::Store(error) => panic!("{error}"),
        }
    }
    panic!("it never went through: {sql}")
}

/// A grant of 1000; one request charged 50 of the 73 it used, whose answer is kept; one charged 53;
/// one open hold of 200.
pub(crate) struct Books {
    pub(crate) customer: Customer,
    pub(crate) trader: Customer,
    overrun: String,
    plain: String,
    hour_at_us: i64,
}

async fn books(store: &Store) -> Books {
    let customer = Customer::new(store, 1_000).await;
    let ledger = store.ledger();
    let (overrun, open) = (customer.hold(50), customer.hold(200));
    // In the same hour, whatever the clock.
    let plain = Arc::new(Hold {
        admitted_at: overrun.admitted_at,
        legs: Arc::default(),
        ..Hold::clone(&customer.hold(100))
    });
    for hold in [&overrun, &plain, &open] {
        ledger.hold(hold.clone()).durable().await.expect("durable");
    }
    let claim = claim(&overrun, "again", "hello");
    let first = store.claim(Arc::clone(&claim), overrun.admitted_at).await;
    assert_eq!(first.expect("claimed"), None);
    for settlement in [
        answered(&overrun, Usage::text(10, 30), &claim, b"hi"),
        settlement(&plain, Usage::text(10, 20)),
    ] {
        let ticket = ledger.settle(settlement);
        ticket.durable().await.expect("durable");
    }
    let trader = proofs_credit::trader(store).await;
    proofs_papers::pay(store).await;
    customer.return_leases(store).await;
    lease_of_a_budget(store, &customer).await;
    let hour_at_us = overrun.admitted_at.floor(HOUR_US).0;
    let (overrun, plain) = (overrun.id.to_string(), plain.id.to_string());
    Books {
        customer,
        trader,
        overrun,
        plain,
        hour_at_us,
    }
}

/// A hard budget in which all of that counts, and of which 7 more are leased.
async fn lease_of_a_budget(store: &Store, customer: &Customer) {
    customer.found(store).await;
    let organization = &customer.organization;
    let most = i64::MAX;
    for sql in [
        format!(
            "INSERT INTO budgets (id, organization_id, calendar, limit_nusd, force, thresholds,
                 created_at_us)
             VALUES ('budget_a', '{organization}', 'always', 500, 'hard', '', 0)"
        ),
        format!(
            "INSERT INTO pots VALUES ('budget_a:0', 'budget_a', 0, {most}, 500, 500, 310, NULL)"
        ),
        "UPDATE holds SET legs = '[\"budget_b:0\",\"budget_a:0\"]'".into(),
        "INSERT INTO leases VALUES ('budget_a:0', 'main', 7, 0, 0, 0)".into(),
        "UPDATE nodes SET expires_at_us = COALESCE(expires_at_us, 1)".into(),
    ] {
        execute(store, &sql).await.expect("it is written");
    }
}

/// What is done, the checks that then fail, and what the first of them says.
pub(crate) type Corruption = (String, &'static [&'static str], String);

fn corruptions(books: &Books) -> Vec<Corruption> {
    [
        of_accounts(books),
        of_wallets(books),
        of_leases(),
        of_records(books),
        of_prices(books),
        of_hours(books),
        proofs_credit::of_lots(books),
        proofs_credit::of_payments(books),
        proofs_credit::of_purchases(books),
        proofs_papers::of_numbers(),
        proofs_papers::of_receipts(),
        of_batched_rows(books),
        of_batches(),
    ]
    .concat()
}

pub(crate) fn says(place: &str, is: i64, should: i64) -> String {
    let off_by = is - should;
    format!("{place}: is {is} nUSD, should be {should} nUSD, off by {off_by}")
}

fn of_accounts(books: &Books) -> Vec<Corruption> {
    let wallet = format!("wallet:{}", books.customer.organization);
    let plain = &books.plain;
    let on_wallet = |change: &str| format!("UPDATE accounts SET {change} WHERE id = '{wallet}'");
    vec![
        (
            on_wallet("debits_nusd = debits_nusd + 7"),
            &["debits", "balanced", "lots"],
            says(&wallet, 110, 103),
        ),
        (
            on_wallet("credits_nusd = 1007"),
            &["credits", "balanced"],
            says(&wallet, 1007, 1000),
        ),
        (
            on_wallet("held_nusd = 1000"),
            &["wallets", "held"],
            says(&wallet, 1103, 1000),
        ),
        (
            "DELETE FROM accounts WHERE id = 'grants'".into(),
            &["accounts", "balanced"],
            says("grants", 1000, 0),
        ),
        (
            "UPDATE holds SET organization_id = 'org-ghost'".into(),
            &["accounts", "held", "leased"],
            says("wallet:org-ghost", 200, 0),
        ),
        (
            "UPDATE holds SET amount_nusd = 201".into(),
            &["held", "leased"],
            says(&wallet, 200, 201),
        ),
        (
            "DELETE FROM holds".into(),
            &["held", "leased"],
            says(&wallet, 200, 0),
        ),
        (
            format!("UPDATE holds SET id = '{plain}'"),
            &["once"],
            says(plain, 200, 53),
        ),
    ]
}

/// Where the wallet stood: 1000 paid in, then 50 taken, then 53.
fn of_wallets(books: &Books) -> Vec<Corruption> {
    let plain = &books.plain;
    let on_plain = |change: &str| format!("UPDATE transfers SET {change} WHERE id = '{plain}'");
    let both = "wallet_debits_nusd = wallet_debits_nusd";
    let credits = "wallet_credits_nusd = wallet_credits_nusd";
    vec![
        (
            on_plain(&format!("{both} + 1")),
            &["in order"],
            says(plain, 1104, 1103),
        ),
        (
            on_plain(&format!("{both} + 1, {credits} - 1")),
            &["in order"],
            says(plain, 1103, 1103),
        ),
        (
            on_plain("wallet_debits_nusd = NULL, wallet_credits_nusd = NULL"),
            &["in order", "lots"],
            format!("{plain}: is 0 nUSD"),
        ),
    ]
}

fn of_leases() -> Vec<Corruption> {
    let place = "budget_a:0";
    vec![
        (
            "UPDATE pots SET taken_nusd = 311".into(),
            &["leased"],
            says(place, 311, 310),
        ),
        (
            "UPDATE leases SET free_nusd = 8 WHERE pot_id = 'budget_a:0'".into(),
            &["leased"],
            says(place, 310, 311),
        ),
        (
            "UPDATE holds SET legs = '[\"budget_a:00\"]'".into(),
            &["leased"],
            says(place, 310, 110),
        ),
        (
            "UPDATE pots SET window_at_us = window_end_us".into(),
            &["leased"],
            says(place, 310, 207),
        ),
        (
            "INSERT INTO leases SELECT 'wallet:' || organization_id, 'main', 7, 0, 0, 0 FROM budgets
             WHERE TRUE ON CONFLICT (pot_id, node_id) DO UPDATE SET free_nusd = 7"
                .into(),
            &["held"],
            "is 200 nUSD, should be 207 nUSD".into(),
        ),
        (
            "UPDATE nodes SET expires_at_us = NULL".into(),
            &["living"],
            says("main of budget_a:0", 7, 0),
        ),
    ]
}

fn on_record(change: &str, id: &str) -> String {
    format!("UPDATE usage_records SET {change} WHERE id = '{id}'")
}

fn of_records(books: &Books) -> Vec<Corruption> {
    let plain = &books.plain;
    vec![
        (
            format!("DELETE FROM transfers WHERE id = '{plain}'"),
            &["charged", "debits", "credits", "lots", "batches"],
            says(plain, 53, 0),
        ),
        (
            format!(
                "INSERT INTO transfers SELECT organization_id, 'again', debit_account,
                     credit_account, amount_nusd, code, request_id, reason, actor, at_us, chain,
                     batch, wallet_debits_nusd, wallet_credits_nusd
                 FROM transfers WHERE id = '{plain}'"
            ),
            &[
                "explained",
                "debits",
                "credits",
                "in order",
                "lots",
                "batches",
            ],
            says("again", 53, 0),
        ),
        (
            format!("DELETE FROM usage_records WHERE id = '{plain}'"),
            &[
                "explained",
                "reported money",
                "reported usage",
                "reported upstreams",
                "batches",
            ],
            says(plain, 53, 0),
        ),
        (
            on_record(
                "cost_nusd = 54, output_cost_nusd = output_cost_nusd + 1",
                plain,
            ),
            &[
                "charged",
                "explained",
                "reported money",
                "reported upstreams",
                "priced",
                "batches",
            ],
            says(plain, 54, 53),
        ),
    ]
}

fn of_prices(books: &Books) -> Vec<Corruption> {
    let (plain, over) = (&books.plain, &books.overrun);
    vec![
        (
            on_record("overrun_nusd = 24", over),
            &["bounded", "priced", "batches"],
            says(over, 74, 73),
        ),
        (
            on_record("overrun_nusd = 1", plain),
            &["bounded", "priced", "batches"],
            says(plain, 54, 100),
        ),
        (
            on_record("held_nusd = 40", over),
            &["bounded", "priced", "batches"],
            says(over, 73, 63),
        ),
        (
            format!("DELETE FROM transfers WHERE id = '{plain}:upstream_cost'"),
            &["upstream cost", "debits", "credits", "batches"],
            says(plain, 5, 0),
        ),
        (
            on_record("upstream_cost_nusd = 6", plain),
            &[
                "upstream cost",
                "reported money",
                "reported upstreams",
                "priced",
                "batches",
            ],
            says(plain, 6, 5),
        ),
        (
            on_record("markup_bp = 1000", plain),
            &["priced", "batches"],
            says(plain, 53, 59),
        ),
        (
            on_record("price_id = 'price_none'", plain),
            &["priced", "batches"],
            format!("{plain}: its price price_none is in no book"),
        ),
        (
            "UPDATE prices SET cost = price".into(),
            &["priced"],
            says(plain, 5, 53),
        ),
        (
            "UPDATE idempotent_requests SET request_id = 'req_ghost'".into(),
            &["kept"],
            "req_ghost: is 1 answers, should be 0 answers".into(),
        ),
    ]
}

fn of_hours(books: &Books) -> Vec<Corruption> {
    let organization = &books.customer.organization;
    let hour_at_us = books.hour_at_us;
    let at_hour = |is: &str| format!("{organization} proj_a m at {hour_at_us}: is {is}");
    let day_at_us = AtUs(hour_at_us).floor(DAY_US).0;
    let at_day = |is: &str| format!("{organization} proj_a m at {day_at_us}: is {is}");
    // The key is no row of keys, so nobody's.
    let at_user_day = |is: &str| format!("{organization}  proj_a m at {day_at_us}: is {is}");
    vec![
        (
            "UPDATE usage_hours SET cost_nusd = cost_nusd + 3".into(),
            &[
                "reported money",
                "reported days",
                "reported people",
                "leased",
            ],
            at_hour("118 nUSD, should be 115 nUSD, off by 3"),
        ),
        (
            "UPDATE usage_hours SET input_cost_nusd = input_cost_nusd + 1,
                 output_cost_nusd = output_cost_nusd - 1"
                .into(),
            &["reported money", "reported days", "reported people"],
            at_hour("115 nUSD"),
        ),
        (
            "UPDATE usage_hours SET requests = requests - 1".into(),
            &["reported usage", "reported days", "reported people"],
            at_hour("71 units, should be 72 units, off by -1"),
        ),
        (
            "UPDATE usage_hours SET fresh_input_tokens = fresh_input_tokens + 1,
                 output_tokens = output_tokens - 1"
                .into(),
            &["reported usage", "reported days", "reported people"],
            at_hour("72 units"),
        ),
        (
            "UPDATE usage_days SET output_tokens = output_tokens + 1".into(),
            &["reported days"],
            at_day("73 units, should be 72 units, off by 1"),
        ),
        (
            "UPDATE usage_days SET cost_nusd = cost_nusd + 1".into(),
            &["reported days"],
            at_day("72 units"),
        ),
        (
            "UPDATE usage_user_days SET upstream_cost_nusd = upstream_cost_nusd + 1".into(),
            &["reported people"],
            at_user_day("72 units"),
        ),
        (
            "UPDATE upstream_days SET upstream_cost_nusd = upstream_cost_nusd + 1".into(),
            &["reported upstreams"],
            format!("up m of node:main at {day_at_us}: is 72 units"),
        ),
        (
            "UPDATE usage_user_days SET user_id = 'user-other'".into(),
            &["reported people"],
            at_user_day("0 units, should be 72 units, off by -72"),
        ),
    ]
}

/// The grant is batch 1 of the chain `control`, the settlements are batches 1 and 2 of the node's.
fn of_batched_rows(books: &Books) -> Vec<Corruption> {
    let (first, second) = ("node:main batch 1: ", "node:main batch 2: ");
    let plain = &books.plain;
    vec![
        (
            "UPDATE transfers SET reason = 'another' WHERE code = 'grant'".into(),
            &["batches"],
            "control batch 1: is ".into(),
        ),
        (
            "UPDATE transfers SET request_id = NULL WHERE code = 'usage'".into(),
            &["batches"],
            second.into(),
        ),
        (
            format!("UPDATE usage_records SET flags = 1 WHERE id = '{plain}'"),
            &["batches"],
            second.into(),
        ),
        // What was in the first batch is in the second, and the other way round.
        (
            "UPDATE usage_records SET batch = 3 - batch".into(),
            &["batches"],
            first.into(),
        ),
        (
            "UPDATE transfers SET batch = 2 WHERE code = 'overrun'".into(),
            &["batches"],
            format!("{second}is 1 usage records and 3 transfers, should be 1 and 2"),
        ),
        (
            format!("UPDATE usage_records SET batch = 7 WHERE id = '{plain}'"),
            &["covered", "batches"],
            "node:main batch 7: is 1 usage records and 0 transfers, should be none".into(),
        ),
    ]
}

/// The rows of `batches` themselves.
fn of_batches() -> Vec<Corruption> {
    let (first, second) = ("node:main batch 1: ", "node:main batch 2: ");
    let on_batch =
        |change: &str| format!("UPDATE batches SET {change} WHERE chain = 'node:main' AND seq = 1");
    let no_hash = "0".repeat(64);
    vec![
        (
            on_batch("amount_nusd = amount_nusd + 1"),
            &["batches"],
            first.into(),
        ),
        (on_batch("at_us = at_us - 1"), &["batches"], first.into()),
        (
            on_batch(&format!("hash = '{no_hash}'")),
            &["batches", "chained"],
            format!("should be {no_hash}"),
        ),
        (
            on_batch("chain = 'node:other'"),
            &["chained", "covered", "batches"],
            format!("{second}follows "),
        ),
        (
            "DELETE FROM batches WHERE chain = 'node:main' AND seq = 1".into(),
            &["chained", "covered"],
            format!("should follow batch 0 with {no_hash}"),
        ),
        (
            "DELETE FROM batches WHERE chain = 'node:main' AND seq = 2".into(),
            &["covered"],
            second.into(),
        ),
        (
            format!(
                "INSERT INTO batches SELECT chain, 3, 0, 0, 0, 0, hash, '{no_hash}' FROM batches
                 WHERE chain = 'node:main' AND seq = 2"
            ),
            &["batches"],
            "node:main batch 3: is ".into(),
        ),
    ]
}

#[tokio::test]
async fn a_head_that_was_kept_proves_what_came_before_it() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let kept = report(&store).await.heads;
        customer.grant(&store, 10).await.expect("a grant");
        customer.return_leases(&store).await;
        let both = [kept.clone(), report(&store).await.heads].concat();
        let hashes: Vec<String> = both.iter().map(|head| head.hash.clone()).collect();
        let places: Vec<_> = both.iter().map(|it| (&*it.chain, it.batch)).collect();
        assert_eq!(places, [("control", 1), ("control", 2)]);
        let expected = hashes.clone();
        let found = store.read(move |tx| verify::verify_expecting(tx, &expected));
        let found: Report = found.await.map_err(|it: StoreError| it).expect("it runs");
        assert!(found.holds(), "{:#?}", found.checks);

        // History that was cut short so well that the rows alone agree with each other.
        let sqlite = database.name == "sqlite";
        let outcome = store.write(move |tx| -> Result<(), Found> {
            disarm(tx, sqlite)?;
            for sql in [
                "DELETE FROM transfers WHERE batch = 2",
                "DELETE FROM batches WHERE seq = 2",
                "DELETE FROM credit_lots WHERE amount_nusd = 10",
                "UPDATE accounts SET debits_nusd = debits_nusd - 10 WHERE id = 'grants'",
                "UPDATE accounts SET credits_nusd = credits_nusd - 10 WHERE overdraft = 0",
            ] {
                assert_eq!(tx.execute(sql, &[])?, 1, "{sql}");
            }
            let unaware = verify::verify(tx)?;
            assert!(unaware.holds(), "{:#?}", unaware.checks);
            Err(Found::Report(verify::verify_expecting(tx, &hashes)?))
        });
        let Err(Found::Report(found)) = outcome.await else {
            panic!("it is never kept");
        };
        let broken = found.checks.iter().filter(|it| !it.violations.is_empty());
        let broken: Vec<_> = broken.map(|it| (it.name, &*it.violations[0])).collect();
        let told = format!("{}: is in no chain, should be a batch's hash", both[1].hash);
        assert_eq!(broken, [("expected", &*told)]);
        if sqlite {
            let rearm = execute(&store, "PRAGMA ignore_check_constraints = OFF").await;
            rearm.expect("it runs");
        }
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn every_corruption_is_found_and_told() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let books = books(&store).await;
        let clean = report(&store).await;
        assert!(clean.holds(), "{:#?}", clean.checks);
        assert_eq!(
            (clean.transfers, clean.usage_records, clean.open_holds),
            (27, 2, 1)
        );
        let mut proven: Vec<&str> = Vec::new();
        for (sql, failing, says) in corruptions(&books) {
            let report = found_after(&store, database.name == "sqlite", sql.clone()).await;
            let mut found: Vec<&str> = report
                .checks
                .iter()
                .filter(|check| !check.violations.is_empty())
                .map(|check| check.name)
                .collect();
            found.sort_unstable();
            let mut expected = failing.to_vec();
            expected.sort_unstable();
            assert_eq!(found, expected, "{sql}: {:#?}", report.checks);
            let first = report.checks.iter().find(|check| check.name == failing[0]);
            let told = &first.expect("it is one of them").violations;
            assert!(
                told.iter().any(|text| text.contains(&says)),
                "{sql}: {told:?}, not {says}"
            );
            proven.extend(failing);
        }
        for check in &clean.checks {
            assert!(
                proven.contains(&check.name),
                "nothing breaks {}",
                check.name
            );
        }
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_violations_is_cut() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let many = SHOWN + 5;
        for _ in 0..many {
            Customer::new(&store, 1).await;
        }
        let sql = "UPDATE accounts SET credits_nusd = credits_nusd + 1 WHERE overdraft = 0";
        let report = found_after(&store, database.name == "sqlite", sql.into()).await;
        let credits = report.checks.iter().find(|check| check.name == "credits");
        assert_eq!(credits.expect("it is a check").violations.len(), SHOWN);
        store.close().await;
    })
    .await;
}
