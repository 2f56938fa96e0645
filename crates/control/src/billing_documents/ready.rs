//! Tells organizations that the statement of the last month is ready, an hour after it ended.

use domain::month::Month;
use domain::time::HOUR_US;
use parking_lot::Mutex;
use store::{StoreError, statements};

use crate::Control;

/// Organizations in one transaction.
const AT_ONCE: i64 = 100;

/// Which month everybody was told of.
#[derive(Debug, Default)]
pub(crate) struct Ready(Mutex<Option<Month>>);

impl Ready {
    /// Tells some of those who were not told yet, on whichever node is first.
    pub(crate) async fn announce(&self, control: &Control) -> Result<(), StoreError> {
        let now = control.now();
        // What was admitted in the last second may be settled a little later.
        let Some(month) = Month::of(now.plus(-HOUR_US)).and_then(Month::previous) else {
            return Ok(());
        };
        if *self.0.lock() == Some(month) {
            return Ok(());
        }
        if control
            .store
            .read(move |tx| statements::is_announced(tx, month))
            .await?
        {
            *self.0.lock() = Some(month);
            return Ok(());
        }
        let entropy = control.entropy;
        let announce = control
            .store
            .write(move |tx| statements::announce(tx, month, AT_ONCE, now, entropy));
        let told = announce.await?;
        tracing::debug!(told, %month, "statements are ready");
        Ok(())
    }
}
