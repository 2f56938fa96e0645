//! Granting leases: one question about all the pots that a request lacks money in.

use domain::lease::office::{Asked, Found, Place, decide};
use domain::lease::{Answered, Ask, Fenced, NodeId, PotId};
use domain::money::Nusd;

use super::{notice, open, rows};
use crate::{StoreError, Tx};

/// Leases what a request lacks in all of its pots, or nothing. A window's pot is opened by the
/// first question about it.
pub(crate) fn ask(tx: &mut Tx<'_>, ask: &Ask) -> Result<Result<Asked, Fenced>, StoreError> {
    if !rows::fence(tx, &ask.node, ask.epoch)? {
        return Ok(Err(Fenced));
    }
    let pots = || ask.lines.iter().map(|line| line.pot.clone());
    let unopened = open::find(tx, pots())?;
    let wallets = unopened.values().cloned().map(PotId::Wallet);
    let locked = rows::lock(tx, pots().chain(wallets))?;
    let mut found = Vec::with_capacity(ask.lines.len());
    for line in &ask.lines {
        let open = locked.get(&line.pot).filter(|row| !row.closed);
        let place = match (open, unopened.get(&line.pot)) {
            (Some(row), _) => Place::Open(*row),
            (None, Some(organization)) => open::open(tx, organization, &line.pot)?,
            (None, None) => Place::Gone,
        };
        let (own, elsewhere) = rows::leases(tx, &line.pot, &ask.node)?;
        found.push(Found {
            line,
            place,
            own,
            elsewhere,
        });
    }
    let nodes = rows::living(tx)?;
    let decision = decide(ask.number, &found, nodes);
    for (pot, amount) in &decision.leased {
        rows::reserve(tx, pot, *amount)?;
        write(tx, pot, &ask.node, ask.number, *amount)?;
    }
    let mut recalled = Vec::new();
    for pot in &decision.recall {
        recalled.extend(notice::recall(tx, pot, Some(&ask.node))?);
    }
    let answered = Answered {
        number: ask.number,
        nodes,
        answer: decision.answer,
    };
    let recalled = notice::notify(tx, recalled)?;
    Ok(Ok(Asked { answered, recalled }))
}

/// Leases so much more to a node, and notes which question that answers.
fn write(
    tx: &mut Tx<'_>,
    pot: &PotId,
    node: &NodeId,
    number: u64,
    amount: Nusd,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO leases (pot_id, node_id, free_nusd, asked, granted_nusd, recalled)
         VALUES ($1, $2, $3, $4, $3, 0)
         ON CONFLICT (pot_id, node_id) DO UPDATE
         SET free_nusd = leases.free_nusd + EXCLUDED.free_nusd,
             asked = EXCLUDED.asked, granted_nusd = EXCLUDED.granted_nusd",
        &[
            pot.to_string().into(),
            node.to_string().into(),
            amount.get().into(),
            rows::kept(number).into(),
        ],
    )
}
