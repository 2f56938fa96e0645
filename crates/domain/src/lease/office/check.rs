//! What must be true between any two transactions.

use std::collections::BTreeMap;

use super::Office;
use crate::lease::PotId;
use crate::money::Nusd;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{claim}: {detail}")]
pub struct Broken {
    /// Which one.
    pub claim: &'static str,
    /// Where, and by how much.
    pub detail: String,
}

impl Office {
    /// Whether no pot has more spent and reserved than its cap, all that is reserved is leased or
    /// held, only living nodes have leases, and rate limits are not cut into more than they are.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), Broken> {
        let mut reserved: BTreeMap<&PotId, Nusd> = BTreeMap::new();
        for (pot, of_pot) in &self.leases {
            for (node, lease) in of_pot {
                let lives = self.members[node].expires_at.is_some();
                ensure(lives, "alive", || format!("{node} is gone and has {pot}"))?;
                let owned = lease.free >= Nusd::ZERO;
                ensure(owned, "owned", || format!("{node} owes {pot}: {lease:?}"))?;
                *reserved.entry(pot).or_default() += lease.free;
            }
        }
        for hold in self.holds.values() {
            for leg in hold.legs.iter() {
                *reserved.entry(leg).or_default() += hold.amount;
            }
        }
        for (pot, row) in &self.pots {
            let found = reserved.get(pot).copied().unwrap_or_default();
            let whole = found == row.reserved && row.spent >= Nusd::ZERO;
            let detail = || format!("{pot} has {row:?}; leased and held are {found}");
            ensure(whole, "reserved", detail)?;
            let within = row.spent + row.reserved <= row.cap && row.cap >= row.limit;
            ensure(within, "capped", detail)?;
        }
        Ok(())
    }

    /// Whether what each pot has spent is what requests were charged, each once.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn audit(&self) -> Result<(), Broken> {
        let mut spent: BTreeMap<&PotId, Nusd> = BTreeMap::new();
        for (id, row) in &self.charged {
            let once = !self.holds.contains_key(id);
            ensure(once, "once", || format!("{id} is charged and held"))?;
            for leg in row.legs.iter() {
                *spent.entry(leg).or_default() += row.cost;
            }
        }
        for (pot, row) in &self.pots {
            let found = spent.get(pot).copied().unwrap_or_default();
            let detail = || format!("{pot} has {row:?}; requests were charged {found}");
            ensure(found == row.spent, "charged", detail)?;
        }
        Ok(())
    }
}

fn ensure(holds: bool, claim: &'static str, detail: impl Fn() -> String) -> Result<(), Broken> {
    let broken = || Broken {
        claim,
        detail: detail(),
    };
    holds.then_some(()).ok_or_else(broken)
}
