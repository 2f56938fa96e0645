//! Compares what a provider moved with what is here, every night and whenever an operator asks:
//! every charge, refund and dispute there is one here and the other way round, of the same amount
//! and currency.
//!
//! What is open here and paid there is settled, as if the provider had told it. What is still not
//! the same is kept, and an operator must look.

use std::collections::HashSet;
use std::sync::Arc;

use domain::id::ReconciliationId;
use domain::money::Nusd;
use domain::payment::{DisputeState, PaymentState, RefundState};
use domain::time::{AtUs, DAY_US, HOUR_US};
use store::page::{Page, Place};
use store::payments::reconciliations::{
    self, Difference, DifferenceKind, Known, NewReconciliation, Reconciliation, Span, Tally,
};
use store::payments::{self, Payment};
use store::{StoreError, Tx};

use super::hearing::{disputed, refunds};
use super::provider::{
    BalanceKind, BalanceLine, BalanceQuery, Charge, ChargeState, PaymentProvider,
};
use super::refusal::Trouble;
use super::taking::Taking;
use crate::Control;

/// When the nightly comparison begins, after midnight UTC.
const NIGHTLY_US: i64 = 3 * HOUR_US;
/// How much of what was compared before is compared again: what moves late has its day.
const OVERLAP_US: i64 = DAY_US;
/// How far back the first comparison goes.
const FIRST_US: i64 = 30 * DAY_US;
/// How far back any goes.
const MOST_US: i64 = 90 * DAY_US;
/// So much of ours is read at once.
const ROWS: i64 = 200;

/// From when on is compared: what was not yet, and a day before it.
pub(crate) fn since(compared: Option<AtUs>, now: AtUs) -> AtUs {
    match compared {
        Some(until) => until.plus(-OVERLAP_US).max(now.plus(-MOST_US)),
        None => now.plus(-FIRST_US),
    }
}

/// Compares once a day, on one of all nodes.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn nightly(control: &Control) -> Result<(), StoreError> {
    let Some(provider) = control.payments.provider.clone() else {
        return Ok(());
    };
    let (name, now) = (provider.name(), control.now());
    let day = now.plus(-NIGHTLY_US).floor(DAY_US).plus(NIGHTLY_US);
    let due = move |tx: &mut Tx<'_>| reconciliations::is_due(tx, name, day, now);
    if !control.store.read(due).await? {
        return Ok(());
    }
    let id = ReconciliationId::random(control.entropy);
    let begun = id.clone();
    let write = control.store.write(move |tx| -> Result<_, StoreError> {
        let from = since(reconciliations::compared_until(tx, name)?, now);
        let new = NewReconciliation {
            id: begun,
            provider: name.to_owned(),
            user: None,
            from,
            until: now,
        };
        // Another node may have been first.
        Ok(reconciliations::is_due(tx, name, day, now)? && reconciliations::begin(tx, &new, now)?)
    });
    if write.await? {
        tokio::spawn(run(control.clone(), provider, id));
    }
    Ok(())
}

/// Goes through with a comparison that was begun.
pub(crate) async fn run(
    control: Control,
    provider: Arc<dyn PaymentProvider>,
    id: ReconciliationId,
) {
    let failure = match compare(&control, &*provider, &id).await {
        Ok(()) => None,
        Err(trouble) => Some(trouble.to_string()),
    };
    let (of, now) = (id.clone(), control.now());
    let why = failure.clone();
    let write = control.store.write(move |tx| -> Result<_, StoreError> {
        reconciliations::end(tx, &of, why.as_deref(), now)?;
        reconciliations::get(tx, &of)
    });
    match (write.await, failure) {
        (Err(error), _) => {
            tracing::warn!(%id, %error, "what a reconciliation found could not be kept");
        }
        (_, Some(failure)) => tracing::warn!(%id, failure, "a reconciliation came to no end"),
        (Ok(Some(done)), None) if done.tally.differences > 0 => tracing::error!(
            %id, differences = done.tally.differences,
            "the payment provider's books and ours are not the same: an operator must look"
        ),
        (Ok(_), None) => tracing::info!(%id, "the payment provider's books and ours are the same"),
    }
}

async fn compare(
    control: &Control,
    provider: &dyn PaymentProvider,
    id: &ReconciliationId,
) -> Result<(), Trouble> {
    let of = id.clone();
    let read = control.store.read(move |tx| reconciliations::get(tx, &of));
    let gone = || StoreError::Failed("a reconciliation is gone".into());
    let of = read.await?.ok_or_else(gone)?;
    let mut comparing = Comparing {
        control,
        provider,
        of,
        seen: HashSet::new(),
        tally: Tally::default(),
        found: Vec::new(),
    };
    comparing.theirs().await?;
    comparing.our_payments().await?;
    comparing.our_refunds().await?;
    comparing.our_disputes().await
}

/// A comparison under way.
struct Comparing<'a> {
    control: &'a Control,
    provider: &'a dyn PaymentProvider,
    of: Reconciliation,
    /// What the provider's movements are of.
    seen: HashSet<String>,
    tally: Tally,
    /// Differences that are not kept yet.
    found: Vec<Difference>,
}

impl Comparing<'_> {
    /// Everything that moved there.
    async fn theirs(&mut self) -> Result<(), Trouble> {
        let mut query = BalanceQuery {
            from: self.of.from,
            until: self.of.until,
            after: None,
        };
        loop {
            let page = self.provider.balance(&query).await?;
            for line in &page.lines {
                self.tally.movements += 1;
                self.line(line).await?;
            }
            self.note().await?;
            query.after = page.next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }

    async fn line(&mut self, line: &BalanceLine) -> Result<(), Trouble> {
        if line.kind == BalanceKind::Other {
            return Ok(());
        }
        let kind = match line.kind {
            BalanceKind::Refund | BalanceKind::RefundFailure => DifferenceKind::Refund,
            BalanceKind::Dispute => DifferenceKind::Dispute,
            BalanceKind::Charge | BalanceKind::Other => DifferenceKind::Charge,
        };
        let Some(source) = line.source.clone() else {
            self.differs(of_line(line, kind, &line.reference, "nameless"));
            return Ok(());
        };
        match kind {
            DifferenceKind::Charge => self.charge(line, &source).await?,
            DifferenceKind::Refund => self.refund(line, &source).await?,
            DifferenceKind::Dispute => self.dispute(line, &source).await?,
        }
        self.seen.insert(source);
        Ok(())
    }

    /// Money that was taken there.
    async fn charge(&mut self, line: &BalanceLine, source: &str) -> Result<(), Trouble> {
        let mut ours = self.payment(source).await?;
        let mut outcome = "not_here";
        if !ours.as_ref().is_some_and(is_paid)
            && let Some(charge) = self.provider.charge(source).await?
        {
            outcome = self.settle(charge).await?;
            ours = self.payment(source).await?;
        }
        let mut difference = of_line(line, DifferenceKind::Charge, source, outcome);
        match ours.filter(is_paid) {
            None => {
                if matches!(outcome, "not_ours" | "credited" | "credited_before") {
                    difference.problem = "not_here".into();
                }
                self.differs(difference);
            }
            Some(payment) => {
                let (ours, theirs) = (payment.gross(), line.amount);
                let is_same = line.currency.eq_ignore_ascii_case(&payment.currency);
                difference.payment = Some(payment.id);
                self.compare(difference, (ours, theirs), is_same);
            }
        }
        Ok(())
    }

    /// Money that went back there, or came again.
    async fn refund(&mut self, line: &BalanceLine, source: &str) -> Result<(), Trouble> {
        let as_there = |ours: &Known<RefundState>| match line.kind {
            BalanceKind::RefundFailure => ours.state == RefundState::Failed,
            _ => ours.state != RefundState::Pending,
        };
        let mut ours = self.our_refund(source).await?;
        if !ours.as_ref().is_some_and(as_there)
            && let Some(charge) = &line.charge
            && let Some(payment) = self.payment(charge).await?.filter(is_paid)
        {
            refunds(self.control, self.provider, &payment).await?;
            ours = self.our_refund(source).await?;
        }
        let mut difference = of_line(line, DifferenceKind::Refund, source, "not_here");
        let Some(ours) = ours else {
            self.differs(difference);
            return Ok(());
        };
        difference.payment = Some(ours.payment.clone());
        let is_failure = line.kind == BalanceKind::RefundFailure;
        if is_failure && ours.state != RefundState::Failed {
            difference.problem = "other_state".into();
            self.differs(difference);
            return Ok(());
        }
        let is_same = line.currency.eq_ignore_ascii_case(super::CURRENCY);
        self.compare(difference, (ours.gross, magnitude(line.amount)), is_same);
        Ok(())
    }

    /// Money that a bank took there, or gave back.
    async fn dispute(&mut self, line: &BalanceLine, source: &str) -> Result<(), Trouble> {
        let came_back = line.amount > Nusd::ZERO;
        let as_there = |ours: &Known<DisputeState>| match came_back {
            true => ours.state == DisputeState::Won,
            false => ours.state != DisputeState::Inquiry,
        };
        let mut ours = self.our_dispute(source).await?;
        if !ours.as_ref().is_some_and(as_there)
            && let Some(dispute) = self.provider.dispute(source).await?
        {
            disputed(self.control, self.provider.name(), &dispute).await?;
            ours = self.our_dispute(source).await?;
        }
        let mut difference = of_line(line, DifferenceKind::Dispute, source, "not_here");
        let Some(ours) = ours else {
            self.differs(difference);
            return Ok(());
        };
        difference.payment = Some(ours.payment.clone());
        if !as_there(&ours) {
            difference.problem = "other_state".into();
            self.differs(difference);
            return Ok(());
        }
        let is_same = line.currency.eq_ignore_ascii_case(super::CURRENCY);
        self.compare(difference, (ours.gross, magnitude(line.amount)), is_same);
        Ok(())
    }

    /// What was credited here: the provider knows each charge, if only from another day.
    async fn our_payments(&mut self) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let (span, page) = (self.span(), page(after));
            let read = move |tx: &mut Tx<'_>| reconciliations::paid(tx, &span, &page);
            let payments = self.control.store.read(read).await?;
            for payment in &payments {
                let charge = payment.charge.clone().unwrap_or_default();
                if !self.seen.contains(&charge) {
                    let theirs = self.provider.charge(&charge).await?;
                    self.compare_payment(payment, charge, theirs);
                }
            }
            self.note().await?;
            after = payments.last().and_then(|last| {
                let at = last.ended_at?;
                Some((at, last.id.to_string()))
            });
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn compare_payment(&mut self, payment: &Payment, charge: String, theirs: Option<Charge>) {
        let mut difference = Difference {
            kind: DifferenceKind::Charge,
            reference: charge,
            problem: "not_there".into(),
            payment: Some(payment.id.clone()),
            ours: Some(payment.gross()),
            theirs: None,
            currency: None,
        };
        match theirs {
            None => self.differs(difference),
            Some(theirs) => {
                let is_same = theirs.currency.eq_ignore_ascii_case(&payment.currency);
                difference.theirs = Some(theirs.amount);
                difference.currency = Some(theirs.currency);
                if theirs.state != ChargeState::Succeeded {
                    difference.problem = "not_taken".into();
                    return self.differs(difference);
                }
                self.compare(difference, (payment.gross(), theirs.amount), is_same);
            }
        }
    }

    /// What went back from here.
    async fn our_refunds(&mut self) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let (span, page) = (self.span(), page(after));
            let read = move |tx: &mut Tx<'_>| reconciliations::given_back(tx, &span, &page);
            let ours = self.control.store.read(read).await?;
            for refund in ours
                .iter()
                .filter(|it| !self.seen.contains(&it.reference))
                .collect::<Vec<_>>()
            {
                let theirs = match &refund.charge {
                    Some(charge) => self.provider.refunds(charge).await?,
                    None => Vec::new(),
                };
                let theirs = theirs
                    .into_iter()
                    .find(|it| it.reference == refund.reference);
                let gross = theirs.filter(|it| it.state != RefundState::Failed);
                let gross = gross.map(|it| it.amount);
                self.compare_known(DifferenceKind::Refund, refund, gross);
            }
            self.note().await?;
            after = ours.last().map(|last| (last.at, last.reference.clone()));
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// What banks took, as was heard here.
    async fn our_disputes(&mut self) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let (span, page) = (self.span(), page(after));
            let read = move |tx: &mut Tx<'_>| reconciliations::disputed(tx, &span, &page);
            let ours = self.control.store.read(read).await?;
            for dispute in ours
                .iter()
                .filter(|it| !self.seen.contains(&it.reference))
                .collect::<Vec<_>>()
            {
                let theirs = self.provider.dispute(&dispute.reference).await?;
                let gross = theirs.map(|theirs| theirs.amount);
                self.compare_known(DifferenceKind::Dispute, dispute, gross);
            }
            self.note().await?;
            after = ours.last().map(|last| (last.at, last.reference.clone()));
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn compare_known<S>(&mut self, kind: DifferenceKind, ours: &Known<S>, theirs: Option<Nusd>) {
        let difference = Difference {
            kind,
            reference: ours.reference.clone(),
            problem: "not_there".into(),
            payment: Some(ours.payment.clone()),
            ours: Some(ours.gross),
            theirs,
            currency: None,
        };
        match theirs {
            None => self.differs(difference),
            Some(theirs) => self.compare(difference, (ours.gross, theirs), true),
        }
    }

    /// Notes a difference if amounts or currencies are not the same.
    fn compare(&mut self, mut difference: Difference, amounts: (Nusd, Nusd), is_same: bool) {
        let (ours, theirs) = amounts;
        (difference.ours, difference.theirs) = (Some(ours), Some(theirs));
        let problem = match (is_same, ours == theirs) {
            (false, _) => "other_currency",
            (true, false) => "other_amount",
            (true, true) => return,
        };
        difference.problem = problem.into();
        self.differs(difference);
    }

    fn differs(&mut self, difference: Difference) {
        self.tally.differences += 1;
        self.found.push(difference);
    }

    /// Keeps what was found, and says that this server is at it.
    async fn note(&mut self) -> Result<(), Trouble> {
        let (id, tally, now) = (self.of.id.clone(), self.tally, self.control.now());
        let found = std::mem::take(&mut self.found);
        let write = move |tx: &mut Tx<'_>| reconciliations::note(tx, &id, tally, &found, now);
        match self.control.store.write(write).await? {
            true => Ok(()),
            false => Err(StoreError::Failed("it was given up".into()).into()),
        }
    }

    fn span(&self) -> Span {
        Span {
            provider: self.of.provider.clone(),
            from: self.of.from,
            until: self.of.until,
        }
    }

    async fn payment(&self, charge: &str) -> Result<Option<Payment>, StoreError> {
        let (name, charge) = (self.provider.name(), charge.to_owned());
        let read = move |tx: &mut Tx<'_>| payments::by_charge(tx, name, &charge);
        self.control.store.read(read).await
    }

    async fn our_refund(&self, source: &str) -> Result<Option<Known<RefundState>>, StoreError> {
        let (name, source) = (self.provider.name(), source.to_owned());
        let read = move |tx: &mut Tx<'_>| reconciliations::refund_at(tx, name, &source);
        self.control.store.read(read).await
    }

    async fn our_dispute(&self, source: &str) -> Result<Option<Known<DisputeState>>, StoreError> {
        let (name, source) = (self.provider.name(), source.to_owned());
        let read = move |tx: &mut Tx<'_>| reconciliations::dispute_at(tx, name, &source);
        self.control.store.read(read).await
    }

    /// Takes in a charge that nobody told of. Answers what came of it, as a word.
    async fn settle(&mut self, charge: Charge) -> Result<&'static str, StoreError> {
        let taking = Taking {
            provider: self.provider.name(),
            entropy: self.control.entropy,
            is_called_off: false,
        };
        let now = self.control.now();
        let write = move |tx: &mut Tx<'_>| taking.charge(tx, &charge, now);
        let outcome = self.control.store.write(write).await?.outcome;
        self.tally.settled += u64::from(outcome == "credited");
        Ok(outcome)
    }
}

fn is_paid(payment: &Payment) -> bool {
    payment.state == PaymentState::Succeeded
}

fn magnitude(amount: Nusd) -> Nusd {
    Nusd::new(amount.get().saturating_abs())
}

fn page(after: Option<Place>) -> Page {
    Page {
        after,
        is_descending: false,
        limit: ROWS,
    }
}

fn of_line(line: &BalanceLine, kind: DifferenceKind, source: &str, problem: &str) -> Difference {
    Difference {
        kind,
        reference: source.to_owned(),
        problem: problem.to_owned(),
        payment: None,
        ours: None,
        theirs: Some(line.amount),
        currency: Some(line.currency.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_goes_on_where_the_last_one_ended_and_a_day_before() {
        let now = AtUs(1_000 * DAY_US);
        let ago = |days: i64| now.plus(-days * DAY_US);
        assert_eq!(since(None, now), ago(30));
        assert_eq!(since(Some(ago(1)), now), ago(2));
        assert_eq!(since(Some(ago(400)), now), ago(90));
    }
}
