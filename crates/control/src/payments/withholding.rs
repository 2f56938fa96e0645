//! Money of a wallet that requests cannot reach, while the ledger takes it.

use domain::id::OrganizationId;
use domain::money::Nusd;
use store::StoreError;

use crate::Control;
use crate::data_plane::{GiveBack, NotWithheld};

/// Money that is out of the reach of requests, until it is said how much of it was taken.
pub(crate) struct Withheld {
    /// How much.
    pub(crate) amount: Nusd,
    give_back: Option<GiveBack>,
}

impl Withheld {
    /// All of `amount`; the error says what is free if that is not.
    pub(crate) async fn all(
        control: &Control,
        organization: &OrganizationId,
        amount: Nusd,
    ) -> Result<Self, NotWithheld> {
        let withheld = (control.data_plane.withhold)(organization.clone(), amount).await?;
        Ok(Withheld {
            amount,
            give_back: Some(withheld),
        })
    }

    /// Nothing, after which this node leases nothing of the wallet but what it holds.
    pub(crate) async fn nothing(
        control: &Control,
        organization: &OrganizationId,
    ) -> Result<(), StoreError> {
        match Self::all(control, organization, Nusd::ZERO).await {
            Err(NotWithheld::Store(error)) => Err(error),
            Ok(_) | Err(NotWithheld::Short(_)) => Ok(()),
        }
    }

    /// What is free of `most`: what banks took, they do not give back for want of credit.
    pub(crate) async fn up_to(
        control: &Control,
        organization: &OrganizationId,
        most: Nusd,
    ) -> Result<Self, StoreError> {
        let mut amount = most;
        while amount > Nusd::ZERO {
            match Self::all(control, organization, amount).await {
                Ok(withheld) => return Ok(withheld),
                Err(NotWithheld::Store(error)) => return Err(error),
                // Requests take of it meanwhile, so it only becomes less.
                Err(NotWithheld::Short(free)) if free < amount => amount = free,
                Err(NotWithheld::Short(_)) => break,
            }
        }
        Ok(Withheld {
            amount: Nusd::ZERO,
            give_back: None,
        })
    }

    /// So much of it was taken by the ledger; the rest is in reach again.
    pub(crate) fn took(self, taken: Nusd) {
        let rest = self.amount - taken.min(self.amount);
        if let Some(give_back) = self.give_back.filter(|_| rest > Nusd::ZERO) {
            give_back(rest);
        }
    }
}
