//! What organizations brought in over some days (UTC), and what that cost the operator.

use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::AtUs;

use crate::{Row, StoreError, Tx, Value};

/// What organizations are ordered by; equal ones by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// What customers were charged.
    Revenue,
    /// What it cost the operator.
    Cost,
    /// Revenue less cost.
    Margin,
}

impl Measure {
    fn column(self) -> &'static str {
        match self {
            Measure::Revenue => "revenue",
            Measure::Cost => "cost",
            Measure::Margin => "revenue - cost",
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The first day's start.
    pub from: AtUs,
    /// The end of the last day.
    pub to: AtUs,
    /// What they are ordered by.
    pub by: Measure,
    /// Whether the smallest come first.
    pub is_ascending: bool,
}

/// An organization's sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationMargin {
    /// Whose.
    pub organization: OrganizationId,
    /// What it is called.
    pub name: String,
    /// Metered requests.
    pub requests: i64,
    /// What it was charged.
    pub revenue: Nusd,
    /// What that cost the operator.
    pub cost: Nusd,
}

/// Each organization with usage between `$1` and `$2`. Organizations are read first, so that days
/// are found by them.
const SUMS: &str = "
    WITH sums AS (
        SELECT o.id AS id, o.name AS name, CAST(SUM(d.requests) AS BIGINT) AS requests,
               CAST(SUM(d.cost_nusd) AS BIGINT) AS revenue,
               CAST(SUM(d.upstream_cost_nusd) AS BIGINT) AS cost
        FROM organizations o JOIN usage_days d
          ON d.organization_id = o.id AND d.day_at_us >= $1 AND d.day_at_us < $2
        GROUP BY o.id, o.name)";

/// What an organization is ordered by; none if it has no usage in that time.
///
/// # Errors
/// [`StoreError`].
pub fn place(tx: &mut Tx<'_>, asked: Question, id: &str) -> Result<Option<Nusd>, StoreError> {
    let column = asked.by.column();
    let sql = format!("{SUMS} SELECT {column} FROM sums WHERE id = $3");
    let params = [asked.from.0.into(), asked.to.0.into(), id.into()];
    let row = tx.query_optional(&sql, &params)?;
    row.map(|row| Ok(Nusd::new(row.int(0)?))).transpose()
}

/// Organizations with usage in that time, after the one of this id and [`place`], at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    asked: Question,
    after: Option<(Nusd, &str)>,
    limit: i64,
) -> Result<Vec<OrganizationMargin>, StoreError> {
    let column = asked.by.column();
    let (beyond, order) = match asked.is_ascending {
        true => (">", "ASC"),
        false => ("<", "DESC"),
    };
    let mut params: Vec<Value> = vec![asked.from.0.into(), asked.to.0.into(), limit.into()];
    let condition = match after {
        None => String::new(),
        Some((value, id)) => {
            params.extend([value.get().into(), id.into()]);
            format!("WHERE {column} {beyond} $4 OR ({column} = $4 AND id > $5)")
        }
    };
    let sql = format!(
        "{SUMS} SELECT id, name, requests, revenue, cost FROM sums {condition}
         ORDER BY {column} {order}, id LIMIT $3"
    );
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<OrganizationMargin, StoreError> {
    Ok(OrganizationMargin {
        organization: OrganizationId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        requests: row.int(2)?,
        revenue: Nusd::new(row.int(3)?),
        cost: Nusd::new(row.int(4)?),
    })
}
