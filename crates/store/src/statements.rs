//! Monthly statements: what an organization had, what moved, and what it has, to the nano-dollar.
//!
//! The ledger takes a request's charge when it is settled, at `ended_at`; usage is summed by when
//! requests were admitted, as budgets, prices and reports count it. At a month's ends both differ
//! by the requests that were under way then. A statement shows usage as reports do, says what was
//! settled on the other side of midnight, and so ends with exactly what the wallet had by its
//! transfers:
//!
//! closing = opening + movements − usage − settled of earlier months + not settled in this one
//!
//! Nothing here walks over requests: usage is read from its sums by day, movements by an index of
//! transfers that are no request's, and requests over midnight by an index of those alone.

use domain::Entropy;
use domain::alert::{Alert, AlertEvent};
use domain::id::OrganizationId;
use domain::ledger::Account;
use domain::money::Nusd;
use domain::month::Month;
use domain::time::{AtUs, DAY_US, HOUR_US};
use domain::window::Span;

use crate::{Row, StoreError, Tx, alerts};

/// A statement of one span that begins and ends at midnights, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What the wallet had when the span began.
    pub opening: Nusd,
    /// What moved beside usage, by kind and direction.
    pub movements: Vec<Movements>,
    /// What requests cost that were admitted in the span, by project and model.
    pub usage: Vec<Usage>,
    /// Of requests that were admitted before the span: what was settled in it.
    pub admitted_before: Nusd,
    /// Of requests that were admitted in the span, what was settled after it.
    pub settled_after: Nusd,
    /// What the wallet had when the span ended, or has now.
    pub closing: Nusd,
    /// Whether it will not change any more: the span is over, and nothing admitted in it is open.
    pub is_final: bool,
}

/// Transfers of one kind and direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movements {
    /// The kind, as transfers have it.
    pub code: String,
    /// How many.
    pub count: u64,
    /// What they added to the wallet; below zero if they took from it.
    pub amount: Nusd,
}

/// What one project used of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The project's id.
    pub project: String,
    /// What the project is called now.
    pub project_name: String,
    /// The model.
    pub model: String,
    /// How many requests.
    pub requests: u64,
    /// Tokens that went in, of every class.
    pub input_tokens: u64,
    /// Tokens that came out, of every class.
    pub output_tokens: u64,
    /// What they cost.
    pub cost: Nusd,
}

impl Statement {
    /// What all usage cost.
    #[must_use]
    pub fn usage_cost(&self) -> Nusd {
        self.usage.iter().fold(Nusd::ZERO, |sum, it| sum + it.cost)
    }

    /// What all movements added; below zero if they took.
    #[must_use]
    pub fn moved(&self) -> Nusd {
        let movements = self.movements.iter();
        movements.fold(Nusd::ZERO, |sum, it| sum + it.amount)
    }
}

/// A month may still change for so long after its end: what was admitted in it may not be in the
/// database yet.
const SETTLING_US: i64 = HOUR_US;

/// The statement of a span, which begins and ends at midnights.
///
/// # Errors
/// [`StoreError`].
pub fn of(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
    now: AtUs,
) -> Result<Statement, StoreError> {
    let opening = balance_at(tx, organization, span.start)?;
    let movements = movements(tx, organization, span)?;
    let usage = usage(tx, organization, span)?;
    let admitted_before = under_way_at(tx, organization, span.start)?;
    let settled_after = under_way_at(tx, organization, span.end)?;
    let mut statement = Statement {
        opening,
        movements,
        usage,
        admitted_before,
        settled_after,
        closing: Nusd::ZERO,
        is_final: is_final(tx, organization, span, now)?,
    };
    statement.closing =
        opening + statement.moved() - statement.usage_cost() - admitted_before + settled_after;
    Ok(statement)
}

/// When the first statement of an organization begins: when the organization was made.
///
/// # Errors
/// [`StoreError`].
pub fn since(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<AtUs, StoreError> {
    let sql = "SELECT created_at_us FROM organizations WHERE id = $1";
    let row = tx.query_one(sql, &[organization.as_str().into()])?;
    row.int(0).map(AtUs)
}

/// What the wallet had at a midnight, by the transfers that were booked before it.
///
/// # Errors
/// [`StoreError`].
pub fn balance_at(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    midnight: AtUs,
) -> Result<Nusd, StoreError> {
    let before = Span {
        start: AtUs(i64::MIN),
        end: midnight,
    };
    let moved = movements(tx, organization, before)?;
    let moved = moved.iter().fold(Nusd::ZERO, |sum, it| sum + it.amount);
    let sql = "SELECT CAST(COALESCE(SUM(cost_nusd), 0) AS BIGINT) FROM usage_days
               WHERE organization_id = $1 AND day_at_us < $2";
    let params = [organization.as_str().into(), midnight.0.into()];
    let used = Nusd::new(tx.query_one(sql, &params)?.int(0)?);
    Ok(moved - used + under_way_at(tx, organization, midnight)?)
}

/// What requests cost that were under way at a midnight: admitted before it, settled later. A clock
/// that was set back over midnight counts against it.
fn under_way_at(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    midnight: AtUs,
) -> Result<Nusd, StoreError> {
    // The index has nothing but requests over a midnight, those over one apart from the few others.
    let nights = format!("ended_at_us / {DAY_US} - admitted_at_us / {DAY_US}");
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(nusd), 0) AS BIGINT) FROM (
             SELECT cost_nusd AS nusd FROM usage_records
             WHERE organization_id = $1 AND {nights} <> 0 AND {nights} = 1
               AND admitted_at_us >= $2 AND admitted_at_us < $3 AND ended_at_us >= $3
             UNION ALL
             SELECT cost_nusd FROM usage_records
             WHERE organization_id = $1 AND {nights} <> 0 AND {nights} > 1
               AND admitted_at_us < $3 AND ended_at_us >= $3
             UNION ALL
             SELECT -cost_nusd FROM usage_records
             WHERE organization_id = $1 AND {nights} <> 0 AND {nights} < 0
               AND admitted_at_us >= $3 AND ended_at_us < $3
         ) AS under_way"
    );
    let day_before = midnight.plus(-DAY_US);
    let params = [
        organization.as_str().into(),
        day_before.0.into(),
        midnight.0.into(),
    ];
    tx.query_one(&sql, &params)?.int(0).map(Nusd::new)
}

fn movements(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
) -> Result<Vec<Movements>, StoreError> {
    let sql = "SELECT code, COUNT(*),
                      CAST(SUM(CASE WHEN credit_account = $2 THEN amount_nusd
                                    ELSE -amount_nusd END) AS BIGINT)
               FROM transfers
               WHERE organization_id = $1 AND request_id IS NULL
                 AND at_us >= $3 AND at_us < $4
                 AND (credit_account = $2 OR debit_account = $2)
               GROUP BY code, CASE WHEN credit_account = $2 THEN 1 ELSE 0 END
               ORDER BY code, 3 DESC";
    let params = [
        organization.as_str().into(),
        Account::Wallet(organization.clone()).to_string().into(),
        span.start.0.into(),
        span.end.0.into(),
    ];
    let movements = |row: &Row| {
        Ok(Movements {
            code: row.text(0)?.to_owned(),
            count: row.count(1)?,
            amount: Nusd::new(row.int(2)?),
        })
    };
    tx.query(sql, &params)?.iter().map(movements).collect()
}

fn usage(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
) -> Result<Vec<Usage>, StoreError> {
    let sql = "SELECT d.project_id, COALESCE(MAX(p.name), ''), d.model,
                      CAST(SUM(d.requests) AS BIGINT),
                      CAST(SUM(d.fresh_input_tokens + d.cached_input_tokens + d.cache_write_tokens
                               + d.audio_input_tokens + d.image_tokens) AS BIGINT),
                      CAST(SUM(d.output_tokens + d.reasoning_tokens + d.audio_output_tokens)
                           AS BIGINT),
                      CAST(SUM(d.cost_nusd) AS BIGINT)
               FROM usage_days d LEFT JOIN projects p ON p.id = d.project_id
               WHERE d.organization_id = $1 AND d.day_at_us >= $2 AND d.day_at_us < $3
               GROUP BY d.project_id, d.model ORDER BY 2, 1, 3";
    let params = [
        organization.as_str().into(),
        span.start.0.into(),
        span.end.0.into(),
    ];
    let usage = |row: &Row| {
        Ok(Usage {
            project: row.text(0)?.to_owned(),
            project_name: row.text(1)?.to_owned(),
            model: row.text(2)?.to_owned(),
            requests: row.count(3)?,
            input_tokens: row.count(4)?,
            output_tokens: row.count(5)?,
            cost: Nusd::new(row.int(6)?),
        })
    };
    tx.query(sql, &params)?.iter().map(usage).collect()
}

/// Whether nothing that was admitted in a span can be settled any more.
///
/// # Errors
/// [`StoreError`].
pub fn is_final(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
    now: AtUs,
) -> Result<bool, StoreError> {
    if now < span.end.plus(SETTLING_US) {
        return Ok(false);
    }
    let sql = "SELECT COUNT(*) FROM holds WHERE organization_id = $1 AND admitted_at_us < $2";
    let params = [organization.as_str().into(), span.end.0.into()];
    Ok(tx.query_one(sql, &params)?.int(0)? == 0)
}

/// Tells organizations that their statement of a month is ready: those in which anything moved,
/// once each, and at most so many of them. Says how many.
///
/// # Errors
/// [`StoreError`].
pub fn announce(
    tx: &mut Tx<'_>,
    month: Month,
    most: i64,
    now: AtUs,
    entropy: Entropy,
) -> Result<usize, StoreError> {
    let Some(span) = month.span() else {
        return Ok(0);
    };
    let mut told = 0;
    for organization in untold(tx, month, span, most)? {
        if !is_final(tx, &organization, span, now)? {
            continue;
        }
        let event = AlertEvent::StatementReady {
            statement: month.to_string(),
            month: month.to_string(),
            closing: balance_at(tx, &organization, span.end)?,
        };
        let alert = Alert::new(&organization, month.to_string(), event);
        told += usize::from(alerts::raise(tx, &alert, now, entropy)?);
    }
    Ok(told)
}

/// Whether [`announce`] has anything to do, or is waiting for requests to end.
///
/// # Errors
/// [`StoreError`].
pub fn is_announced(tx: &mut Tx<'_>, month: Month) -> Result<bool, StoreError> {
    match month.span() {
        None => Ok(true),
        Some(span) => Ok(untold(tx, month, span, 1)?.is_empty()),
    }
}

/// Organizations in which anything moved in a month, and that were not told of its statement.
fn untold(
    tx: &mut Tx<'_>,
    month: Month,
    span: Span,
    most: i64,
) -> Result<Vec<OrganizationId>, StoreError> {
    let sql = "SELECT o.id FROM organizations o
               WHERE o.created_at_us < $2
                 AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.organization_id = o.id
                                 AND a.kind = 'statement_ready' AND a.cause = $3)
                 AND (EXISTS (SELECT 1 FROM transfers t WHERE t.organization_id = o.id
                              AND t.request_id IS NULL AND t.at_us >= $1 AND t.at_us < $2)
                      OR EXISTS (SELECT 1 FROM usage_days d WHERE d.organization_id = o.id
                                 AND d.day_at_us >= $1 AND d.day_at_us < $2))
               ORDER BY o.id LIMIT $4";
    let params = [
        span.start.0.into(),
        span.end.0.into(),
        month.to_string().into(),
        most.into(),
    ];
    let rows = tx.query(sql, &params)?;
    rows.iter()
        .map(|row| row.text(0).map(OrganizationId::new))
        .collect()
}
