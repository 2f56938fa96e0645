//! Proves the invariants of the books, from the rows alone.
//!
//! Runs in one snapshot, beside a server if there is one. Each check is a query for the rows that
//! break it, so a failing check says which, where and by how much; only what requests cost and the
//! chains of batches are walked by hand.

mod chains;
mod credit;
mod lots;
mod papers;
mod priced;
mod roll_ups;

use crate::{Row, StoreError, Tx, Value};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every invariant, in order.
    pub checks: Vec<Check>,
    /// Transfers looked at.
    pub transfers: u64,
    /// Usage records looked at.
    pub usage_records: u64,
    /// Holds that are open: requests in flight.
    pub open_holds: u64,
    /// Where each chain of batches ends. Who keeps one can prove later that history was not changed
    /// up to it.
    pub heads: Vec<Head>,
}

/// A batch of a chain, by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chain: `control`, or `node:` and a node.
    pub chain: String,
    /// The batch's number in it, from 1.
    pub batch: i64,
    /// SHA-256 over the batch and all before it, 64 hexadecimal digits.
    pub hash: String,
}

/// One invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// A short name.
    pub name: &'static str,
    /// What it says.
    pub claim: &'static str,
    /// What breaks it: none if it holds. At most [`SHOWN`] are listed.
    pub violations: Vec<String>,
}

impl Report {
    /// Whether every invariant holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.violations.is_empty())
    }
}

/// How many rows are walked between two looks at whether to go on.
const HEED_ROWS: u64 = 10_000;

/// The most violations that a check lists.
pub const SHOWN: usize = 20;

#[derive(Clone, Copy)]
struct Invariant<'a> {
    name: &'static str,
    claim: &'static str,
    /// Answers the place (text), then what is and what should be (numbers).
    sql: &'a str,
    unit: &'static str,
}

const INVARIANTS: &[Invariant<'static>] = &[
    Invariant {
        name: "balanced",
        claim: "all debits equal all credits",
        sql: "SELECT 'all accounts', CAST(COALESCE(SUM(debits_nusd), 0) AS BIGINT),
                     CAST(COALESCE(SUM(credits_nusd), 0) AS BIGINT) FROM accounts
              HAVING SUM(debits_nusd) <> SUM(credits_nusd)",
        unit: "nUSD",
    },
    Invariant {
        name: "debits",
        claim: "what was taken from each account is the sum of its transfers",
        sql: "SELECT a.id, a.debits_nusd, CAST(COALESCE(t.total, 0) AS BIGINT) FROM accounts a
              LEFT JOIN (SELECT debit_account AS id, SUM(amount_nusd) AS total FROM transfers
                         GROUP BY debit_account) t ON t.id = a.id
              WHERE a.debits_nusd <> COALESCE(t.total, 0)",
        unit: "nUSD",
    },
    Invariant {
        name: "credits",
        claim: "what was added to each account is the sum of its transfers",
        sql: "SELECT a.id, a.credits_nusd, CAST(COALESCE(t.total, 0) AS BIGINT) FROM accounts a
              LEFT JOIN (SELECT credit_account AS id, SUM(amount_nusd) AS total FROM transfers
                         GROUP BY credit_account) t ON t.id = a.id
              WHERE a.credits_nusd <> COALESCE(t.total, 0)",
        unit: "nUSD",
    },
    Invariant {
        name: "accounts",
        claim: "whatever money moves on, or is held on, or a credit lot is of, is an account",
        sql: "SELECT p.account_id, CAST(SUM(p.amount_nusd) AS BIGINT), CAST(0 AS BIGINT)
              FROM (SELECT account_id, debit_nusd + credit_nusd AS amount_nusd FROM postings
                    UNION ALL SELECT 'wallet:' || organization_id, amount_nusd FROM holds
                    UNION ALL SELECT 'wallet:' || organization_id, remaining_nusd
                    FROM credit_lots) p
              LEFT JOIN accounts a ON a.id = p.account_id
              WHERE a.id IS NULL GROUP BY p.account_id",
        unit: "nUSD",
    },
    Invariant {
        name: "wallets",
        claim: "no wallet has more spent and held than was paid in",
        sql: "SELECT id, debits_nusd + held_nusd, credits_nusd FROM accounts
              WHERE overdraft = 0 AND debits_nusd + held_nusd > credits_nusd",
        unit: "nUSD",
    },
    Invariant {
        name: "in order",
        claim: "each transfer of a wallet says where the one before it left the wallet, and what it moved",
        sql: "SELECT id, COALESCE(stood, 0), COALESCE(should, 0) FROM (
                  SELECT id, wallet_debits_nusd + wallet_credits_nusd AS stood,
                      LAG(wallet_debits_nusd + wallet_credits_nusd, 1, CAST(0 AS BIGINT)) OVER wallet
                      + amount_nusd AS should,
                      wallet_debits_nusd - LAG(wallet_debits_nusd, 1, CAST(0 AS BIGINT)) OVER wallet
                      - CASE WHEN debit_account LIKE 'wallet:%' THEN amount_nusd ELSE 0 END AS beside
                  FROM transfers
                  WHERE debit_account LIKE 'wallet:%' OR credit_account LIKE 'wallet:%'
                  WINDOW wallet AS (PARTITION BY organization_id
                                    ORDER BY wallet_debits_nusd + wallet_credits_nusd)) AS moved
              WHERE COALESCE(stood, 0) <> COALESCE(should, 0) OR COALESCE(beside, 0) <> 0",
        unit: "nUSD",
    },
    Invariant {
        name: "held",
        claim: "what each wallet holds is the sum of its open holds and of what nodes have leased of it",
        sql: "SELECT a.id, a.held_nusd, CAST(COALESCE(h.total, 0) AS BIGINT) FROM accounts a
              LEFT JOIN (SELECT id, SUM(amount) AS total FROM (
                             SELECT 'wallet:' || organization_id AS id, amount_nusd AS amount FROM holds
                             UNION ALL SELECT pot_id, free_nusd FROM leases) p
                         GROUP BY id) h ON h.id = a.id
              WHERE a.held_nusd <> COALESCE(h.total, 0)",
        unit: "nUSD",
    },
    Invariant {
        name: "leased",
        claim: "what is taken of each budget's window is what was settled in it, is held, or is leased",
        sql: "SELECT id, is_nusd, should_nusd FROM (
                  SELECT p.id, p.taken_nusd AS is_nusd, CAST(
                      COALESCE((SELECT SUM(u.cost_nusd) FROM usage_hours u
                                WHERE u.organization_id = b.organization_id
                                  AND u.hour_at_us >= p.window_at_us
                                  AND u.hour_at_us < p.window_end_us
                                  AND (b.project_id IS NULL OR u.project_id = b.project_id)
                                  AND (b.key_id IS NULL OR u.key_id = b.key_id)), 0)
                      + COALESCE((SELECT SUM(h.amount_nusd) FROM holds h
                                  WHERE h.organization_id = b.organization_id
                                    AND REPLACE(h.legs, '\"' || p.id || '\"', '') <> h.legs), 0)
                      + COALESCE((SELECT SUM(l.free_nusd) FROM leases l WHERE l.pot_id = p.id), 0)
                      AS BIGINT) AS should_nusd
                  FROM pots p JOIN budgets b ON b.id = p.budget_id
                  WHERE p.closed_at_us IS NULL) AS counted
              WHERE is_nusd <> should_nusd",
        unit: "nUSD",
    },
    Invariant {
        name: "living",
        claim: "nobody has leases but nodes that live",
        sql: "SELECT l.node_id || ' of ' || l.pot_id, l.free_nusd, CAST(0 AS BIGINT) FROM leases l
              LEFT JOIN nodes n ON n.id = l.node_id
              WHERE l.free_nusd > 0 AND n.expires_at_us IS NULL",
        unit: "nUSD",
    },
    Invariant {
        name: "once",
        claim: "no request is both settled and still held",
        sql: "SELECT h.id, h.amount_nusd, u.cost_nusd FROM holds h
              JOIN usage_records u ON u.organization_id = h.organization_id AND u.id = h.id",
        unit: "nUSD",
    },
    Invariant {
        name: "charged",
        claim: "each usage record's cost was taken from its wallet, once",
        sql: "SELECT u.id, u.cost_nusd, CAST(COALESCE(t.amount_nusd, 0) AS BIGINT)
              FROM usage_records u LEFT JOIN transfers t
                ON t.organization_id = u.organization_id AND t.id = u.id AND t.code = 'usage'
                AND t.debit_account = 'wallet:' || u.organization_id
              WHERE u.cost_nusd <> COALESCE(t.amount_nusd, 0)",
        unit: "nUSD",
    },
    Invariant {
        name: "explained",
        claim: "each charge to a wallet has its usage record",
        sql: "SELECT t.id, t.amount_nusd, CAST(COALESCE(u.cost_nusd, 0) AS BIGINT)
              FROM transfers t LEFT JOIN usage_records u
                ON u.organization_id = t.organization_id AND u.id = t.id
              WHERE t.code = 'usage' AND t.amount_nusd <> COALESCE(u.cost_nusd, 0)",
        unit: "nUSD",
    },
    Invariant {
        name: "bounded",
        claim: "no charge is above its hold, and what was used beyond it is the operator's",
        sql: "SELECT u.id, u.cost_nusd + u.overrun_nusd,
                     CAST(u.held_nusd + COALESCE(t.amount_nusd, 0) AS BIGINT)
              FROM usage_records u LEFT JOIN transfers t
                ON t.organization_id = u.organization_id AND t.id = u.id || ':overrun'
              WHERE u.cost_nusd > u.held_nusd OR u.overrun_nusd <> COALESCE(t.amount_nusd, 0)
                 OR (u.overrun_nusd > 0 AND u.cost_nusd <> u.held_nusd)",
        unit: "nUSD",
    },
    Invariant {
        name: "upstream cost",
        claim: "what each request cost the operator was booked, once",
        sql: "SELECT u.id, u.upstream_cost_nusd, CAST(COALESCE(t.amount_nusd, 0) AS BIGINT)
              FROM usage_records u LEFT JOIN transfers t
                ON t.organization_id = u.organization_id AND t.id = u.id || ':upstream_cost'
              WHERE u.upstream_cost_nusd <> COALESCE(t.amount_nusd, 0)",
        unit: "nUSD",
    },
    Invariant {
        name: "paid",
        claim: "each payment that succeeded is a purchase of its amount and tax, and no other is",
        sql: "SELECT t.id, COALESCE(p.amount_nusd + p.tax_nusd, 0),
                     CASE WHEN t.state = 'succeeded' THEN t.amount_nusd + t.tax_nusd
                          ELSE CAST(0 AS BIGINT) END
              FROM payments t LEFT JOIN purchases p
                  ON p.organization_id = t.organization_id AND p.id = 'payment:' || t.id
              WHERE CASE WHEN t.state = 'succeeded' THEN t.amount_nusd ELSE 0 END
                        <> COALESCE(p.amount_nusd, 0)
                 OR CASE WHEN t.state = 'succeeded' THEN t.tax_nusd ELSE 0 END
                        <> COALESCE(p.tax_nusd, 0)
                 OR p.provider <> t.provider
              UNION ALL
              SELECT p.id, p.amount_nusd + p.tax_nusd, CAST(0 AS BIGINT) FROM purchases p
              LEFT JOIN payments t
                  ON t.organization_id = p.organization_id AND p.id = 'payment:' || t.id
              WHERE p.id LIKE 'payment:%' AND t.id IS NULL",
        unit: "nUSD",
    },
    Invariant {
        name: "kept",
        claim: "each answer that is kept for a repetition was charged",
        sql: "SELECT r.request_id, CAST(1 AS BIGINT), CAST(0 AS BIGINT)
              FROM idempotent_requests r LEFT JOIN usage_records u
                ON u.organization_id = r.organization_id AND u.id = r.request_id
              WHERE r.answer IS NOT NULL AND u.id IS NULL",
        unit: "answers",
    },
    Invariant {
        name: "reported money",
        claim: "the costs that reports read are the sums of the usage records",
        sql: "SELECT organization_id || ' ' || project_id || ' ' || model || ' at ' || hour_at_us,
                     CAST(SUM(is_nusd) AS BIGINT), CAST(SUM(should_nusd) AS BIGINT)
              FROM (SELECT organization_id, hour_at_us, project_id, key_id, model, endpoint,
                        cost_nusd + upstream_cost_nusd AS is_nusd, 0 AS should_nusd,
                        cost_nusd AS cost, input_cost_nusd AS input, output_cost_nusd AS output,
                        cached_input_cost_nusd AS cached, request_cost_nusd AS request
                    FROM usage_hours
                    UNION ALL
                    SELECT organization_id, admitted_at_us / 3600000000 * 3600000000, project_id,
                        key_id, model, endpoint, 0, cost_nusd + upstream_cost_nusd, -cost_nusd,
                        -input_cost_nusd, -output_cost_nusd, -cached_input_cost_nusd,
                        -request_cost_nusd
                    FROM usage_records) AS both_sides
              GROUP BY organization_id, hour_at_us, project_id, key_id, model, endpoint
              HAVING SUM(is_nusd) <> SUM(should_nusd) OR SUM(cost) <> 0 OR SUM(input) <> 0
                  OR SUM(output) <> 0 OR SUM(cached) <> 0 OR SUM(request) <> 0",
        unit: "nUSD",
    },
    Invariant {
        name: "reported usage",
        claim: "the requests and tokens that reports read are the sums of the usage records",
        sql: "SELECT organization_id || ' ' || project_id || ' ' || model || ' at ' || hour_at_us,
                     CAST(SUM(is_units) AS BIGINT), CAST(SUM(should_units) AS BIGINT)
              FROM (SELECT organization_id, hour_at_us, project_id, key_id, model, endpoint,
                        requests + fresh_input_tokens + cached_input_tokens + cache_write_tokens
                        + output_tokens + reasoning_tokens + audio_input_tokens
                        + audio_output_tokens + image_tokens AS is_units, 0 AS should_units,
                        requests, fresh_input_tokens AS fresh, cached_input_tokens AS cached,
                        cache_write_tokens AS written, output_tokens AS output,
                        reasoning_tokens AS reasoning, audio_input_tokens AS heard,
                        audio_output_tokens AS spoken, image_tokens AS image
                    FROM usage_hours
                    UNION ALL
                    SELECT organization_id, admitted_at_us / 3600000000 * 3600000000, project_id,
                        key_id, model, endpoint, 0,
                        1 + fresh_input_tokens + cached_input_tokens + cache_write_tokens
                        + output_tokens + reasoning_tokens + audio_input_tokens
                        + audio_output_tokens + image_tokens,
                        -1, -fresh_input_tokens, -cached_input_tokens, -cache_write_tokens,
                        -output_tokens, -reasoning_tokens, -audio_input_tokens,
                        -audio_output_tokens, -image_tokens
                    FROM usage_records) AS both_sides
              GROUP BY organization_id, hour_at_us, project_id, key_id, model, endpoint
              HAVING SUM(requests) <> 0 OR SUM(fresh) <> 0 OR SUM(cached) <> 0
                  OR SUM(written) <> 0 OR SUM(output) <> 0 OR SUM(reasoning) <> 0
                  OR SUM(heard) <> 0 OR SUM(spoken) <> 0 OR SUM(image) <> 0",
        unit: "units",
    },
];

/// Proves every invariant.
///
/// # Errors
/// [`StoreError`] if the database cannot be read: nothing was proved.
pub fn verify(tx: &mut Tx<'_>) -> Result<Report, StoreError> {
    verify_expecting(tx, &[])
}

/// Proves every invariant, and that each hash of `heads` is still that of some batch.
///
/// # Errors
/// [`StoreError`] if the database cannot be read: nothing was proved.
pub fn verify_expecting(tx: &mut Tx<'_>, heads: &[String]) -> Result<Report, StoreError> {
    verify_heeding(tx, heads, &mut |_, _| Ok(()))
}

/// Is told now and then how many steps of a proof are done, and of how many; an error ends the
/// proof.
pub type Heed<'a> = &'a mut dyn FnMut(usize, usize) -> Result<(), StoreError>;

/// As [`verify_expecting`], telling `heed` how far it is.
///
/// # Errors
/// [`StoreError`] if the database cannot be read, or what `heed` answers: nothing was proved.
pub fn verify_heeding(
    tx: &mut Tx<'_>,
    heads: &[String],
    heed: Heed<'_>,
) -> Result<Report, StoreError> {
    if !tx.is_sqlite() {
        // Proving takes as long as there are rows; nobody waits for it on the way.
        tx.batch("SET LOCAL statement_timeout = 0")?;
    }
    // The walks over lots, over what requests cost and of the chains are the last steps.
    let invariants = [INVARIANTS, credit::INVARIANTS, papers::INVARIANTS].concat();
    let steps = invariants.len() + roll_ups::ALL.len() + 3;
    let mut checks = Vec::with_capacity(steps);
    for invariant in &invariants {
        heed(checks.len(), steps)?;
        checks.push(prove(tx, invariant)?);
    }
    for roll_up in &roll_ups::ALL {
        heed(checks.len(), steps)?;
        checks.push(prove(tx, &roll_up.invariant(&roll_up.sql()))?);
    }
    checks.push(lots::replay(tx, &mut || heed(steps - 3, steps))?);
    checks.push(priced::check(tx, &mut || heed(steps - 2, steps))?);
    let chains = chains::walk(tx, heads, &mut || heed(steps - 1, steps))?;
    checks.extend(chains.checks);
    let mut rows_of = |table: &str| {
        let none: &[Value] = &[];
        tx.query_one(&format!("SELECT COUNT(*) FROM {table}"), none)?
            .count(0)
    };
    Ok(Report {
        checks,
        transfers: rows_of("transfers")?,
        usage_records: rows_of("usage_records")?,
        open_holds: rows_of("holds")?,
        heads: chains.heads,
    })
}

/// Looks for rows that break an invariant.
fn prove(tx: &mut Tx<'_>, invariant: &Invariant<'_>) -> Result<Check, StoreError> {
    let shown = i64::try_from(SHOWN).expect("a small number");
    let rows = tx.query(&format!("{} LIMIT $1", invariant.sql), &[shown.into()])?;
    let violations = rows.iter().map(|row| describe(row, invariant.unit));
    Ok(Check {
        name: invariant.name,
        claim: invariant.claim,
        violations: violations.collect::<Result<_, _>>()?,
    })
}

fn describe(row: &Row, unit: &str) -> Result<String, StoreError> {
    let (place, is, should) = (row.text(0)?, row.int(1)?, row.int(2)?);
    Ok(format!(
        "{place}: is {is} {unit}, should be {should} {unit}, off by {}",
        is - should
    ))
}
