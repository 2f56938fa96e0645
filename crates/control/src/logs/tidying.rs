//! What the log keeps for a time only goes when that is over: in steps, so that nothing that writes
//! waits long for one of them.

use domain::time::DAY_US;
use store::{StoreError, prompts, request_log};

use crate::Control;

/// Refused requests that one transaction forgets.
const STEP: i64 = 500;
/// Prompts that one forgets: they are larger.
const PROMPTS_STEP: i64 = 50;
/// Steps in a row; what is left has time until the next round.
const STEPS: usize = 40;

impl Control {
    /// Forgets what is kept no longer.
    pub(crate) async fn tidy_log(&self) -> Result<(), StoreError> {
        let days = i64::try_from(self.refusal_days).unwrap_or(i64::MAX);
        let before = self.now().plus(days.saturating_mul(-DAY_US));
        for _ in 0..STEPS {
            let step = move |tx: &mut store::Tx<'_>| request_log::forget(tx, before, STEP);
            if self.store.write(step).await? < STEP.unsigned_abs() {
                break;
            }
        }
        self.forget_prompts().await
    }

    /// Forgets prompts that are kept no longer.
    pub(super) async fn forget_prompts(&self) -> Result<(), StoreError> {
        let now = self.now();
        for _ in 0..STEPS {
            let step = move |tx: &mut store::Tx<'_>| prompts::forget(tx, now, PROMPTS_STEP);
            if self.store.write(step).await? < PROMPTS_STEP.unsigned_abs() {
                break;
            }
        }
        Ok(())
    }
}
