//! How handlers change things: with what they did for the audit log, in the same transaction.
//!
//! A change cannot be made without saying what it was, if only that it was nothing.

use domain::id::OrganizationId;
use domain::time::AtUs;
use store::audit::{self, Act, Event};
use store::{Tx, organizations};

use crate::Control;
use crate::authenticate::Caller;
use crate::respond::{Outcome, Refusal};

/// A change that was made: the answer, and what the audit log says of it.
pub(crate) struct Done<T> {
    answer: T,
    events: Vec<Event>,
}

impl<T> Done<T> {
    /// This was done.
    pub(crate) fn new(event: Event, answer: T) -> Self {
        Done {
            answer,
            events: vec![event],
        }
    }

    /// This was done; or nothing, as it was so before.
    pub(crate) fn when(is_new: bool, event: Event, answer: T) -> Self {
        match is_new {
            true => Done::new(event, answer),
            false => Done::nothing(answer),
        }
    }

    /// And this, after it.
    pub(crate) fn and(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Nothing was to be done: it is as it was.
    pub(crate) fn nothing(answer: T) -> Self {
        Done {
            answer,
            events: Vec::new(),
        }
    }
}

impl Control {
    /// Runs `change` for `caller` as one transaction, which also writes what was done into the
    /// organization's audit log.
    pub(crate) async fn change<T, F>(&self, caller: Caller, change: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>, &OrganizationId, AtUs) -> Outcome<Done<T>> + Send + 'static,
    {
        let (now, entropy) = (self.now(), self.entropy);
        let write = self.store.write(move |tx| -> Outcome<T> {
            let Caller {
                organization,
                actor,
                ..
            } = caller;
            // Whatever is to be changed, a suspended organization stays as it is.
            if organizations::is_suspended(tx, &organization)? {
                return Err(Refusal::Suspended);
            }
            let Done { answer, events } = change(tx, &organization, now)?;
            let act = Act {
                actor: &actor,
                organization: &organization,
                at: now,
                entropy,
            };
            audit::record(tx, &act, &events)?;
            Ok(answer)
        });
        write.await
    }
}
