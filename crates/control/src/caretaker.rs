//! What nobody waits for, done now and then: writes when admin keys were last used, goes on with
//! payments that were left half done, compares them with the provider's books, asks upstreams what
//! they are owed, reads the meters of others' books, lets credit go that expired, tells of
//! statements that are ready, and forgets sessions, sign-ups, codes, links and refused requests
//! that are over.

use std::time::Duration;

use store::alerts::low_balances;
use store::{StoreError, keys, people};
use tokio_util::sync::CancellationToken;

use crate::Control;
use crate::billing_documents::ready::Ready;
use crate::payments::reconciling::nightly;
use crate::payments::resuming::resume;
use crate::upstream_bills::fetching;

/// How long what is noted may wait.
const EVERY: Duration = Duration::from_secs(10);

/// Looks after the control plane.
pub struct Caretaker(Control, Ready);

impl Caretaker {
    /// One that has not begun.
    #[must_use]
    pub fn new(control: Control) -> Self {
        Caretaker(control, Ready::default())
    }

    /// Tends until `stop`, and then once more.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.tend().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        self.write_last_uses().await;
    }

    /// Does what is to be done. What fails is logged, and done the next time.
    pub async fn tend(&self) {
        self.write_last_uses().await;
        if let Err(error) = resume(&self.0).await {
            tracing::warn!(%error, "payments under way were not looked at; trying again");
        }
        if let Err(error) = nightly(&self.0).await {
            tracing::warn!(%error, "payments could not be compared; trying again");
        }
        if let Err(error) = fetching::hourly(&self.0).await {
            tracing::warn!(%error, "upstreams were not asked what they are owed; trying again");
        }
        if let Err(error) = self.0.meters.refresh(&self.0).await {
            tracing::warn!(%error, "meters of others' books were not read; trying again");
        }
        if let Err(error) = self.0.expire_credit().await {
            tracing::warn!(%error, "what expired of credit is still there; trying again");
        }
        if let Err(error) = self.1.announce(&self.0).await {
            tracing::warn!(%error, "statements were not announced; trying again");
        }
        if let Err(error) = self.forget().await {
            tracing::warn!(%error, "what is over could not be forgotten; trying again");
        }
        if let Err(error) = self.0.tidy_log().await {
            tracing::warn!(%error, "the log of requests could not be tidied; trying again");
        }
        if let Err(error) = self.look_at_balances().await {
            tracing::warn!(%error, "low balances could not be looked for; trying again");
        }
    }

    async fn write_last_uses(&self) {
        let uses = self.0.last_uses.take();
        if uses.is_empty() {
            return;
        }
        let writing = uses.clone();
        let write = move |tx: &mut store::Tx<'_>| keys::touch_last_used(tx, &writing);
        if let Err(error) = self.0.store.write(write).await {
            tracing::warn!(%error, "when admin keys were last used is not written; trying again");
            uses.iter()
                .for_each(|(key, at)| self.0.last_uses.note(key, *at));
        }
    }

    async fn look_at_balances(&self) -> Result<(), StoreError> {
        let (store, now, entropy) = (&self.0.store, self.0.now(), self.0.entropy);
        if store.read(move |tx| low_balances::is_due(tx, now)).await? {
            let look = store.write(move |tx| low_balances::look_in_turn(tx, now, entropy));
            look.await?;
        }
        Ok(())
    }

    async fn forget(&self) -> Result<(), StoreError> {
        let (store, now) = (&self.0.store, self.0.now());
        if store.read(move |tx| people::is_due(tx, now)).await? {
            let forgotten = store
                .write(move |tx| people::forget_in_turn(tx, now))
                .await?;
            tracing::debug!(forgotten, "forgot what is over");
        }
        Ok(())
    }
}
