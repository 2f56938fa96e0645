//! A payment provider that does what a test says, and remembers what it took.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::id::PaymentId;
use domain::money::Nusd;
use domain::payment::Card;
use domain::time::AtUs;
use farebox_control::payments::{
    Asking, BalancePage, BalanceQuery, Charge, ChargeState, Checkout, CheckoutState, NewCharge,
    NewCheckout, NewCustomer, Notice, PaymentProvider, ProviderDispute, ProviderError,
    ProviderMethod, ProviderRefund, RefundAsked, WebhookError,
};
use http::HeaderMap;
use store::payments::Failure;

/// What the bank does when it is asked for the first time to charge a card.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    /// It takes the money.
    Takes,
    /// It takes the money, and its answer is lost.
    TakesInSilence,
    /// It does not answer, and does nothing.
    IsAway,
    /// The card is declined.
    Declines,
    /// The card's owner must authenticate: there, or, if nowhere, on a page that is opened for it.
    AsksAt(Option<&'static str>),
}

/// The provider.
pub(crate) struct Bank {
    says: Mutex<Says>,
    charges: Mutex<HashMap<PaymentId, Charge>>,
    checkouts: Mutex<HashMap<String, Checkout>>,
    asked: Mutex<u32>,
}

impl Bank {
    pub(crate) const NAME: &'static str = "bank";

    pub(crate) fn new(says: Says) -> Self {
        Bank {
            says: Mutex::new(says),
            charges: Mutex::default(),
            checkouts: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// From now on it says this.
    pub(crate) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// How often it was asked to charge a card.
    pub(crate) fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    /// What it took, of how many charges.
    pub(crate) fn took(&self) -> (Nusd, usize) {
        let charges = self.charges.lock().unwrap();
        let taken = charges
            .values()
            .filter(|it| it.state == ChargeState::Succeeded);
        let amounts: Vec<Nusd> = taken.map(|charge| charge.amount).collect();
        let pages = self.checkouts.lock().unwrap();
        let paid = pages.values().filter(|it| it.state == CheckoutState::Done);
        let amounts: Vec<Nusd> = amounts
            .into_iter()
            .chain(paid.map(|it| it.amount))
            .collect();
        (amounts.iter().copied().sum(), amounts.len())
    }

    /// The cards' owners authenticate, wherever they are asked to.
    pub(crate) fn owners_authenticate(&self) {
        for charge in self.charges.lock().unwrap().values_mut() {
            if matches!(&charge.state, ChargeState::NeedsAction { url: Some(_) }) {
                charge.state = ChargeState::Succeeded;
            }
        }
        for page in self.checkouts.lock().unwrap().values_mut() {
            page.state = CheckoutState::Done;
            page.charge = Some(format!("paid_{}", page.reference));
            page.url = None;
        }
    }

    fn charge_once(&self, new: &NewCharge) -> Result<Charge, ProviderError> {
        *self.asked.lock().unwrap() += 1;
        let mut charges = self.charges.lock().unwrap();
        if let Some(before) = charges.get(&new.payment) {
            return Ok(before.clone());
        }
        let lost = || ProviderError::Unreachable("the line is dead".into());
        let says = *self.says.lock().unwrap();
        let state = match says {
            Says::IsAway => return Err(lost()),
            Says::Takes | Says::TakesInSilence => ChargeState::Succeeded,
            Says::Declines => ChargeState::Declined(Failure {
                code: "insufficient_funds".into(),
                message: "The card has too little money.".into(),
            }),
            Says::AsksAt(url) => ChargeState::NeedsAction {
                url: url.map(ToOwned::to_owned),
            },
        };
        let charge = Charge {
            reference: format!("charge_{}", new.payment),
            payment: Some(new.payment.clone()),
            state,
            amount: new.amount,
            currency: new.currency.clone(),
            method: None,
        };
        charges.insert(new.payment.clone(), charge.clone());
        match says {
            Says::TakesInSilence => Err(lost()),
            _ => Ok(charge),
        }
    }

    fn open_page(&self, new: &NewCheckout) -> Checkout {
        let farebox_control::payments::Purpose::Pay {
            amount,
            tax,
            currency,
            ..
        } = &new.purpose
        else {
            panic!("nothing is saved in this test");
        };
        let page = Checkout {
            reference: format!("page_{}", new.payment),
            payment: Some(new.payment.clone()),
            url: Some("http://bank.test/page".into()),
            state: CheckoutState::Open,
            amount: *amount + *tax,
            currency: currency.clone(),
            charge: None,
            method: Some(ProviderMethod {
                reference: "pm_1".into(),
                card: Card {
                    brand: "visa".into(),
                    last4: "4242".into(),
                },
                exp_month: 12,
                exp_year: 2030,
            }),
            has_saved_method: false,
            failure: None,
            expires_at: Some(new.expires_at),
        };
        let mut pages = self.checkouts.lock().unwrap();
        pages.entry(page.reference.clone()).or_insert(page).clone()
    }
}

impl PaymentProvider for Bank {
    fn name(&self) -> &'static str {
        Bank::NAME
    }

    fn create_customer<'a>(&'a self, new: &'a NewCustomer) -> Asking<'a, String> {
        Box::pin(async move { Ok(format!("customer_{}", new.organization)) })
    }

    fn begin_checkout<'a>(&'a self, new: &'a NewCheckout) -> Asking<'a, Checkout> {
        Box::pin(async move { Ok(self.open_page(new)) })
    }

    fn checkout<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<Checkout>> {
        Box::pin(async move { Ok(self.checkouts.lock().unwrap().get(reference).cloned()) })
    }

    fn expire_checkout<'a>(&'a self, _: &'a str) -> Asking<'a, Checkout> {
        panic!("nobody closes pages here")
    }

    fn charge_saved<'a>(&'a self, new: &'a NewCharge) -> Asking<'a, Charge> {
        Box::pin(async move { self.charge_once(new) })
    }

    fn charge<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<Charge>> {
        Box::pin(async move {
            let charges = self.charges.lock().unwrap();
            let mut all = charges.values();
            Ok(all.find(|charge| charge.reference == reference).cloned())
        })
    }

    fn methods<'a>(&'a self, _: &'a str) -> Asking<'a, Vec<ProviderMethod>> {
        panic!("cards are saved by hand here")
    }

    fn detach_method<'a>(&'a self, _: &'a str) -> Asking<'a, ()> {
        panic!("cards stay here")
    }

    fn refund<'a>(&'a self, _: &'a RefundAsked) -> Asking<'a, ProviderRefund> {
        panic!("nothing goes back here")
    }

    fn refunds<'a>(&'a self, _: &'a str) -> Asking<'a, Vec<ProviderRefund>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn dispute<'a>(&'a self, _: &'a str) -> Asking<'a, Option<ProviderDispute>> {
        panic!("nobody disputes here")
    }

    fn read_webhook(&self, _: &HeaderMap, _: &[u8], _: AtUs) -> Result<Notice, WebhookError> {
        Err(WebhookError::NotHere)
    }

    fn balance<'a>(&'a self, _: &'a BalanceQuery) -> Asking<'a, BalancePage> {
        panic!("nobody reconciles here")
    }
}
