//! Lets credit go whose time is over.
//!
//! Every process looks now and then; what one of them took, the others do not find any more. A
//! wallet's money is withheld from requests before the books take it, as whatever takes money does.

use domain::id::OrganizationId;
use domain::money::Nusd;
use store::{StoreError, Tx, credits};

use crate::Control;
use crate::payments::withholding::Withheld;

/// How many organizations are looked up at once.
const PAGE: i64 = 100;

impl Control {
    /// Lets go what lapsed of anybody's credit and is not held. Answers how much that was.
    pub(crate) async fn expire_credit(&self) -> Result<Nusd, StoreError> {
        let mut all = Nusd::ZERO;
        let mut last: Option<OrganizationId> = None;
        loop {
            let (after, now) = (last.take(), self.now());
            let page = move |tx: &mut Tx<'_>| credits::due(tx, now, after.as_ref(), PAGE);
            for organization in self.store.read(page).await? {
                match self.expire_credit_of(&organization).await {
                    Ok(amount) => all += amount,
                    // The others' credit is not to wait for it.
                    Err(error) => {
                        let what = "credit does not expire; trying again";
                        tracing::warn!(%organization, %error, "{what}");
                    }
                }
                last = Some(organization);
            }
            if last.is_none() {
                return Ok(all);
            }
        }
    }

    async fn expire_credit_of(&self, organization: &OrganizationId) -> Result<Nusd, StoreError> {
        let (of, now) = (organization.clone(), self.now());
        Withheld::nothing(self, organization).await?;
        let look = self.store.read(move |tx| credits::lapsing(tx, &of, now));
        let withheld = Withheld::up_to(self, organization, look.await?).await?;
        let (of, most) = (organization.clone(), withheld.amount);
        let write = self
            .store
            .write(move |tx| credits::expire(tx, &of, most, now));
        let lapsed = write.await;
        let amounts = lapsed.iter().flatten().map(|it| it.amount);
        let amount: Nusd = amounts.sum();
        withheld.took(amount);
        let lapsed = lapsed?;
        if amount > Nusd::ZERO {
            tracing::info!(%organization, grants = lapsed.len(), %amount, "credit expired");
        }
        Ok(amount)
    }
}
