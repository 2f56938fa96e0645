//! Requests that ended without a charge: written in groups, kept for some days.

use domain::id::{KeyId, OrganizationId, ProjectId, RequestId};
use domain::time::{AtUs, MINUTE_US};

use super::{Filter, Outcome};
use crate::{StoreError, Tx, Value};

/// A request that ended without a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The request.
    pub id: RequestId,
    /// Whose key it came with.
    pub organization: OrganizationId,
    /// The project of that key.
    pub project: Option<ProjectId>,
    /// The key.
    pub key: KeyId,
    /// The model that was asked for, if the request was read.
    pub model: Option<String>,
    /// `chat`, `responses`, `completions` or `embeddings`.
    pub endpoint: &'static str,
    /// The upstream that was called last, if one was.
    pub upstream: Option<String>,
    /// Whether the answer was to come piece by piece, if the request was read.
    pub streamed: Option<bool>,
    /// When it arrived.
    pub started_at: AtUs,
    /// When it was refused.
    pub ended_at: AtUs,
    /// [`Outcome::Refused`] or [`Outcome::Failed`].
    pub outcome: Outcome,
    /// The status of the answer.
    pub status: u16,
    /// The code of its error.
    pub error_code: Option<String>,
    /// The message of its error.
    pub error_message: String,
    /// What was looked at, in order: a JSON array.
    pub checks: String,
}

/// Keeps a request. One that is there already stays as it is.
///
/// # Errors
/// [`StoreError`].
pub fn keep(tx: &mut Tx<'_>, refused: &Refused) -> Result<(), StoreError> {
    let streamed = refused.streamed.map(i64::from);
    tx.execute(
        "INSERT INTO refused_requests (organization_id, id, project_id, key_id, model, endpoint,
             upstream_id, streamed, started_at_us, ended_at_us, outcome, status, error_code,
             error_message, checks)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (organization_id, id) DO NOTHING",
        &[
            refused.organization.as_str().into(),
            refused.id.to_string().into(),
            refused.project.as_ref().map(ProjectId::as_str).into(),
            refused.key.as_str().into(),
            refused.model.as_deref().map(without_nulls).into(),
            refused.endpoint.into(),
            refused.upstream.as_deref().into(),
            streamed.into(),
            refused.started_at.0.into(),
            refused.ended_at.0.into(),
            refused.outcome.as_str().into(),
            i64::from(refused.status).into(),
            refused.error_code.as_deref().map(without_nulls).into(),
            without_nulls(&refused.error_message).into(),
            without_nulls(&refused.checks).into(),
        ],
    )?;
    Ok(())
}

/// A text that callers or upstreams chose, as both databases can keep it.
fn without_nulls(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Adds to how many requests of the minute of `at` were refused and are not kept.
///
/// # Errors
/// [`StoreError`].
pub fn count(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    at: AtUs,
    requests: i64,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO refusal_counts (organization_id, minute_at_us, requests)
         VALUES ($1, $2, $3)
         ON CONFLICT (organization_id, minute_at_us)
         DO UPDATE SET requests = refusal_counts.requests + EXCLUDED.requests",
        &[
            organization.as_str().into(),
            (at.0 / MINUTE_US * MINUTE_US).into(),
            requests.into(),
        ],
    )
}

/// How many requests were refused and are not kept, in the minutes that begin in the filter's span.
///
/// # Errors
/// [`StoreError`].
pub fn not_kept(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    filter: &Filter,
) -> Result<u64, StoreError> {
    let mut params: Vec<Value> = vec![organization.as_str().into()];
    let span = filter
        .span(&mut params)
        .replace("r.ended_at_us", "minute_at_us");
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT) FROM refusal_counts
         WHERE organization_id = $1{span}"
    );
    tx.query_one(&sql, &params)?.count(0)
}

/// Forgets requests and counts from before `before`, the oldest first, at most `most` of each;
/// answers how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, before: AtUs, most: i64) -> Result<u64, StoreError> {
    let params = [before.0.into(), most.into()];
    let requests = tx.execute(
        "DELETE FROM refused_requests WHERE (organization_id, id) IN (
             SELECT organization_id, id FROM refused_requests WHERE ended_at_us < $1
             ORDER BY ended_at_us LIMIT $2)",
        &params,
    )?;
    let counts = tx.execute(
        "DELETE FROM refusal_counts WHERE (organization_id, minute_at_us) IN (
             SELECT organization_id, minute_at_us FROM refusal_counts WHERE minute_at_us < $1
             ORDER BY minute_at_us LIMIT $2)",
        &params,
    )?;
    Ok(requests.max(counts))
}
