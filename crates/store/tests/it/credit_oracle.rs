//! What credit ought to be, in the plainest way: a list, looked through from its beginning to its
//! end for every single thing, and nothing done later than it is said.

use domain::money::Nusd;
use domain::time::AtUs;
use proptest::sample::Index;
use store::credits::Standing;

/// It is not to be had.
#[derive(Debug)]
pub(crate) struct Refused;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gift,
    Bought,
    Line,
}

#[derive(Debug)]
struct Heap {
    id: String,
    kind: Kind,
    left: i64,
    expires_at: Option<AtUs>,
}

#[derive(Debug)]
struct Sale {
    id: String,
    credit: i64,
    tax: i64,
}

#[derive(Debug)]
struct Return {
    id: String,
    sale: usize,
    credit: i64,
    tax: i64,
    has_failed: bool,
}

#[derive(Debug)]
struct Dispute {
    id: String,
    sale: usize,
    credit: i64,
    tax: i64,
    taken: i64,
    /// Whether it was won, once it is decided.
    won: Option<bool>,
}

/// In nUSD. Heaps are in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    heaps: Vec<Heap>,
    sales: Vec<Sale>,
    returns: Vec<Return>,
    disputes: Vec<Dispute>,
    held: i64,
    line: i64,
}

const CENT: i64 = 10_000_000;
const LINE: &str = "overdraft";

/// `amount × part ÷ whole`, in whole cents.
fn share(amount: i64, part: i64, whole: i64) -> i64 {
    // Everything here is whole cents, and few.
    (amount / CENT) * (part / CENT) / (whole / CENT) * CENT
}

impl Oracle {
    fn total(&self) -> i64 {
        self.heaps.iter().map(|heap| heap.left).sum()
    }

    fn free(&self) -> i64 {
        self.total() - self.held
    }

    fn heap(&mut self, id: &str) -> Option<&mut Heap> {
        self.heaps.iter_mut().find(|heap| heap.id == id)
    }

    fn lent(&self) -> i64 {
        let line = self.heaps.iter().find(|heap| heap.kind == Kind::Line);
        self.line - line.map_or(0, |heap| heap.left)
    }

    /// The heaps, by when their turn is.
    fn turns(&self) -> Vec<usize> {
        let mut turns = Vec::new();
        let mut dated: Vec<(AtUs, usize)> = Vec::new();
        for (index, heap) in self.heaps.iter().enumerate() {
            if let Some(at) = heap.expires_at {
                dated.push((at, index));
            }
        }
        dated.sort_unstable();
        turns.extend(dated.iter().map(|(_, index)| *index));
        for kind in [Kind::Gift, Kind::Bought, Kind::Line] {
            for (index, heap) in self.heaps.iter().enumerate() {
                if heap.kind == kind && heap.expires_at.is_none() {
                    turns.push(index);
                }
            }
        }
        turns
    }

    fn spend(&mut self, amount: i64) {
        let mut missing = amount;
        for turn in self.turns() {
            let taken = missing.min(self.heaps[turn].left);
            self.heaps[turn].left -= taken;
            missing -= taken;
        }
        assert_eq!(missing, 0, "more was spent than there is");
    }

    /// Money comes to a purchase, and pays back what is lent first.
    fn pay(&mut self, purchase: &str, amount: i64) {
        let back = amount.min(self.lent());
        if back > 0 {
            self.heap(LINE).expect("a line").left += back;
        }
        self.heap(purchase).expect("a purchase").left += amount - back;
    }

    pub(crate) fn give(&mut self, id: &str, amount: Nusd, expires_at: Option<AtUs>) {
        self.heaps.push(Heap {
            id: id.into(),
            kind: Kind::Gift,
            left: amount.get(),
            expires_at,
        });
    }

    pub(crate) fn buy(&mut self, id: &str, amount: Nusd, tax: Nusd) {
        self.heaps.push(Heap {
            id: id.into(),
            kind: Kind::Bought,
            left: 0,
            expires_at: None,
        });
        self.sales.push(Sale {
            id: id.into(),
            credit: amount.get(),
            tax: tax.get(),
        });
        self.pay(id, amount.get());
    }

    /// What is neither given back nor disputed of a sale: credit, and tax.
    fn unreturned(&self, sale: usize) -> (i64, i64) {
        let Sale { credit, tax, .. } = self.sales[sale];
        let (mut credit, mut tax) = (credit, tax);
        for it in &self.returns {
            if it.sale == sale && !it.has_failed {
                credit -= it.credit;
                tax -= it.tax;
            }
        }
        for it in &self.disputes {
            if it.sale == sale && it.won != Some(true) {
                credit -= it.credit;
                tax -= it.tax;
            }
        }
        (credit, tax)
    }

    fn sale(&self, id: &str) -> usize {
        let place = self.sales.iter().position(|sale| sale.id == id);
        place.expect("a sale")
    }

    /// Gives back credit, and answers the tax that goes with it.
    pub(crate) fn refund(&mut self, id: &str, of: &str, amount: Nusd) -> Result<Nusd, Refused> {
        let (sale, amount, free) = (self.sale(of), amount.get(), self.free());
        let (credit, tax) = self.unreturned(sale);
        let heap = self.heap(of).expect("a purchase");
        if amount > heap.left || amount > credit || amount > free {
            return Err(Refused);
        }
        heap.left -= amount;
        let tax = match amount == credit {
            true => tax,
            false => share(tax, amount, credit),
        };
        self.returns.push(Return {
            id: id.into(),
            sale,
            credit: amount,
            tax,
            has_failed: false,
        });
        Ok(Nusd::new(tax))
    }

    pub(crate) fn refund_failed(&mut self, id: &str) -> bool {
        let it = self.returns.iter_mut().find(|it| it.id == id);
        let it = it.expect("a refund");
        if it.has_failed {
            return false;
        }
        it.has_failed = true;
        let (sale, credit) = (it.sale, it.credit);
        let purchase = self.sales[sale].id.clone();
        self.pay(&purchase, credit);
        true
    }

    /// A bank takes money back: answers what was taken of the wallet, the tax, and what is lost.
    pub(crate) fn dispute(&mut self, id: &str, of: &str, total: Nusd) -> (Nusd, Nusd, Nusd) {
        let (sale, total, free) = (self.sale(of), total.get(), self.free());
        let (all_credit, all_tax) = self.unreturned(sale);
        let (credit, tax) = match total >= all_credit + all_tax {
            true => (all_credit, all_tax),
            false => {
                let tax = share(all_tax, total, all_credit + all_tax);
                let credit = (total - tax).min(all_credit);
                (credit, total - credit)
            }
        };
        let taken = credit.min(free);
        let heap = self.heap(of).expect("a purchase");
        let own = taken.min(heap.left);
        heap.left -= own;
        self.spend(taken - own);
        self.disputes.push(Dispute {
            id: id.into(),
            sale,
            credit,
            tax,
            taken,
            won: None,
        });
        let lost = total - tax - taken;
        (Nusd::new(taken), Nusd::new(tax), Nusd::new(lost))
    }

    pub(crate) fn decide(&mut self, id: &str, is_won: bool) -> bool {
        let it = self.disputes.iter_mut().find(|it| it.id == id);
        let it = it.expect("a dispute");
        if it.won.is_some() {
            return false;
        }
        it.won = Some(is_won);
        let (sale, taken) = (it.sale, it.taken);
        if is_won {
            let purchase = self.sales[sale].id.clone();
            self.pay(&purchase, taken);
        }
        true
    }

    pub(crate) fn take_back(&mut self, amount: Nusd) -> Result<(), Refused> {
        let mut missing = amount.get();
        let own: i64 = self.total() - (self.line - self.lent());
        if missing > own || missing > self.free() {
            return Err(Refused);
        }
        for kind in [Kind::Gift, Kind::Bought] {
            for heap in self.heaps.iter_mut().rev() {
                if heap.kind == kind {
                    let taken = missing.min(heap.left);
                    heap.left -= taken;
                    missing -= taken;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn lend(&mut self, line: Nusd) -> Result<(), Refused> {
        let (line, lent) = (line.get(), self.lent());
        if line < lent || (line < self.line && self.line - line > self.free()) {
            return Err(Refused);
        }
        if line != self.line && self.heap(LINE).is_none() {
            self.heaps.push(Heap {
                id: LINE.into(),
                kind: Kind::Line,
                left: 0,
                expires_at: None,
            });
        }
        self.line = line;
        if let Some(heap) = self.heap(LINE) {
            heap.left = line - lent;
        }
        Ok(())
    }

    pub(crate) fn available(&self) -> Nusd {
        Nusd::new(self.free())
    }

    /// What a recharge buys, if so many cents or more are not available: as many as are wanted, but
    /// no less than 500.
    pub(crate) fn missing(&self, threshold: i64, restore_to: i64) -> Option<Nusd> {
        let free = self.free();
        let mut bought = 500;
        while free + bought * CENT < restore_to * CENT {
            bought += 1;
        }
        (free < threshold * CENT).then(|| Nusd::new(bought * CENT))
    }

    pub(crate) fn hold(&mut self, amount: Nusd) {
        self.held += amount.get();
    }

    pub(crate) fn end(&mut self, held: Nusd, cost: Nusd) {
        self.held -= held.get();
        self.spend(cost.get());
    }

    /// What is over and not held goes. Answers how much that is.
    pub(crate) fn expire(&mut self, now: AtUs) -> Nusd {
        let mut held = self.held;
        let mut gone = 0;
        for turn in self.turns() {
            let heap = &mut self.heaps[turn];
            let kept = held.min(heap.left);
            held -= kept;
            if heap.expires_at.is_some_and(|at| at <= now) {
                gone += heap.left - kept;
                heap.left = kept;
            }
        }
        Nusd::new(gone)
    }

    pub(crate) fn left(&self) -> Vec<(String, Nusd)> {
        let turns = self.turns().into_iter().map(|turn| &self.heaps[turn]);
        let left = turns.filter(|heap| heap.left > 0);
        left.map(|heap| (heap.id.clone(), Nusd::new(heap.left)))
            .collect()
    }

    pub(crate) fn standing(&self) -> Standing {
        let of = |kind| {
            let heaps = self.heaps.iter().filter(|heap| heap.kind == kind);
            Nusd::new(heaps.map(|heap| heap.left).sum())
        };
        Standing {
            balance: Nusd::new(self.total() - self.line),
            available: self.available(),
            held: Nusd::new(self.held),
            granted: of(Kind::Gift),
            purchased: of(Kind::Bought),
            overdraft: Nusd::new(self.line),
            overdraft_used: Nusd::new(self.lent()),
        }
    }

    pub(crate) fn purchase_id(&self, which: Index) -> Option<String> {
        pick(&self.sales, which, |it| &it.id)
    }

    pub(crate) fn refund_id(&self, which: Index) -> Option<String> {
        pick(&self.returns, which, |it| &it.id)
    }

    pub(crate) fn dispute_id(&self, which: Index) -> Option<String> {
        pick(&self.disputes, which, |it| &it.id)
    }
}

fn pick<T>(all: &[T], which: Index, id: fn(&T) -> &String) -> Option<String> {
    (!all.is_empty()).then(|| id(which.get(all)).clone())
}
