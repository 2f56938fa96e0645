//! What other prices would have changed: the usage of a model in a stretch of time, priced again.
//!
//! Organizations whose requests can all be looked at are priced request by request, each rounded up
//! as it was. The others are priced by their days: exact but for what rounding each request up
//! adds, less than a nano-dollar each, and for requests that cost more than their hold.

use domain::id::{OrganizationId, RequestId};
use domain::money::Nusd;
use domain::price::{Charged, UnitPrices};
use domain::time::{AtUs, MINUTE_US};
use domain::usage::{Usage, UsageClass};

use crate::usage_reports::{ARRIVAL_US, TOKENS};
use crate::{Row, StoreError, Tx, Value};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The model's public name.
    pub model: String,
    /// The first day's start, UTC.
    pub from: AtUs,
    /// The end of the last day.
    pub to: AtUs,
    /// What the customer would pay.
    pub price: UnitPrices,
    /// What the operator would pay.
    pub cost: UnitPrices,
    /// The most requests, of any model, that are looked at one by one.
    pub most_records: i64,
}

/// What the prices would have changed for one organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// Which.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// Its metered requests to the model.
    pub requests: i64,
    /// What they used.
    pub usage: Usage,
    /// What it paid for them.
    pub billed: Nusd,
    /// What it would have paid.
    pub proposed: Nusd,
    /// What the operator paid for them.
    pub upstream_cost: Nusd,
    /// What the operator would have paid.
    pub proposed_upstream_cost: Nusd,
    /// Every request was looked at.
    pub is_exact: bool,
}

impl Affected {
    /// What the organization would have paid more; less, if it is negative.
    #[must_use]
    pub fn difference(&self) -> Nusd {
        self.proposed - self.billed
    }
}

/// Requests looked at in one query.
const PAGE: i64 = 5_000;

/// What the prices would have changed, for every organization that used the model.
///
/// # Errors
/// [`StoreError`].
pub fn preview(tx: &mut Tx<'_>, question: &Question) -> Result<Vec<Affected>, StoreError> {
    let mut found = by_days(tx, question)?;
    // The small ones first: so most organizations are exact.
    found.sort_by_key(|(records, _)| *records);
    let mut left = question.most_records;
    for (records, affected) in &mut found {
        left -= *records;
        if left < 0 {
            break;
        }
        by_requests(tx, question, affected)?;
    }
    Ok(found.into_iter().map(|(_, affected)| affected).collect())
}

/// Every organization that used the model, priced by its days, with its requests to any model.
fn by_days(tx: &mut Tx<'_>, question: &Question) -> Result<Vec<(i64, Affected)>, StoreError> {
    let of_model = |column: &str| {
        format!("CAST(SUM(CASE WHEN d.model = $3 THEN d.{column} ELSE 0 END) AS BIGINT)")
    };
    let columns = ["requests", "cost_nusd", "upstream_cost_nusd"];
    let sums = columns.iter().chain(&TOKENS).map(|column| of_model(column));
    // From one organization to its days: those outside of the time are not read.
    let sql = format!(
        "SELECT o.id, o.name, CAST(SUM(d.requests) AS BIGINT), {}
         FROM organizations o CROSS JOIN usage_days d
         WHERE d.organization_id = o.id AND d.day_at_us >= $1 AND d.day_at_us < $2
         GROUP BY o.id, o.name
         HAVING SUM(CASE WHEN d.model = $3 THEN d.requests ELSE 0 END) > 0
         ORDER BY o.id",
        sums.collect::<Vec<_>>().join(", ")
    );
    let params = [
        question.from.0.into(),
        question.to.0.into(),
        question.model.as_str().into(),
    ];
    let read = |row: &Row| {
        let mut usage = tokens(row, 6)?;
        usage[UsageClass::Request] = row.count(3)?;
        let affected = Affected {
            organization: OrganizationId::new(row.text(0)?),
            name: row.text(1)?.to_owned(),
            requests: row.int(3)?,
            billed: Nusd::new(row.int(4)?),
            proposed: question.price.cost(&usage).total,
            upstream_cost: Nusd::new(row.int(5)?),
            proposed_upstream_cost: question.cost.cost(&usage).total,
            usage,
            is_exact: false,
        };
        Ok((row.int(2)?, affected))
    };
    tx.query(&sql, &params)?.iter().map(read).collect()
}

/// Prices an organization again, request by request.
fn by_requests(
    tx: &mut Tx<'_>,
    question: &Question,
    affected: &mut Affected,
) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT id, cost_nusd, overrun_nusd, {} FROM usage_records
         WHERE organization_id = $1 AND id > $2 AND id < $3
           AND admitted_at_us >= $4 AND admitted_at_us < $5 AND model = $6
         ORDER BY id LIMIT $7",
        TOKENS.join(", ")
    );
    let mut after = RequestId::floor(question.from.plus(-ARRIVAL_US));
    let (mut proposed, mut proposed_upstream_cost) = (0_i128, 0_i128);
    loop {
        let params: [Value; 7] = [
            affected.organization.as_str().into(),
            after.into(),
            RequestId::floor(question.to.plus(MINUTE_US)).into(),
            question.from.0.into(),
            question.to.0.into(),
            question.model.as_str().into(),
            PAGE.into(),
        ];
        let rows = tx.query(&sql, &params)?;
        for row in &rows {
            let mut usage = tokens(row, 3)?;
            usage[UsageClass::Request] = 1;
            let charged = Charged {
                usage,
                cost: Nusd::new(row.int(1)?),
                overrun: Nusd::new(row.int(2)?),
            };
            proposed += i128::from(charged.under(&question.price).get());
            proposed_upstream_cost += i128::from(question.cost.cost(&usage).total.get());
        }
        match rows.last() {
            Some(last) if i64::try_from(rows.len()) == Ok(PAGE) => after = last.text(0)?.to_owned(),
            _ => break,
        }
    }
    affected.proposed = Nusd::saturating_from(proposed);
    affected.proposed_upstream_cost = Nusd::saturating_from(proposed_upstream_cost);
    affected.is_exact = true;
    Ok(())
}

/// Tokens by class, from this column on.
pub(crate) fn tokens(row: &Row, first: usize) -> Result<Usage, StoreError> {
    let mut usage = Usage::default();
    for (index, class) in (first..).zip(&UsageClass::ALL[..TOKENS.len()]) {
        usage[*class] = row.count(index)?;
    }
    Ok(usage)
}
