//! Wallets whose balance fell below what their organization wants to be told of: once each time
//! that it falls, after it was above.
//!
//! The balance is what was paid in and not spent. What is held is in it: holds come and go, and
//! would let it fall many times for one reason. Wallets are looked at now and then, by one server
//! of the installation at a time, and no request waits for it.

use domain::Entropy;
use domain::alert::{Alert, AlertEvent};
use domain::id::OrganizationId;
use domain::ledger::Account;
use domain::money::Nusd;
use domain::people::throttle::Throttle;
use domain::time::{AtUs, SECOND_US};

use super::raise;
use crate::people::throttles;
use crate::{Row, StoreError, Tx, Value};

/// The threshold of organizations that did not decide: a dollar.
pub const USUAL: Nusd = Nusd::new(1_000_000_000);
/// How often the wallets are looked at, whichever server comes first.
const TURNS: Throttle = Throttle {
    name: "low_balances",
    every_us: 30 * SECOND_US,
    burst: 1,
};

/// Below which balance an organization is told; zero: never.
///
/// # Errors
/// [`StoreError`].
pub fn threshold(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Nusd, StoreError> {
    let sql = "SELECT threshold_nusd FROM low_balances WHERE organization_id = $1";
    let row = tx.query_optional(sql, &[organization.as_str().into()])?;
    let decided = row.map(|row| row.opt_int(0)).transpose()?.flatten();
    Ok(decided.map_or(USUAL, Nusd::new))
}

/// Decides below which balance an organization is told; zero: never.
///
/// # Errors
/// [`StoreError`].
pub fn set_threshold(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    threshold: Nusd,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO low_balances (organization_id, threshold_nusd, is_low, falls)
         VALUES ($1, $2, 0, 0)
         ON CONFLICT (organization_id) DO UPDATE SET threshold_nusd = EXCLUDED.threshold_nusd",
        &[organization.as_str().into(), threshold.get().into()],
    )
}

/// Whether nobody has looked for a while: then [`look_in_turn`] is worth a write.
///
/// # Errors
/// [`StoreError`].
pub fn is_due(tx: &mut Tx<'_>, now: AtUs) -> Result<bool, StoreError> {
    Ok(throttles::check(tx, &TURNS, "", now)?.is_ok())
}

/// Looks at every wallet, if no other server did it a short time ago; answers how many alerts were
/// raised. Those that are above their threshold again are noted first.
///
/// # Errors
/// [`StoreError`].
pub fn look_in_turn(tx: &mut Tx<'_>, now: AtUs, entropy: Entropy) -> Result<usize, StoreError> {
    if throttles::take(tx, &TURNS, "", now)?.is_err() {
        return Ok(0);
    }
    let usual: [Value; 1] = [USUAL.get().into()];
    tx.execute(
        "UPDATE low_balances SET is_low = 0 WHERE is_low = 1 AND EXISTS (
             SELECT 1 FROM accounts a WHERE a.id = 'wallet:' || organization_id
               AND a.credits_nusd - a.debits_nusd >= COALESCE(threshold_nusd, $1))",
        &usual,
    )?;
    // Of a wallet that never had as much, nothing can fall.
    let fallen = tx.query(
        "SELECT a.id FROM accounts a LEFT JOIN low_balances l
             ON 'wallet:' || l.organization_id = a.id
         WHERE a.overdraft = 0 AND COALESCE(l.is_low, 0) = 0
           AND a.credits_nusd - a.debits_nusd < COALESCE(l.threshold_nusd, $1)
           AND a.credits_nusd >= COALESCE(l.threshold_nusd, $1)",
        &usual,
    )?;
    let mut raised = 0;
    for row in fallen {
        if let Some(Account::Wallet(organization)) = Account::parse(row.text(0)?) {
            raised += usize::from(fell(tx, &organization, now, entropy)?);
        }
    }
    Ok(raised)
}

/// Raises the alert of a wallet that fell.
fn fell(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    now: AtUs,
    entropy: Entropy,
) -> Result<bool, StoreError> {
    let wallet = Account::Wallet(organization.clone()).to_string();
    let noted = tx.query_one(
        "INSERT INTO low_balances (organization_id, is_low, falls) VALUES ($1, 1, 1)
         ON CONFLICT (organization_id) DO UPDATE SET is_low = 1, falls = low_balances.falls + 1
         RETURNING falls, threshold_nusd",
        &[organization.as_str().into()],
    )?;
    let sql = "SELECT credits_nusd - debits_nusd FROM accounts WHERE id = $1";
    let amount = |row: &Row, index| row.int(index).map(Nusd::new);
    let event = AlertEvent::LowBalance {
        available: amount(&tx.query_one(sql, &[wallet.into()])?, 0)?,
        threshold: noted.opt_int(1)?.map_or(USUAL, Nusd::new),
    };
    let alert = Alert::new(organization, noted.int(0)?.to_string(), event);
    raise(tx, &alert, now, entropy)
}
