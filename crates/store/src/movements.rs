//! What moved on an organization's wallet, as the organization sees it.
//!
//! Every transfer that is no request's is a line of its own; what requests cost is one line a day,
//! so that the list is short however much is used. Both are read by indexes: of transfers without
//! those of requests, and of the sums by day. All lines together are what the wallet has.

use domain::id::OrganizationId;
use domain::ledger::{Account, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, Value};

/// Every kind of movement on a wallet.
pub const KINDS: [TransferCode; 12] = [
    TransferCode::Usage,
    TransferCode::Purchase,
    TransferCode::Grant,
    TransferCode::Redeemed,
    TransferCode::Expiry,
    TransferCode::Refund,
    TransferCode::RefundFailed,
    TransferCode::Dispute,
    TransferCode::DisputeWon,
    TransferCode::Adjustment,
    TransferCode::Overdraft,
    TransferCode::OverdraftEnded,
];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The transfer's id; of a day's usage, `usage:` and the day's first second.
    pub id: String,
    /// What moved it: one of [`KINDS`], as a word.
    pub kind: String,
    /// What it added to the wallet; below zero if it took from it.
    pub amount: Nusd,
    /// Why, as a person put it; empty for usage.
    pub reason: String,
    /// Who moved it; empty for usage.
    pub actor: String,
    /// When; of a day's usage, when the day (UTC) began on which it was admitted.
    pub at: AtUs,
    /// How many requests it sums up; none if it is a single transfer.
    pub requests: Option<u64>,
    /// What the wallet had with it, in the order of commits, the credit line included; none for
    /// usage, between whose requests others may have moved.
    pub balance_after: Option<Nusd>,
}

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those of these kinds; of all if empty.
    pub kinds: Vec<TransferCode>,
    /// From this instant on.
    pub from: Option<AtUs>,
    /// Before this instant.
    pub to: Option<AtUs>,
}

impl Movement {
    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.at, self.id.clone())
    }
}

impl Filter {
    fn takes(&self, kind: TransferCode) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// Lines of an organization, by when.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Movement>, StoreError> {
    let mut lines = transfers(tx, organization, filter, page)?;
    if filter.takes(TransferCode::Usage) {
        lines.extend(usage(tx, organization, filter, page)?);
    }
    Ok(page.of(lines, Movement::place))
}

/// The place of a line that an id names; none if there is no such line.
///
/// # Errors
/// [`StoreError`].
pub fn place(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Result<Option<Place>, StoreError> {
    if let Some(second) = id.strip_prefix(USAGE) {
        let second = second.parse().ok();
        return Ok(second.map(|second| (AtUs::from_seconds(second), id.to_owned())));
    }
    let sql = "SELECT at_us FROM transfers WHERE organization_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.to_owned())))
        .transpose()
}

/// Begins the id of a day's usage.
const USAGE: &str = "usage:";

/// Conditions on when, which begin with AND.
fn span(at: &str, filter: &Filter, params: &mut Vec<Value>) -> String {
    let mut conditions = String::new();
    for (bound, comparison) in [(filter.from, ">="), (filter.to, "<")] {
        if let Some(AtUs(bound)) = bound {
            params.push(bound.into());
            conditions += &format!(" AND {at} {comparison} ${}", params.len());
        }
    }
    conditions
}

fn transfers(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Movement>, StoreError> {
    let wallet = Account::Wallet(organization.clone()).to_string();
    let mut params: Vec<Value> = vec![organization.as_str().into(), wallet.into()];
    let mut conditions = span("at_us", filter, &mut params);
    if !filter.kinds.is_empty() {
        // Words of ours, with nothing in them to escape.
        let kinds = filter
            .kinds
            .iter()
            .map(|kind| format!("'{}'", kind.as_str()));
        let kinds: Vec<String> = kinds.collect();
        conditions += &format!(" AND code IN ({})", kinds.join(", "));
    }
    let tail = page.tail("at_us", "id", &mut params);
    let sql = format!(
        "SELECT id, code, CASE WHEN debit_account = $2 THEN -amount_nusd ELSE amount_nusd END,
                reason, actor, at_us, wallet_credits_nusd - wallet_debits_nusd
         FROM transfers
         WHERE organization_id = $1 AND request_id IS NULL AND wallet_debits_nusd IS NOT NULL
         {conditions}{tail}"
    );
    let read = |row: &Row| {
        Ok(Movement {
            id: row.text(0)?.to_owned(),
            kind: row.text(1)?.to_owned(),
            amount: Nusd::new(row.int(2)?),
            reason: row.text(3)?.to_owned(),
            actor: row.text(4)?.to_owned(),
            at: AtUs(row.int(5)?),
            requests: None,
            balance_after: row.opt_int(6)?.map(Nusd::new),
        })
    };
    tx.query(&sql, &params)?.iter().map(read).collect()
}

fn usage(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Movement>, StoreError> {
    let mut params: Vec<Value> = vec![organization.as_str().into()];
    let mut conditions = span("day_at_us", filter, &mut params);
    let (order, comparison) = match page.is_descending {
        true => ("DESC", "<="),
        false => ("ASC", ">="),
    };
    // The day on which the page begins may be before or behind it: `Page::of` says.
    if let Some((AtUs(after), _)) = page.after {
        params.push(after.into());
        conditions += &format!(" AND day_at_us {comparison} ${}", params.len());
    }
    params.push((page.limit + 1).into());
    let sql = format!(
        "SELECT day_at_us, CAST(SUM(requests) AS BIGINT), CAST(SUM(cost_nusd) AS BIGINT)
         FROM usage_days WHERE organization_id = $1{conditions}
         GROUP BY day_at_us HAVING SUM(cost_nusd) > 0
         ORDER BY day_at_us {order} LIMIT ${}",
        params.len()
    );
    let read = |row: &Row| {
        let at = AtUs(row.int(0)?);
        Ok(Movement {
            id: format!("{USAGE}{}", at.seconds()),
            kind: TransferCode::Usage.as_str().to_owned(),
            amount: Nusd::ZERO - Nusd::new(row.int(2)?),
            reason: String::new(),
            actor: String::new(),
            at,
            requests: Some(row.count(1)?),
            balance_after: None,
        })
    };
    tx.query(&sql, &params)?.iter().map(read).collect()
}
