//! Calling in what nodes have leased of a wallet, so that it can be taken out of it.

use domain::id::OrganizationId;
use domain::lease::{NodeId, PotId};
use domain::money::Nusd;

use super::{notice, rows};
use crate::{StoreError, Tx, wallets};

/// Where less than `amount` of a wallet is free, asks all nodes but this one to return what they
/// have leased of it and do not hold. Answers whether some may come.
pub(crate) fn call_in(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    amount: Nusd,
    but: &NodeId,
) -> Result<bool, StoreError> {
    let pot = PotId::Wallet(organization.clone());
    rows::lock(tx, [pot.clone()])?;
    let wallet = wallets::get(tx, organization)?;
    let (_, elsewhere) = rows::leases(tx, &pot, but)?;
    if elsewhere == Nusd::ZERO || wallet.is_none_or(|it| it.available() >= amount) {
        return Ok(false);
    }
    let nodes = notice::recall(tx, &pot, Some(but))?;
    notice::notify(tx, nodes)?;
    Ok(true)
}
