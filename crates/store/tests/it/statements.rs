//! Statements: whatever moved and whenever it was settled, each month ends with what the wallet had
//! by its transfers, and the next begins there.

use std::sync::Arc;

use domain::hold::Hold;
use domain::id::{OrganizationId, RequestId};
use domain::money::Nusd;
use domain::month::Month;
use domain::time::{AtUs, DAY_US, HOUR_US, MINUTE_US};
use domain::usage::Usage;
use domain::window::Span;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::adjustments::{self, Adjustment};
use store::grants::{self, Grant};
use store::statements::{self, Statement};
use store::{Settlement, Store, StoreError, Tx};
use testkit::{TestDatabase, on_each_database};

use crate::fixture::{Customer, assert_verified, entropy, lease_everything, number, serve};
use crate::fixture::{execute, settlement};

/// Something that moves money, in some hour of the four months.
#[derive(Clone, Debug)]
enum Step {
    Grant {
        at_hour: i64,
        amount: i64,
    },
    TakeBack {
        at_hour: i64,
        amount: i64,
    },
    Request {
        at_hour: i64,
        minutes: i64,
        tokens: u64,
    },
}

/// November 2026, in which everything begins.
fn first() -> Month {
    Month::parse("2026-11").expect("a month")
}

fn months() -> Vec<(Month, Span)> {
    let mut all = Vec::new();
    let mut at = first().span().expect("a span").start;
    for _ in 0..4 {
        let month = Month::of(at).expect("a month");
        let span = month.span().expect("a span");
        all.push((month, span));
        at = span.end;
    }
    all
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Many around the ends of months, where the two ways to count differ.
    let (november, december) = (30 * 24_i64, 61 * 24_i64);
    let at_hour = prop_oneof![
        0..120 * 24_i64,
        november - 2..november + 2,
        december - 2..december + 2
    ];
    // Most are short, some lie over a midnight, few over a month; one clock went back.
    let minutes =
        prop_oneof![6 => 0..180_i64, 2 => 0..3_000_i64, 1 => 0..60_000_i64, 1 => -180..0_i64];
    let step = prop_oneof![
        2 => (at_hour.clone(), 1..5_000_i64)
            .prop_map(|(at_hour, amount)| Step::Grant { at_hour, amount }),
        1 => (at_hour.clone(), 1..5_000_i64)
            .prop_map(|(at_hour, amount)| Step::TakeBack { at_hour, amount }),
        6 => (at_hour, minutes, 0..300_u64)
            .prop_map(|(at_hour, minutes, tokens)| Step::Request { at_hour, minutes, tokens }),
    ];
    prop::collection::vec(step, 1..25)
}

fn at(hour: i64) -> AtUs {
    first().span().expect("a span").start.plus(hour * HOUR_US)
}

/// Takes the step, as far as the wallet allows.
async fn take(store: &Store, customer: &Customer, index: usize, step: &Step) {
    let organization = customer.organization.clone();
    match *step {
        Step::Grant { at_hour, amount } => {
            let grant = Grant {
                id: format!("grant-{index}"),
                organization,
                amount: Nusd::new(amount),
                reason: "a test".into(),
                actor: "operator".into(),
                expires_at: None,
            };
            let given = store.write(move |tx| grants::give(tx, &grant, at(at_hour)));
            given.await.expect("it is given");
            lease_everything(store).await;
        }
        Step::TakeBack { at_hour, amount } => {
            customer.return_leases(store).await;
            let adjustment = Adjustment {
                id: format!("adjustment-{index}"),
                organization,
                amount: Nusd::new(amount),
                reason: "a test".into(),
                actor: "operator".into(),
            };
            let taken = store.write(move |tx| adjustments::take(tx, &adjustment, at(at_hour)));
            drop(taken.await);
            lease_everything(store).await;
        }
        Step::Request {
            at_hour,
            minutes,
            tokens,
        } => {
            let (_, available) = customer.money(store).await;
            let settled = request(customer, at(at_hour), minutes, tokens);
            if settled.hold.amount.get() > available {
                return;
            }
            let _ = store.ledger().hold(Arc::clone(&settled.hold));
            let settled = store.ledger().settle(settled);
            settled.durable().await.expect("it is durable");
        }
    }
}

/// A request that is admitted then and takes that long.
fn request(customer: &Customer, admitted_at: AtUs, minutes: i64, tokens: u64) -> Settlement {
    let usage = Usage::text(tokens, tokens / 2);
    let hold = customer.hold(1_000);
    let hold = Arc::new(Hold {
        id: RequestId::random(admitted_at, entropy),
        admitted_at,
        ..(*hold).clone()
    });
    Settlement {
        ended_at: admitted_at.plus(minutes * MINUTE_US),
        ..settlement(&hold, usage)
    }
}

async fn statement(store: &Store, customer: &Customer, span: Span) -> Statement {
    let organization = customer.organization.clone();
    let later = span.end.plus(900 * DAY_US);
    let read = store.read(move |tx| statements::of(tx, &organization, span, later));
    read.await.expect("it is read")
}

/// What a wallet had by the transfers before an instant, added up one by one.
pub(crate) fn by_transfers(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    before: AtUs,
) -> Result<Nusd, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(credit_nusd - debit_nusd), 0) AS BIGINT) FROM postings
               WHERE organization_id = $1 AND account_id = 'wallet:' || $1 AND at_us < $2";
    let params = [organization.as_str().into(), before.0.into()];
    tx.query_one(sql, &params)?.int(0).map(Nusd::new)
}

async fn wallet_before(store: &Store, customer: &Customer, before: AtUs) -> Nusd {
    let organization = customer.organization.clone();
    let read = store.read(move |tx| by_transfers(tx, &organization, before));
    read.await.expect("it is read")
}

async fn statements_are_the_ledger(database: &TestDatabase, steps: &[Step]) {
    let store = serve(database).await;
    // The first grant is in the last of the months, as the tests' clock has it.
    let customer = Customer::new(&store, 2_000).await;
    for (index, step) in steps.iter().enumerate() {
        take(&store, &customer, index, step).await;
    }
    let mut carried = wallet_before(&store, &customer, first().span().expect("a span").start).await;
    for (month, span) in months() {
        let found = statement(&store, &customer, span).await;
        assert_eq!(
            found.opening, carried,
            "{month} begins where the last ended"
        );
        let wallet = wallet_before(&store, &customer, span.end).await;
        assert_eq!(
            found.closing, wallet,
            "{month} ends with what the wallet had"
        );
        let organization = &customer.organization;
        let requests = format!(
            "SELECT COUNT(*) FROM usage_records WHERE organization_id = '{organization}'
             AND admitted_at_us >= {} AND admitted_at_us < {}",
            span.start.0, span.end.0
        );
        let counted: u64 = found.usage.iter().map(|it| it.requests).sum();
        assert_eq!(i64::try_from(counted), Ok(number(&store, &requests).await));
        assert!(found.is_final, "{month}");
        carried = found.closing;
    }
    assert_verified(&store).await;
    store.close().await;
}

#[test]
fn statements_end_with_what_the_wallet_had_and_begin_where_the_last_ended() {
    let mut runner = TestRunner::new(Config {
        cases: 16,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let held = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            on_each_database(async |database| statements_are_the_ledger(&database, &steps).await)
                .await;
        });
        Ok(())
    });
    held.expect("it holds for all");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_at_midnight_is_told_apart_on_both_sides() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        take(
            &store,
            &customer,
            0,
            &Step::Grant {
                at_hour: 1,
                amount: 10_000,
            },
        )
        .await;
        // 100 tokens in at one nUSD, 50 out at two, three for the request.
        let over = Step::Request {
            at_hour: 30 * 24 - 1,
            minutes: 90,
            tokens: 100,
        };
        take(&store, &customer, 1, &over).await;
        let spans = months();
        let november = statement(&store, &customer, spans[0].1).await;
        let cost = Nusd::new(203);
        assert_eq!(november.usage_cost(), cost, "it was admitted in November");
        assert_eq!(
            (november.admitted_before, november.settled_after),
            (Nusd::ZERO, cost)
        );
        assert_eq!(november.closing, Nusd::new(10_000));
        let december = statement(&store, &customer, spans[1].1).await;
        assert_eq!(
            (december.opening, december.usage.len()),
            (november.closing, 0)
        );
        assert_eq!(
            (december.admitted_before, december.settled_after),
            (cost, Nusd::ZERO)
        );
        assert_eq!(december.closing, Nusd::new(9_797));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_final_when_nothing_of_its_month_is_open() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        take(
            &store,
            &customer,
            0,
            &Step::Grant {
                at_hour: 1,
                amount: 10_000,
            },
        )
        .await;
        let span = months()[0].1;
        let is_final = async |now: AtUs| {
            let organization = customer.organization.clone();
            let read = store.read(move |tx| statements::of(tx, &organization, span, now));
            read.await.expect("it is read").is_final
        };
        assert!(!is_final(span.end.plus(-1)).await, "the month is not over");
        assert!(
            !is_final(span.end.plus(HOUR_US - 1)).await,
            "holds may not be written yet"
        );
        assert!(is_final(span.end.plus(HOUR_US)).await);
        let open = request(&customer, span.end.plus(-1), 0, 1).hold;
        let held = store.ledger().hold(open);
        held.durable().await.expect("it is durable");
        assert!(
            !is_final(span.end.plus(30 * DAY_US)).await,
            "a request is open"
        );
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_announced_when_it_is_final_and_once() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        customer.found(&store).await;
        let amount = 10_000;
        take(&store, &customer, 0, &Step::Grant { at_hour: 1, amount }).await;
        let (month, span) = months()[0];
        let settled = request(&customer, span.end.plus(-1), 0, 1);
        let held = store.ledger().hold(Arc::clone(&settled.hold));
        held.durable().await.expect("it is durable");
        let announce = async || {
            let now = span.end.plus(DAY_US);
            let tell = store.write(move |tx| statements::announce(tx, month, 10, now, entropy));
            let told: Result<usize, StoreError> = tell.await;
            told.expect("it is told")
        };
        assert_eq!(announce().await, 0, "a request of it is open");
        let settled = store.ledger().settle(settled);
        settled.durable().await.expect("it is durable");
        assert_eq!(announce().await, 1);
        assert_eq!(announce().await, 0);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_walk_over_no_requests() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let plan = match database.name {
            "sqlite" => "EXPLAIN QUERY PLAN",
            // As many rows as one test has fit on a page, which is read whole unless forbidden.
            _ => {
                execute(&store, "ANALYZE").await.expect("it runs");
                "EXPLAIN"
            }
        };
        let is_postgres = database.name != "sqlite";
        let nights = "ended_at_us / 86400000000 - admitted_at_us / 86400000000";
        for (sql, index) in [
            (
                format!(
                    "SELECT SUM(cost_nusd) FROM usage_records WHERE organization_id = 'o'
                     AND {nights} <> 0 AND {nights} = 1 AND admitted_at_us >= 1"
                ),
                "usage_records_overnight",
            ),
            (
                "SELECT SUM(amount_nusd) FROM transfers WHERE organization_id = 'o'
                 AND request_id IS NULL AND at_us >= 1 AND at_us < 2"
                    .to_owned(),
                "transfers_movements",
            ),
        ] {
            let plan = format!("{plan} {sql}");
            let rows = store.read(move |tx| -> Result<_, StoreError> {
                if is_postgres {
                    tx.execute("SET LOCAL enable_seqscan = off", &[])?;
                }
                tx.query(&plan, &[])
            });
            let rows = format!("{:?}", rows.await.expect("it is planned"));
            assert!(rows.contains(index), "{rows}");
        }
        store.close().await;
    })
    .await;
}
