//! Bounds what strangers try, as [`domain::people::throttle`] says.

use domain::people::throttle::Throttle;
use domain::time::AtUs;
use store::Tx;
use store::people::throttles;

use super::refusal::PeopleRefusal;
use crate::Control;
use crate::respond::{Outcome, Refusal};

/// A bucket: which, and whose.
pub(crate) type Bucket = (&'static Throttle, String);

/// Takes one from each bucket, in the transaction `tx`; a refusal that ends it takes none.
pub(super) fn take(tx: &mut Tx<'_>, buckets: &[Bucket], now: AtUs) -> Outcome<()> {
    for (throttle, subject) in buckets {
        let taken = throttles::take(tx, throttle, subject, now)?;
        taken.map_err(|then| Refusal::from(PeopleRefusal::until(then, now)))?;
    }
    Ok(())
}

impl Control {
    /// Refuses where a bucket is full, and takes nothing. A read: whoever is refused again and
    /// again must not keep the database's writer busy.
    pub(super) async fn ensure_room(&self, buckets: &[Bucket], now: AtUs) -> Outcome<()> {
        let buckets = buckets.to_vec();
        let read = self.store.read(move |tx| -> Outcome<()> {
            for (throttle, subject) in &buckets {
                let room = throttles::check(tx, throttle, subject, now)?;
                room.map_err(|then| Refusal::from(PeopleRefusal::until(then, now)))?;
            }
            Ok(())
        });
        read.await
    }

    /// Takes one from each bucket, or none from any.
    pub(crate) async fn take_all(&self, buckets: Vec<Bucket>, now: AtUs) -> Outcome<()> {
        self.ensure_room(&buckets, now).await?;
        self.store.write(move |tx| take(tx, &buckets, now)).await
    }
}
