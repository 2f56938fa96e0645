//! Recharges, from the intent to what follows from their ends.

use domain::Entropy;
use domain::alert::{Alert, AlertEvent, RechargeTrouble};
use domain::id::{OrganizationId, PaymentId};
use domain::money::Nusd;
use domain::payment::{Bounds, PaymentKind, PaymentState, TaxRate};
use domain::recharge::{AfterDecline, GaveUp, Need, State, after_decline};
use domain::time::{AtUs, HOUR_US};
use domain::window::Window;

use super::{Kept, available, bought, forgive, get, record};
use crate::page::{Page, Place};
use crate::payments::{self, Failure, Method, NewPayment, Payment};
use crate::{Row, StoreError, Tx, Value, alerts, changes, organizations};

/// How long the card's owner has to authenticate: as long as a provider's page may stay open.
const OWNER_US: i64 = 23 * HOUR_US;

/// How the operator sells credit.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who takes the money.
    pub provider: String,
    /// What may be bought at once.
    pub bounds: Bounds,
    /// The tax on top.
    pub tax_rate: TaxRate,
    /// In small letters.
    pub currency: String,
}

/// What came of looking at a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nothing is to be done.
    Nothing,
    /// This is to be charged.
    Payment(Box<Payment>),
    /// The month's cap does not leave enough.
    Capped,
    /// There is no card: it is switched off.
    NoPaymentMethod,
}

/// How far a recharge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// The provider is asked, or works on it.
    Open,
    /// The card's bank waits for its owner.
    NeedsAuthentication,
    /// The money was taken and credited.
    Succeeded,
    /// The card was declined.
    Declined,
    /// It was called off, or its owner was waited for in vain.
    Abandoned,
}

impl AttemptState {
    /// Every state.
    pub const ALL: [AttemptState; 5] = [
        AttemptState::Open,
        AttemptState::NeedsAuthentication,
        AttemptState::Succeeded,
        AttemptState::Declined,
        AttemptState::Abandoned,
    ];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptState::Open => "open",
            AttemptState::NeedsAuthentication => "needs_authentication",
            AttemptState::Succeeded => "succeeded",
            AttemptState::Declined => "declined",
            AttemptState::Abandoned => "abandoned",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == word);
        found.ok_or_else(|| StoreError::Corrupt(format!("a recharge that is {word}")))
    }

    fn is_over(self) -> bool {
        !matches!(self, AttemptState::Open | AttemptState::NeedsAuthentication)
    }

    /// How far a recharge is whose payment is this.
    fn of(payment: &Payment) -> Self {
        match payment.state {
            PaymentState::Succeeded => AttemptState::Succeeded,
            PaymentState::Failed => AttemptState::Declined,
            PaymentState::Cancelled | PaymentState::Expired => AttemptState::Abandoned,
            PaymentState::Open if payment.url.is_some() => AttemptState::NeedsAuthentication,
            PaymentState::Open | PaymentState::Processing => AttemptState::Open,
        }
    }
}

/// A recharge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its payment.
    pub payment: PaymentId,
    /// Whose.
    pub organization: OrganizationId,
    /// The credit that it buys.
    pub amount: Nusd,
    /// What was available when it began.
    pub available: Nusd,
    /// How far it is.
    pub state: AttemptState,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Where the card's owner authenticates, as long as that is waited for.
    pub url: Option<String>,
    /// When it began.
    pub began_at: AtUs,
    /// When it was over.
    pub ended_at: Option<AtUs>,
}

impl Attempt {
    /// Where it stands in lists.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.began_at, self.payment.to_string())
    }
}

/// Begins the recharge that an organization's wallet needs, if it needs one and none is under way:
/// writes down what is to be charged, before anybody is asked for it. `id` names its payment.
///
/// # Errors
/// [`StoreError`]; nothing has begun.
pub fn begin(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &PaymentId,
    terms: &Terms,
    (now, entropy): (AtUs, Entropy),
) -> Result<Begun, StoreError> {
    // Before anything is read: whoever begins at the same time, on whichever node, is done when
    // this goes on.
    changes::lock(tx)?;
    let Some(kept) = get(tx, organization)? else {
        return Ok(Begun::Nothing);
    };
    let is_armed = kept.course.state(now) == State::Armed;
    if !is_armed || organizations::is_suspended(tx, organization)? {
        return Ok(Begun::Nothing);
    }
    let available = available(tx, organization)?;
    let bought = bought(tx, organization, now)?;
    let amount = match kept.settings.rules.need(available, bought, terms.bounds) {
        Need::Nothing => return Ok(Begun::Nothing),
        Need::Capped => {
            cap(tx, organization, &kept, (now, entropy))?;
            return Ok(Begun::Capped);
        }
        Need::Purchase(amount) => amount,
    };
    let Some(method) = method(tx, organization, &kept, terms)? else {
        give_up(tx, organization, GaveUp::NoPaymentMethod, 0, (now, entropy))?;
        return Ok(Begun::NoPaymentMethod);
    };
    let new = NewPayment {
        id: id.clone(),
        organization: organization.clone(),
        kind: PaymentKind::Recharge,
        amount,
        tax: terms.tax_rate.on(amount),
        tax_rate: terms.tax_rate,
        currency: terms.currency.clone(),
        provider: terms.provider.clone(),
        saves_method: false,
        user: None,
        method: Some(method.id),
        request_key: None,
        expires_at: Some(now.plus(OWNER_US)),
    };
    let payment = payments::create(tx, &new, now)?;
    tx.execute_one(
        "INSERT INTO recharges (payment_id, organization_id, amount_nusd, available_nusd, state,
             claimed_until_us, began_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
        &[
            id.as_str().into(),
            organization.as_str().into(),
            amount.get().into(),
            available.get().into(),
            AttemptState::Open.as_str().into(),
            now.0.into(),
        ],
    )?;
    record(tx, organization, now)?;
    Ok(Begun::Payment(Box::new(payment)))
}

/// The card that is charged.
fn method(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    kept: &Kept,
    terms: &Terms,
) -> Result<Option<Method>, StoreError> {
    let method = match &kept.settings.method {
        Some(id) => payments::method(tx, organization, id)?,
        None => payments::default_method(tx, organization, &terms.provider)?,
    };
    // The operator may have changed to another provider since it was saved.
    Ok(method.filter(|method| method.saved.provider == terms.provider))
}

/// The cap is reached: once a month, that is told.
fn cap(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    kept: &Kept,
    (now, entropy): (AtUs, Entropy),
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE auto_recharges SET capped_at_us = $2 WHERE organization_id = $1",
        &[organization.as_str().into(), now.0.into()],
    )?;
    record(tx, organization, now)?;
    let month = Window::Month.span(now);
    let cap = kept.settings.rules.monthly_cap.unwrap_or(Nusd::MAX);
    let trouble = RechargeTrouble::Failed {
        recharge: format!("cap:{}", month.start.seconds()),
        amount: Nusd::ZERO,
        reason: format!("the monthly cap of ${} is reached", cap.to_usd()),
        failures: 0,
        next_try_at: Some(month.end),
    };
    let cause = format!("cap:{}", month.start.seconds());
    tell(tx, organization, &cause, trouble, (now, entropy))
}

/// Switches it off.
fn give_up(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    why: GaveUp,
    declines: u32,
    (now, entropy): (AtUs, Entropy),
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE auto_recharges SET gave_up = $2, declines = $3, not_before_us = NULL
         WHERE organization_id = $1",
        &[
            organization.as_str().into(),
            why.as_str().into(),
            i64::from(declines).into(),
        ],
    )?;
    record(tx, organization, now)?;
    let reason = match why {
        GaveUp::Declined => format!("the card was declined {declines} times in a row"),
        GaveUp::NoPaymentMethod => "there is no saved card to charge".into(),
    };
    let trouble = RechargeTrouble::Disabled {
        reason,
        failures: declines,
    };
    let cause = format!("{}:{}", why.as_str(), now.0);
    tell(tx, organization, &cause, trouble, (now, entropy))
}

fn tell(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    cause: &str,
    trouble: RechargeTrouble,
    (now, entropy): (AtUs, Entropy),
) -> Result<(), StoreError> {
    let alert = Alert::new(organization, cause, AlertEvent::Recharge(trouble));
    alerts::raise(tx, &alert, now, entropy).map(|_| ())
}

/// Takes in what became of a recharge's payment. Whoever changes the payment calls this in the same
/// transaction; called again, it changes nothing. A payment that is no recharge is none of its
/// business.
///
/// # Errors
/// [`StoreError`].
pub fn follow(
    tx: &mut Tx<'_>,
    payment: &Payment,
    (now, entropy): (AtUs, Entropy),
) -> Result<(), StoreError> {
    if payment.kind != PaymentKind::Recharge {
        return Ok(());
    }
    changes::lock(tx)?;
    let Some(before) = attempt(tx, &payment.id)? else {
        return Ok(());
    };
    let state = AttemptState::of(payment);
    // What is over stays so, unless the money came after all.
    let is_news = !before.state.is_over() || state == AttemptState::Succeeded;
    if state == before.state || !is_news {
        return Ok(());
    }
    tx.execute_one(
        "UPDATE recharges SET state = $2, ended_at_us = $3 WHERE payment_id = $1",
        &[
            payment.id.as_str().into(),
            state.as_str().into(),
            state.is_over().then_some(now.0).into(),
        ],
    )?;
    let organization = &payment.organization;
    match state {
        AttemptState::Succeeded => forgive(tx, organization)?,
        AttemptState::Declined => declined(tx, payment, (now, entropy))?,
        AttemptState::NeedsAuthentication => {
            let trouble = RechargeTrouble::NeedsAction {
                recharge: payment.id.to_string(),
                amount: payment.gross(),
                link: payment.url.clone().unwrap_or_default(),
            };
            tell(
                tx,
                organization,
                payment.id.as_str(),
                trouble,
                (now, entropy),
            )?;
        }
        AttemptState::Open | AttemptState::Abandoned => {}
    }
    record(tx, organization, now)
}

/// A card was declined: it is left alone for a while, or it is switched off.
fn declined(
    tx: &mut Tx<'_>,
    payment: &Payment,
    (now, entropy): (AtUs, Entropy),
) -> Result<(), StoreError> {
    let organization = &payment.organization;
    let kept = get(tx, organization)?;
    let kept = kept.ok_or_else(|| StoreError::Failed("a recharge that nobody wants".into()))?;
    let declines = kept.declines.saturating_add(1);
    let until = match after_decline(declines, now) {
        AfterDecline::GiveUp => {
            return give_up(tx, organization, GaveUp::Declined, declines, (now, entropy));
        }
        AfterDecline::TryAgainAt(until) => until,
    };
    tx.execute_one(
        "UPDATE auto_recharges SET declines = $2, not_before_us = $3 WHERE organization_id = $1",
        &[
            organization.as_str().into(),
            i64::from(declines).into(),
            until.0.into(),
        ],
    )?;
    let failure = payment.failure.as_ref();
    let trouble = RechargeTrouble::Failed {
        recharge: payment.id.to_string(),
        amount: payment.gross(),
        reason: failure.map_or_else(|| "the card was declined".into(), |it| it.message.clone()),
        failures: declines,
        next_try_at: Some(until),
    };
    tell(
        tx,
        organization,
        payment.id.as_str(),
        trouble,
        (now, entropy),
    )
}

/// The organization's cards changed: what was declined before counts no more, and a card may be
/// there again.
///
/// # Errors
/// [`StoreError`].
pub fn new_method(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    now: AtUs,
) -> Result<(), StoreError> {
    let Some(kept) = get(tx, organization)? else {
        return Ok(());
    };
    if kept.declines > 0 || kept.course.gave_up.is_some() {
        forgive(tx, organization)?;
        record(tx, organization, now)?;
    }
    Ok(())
}

/// Claims a recharge that is under way, so that nobody else works on it until `until`. False if it
/// is over, or somebody has claimed it.
///
/// # Errors
/// [`StoreError`].
pub fn claim(
    tx: &mut Tx<'_>,
    payment: &PaymentId,
    until: AtUs,
    now: AtUs,
) -> Result<bool, StoreError> {
    let claimed = tx.execute(
        "UPDATE recharges SET claimed_until_us = $2
         WHERE payment_id = $1 AND ended_at_us IS NULL AND claimed_until_us <= $3",
        &[payment.as_str().into(), until.0.into(), now.0.into()],
    )?;
    Ok(claimed == 1)
}

/// A recharge that is under way is left alone until `at`.
///
/// # Errors
/// [`StoreError`].
pub fn look_again(tx: &mut Tx<'_>, payment: &PaymentId, at: AtUs) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE recharges SET claimed_until_us = $2
         WHERE payment_id = $1 AND ended_at_us IS NULL",
        &[payment.as_str().into(), at.0.into()],
    )?;
    Ok(())
}

/// Recharges that are under way and that nobody works on, those first that wait longest.
///
/// # Errors
/// [`StoreError`].
pub fn under_way(tx: &mut Tx<'_>, now: AtUs, limit: i64) -> Result<Vec<PaymentId>, StoreError> {
    let rows = tx.query(
        "SELECT payment_id FROM recharges WHERE ended_at_us IS NULL AND claimed_until_us <= $1
         ORDER BY claimed_until_us, payment_id LIMIT $2",
        &[now.0.into(), limit.into()],
    )?;
    rows.iter()
        .map(|row| row.text(0).map(PaymentId::new))
        .collect()
}

const COLUMNS: &str = "SELECT r.payment_id, r.organization_id, r.amount_nusd, r.available_nusd,
        r.state, p.failure_code, p.failure_message, p.url, r.began_at_us, r.ended_at_us
    FROM recharges r JOIN payments p ON p.id = r.payment_id";

/// The recharge of a payment.
///
/// # Errors
/// [`StoreError`].
pub fn attempt(tx: &mut Tx<'_>, payment: &PaymentId) -> Result<Option<Attempt>, StoreError> {
    let sql = format!("{COLUMNS} WHERE r.payment_id = $1");
    let row = tx.query_optional(&sql, &[payment.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// The recharge of an organization that is under way.
///
/// # Errors
/// [`StoreError`].
pub fn open_attempt(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
) -> Result<Option<Attempt>, StoreError> {
    let sql = format!("{COLUMNS} WHERE r.organization_id = $1 AND r.ended_at_us IS NULL");
    let row = tx.query_optional(&sql, &[organization.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// A page of an organization's recharges.
///
/// # Errors
/// [`StoreError`].
pub fn attempts(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
) -> Result<Vec<Attempt>, StoreError> {
    let mut params: Vec<Value> = vec![organization.as_str().into()];
    let mut sql = format!("{COLUMNS} WHERE r.organization_id = $1");
    sql.push_str(&page.tail("r.began_at_us", "r.payment_id", &mut params));
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Attempt, StoreError> {
    let state = AttemptState::from_word(row.text(4)?)?;
    let code = row.opt_text(5)?.map(ToOwned::to_owned);
    let failure = code.zip(row.opt_text(6)?.map(ToOwned::to_owned));
    let url = row.opt_text(7)?.map(ToOwned::to_owned);
    Ok(Attempt {
        payment: PaymentId::new(row.text(0)?),
        organization: OrganizationId::new(row.text(1)?),
        amount: Nusd::new(row.int(2)?),
        available: Nusd::new(row.int(3)?),
        state,
        failure: failure.map(|(code, message)| Failure { code, message }),
        url: url.filter(|_| state == AttemptState::NeedsAuthentication),
        began_at: AtUs(row.int(8)?),
        ended_at: row.opt_int(9)?.map(AtUs),
    })
}
