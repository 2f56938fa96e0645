//! Wallets that ran low, as the data plane tells it: heard here, and looked at by whoever
//! recharges.

use std::collections::HashSet;
use std::sync::Arc;

use domain::id::OrganizationId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The organizations whose wallets ran low and were not looked at since. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LowWallets(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    told: Mutex<HashSet<OrganizationId>>,
    news: Notify,
}

impl LowWallets {
    /// A wallet ran low. Told by the hot path of the data plane: it never waits.
    pub fn tell(&self, organization: &OrganizationId) {
        let mut told = self.0.told.lock();
        if told.insert(organization.clone()) {
            drop(told);
            self.0.news.notify_one();
        }
    }

    /// Waits until there are any, and takes them all.
    pub async fn next(&self) -> HashSet<OrganizationId> {
        loop {
            let told = std::mem::take(&mut *self.0.told.lock());
            if !told.is_empty() {
                return told;
            }
            self.0.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_told_is_taken_once_however_often_it_was_told() {
        let wallets = LowWallets::default();
        let [one, two] = ["org-1", "org-2"].map(OrganizationId::new);
        let teller = wallets.clone();
        let told = [one.clone(), two.clone(), one.clone()];
        let next = tokio::spawn({
            let wallets = wallets.clone();
            async move { wallets.next().await }
        });
        tokio::task::yield_now().await;
        teller.tell(&told[0]);
        assert_eq!(next.await.expect("no panic"), HashSet::from([one.clone()]));
        told.iter().for_each(|it| teller.tell(it));
        assert_eq!(wallets.next().await, HashSet::from([one.clone(), two]));
        teller.tell(&one);
        assert_eq!(wallets.next().await, HashSet::from([one]), "low again");
    }
}
