//! Wallets whose balance fell below what their organization wants to be told of: once each time
//! that it falls, after it was above.
//!
//! The balance is what was paid in and not spent. What is held is in it: holds come and go, and
//! would let it fall many times for one reason. Wallets are looked at now and then, by one server
//! of the installation at a time, and no request waits for it. Whatever moves money on a wallet
//! marks it in the same statement, so a look reads those that moved since the last, and no others.

use domain::Entropy;
use domain::alert::{Alert, AlertEvent};
use domain::id::OrganizationId;
use domain::ledger::Account;
use domain::money::Nusd;
use domain::people::throttle::Throttle;
use domain::time::{AtUs, SECOND_US};

use super::raise;
use crate::people::throttles;
use crate::{Row, StoreError, Tx, changes};

/// The threshold of organizations that did not decide: a dollar.
pub const USUAL: Nusd = Nusd::new(1_000_000_000);
/// How often the wallets are looked at, whichever server comes first.
const TURNS: Throttle = Throttle {
    name: "low_balances",
    every_us: 30 * SECOND_US,
    burst: 1,
};

/// The most wallets that are looked at in one transaction.
pub const MOST_AT_ONCE: i64 = 10_000;

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

/// Decides below which balance an organization is told; zero: never. Its wallet is looked at anew.
///
/// # Errors
/// [`StoreError`].
pub fn set_threshold(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    threshold: Nusd,
) -> Result<(), StoreError> {
    changes::lock(tx)?;
    let wallet = Account::Wallet(organization.clone()).to_string();
    let sql = "UPDATE accounts SET has_moved = 1 WHERE id = $1";
    tx.execute_one(sql, &[wallet.into()])?;
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

/// What a look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Wallets that were read: those that moved since the last look.
    pub wallets: usize,
    /// Alerts that were raised.
    pub alerts: usize,
}

/// Looks at the wallets that moved since the last look, if no other server did it a short time ago.
/// Where more moved than [`MOST_AT_ONCE`], the others are left for the next.
///
/// # Errors
/// [`StoreError`].
pub fn look_in_turn(tx: &mut Tx<'_>, now: AtUs, entropy: Entropy) -> Result<Looked, StoreError> {
    if throttles::take(tx, &TURNS, "", now)?.is_err() {
        return Ok(Looked::default());
    }
    // Before the wallets' rows, as whoever pays in does.
    changes::lock(tx)?;
    let mut looked = Looked::default();
    for row in take_moved(tx)? {
        looked.wallets += 1;
        let organization = OrganizationId::new(row.text(0)?);
        let (credits, balance) = (Nusd::new(row.int(1)?), Nusd::new(row.int(2)?));
        let threshold = row.opt_int(3)?.map_or(USUAL, Nusd::new);
        let is_low = row.opt_int(4)? == Some(1);
        if is_low && balance >= threshold {
            let sql = "UPDATE low_balances SET is_low = 0 WHERE organization_id = $1";
            tx.execute_one(sql, &[organization.as_str().into()])?;
        }
        // Of a wallet that never had as much, nothing can fall.
        if !is_low && balance < threshold && credits >= threshold {
            let raised = fell(tx, &organization, balance, (now, entropy))?;
            looked.alerts += usize::from(raised);
        }
    }
    Ok(looked)
}

/// The wallets that moved, which from now on have not: organization, credits, balance, threshold
/// and whether it was low. In the order in which batches lock them, so that neither waits for the
/// other in a circle; and what is answered is as of the lock, so that nothing is missed.
fn take_moved(tx: &mut Tx<'_>) -> Result<Vec<Row>, StoreError> {
    let (order, lock) = match tx.is_sqlite() {
        true => ("id", ""),
        false => ("id COLLATE \"C\"", "FOR NO KEY UPDATE"),
    };
    let sql = format!(
        "UPDATE accounts SET has_moved = 0 WHERE id IN (
             SELECT id FROM accounts WHERE has_moved = 1 AND overdraft = 0
             ORDER BY {order} LIMIT $1 {lock})
         RETURNING SUBSTR(id, 8), credits_nusd, credits_nusd - debits_nusd,
             (SELECT l.threshold_nusd FROM low_balances l
              WHERE l.organization_id = SUBSTR(accounts.id, 8)),
             (SELECT l.is_low FROM low_balances l
              WHERE l.organization_id = SUBSTR(accounts.id, 8))"
    );
    tx.query(&sql, &[MOST_AT_ONCE.into()])
}

/// Raises the alert of a wallet that fell.
fn fell(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    balance: Nusd,
    (now, entropy): (AtUs, Entropy),
) -> Result<bool, StoreError> {
    let noted = tx.query_one(
        "INSERT INTO low_balances (organization_id, is_low, falls) VALUES ($1, 1, 1)
         ON CONFLICT (organization_id) DO UPDATE SET is_low = 1, falls = low_balances.falls + 1
         RETURNING falls, threshold_nusd",
        &[organization.as_str().into()],
    )?;
    let event = AlertEvent::LowBalance {
        available: balance,
        threshold: noted.opt_int(1)?.map_or(USUAL, Nusd::new),
    };
    let alert = Alert::new(organization, noted.int(0)?.to_string(), event);
    raise(tx, &alert, now, entropy)
}
