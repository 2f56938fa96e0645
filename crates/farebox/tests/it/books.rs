//! What was billed, held against what every client saw.

// SQL in a test: what was written is looked at from outside the product's own queries.

use std::collections::HashMap;

use domain::admission::Unknown;
use domain::budget::Budget;
use domain::hold::Flags;
use domain::id::{KeyId, ProjectId};
use domain::money::Nusd;
use domain::time::AtUs;
use store::budgets::{self, Event};
use store::{Role, Row, StoreError, Tx, verify};

use crate::load::{End, Seen};
use crate::stage::{PLAIN, STREAMED, Stage, clock};

/// The configured prices: dollars a million tokens are thousands of nUSD a token.
const INPUT_NUSD: i64 = 1_000;
const OUTPUT_NUSD: i64 = 2_000;

/// One usage record.
#[derive(Debug)]
struct Bill {
    input_tokens: i64,
    output_tokens: u64,
    cost: Nusd,
    flags: Flags,
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Requests whose answers arrived whole, each billed once at the cost it was told.
    pub(crate) whole: u64,
    /// Streams that broke off or whose clients left, and were billed for what had been delivered.
    pub(crate) parts: u64,
    /// How many of these were settled by the next server, by what had been noted of them.
    pub(crate) orphans: u64,
    /// Billed requests whose client got no answer that names them: the settlement was durable, and
    /// its answer was lost on the way.
    pub(crate) unanswered: u64,
    /// Billed requests whose client was told that the ledger failed.
    pub(crate) refused: u64,
    /// Requests that were refused, not billed.
    pub(crate) turned_away: u64,
    /// Deltas of streams that broke off which were delivered and not billed.
    pub(crate) given_away: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.whole += other.whole;
        self.parts += other.parts;
        self.orphans += other.orphans;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        self.turned_away += other.turned_away;
        self.given_away += other.given_away;
    }
}

/// Holds what was billed of the requests admitted at or after `since` against what their clients
/// saw, and proves the ledger, while nothing is in flight.
///
/// # Panics
/// If an answer that arrived whole is not billed at exactly what it said it cost; if anything is
/// billed beyond what its upstream sent; if what was refused for want of money is billed; if
/// anything is still held; if a hard budget is exceeded, or counts something else than usage; if
/// an invariant of the ledger is broken.
pub(crate) async fn compare(
    stage: &Stage,
    since: AtUs,
    seen: &[Seen],
    in_force: &[Budget],
) -> Tally {
    let store = stage.open(Role::Reader).await;
    let (organization, in_force) = (stage.organization.clone(), in_force.to_vec());
    let read = store.read(move |tx| {
        let report = verify::verify(tx)?;
        assert!(report.holds(), "{:#?}", report.checks);
        assert_eq!(report.open_holds, 0, "nothing stays held");
        for budget in &in_force {
            let question = Unknown {
                budget: budget.id.clone(),
                scope: budget.scope.clone(),
                span: budget.window.span(clock()()),
            };
            let spent = budgets::spent(tx, &organization, &[question])?[0];
            assert!(spent <= budget.limit, "{spent:?} of {budget:?}");
            assert_eq!(spent, used(tx, budget)?, "{budget:?}");
        }
        bills(tx, since)
    });
    let bills = read.await.expect("it is read");
    store.close().await;
    judge(stage, seen, bills)
}

/// Output tokens that were billed, by request.
pub(crate) async fn output_tokens(stage: &Stage, since: AtUs) -> HashMap<String, u64> {
    let store = stage.open(Role::Reader).await;
    let bills = store.read(move |tx| bills(tx, since)).await;
    store.close().await;
    let bills = bills.expect("it is read");
    let tokens = bills.into_iter().map(|(id, bill)| (id, bill.output_tokens));
    tokens.collect()
}

/// Output tokens that are noted of each request in flight.
pub(crate) async fn noted(stage: &Stage) -> HashMap<String, u64> {
    let store = stage.open(Role::Reader).await;
    let read = store.read(|tx| {
        let rows = tx.query("SELECT id, seen_output_tokens FROM holds", &[])?;
        let noted = |row: &Row| Ok((row.text(0)?.to_owned(), row.count(1)?));
        rows.iter().map(noted).collect::<Result<_, StoreError>>()
    });
    let noted = read.await.expect("it is read");
    store.close().await;
    noted
}

/// What was settled in the present turn of a budget's window.
pub(crate) async fn spent(stage: &Stage, budget: &Budget) -> Nusd {
    let store = stage.open(Role::Reader).await;
    let question = Unknown {
        budget: budget.id.clone(),
        scope: budget.scope.clone(),
        span: budget.window.span(clock()()),
    };
    let organization = stage.organization.clone();
    let read = store.read(move |tx| budgets::spent(tx, &organization, &[question]));
    let spent = read.await.expect("it is read")[0];
    store.close().await;
    spent
}

/// Thresholds of a budget that were told.
pub(crate) async fn events(stage: &Stage, budget: &Budget) -> Vec<Event> {
    let store = stage.open(Role::Reader).await;
    let (organization, id) = (stage.organization.clone(), budget.id.clone());
    let read = store.read(move |tx| budgets::events(tx, &organization, &id, None, 100));
    let events = read.await.expect("they are read");
    store.close().await;
    events
}

/// Waits until no request is in flight any more.
pub(crate) async fn at_rest(stage: &Stage) {
    let store = stage.open(Role::Reader).await;
    testkit::eventually("nothing is held", async || {
        let held = store.read(|tx| tx.query_one("SELECT COUNT(*) FROM holds", &[])?.int(0));
        held.await
            .map_err(|error: StoreError| error)
            .expect("it is read")
            == 0
    })
    .await;
    store.close().await;
}

fn judge(stage: &Stage, seen: &[Seen], mut bills: HashMap<String, Bill>) -> Tally {
    let mut tally = Tally::default();
    for one in seen {
        let bill = one.id.as_ref().and_then(|id| bills.remove(id));
        if let Some(bill) = &bill {
            let cost = INPUT_NUSD * bill.input_tokens + OUTPUT_NUSD * bill.output_tokens as i64;
            assert_eq!(bill.cost.get(), cost, "{one:?}: {bill:?}");
        }
        match (one.end, bill) {
            (End::Whole(cost), Some(bill)) => {
                let tokens = if one.stream {
                    STREAMED.len() as u64
                } else {
                    PLAIN.1
                };
                assert_eq!(
                    (bill.cost, bill.output_tokens),
                    (cost, tokens),
                    "{one:?}: {bill:?}"
                );
                assert!(!one.stream || one.received == tokens, "{one:?}");
                tally.whole += 1;
            }
            (End::Whole(_), None) => panic!("delivered and not billed: {one:?}"),
            (End::Broken | End::Left, Some(bill)) if one.stream => {
                assert!(
                    bill.output_tokens <= stage.sent(one.number),
                    "{one:?}: {bill:?}"
                );
                assert!(
                    bill.flags.orphan || bill.output_tokens >= one.received,
                    "its server lived on and gave some of it away: {one:?}: {bill:?}"
                );
                tally.given_away += one.received.saturating_sub(bill.output_tokens);
                tally.parts += 1;
                tally.orphans += u64::from(bill.flags.orphan);
            }
            (End::Broken | End::Left, None) => tally.given_away += one.received,
            // A plain answer that broke off after its head: billed in full, as its settlement was
            // durable.
            (End::Broken | End::Left, Some(_)) => tally.unanswered += 1,
            (End::Refused(503), Some(_)) => tally.refused += 1,
            (End::Refused(_), Some(bill)) => panic!("refused and billed: {one:?}: {bill:?}"),
            (End::Refused(_), None) => tally.turned_away += 1,
        }
    }
    tally.unanswered += bills.len() as u64;
    tally
}

fn bills(tx: &mut Tx<'_>, since: AtUs) -> Result<HashMap<String, Bill>, StoreError> {
    let sql = "SELECT id, fresh_input_tokens, output_tokens, cost_nusd, flags FROM usage_records
               WHERE admitted_at_us >= $1";
    let bill = |row: &Row| {
        let bill = Bill {
            input_tokens: row.int(1)?,
            output_tokens: row.count(2)?,
            cost: Nusd::new(row.int(3)?),
            flags: Flags::from_bits(row.int(4)?),
        };
        Ok((row.text(0)?.to_owned(), bill))
    };
    tx.query(sql, &[since.0.into()])?.iter().map(bill).collect()
}

/// What a budget's window holds by the usage records alone.
fn used(tx: &mut Tx<'_>, budget: &Budget) -> Result<Nusd, StoreError> {
    let span = budget.window.span(clock()());
    let sql = "SELECT project_id, key_id, CAST(SUM(cost_nusd) AS BIGINT) FROM usage_records
               WHERE admitted_at_us >= $1 AND admitted_at_us < $2 GROUP BY project_id, key_id";
    let rows = tx.query(sql, &[span.start.0.into(), span.end.0.into()])?;
    let mut used = Nusd::ZERO;
    for row in rows {
        let (project, key) = (ProjectId::new(row.text(0)?), KeyId::new(row.text(1)?));
        if budget.scope.covers(&project, &key) {
            used += Nusd::new(row.int(2)?);
        }
    }
    Ok(used)
}
