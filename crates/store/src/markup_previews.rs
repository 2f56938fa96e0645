//! What another markup would have changed of an organization's bill: its usage in a stretch of
//! time, priced again by the entries of the price book that it was priced by.
//!
//! Request by request, each rounded up as it was; where there are too many, by the sums of each
//! day, at the price in force when the day began.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::id::{OrganizationId, PriceId, RequestId};
use domain::markup::Markup;
use domain::money::Nusd;
use domain::price::{Charged, PriceHistory, UnitPrices};
use domain::time::{AtUs, MINUTE_US};
use domain::usage::UsageClass;

use crate::price_previews::tokens;
use crate::usage_reports::{ARRIVAL_US, TOKENS};
use crate::{Row, StoreError, Tx, Value, markups, prices};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose bill.
    pub organization: OrganizationId,
    /// The model that the markup would be for; every model without a rule of its own if none.
    pub model: Option<String>,
    /// What would be on the prices.
    pub markup: Markup,
    /// The first day's start, UTC.
    pub from: AtUs,
    /// The end of the last day.
    pub to: AtUs,
    /// The most requests that are looked at one by one.
    pub most_records: i64,
}

/// What the markup would have changed for one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// The model's public name.
    pub model: String,
    /// Its metered requests.
    pub requests: u64,
    /// What was paid for them.
    pub billed: Nusd,
    /// What would have been paid.
    pub proposed: Nusd,
    /// Every request was looked at.
    pub is_exact: bool,
}

/// Requests looked at in one query.
const PAGE: i64 = 5_000;

/// What the markup would have changed, for every model that it would be for and that was used.
///
/// # Errors
/// [`StoreError`].
pub fn preview(
    tx: &mut Tx<'_>,
    question: &Question,
    now: AtUs,
) -> Result<Vec<Affected>, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT) FROM usage_days
               WHERE organization_id = $1 AND day_at_us >= $2 AND day_at_us < $3";
    let of_organization: [Value; 3] = [
        question.organization.as_str().into(),
        question.from.0.into(),
        question.to.0.into(),
    ];
    let records = tx.query_one(sql, &of_organization)?.int(0)?;
    let mut sums = match records <= question.most_records {
        true => by_requests(tx, question)?,
        false => by_days(tx, question)?,
    };
    if question.model.is_none() {
        let others = own_rules(tx, question, now)?;
        sums.retain(|model, _| !others.contains(model));
    }
    let affected = sums.into_iter().map(|(model, sum)| Affected {
        model,
        requests: sum.requests,
        billed: Nusd::saturating_from(sum.billed),
        proposed: Nusd::saturating_from(sum.proposed),
        is_exact: records <= question.most_records,
    });
    Ok(affected.collect())
}

/// Models that have a rule of their own: one for every model does not count there.
fn own_rules(
    tx: &mut Tx<'_>,
    question: &Question,
    now: AtUs,
) -> Result<BTreeSet<String>, StoreError> {
    let rules = markups::of(tx, &question.organization)?;
    let stated = markups::list(tx, &question.organization)?;
    let models = stated.into_iter().filter_map(|it| it.rule.model);
    let in_force = models.filter(|model| rules.of(Some(model), now).is_some());
    Ok(in_force.collect())
}

/// Of one model.
#[derive(Default)]
struct Sum {
    requests: u64,
    billed: i128,
    proposed: i128,
}

fn by_requests(tx: &mut Tx<'_>, question: &Question) -> Result<BTreeMap<String, Sum>, StoreError> {
    let sql = format!(
        "SELECT id, model, price_id, cost_nusd, overrun_nusd, {} FROM usage_records
         WHERE organization_id = $1 AND id > $2 AND id < $3
           AND admitted_at_us >= $4 AND admitted_at_us < $5 AND ($6 = '' OR model = $6)
         ORDER BY id LIMIT $7",
        TOKENS.join(", ")
    );
    let mut prices: HashMap<String, UnitPrices> = HashMap::new();
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let mut after = RequestId::floor(question.from.plus(-ARRIVAL_US));
    loop {
        let params: [Value; 7] = [
            question.organization.as_str().into(),
            after.into(),
            RequestId::floor(question.to.plus(MINUTE_US)).into(),
            question.from.0.into(),
            question.to.0.into(),
            question.model.as_deref().unwrap_or_default().into(),
            PAGE.into(),
        ];
        let rows = tx.query(&sql, &params)?;
        for row in &rows {
            let price = row.text(2)?;
            if !prices.contains_key(price) {
                prices.insert(price.to_owned(), marked_up(tx, question, price)?);
            }
            let charged = charged(row)?;
            let sum = sums.entry(row.text(1)?.to_owned()).or_default();
            sum.requests += 1;
            sum.billed += i128::from(charged.cost.get());
            sum.proposed += i128::from(charged.under(&prices[price]).get());
        }
        match rows.last() {
            Some(last) if i64::try_from(rows.len()) == Ok(PAGE) => after = last.text(0)?.to_owned(),
            _ => break,
        }
    }
    Ok(sums)
}

/// What an entry of the price book comes to with the markup.
fn marked_up(tx: &mut Tx<'_>, question: &Question, id: &str) -> Result<UnitPrices, StoreError> {
    let entry = prices::get(tx, &PriceId::new(id))?;
    let entry = entry.ok_or_else(|| StoreError::Corrupt(format!("there is no price {id}")))?;
    Ok(question.markup.on(&entry.price))
}

fn charged(row: &Row) -> Result<Charged, StoreError> {
    let mut usage = tokens(row, 5)?;
    usage[UsageClass::Request] = 1;
    Ok(Charged {
        usage,
        cost: Nusd::new(row.int(3)?),
        overrun: Nusd::new(row.int(4)?),
    })
}

fn by_days(tx: &mut Tx<'_>, question: &Question) -> Result<BTreeMap<String, Sum>, StoreError> {
    let sums = TOKENS.map(|column| format!("CAST(SUM({column}) AS BIGINT)"));
    let sql = format!(
        "SELECT model, day_at_us, CAST(SUM(requests) AS BIGINT), CAST(SUM(cost_nusd) AS BIGINT), {}
         FROM usage_days
         WHERE organization_id = $1 AND day_at_us >= $2 AND day_at_us < $3
           AND ($4 = '' OR model = $4)
         GROUP BY model, day_at_us",
        sums.join(", ")
    );
    let params: [Value; 4] = [
        question.organization.as_str().into(),
        question.from.0.into(),
        question.to.0.into(),
        question.model.as_deref().unwrap_or_default().into(),
    ];
    let mut histories: HashMap<String, PriceHistory> = HashMap::new();
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for row in &tx.query(&sql, &params)? {
        let (model, day) = (row.text(0)?, AtUs(row.int(1)?));
        if !histories.contains_key(model) {
            histories.insert(model.to_owned(), prices::history(tx, model)?);
        }
        let history = &histories[model];
        let entry = history.in_force(day).or_else(|| history.next(day));
        let mut usage = tokens(row, 4)?;
        usage[UsageClass::Request] = row.count(2)?;
        let cost = entry.map(|it| question.markup.on(&it.price).cost(&usage).total);
        let sum = sums.entry(model.to_owned()).or_default();
        sum.requests += usage[UsageClass::Request];
        sum.billed += i128::from(row.int(3)?);
        sum.proposed += i128::from(cost.unwrap_or_default().get());
    }
    Ok(sums)
}
