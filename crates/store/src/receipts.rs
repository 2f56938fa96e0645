//! Papers of purchases: a receipt for each that was paid, a credit note for each refund.
//!
//! A paper is issued in the transaction that books what it is about, so there is one if and only if
//! the money moved, and its number is taken if and only if it exists: numbers have no gaps. The
//! row of their series is what transactions wait for each other at, on every node. What a paper
//! says is kept as it was when it was issued, and never changes.

mod snapshot;

use domain::document::{self, DocumentKind, Line, PaidWith, Party};
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::AtUs;

use crate::page::Page;
use crate::{Row, StoreError, Tx, Value, billing_profiles, changes};

/// A paper that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Unique in the installation.
    pub number: String,
    /// What it is about.
    pub kind: DocumentKind,
    /// Whose purchase it was.
    pub organization: OrganizationId,
    /// The id of the purchase.
    pub purchase: String,
    /// Of a credit note: the receipt's number.
    pub of_receipt: Option<String>,
    /// When. Within a year, no paper of a kind is earlier than one with a lower number.
    pub issued_at: AtUs,
    /// Without tax.
    pub amount: Nusd,
    /// What tax is added to that.
    pub tax: Nusd,
    /// What else it says.
    pub content: Content,
}

/// What a paper says beside its sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Who sold.
    pub seller: Party,
    /// Who bought.
    pub buyer: Party,
    /// What.
    pub lines: Vec<Line>,
    /// The tax's rate in percent, as a decimal number.
    pub tax_percent: String,
    /// What was paid with, where it was a card.
    pub paid_with: Option<PaidWith>,
    /// Of a credit note: why.
    pub reason: Option<String>,
}

impl Document {
    /// What was paid, or paid back: with tax.
    #[must_use]
    pub fn total(&self) -> Nusd {
        self.amount + self.tax
    }
}

/// A purchase that was paid.
#[derive(Clone, Debug)]
pub struct Sale<'a> {
    /// The purchase's id: it gets one receipt, however often it is asked for.
    pub purchase: &'a str,
    /// Who bought; named as its billing profile says.
    pub organization: &'a OrganizationId,
    /// What; their sum is the amount.
    pub lines: Vec<Line>,
    /// What tax is added to that.
    pub tax: Nusd,
    /// The tax's rate in percent, as a decimal number.
    pub tax_percent: &'a str,
    /// What was paid with, where it was a card.
    pub paid_with: Option<PaidWith>,
}

/// A purchase that was paid back, in whole or in part.
#[derive(Clone, Debug)]
pub struct Refunded<'a> {
    /// The refund's id: it gets one credit note, however often it is asked for.
    pub refund: &'a str,
    /// The purchase's id.
    pub purchase: &'a str,
    /// What is paid back, without tax.
    pub amount: Nusd,
    /// The tax that is paid back with it.
    pub tax: Nusd,
    /// Why, as a person put it.
    pub reason: &'a str,
}

/// Why there is no credit note.
#[derive(Debug, thiserror::Error)]
pub enum CreditNoteError {
    /// The purchase has no receipt.
    #[error("there is no receipt of the purchase {0}")]
    NoReceipt(String),
    /// More would be paid back than was paid.
    #[error("of receipt {receipt}, {left} can still be paid back")]
    TooMuch {
        /// The receipt's number.
        receipt: String,
        /// What was paid and not paid back, with tax.
        left: Nusd,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Issues the receipt of a purchase, or answers the one that it has.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] if nothing was paid.
pub fn issue(tx: &mut Tx<'_>, sale: &Sale<'_>, now: AtUs) -> Result<Document, StoreError> {
    changes::lock(tx)?;
    if let Some(issued) = of_cause(tx, sale.purchase)? {
        return Ok(issued);
    }
    let amount = sale
        .lines
        .iter()
        .fold(Nusd::ZERO, |sum, it| sum + it.amount);
    let seller = billing_profiles::seller(tx)?;
    let content = Content {
        seller: seller.party,
        buyer: billing_profiles::party(tx, sale.organization)?,
        lines: sale.lines.clone(),
        tax_percent: sale.tax_percent.to_owned(),
        paid_with: sale.paid_with.clone(),
        reason: None,
    };
    let (number, place) = number(tx, DocumentKind::Receipt, &seller.prefix, now)?;
    let document = Document {
        number,
        kind: DocumentKind::Receipt,
        organization: sale.organization.clone(),
        purchase: sale.purchase.to_owned(),
        of_receipt: None,
        issued_at: place.issued_at,
        amount,
        tax: sale.tax,
        content,
    };
    insert(tx, &document, &place, sale.purchase)?;
    Ok(document)
}

/// Issues the credit note of a refund, or answers the one that it has. It names both sides as the
/// receipt did.
///
/// # Errors
/// [`CreditNoteError`]; nothing was issued.
pub fn credit(
    tx: &mut Tx<'_>,
    refunded: &Refunded<'_>,
    now: AtUs,
) -> Result<Document, CreditNoteError> {
    changes::lock(tx)?;
    if let Some(issued) = of_cause(tx, refunded.refund)? {
        return Ok(issued);
    }
    let receipt = of_cause(tx, refunded.purchase)?
        .ok_or_else(|| CreditNoteError::NoReceipt(refunded.purchase.to_owned()))?;
    let before = credited(tx, &receipt)?;
    let left = receipt.total() - before;
    if refunded.amount + refunded.tax > left {
        let receipt = receipt.number;
        return Err(CreditNoteError::TooMuch { receipt, left });
    }
    let prefix = billing_profiles::seller(tx)?.prefix;
    let (number, place) = number(tx, DocumentKind::CreditNote, &prefix, now)?;
    let line = Line {
        description: format!("Refund of receipt {}", receipt.number),
        amount: refunded.amount,
    };
    let document = Document {
        number,
        kind: DocumentKind::CreditNote,
        organization: receipt.organization,
        purchase: receipt.purchase,
        of_receipt: Some(receipt.number),
        issued_at: place.issued_at,
        amount: refunded.amount,
        tax: refunded.tax,
        content: Content {
            lines: vec![line],
            reason: Some(refunded.reason.to_owned()),
            ..receipt.content
        },
    };
    insert(tx, &document, &place, refunded.refund)?;
    Ok(document)
}

/// What credit notes of a receipt come to, with tax.
fn credited(tx: &mut Tx<'_>, receipt: &Document) -> Result<Nusd, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(amount_nusd + tax_nusd), 0) AS BIGINT) FROM receipts
               WHERE organization_id = $1 AND of_receipt = $2";
    let params = [
        receipt.organization.as_str().into(),
        receipt.number.as_str().into(),
    ];
    tx.query_one(sql, &params)?.int(0).map(Nusd::new)
}

/// Where a paper stands among those of its kind.
struct Place {
    year: i64,
    seq: i64,
    issued_at: AtUs,
}

/// Takes the next number of a series. Other transactions that want one wait until this one ends;
/// if it is rolled back, the number is theirs.
fn number(
    tx: &mut Tx<'_>,
    kind: DocumentKind,
    prefix: &str,
    now: AtUs,
) -> Result<(String, Place), StoreError> {
    let year = document::year(now);
    // A clock that is behind does not date a paper before its predecessor.
    let row = tx.query_one(
        "INSERT INTO receipt_series (kind, year, last_seq, last_at_us) VALUES ($1, $2, 1, $3)
         ON CONFLICT (kind, year) DO UPDATE SET last_seq = receipt_series.last_seq + 1,
             last_at_us = CASE WHEN receipt_series.last_at_us > EXCLUDED.last_at_us
                               THEN receipt_series.last_at_us ELSE EXCLUDED.last_at_us END
         RETURNING last_seq, last_at_us",
        &[kind.as_str().into(), year.into(), now.0.into()],
    )?;
    let place = Place {
        year,
        seq: row.int(0)?,
        issued_at: AtUs(row.int(1)?),
    };
    Ok((kind.number(prefix, year, place.seq), place))
}

fn insert(
    tx: &mut Tx<'_>,
    document: &Document,
    place: &Place,
    cause: &str,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO receipts (organization_id, number, kind, year, seq, cause_id, purchase_id,
                               of_receipt, issued_at_us, amount_nusd, tax_nusd, content)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            document.organization.as_str().into(),
            document.number.as_str().into(),
            document.kind.as_str().into(),
            place.year.into(),
            place.seq.into(),
            cause.into(),
            document.purchase.as_str().into(),
            document.of_receipt.clone().into(),
            document.issued_at.0.into(),
            document.amount.get().into(),
            document.tax.get().into(),
            snapshot::write(&document.content).into(),
        ],
    )
}

const COLUMNS: &str = "SELECT number, kind, organization_id, purchase_id, of_receipt, issued_at_us,
        amount_nusd, tax_nusd, content FROM receipts";

/// One paper of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    number: &str,
) -> Result<Option<Document>, StoreError> {
    let sql = format!("{COLUMNS} WHERE organization_id = $1 AND number = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), number.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// The paper of a purchase or a refund.
///
/// # Errors
/// [`StoreError`].
pub fn of_cause(tx: &mut Tx<'_>, cause: &str) -> Result<Option<Document>, StoreError> {
    let sql = format!("{COLUMNS} WHERE cause_id = $1");
    let row = tx.query_optional(&sql, &[cause.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// A page of an organization's papers, by when they were issued, then by number.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
) -> Result<Vec<Document>, StoreError> {
    let mut params: Vec<Value> = vec![organization.as_str().into()];
    let tail = page.tail("issued_at_us", "number", &mut params);
    let sql = format!("{COLUMNS} WHERE organization_id = $1{tail}");
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Document, StoreError> {
    let kind = row.text(1)?;
    let text = |index| row.text(index).map(str::to_owned);
    Ok(Document {
        number: text(0)?,
        kind: DocumentKind::from_word(kind)
            .ok_or_else(|| StoreError::Corrupt(format!("a paper's kind is {kind}")))?,
        organization: OrganizationId::new(row.text(2)?),
        purchase: text(3)?,
        of_receipt: row.opt_text(4)?.map(str::to_owned),
        issued_at: AtUs(row.int(5)?),
        amount: Nusd::new(row.int(6)?),
        tax: Nusd::new(row.int(7)?),
        content: snapshot::read(row.text(8)?)?,
    })
}
