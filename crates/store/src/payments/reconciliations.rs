//! Comparisons of what a provider moved with what is here: one at a time in the whole installation,
//! with what they found that is not the same.
//!
//! The server that is at it says with every page that it is; one that has not for a while is given
//! up, and another may begin.

use domain::id::{PaymentId, ReconciliationId, UserId};
use domain::money::Nusd;
use domain::payment::{DisputeState, RefundState};
use domain::time::{AtUs, HOUR_US, MINUTE_US};

use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, Value, changes};

use super::Payment;

/// A comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciliation {
    /// Which.
    pub id: ReconciliationId,
    /// Whose movements.
    pub provider: String,
    /// How it ended, or that it has not.
    pub state: State,
    /// Who asked for it; nobody, if it is the nightly one.
    pub user: Option<UserId>,
    /// Movements from then on…
    pub from: AtUs,
    /// … and before this.
    pub until: AtUs,
    /// What was compared and found.
    pub tally: Tally,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// When it began.
    pub begun_at: AtUs,
    /// When it ended.
    pub ended_at: Option<AtUs>,
}

impl Reconciliation {
    /// Where it stands in lists.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.begun_at, self.id.to_string())
    }
}

/// How a comparison ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A server is at it.
    Running,
    /// All is the same.
    Matched,
    /// Something is not.
    Different,
    /// The provider or the database did not answer to the end.
    Failed,
    /// Its server ended before it did.
    GivenUp,
}

impl State {
    const ALL: [State; 5] = [
        State::Running,
        State::Matched,
        State::Different,
        State::Failed,
        State::GivenUp,
    ];

    /// The word it is shown as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Matched => "matched",
            State::Different => "different",
            State::Failed => "failed",
            State::GivenUp => "given_up",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        let known = State::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| StoreError::Corrupt(format!("a reconciliation is {word}")))
    }
}

/// What was compared and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The provider's movements that were looked at.
    pub movements: u64,
    /// Payments that were paid there and open here, and are credited now.
    pub settled: u64,
    /// What is not the same.
    pub differences: u64,
}

/// What is not the same there and here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub kind: DifferenceKind,
    /// The provider's name for it.
    pub reference: String,
    /// In what, as a word.
    pub problem: String,
    /// Our payment, if there is one.
    pub payment: Option<PaymentId>,
    /// How much it is here.
    pub ours: Option<Nusd>,
    /// How much it is there.
    pub theirs: Option<Nusd>,
    /// Of what, there.
    pub currency: Option<String>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    /// Money that was taken.
    Charge,
    /// Money that went back.
    Refund,
    /// Money that a bank took.
    Dispute,
}

impl DifferenceKind {
    const ALL: [DifferenceKind; 3] = [
        DifferenceKind::Charge,
        DifferenceKind::Refund,
        DifferenceKind::Dispute,
    ];

    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DifferenceKind::Charge => "charge",
            DifferenceKind::Refund => "refund",
            DifferenceKind::Dispute => "dispute",
        }
    }
}

/// A comparison to be begun.
#[derive(Clone, Debug)]
pub struct NewReconciliation {
    /// Which; nobody has it yet.
    pub id: ReconciliationId,
    /// Whose movements.
    pub provider: String,
    /// Who asks for it, if anybody does.
    pub user: Option<UserId>,
    /// Movements from then on…
    pub from: AtUs,
    /// … and before this.
    pub until: AtUs,
}

/// A server that has said nothing of its comparison for so long is not at it any more.
const SILENCE_US: i64 = 15 * MINUTE_US;
/// How many comparisons are remembered.
const KEPT: i64 = 400;
/// How many differences of one are kept; all are counted.
const MOST_KEPT: u64 = 1_000;
/// How soon one that failed is tried again.
const AGAIN_US: i64 = HOUR_US;

/// Begins a comparison; false if one is running.
///
/// # Errors
/// [`StoreError`].
pub fn begin(tx: &mut Tx<'_>, new: &NewReconciliation, now: AtUs) -> Result<bool, StoreError> {
    // Two who begin at once wait for each other here.
    changes::lock(tx)?;
    tx.execute(
        "UPDATE payment_reconciliations SET state = 'given_up', ended_at_us = $1
         WHERE state = 'running' AND seen_at_us < $2",
        &[now.0.into(), now.plus(-SILENCE_US).0.into()],
    )?;
    let running = "SELECT COUNT(*) FROM payment_reconciliations WHERE state = 'running'";
    if tx.query_one(running, &[])?.count(0)? > 0 {
        return Ok(false);
    }
    tx.execute_one(
        "INSERT INTO payment_reconciliations (id, provider, state, user_id, from_us, until_us,
             movements, settled, differences, begun_at_us, seen_at_us)
         VALUES ($1, $2, 'running', $3, $4, $5, 0, 0, 0, $6, $6)",
        &[
            new.id.as_str().into(),
            new.provider.as_str().into(),
            new.user.as_ref().map(UserId::as_str).into(),
            new.from.0.into(),
            new.until.0.into(),
            now.0.into(),
        ],
    )?;
    forget_old(tx)?;
    Ok(true)
}

fn forget_old(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let remembered = "SELECT id FROM payment_reconciliations
         ORDER BY begun_at_us DESC, id DESC LIMIT $1";
    for sql in [
        format!("DELETE FROM payment_differences WHERE reconciliation_id NOT IN ({remembered})"),
        format!("DELETE FROM payment_reconciliations WHERE id NOT IN ({remembered})"),
    ] {
        tx.execute(&sql, &[KEPT.into()])?;
    }
    Ok(())
}

/// Whether the comparison of the day that began at `day` is still to be begun: there was none since
/// then that came to its end or is under way, and none that failed within an hour. None is where
/// nothing was ever ordered.
///
/// # Errors
/// [`StoreError`].
pub fn is_due(tx: &mut Tx<'_>, provider: &str, day: AtUs, now: AtUs) -> Result<bool, StoreError> {
    let row = tx.query_one(
        "SELECT COUNT(*) FROM payment_reconciliations
         WHERE provider = $1 AND begun_at_us >= $2
             AND (state IN ('running', 'matched', 'different') OR begun_at_us > $3)
             AND NOT (state = 'running' AND seen_at_us < $4)",
        &[
            provider.into(),
            day.0.into(),
            now.plus(-AGAIN_US).0.into(),
            now.plus(-SILENCE_US).0.into(),
        ],
    )?;
    if row.count(0)? > 0 {
        return Ok(false);
    }
    let ordered = "SELECT id FROM payments WHERE provider = $1 LIMIT 1";
    Ok(tx.query_optional(ordered, &[provider.into()])?.is_some())
}

/// Until when everything was compared the last time, if it ever was.
///
/// # Errors
/// [`StoreError`].
pub fn compared_until(tx: &mut Tx<'_>, provider: &str) -> Result<Option<AtUs>, StoreError> {
    let sql = "SELECT MAX(until_us) FROM payment_reconciliations
               WHERE provider = $1 AND state IN ('matched', 'different')";
    Ok(tx.query_one(sql, &[provider.into()])?.opt_int(0)?.map(AtUs))
}

/// The comparison that came furthest of those that came to their end.
///
/// # Errors
/// [`StoreError`].
pub fn latest(tx: &mut Tx<'_>, provider: &str) -> Result<Option<Reconciliation>, StoreError> {
    let sql = format!(
        "{COLUMNS} WHERE provider = $1 AND state IN ('matched', 'different')
         ORDER BY until_us DESC, id DESC LIMIT 1"
    );
    let row = tx.query_optional(&sql, &[provider.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Keeps what was found since the last time; false if the comparison was given up meanwhile.
///
/// # Errors
/// [`StoreError`].
pub fn note(
    tx: &mut Tx<'_>,
    id: &ReconciliationId,
    tally: Tally,
    found: &[Difference],
    now: AtUs,
) -> Result<bool, StoreError> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let updated = tx.execute(
        "UPDATE payment_reconciliations
         SET movements = $2, settled = $3, differences = $4, seen_at_us = $5
         WHERE id = $1 AND state = 'running'",
        &[
            id.as_str().into(),
            number(tally.movements).into(),
            number(tally.settled).into(),
            number(tally.differences).into(),
            now.0.into(),
        ],
    )?;
    if updated == 0 {
        return Ok(false);
    }
    let before = tally.differences.saturating_sub(found.len() as u64);
    let room = usize::try_from(MOST_KEPT.saturating_sub(before)).unwrap_or(0);
    for difference in found.iter().take(room) {
        keep(tx, id, difference)?;
    }
    Ok(true)
}

fn keep(tx: &mut Tx<'_>, id: &ReconciliationId, it: &Difference) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO payment_differences (reconciliation_id, kind, reference, problem, payment_id,
             ours_nusd, theirs_nusd, currency)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (reconciliation_id, kind, reference) DO NOTHING",
        &[
            id.as_str().into(),
            it.kind.as_str().into(),
            it.reference.as_str().into(),
            it.problem.as_str().into(),
            it.payment.as_ref().map(PaymentId::as_str).into(),
            it.ours.map(Nusd::get).into(),
            it.theirs.map(Nusd::get).into(),
            it.currency.as_deref().into(),
        ],
    )
    .map(|_| ())
}

/// Ends a comparison: by what it found, or by why it came to no end.
///
/// # Errors
/// [`StoreError`].
pub fn end(
    tx: &mut Tx<'_>,
    id: &ReconciliationId,
    failure: Option<&str>,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE payment_reconciliations SET ended_at_us = $2, failure = $3,
             state = CASE WHEN CAST($4 AS BIGINT) = 1 THEN 'failed'
                 WHEN differences > 0 THEN 'different' ELSE 'matched' END
         WHERE id = $1 AND state = 'running'",
        &[
            id.as_str().into(),
            now.0.into(),
            failure.into(),
            i64::from(failure.is_some()).into(),
        ],
    )
    .map(|_| ())
}

const COLUMNS: &str = "SELECT id, provider, state, user_id, from_us, until_us, movements, settled,
        differences, failure, begun_at_us, ended_at_us FROM payment_reconciliations";

/// A page of comparisons.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, page: &Page) -> Result<Vec<Reconciliation>, StoreError> {
    let mut params: Vec<Value> = Vec::new();
    let mut sql = format!("{COLUMNS} WHERE 1 = 1");
    sql.push_str(&page.tail("begun_at_us", "id", &mut params));
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// One comparison.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &ReconciliationId) -> Result<Option<Reconciliation>, StoreError> {
    let row = tx.query_optional(&format!("{COLUMNS} WHERE id = $1"), &[id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// What a comparison found that is not the same, at most so many as are kept.
///
/// # Errors
/// [`StoreError`].
pub fn differences(tx: &mut Tx<'_>, id: &ReconciliationId) -> Result<Vec<Difference>, StoreError> {
    let sql = "SELECT kind, reference, problem, payment_id, ours_nusd, theirs_nusd, currency
               FROM payment_differences WHERE reconciliation_id = $1 ORDER BY kind, reference";
    let rows = tx.query(sql, &[id.as_str().into()])?;
    let difference = |row: &Row| {
        let text = |index: usize| Ok::<_, StoreError>(row.opt_text(index)?.map(ToOwned::to_owned));
        let word = row.text(0)?;
        let kind = DifferenceKind::ALL
            .into_iter()
            .find(|it| it.as_str() == word);
        Ok(Difference {
            kind: kind.ok_or_else(|| StoreError::Corrupt("the kind of a difference".into()))?,
            reference: row.text(1)?.to_owned(),
            problem: row.text(2)?.to_owned(),
            payment: row.opt_text(3)?.map(PaymentId::new),
            ours: row.opt_int(4)?.map(Nusd::new),
            theirs: row.opt_int(5)?.map(Nusd::new),
            currency: text(6)?,
        })
    };
    rows.iter().map(difference).collect()
}

/// A refund or a dispute of ours, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<S> {
    /// Of which payment.
    pub payment: PaymentId,
    /// What the provider calls the charge.
    pub charge: Option<String>,
    /// What the provider calls the thing.
    pub reference: String,
    /// How far it is.
    pub state: S,
    /// How much, tax included.
    pub gross: Nusd,
    /// When it came to be, or ended.
    pub at: AtUs,
}

const REFUNDS: &str = "SELECT r.payment_id, p.charge_ref, r.refund_ref, r.state,
        r.amount_nusd + r.tax_nusd, r.ended_at_us
        FROM payment_refunds r JOIN payments p ON p.id = r.payment_id";
const DISPUTES: &str = "SELECT d.payment_id, p.charge_ref, d.dispute_ref, d.state,
        d.amount_nusd, d.created_at_us
        FROM payment_disputes d JOIN payments p ON p.id = d.payment_id";

/// The refund that a provider calls so.
///
/// # Errors
/// [`StoreError`].
pub fn refund_at(
    tx: &mut Tx<'_>,
    provider: &str,
    reference: &str,
) -> Result<Option<Known<RefundState>>, StoreError> {
    let sql = format!("{REFUNDS} WHERE r.refund_ref = $1 AND p.provider = $2");
    let row = tx.query_optional(&sql, &[reference.into(), provider.into()])?;
    row.as_ref()
        .map(|row| known(row, RefundState::from_word))
        .transpose()
}

/// The dispute that a provider calls so.
///
/// # Errors
/// [`StoreError`].
pub fn dispute_at(
    tx: &mut Tx<'_>,
    provider: &str,
    reference: &str,
) -> Result<Option<Known<DisputeState>>, StoreError> {
    let sql = format!("{DISPUTES} WHERE d.dispute_ref = $1 AND d.provider = $2");
    let row = tx.query_optional(&sql, &[reference.into(), provider.into()])?;
    row.as_ref()
        .map(|row| known(row, DisputeState::from_word))
        .transpose()
}

/// Whose things of which time are compared.
#[derive(Clone, Debug)]
pub struct Span {
    /// Whose.
    pub provider: String,
    /// From then on…
    pub from: AtUs,
    /// … and before this.
    pub until: AtUs,
}

impl Span {
    fn tail(&self, at: &str, id: &str, page: &Page) -> (String, Vec<Value>) {
        let mut params = vec![
            self.provider.as_str().into(),
            self.from.0.into(),
            self.until.0.into(),
        ];
        let between = format!(" AND {at} >= $2 AND {at} < $3");
        let tail = page.tail(at, id, &mut params);
        (format!("{between}{tail}"), params)
    }
}

/// Payments that were credited in a span, in the order of their ends.
///
/// # Errors
/// [`StoreError`].
pub fn paid(tx: &mut Tx<'_>, span: &Span, page: &Page) -> Result<Vec<Payment>, StoreError> {
    let (tail, params) = span.tail("t.ended_at_us", "t.id", page);
    let which = "WHERE t.provider = $1 AND t.state = 'succeeded' AND t.kind <> 'setup'";
    let sql = format!("{} {which}{tail}", super::COLUMNS);
    tx.query(&sql, &params)?
        .iter()
        .map(super::from_row)
        .collect()
}

/// Refunds that succeeded in a span, in the order of their ends.
///
/// # Errors
/// [`StoreError`].
pub fn given_back(
    tx: &mut Tx<'_>,
    span: &Span,
    page: &Page,
) -> Result<Vec<Known<RefundState>>, StoreError> {
    let (tail, params) = span.tail("r.ended_at_us", "r.refund_ref", page);
    let which = "WHERE p.provider = $1 AND r.state = 'succeeded' AND r.refund_ref IS NOT NULL";
    let rows = tx.query(&format!("{REFUNDS} {which}{tail}"), &params)?;
    let one = |row: &Row| known(row, RefundState::from_word);
    rows.iter().map(one).collect()
}

/// Disputes that were heard of in a span, in that order.
///
/// # Errors
/// [`StoreError`].
pub fn disputed(
    tx: &mut Tx<'_>,
    span: &Span,
    page: &Page,
) -> Result<Vec<Known<DisputeState>>, StoreError> {
    let (tail, params) = span.tail("d.created_at_us", "d.dispute_ref", page);
    let rows = tx.query(&format!("{DISPUTES} WHERE d.provider = $1{tail}"), &params)?;
    let one = |row: &Row| known(row, DisputeState::from_word);
    rows.iter().map(one).collect()
}

fn known<S>(row: &Row, state: impl Fn(&str) -> Option<S>) -> Result<Known<S>, StoreError> {
    let corrupt = || StoreError::Corrupt("the state of a refund or a dispute".into());
    Ok(Known {
        payment: PaymentId::new(row.text(0)?),
        charge: row.opt_text(1)?.map(ToOwned::to_owned),
        reference: row.text(2)?.to_owned(),
        state: state(row.text(3)?).ok_or_else(corrupt)?,
        gross: Nusd::new(row.int(4)?),
        at: AtUs(row.opt_int(5)?.unwrap_or(0)),
    })
}

fn from_row(row: &Row) -> Result<Reconciliation, StoreError> {
    Ok(Reconciliation {
        id: ReconciliationId::new(row.text(0)?),
        provider: row.text(1)?.to_owned(),
        state: State::from_word(row.text(2)?)?,
        user: row.opt_text(3)?.map(UserId::new),
        from: AtUs(row.int(4)?),
        until: AtUs(row.int(5)?),
        tally: Tally {
            movements: row.count(6)?,
            settled: row.count(7)?,
            differences: row.count(8)?,
        },
        failure: row.opt_text(9)?.map(ToOwned::to_owned),
        begun_at: AtUs(row.int(10)?),
        ended_at: row.opt_int(11)?.map(AtUs),
    })
}
