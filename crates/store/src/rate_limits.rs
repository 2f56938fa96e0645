//! Rate limits of organizations, projects and keys, for one model or for every other.

use domain::admission::{PastUse, RateRule, RateRules, Recent};
use domain::budget::Scope;
use domain::id::{KeyId, OrganizationId, ProjectId};
use domain::time::{AtUs, HOUR_US};

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, Value};

/// A rule as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitRow {
    /// What it is put on.
    pub scope: Scope,
    /// For which model; none for every model that has no rule of its own there.
    pub model: Option<String>,
    /// The limits.
    pub rule: RateRule,
}

/// Puts a rule on a scope and model, in place of the one before.
///
/// # Errors
/// [`StoreError`].
pub fn set(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    row: &RateLimitRow,
    now: AtUs,
) -> Result<(), StoreError> {
    let rule = &row.rule;
    let mut params = place(organization, &row.scope, row.model.as_deref()).to_vec();
    let limits = [
        rule.requests_per_minute,
        rule.tokens_per_minute,
        rule.requests_per_day,
        rule.tokens_per_day,
        rule.concurrent_requests,
    ];
    params.extend(limits.map(|limit| limit.map(kept).into()));
    tx.execute_one(
        "INSERT INTO rate_limits (organization_id, project_id, key_id, model, requests_per_minute,
             tokens_per_minute, requests_per_day, tokens_per_day, concurrent_requests)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (organization_id, project_id, key_id, model) DO UPDATE
         SET requests_per_minute = EXCLUDED.requests_per_minute,
             tokens_per_minute = EXCLUDED.tokens_per_minute,
             requests_per_day = EXCLUDED.requests_per_day,
             tokens_per_day = EXCLUDED.tokens_per_day,
             concurrent_requests = EXCLUDED.concurrent_requests",
        &params,
    )?;
    changes::record(tx, ChangeKind::Limits, organization.as_str(), now)
}

/// Removes the rule of a scope and model; false if there is none.
///
/// # Errors
/// [`StoreError`].
pub fn delete(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    scope: &Scope,
    model: Option<&str>,
    now: AtUs,
) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM rate_limits
         WHERE organization_id = $1 AND project_id = $2 AND key_id = $3 AND model = $4",
        &place(organization, scope, model),
    )?;
    if deleted == 1 {
        changes::record(tx, ChangeKind::Limits, organization.as_str(), now)?;
    }
    Ok(deleted == 1)
}

const COLUMNS: &str = "SELECT project_id, key_id, model, requests_per_minute, tokens_per_minute,
        requests_per_day, tokens_per_day, concurrent_requests
     FROM rate_limits WHERE organization_id = $1";

/// Where a list of rules goes on: after the rule of that scope and model, if there is one or not.
pub type Place = (Scope, Option<String>);

/// Rules of an organization, or of one scope in it: its own first, then those of keys, then those
/// of projects. At most `limit`, after `after`.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    of: Option<&Scope>,
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<RateLimitRow>, StoreError> {
    let mut sql = COLUMNS.to_owned();
    let mut params = vec![organization.as_str().into()];
    if let Some(scope) = of {
        sql.push_str(" AND project_id = $2 AND key_id = $3");
        let [_, project, key, _] = place(organization, scope, None);
        params.extend([project, key]);
    }
    if let Some((scope, model)) = after {
        let [first, second, third] = [1, 2, 3].map(|ahead| params.len() + ahead);
        sql.push_str(&format!(
            " AND (project_id, key_id, model) > (${first}, ${second}, ${third})"
        ));
        let [_, place @ ..] = place(organization, scope, model.as_deref());
        params.extend(place);
    }
    params.push(limit.into());
    let limit = params.len();
    sql.push_str(&format!(
        " ORDER BY project_id, key_id, model LIMIT ${limit}"
    ));
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// The rule of a scope and model.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    scope: &Scope,
    model: Option<&str>,
) -> Result<Option<RateRule>, StoreError> {
    let sql = format!("{COLUMNS} AND project_id = $2 AND key_id = $3 AND model = $4");
    let row = tx.query_optional(&sql, &place(organization, scope, model))?;
    let rule = |row: &Row| from_row(row).map(|row| row.rule);
    row.as_ref().map(rule).transpose()
}

/// How many rules an organization has.
///
/// # Errors
/// [`StoreError`].
pub fn count(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM rate_limits WHERE organization_id = $1";
    tx.query_one(sql, &[organization.as_str().into()])?.count(0)
}

/// The rules of an organization, as admission works by them.
///
/// # Errors
/// [`StoreError`].
pub fn of(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<RateRules, StoreError> {
    list(tx, organization, None, None, i64::MAX).map(rules)
}

/// The rules that decide what a project may use: its organization's and its own.
///
/// # Errors
/// [`StoreError`].
pub fn of_project(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
) -> Result<RateRules, StoreError> {
    let scopes = [Scope::Organization, Scope::Project(project.clone())];
    let mut rows = Vec::new();
    for scope in &scopes {
        rows.extend(list(tx, organization, Some(scope), None, i64::MAX)?);
    }
    Ok(rules(rows))
}

fn rules(rows: Vec<RateLimitRow>) -> RateRules {
    let mut rules = RateRules::default();
    for row in rows {
        rules.insert(row.scope, row.model.map(Into::into), row.rule);
    }
    rules
}

/// What an organization used lately: what was charged, by the hours of its admission, and what open
/// holds were seen to use. The latest moment that each can have been used is the end of its hour,
/// or `now`.
///
/// # Errors
/// [`StoreError`].
pub fn recent(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    now: AtUs,
) -> Result<Recent, StoreError> {
    let since = Recent::since(now);
    let mut used = Vec::new();
    let mut read = |row: &Row| -> Result<(), StoreError> {
        used.push(PastUse {
            project: ProjectId::new(row.text(1)?),
            key: KeyId::new(row.text(2)?),
            model: row.text(3)?.into(),
            requests: row.count(4)?,
            tokens: row.count(5)?,
            at: AtUs(row.int(0)?).plus(HOUR_US).min(now),
        });
        Ok(())
    };
    tx.for_each(
        "SELECT hour_at_us, project_id, key_id, model, CAST(SUM(requests) AS BIGINT),
                CAST(SUM(fresh_input_tokens + cached_input_tokens + cache_write_tokens
                    + output_tokens + reasoning_tokens + audio_input_tokens
                    + audio_output_tokens + image_tokens) AS BIGINT)
         FROM usage_hours WHERE organization_id = $1 AND hour_at_us >= $2
         GROUP BY hour_at_us, project_id, key_id, model ORDER BY hour_at_us",
        &[organization.as_str().into(), since.0.into()],
        &mut read,
    )?;
    // Whatever they began with, they use it still.
    tx.for_each(
        "SELECT CAST($2 AS BIGINT), project_id, key_id, model, COUNT(*),
                CAST(SUM(seen_input_tokens + seen_output_tokens) AS BIGINT)
         FROM holds WHERE organization_id = $1 GROUP BY project_id, key_id, model",
        &[organization.as_str().into(), now.0.into()],
        &mut read,
    )?;
    Ok(Recent { since, now, used })
}

fn place(organization: &OrganizationId, scope: &Scope, model: Option<&str>) -> [Value; 4] {
    let (project, key) = match scope {
        Scope::Organization => ("", ""),
        Scope::Project(id) => (id.as_str(), ""),
        Scope::Key(id) => ("", id.as_str()),
    };
    [
        organization.as_str().into(),
        project.into(),
        key.into(),
        model.unwrap_or_default().into(),
    ]
}

/// A limit as it is kept; what no column holds is no limit anybody reaches.
fn kept(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn from_row(row: &Row) -> Result<RateLimitRow, StoreError> {
    let scope = match (row.text(0)?, row.text(1)?) {
        ("", "") => Scope::Organization,
        ("", key) => Scope::Key(KeyId::new(key)),
        (project, _) => Scope::Project(ProjectId::new(project)),
    };
    let limit = |index| -> Result<Option<u64>, StoreError> {
        let limit = row.opt_int(index)?;
        Ok(limit.map(|limit| u64::try_from(limit).unwrap_or(0)))
    };
    Ok(RateLimitRow {
        scope,
        model: Some(row.text(2)?.to_owned()).filter(|model| !model.is_empty()),
        rule: RateRule {
            requests_per_minute: limit(3)?,
            tokens_per_minute: limit(4)?,
            requests_per_day: limit(5)?,
            tokens_per_day: limit(6)?,
            concurrent_requests: limit(7)?,
        },
    })
}
