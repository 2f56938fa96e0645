//! Budgets: their limits, the thresholds that were told, and what was spent in their windows.
//!
//! Spending is not kept beside a budget: it is the sum of the hours of its window, and windows
//! begin and end with hours.

mod alerts;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use domain::Entropy;
use domain::admission::{Crossing, Unknown};
use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, KeyId, OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::window::{Span, Window};

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, leases};

/// A budget as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRow {
    /// The budget itself.
    pub budget: Budget,
    /// Whether it is the scope's spend limit, as OpenAI's Administration API knows it.
    pub is_spend_limit: bool,
    /// When it was made.
    pub created_at: AtUs,
}

/// What counts in one turn of a budget's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The turn.
    pub span: Span,
    /// What was settled of the requests admitted in it.
    pub spent: Nusd,
    /// What is held for those in flight.
    pub held: Nusd,
}

/// Which threshold, in which turn of the window: where a list of events goes on.
pub type EventPlace = (AtUs, u16);

/// A threshold that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The start of the window.
    pub window_at: AtUs,
    /// Per cent of the limit.
    pub threshold: u16,
    /// The limit at that moment.
    pub limit: Nusd,
    /// What was spent in the window.
    pub spent: Nusd,
    /// When.
    pub at: AtUs,
}

const COLUMNS: &str = "SELECT id, project_id, key_id, calendar, limit_nusd, force, thresholds,
        spend_limit_since_us, created_at_us FROM budgets";

/// Makes a budget. A running server counts everything in it that its window holds already.
///
/// # Errors
/// [`StoreError`]; a conflict if the scope has a spend limit and this is to be another.
pub fn create(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    row: &BudgetRow,
) -> Result<(), StoreError> {
    let budget = &row.budget;
    let (project, key) = columns(&budget.scope);
    tx.execute_one(
        "INSERT INTO budgets (id, organization_id, project_id, key_id, calendar, limit_nusd, force,
                              thresholds, spend_limit_since_us, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            budget.id.as_str().into(),
            organization.as_str().into(),
            project.into(),
            key.into(),
            budget.window.as_str().into(),
            budget.limit.get().into(),
            budget.force.as_str().into(),
            thresholds_text(&budget.thresholds).into(),
            row.is_spend_limit.then_some(row.created_at.0).into(),
            row.created_at.0.into(),
        ],
    )?;
    changes::record(
        tx,
        ChangeKind::Limits,
        organization.as_str(),
        row.created_at,
    )
}

/// Changes limit, force and thresholds of a budget. Requests in flight keep what they hold.
///
/// # Errors
/// [`StoreError`].
pub fn change(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    budget: &Budget,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE budgets SET limit_nusd = $3, force = $4, thresholds = $5
         WHERE organization_id = $1 AND id = $2",
        &[
            organization.as_str().into(),
            budget.id.as_str().into(),
            budget.limit.get().into(),
            budget.force.as_str().into(),
            thresholds_text(&budget.thresholds).into(),
        ],
    )?;
    changes::record(tx, ChangeKind::Limits, organization.as_str(), now)?;
    match budget.force {
        Force::Hard => leases::set_limit(tx, organization, &budget.id, budget.limit),
        Force::Soft => leases::close(tx, organization, &budget.id),
    }
}

/// Removes a budget; false if there is none.
///
/// # Errors
/// [`StoreError`].
pub fn delete(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &BudgetId,
    now: AtUs,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM budgets WHERE organization_id = $1 AND id = $2";
    let deleted = tx.execute(sql, &[organization.as_str().into(), id.as_str().into()])?;
    if deleted == 1 {
        changes::record(tx, ChangeKind::Limits, organization.as_str(), now)?;
        leases::close(tx, organization, id)?;
    }
    Ok(deleted == 1)
}

/// As [`get`], or a spend alert.
fn any(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &BudgetId,
) -> Result<Option<BudgetRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE organization_id = $1 AND id = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// One budget of an organization; not one of its [`crate::spend_alerts`].
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &BudgetId,
) -> Result<Option<BudgetRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE organization_id = $1 AND id = $2 AND alert IS NULL");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// The spend limit of an organization, or of one of its projects.
///
/// # Errors
/// [`StoreError`].
pub fn spend_limit(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: Option<&ProjectId>,
) -> Result<Option<BudgetRow>, StoreError> {
    let sql = format!(
        "{COLUMNS} WHERE organization_id = $1 AND COALESCE(project_id, '') = $2
         AND spend_limit_since_us IS NOT NULL"
    );
    let project = project.map_or("", ProjectId::as_str);
    let row = tx.query_optional(&sql, &[organization.as_str().into(), project.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Budgets of an organization after `after`, oldest first, at most `limit`. Not
/// [`crate::spend_alerts`].
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    after: Option<&BudgetRow>,
    limit: i64,
) -> Result<Vec<BudgetRow>, StoreError> {
    let start = |it: &BudgetRow| (it.created_at.0, it.budget.id.to_string());
    let (at, id) = after.map_or((i64::MIN, String::new()), start);
    let sql = format!(
        "{COLUMNS} WHERE organization_id = $1 AND alert IS NULL AND (created_at_us, id) > ($2, $3)
         ORDER BY created_at_us, id LIMIT $4"
    );
    let params = [
        organization.as_str().into(),
        at.into(),
        id.into(),
        limit.into(),
    ];
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// Every budget of an organization, spend alerts too: what admission works by.
///
/// # Errors
/// [`StoreError`].
pub fn of(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Vec<Budget>, StoreError> {
    let sql = format!("{COLUMNS} WHERE organization_id = $1 ORDER BY created_at_us, id");
    let rows = tx.query(&sql, &[organization.as_str().into()])?;
    let budget = |row: &Row| from_row(row).map(|row| row.budget);
    rows.iter().map(budget).collect()
}

/// The organizations that have budgets or rate limits of their own.
///
/// # Errors
/// [`StoreError`].
pub fn limited_organizations(tx: &mut Tx<'_>) -> Result<Vec<OrganizationId>, StoreError> {
    let sql = "SELECT organization_id FROM budgets UNION SELECT organization_id FROM rate_limits";
    let rows = tx.query(sql, &[])?;
    rows.iter()
        .map(|row| row.text(0).map(OrganizationId::new))
        .collect()
}

/// How many budgets there are on a scope, and in its whole organization.
///
/// # Errors
/// [`StoreError`].
pub fn count(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    scope: &Scope,
) -> Result<(u64, u64), StoreError> {
    let (project, key) = columns(scope);
    let row = tx.query_one(
        "SELECT CAST(COALESCE(SUM(CASE WHEN COALESCE(project_id, '') = $2
                                        AND COALESCE(key_id, '') = $3 THEN 1 ELSE 0 END), 0) AS BIGINT),
                COUNT(*)
         FROM budgets WHERE organization_id = $1",
        &[
            organization.as_str().into(),
            project.unwrap_or_default().into(),
            key.unwrap_or_default().into(),
        ],
    )?;
    Ok((row.count(0)?, row.count(1)?))
}

/// What was settled of the requests admitted in each span, for each scope.
///
/// # Errors
/// [`StoreError`].
pub fn spent(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    questions: &[Unknown],
) -> Result<Vec<Nusd>, StoreError> {
    let places: Vec<_> = questions.iter().map(|it| (&it.scope, it.span)).collect();
    sums(tx, organization, SETTLED, &places)
}

/// Where each budget stands in the turn of its window that holds `now`, as far as it is written.
///
/// # Errors
/// [`StoreError`].
pub fn standings(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    budgets: &[Budget],
    now: AtUs,
) -> Result<Vec<Standing>, StoreError> {
    let span = |budget: &Budget| budget.window.span(now);
    let places: Vec<_> = budgets.iter().map(|it| (&it.scope, span(it))).collect();
    let spent = sums(tx, organization, SETTLED, &places)?;
    let held = sums(tx, organization, HELD, &places)?;
    let all = places.iter().zip(spent).zip(held);
    Ok(all
        .map(|(((_, span), spent), held)| Standing {
            span: *span,
            spent,
            held,
        })
        .collect())
}

/// The thresholds that an organization's budgets have reached by `now`, told before or not: where
/// several nodes spend, only the database knows.
///
/// # Errors
/// [`StoreError`].
pub fn reached(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    now: AtUs,
) -> Result<Vec<Crossing>, StoreError> {
    let mut budgets = of(tx, organization)?;
    budgets.retain(|budget| !budget.thresholds.is_empty());
    let places: Vec<_> = budgets
        .iter()
        .map(|it| (&it.scope, it.window.span(now)))
        .collect();
    let spent = sums(tx, organization, SETTLED, &places)?;
    let all = budgets.iter().zip(&places).zip(spent);
    let crossings = all.flat_map(|((budget, (_, span)), spent)| {
        budget.reached(spent).map(move |threshold| Crossing {
            budget: budget.id.clone(),
            window_at: span.start,
            threshold,
            limit: budget.limit,
            spent,
            at: now,
        })
    });
    Ok(crossings.collect())
}

const SETTLED: &str = "SELECT project_id, key_id, CAST(SUM(cost_nusd) AS BIGINT) FROM usage_hours
     WHERE organization_id = $1 AND hour_at_us >= $2 AND hour_at_us < $3
     GROUP BY project_id, key_id";

const HELD: &str = "SELECT project_id, key_id, CAST(SUM(amount_nusd) AS BIGINT) FROM holds
     WHERE organization_id = $1 AND admitted_at_us >= $2 AND admitted_at_us < $3
     GROUP BY project_id, key_id";

/// The sum of each scope's money in each span, by a query that adds up each key's.
fn sums(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    by_key: &str,
    places: &[(&Scope, Span)],
) -> Result<Vec<Nusd>, StoreError> {
    // Budgets of many keys share few windows: each is added up once.
    let mut found: HashMap<Span, Vec<(ProjectId, KeyId, Nusd)>> = HashMap::new();
    for (_, span) in places {
        let Entry::Vacant(place) = found.entry(*span) else {
            continue;
        };
        let (start, end) = (span.start.0.into(), span.end.0.into());
        let rows = tx.query(by_key, &[organization.as_str().into(), start, end])?;
        let sum = |row: &Row| -> Result<_, StoreError> {
            let (project, key) = (ProjectId::new(row.text(0)?), KeyId::new(row.text(1)?));
            Ok((project, key, Nusd::new(row.int(2)?)))
        };
        place.insert(rows.iter().map(sum).collect::<Result<_, _>>()?);
    }
    let sum = |(scope, span): &(&Scope, Span)| {
        let all = found[span].iter();
        let covered = all.filter(|(project, key, _)| scope.covers(project, key));
        covered.map(|(_, _, amount)| *amount).sum()
    };
    Ok(places.iter().map(sum).collect())
}

/// Keeps thresholds that were reached, and tells people of each by mail: whom a spend alert names,
/// of other budgets the organization's owners. One that was kept before stays as it was, and nobody
/// is told again.
///
/// # Errors
/// [`StoreError`].
pub fn keep_events(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    crossings: &[Crossing],
    entropy: Entropy,
) -> Result<(), StoreError> {
    for crossing in crossings {
        let kept = tx.execute(
            "INSERT INTO budget_events (budget_id, window_at_us, threshold_percent,
                                        organization_id, limit_nusd, spent_nusd, at_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (budget_id, window_at_us, threshold_percent) DO NOTHING",
            &[
                crossing.budget.as_str().into(),
                crossing.window_at.0.into(),
                i64::from(crossing.threshold).into(),
                organization.as_str().into(),
                crossing.limit.get().into(),
                crossing.spent.get().into(),
                crossing.at.0.into(),
            ],
        )?;
        if kept == 1 {
            alerts::tell(tx, organization, crossing, entropy)?;
        }
    }
    Ok(())
}

/// Thresholds that a budget's spending reached, newest first, at most `limit`, after `after`.
///
/// # Errors
/// [`StoreError`].
pub fn events(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    budget: &BudgetId,
    after: Option<EventPlace>,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let start = |(window_at, threshold): EventPlace| (window_at.0, i64::from(threshold));
    let (window_at_us, threshold) = after.map_or((i64::MAX, i64::MAX), start);
    let rows = tx.query(
        "SELECT window_at_us, threshold_percent, limit_nusd, spent_nusd, at_us FROM budget_events
         WHERE organization_id = $1 AND budget_id = $2
           AND (window_at_us, threshold_percent) < ($3, $4)
         ORDER BY window_at_us DESC, threshold_percent DESC LIMIT $5",
        &[
            organization.as_str().into(),
            budget.as_str().into(),
            window_at_us.into(),
            threshold.into(),
            limit.into(),
        ],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Event {
                window_at: AtUs(row.int(0)?),
                threshold: u16::try_from(row.int(1)?).unwrap_or(u16::MAX),
                limit: Nusd::new(row.int(2)?),
                spent: Nusd::new(row.int(3)?),
                at: AtUs(row.int(4)?),
            })
        })
        .collect()
}

/// The project and the key that a scope is kept as.
fn columns(scope: &Scope) -> (Option<&str>, Option<&str>) {
    match scope {
        Scope::Organization => (None, None),
        Scope::Project(id) => (Some(id.as_str()), None),
        Scope::Key(id) => (None, Some(id.as_str())),
    }
}

fn from_row(row: &Row) -> Result<BudgetRow, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("a budget has no {what}"));
    let scope = match (row.opt_text(1)?, row.opt_text(2)?) {
        (Some(project), _) => Scope::Project(ProjectId::new(project)),
        (None, Some(key)) => Scope::Key(KeyId::new(key)),
        (None, None) => Scope::Organization,
    };
    Ok(BudgetRow {
        budget: Budget {
            id: BudgetId::new(row.text(0)?),
            scope,
            window: Window::from_word(row.text(3)?).ok_or_else(|| corrupt("window"))?,
            limit: Nusd::new(row.int(4)?),
            force: Force::from_word(row.text(5)?).ok_or_else(|| corrupt("force"))?,
            thresholds: read_thresholds(row.text(6)?).ok_or_else(|| corrupt("thresholds"))?,
        },
        is_spend_limit: row.opt_int(7)?.is_some(),
        created_at: AtUs(row.int(8)?),
    })
}

/// Thresholds as they are kept: numbers with commas between them.
fn thresholds_text(thresholds: &[u16]) -> String {
    let texts: Vec<String> = thresholds.iter().map(ToString::to_string).collect();
    texts.join(",")
}

fn read_thresholds(text: &str) -> Option<Vec<u16>> {
    let numbers = text.split(',').filter(|number| !number.is_empty());
    numbers.map(|number| number.parse().ok()).collect()
}
