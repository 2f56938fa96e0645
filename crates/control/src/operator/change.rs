//! How operators change things: with what they did for the operators' log, and for the logs of the
//! organizations that it concerns, in the same transaction.
//!
//! An organization is told what was done, and that an operator did it; who and from where is told
//! in the operators' log alone.

use domain::id::OrganizationId;
use domain::time::AtUs;
use serde_json::json;
use store::Tx;
use store::audit::{self, Act, Actor, Event};

use super::caller::Operator;
use crate::Control;
use crate::respond::Outcome;

/// A change that was made: the answer, and what the logs say of it.
pub(crate) struct Acted<T> {
    answer: T,
    told: Vec<Told>,
}

struct Told {
    event: Event,
    organizations: Vec<OrganizationId>,
}

impl<T> Acted<T> {
    /// This was done to the installation.
    pub(crate) fn new(event: Event, answer: T) -> Self {
        let organizations = Vec::new();
        Acted {
            answer,
            told: vec![Told {
                event,
                organizations,
            }],
        }
    }

    /// Nothing was to be done: it is as it was.
    pub(crate) fn nothing(answer: T) -> Self {
        let told = Vec::new();
        Acted { answer, told }
    }

    /// This was done to the installation; or nothing, as it was so before.
    pub(crate) fn when(is_new: bool, event: Event, answer: T) -> Self {
        match is_new {
            true => Acted::new(event, answer),
            false => Acted::nothing(answer),
        }
    }

    /// And, if anything was done, it concerns these organizations, whose logs tell it too.
    pub(crate) fn concerning(mut self, organizations: Vec<OrganizationId>) -> Self {
        if let Some(last) = self.told.last_mut() {
            last.organizations = organizations;
        }
        self
    }
}

impl Control {
    /// Runs `change` for an operator as one transaction, which also writes what was done into the
    /// logs.
    pub(crate) async fn operate<T, F>(&self, operator: Operator, change: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>, AtUs) -> Outcome<Acted<T>> + Send + 'static,
    {
        let (now, entropy) = (self.now(), self.entropy);
        let write = self.store.write(move |tx| -> Outcome<T> {
            let Acted { answer, told } = change(tx, now)?;
            let mut record = |actor: &Actor, organization: &OrganizationId, at, event: Event| {
                let act = Act {
                    actor,
                    organization,
                    at,
                    entropy,
                };
                audit::record(tx, &act, &[event])
            };
            // A microsecond apart, so that they stay in order.
            for (told, at_us) in told.into_iter().zip(now.0..) {
                let Told {
                    event,
                    organizations,
                } = told;
                for organization in &organizations {
                    let anonymous = Actor::operator();
                    record(&anonymous, organization, AtUs(at_us), event.clone())?;
                }
                let event = match &organizations[..] {
                    [] => event,
                    some => {
                        let ids: Vec<&str> = some.iter().map(OrganizationId::as_str).collect();
                        event.with("organization_ids", json!(ids))
                    }
                };
                record(&operator.actor, &audit::operators(), AtUs(at_us), event)?;
            }
            Ok(answer)
        });
        write.await
    }
}
