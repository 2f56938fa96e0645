//! What the test provider keeps: each thing a row, what it says as JSON. Amounts are whole cents.

use domain::money::Nusd;
use domain::payment::Card;
use domain::time::AtUs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::Tx;
use store::page::Page;
use store::payments::Failure;
use store::test_payments::{self, Thing};

use super::cards::{Decline, TestCard};
use crate::payments::provider::{BalanceKind, NewCheckout, ProviderError, Purpose};

/// What can be kept, under a word for its kind.
pub(super) trait Body: Serialize + DeserializeOwned {
    const KIND: &'static str;
}

/// A thing that is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept<T> {
    pub(super) reference: String,
    pub(super) owner: String,
    pub(super) body: T,
    pub(super) at: AtUs,
    row: Thing,
}

/// An organization that the provider knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CustomerThing {
    pub(super) organization: String,
    pub(super) name: String,
}

/// A page, and how far it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CheckoutThing {
    pub(super) order: Order,
    pub(super) stage: CheckoutStage,
    pub(super) failure: Option<FailureThing>,
}

/// What a page is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) payment: String,
    pub(super) is_setup: bool,
    pub(super) amount_cents: i64,
    pub(super) tax_cents: i64,
    pub(super) currency: String,
    pub(super) saves_method: bool,
    pub(super) success_url: String,
    pub(super) cancel_url: String,
    expires_at_us: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CheckoutStage {
    Open,
    /// The bank asks whether it is the owner who pays with this card.
    Authenticating {
        card: TypedCard,
    },
    /// It was paid, or the card saved.
    Done {
        charge: Option<String>,
        method: String,
    },
    Expired,
}

/// A card as somebody typed it in, without what is nobody's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TypedCard {
    pub(super) number: String,
    pub(super) exp_month: u8,
    pub(super) exp_year: u16,
}

/// A card of a customer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MethodThing {
    number: String,
    pub(super) exp_month: u8,
    pub(super) exp_year: u16,
    pub(super) is_saved: bool,
}

/// Money that was taken, or is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ChargeThing {
    pub(super) payment: String,
    pub(super) amount_cents: i64,
    pub(super) currency: String,
    pub(super) method: String,
    pub(super) return_url: String,
    pub(super) stage: ChargeStage,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ChargeStage {
    Succeeded,
    NeedsAction,
    Declined(FailureThing),
}

/// Money that goes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RefundThing {
    pub(super) refund: String,
    pub(super) amount_cents: i64,
    pub(super) currency: String,
    pub(super) state: String,
    pub(super) failure: Option<String>,
}

/// Money that a bank asks back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DisputeThing {
    pub(super) amount_cents: i64,
    pub(super) currency: String,
    pub(super) state: String,
    pub(super) reason: String,
}

/// A movement of the operator's balance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BalanceThing {
    kind: String,
    pub(super) amount_cents: i64,
    pub(super) fee_cents: i64,
    pub(super) currency: String,
}

/// Why a card was declined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FailureThing {
    pub(super) code: String,
    pub(super) message: String,
}

macro_rules! bodies {
    ($($body:ident $kind:literal,)*) => {
        $(impl Body for $body {
            const KIND: &'static str = $kind;
        })*
    };
}

bodies! {
    CustomerThing "customer",
    CheckoutThing "checkout",
    MethodThing "method",
    ChargeThing "charge",
    RefundThing "refund",
    DisputeThing "dispute",
    BalanceThing "balance",
}

impl CheckoutThing {
    pub(super) fn new(new: &NewCheckout) -> Result<Self, ProviderError> {
        let order = Order {
            payment: new.payment.to_string(),
            is_setup: new.purpose == Purpose::Setup,
            amount_cents: 0,
            tax_cents: 0,
            currency: String::new(),
            saves_method: true,
            success_url: new.success_url.clone(),
            cancel_url: new.cancel_url.clone(),
            expires_at_us: new.expires_at.0,
        };
        let order = match &new.purpose {
            Purpose::Setup => order,
            Purpose::Pay {
                amount,
                tax,
                currency,
                saves_method,
            } => Order {
                amount_cents: whole_cents(*amount)?,
                tax_cents: whole_cents(*tax)?,
                currency: currency.clone(),
                saves_method: *saves_method,
                ..order
            },
        };
        Ok(CheckoutThing {
            order,
            stage: CheckoutStage::Open,
            failure: None,
        })
    }
}

impl Order {
    pub(super) fn expires_at(&self) -> AtUs {
        AtUs(self.expires_at_us)
    }

    pub(super) fn gross_cents(&self) -> i64 {
        self.amount_cents + self.tax_cents
    }

    pub(super) fn gross(&self) -> Result<Nusd, ProviderError> {
        cents(self.gross_cents())
    }
}

impl CheckoutStage {
    /// How far a page is now: nobody pays when it is too late.
    pub(super) fn at(&self, expires_at: AtUs, now: AtUs) -> CheckoutStage {
        match self {
            CheckoutStage::Open | CheckoutStage::Authenticating { .. } if expires_at <= now => {
                CheckoutStage::Expired
            }
            stage => stage.clone(),
        }
    }
}

impl MethodThing {
    pub(super) fn new(card: &TypedCard, is_saved: bool) -> Self {
        MethodThing {
            number: card.number.clone(),
            exp_month: card.exp_month,
            exp_year: card.exp_year,
            is_saved,
        }
    }

    pub(super) fn card(&self) -> Card {
        let known = TestCard::find(&self.number);
        Card {
            brand: known.map_or("unknown", |card| card.brand).to_owned(),
            last4: known.map_or("0000", TestCard::last4).to_owned(),
        }
    }

    pub(super) fn behaviour(&self) -> Result<&'static TestCard, ProviderError> {
        TestCard::find(&self.number).ok_or_else(|| unreadable("the number of a card"))
    }
}

impl BalanceThing {
    /// What Stripe keeps of a card payment: 2.9 % and 30 cents.
    pub(super) fn charge(charge: &ChargeThing) -> Self {
        BalanceThing {
            kind: "charge".into(),
            amount_cents: charge.amount_cents,
            fee_cents: (charge.amount_cents * 29 + 500) / 1_000 + 30,
            currency: charge.currency.clone(),
        }
    }

    /// Money that goes back; or comes again, if `sign` is 1.
    pub(super) fn refund(refund: &RefundThing, sign: i64) -> Self {
        let kind = if sign < 0 { "refund" } else { "refund_failure" };
        BalanceThing {
            kind: kind.into(),
            amount_cents: sign * refund.amount_cents,
            fee_cents: 0,
            currency: refund.currency.clone(),
        }
    }

    /// Money that a bank takes; or gives back, if `sign` is 1.
    pub(super) fn dispute(dispute: &DisputeThing, sign: i64) -> Self {
        BalanceThing {
            kind: "dispute".into(),
            amount_cents: sign * dispute.amount_cents,
            fee_cents: 0,
            currency: dispute.currency.clone(),
        }
    }

    pub(super) fn kind(&self) -> BalanceKind {
        match self.kind.as_str() {
            "charge" => BalanceKind::Charge,
            "refund" => BalanceKind::Refund,
            "refund_failure" => BalanceKind::RefundFailure,
            "dispute" => BalanceKind::Dispute,
            _ => BalanceKind::Other,
        }
    }
}

impl From<Decline> for FailureThing {
    fn from(decline: Decline) -> Self {
        FailureThing {
            code: decline.code.to_owned(),
            message: decline.message.to_owned(),
        }
    }
}

impl From<FailureThing> for Failure {
    fn from(failure: FailureThing) -> Self {
        Failure {
            code: failure.code,
            message: failure.message,
        }
    }
}

/// An amount as cards know it.
pub(super) fn whole_cents(amount: Nusd) -> Result<i64, ProviderError> {
    amount.whole_cents().ok_or_else(|| ProviderError::Refused {
        code: "invalid_amount".into(),
        message: "An amount must be whole cents.".into(),
    })
}

pub(super) fn cents(cents: i64) -> Result<Nusd, ProviderError> {
    Nusd::from_cents(cents).ok_or_else(|| unreadable("an amount"))
}

/// What is kept is not what was.
pub(super) fn unreadable(what: &str) -> ProviderError {
    ProviderError::Unreadable(what.to_owned())
}

/// Keeps a new thing; or finds the one of that name, which was made by the same call before.
pub(super) fn add<T: Body>(
    tx: &mut Tx<'_>,
    reference: &str,
    owner: &str,
    body: &T,
    now: AtUs,
) -> Result<Kept<T>, ProviderError> {
    let row = Thing {
        reference: reference.to_owned(),
        kind: T::KIND.to_owned(),
        owner: owner.to_owned(),
        body: written(body)?,
        revision: 0,
        at: now,
    };
    test_payments::add(tx, &row)?;
    keep(tx, reference)
}

/// Replaces what a thing says; refused if somebody else did meanwhile.
pub(super) fn change<T: Body>(tx: &mut Tx<'_>, kept: &Kept<T>) -> Result<(), ProviderError> {
    Ok(test_payments::replace(
        tx,
        &kept.row,
        &written(&kept.body)?,
    )?)
}

/// A thing of that name and kind.
pub(super) fn get<T: Body>(
    tx: &mut Tx<'_>,
    reference: &str,
) -> Result<Option<Kept<T>>, ProviderError> {
    let row = test_payments::get(tx, reference)?;
    row.filter(|row| row.kind == T::KIND).map(read).transpose()
}

/// A thing that is certainly there.
pub(super) fn keep<T: Body>(tx: &mut Tx<'_>, reference: &str) -> Result<Kept<T>, ProviderError> {
    get(tx, reference)?.ok_or_else(|| ProviderError::Refused {
        code: "resource_missing".into(),
        message: format!("There is no {} {reference}.", T::KIND),
    })
}

/// The things of a kind that belong to `owner`, oldest first.
pub(super) fn owned<T: Body>(tx: &mut Tx<'_>, owner: &str) -> Result<Vec<Kept<T>>, ProviderError> {
    let rows = test_payments::owned(tx, owner, T::KIND)?;
    rows.into_iter().map(read).collect()
}

/// A page of the things of a kind that were made between two moments.
pub(super) fn between<T: Body>(
    tx: &mut Tx<'_>,
    span: (AtUs, AtUs),
    page: &Page,
) -> Result<Vec<Kept<T>>, ProviderError> {
    let rows = test_payments::list(tx, T::KIND, span, page)?;
    rows.into_iter().map(read).collect()
}

fn read<T: Body>(row: Thing) -> Result<Kept<T>, ProviderError> {
    let body = serde_json::from_str(&row.body).map_err(|_| unreadable(T::KIND))?;
    Ok(Kept {
        reference: row.reference.clone(),
        owner: row.owner.clone(),
        body,
        at: row.at,
        row,
    })
}

fn written<T: Body>(body: &T) -> Result<String, ProviderError> {
    serde_json::to_string(body).map_err(|_| unreadable(T::KIND))
}
