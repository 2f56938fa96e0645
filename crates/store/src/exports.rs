//! What is exported whole, page by page: each page is a transaction of its own that begins after
//! the last row of the page before, so no snapshot is kept open however long a caller reads.

use domain::id::{OrganizationId, RequestId};
use domain::ledger::Account;
use domain::money::Nusd;
use domain::time::{AtUs, HOUR_US, MINUTE_US};
use domain::window::Span;

use crate::page::Place;
use crate::usage_reports::{ARRIVAL_US, TOKENS};
use crate::{Row, StoreError, Tx};

/// A transfer on a wallet that is no request's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Its id in the books.
    pub id: String,
    /// When it was booked.
    pub at: AtUs,
    /// Why money moved, as a word.
    pub code: String,
    /// What it added to the wallet; below zero if it took from it.
    pub amount: Nusd,
    /// Why, as a person put it.
    pub reason: String,
}

/// A metered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: String,
    /// When it was admitted, which decides the month it counts in.
    pub admitted_at: AtUs,
    /// When it was charged.
    pub ended_at: AtUs,
    /// Its project's id.
    pub project: String,
    /// Its key's id.
    pub key: String,
    /// Its model.
    pub model: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Tokens by class: fresh, cached, cache write, output, reasoning, audio in, audio out, image.
    pub tokens: [i64; 8],
    /// What it cost.
    pub cost: Nusd,
}

/// How many movements there are in a span.
///
/// # Errors
/// [`StoreError`].
pub fn count_movements(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM transfers
               WHERE organization_id = $1 AND request_id IS NULL AND at_us >= $2 AND at_us < $3
                 AND (credit_account = $4 OR debit_account = $4)";
    let params = [
        organization.as_str().into(),
        span.start.0.into(),
        span.end.0.into(),
        Account::Wallet(organization.clone()).to_string().into(),
    ];
    tx.query_one(sql, &params)?.count(0)
}

/// Movements of a span, oldest first, after a place among them.
///
/// # Errors
/// [`StoreError`].
pub fn movements(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Movement>, StoreError> {
    // Nothing has an empty id.
    let (from, last) = after.map_or((span.start, ""), |(at, id)| (*at, id));
    let sql = "SELECT id, at_us, code, reason,
                      CASE WHEN credit_account = $5 THEN amount_nusd ELSE -amount_nusd END
               FROM transfers
               WHERE organization_id = $1 AND request_id IS NULL AND (at_us, id) > ($2, $3)
                 AND at_us < $4 AND (credit_account = $5 OR debit_account = $5)
               ORDER BY at_us, id LIMIT $6";
    let params = [
        organization.as_str().into(),
        from.0.into(),
        last.into(),
        span.end.0.into(),
        Account::Wallet(organization.clone()).to_string().into(),
        limit.into(),
    ];
    let movement = |row: &Row| {
        Ok(Movement {
            id: row.text(0)?.to_owned(),
            at: AtUs(row.int(1)?),
            code: row.text(2)?.to_owned(),
            reason: row.text(3)?.to_owned(),
            amount: Nusd::new(row.int(4)?),
        })
    };
    tx.query(sql, &params)?.iter().map(movement).collect()
}

/// About how many requests were admitted in a span: those of the hours that it touches.
///
/// # Errors
/// [`StoreError`].
pub fn estimate_requests(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
) -> Result<u64, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT) FROM usage_hours
               WHERE organization_id = $1 AND hour_at_us >= $2 AND hour_at_us < $3";
    let params = [
        organization.as_str().into(),
        span.start.floor(HOUR_US).0.into(),
        span.end.0.into(),
    ];
    tx.query_one(sql, &params)?.count(0)
}

/// Requests that were admitted in a span, by when they arrived, after the one of this id.
///
/// # Errors
/// [`StoreError`].
pub fn requests(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    span: Span,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Request>, StoreError> {
    let first = RequestId::floor(span.start.plus(-ARRIVAL_US));
    let sql = format!(
        "SELECT id, admitted_at_us, ended_at_us, project_id, key_id, model, endpoint, cost_nusd, {}
         FROM usage_records
         WHERE organization_id = $1 AND id > $2 AND id < $3
           AND admitted_at_us >= $4 AND admitted_at_us < $5
         ORDER BY id LIMIT $6",
        TOKENS.join(", ")
    );
    let params = [
        organization.as_str().into(),
        after.unwrap_or(&first).into(),
        RequestId::floor(span.end.plus(MINUTE_US)).into(),
        span.start.0.into(),
        span.end.0.into(),
        limit.into(),
    ];
    tx.query(&sql, &params)?.iter().map(request).collect()
}

fn request(row: &Row) -> Result<Request, StoreError> {
    let text = |index| row.text(index).map(str::to_owned);
    let mut tokens = [0; 8];
    for (index, tokens) in (8..).zip(&mut tokens) {
        *tokens = row.int(index)?;
    }
    Ok(Request {
        id: text(0)?,
        admitted_at: AtUs(row.int(1)?),
        ended_at: AtUs(row.int(2)?),
        project: text(3)?,
        key: text(4)?,
        model: text(5)?,
        endpoint: text(6)?,
        tokens,
        cost: Nusd::new(row.int(7)?),
    })
}
