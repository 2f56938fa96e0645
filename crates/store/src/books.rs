//! The books at a glance: what the house's accounts have, what is held, where the chains of batches
//! end, and which nodes there are. Read in one snapshot, quickly: nothing is proved here.

use domain::money::Nusd;
use domain::time::AtUs;

use crate::batch::Writer;
use crate::verify::Head;
use crate::{Row, StoreError, Tx, chain};

/// The books at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Every account that is no wallet.
    pub house: Vec<HouseAccount>,
    /// All wallets together.
    pub wallets: Wallets,
    /// Requests in flight.
    pub holds: Holds,
    /// Where each chain of batches ends, and when that was committed.
    pub heads: Vec<(Head, AtUs)>,
    /// Every place for a serving process.
    pub nodes: Vec<Node>,
}

/// An account of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HouseAccount {
    /// Such as `grants`, or `revenue:` and a node. All credit lines are `overdraft`.
    pub id: String,
    /// What was taken from it.
    pub debits: Nusd,
    /// What was added to it.
    pub credits: Nusd,
}

/// All wallets together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wallets {
    /// How many there are.
    pub count: u64,
    /// What was paid in and not spent.
    pub balance: Nusd,
    /// What of it is held for requests, or leased by nodes.
    pub held: Nusd,
}

/// Requests in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holds {
    /// How many there are.
    pub count: u64,
    /// What is held for them.
    pub amount: Nusd,
    /// When the oldest was admitted.
    pub oldest_at: Option<AtUs>,
}

/// A place for a serving process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// How often it was taken.
    pub epoch: i64,
    /// When it was taken the last time.
    pub started_at: AtUs,
    /// Until when others count on it; none if it leases nothing.
    pub expires_at: Option<AtUs>,
    /// The number of the latest change that it has heard of.
    pub heard: i64,
}

/// Looks at the books.
///
/// # Errors
/// [`StoreError`].
pub fn glance(tx: &mut Tx<'_>) -> Result<Glance, StoreError> {
    // Credit lines have an account each; together they are one.
    let sql = "SELECT CASE WHEN id LIKE 'overdraft:%' THEN 'overdraft' ELSE id END AS name,
                      CAST(SUM(debits_nusd) AS BIGINT), CAST(SUM(credits_nusd) AS BIGINT)
               FROM accounts WHERE overdraft = 1 GROUP BY name ORDER BY name";
    let house = tx
        .query(sql, &[])?
        .iter()
        .map(account)
        .collect::<Result<_, _>>()?;
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(credits_nusd - debits_nusd), 0) AS BIGINT),
                      CAST(COALESCE(SUM(held_nusd), 0) AS BIGINT)
               FROM accounts WHERE overdraft = 0";
    let row = tx.query_one(sql, &[])?;
    let wallets = Wallets {
        count: row.count(0)?,
        balance: Nusd::new(row.int(1)?),
        held: Nusd::new(row.int(2)?),
    };
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(amount_nusd), 0) AS BIGINT), MIN(admitted_at_us)
               FROM holds";
    let row = tx.query_one(sql, &[])?;
    let holds = Holds {
        count: row.count(0)?,
        amount: Nusd::new(row.int(1)?),
        oldest_at: row.opt_int(2)?.map(AtUs),
    };
    let sql = "SELECT id, epoch, started_at_us, expires_at_us, heard FROM nodes ORDER BY id";
    let nodes: Vec<Node> = tx
        .query(sql, &[])?
        .iter()
        .map(node)
        .collect::<Result<_, _>>()?;
    let writer = |node: &Node| Writer {
        node: node.id.clone(),
        epoch: node.epoch,
    };
    let of_nodes = nodes.iter().map(|node| chain::of_node(&writer(node)));
    let chains = std::iter::once(chain::CONTROL.to_owned()).chain(of_nodes);
    let mut heads = Vec::new();
    for chain in chains.collect::<Vec<_>>() {
        heads.extend(head(tx, chain)?);
    }
    Ok(Glance {
        house,
        wallets,
        holds,
        heads,
        nodes,
    })
}

fn head(tx: &mut Tx<'_>, chain: String) -> Result<Option<(Head, AtUs)>, StoreError> {
    let sql = "SELECT seq, hash, at_us FROM batches WHERE chain = $1 ORDER BY seq DESC LIMIT 1";
    let row = tx.query_optional(sql, &[chain.as_str().into()])?;
    row.map(|row| {
        let head = Head {
            chain,
            batch: row.int(0)?,
            hash: row.text(1)?.to_owned(),
        };
        Ok((head, AtUs(row.int(2)?)))
    })
    .transpose()
}

fn account(row: &Row) -> Result<HouseAccount, StoreError> {
    Ok(HouseAccount {
        id: row.text(0)?.to_owned(),
        debits: Nusd::new(row.int(1)?),
        credits: Nusd::new(row.int(2)?),
    })
}

fn node(row: &Row) -> Result<Node, StoreError> {
    Ok(Node {
        id: row.text(0)?.to_owned(),
        epoch: row.int(1)?,
        started_at: AtUs(row.int(2)?),
        expires_at: row.opt_int(3)?.map(AtUs),
        heard: row.int(4)?,
    })
}
