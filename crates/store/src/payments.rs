//! Payments: what people pay by card, and what became of it.
//!
//! [`settle_payment`] is the only way to credit one. Whatever is told of a payment, by whomever and
//! however often, ends there or in [`hear`], and both go by the state machine of
//! [`domain::payment`].

mod customers;
mod disputes;
mod events;
mod methods;
pub mod reconciliations;
mod refunds;
mod settle;
mod unmatched;

use domain::id::{OrganizationId, PaymentId, PaymentMethodId, UserId};
use domain::money::Nusd;
use domain::payment::{
    Card, DisputeState, PaymentKind, PaymentNews, PaymentState, PaymentStatus, TaxRate,
};
use domain::purchase::Taxed;
use domain::time::AtUs;

use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, Value, changes};

pub use customers::{customer_of, keep_customer};
pub use disputes::{DisputeChange, DisputeTold, dispute_told};
pub use events::{Told, first_told, was_told};
pub use methods::{
    Method, SavedMethod, default_method, make_default, method, method_at, method_ever, methods,
    remove_method, save_method,
};
pub use refunds::{
    ElsewhereRefunded, NewRefund, Refund, RefundHeard, RefundRefused, begin_refund, elsewhere,
    hear_of_refund, refund, refund_by_key, refund_looked_at, refunds_due, refunds_of,
};
pub use settle::{Mismatch, Paid, Settled, settle_payment};
pub use unmatched::{Unmatched, get as unmatched, list as list_unmatched, resolve};

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Which.
    pub id: PaymentId,
    /// Whose.
    pub organization: OrganizationId,
    /// What for.
    pub kind: PaymentKind,
    /// How far it is.
    pub state: PaymentState,
    /// The credit that it buys.
    pub amount: Nusd,
    /// The tax on top of it.
    pub tax: Nusd,
    /// The rate of that tax.
    pub tax_rate: TaxRate,
    /// In small letters, such as `usd`.
    pub currency: String,
    /// Who takes the money.
    pub provider: String,
    /// Whether the card is to be saved.
    pub saves_method: bool,
    /// Who ordered it, if a person did.
    pub user: Option<UserId>,
    /// Whom the provider knows the organization as.
    pub customer: Option<String>,
    /// What the provider calls the page where it is paid.
    pub checkout: Option<String>,
    /// What the provider calls the money that it took, or tried to take.
    pub charge: Option<String>,
    /// Where somebody pays, or proves who they are, as long as that is possible.
    pub url: Option<String>,
    /// The saved card that it is paid with.
    pub method: Option<PaymentMethodId>,
    /// What is known of the card.
    pub card: Option<Card>,
    /// Why the last attempt failed, if it did.
    pub failure: Option<Failure>,
    /// What of it went back, or is about to.
    pub refunded: Taxed,
    /// Whether the customer's bank asked for it back.
    pub dispute: Option<DisputeState>,
    /// When it was ordered.
    pub created_at: AtUs,
    /// Until when it can be paid.
    pub expires_at: Option<AtUs>,
    /// When the provider was last asked about it.
    pub looked_at: AtUs,
    /// When it was over.
    pub ended_at: Option<AtUs>,
}

/// Why an attempt to pay failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The provider's word for it, such as `insufficient_funds`.
    pub code: String,
    /// The same, for people.
    pub message: String,
}

impl Payment {
    /// What the card is charged: credit and tax.
    #[must_use]
    pub fn gross(&self) -> Nusd {
        self.amount + self.tax
    }

    /// What people see of how far it is.
    #[must_use]
    pub fn status(&self) -> PaymentStatus {
        PaymentStatus::of(self.state, self.amount, self.refunded.credit, self.dispute)
    }

    /// The id of its purchase in the books, where no request's can be.
    #[must_use]
    pub fn purchase_id(&self) -> String {
        purchase_id(&self.id)
    }

    /// Where it stands in lists.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.created_at, self.id.to_string())
    }
}

fn purchase_id(payment: &PaymentId) -> String {
    format!("payment:{payment}")
}

/// A payment to be made.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// Which; nobody has it yet.
    pub id: PaymentId,
    /// Whose.
    pub organization: OrganizationId,
    /// What for.
    pub kind: PaymentKind,
    /// The credit that it buys: whole cents, or nothing to save a card.
    pub amount: Nusd,
    /// The tax on top of it, whole cents.
    pub tax: Nusd,
    /// The rate of that tax.
    pub tax_rate: TaxRate,
    /// In small letters.
    pub currency: String,
    /// Who is to take the money.
    pub provider: String,
    /// Whether the card is to be saved.
    pub saves_method: bool,
    /// Who orders it, if a person does.
    pub user: Option<UserId>,
    /// The saved card that it is to be paid with.
    pub method: Option<PaymentMethodId>,
    /// Whoever orders with this again gets the same payment.
    pub request_key: Option<String>,
    /// Until when it can be paid.
    pub expires_at: Option<AtUs>,
}

// What of it went back is counted with its purchase.
const COLUMNS: &str = "SELECT t.id, t.organization_id, t.kind, t.state, t.amount_nusd, t.tax_nusd,
        t.tax_percent, t.currency, t.provider, t.saves_method, t.user_id, t.customer_ref,
        t.checkout_ref, t.charge_ref, t.url, t.method_id, t.card_brand, t.card_last4,
        t.failure_code, t.failure_message, COALESCE(p.refunded_nusd, 0),
        COALESCE(p.refunded_tax_nusd, 0), t.dispute, t.created_at_us, t.expires_at_us,
        t.looked_at_us, t.ended_at_us
        FROM payments t LEFT JOIN purchases p
            ON p.organization_id = t.organization_id AND p.id = 'payment:' || t.id";

/// Makes a payment, open: a durable intent, before any provider hears of it.
///
/// # Errors
/// [`StoreError`]; a conflict if the organization has one of this request key.
pub fn create(tx: &mut Tx<'_>, new: &NewPayment, now: AtUs) -> Result<Payment, StoreError> {
    tx.execute_one(
        "INSERT INTO payments (id, organization_id, kind, state, amount_nusd, tax_nusd, tax_percent,
             currency, provider, saves_method, user_id, request_key, method_id, created_at_us,
             expires_at_us, looked_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $14)",
        &[
            new.id.as_str().into(),
            new.organization.as_str().into(),
            new.kind.as_str().into(),
            PaymentState::Open.as_str().into(),
            new.amount.get().into(),
            new.tax.get().into(),
            new.tax_rate.to_string().into(),
            new.currency.as_str().into(),
            new.provider.as_str().into(),
            i64::from(new.saves_method).into(),
            new.user.as_ref().map(UserId::as_str).into(),
            new.request_key.as_deref().into(),
            new.method.as_ref().map(PaymentMethodId::as_str).into(),
            now.0.into(),
            new.expires_at.map(|at| at.0).into(),
        ],
    )?;
    get(tx, &new.id)?.ok_or_else(|| StoreError::Failed("a payment is gone".into()))
}

/// One payment, whosever it is.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &PaymentId) -> Result<Option<Payment>, StoreError> {
    one(tx, "t.id = $1", &[id.as_str().into()])
}

/// One payment of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn of(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &PaymentId,
) -> Result<Option<Payment>, StoreError> {
    let params = [id.as_str().into(), organization.as_str().into()];
    one(tx, "t.id = $1 AND t.organization_id = $2", &params)
}

/// The payment that an organization ordered with this request key.
///
/// # Errors
/// [`StoreError`].
pub fn by_request_key(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    key: &str,
) -> Result<Option<Payment>, StoreError> {
    let params = [organization.as_str().into(), key.into()];
    one(tx, "t.organization_id = $1 AND t.request_key = $2", &params)
}

/// The payment that is paid on a provider's page of this name.
///
/// # Errors
/// [`StoreError`].
pub fn by_checkout(
    tx: &mut Tx<'_>,
    provider: &str,
    checkout: &str,
) -> Result<Option<Payment>, StoreError> {
    let params = [provider.into(), checkout.into()];
    one(tx, "t.provider = $1 AND t.checkout_ref = $2", &params)
}

/// The payment that a provider's charge of this name is for.
///
/// # Errors
/// [`StoreError`].
pub fn by_charge(
    tx: &mut Tx<'_>,
    provider: &str,
    charge: &str,
) -> Result<Option<Payment>, StoreError> {
    let params = [provider.into(), charge.into()];
    one(tx, "t.provider = $1 AND t.charge_ref = $2", &params)
}

fn one(tx: &mut Tx<'_>, which: &str, params: &[Value]) -> Result<Option<Payment>, StoreError> {
    let row = tx.query_optional(&format!("{COLUMNS} WHERE {which}"), params)?;
    row.as_ref().map(from_row).transpose()
}

/// What a list of payments shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this organization's.
    pub organization: Option<OrganizationId>,
    /// Only those in this state.
    pub state: Option<PaymentState>,
}

/// A page of payments.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, filter: &Filter, page: &Page) -> Result<Vec<Payment>, StoreError> {
    let mut params: Vec<Value> = Vec::new();
    let mut sql = format!("{COLUMNS} WHERE 1 = 1");
    let organization = filter.organization.as_ref().map(OrganizationId::as_str);
    let state = filter.state.map(PaymentState::as_str);
    for (column, value) in [("t.organization_id", organization), ("t.state", state)] {
        if let Some(value) = value {
            params.push(value.into());
            sql.push_str(&format!(" AND {column} = ${}", params.len()));
        }
    }
    sql.push_str(&page.tail("t.created_at_us", "t.id", &mut params));
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// Payments that are not over and that the provider should be asked about again: the longer they
/// take, the seldomer. Those first that wait longest.
///
/// # Errors
/// [`StoreError`].
pub fn due(tx: &mut Tx<'_>, now: AtUs, limit: i64) -> Result<Vec<Payment>, StoreError> {
    let sql = format!("{COLUMNS} WHERE {}", due_sql("t."));
    let rows = tx.query(&sql, &[now.0.into(), limit.into()])?;
    rows.iter().map(from_row).collect()
}

/// What makes something due that is not over, at `$1`, and at most `$2` of it: two minutes after it
/// was looked at, and an eighth of its age.
fn due_sql(table: &str) -> String {
    format!(
        "{table}ended_at_us IS NULL
         AND {table}looked_at_us + ({table}looked_at_us - {table}created_at_us) / 8 + 120000000 < $1
         ORDER BY {table}looked_at_us, {table}id LIMIT $2"
    )
}

/// Notes that the provider was asked about a payment.
///
/// # Errors
/// [`StoreError`].
pub fn looked_at(tx: &mut Tx<'_>, id: &PaymentId, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE payments SET looked_at_us = $2 WHERE id = $1 AND looked_at_us < $2";
    tx.execute(sql, &[id.as_str().into(), now.0.into()])
        .map(|_| ())
}

/// What a provider said when it was asked to take a payment, or about it: what is none stays as it
/// was.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Whom it knows the organization as.
    pub customer: Option<String>,
    /// What it calls the page.
    pub checkout: Option<String>,
    /// What it calls the charge.
    pub charge: Option<String>,
    /// Where somebody pays, or proves who they are.
    pub url: Option<String>,
    /// Until when.
    pub expires_at: Option<AtUs>,
    /// What is known of the card.
    pub card: Option<Card>,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
    /// How it goes on; never [`PaymentNews::Succeeded`] where there is something to be credited.
    pub news: Option<PaymentNews>,
}

/// Takes in what a provider said of a payment that is not credited by it, and that it was asked.
/// Answers the payment as it is then.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Failed`] if it would be credited here: a bug.
pub fn hear(
    tx: &mut Tx<'_>,
    id: &PaymentId,
    heard: &Heard,
    now: AtUs,
) -> Result<Payment, StoreError> {
    changes::lock(tx)?;
    let gone = || StoreError::Failed("a payment is gone".into());
    let payment = get(tx, id)?.ok_or_else(gone)?;
    let state = heard
        .news
        .map_or(payment.state, |news| payment.state.after(news));
    if state == PaymentState::Succeeded
        && payment.state != state
        && payment.kind != PaymentKind::Setup
    {
        return Err(StoreError::Failed(
            "a payment is credited by settling".into(),
        ));
    }
    if payment.state == PaymentState::Succeeded {
        return Ok(payment);
    }
    let card = heard.card.as_ref();
    let (code, message) = match &heard.failure {
        Some(failure) => (Some(failure.code.as_str()), Some(failure.message.as_str())),
        None => (None, None),
    };
    tx.execute_one(
        "UPDATE payments SET state = $2, customer_ref = COALESCE($3, customer_ref),
             checkout_ref = COALESCE($4, checkout_ref), charge_ref = COALESCE($5, charge_ref),
             url = CASE WHEN CAST($13 AS BIGINT) = 1 THEN NULL ELSE COALESCE($6, url) END,
             expires_at_us = COALESCE($7, expires_at_us), card_brand = COALESCE($8, card_brand),
             card_last4 = COALESCE($9, card_last4), failure_code = COALESCE($10, failure_code),
             failure_message = COALESCE($11, failure_message), looked_at_us = $12,
             ended_at_us = CASE WHEN CAST($13 AS BIGINT) = 1 THEN COALESCE(ended_at_us, $12) ELSE NULL END
         WHERE id = $1",
        &[
            id.as_str().into(),
            state.as_str().into(),
            heard.customer.as_deref().into(),
            heard.checkout.as_deref().into(),
            heard.charge.as_deref().into(),
            heard.url.as_deref().into(),
            heard.expires_at.map(|at| at.0).into(),
            card.map(|card| card.brand.as_str()).into(),
            card.map(|card| card.last4.as_str()).into(),
            code.into(),
            message.into(),
            now.0.into(),
            i64::from(state.is_over()).into(),
        ],
    )?;
    get(tx, id)?.ok_or_else(gone)
}

fn from_row(row: &Row) -> Result<Payment, StoreError> {
    let text = |index: usize| -> Result<Option<String>, StoreError> {
        Ok(row.opt_text(index)?.map(ToOwned::to_owned))
    };
    let corrupt = |index: usize| StoreError::Corrupt(format!("column {index} of a payment"));
    let failure = text(18)?.zip(text(19)?);
    let card = text(16)?.zip(text(17)?);
    Ok(Payment {
        id: PaymentId::new(row.text(0)?),
        organization: OrganizationId::new(row.text(1)?),
        kind: PaymentKind::from_word(row.text(2)?).ok_or_else(|| corrupt(2))?,
        state: PaymentState::from_word(row.text(3)?).ok_or_else(|| corrupt(3))?,
        amount: Nusd::new(row.int(4)?),
        tax: Nusd::new(row.int(5)?),
        tax_rate: TaxRate::parse(row.text(6)?).map_err(|_| corrupt(6))?,
        currency: row.text(7)?.to_owned(),
        provider: row.text(8)?.to_owned(),
        saves_method: row.int(9)? == 1,
        user: row.opt_text(10)?.map(UserId::new),
        customer: text(11)?,
        checkout: text(12)?,
        charge: text(13)?,
        url: text(14)?,
        method: row.opt_text(15)?.map(PaymentMethodId::new),
        card: card.map(|(brand, last4)| Card { brand, last4 }),
        failure: failure.map(|(code, message)| Failure { code, message }),
        refunded: Taxed {
            credit: Nusd::new(row.int(20)?),
            tax: Nusd::new(row.int(21)?),
        },
        dispute: match row.opt_text(22)? {
            None => None,
            Some(word) => Some(DisputeState::from_word(word).ok_or_else(|| corrupt(22))?),
        },
        created_at: AtUs(row.int(23)?),
        expires_at: row.opt_int(24)?.map(AtUs),
        looked_at: AtUs(row.int(25)?),
        ended_at: row.opt_int(26)?.map(AtUs),
    })
}
