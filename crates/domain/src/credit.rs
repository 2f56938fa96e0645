//! What an organization's credit is made of, and in which order it is spent.
//!
//! A wallet is one number. Where it came from is kept as **lots**: one for each grant and purchase,
//! and one for the credit line. Usage is taken from the lots in one order: the grant that expires
//! soonest first, then grants that do not expire, then purchases, the oldest first, and the line
//! last. Nothing here is on the way of a request: between two changes of the set of lots the order
//! is the same, so what was spent meanwhile can be taken from them at once, and later, exactly.

use crate::money::Nusd;
use crate::time::AtUs;

/// The id of the lot that is an organization's credit line: it has one at most.
pub const OVERDRAFT: &str = "overdraft";

/// What kind of credit a lot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LotKind {
    /// Given for free.
    Grant,
    /// Paid for.
    Purchase,
    /// Lent, up to a line that an operator approved.
    Overdraft,
}

impl LotKind {
    /// Every kind, in the order in which they are spent.
    pub const ALL: [LotKind; 3] = [LotKind::Grant, LotKind::Purchase, LotKind::Overdraft];

    /// The word the kind is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LotKind::Grant => "grant",
            LotKind::Purchase => "purchase",
            LotKind::Overdraft => "overdraft",
        }
    }

    /// The kind that is stored as `word`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        LotKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One grant, purchase or credit line, with what remains of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The id of the transfer that it came by, or [`OVERDRAFT`].
    pub id: String,
    /// What it is.
    pub kind: LotKind,
    /// What it was when it was new; of a line, what may be lent.
    pub amount: Nusd,
    /// What is left of it.
    pub remaining: Nusd,
    /// When it came.
    pub created_at: AtUs,
    /// From when on what is left of it lapses; none if it does not. Only grants do.
    pub expires_at: Option<AtUs>,
}

impl Lot {
    /// A new lot, of which everything is left.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: LotKind, amount: Nusd, created_at: AtUs) -> Self {
        Lot {
            id: id.into(),
            kind,
            amount,
            remaining: amount,
            created_at,
            expires_at: None,
        }
    }

    /// Whether it has lapsed.
    #[must_use]
    pub fn is_expired(&self, now: AtUs) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Where it stands in the order of spending.
    fn place(&self) -> (LotKind, bool, Option<AtUs>, AtUs, &str) {
        let never = self.expires_at.is_none();
        (self.kind, never, self.expires_at, self.created_at, &self.id)
    }

    /// Takes at most `amount` of what is left, and answers how much that was.
    fn draw(&mut self, amount: Nusd) -> Nusd {
        let drawn = amount.min(self.remaining);
        self.remaining -= drawn;
        drawn
    }
}

/// More was to be taken than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{missing} of it is not there")]
pub struct NotCovered {
    /// What is missing.
    pub missing: Nusd,
}

/// What lapsed of a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lapsed {
    /// The lot.
    pub lot: String,
    /// How much.
    pub amount: Nusd,
}

/// The lots of one organization, in the order in which they are spent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lots(Vec<Lot>);

impl Lots {
    /// These lots, put in order.
    #[must_use]
    pub fn new(mut lots: Vec<Lot>) -> Self {
        lots.sort_by(|a, b| a.place().cmp(&b.place()));
        Lots(lots)
    }

    /// The lots, those that are spent first before the others.
    #[must_use]
    pub fn in_order(&self) -> &[Lot] {
        &self.0
    }

    /// One of them.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Lot> {
        self.0.iter().find(|lot| lot.id == id)
    }

    /// What is left of all of them.
    #[must_use]
    pub fn remaining(&self) -> Nusd {
        self.0.iter().map(|lot| lot.remaining).sum()
    }

    /// What is left of those of a kind.
    #[must_use]
    pub fn remaining_of(&self, kind: LotKind) -> Nusd {
        let of_kind = self.0.iter().filter(|lot| lot.kind == kind);
        of_kind.map(|lot| lot.remaining).sum()
    }

    /// What is left of those that have lapsed.
    #[must_use]
    pub fn expired(&self, now: AtUs) -> Nusd {
        let expired = self.0.iter().filter(|lot| lot.is_expired(now));
        expired.map(|lot| lot.remaining).sum()
    }

    /// The credit line: what may be lent, and what is lent of it.
    #[must_use]
    pub fn line(&self) -> (Nusd, Nusd) {
        let line = self.find(OVERDRAFT);
        line.map_or((Nusd::ZERO, Nusd::ZERO), |lot| {
            (lot.amount, lot.amount - lot.remaining)
        })
    }

    /// Takes what was spent, in order.
    ///
    /// # Errors
    /// [`NotCovered`]; everything was taken that there is.
    pub fn spend(&mut self, amount: Nusd) -> Result<(), NotCovered> {
        drain(self.0.iter_mut(), amount)
    }

    /// A lot comes to the others.
    pub fn add(&mut self, lot: Lot) {
        let at = self.0.partition_point(|it| it.place() < lot.place());
        self.0.insert(at, lot);
    }

    /// A purchase comes to the others. It pays back first what is lent, and what is left of the
    /// purchase then is less by that.
    pub fn add_purchase(&mut self, mut purchase: Lot) {
        let paid_back = purchase.draw(self.line().1);
        self.raise(OVERDRAFT, paid_back);
        self.add(purchase);
    }

    /// Gives so much of a purchase's money back to it, as a dispute was won or a refund failed;
    /// what is lent is paid back first. False if there is no such lot.
    pub fn restore(&mut self, id: &str, amount: Nusd) -> bool {
        let lent = self.line().1;
        let paid_back = amount.min(lent);
        self.raise(OVERDRAFT, paid_back);
        self.raise(id, amount - paid_back)
    }

    /// Lets what lapsed go, but for what is held: that is paid from it still, as from the first in
    /// order. At most `most` goes.
    pub fn lapse(&mut self, now: AtUs, held: Nusd, most: Nusd) -> Vec<Lapsed> {
        let (mut held, mut most) = (held, most);
        let mut lapsed = Vec::new();
        for lot in self.0.iter_mut().filter(|lot| lot.is_expired(now)) {
            let kept = held.min(lot.remaining);
            held -= kept;
            let amount = lot.draw(most.min(lot.remaining - kept));
            most -= amount;
            if amount > Nusd::ZERO {
                let lot = lot.id.clone();
                lapsed.push(Lapsed { lot, amount });
            }
        }
        lapsed
    }

    /// Takes credit of one lot.
    ///
    /// # Errors
    /// [`NotCovered`], if it has less; everything was taken that it has.
    pub fn take_of(&mut self, id: &str, amount: Nusd) -> Result<(), NotCovered> {
        let lots = self.0.iter_mut().filter(|lot| lot.id == id);
        drain(lots, amount)
    }

    /// Takes what a bank took back of a purchase: of that first, then as if it had been spent.
    ///
    /// # Errors
    /// [`NotCovered`]; everything was taken that there is.
    pub fn take_back_purchase(&mut self, id: &str, amount: Nusd) -> Result<(), NotCovered> {
        let Err(NotCovered { missing }) = self.take_of(id, amount) else {
            return Ok(());
        };
        self.spend(missing)
    }

    /// What an operator may take back: all but what is lent.
    #[must_use]
    pub fn own(&self) -> Nusd {
        self.remaining() - self.remaining_of(LotKind::Overdraft)
    }

    /// Takes back what an operator gave: grants before purchases, of each the latest first, and
    /// nothing of the line.
    ///
    /// # Errors
    /// [`NotCovered`]; everything was taken that there is.
    pub fn take_back(&mut self, amount: Nusd) -> Result<(), NotCovered> {
        let mut latest: Vec<&mut Lot> = self.0.iter_mut().collect();
        latest.retain(|lot| lot.kind != LotKind::Overdraft);
        latest.sort_by(|a, b| {
            let kind = a.kind.cmp(&b.kind);
            let latest = (b.created_at, &b.id).cmp(&(a.created_at, &a.id));
            kind.then(latest)
        });
        drain(latest.into_iter(), amount)
    }

    /// Makes the credit line another amount. What is lent stays lent.
    ///
    /// # Errors
    /// [`NotCovered`] if more is lent than that; nothing changed.
    pub fn set_line(&mut self, line: Nusd, now: AtUs) -> Result<(), NotCovered> {
        let lent = self.line().1;
        if line < lent {
            let missing = lent - line;
            return Err(NotCovered { missing });
        }
        let Some(lot) = self.0.iter_mut().find(|lot| lot.id == OVERDRAFT) else {
            self.add(Lot::new(OVERDRAFT, LotKind::Overdraft, line, now));
            return Ok(());
        };
        (lot.amount, lot.remaining) = (line, line - lent);
        Ok(())
    }

    fn raise(&mut self, id: &str, amount: Nusd) -> bool {
        let lot = self.0.iter_mut().find(|lot| lot.id == id);
        lot.map(|lot| lot.remaining += amount).is_some()
    }
}

/// Takes an amount of lots, one after the other.
fn drain<'a>(lots: impl Iterator<Item = &'a mut Lot>, amount: Nusd) -> Result<(), NotCovered> {
    let mut missing = amount;
    for lot in lots {
        missing -= lot.draw(missing);
    }
    match missing {
        Nusd::ZERO => Ok(()),
        missing => Err(NotCovered { missing }),
    }
}

#[cfg(test)]
mod tests;
