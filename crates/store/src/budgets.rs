//! Budgets: their limits, the thresholds that were told, and what was spent in their windows.
//!
//! Spending is not kept beside a budget: it is the sum of the hours of its window, and windows
//! begin and end with hours.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use domain::admission::{Crossing, Unknown};
use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, KeyId, OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::window::{Span, Window};

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx};

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
    let (project, key) = match &budget.scope {
        Scope::Organization => (None, None),
        Scope::Project(id) => (Some(id.as_str()), None),
        Scope::Key(id) => (None, Some(id.as_str())),
    };
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
    changes::record(tx, ChangeKind::Limits, organization.as_str(), now)
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
    }
    Ok(deleted == 1)
}

/// One budget of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &BudgetId,
) -> Result<Option<BudgetRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE organization_id = $1 AND id = $2");
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

/// Budgets of an organization after `after`, oldest first, at most `limit`.
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
        "{COLUMNS} WHERE organization_id = $1 AND (created_at_us, id) > ($2, $3)
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

/// Every budget of an organization: what admission works by.
///
/// # Errors
/// [`StoreError`].
pub fn of(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Vec<Budget>, StoreError> {
    let rows = list(tx, organization, None, i64::MAX)?;
    Ok(rows.into_iter().map(|row| row.budget).collect())
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

/// What was settled of the requests admitted in each span, for each scope.
///
/// # Errors
/// [`StoreError`].
pub fn spent(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    questions: &[Unknown],
) -> Result<Vec<Nusd>, StoreError> {
    // Budgets of many keys share few windows: each is added up once.
    let mut sums: HashMap<Span, Vec<(ProjectId, KeyId, Nusd)>> = HashMap::new();
    for question in questions {
        if let Entry::Vacant(entry) = sums.entry(question.span) {
            entry.insert(by_key(tx, organization, question.span)?);
        }
    }
    let spent = |question: &Unknown| {
        let all = sums[&question.span].iter();
        let covered = all.filter(|(project, key, _)| question.scope.covers(project, key));
        covered.map(|(_, _, cost)| *cost).sum()
    };
    Ok(questions.iter().map(spent).collect())
}

fn by_key(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
) -> Result<Vec<(ProjectId, KeyId, Nusd)>, StoreError> {
    let rows = tx.query(
        "SELECT project_id, key_id, CAST(SUM(cost_nusd) AS BIGINT) FROM usage_hours
         WHERE organization_id = $1 AND hour_at_us >= $2 AND hour_at_us < $3
         GROUP BY project_id, key_id",
        &[
            organization.as_str().into(),
            span.start.0.into(),
            span.end.0.into(),
        ],
    )?;
    rows.iter()
        .map(|row| {
            let (project, key) = (ProjectId::new(row.text(0)?), KeyId::new(row.text(1)?));
            Ok((project, key, Nusd::new(row.int(2)?)))
        })
        .collect()
}

/// Keeps thresholds that were reached; one that was kept before stays as it was.
///
/// # Errors
/// [`StoreError`].
pub fn keep_events(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    crossings: &[Crossing],
) -> Result<(), StoreError> {
    for crossing in crossings {
        tx.execute(
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
    }
    Ok(())
}

/// The latest thresholds that a budget's spending reached, newest first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn events(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    budget: &BudgetId,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let rows = tx.query(
        "SELECT window_at_us, threshold_percent, limit_nusd, spent_nusd, at_us FROM budget_events
         WHERE organization_id = $1 AND budget_id = $2
         ORDER BY window_at_us DESC, threshold_percent DESC LIMIT $3",
        &[
            organization.as_str().into(),
            budget.as_str().into(),
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

/// What is held for requests in flight that count in `span` of `scope`, as far as it is written.
///
/// # Errors
/// [`StoreError`].
pub fn held(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    scope: &Scope,
    span: Span,
) -> Result<Nusd, StoreError> {
    let (project, key) = match scope {
        Scope::Organization => ("", ""),
        Scope::Project(id) => (id.as_str(), ""),
        Scope::Key(id) => ("", id.as_str()),
    };
    let row = tx.query_one(
        "SELECT CAST(COALESCE(SUM(amount_nusd), 0) AS BIGINT) FROM holds
         WHERE organization_id = $1 AND admitted_at_us >= $2 AND admitted_at_us < $3
           AND (CAST($4 AS TEXT) = '' OR project_id = $4)
           AND (CAST($5 AS TEXT) = '' OR key_id = $5)",
        &[
            organization.as_str().into(),
            span.start.0.into(),
            span.end.0.into(),
            project.into(),
            key.into(),
        ],
    )?;
    row.int(0).map(Nusd::new)
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
