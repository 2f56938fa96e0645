//! Writes what nobody waits for, and forgets what is idle or old. Apart from
//! [`follow`](crate::follow), as a write waits for that.

use std::time::Duration;

use store::{Store, budgets, idempotency, keys};

use crate::state::Gateway;

/// Thresholds that spending reached are looked for so often.
const ROUND: Duration = Duration::from_millis(500);
/// The rest is done once in so many rounds.
const ROUNDS_BETWEEN: u32 = 20;
/// Idempotency keys forgotten in one transaction: their answers may be large, and the ledger waits.
const FORGOTTEN_AT_ONCE: u64 = 50;
/// Such transactions in a row; what is left has time until the next round.
const FORGETTINGS: usize = 100;

/// Goes on until cancelled.
pub(crate) async fn run(gateway: Gateway, store: Store) {
    let mut rounds: u32 = 0;
    loop {
        keep_crossings(&gateway, &store).await;
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(ROUNDS_BETWEEN) {
            tend(&gateway, &store).await;
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Writes the thresholds that spending reached; what cannot be written now is kept for later.
async fn keep_crossings(gateway: &Gateway, store: &Store) {
    gateway.0.books.look_for_crossings().await;
    for (organization, crossings) in gateway.0.books.take_crossings() {
        let (of, reached) = (organization.clone(), crossings.clone());
        let entropy = gateway.0.settings.entropy;
        let write = store.write(move |tx| budgets::keep_events(tx, &of, &reached, entropy));
        if let Err(error) = write.await {
            tracing::warn!(%error, "thresholds of budgets could not be written; trying again");
            gateway.0.books.note_crossings(&organization, crossings);
        }
    }
}

/// Writes when keys were last used, and forgets what is idle or old.
async fn tend(gateway: &Gateway, store: &Store) {
    gateway.0.books.forget_idle();
    forget_requests(gateway, store).await;
    let uses = gateway.0.directory.take_last_uses();
    if uses.is_empty() {
        return;
    }
    let write = store.write(move |tx| keys::touch_last_used(tx, &uses));
    if let Err(error) = write.await {
        tracing::warn!(%error, "when keys were last used could not be written");
    }
}

/// Forgets requests whose idempotency keys are too old, a few at a time.
async fn forget_requests(gateway: &Gateway, store: &Store) {
    for _ in 0..FORGETTINGS {
        let (now, most) = (gateway.now(), FORGOTTEN_AT_ONCE);
        let forget = move |tx: &mut store::Tx<'_>| idempotency::forget(tx, now, most);
        match store.write(forget).await {
            Ok(forgotten) if forgotten == FORGOTTEN_AT_ONCE => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "old idempotency keys could not be forgotten");
                return;
            }
        }
    }
}
