//! Walks the chains of batches: every hash again, from the rows alone.
//!
//! One query hands out all rows by chain and batch, a batch's own row first. The database sorts
//! them, on its disk if they are many; in memory is one batch at a time.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{Check, HEED_ROWS, Head, SHOWN};
use crate::chain::{self, BATCHES, Encoded, GENESIS, Hashed, Link, TRANSFERS, USAGE_RECORDS};
use crate::{Row, StoreError, Tx};

/// What the walk found.
pub(super) struct Chains {
    pub(super) checks: Vec<Check>,
    pub(super) heads: Vec<Head>,
}

/// Walks every chain. Each hash of `expected` must be that of some batch. `heed` is called now and
/// then, and ends the walk with an error.
pub(super) fn walk(
    tx: &mut Tx<'_>,
    expected: &[String],
    heed: &mut dyn FnMut() -> Result<(), StoreError>,
) -> Result<Chains, StoreError> {
    let mut walk = Walk {
        missing: expected.iter().cloned().collect(),
        ..Walk::default()
    };
    let mut rows = 0_u64;
    tx.for_each(&query(), &[], |row| {
        if rows.is_multiple_of(HEED_ROWS) {
            heed()?;
        }
        rows += 1;
        walk.take(row)
    })?;
    walk.end_batch();
    walk.end_chain();
    Ok(walk.into_chains(!expected.is_empty()))
}

/// Which table a row is of, as the query says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Batch,
    UsageRecord,
    Transfer,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::UsageRecord, Kind::Transfer, Kind::Batch];

    fn table(self) -> &'static Hashed {
        match self {
            Kind::Batch => &BATCHES,
            Kind::UsageRecord => &USAGE_RECORDS,
            Kind::Transfer => &TRANSFERS,
        }
    }

    fn number(self) -> i64 {
        self as i64
    }
}

/// The columns before those of the tables: chain, batch, kind, and a batch's hash.
const PLACE_COLUMNS: usize = 4;

/// All rows, in columns of the same types: texts, then numbers, nulls where a table has fewer.
fn query() -> String {
    let texts = Kind::ALL.map(|kind| kind.table().texts.len());
    let numbers = Kind::ALL.map(|kind| kind.table().numbers.len());
    let texts = texts.into_iter().max().unwrap_or(0);
    let numbers = numbers.into_iter().max().unwrap_or(0);
    let select = |kind: Kind| {
        let Hashed {
            table,
            texts: own_texts,
            numbers: own_numbers,
        } = kind.table();
        let (seq, hash) = match kind {
            Kind::Batch => ("seq", "hash"),
            Kind::UsageRecord | Kind::Transfer => ("batch", "''"),
        };
        let padded = |own: &[&'static str], most: usize| {
            let padding = std::iter::repeat_n("NULL", most - own.len());
            own.iter()
                .copied()
                .chain(padding)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (texts, numbers) = (padded(own_texts, texts), padded(own_numbers, numbers));
        let number = kind.number();
        format!(
            "SELECT chain, {seq}, CAST({number} AS BIGINT), {hash}, {texts}, {numbers} FROM {table}"
        )
    };
    // The widest comes first: it gives the columns their types.
    let all = Kind::ALL.map(select).join(" UNION ALL ");
    format!("{all} ORDER BY 1, 2, 3")
}

/// The batch whose rows come at present.
struct Batch {
    chain: String,
    seq: i64,
    /// Its row in `batches`, and the hash there; none if there is no such row.
    link: Option<Link>,
    usage_records: i64,
    transfers: i64,
    amount_nusd: i64,
    at_us: i64,
    /// Organization, id, table, and the row as it is hashed. As many as there should be, not more.
    rows: Vec<(String, String, Kind, Encoded)>,
}

#[derive(Default)]
struct Walk {
    batch: Option<Batch>,
    /// The batch before, of the same chain.
    previous: Option<Head>,
    heads: Vec<Head>,
    missing: BTreeSet<String>,
    altered: Vec<String>,
    broken: Vec<String>,
    astray: Vec<String>,
}

impl Walk {
    fn take(&mut self, row: &Row) -> Result<(), StoreError> {
        let (chain, seq) = (row.text(0)?, row.int(1)?);
        let same = |batch: &Batch| batch.chain == chain && batch.seq == seq;
        if !self.batch.as_ref().is_some_and(same) {
            self.end_batch();
            self.batch = Some(Batch::new(chain, seq));
        }
        let batch = self.batch.as_mut().expect("put there above");
        let number = row.int(2)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.number() == number);
        batch.take(kind.expect("the query says it"), row)
    }

    /// Proves the batch that is complete.
    fn end_batch(&mut self) {
        let Some(mut batch) = self.batch.take() else {
            return;
        };
        let place = format!("{} batch {}", batch.chain, batch.seq);
        if self
            .previous
            .as_ref()
            .is_some_and(|it| it.chain != batch.chain)
        {
            self.end_chain();
        }
        let Some(link) = batch.link.take() else {
            let (usage_records, transfers) = (batch.usage_records, batch.transfers);
            note(&mut self.astray, || {
                format!(
                    "{place}: is {usage_records} usage records and {transfers} transfers, should \
                     be none: there is no such batch"
                )
            });
            return;
        };
        let (seq, hash) = self
            .previous
            .as_ref()
            .map_or((0, GENESIS), |previous| (previous.batch, &previous.hash));
        if link.seq != seq + 1 || link.previous_hash != hash {
            note(&mut self.broken, || {
                format!(
                    "{place}: follows {}, should follow batch {seq} with {hash}",
                    link.previous_hash
                )
            });
        }
        if let Some(wrong) = batch.differs_from(&link) {
            note(&mut self.altered, || format!("{place}: {wrong}"));
        }
        self.missing.remove(&link.hash);
        self.previous = Some(Head {
            chain: batch.chain,
            batch: link.seq,
            hash: link.hash,
        });
    }

    fn end_chain(&mut self) {
        self.heads.extend(self.previous.take());
    }

    fn into_chains(self, expecting: bool) -> Chains {
        let check = |name, claim, violations| Check {
            name,
            claim,
            violations,
        };
        let mut checks = vec![
            check(
                "batches",
                "the rows of each batch are those that it was committed with",
                self.altered,
            ),
            check(
                "chained",
                "each batch follows the one that was committed before it",
                self.broken,
            ),
            check(
                "covered",
                "each transfer and usage record is in a batch",
                self.astray,
            ),
        ];
        if expecting {
            let lost = |hash: &String| format!("{hash}: is in no chain, should be a batch's hash");
            checks.push(check(
                "expected",
                "history contains the heads that were expected",
                self.missing.iter().take(SHOWN).map(lost).collect(),
            ));
        }
        Chains {
            checks,
            heads: self.heads,
        }
    }
}

/// Notes a violation, unless enough were.
fn note(violations: &mut Vec<String>, text: impl FnOnce() -> String) {
    if violations.len() < SHOWN {
        violations.push(text());
    }
}

impl Batch {
    fn new(chain: &str, seq: i64) -> Self {
        Batch {
            chain: chain.to_owned(),
            seq,
            link: None,
            usage_records: 0,
            transfers: 0,
            amount_nusd: 0,
            at_us: 0,
            rows: Vec::new(),
        }
    }

    fn take(&mut self, kind: Kind, row: &Row) -> Result<(), StoreError> {
        let numbers = row.0.len() - Kind::UsageRecord.table().numbers.len();
        let text = |index: usize| row.text(PLACE_COLUMNS + index);
        let number = |index: usize| row.int(numbers + index);
        let opt_number = |index: usize| row.opt_int(numbers + index);
        match kind {
            Kind::Batch => {
                self.link = Some(Link {
                    chain: text(0)?.to_owned(),
                    previous_hash: text(1)?.to_owned(),
                    seq: number(0)?,
                    usage_records: number(1)?,
                    transfers: number(2)?,
                    amount_nusd: number(3)?,
                    at_us: number(4)?,
                    hash: row.text(3)?.to_owned(),
                });
                return Ok(());
            }
            Kind::UsageRecord => {
                self.usage_records += 1;
                self.at_us = self.at_us.max(number(1)?);
            }
            Kind::Transfer => {
                self.transfers += 1;
                self.amount_nusd = self.amount_nusd.saturating_add(number(0)?);
                self.at_us = self.at_us.max(number(1)?);
            }
        }
        let stated = self
            .link
            .as_ref()
            .map_or(0, |link| link.usage_records + link.transfers);
        if self.usage_records + self.transfers > stated {
            return Ok(());
        }
        let Hashed { texts, numbers, .. } = kind.table();
        let mut encoded = Encoded::default();
        encoded.begin(kind.table());
        for index in 0..texts.len() {
            encoded.opt_text(row.opt_text(PLACE_COLUMNS + index)?);
        }
        for index in 0..numbers.len() {
            encoded.opt_number(opt_number(index)?);
        }
        self.rows
            .push((text(0)?.to_owned(), text(1)?.to_owned(), kind, encoded));
        Ok(())
    }

    /// How its rows are not what its row in `batches` says.
    fn differs_from(&mut self, stated: &Link) -> Option<String> {
        if (self.usage_records, self.transfers) != (stated.usage_records, stated.transfers) {
            return Some(format!(
                "is {} usage records and {} transfers, should be {} and {}",
                self.usage_records, self.transfers, stated.usage_records, stated.transfers
            ));
        }
        if (self.amount_nusd, self.at_us) != (stated.amount_nusd, stated.at_us) {
            return Some(format!(
                "is {} nUSD until {}, should be {} nUSD until {}",
                self.amount_nusd, self.at_us, stated.amount_nusd, stated.at_us
            ));
        }
        let hash = self.hash(stated);
        (hash != stated.hash).then(|| format!("is {hash}, should be {}", stated.hash))
    }

    fn hash(&mut self, stated: &Link) -> String {
        self.rows
            .sort_unstable_by(|a, b| (&a.0, &a.1, a.2).cmp(&(&b.0, &b.1, b.2)));
        let mut hasher = Sha256::new();
        for (_, _, _, encoded) in &self.rows {
            hasher.update(&encoded.0);
        }
        let mut encoded = Encoded::default();
        encoded.batch(stated);
        hasher.update(&encoded.0);
        chain::to_hex(hasher)
    }
}
