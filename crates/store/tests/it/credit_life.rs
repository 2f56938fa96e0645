//! Random lives of credit, beside an oracle that knows no shortcuts: after each step every lot has
//! what the oracle says, every invariant of the books holds, and the statements of all months are
//! the ledger, to the nano-dollar. Grants, codes, expiries, purchases, recharges with their
//! receipts, refunds, disputes, corrections, credit lines and usage: all of it in one life.
//!
//! The oracle takes from its lots when a request is settled; the store whenever it comes to it.
//! `FAREBOX_CREDIT_LIVES` says how many lives there are, on each database.

use std::sync::Arc;

use domain::hold::Hold;
use domain::id::{OrganizationId, RequestId};
use domain::money::Nusd;
use domain::month::Month;
use domain::recharge::Rules;
use domain::time::{AtUs, DAY_US, HOUR_US};
use domain::usage::Usage;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::redeem_codes::RedeemError;
use store::{Settlement, Store, StoreError, Tx, credits, statements, verify, wallets};
use testkit::TestDatabase;

use crate::credit_oracle::{Oracle, Refused};
use crate::credit_world::{NOW, Till, cents};
use crate::fixture::{Customer, entropy, lease_everything, serve, settlement};
use crate::statements::by_transfers;

/// How many lives there are where nobody says.
const LIVES: usize = 6;
/// The most steps of one.
const STEPS: usize = 50;

type Which = prop::sample::Index;

#[derive(Clone, Debug)]
enum Step {
    Give { cents: i64, days: Option<i64> },
    Redeem { cents: i64, days: Option<i64> },
    Buy { cents: i64, tax: i64 },
    Recharge { below: i64, above: i64 },
    Refund { which: Which, cents: i64 },
    RefundFailed { which: Which },
    Dispute { which: Which, cents: i64 },
    Decide { which: Which, is_won: bool },
    TakeBack { cents: i64 },
    Lend { cents: i64 },
    Hold { nusd: i64 },
    Settle { which: Which, percent: i64 },
    Release { which: Which },
    Pass { hours: i64 },
    Expire,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<Which>;
    // Most things happen within days; some months end.
    let days = || prop::option::of(prop_oneof![4 => 1..6_i64, 1 => 6..60_i64]);
    let hours = prop_oneof![6 => 1..60_i64, 1 => 10 * 24..45 * 24_i64];
    let step = prop_oneof![
        4 => (1..900_i64, days()).prop_map(|(cents, days)| Step::Give { cents, days }),
        1 => (1..900_i64, days()).prop_map(|(cents, days)| Step::Redeem { cents, days }),
        4 => (1..2_000_i64, 0..400_i64).prop_map(|(cents, tax)| Step::Buy { cents, tax }),
        3 => (1..2_000_i64, 500..1_500_i64)
            .prop_map(|(below, above)| Step::Recharge { below, above }),
        3 => (which(), 1..900_i64).prop_map(|(which, cents)| Step::Refund { which, cents }),
        1 => which().prop_map(|which| Step::RefundFailed { which }),
        2 => (which(), 1..2_500_i64).prop_map(|(which, cents)| Step::Dispute { which, cents }),
        2 => (which(), any::<bool>()).prop_map(|(which, is_won)| Step::Decide { which, is_won }),
        2 => (1..600_i64).prop_map(|cents| Step::TakeBack { cents }),
        2 => prop_oneof![Just(0), 1..1_500_i64].prop_map(|cents| Step::Lend { cents }),
        9 => (4..9_000_000_000_i64).prop_map(|nusd| Step::Hold { nusd }),
        7 => (which(), 0..101_i64).prop_map(|(which, percent)| Step::Settle { which, percent }),
        2 => which().prop_map(|which| Step::Release { which }),
        4 => hours.prop_map(|hours| Step::Pass { hours }),
        4 => Just(Step::Expire),
    ];
    prop::collection::vec(step, 1..=STEPS)
}

/// What must be true of an organization's books after each step, beside what the oracle says.
fn check(tx: &mut Tx<'_>, organization: &OrganizationId, now: AtUs) -> Result<(), StoreError> {
    let report = verify::verify(tx)?;
    assert!(report.holds(), "{:#?}", report.checks);
    let mut carried = Nusd::ZERO;
    let mut at = NOW;
    while at <= now {
        let month = Month::of(at).expect("a month");
        let span = month.span().expect("a span");
        let found = statements::of(tx, organization, span, now)?;
        assert_eq!(
            found.opening, carried,
            "{month} begins where the last ended"
        );
        let wallet = by_transfers(tx, organization, span.end)?;
        assert_eq!(found.closing, wallet, "{month} is the ledger");
        (carried, at) = (found.closing, span.end);
    }
    let wallet = wallets::get(tx, organization)?.unwrap_or_default();
    assert_eq!(carried, wallet.balance(), "the last is what is there");
    Ok(())
}

struct Life {
    store: Store,
    customer: Customer,
    oracle: Oracle,
    open: Vec<Arc<Hold>>,
    now: AtUs,
    /// What the next thing is called.
    number: usize,
}

impl Life {
    async fn new(database: &TestDatabase) -> Self {
        let store = serve(database).await;
        let customer = Customer::new(&store, 0).await;
        customer.found(&store).await;
        Till::of(&store, &customer).save_card().await;
        Life {
            store,
            customer,
            oracle: Oracle::default(),
            open: Vec::new(),
            now: NOW,
            number: 0,
        }
    }

    fn till(&self) -> Till<'_> {
        Till::of(&self.store, &self.customer).at(self.now)
    }

    fn name(&mut self, of: &str) -> String {
        self.number += 1;
        // A second for each, so that none comes at the time of another.
        self.now = self.now.plus(1_000_000);
        format!("{of}_{:04}", self.number)
    }

    async fn take(&mut self, step: Step) {
        // What is leased is not free; here it is asked for again whenever it is needed.
        self.customer.return_leases(&self.store).await;
        match step {
            Step::Give { cents: n, days } => self.give(n, days).await,
            Step::Redeem { cents: n, days } => self.redeem(n, days).await,
            Step::Buy { cents: n, tax } => {
                let id = self.name("pay");
                assert!(self.till().buy(&id, cents(n), cents(tax)).await);
                assert!(!self.till().buy(&id, cents(n), cents(tax)).await);
                self.oracle.buy(&id, cents(n), cents(tax));
            }
            Step::Recharge { below, above } => self.recharge(below, above).await,
            Step::Refund { which, cents: n } => self.refund(which, n).await,
            Step::RefundFailed { which } => {
                if let Some(id) = self.oracle.refund_id(which) {
                    let is_new = self.till().refund_failed(&id).await;
                    assert_eq!(is_new, self.oracle.refund_failed(&id));
                }
            }
            Step::Dispute { which, cents: n } => self.dispute(which, n).await,
            Step::Decide { which, is_won } => {
                if let Some(id) = self.oracle.dispute_id(which) {
                    let is_new = self.till().decide(&id, is_won).await;
                    assert_eq!(is_new, self.oracle.decide(&id, is_won));
                }
            }
            Step::TakeBack { cents: n } => {
                let id = self.name("adj");
                let taken = self.till().adjust(&id, cents(n)).await;
                assert_eq!(taken.is_ok(), self.oracle.take_back(cents(n)).is_ok());
            }
            Step::Lend { cents: n } => {
                let id = self.name("line");
                let lent = self.till().lend(&id, cents(n)).await;
                assert_eq!(lent.is_ok(), self.oracle.lend(cents(n)).is_ok(), "{lent:?}");
            }
            Step::Hold { nusd } => self.hold(nusd).await,
            Step::Settle { which, percent } if !self.open.is_empty() => {
                let hold = self.open.swap_remove(which.index(self.open.len()));
                self.settle(&hold, percent).await;
            }
            Step::Release { which } if !self.open.is_empty() => {
                let hold = self.open.swap_remove(which.index(self.open.len()));
                self.store.ledger().release(hold.id);
                self.oracle.end(hold.amount, Nusd::ZERO);
                self.flush().await;
            }
            Step::Pass { hours } => self.now = self.now.plus(hours * HOUR_US),
            Step::Expire => self.expire().await,
            Step::Settle { .. } | Step::Release { .. } => {}
        }
        self.compare().await;
    }

    async fn give(&mut self, n: i64, days: Option<i64>) {
        let id = self.name("grant");
        let expires_at = days.map(|days| self.now.plus(days * DAY_US));
        for is_new in [true, false] {
            let given = self.till().give(&id, cents(n), expires_at).await;
            assert_eq!(given.expect("it is given"), is_new);
        }
        self.oracle.give(&id, cents(n), expires_at);
    }

    async fn redeem(&mut self, n: i64, days: Option<i64>) {
        self.name("code");
        let code = self.till().code(cents(n), days).await;
        let redeemed = self.till().redeem(&code).await.expect("it is given");
        let again = self.till().redeem(&code).await;
        assert!(matches!(again, Err(RedeemError::UsedHere)), "{again:?}");
        let expires_at = days.map(|days| self.now.plus(days * DAY_US));
        self.oracle.give(&redeemed.id, cents(n), expires_at);
    }

    async fn recharge(&mut self, below: i64, above: i64) {
        self.name("recharge");
        let rules = Rules {
            threshold: cents(below),
            restore_to: cents(below + above),
            monthly_cap: None,
        };
        let recharged = self.till().recharge(rules).await;
        let amount = recharged.as_ref().map(|it| it.amount);
        assert_eq!(amount, self.oracle.missing(below, below + above));
        if let Some(payment) = recharged {
            let id = payment.purchase_id();
            self.oracle.buy(&id, payment.amount, payment.tax);
        }
    }

    async fn refund(&mut self, which: Which, n: i64) {
        let Some(purchase) = self.oracle.purchase_id(which) else {
            return;
        };
        let id = self.name("refund");
        let refunded = self.till().refund(&id, &purchase, cents(n)).await;
        match self.oracle.refund(&id, &purchase, cents(n)) {
            Ok(tax) => {
                let refunded = refunded.expect("it is there");
                assert_eq!((refunded.paid.tax, refunded.is_new), (tax, true));
                let again = self.till().refund(&id, &purchase, cents(n)).await;
                assert!(!again.expect("it is known").is_new);
            }
            Err(Refused) => assert!(refunded.is_err(), "{refunded:?}"),
        }
    }

    async fn dispute(&mut self, which: Which, n: i64) {
        let Some(purchase) = self.oracle.purchase_id(which) else {
            return;
        };
        let id = self.name("dp");
        for is_new in [true, false] {
            let disputed = self.till().dispute(&id, &purchase, cents(n)).await;
            let disputed = disputed.expect("banks do as they like");
            assert_eq!(disputed.is_new, is_new);
            if is_new {
                let moved = (disputed.taken, disputed.tax, disputed.lost);
                assert_eq!(moved, self.oracle.dispute(&id, &purchase, cents(n)));
            }
        }
    }

    async fn hold(&mut self, nusd: i64) {
        if Nusd::new(nusd) > self.oracle.available() {
            return;
        }
        lease_everything(&self.store).await;
        let hold = Arc::new(Hold {
            id: RequestId::random(self.now, entropy),
            admitted_at: self.now,
            ..Hold::clone(&self.customer.hold(nusd))
        });
        let held = self.store.ledger().hold(hold.clone());
        held.durable().await.expect("it is free");
        self.oracle.hold(hold.amount);
        self.open.push(hold);
    }

    async fn settle(&mut self, hold: &Arc<Hold>, percent: i64) {
        // A token costs a nUSD, and the request three.
        let tokens = (hold.amount.get() - 3) * percent / 100;
        let used = Usage::text(u64::try_from(tokens).expect("above zero"), 0);
        let settled = Settlement {
            ended_at: self.now,
            ..settlement(hold, used)
        };
        let settled = self.store.ledger().settle(settled);
        settled.durable().await.expect("it is durable");
        self.oracle.end(hold.amount, Nusd::new(tokens + 3));
    }

    /// Waits until everything before is durable.
    async fn flush(&self) {
        let flushed = self.store.read_in_order(|_| Ok(())).await;
        flushed.expect("it is durable");
    }

    async fn expire(&mut self) {
        let (of, now) = (self.customer.organization.clone(), self.now);
        let expire = move |tx: &mut Tx<'_>| -> Result<_, StoreError> {
            let due = credits::due(tx, now, None, 10)?;
            let lapsing = credits::lapsing(tx, &of, now)?;
            let lapsed = credits::expire(tx, &of, Nusd::MAX, now)?;
            Ok((due, lapsing, lapsed))
        };
        let (due, lapsing, lapsed) = self.store.write(expire).await.expect("it is written");
        let lapsed: Nusd = lapsed.iter().map(|it| it.amount).sum();
        assert_eq!(lapsing, lapsed);
        assert_eq!(lapsed, self.oracle.expire(self.now));
        let is_due = due.contains(&self.customer.organization);
        assert!(
            is_due || lapsed == Nusd::ZERO,
            "whoever loses credit is due"
        );
    }

    async fn compare(&self) {
        self.customer.return_leases(&self.store).await;
        let lots = self.till().lots().await;
        let lots = lots.iter().map(|lot| (lot.id.clone(), lot.remaining));
        assert_eq!(lots.collect::<Vec<_>>(), self.oracle.left());
        let standing = self.till().standing().await;
        assert_eq!(standing, self.oracle.standing());
        let (of, now) = (self.customer.organization.clone(), self.now);
        let checked = self.store.read(move |tx| check(tx, &of, now)).await;
        checked.expect("it is read");
    }
}

fn lives_on(kind: &str) {
    let lives = testkit::times("FAREBOX_CREDIT_LIVES", LIVES);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut runner = TestRunner::new(Config {
        cases: u32::try_from(lives).expect("few"),
        failure_persistence: None,
        max_shrink_iters: 100,
        ..Config::default()
    });
    let outcome = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            let database = match kind {
                "sqlite" => testkit::databases::sqlite(),
                _ => testkit::databases::postgres().await,
            };
            let mut life = Life::new(&database).await;
            for step in steps {
                life.take(step).await;
            }
            life.store.close().await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn credit_is_what_an_oracle_says_on_sqlite() {
    lives_on("sqlite");
}

#[test]
fn credit_is_what_an_oracle_says_on_postgres() {
    lives_on("postgres");
}
