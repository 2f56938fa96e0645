//! Customers who buy, and what else moves their credit, in few words.

use domain::credit::Lot;
use domain::id::PaymentId;
use domain::money::Nusd;
use domain::payment::{Bounds, Card, TaxRate};
use domain::recharge::Rules;
use domain::redeem_code::RedeemCode;
use domain::time::AtUs;
use store::adjustments::{self, Adjustment, AdjustmentError};
use store::credits::{self, Standing};
use store::grants::{self, Grant, GrantError};
use store::overdrafts::{self, Changed, Overdraft, OverdraftError};
use store::payments::{self, Paid, Payment, SavedMethod, Settled, settle_payment};
use store::purchases::{
    self, Decided, Dispute, DisputeError, Disputed, Failed, Purchase, Refund, RefundError, Refunded,
};
use store::recharges::{self, Begun};
use store::redeem_codes::{self, RedeemError, Redeemed};
use store::{Store, StoreError};

use crate::fixture::{Customer, entropy, lease_everything};

/// So many cents.
pub(crate) fn cents(cents: i64) -> Nusd {
    Nusd::from_cents(cents).expect("it fits")
}

/// When it is, where a test says so itself.
pub(crate) const NOW: AtUs = AtUs(1_800_000_000_000_000);

/// What moves the credit of one customer. Each is told what is new, and what it is called.
pub(crate) struct Till<'a> {
    pub(crate) store: &'a Store,
    pub(crate) customer: &'a Customer,
    pub(crate) now: AtUs,
}

impl<'a> Till<'a> {
    pub(crate) fn of(store: &'a Store, customer: &'a Customer) -> Self {
        Till {
            store,
            customer,
            now: NOW,
        }
    }

    pub(crate) fn at(&self, now: AtUs) -> Self {
        Till { now, ..*self }
    }

    pub(crate) async fn buy(&self, id: &str, amount: Nusd, tax: Nusd) -> bool {
        let purchase = Purchase {
            id: id.into(),
            organization: self.customer.organization.clone(),
            amount,
            tax,
            provider: "test".into(),
            reason: "Credit".into(),
            actor: "user-1".into(),
        };
        let now = self.now;
        let book = move |tx: &mut store::Tx<'_>| purchases::book(tx, &purchase, now);
        let booked = self.store.write(book).await.expect("it is booked");
        lease_everything(self.store).await;
        booked
    }

    pub(crate) async fn give(
        &self,
        id: &str,
        amount: Nusd,
        expires_at: Option<AtUs>,
    ) -> Result<bool, GrantError> {
        let (grant, now) = (self.grant(id, amount, expires_at), self.now);
        let give = move |tx: &mut store::Tx<'_>| grants::give(tx, &grant, now);
        let given = self.store.write(give).await;
        lease_everything(self.store).await;
        given
    }

    /// A code that is worth so much to one organization, for so many days.
    pub(crate) async fn code(&self, amount: Nusd, credit_days: Option<i64>) -> RedeemCode {
        let terms = redeem_codes::Terms {
            amount,
            max_uses: 1,
            once_per_organization: false,
            expires_at: None,
            credit_days,
            note: "Welcome".into(),
        };
        let now = self.now;
        let make = move |tx: &mut store::Tx<'_>| redeem_codes::make(tx, terms, 1, now, entropy);
        let made: Result<_, StoreError> = self.store.write(make).await;
        made.expect("it is made").1.remove(0)
    }

    pub(crate) async fn redeem(&self, code: &RedeemCode) -> Result<Redeemed, RedeemError> {
        let (of, code, now) = (self.customer.organization.clone(), code.clone(), self.now);
        let redeem =
            move |tx: &mut store::Tx<'_>| redeem_codes::redeem(tx, &of, &code, "user-1", now);
        self.store.write(redeem).await
    }

    /// A card that recharges are charged to.
    pub(crate) async fn save_card(&self) {
        let card = SavedMethod {
            organization: self.customer.organization.clone(),
            provider: "test".into(),
            reference: "pm_1".into(),
            card: Card {
                brand: "visa".into(),
                last4: "4242".into(),
            },
            exp_month: 12,
            exp_year: 2030,
        };
        let save = move |tx: &mut store::Tx<'_>| payments::save_method(tx, &card, entropy, NOW);
        self.store.write(save).await.expect("it is saved");
    }

    /// A recharge by these rules, if the wallet needs one: begun, paid, and told of twice.
    pub(crate) async fn recharge(&self, rules: Rules) -> Option<Payment> {
        let settings = recharges::Settings {
            rules,
            method: None,
            is_enabled: true,
        };
        let terms = recharges::Terms {
            provider: "test".into(),
            bounds: Bounds {
                minimum: cents(500),
                maximum: cents(1_000_000),
            },
            tax_rate: TaxRate::parse("19").expect("a rate"),
            currency: "usd".into(),
        };
        let (of, now) = (self.customer.organization.clone(), self.now);
        let begin = move |tx: &mut store::Tx<'_>| -> Result<_, StoreError> {
            recharges::set(tx, &of, &settings, now)?;
            let id = PaymentId::random(entropy);
            recharges::begin(tx, &of, &id, &terms, (now, entropy))
        };
        let payment = match self.store.write(begin).await.expect("it is written") {
            Begun::Payment(payment) => *payment,
            Begun::Nothing => return None,
            other => panic!("{other:?}"),
        };
        let paid = Paid {
            provider: "test".into(),
            payment: Some(payment.id.clone()),
            checkout: None,
            charge: format!("pi_{}", payment.id),
            amount: payment.gross(),
            currency: "usd".into(),
            card: None,
        };
        let settle = move |tx: &mut store::Tx<'_>| -> Result<_, StoreError> {
            let Settled::Credited(settled) = settle_payment(tx, &paid, entropy, now)? else {
                panic!("it is paid")
            };
            recharges::follow(tx, &settled, (now, entropy))?;
            let again = settle_payment(tx, &paid, entropy, now)?;
            assert!(matches!(again, Settled::Before(_)), "{again:?}");
            Ok(*settled)
        };
        Some(self.store.write(settle).await.expect("it is settled"))
    }

    fn grant(&self, id: &str, amount: Nusd, expires_at: Option<AtUs>) -> Grant {
        Grant {
            id: id.into(),
            organization: self.customer.organization.clone(),
            amount,
            expires_at,
            reason: "Welcome".into(),
            actor: "operator".into(),
        }
    }

    pub(crate) async fn refund(
        &self,
        id: &str,
        purchase: &str,
        amount: Nusd,
    ) -> Result<Refunded, RefundError> {
        let refund = Refund {
            id: id.into(),
            organization: self.customer.organization.clone(),
            purchase: purchase.into(),
            amount,
            reason: "They asked".into(),
            actor: "operator".into(),
        };
        let now = self.now;
        let write = move |tx: &mut store::Tx<'_>| purchases::refund(tx, &refund, now);
        self.store.write(write).await
    }

    pub(crate) async fn refund_failed(&self, id: &str) -> bool {
        let failed = Failed {
            id: id.into(),
            organization: self.customer.organization.clone(),
            reason: "The card is closed".into(),
            actor: "farebox".into(),
        };
        let now = self.now;
        let write = move |tx: &mut store::Tx<'_>| purchases::refund_failed(tx, &failed, now);
        let told: Result<bool, StoreError> = self.store.write(write).await;
        told.expect("it is booked")
    }

    pub(crate) async fn dispute(
        &self,
        id: &str,
        purchase: &str,
        amount: Nusd,
    ) -> Result<Disputed, DisputeError> {
        let dispute = Dispute {
            id: id.into(),
            organization: self.customer.organization.clone(),
            purchase: purchase.into(),
            amount,
            free: Nusd::MAX,
            reason: "Fraudulent".into(),
            actor: "farebox".into(),
        };
        let now = self.now;
        let write = move |tx: &mut store::Tx<'_>| purchases::dispute(tx, &dispute, now);
        self.store.write(write).await
    }

    pub(crate) async fn decide(&self, id: &str, is_won: bool) -> bool {
        let decided = Decided {
            id: id.into(),
            organization: self.customer.organization.clone(),
            reason: "They looked at it".into(),
            actor: "farebox".into(),
        };
        let now = self.now;
        let decide = move |tx: &mut store::Tx<'_>| -> Result<bool, StoreError> {
            match is_won {
                true => purchases::won(tx, &decided, now),
                false => purchases::lost(tx, &decided, now),
            }
        };
        self.store.write(decide).await.expect("it is booked")
    }

    pub(crate) async fn adjust(&self, id: &str, amount: Nusd) -> Result<bool, AdjustmentError> {
        let adjustment = Adjustment {
            id: id.into(),
            organization: self.customer.organization.clone(),
            amount,
            reason: "A slip".into(),
            actor: "operator".into(),
        };
        let now = self.now;
        let take = move |tx: &mut store::Tx<'_>| adjustments::take(tx, &adjustment, now);
        self.store.write(take).await
    }

    pub(crate) async fn lend(
        &self,
        id: &str,
        line: Nusd,
    ) -> Result<Option<Changed>, OverdraftError> {
        let overdraft = Overdraft {
            id: id.into(),
            organization: self.customer.organization.clone(),
            line,
            reason: "They pay later".into(),
            actor: "operator".into(),
        };
        let now = self.now;
        let set = move |tx: &mut store::Tx<'_>| overdrafts::set(tx, &overdraft, now);
        let set = self.store.write(set).await;
        lease_everything(self.store).await;
        set
    }

    pub(crate) async fn lots(&self) -> Vec<Lot> {
        let organization = self.customer.organization.clone();
        let read = self
            .store
            .read(move |tx| credits::lots(tx, &organization))
            .await;
        let lots: Result<_, StoreError> = read;
        lots.expect("they are read").expect("it exists")
    }

    pub(crate) async fn standing(&self) -> Standing {
        let organization = self.customer.organization.clone();
        let read = self
            .store
            .read(move |tx| credits::standing(tx, &organization))
            .await;
        let standing: Result<_, StoreError> = read;
        standing.expect("it is read").expect("it exists")
    }
}
