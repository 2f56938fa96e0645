//! Refunds of payments, in the order that loses nothing: the credit leaves the wallet first, in the
//! transaction that keeps the intent; then the provider is asked, with the refund's id as its key;
//! then its answer is kept. Whoever dies in between left a row that says where to go on. If the
//! money cannot go back, the credit does.

use domain::Entropy;
use domain::id::{OrganizationId, PaymentId, RefundId};
use domain::money::Nusd;
use domain::payment::{PaymentState, RefundState};
use domain::time::AtUs;

use crate::purchases::{self, RefundError};
use crate::receipts::{self, CreditNoteError, Refunded};
use crate::{Row, StoreError, Tx, Value, changes};

use super::{Payment, due_sql, purchase_id};

/// A payment, or a part of it, that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Which.
    pub id: RefundId,
    /// Of which payment.
    pub payment: PaymentId,
    /// Whose.
    pub organization: OrganizationId,
    /// How far it is.
    pub state: RefundState,
    /// The credit that goes back.
    pub amount: Nusd,
    /// The tax that goes back with it.
    pub tax: Nusd,
    /// The provider's name for it, once it answered.
    pub reference: Option<String>,
    /// Why, as a person put it.
    pub reason: String,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// When it was decided.
    pub created_at: AtUs,
    /// When it was over.
    pub ended_at: Option<AtUs>,
}

impl Refund {
    /// What goes back to the card: credit and tax.
    #[must_use]
    pub fn gross(&self) -> Nusd {
        self.amount + self.tax
    }
}

/// A refund to be made.
#[derive(Clone, Debug)]
pub struct NewRefund {
    /// Which; nobody has it yet.
    pub id: RefundId,
    /// How much of the credit, in whole cents; all that is left if none.
    pub amount: Option<Nusd>,
    /// Why, as a person put it.
    pub reason: String,
    /// Whoever asks for it with this again gets the same refund.
    pub request_key: String,
    /// Who gives it: a user's id, or `operator`.
    pub actor: String,
}

/// Why a payment does not go back.
#[derive(Debug, thiserror::Error)]
pub enum RefundRefused {
    /// It was not paid.
    #[error("the payment was not paid")]
    NotPaid,
    /// The credit is not all there.
    #[error(transparent)]
    Credit(#[from] RefundError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const COLUMNS: &str = "SELECT id, payment_id, organization_id, state, amount_nusd, tax_nusd,
        refund_ref, reason, failure, created_at_us, ended_at_us FROM payment_refunds";

/// The id that a refund has in the books, where no request's can be.
fn book_id(id: &RefundId) -> String {
    format!("refund:{id}")
}

/// Takes the credit of a refund from the wallet, and keeps that the provider is to be asked.
///
/// # Errors
/// [`RefundRefused`]; nothing was taken.
pub fn begin_refund(
    tx: &mut Tx<'_>,
    payment: &Payment,
    new: &NewRefund,
    now: AtUs,
) -> Result<Refund, RefundRefused> {
    changes::lock(tx)?;
    if payment.state != PaymentState::Succeeded {
        return Err(RefundRefused::NotPaid);
    }
    let amount = match new.amount {
        Some(amount) => amount,
        None => {
            let bought = purchases::find(tx, &payment.organization, &payment.purchase_id())?;
            bought.map_or(Nusd::ZERO, |bought| bought.left().credit)
        }
    };
    let booked = purchases::refund(
        tx,
        &purchases::Refund {
            id: book_id(&new.id),
            organization: payment.organization.clone(),
            purchase: payment.purchase_id(),
            amount,
            reason: new.reason.clone(),
            actor: new.actor.clone(),
        },
        now,
    )?;
    let refund = Refund {
        id: new.id.clone(),
        payment: payment.id.clone(),
        organization: payment.organization.clone(),
        state: RefundState::Pending,
        amount: booked.paid.credit,
        tax: booked.paid.tax,
        reference: None,
        reason: new.reason.clone(),
        failure: None,
        created_at: now,
        ended_at: None,
    };
    insert(tx, &refund, Some(&new.request_key))?;
    Ok(refund)
}

fn insert(tx: &mut Tx<'_>, refund: &Refund, request_key: Option<&str>) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO payment_refunds (id, payment_id, organization_id, request_key, state,
             amount_nusd, tax_nusd, refund_ref, reason, failure, created_at_us, looked_at_us,
             ended_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)",
        &[
            refund.id.as_str().into(),
            refund.payment.as_str().into(),
            refund.organization.as_str().into(),
            request_key.into(),
            refund.state.as_str().into(),
            refund.amount.get().into(),
            refund.tax.get().into(),
            refund.reference.as_deref().into(),
            refund.reason.as_str().into(),
            refund.failure.as_deref().into(),
            refund.created_at.0.into(),
            refund.ended_at.map(|at| at.0).into(),
        ],
    )
}

/// What a provider says of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundHeard {
    /// Its name for it; none if it refused to make one.
    pub reference: Option<String>,
    /// How far it is.
    pub state: RefundState,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// Takes in what a provider says of a refund; if it failed, the wallet has the credit again.
/// Answers the refund, and whether its state changed.
///
/// # Errors
/// [`StoreError`].
pub fn hear_of_refund(
    tx: &mut Tx<'_>,
    id: &RefundId,
    heard: &RefundHeard,
    now: AtUs,
) -> Result<(Refund, bool), StoreError> {
    changes::lock(tx)?;
    let gone = || StoreError::Failed("a refund is gone".into());
    let known = refund(tx, id)?.ok_or_else(gone)?;
    let state = known.state.after(heard.state);
    let has_changed = state != known.state;
    match state {
        RefundState::Failed if has_changed => {
            give_back(tx, &known, heard.failure.as_deref(), now)?;
        }
        RefundState::Succeeded if has_changed => issue_credit_note(tx, &known, now)?,
        _ => {}
    }
    let is_over = state != RefundState::Pending;
    tx.execute_one(
        "UPDATE payment_refunds SET state = $2, refund_ref = COALESCE(refund_ref, $3),
             failure = COALESCE($4, failure), looked_at_us = $5,
             ended_at_us = CASE WHEN CAST($6 AS BIGINT) = 1 THEN COALESCE(ended_at_us, $5)
                                ELSE NULL END
         WHERE id = $1",
        &[
            id.as_str().into(),
            state.as_str().into(),
            heard.reference.as_deref().into(),
            heard.failure.as_deref().into(),
            now.0.into(),
            i64::from(is_over).into(),
        ],
    )?;
    Ok((refund(tx, id)?.ok_or_else(gone)?, has_changed))
}

/// Issues the credit note of a refund that went back.
fn issue_credit_note(tx: &mut Tx<'_>, refund: &Refund, now: AtUs) -> Result<(), StoreError> {
    let (id, purchase) = (book_id(&refund.id), purchase_id(&refund.payment));
    let refunded = Refunded {
        refund: &id,
        purchase: &purchase,
        amount: refund.amount,
        tax: refund.tax,
        reason: &refund.reason,
    };
    match receipts::credit(tx, &refunded, now) {
        Ok(_) => Ok(()),
        Err(CreditNoteError::Store(error)) => Err(error),
        // A refund that its bank sent back has a note all the same, so that a later one may be more
        // than the receipt: the money is right, and the note is the operator's to write.
        Err(error) => {
            tracing::error!(refund = refund.id.as_str(), %error, "a refund has no credit note");
            Ok(())
        }
    }
}

/// Puts the credit of a refund that failed back into the wallet, and what was lost with it.
fn give_back(
    tx: &mut Tx<'_>,
    refund: &Refund,
    failure: Option<&str>,
    now: AtUs,
) -> Result<(), StoreError> {
    let (id, organization) = (book_id(&refund.id), refund.organization.clone());
    let reason = failure.unwrap_or("The refund failed").to_owned();
    let actor = FAREBOX.to_owned();
    let failed = purchases::Failed {
        id: id.clone(),
        organization: organization.clone(),
        reason: reason.clone(),
        actor: actor.clone(),
    };
    if !purchases::refund_failed(tx, &failed, now)? {
        let decided = purchases::Decided {
            id,
            organization,
            reason,
            actor,
        };
        purchases::won(tx, &decided, now)?;
    }
    Ok(())
}

/// Who acts where no person does.
pub(super) const FAREBOX: &str = "farebox";

/// A refund that was made at the provider, without Farebox.
#[derive(Clone, Debug)]
pub struct ElsewhereRefunded {
    /// The provider's name for it.
    pub reference: String,
    /// How much went back, tax included.
    pub gross: Nusd,
    /// How far it is.
    pub state: RefundState,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// The most that may be taken of the wallet, as it is known to be free.
    pub free: Nusd,
}

/// Takes in a refund that was made without Farebox. The money is gone already: what is there of the
/// credit leaves the wallet, and the rest was spent and is the operator's loss. Answers how much
/// was taken of the wallet now.
///
/// # Errors
/// [`StoreError`].
pub fn elsewhere(
    tx: &mut Tx<'_>,
    payment: &Payment,
    told: &ElsewhereRefunded,
    entropy: Entropy,
    now: AtUs,
) -> Result<Nusd, StoreError> {
    changes::lock(tx)?;
    let heard = RefundHeard {
        reference: Some(told.reference.clone()),
        state: told.state,
        failure: told.failure.clone(),
    };
    let params = [payment.id.as_str().into(), told.reference.as_str().into()];
    if let Some(known) = one(tx, "payment_id = $1 AND refund_ref = $2", &params)? {
        hear_of_refund(tx, &known.id, &heard, now)?;
        return Ok(Nusd::ZERO);
    }
    let bought = purchases::find(tx, &payment.organization, &payment.purchase_id())?;
    // One that failed before anybody heard of it moved nothing.
    let Some(bought) = bought.filter(|_| told.state != RefundState::Failed) else {
        return Ok(Nusd::ZERO);
    };
    let part = bought.left().split(told.gross);
    let refund = Refund {
        id: RefundId::random(entropy),
        payment: payment.id.clone(),
        organization: payment.organization.clone(),
        state: told.state,
        amount: part.credit,
        tax: part.tax,
        reference: Some(told.reference.clone()),
        reason: "Refunded at the provider".into(),
        failure: None,
        created_at: now,
        ended_at: (told.state != RefundState::Pending).then_some(now),
    };
    let taken = book_elsewhere(tx, payment, &refund, told, now)?;
    insert(tx, &refund, None)?;
    if refund.state == RefundState::Succeeded {
        issue_credit_note(tx, &refund, now)?;
    }
    Ok(taken)
}

/// Books what went back: as a refund if all of the credit is there, or else as money that a bank
/// took. Answers how much was taken of the wallet.
fn book_elsewhere(
    tx: &mut Tx<'_>,
    payment: &Payment,
    refund: &Refund,
    told: &ElsewhereRefunded,
    now: AtUs,
) -> Result<Nusd, StoreError> {
    if refund.amount <= told.free {
        let asked = purchases::Refund {
            id: book_id(&refund.id),
            organization: payment.organization.clone(),
            purchase: payment.purchase_id(),
            amount: refund.amount,
            reason: refund.reason.clone(),
            actor: FAREBOX.to_owned(),
        };
        match purchases::refund(tx, &asked, now) {
            Ok(_) => return Ok(refund.amount),
            Err(RefundError::Store(error)) => return Err(error),
            Err(_) => {}
        }
    }
    let taken = purchases::Dispute {
        id: book_id(&refund.id),
        organization: payment.organization.clone(),
        purchase: payment.purchase_id(),
        amount: told.gross,
        free: told.free,
        reason: refund.reason.clone(),
        actor: FAREBOX.to_owned(),
    };
    let disputed = purchases::dispute(tx, &taken, now).map_err(super::disputes::failed)?;
    Ok(disputed.taken)
}

/// One refund.
///
/// # Errors
/// [`StoreError`].
pub fn refund(tx: &mut Tx<'_>, id: &RefundId) -> Result<Option<Refund>, StoreError> {
    one(tx, "id = $1", &[id.as_str().into()])
}

/// The refund of a payment that was asked for with this request key.
///
/// # Errors
/// [`StoreError`].
pub fn refund_by_key(
    tx: &mut Tx<'_>,
    payment: &PaymentId,
    key: &str,
) -> Result<Option<Refund>, StoreError> {
    let params = [payment.as_str().into(), key.into()];
    one(tx, "payment_id = $1 AND request_key = $2", &params)
}

/// The refunds of a payment, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn refunds_of(tx: &mut Tx<'_>, payment: &PaymentId) -> Result<Vec<Refund>, StoreError> {
    let sql = format!("{COLUMNS} WHERE payment_id = $1 ORDER BY created_at_us, id");
    let rows = tx.query(&sql, &[payment.as_str().into()])?;
    rows.iter().map(from_row).collect()
}

/// Refunds that are not over and that the provider should be asked about again, as
/// [`super::due`].
///
/// # Errors
/// [`StoreError`].
pub fn refunds_due(tx: &mut Tx<'_>, now: AtUs, limit: i64) -> Result<Vec<Refund>, StoreError> {
    let sql = format!("{COLUMNS} WHERE {}", due_sql(""));
    let rows = tx.query(&sql, &[now.0.into(), limit.into()])?;
    rows.iter().map(from_row).collect()
}

/// Notes that the provider was asked about a refund.
///
/// # Errors
/// [`StoreError`].
pub fn refund_looked_at(tx: &mut Tx<'_>, id: &RefundId, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE payment_refunds SET looked_at_us = $2 WHERE id = $1 AND looked_at_us < $2";
    tx.execute(sql, &[id.as_str().into(), now.0.into()])
        .map(|_| ())
}

fn one(tx: &mut Tx<'_>, which: &str, params: &[Value]) -> Result<Option<Refund>, StoreError> {
    let row = tx.query_optional(&format!("{COLUMNS} WHERE {which}"), params)?;
    row.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<Refund, StoreError> {
    let corrupt = || StoreError::Corrupt("the state of a refund".into());
    Ok(Refund {
        id: RefundId::new(row.text(0)?),
        payment: PaymentId::new(row.text(1)?),
        organization: OrganizationId::new(row.text(2)?),
        state: RefundState::from_word(row.text(3)?).ok_or_else(corrupt)?,
        amount: Nusd::new(row.int(4)?),
        tax: Nusd::new(row.int(5)?),
        reference: row.opt_text(6)?.map(ToOwned::to_owned),
        reason: row.text(7)?.to_owned(),
        failure: row.opt_text(8)?.map(ToOwned::to_owned),
        created_at: AtUs(row.int(9)?),
        ended_at: row.opt_int(10)?.map(AtUs),
    })
}
