//! Recharges wallets: those that the data plane says ran low, and those that a look at all of them
//! finds, should that have been lost.
//!
//! A recharge is written down before its card is charged, and the provider knows it by its id. So
//! whoever dies half way leaves something that the next look, on whichever node, takes up where it
//! was: the card is charged once.

use std::time::Duration;

use domain::id::{OrganizationId, PaymentId};
use domain::payment::{PaymentNews, PaymentState};
use domain::time::SECOND_US;
use store::payments::{self, Heard, Payment};
use store::recharges::{self, Begun, Terms};
use store::{StoreError, Tx};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::LowWallets;
use crate::Control;
use crate::payments::refusal::Trouble;
use crate::payments::resuming::may_ask_again;
use crate::payments::{CURRENCY, orders};

/// How often all wallets are looked at.
const SWEEP: Duration = Duration::from_secs(15);
/// How long whoever works on a recharge has it alone: longer than a provider is waited for.
const CLAIM_US: i64 = 120 * SECOND_US;
/// When a recharge is looked at again that the provider has not ended.
const AGAIN_US: i64 = 30 * SECOND_US;
/// Organizations that a look takes at once.
const PAGE: i64 = 200;
/// Recharges that are worked on at once: each waits for the provider.
const MOST_AT_ONCE: usize = 32;
/// How long those have to end that are worked on when the process stops; the next start finds the
/// rest.
const LAST: Duration = Duration::from_secs(10);

/// Recharges wallets.
pub struct Recharger(Control);

impl Recharger {
    /// One that has not begun.
    #[must_use]
    pub fn new(control: Control) -> Self {
        Recharger(control)
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let low: LowWallets = self.0.low_wallets.clone();
        let mut working = JoinSet::new();
        let mut look = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                told = low.next() => {
                    for organization in told {
                        let control = self.0.clone();
                        working.spawn(async move { see_to(&control, organization).await });
                        make_room(&mut working).await;
                    }
                }
                () = look.as_mut() => {
                    self.sweep(&mut working).await;
                    look.set(tokio::time::sleep(SWEEP));
                }
            }
        }
        let end = async { while working.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST, end).await.is_err() {
            tracing::warn!("recharges are under way; the next look goes on with them");
        }
    }

    /// Looks at every wallet that may be low, and at every recharge that nobody works on.
    pub async fn look(&self) {
        let mut working = JoinSet::new();
        self.sweep(&mut working).await;
        while working.join_next().await.is_some() {}
    }

    async fn sweep(&self, working: &mut JoinSet<()>) {
        let now = self.0.now();
        let left = move |tx: &mut Tx<'_>| recharges::under_way(tx, now, PAGE);
        let left: Result<Vec<PaymentId>, StoreError> = self.0.store.read(left).await;
        match left {
            Ok(left) => {
                for payment in left {
                    let control = self.0.clone();
                    working.spawn(async move { work(&control, payment).await });
                    make_room(working).await;
                }
            }
            Err(error) => tracing::warn!(%error, "recharges under way could not be read"),
        }
        let mut after: Option<OrganizationId> = None;
        loop {
            let since = after.clone();
            let low = move |tx: &mut Tx<'_>| recharges::low(tx, since.as_ref(), now, PAGE);
            let low: Result<Vec<OrganizationId>, StoreError> = self.0.store.read(low).await;
            let low = low.unwrap_or_else(|error| {
                tracing::warn!(%error, "low wallets could not be read");
                Vec::new()
            });
            let is_last = i64::try_from(low.len()).is_ok_and(|rows| rows < PAGE);
            after = low.last().cloned();
            for organization in low {
                let control = self.0.clone();
                working.spawn(async move { see_to(&control, organization).await });
                make_room(working).await;
            }
            if is_last {
                return;
            }
        }
    }
}

/// Waits until there is room for one more.
async fn make_room(working: &mut JoinSet<()>) {
    while working.try_join_next().is_some() {}
    while working.len() >= MOST_AT_ONCE {
        working.join_next().await;
    }
}

/// Looks at a wallet, and recharges it if it is low.
async fn see_to(control: &Control, organization: OrganizationId) {
    match begin(control, organization).await {
        Ok(Some(payment)) => work(control, payment).await,
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a wallet could not be looked at"),
    }
}

async fn begin(
    control: &Control,
    organization: OrganizationId,
) -> Result<Option<PaymentId>, StoreError> {
    let Ok(provider) = control.payments.provider() else {
        return Ok(None);
    };
    let (of, now) = (organization.clone(), control.now());
    // Behind everything that this process holds and has freed: what counts is what is available.
    let look = control.store.read_in_order(move |tx| {
        let Some(recharge) = recharges::of(tx, &of)? else {
            return Ok(false);
        };
        Ok(recharge.is_due(recharges::available(tx, &of)?, now))
    });
    if !look.await? {
        return Ok(None);
    }
    let terms = Terms {
        provider: provider.name().to_owned(),
        bounds: control.payments.bounds,
        tax_rate: control.payments.tax_rate,
        currency: CURRENCY.to_owned(),
    };
    let (entropy, id) = (control.entropy, PaymentId::random(control.entropy));
    let begin =
        move |tx: &mut Tx<'_>| recharges::begin(tx, &organization, &id, &terms, (now, entropy));
    Ok(match control.store.write(begin).await? {
        Begun::Payment(payment) => Some(payment.id),
        Begun::Nothing | Begun::Capped | Begun::NoPaymentMethod => None,
    })
}

/// Goes on with a recharge, from wherever it is, unless somebody else does.
async fn work(control: &Control, payment: PaymentId) {
    let (id, now) = (payment.clone(), control.now());
    let claim = move |tx: &mut Tx<'_>| -> Result<_, StoreError> {
        match recharges::claim(tx, &id, now.plus(CLAIM_US), now)? {
            true => payments::get(tx, &id),
            false => Ok(None),
        }
    };
    let claimed = match control.store.write(claim).await {
        Ok(Some(claimed)) => claimed,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "a recharge could not be claimed");
            return;
        }
    };
    if let Err(error) = go_on(control, claimed).await {
        // What became of it is found out by asking again, with the same key.
        let payment = payment.as_str();
        tracing::warn!(payment, %error, "a recharge is not decided yet; trying again");
    }
    let (entropy, now) = (control.entropy, control.now());
    let follow = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        if let Some(payment) = payments::get(tx, &payment)? {
            recharges::follow(tx, &payment, (now, entropy))?;
            recharges::look_again(tx, &payment.id, now.plus(AGAIN_US))?;
        }
        Ok(())
    };
    if let Err(error) = control.store.write(follow).await {
        tracing::warn!(%error, "what became of a recharge could not be written; trying again");
    }
}

/// Charges the card, or asks what became of that.
async fn go_on(control: &Control, payment: Payment) -> Result<(), Trouble> {
    if payment.state.is_over() {
        return Ok(());
    }
    let is_asked = payment.state == PaymentState::Processing || payment.url.is_some();
    let may_ask = may_ask_again(payment.created_at, control.now());
    let payment = match is_asked || !may_ask {
        true => orders::look(control, payment).await?,
        false => charge(control, payment).await?,
    };
    if payment.state != PaymentState::Open || may_ask {
        return Ok(());
    }
    if payment.url.is_none() {
        let payment = payment.id.as_str();
        tracing::error!(
            payment,
            "nobody knows whether a card was charged: it was not answered for a day"
        );
    }
    // It was waited for long enough. Should the money come after all, that is credited.
    let (id, now) = (payment.id, control.now());
    let expired = Heard {
        news: Some(PaymentNews::Expired),
        ..Heard::default()
    };
    let hear = move |tx: &mut Tx<'_>| payments::hear(tx, &id, &expired, now).map(|_| ());
    Ok(control.store.write(hear).await?)
}

/// Charges the card. Where its bank wants its owner on a page of the provider, that is opened.
async fn charge(control: &Control, payment: Payment) -> Result<Payment, Trouble> {
    let charged = orders::charge(control, payment).await?;
    match charged.state == PaymentState::Open && charged.url.is_none() {
        true => orders::open_page(control, charged).await,
        false => Ok(charged),
    }
}
