//! Redeem codes: made in batches, each exchanged for credit as often as its batch allows, and by an
//! organization once.
//!
//! A code is kept as its digest. Whoever redeems one locks the change log first, as every way that
//! moves money does, so of many at once each sees what the others left.

use domain::Entropy;
use domain::id::{OrganizationId, RedeemBatchId};
use domain::money::Nusd;
use domain::redeem_code::RedeemCode;
use domain::time::{AtUs, DAY_US};

use crate::grants::{self, Grant, GrantError};
use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, Value, changes};

/// The most codes that are made at once: they are shown in one answer.
pub const MOST_CODES: i64 = 1_000;

/// What the codes of a batch are worth, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What each use gives, above zero.
    pub amount: Nusd,
    /// How often each code can be used.
    pub max_uses: i64,
    /// An organization can use one code of the batch, and no other one after it.
    pub once_per_organization: bool,
    /// From when on the codes are worth nothing; never if none.
    pub expires_at: Option<AtUs>,
    /// After how many days the credit lapses; never if none.
    pub credit_days: Option<i64>,
    /// What they are for, as the books and the customers are told.
    pub note: String,
}

/// Codes that were made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `codes_…`.
    pub id: RedeemBatchId,
    /// What they are worth.
    pub terms: Terms,
    /// How many there are.
    pub codes: i64,
    /// How often any was used.
    pub uses: i64,
    /// When they were made.
    pub created_at: AtUs,
    /// When they were disabled.
    pub disabled_at: Option<AtUs>,
}

/// A code that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The transfer that gave the credit: its id in the books.
    pub id: String,
    /// The code's beginning.
    pub hint: String,
    /// Who got the credit.
    pub organization: OrganizationId,
    /// Who typed it, as the books have it.
    pub actor: String,
    /// When.
    pub at: AtUs,
}

/// Credit that a code was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// The transfer's id.
    pub id: String,
    /// The batch of the code.
    pub batch: RedeemBatchId,
    /// How much.
    pub amount: Nusd,
    /// When what is left of it lapses.
    pub expires_at: Option<AtUs>,
    /// What it is for.
    pub note: String,
}

/// Why a code is not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// There is no such code, or it was disabled.
    #[error("there is no such code")]
    Unknown,
    /// Its time is over.
    #[error("the code expired")]
    Expired,
    /// Others used it as often as it could be.
    #[error("the code was used as often as it can be")]
    UsedUp,
    /// The organization used it, or the one code of its batch that it can.
    #[error("the organization used it before")]
    UsedHere,
    /// The credit cannot be given.
    #[error(transparent)]
    Grant(GrantError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes `count` codes, at most [`MOST_CODES`]. They are in the answer, and nowhere else.
///
/// # Errors
/// [`StoreError`].
pub fn make(
    tx: &mut Tx<'_>,
    terms: Terms,
    count: i64,
    now: AtUs,
    entropy: Entropy,
) -> Result<(Batch, Vec<RedeemCode>), StoreError> {
    let batch = Batch {
        id: RedeemBatchId::random(entropy),
        terms,
        codes: count.clamp(1, MOST_CODES),
        uses: 0,
        created_at: now,
        disabled_at: None,
    };
    tx.execute_one(
        "INSERT INTO redeem_batches (id, amount_nusd, max_uses, once_per_organization,
                                     expires_at_us, credit_days, note, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            batch.id.as_str().into(),
            batch.terms.amount.get().into(),
            batch.terms.max_uses.into(),
            i64::from(batch.terms.once_per_organization).into(),
            batch.terms.expires_at.map(|at| at.0).into(),
            batch.terms.credit_days.into(),
            batch.terms.note.as_str().into(),
            now.0.into(),
        ],
    )?;
    let codes: Vec<RedeemCode> = (0..batch.codes)
        .map(|_| RedeemCode::mint(entropy))
        .collect();
    for code in &codes {
        tx.execute_one(
            "INSERT INTO redeem_codes (digest, batch_id, hint) VALUES ($1, $2, $3)",
            &[
                code.digest().into(),
                batch.id.as_str().into(),
                code.hint().into(),
            ],
        )?;
    }
    Ok((batch, codes))
}

/// Exchanges a code for credit, for an organization that exists.
///
/// # Errors
/// [`RedeemError`]; nothing was given.
pub fn redeem(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    code: &RedeemCode,
    actor: &str,
    now: AtUs,
) -> Result<Redeemed, RedeemError> {
    changes::lock(tx)?;
    let digest = code.digest();
    let batch = batch_of(tx, &digest)?.ok_or(RedeemError::Unknown)?;
    let Batch { id, terms, .. } = batch;
    if batch.disabled_at.is_some() {
        return Err(RedeemError::Unknown);
    }
    let uses = "SELECT COUNT(*) FROM redeem_uses WHERE digest = $1";
    let here = "SELECT COUNT(*) FROM redeem_uses
                WHERE batch_id = $1 AND organization_id = $2 AND (digest = $3 OR CAST($4 AS BIGINT) = 1)";
    let of_here: [Value; 4] = [
        id.as_str().into(),
        organization.as_str().into(),
        digest.as_str().into(),
        i64::from(terms.once_per_organization).into(),
    ];
    if tx.query_one(here, &of_here)?.int(0)? > 0 {
        return Err(RedeemError::UsedHere);
    }
    if terms.expires_at.is_some_and(|at| at <= now) {
        return Err(RedeemError::Expired);
    }
    if tx.query_one(uses, &[digest.as_str().into()])?.int(0)? >= terms.max_uses {
        return Err(RedeemError::UsedUp);
    }
    let expires_at = terms.credit_days.map(|days| now.plus(days * DAY_US));
    let grant = Grant {
        // An organization uses a code once, so the code names the transfer.
        id: format!("code:{}", &digest[..32]),
        organization: organization.clone(),
        amount: terms.amount,
        expires_at,
        reason: terms.note.clone(),
        actor: actor.to_owned(),
    };
    match grants::redeem(tx, &grant, now) {
        Ok(true) => {}
        Ok(false) => return Err(RedeemError::UsedHere),
        Err(GrantError::Store(error)) => return Err(RedeemError::Store(error)),
        Err(other) => return Err(RedeemError::Grant(other)),
    }
    tx.execute_one(
        "INSERT INTO redeem_uses (digest, organization_id, batch_id, transfer_id, actor, used_at_us)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            digest.into(),
            organization.as_str().into(),
            id.as_str().into(),
            grant.id.as_str().into(),
            actor.into(),
            now.0.into(),
        ],
    )?;
    Ok(Redeemed {
        id: grant.id,
        batch: id,
        amount: terms.amount,
        expires_at,
        note: terms.note,
    })
}

/// Disables the codes of a batch: none of them is worth anything from now on. Answers the batch,
/// and whether it was not disabled before; none if there is no such batch.
///
/// # Errors
/// [`StoreError`].
pub fn disable(
    tx: &mut Tx<'_>,
    id: &RedeemBatchId,
    now: AtUs,
) -> Result<Option<(Batch, bool)>, StoreError> {
    // Whoever is exchanging one at this moment is waited for.
    changes::lock(tx)?;
    let sql = "UPDATE redeem_batches SET disabled_at_us = $2
               WHERE id = $1 AND disabled_at_us IS NULL";
    let disabled = tx.execute(sql, &[id.as_str().into(), now.0.into()])?;
    Ok(get(tx, id)?.map(|batch| (batch, disabled == 1)))
}

/// One batch.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &RedeemBatchId) -> Result<Option<Batch>, StoreError> {
    let found = select(tx, "WHERE b.id = $1", &[id.as_str().into()])?;
    Ok(found.into_iter().next())
}

fn batch_of(tx: &mut Tx<'_>, digest: &str) -> Result<Option<Batch>, StoreError> {
    let condition = "WHERE b.id = (SELECT batch_id FROM redeem_codes WHERE digest = $1)";
    Ok(select(tx, condition, &[digest.into()])?.into_iter().next())
}

/// Batches, by when they were made.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, page: &Page) -> Result<Vec<Batch>, StoreError> {
    let mut params = Vec::new();
    let tail = page.tail("b.created_at_us", "b.id", &mut params);
    select(tx, &format!("WHERE TRUE{tail}"), &params)
}

fn select(tx: &mut Tx<'_>, condition: &str, params: &[Value]) -> Result<Vec<Batch>, StoreError> {
    let sql = format!(
        "SELECT b.id, b.amount_nusd, b.max_uses, b.once_per_organization, b.expires_at_us,
                b.credit_days, b.note, b.created_at_us, b.disabled_at_us,
                (SELECT COUNT(*) FROM redeem_codes c WHERE c.batch_id = b.id),
                (SELECT COUNT(*) FROM redeem_uses u WHERE u.batch_id = b.id)
         FROM redeem_batches b {condition}"
    );
    tx.query(&sql, params)?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Batch, StoreError> {
    Ok(Batch {
        id: RedeemBatchId::new(row.text(0)?),
        terms: Terms {
            amount: Nusd::new(row.int(1)?),
            max_uses: row.int(2)?,
            once_per_organization: row.int(3)? == 1,
            expires_at: row.opt_int(4)?.map(AtUs),
            credit_days: row.opt_int(5)?,
            note: row.text(6)?.to_owned(),
        },
        created_at: AtUs(row.int(7)?),
        disabled_at: row.opt_int(8)?.map(AtUs),
        codes: row.int(9)?,
        uses: row.int(10)?,
    })
}

/// Uses of a batch's codes, by when.
///
/// # Errors
/// [`StoreError`].
pub fn uses(tx: &mut Tx<'_>, id: &RedeemBatchId, page: &Page) -> Result<Vec<Use>, StoreError> {
    let place = "u.transfer_id || ' ' || u.organization_id";
    let mut params: Vec<Value> = vec![id.as_str().into()];
    let tail = page.tail("u.used_at_us", place, &mut params);
    let sql = format!(
        "SELECT u.transfer_id, c.hint, u.organization_id, u.actor, u.used_at_us
         FROM redeem_uses u JOIN redeem_codes c ON c.digest = u.digest
         WHERE u.batch_id = $1{tail}"
    );
    let read = |row: &Row| {
        Ok(Use {
            id: row.text(0)?.to_owned(),
            hint: row.text(1)?.to_owned(),
            organization: OrganizationId::new(row.text(2)?),
            actor: row.text(3)?.to_owned(),
            at: AtUs(row.int(4)?),
        })
    };
    tx.query(&sql, &params)?.iter().map(read).collect()
}

impl Batch {
    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.created_at, self.id.to_string())
    }
}

impl Use {
    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.at, format!("{} {}", self.id, self.organization))
    }
}
