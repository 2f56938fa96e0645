//! The chains of batches: what makes the books tamper-evident.
//!
//! Every transfer and usage record is committed in a batch. A batch's hash covers all its rows and
//! the hash of the batch before it, so no row can be altered, moved, added or taken away without
//! every later hash of its chain coming out different. A chain goes on over restarts.
//!
//! What is hashed, so that anybody can do it again:
//! - A number is its 8 bytes, the highest first, in two's complement. A text is the number of its
//!   bytes, then its bytes in UTF-8. Null is the number -1.
//! - A row is the name of its table as a text, then all its texts in the order of its columns, then
//!   all its numbers likewise. Of a row of `batches`, `hash` itself is left out; of a transfer,
//!   where its wallet stood with it: nobody knows that before it is committed, and `verify` proves
//!   it.
//! - A batch is its usage records and transfers, by organization, then id, a usage record before a
//!   transfer of the same id; then its row in `batches`. The hash is SHA-256 over all of that.

use domain::hold::Hold;
use domain::ledger::Transfer;
use domain::usage::LineItem;
use sha2::{Digest, Sha256};

use crate::batch::{Settlement, Writer};
use crate::sqlite_batch::{TOKEN_CLASSES, count};
use crate::{Row, StoreError, Tx};

/// The chain of every transfer that is made outside of the ledger's queue.
pub(crate) const CONTROL: &str = "control";

/// What the first batch of a chain has for the hash before it.
pub(crate) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Finds the last batch of chain `$1`.
pub(crate) const HEAD: &str =
    "SELECT seq, hash FROM batches WHERE chain = $1 ORDER BY seq DESC LIMIT 1";

/// A table whose rows are hashed: its columns, each kind in the order of the table.
pub(crate) struct Hashed {
    pub(crate) table: &'static str,
    pub(crate) texts: &'static [&'static str],
    pub(crate) numbers: &'static [&'static str],
}

/// `usage_records`.
pub(crate) const USAGE_RECORDS: Hashed = Hashed {
    table: "usage_records",
    texts: &[
        "organization_id",
        "id",
        "project_id",
        "key_id",
        "model",
        "upstream_id",
        "endpoint",
        "price_id",
        "finish_reason",
        "chain",
    ],
    numbers: &[
        "admitted_at_us",
        "ended_at_us",
        "fresh_input_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "audio_input_tokens",
        "audio_output_tokens",
        "image_tokens",
        "held_nusd",
        "cost_nusd",
        "input_cost_nusd",
        "cached_input_cost_nusd",
        "output_cost_nusd",
        "request_cost_nusd",
        "overrun_nusd",
        "upstream_cost_nusd",
        "markup_bp",
        "flags",
        "streamed",
        "first_output_us",
        "batch",
    ],
};

/// `transfers`.
pub(crate) const TRANSFERS: Hashed = Hashed {
    table: "transfers",
    texts: &[
        "organization_id",
        "id",
        "debit_account",
        "credit_account",
        "code",
        "request_id",
        "reason",
        "actor",
        "chain",
    ],
    numbers: &["amount_nusd", "at_us", "batch"],
};

/// `batches`, without `hash`.
pub(crate) const BATCHES: Hashed = Hashed {
    table: "batches",
    texts: &["chain", "previous_hash"],
    numbers: &["seq", "usage_records", "transfers", "amount_nusd", "at_us"],
};

/// The chain of a node's batches.
pub(crate) fn of_node(writer: &Writer) -> String {
    format!("node:{}", writer.node)
}

/// The last batch of a chain; zero and [`GENESIS`] before the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) hash: String,
}

impl Head {
    pub(crate) fn none() -> Self {
        Head {
            seq: 0,
            hash: GENESIS.to_owned(),
        }
    }
}

/// Where a chain stands. It stays there only while nobody else can commit to it.
pub(crate) fn head(tx: &mut Tx<'_>, chain: &str) -> Result<Head, StoreError> {
    let row = tx.query_optional(HEAD, &[chain.into()])?;
    row.map_or_else(|| Ok(Head::none()), |row| read_head(&row))
}

fn read_head(row: &Row) -> Result<Head, StoreError> {
    Ok(Head {
        seq: row.int(0)?,
        hash: row.text(1)?.to_owned(),
    })
}

/// Appends a batch to its chain.
pub(crate) fn append(tx: &mut Tx<'_>, link: &Link) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO batches (chain, seq, usage_records, transfers, amount_nusd, at_us,
                              previous_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            link.chain.as_str().into(),
            link.seq.into(),
            link.usage_records.into(),
            link.transfers.into(),
            link.amount_nusd.into(),
            link.at_us.into(),
            link.previous_hash.as_str().into(),
            link.hash.as_str().into(),
        ],
    )
}

/// A row of `batches`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) chain: String,
    pub(crate) seq: i64,
    pub(crate) usage_records: i64,
    pub(crate) transfers: i64,
    /// What its transfers move together.
    pub(crate) amount_nusd: i64,
    /// When the latest of its rows came to be.
    pub(crate) at_us: i64,
    pub(crate) previous_hash: String,
    pub(crate) hash: String,
}

impl Link {
    /// Whether there is nothing to chain.
    pub(crate) fn is_empty(&self) -> bool {
        self.usage_records + self.transfers == 0
    }

    /// The head that the chain has with it.
    pub(crate) fn into_head(self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

/// The next batch of a chain, while its rows are put to it in their order.
pub(crate) struct Linking {
    link: Link,
    hasher: Sha256,
    row: Encoded,
}

impl Linking {
    pub(crate) fn after(head: &Head, chain: String) -> Self {
        Linking {
            link: Link {
                chain,
                seq: head.seq + 1,
                usage_records: 0,
                transfers: 0,
                amount_nusd: 0,
                at_us: 0,
                previous_hash: head.hash.clone(),
                hash: String::new(),
            },
            hasher: Sha256::new(),
            row: Encoded::default(),
        }
    }

    /// The chain, and the batch's number in it: what its rows have in `chain` and `batch`.
    pub(crate) fn place(&self) -> (&str, i64) {
        (&self.link.chain, self.link.seq)
    }

    /// Puts the usage record of a settlement to it.
    pub(crate) fn usage_record(&mut self, settlement: &Settlement) {
        let Link { chain, seq, .. } = &self.link;
        self.row.usage_record(settlement, chain, *seq);
        self.hasher.update(&self.row.0);
        self.link.usage_records += 1;
        self.link.at_us = self.link.at_us.max(settlement.ended_at.0);
    }

    /// Puts a transfer to it.
    pub(crate) fn transfer(&mut self, transfer: &Transfer) {
        let Link { chain, seq, .. } = &self.link;
        self.row.transfer(transfer, chain, *seq);
        self.hasher.update(&self.row.0);
        self.link.transfers += 1;
        // Accounts take far less than would saturate; the books refuse such a batch.
        let amount = transfer.amount.get();
        self.link.amount_nusd = self.link.amount_nusd.saturating_add(amount);
        self.link.at_us = self.link.at_us.max(transfer.at.0);
    }

    /// The batch, complete.
    pub(crate) fn finish(self) -> Link {
        let Linking {
            mut link,
            mut hasher,
            mut row,
        } = self;
        row.batch(&link);
        hasher.update(&row.0);
        link.hash = to_hex(hasher);
        link
    }
}

/// The digest as 64 hexadecimal digits.
pub(crate) fn to_hex(hasher: Sha256) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    let digest = hasher.finalize();
    digest
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// A row as it is hashed.
#[derive(Debug, Default)]
pub(crate) struct Encoded(pub(crate) Vec<u8>);

impl Encoded {
    /// Begins a row of `table`.
    pub(crate) fn begin(&mut self, table: &Hashed) {
        self.0.clear();
        self.text(table.table);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(i64::try_from(text.len()).expect("a text is far shorter"));
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn opt_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.number(-1),
        }
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(crate) fn opt_number(&mut self, number: Option<i64>) {
        self.number(number.unwrap_or(-1));
    }

    /// As [`USAGE_RECORDS`] lists its columns.
    fn usage_record(&mut self, settlement: &Settlement, chain: &str, seq: i64) {
        let hold: &Hold = &settlement.hold;
        self.begin(&USAGE_RECORDS);
        self.text(hold.organization.as_str());
        self.text(&hold.id.to_string());
        self.text(hold.project.as_str());
        self.text(hold.key.as_str());
        self.text(&hold.model);
        self.text(&settlement.upstream);
        self.text(hold.endpoint);
        self.text(hold.price_id.as_str());
        self.opt_text(settlement.course.finish_reason);
        self.text(chain);
        self.number(hold.admitted_at.0);
        self.number(settlement.ended_at.0);
        for class in TOKEN_CLASSES {
            self.number(count(settlement.usage[class]));
        }
        self.number(hold.amount.get());
        self.number(settlement.charge.cost.total.get());
        for line in LineItem::ALL {
            self.number(settlement.charge.cost.line(line).get());
        }
        self.number(settlement.charge.overrun.get());
        self.number(settlement.charge.upstream_cost.get());
        self.number(hold.markup.basis_points().into());
        self.number(settlement.flags.to_bits());
        self.number(settlement.course.streamed.into());
        self.opt_number(settlement.course.first_output_us);
        self.number(seq);
    }

    /// As [`TRANSFERS`] lists its columns.
    fn transfer(&mut self, transfer: &Transfer, chain: &str, seq: i64) {
        let request = transfer.request.map(|id| id.to_string());
        self.begin(&TRANSFERS);
        self.text(transfer.organization.as_str());
        self.text(&transfer.id);
        self.text(&transfer.debit.to_string());
        self.text(&transfer.credit.to_string());
        self.text(transfer.code.as_str());
        self.opt_text(request.as_deref());
        self.text(&transfer.reason);
        self.text(&transfer.actor);
        self.text(chain);
        self.number(transfer.amount.get());
        self.number(transfer.at.0);
        self.number(seq);
    }

    /// As [`BATCHES`] lists its columns.
    pub(crate) fn batch(&mut self, link: &Link) {
        self.begin(&BATCHES);
        self.text(&link.chain);
        self.text(&link.previous_hash);
        self.number(link.seq);
        self.number(link.usage_records);
        self.number(link.transfers);
        self.number(link.amount_nusd);
        self.number(link.at_us);
    }
}

#[cfg(test)]
mod tests {
    use domain::id::OrganizationId;
    use domain::ledger::{Account, TransferCode};
    use domain::money::Nusd;
    use domain::time::AtUs;
    use tokio::runtime::Runtime;

    use super::*;
    use crate::batch::tests::{hold, settle};
    use crate::commit::tests::{open, writer};
    use crate::{Role, Store};

    /// The columns of a table of the database's.
    fn columns(store: &Store, runtime: &Runtime, table: &'static str, kind: &str) -> Vec<String> {
        let sql = format!("SELECT name FROM pragma_table_info('{table}') WHERE type = '{kind}'");
        let read = store.read(move |tx| tx.query(&sql, &[]));
        let rows = runtime.block_on(read).map_err(|error: StoreError| error);
        let rows = rows.expect("it is read");
        let name = |row: &Row| row.text(0).expect("text").to_owned();
        rows.iter().map(name).collect()
    }

    #[test]
    fn every_column_is_hashed() {
        let runtime = Runtime::new().expect("a runtime");
        let database = testkit::databases::sqlite();
        let store = runtime.block_on(open(&database, Role::Server));
        for hashed in [USAGE_RECORDS, TRANSFERS, BATCHES] {
            let Hashed {
                table,
                texts,
                numbers,
            } = hashed;
            let mut found = columns(&store, &runtime, table, "TEXT");
            found.retain(|column| table != "batches" || column != "hash");
            assert_eq!(found, texts, "{table}");
            let mut found = columns(&store, &runtime, table, "INTEGER");
            found.retain(|column| !column.starts_with("wallet_"));
            assert_eq!(found, numbers, "{table}");
        }
    }

    /// The hashes were worked out by another program, from the description above.
    #[test]
    fn hashes_are_as_described() {
        let grant = Transfer {
            id: "grant_1".into(),
            organization: OrganizationId::new("org-a"),
            debit: Account::Grants,
            credit: Account::Wallet(OrganizationId::new("org-a")),
            amount: Nusd::new(25_000_000_000),
            code: TransferCode::Grant,
            request: None,
            reason: "Grüße".into(),
            actor: "operator".into(),
            at: AtUs(1_800_000_000_000_001),
        };
        let mut linking = Linking::after(&Head::none(), CONTROL.into());
        linking.transfer(&grant);
        let first = linking.finish();
        assert_eq!((first.seq, first.amount_nusd), (1, 25_000_000_000));
        assert_eq!(
            first.hash,
            "9fd29284fb1ca2b468b0e572f2b760ce91f55196b761487dd0bba0f8f9300c4d"
        );
        let settlement = settle(&hold(7, 50), 60);
        let mut linking = Linking::after(&first.into_head(), of_node(&writer()));
        linking.usage_record(&settlement);
        for transfer in settlement.transfers(&writer()) {
            linking.transfer(&transfer);
        }
        let second = linking.finish();
        assert_eq!(
            (second.seq, second.usage_records, second.transfers),
            (2, 1, 2)
        );
        assert_eq!(
            second.hash,
            "e272e54ebe18c0f2525dab8c6bf4e2c43ff1e43fc5e5299d63ccfdb23f4ea341"
        );
    }
}
