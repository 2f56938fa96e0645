//! The task that writes records of the log: some hundred at once, and never more often than a few
//! times a second.

use std::sync::Arc;
use std::time::Duration;

use domain::Entropy;
use domain::sealed::SealingKey;
use domain::time::{AtUs, Clock};
use store::request_log::{self, Refused};
use store::{Store, StoreError, Tx, keys, prompts};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::quota::More;
use super::{PROMPT, Prompt, Quotas, REFUSAL, Record};
use crate::metrics::LeftOut;

/// Records that are written in one transaction.
const AT_ONCE: usize = 256;
/// Prompts that are.
const PROMPTS_AT_ONCE: usize = 32;
/// How long records gather before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// How long it waits where a database cannot write.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) quotas: Arc<Quotas>,
    pub(super) sealing: Option<SealingKey>,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) left_out: LeftOut,
    pub(super) ending: CancellationToken,
}

/// What is written at once.
#[derive(Default)]
struct Group {
    records: Vec<Record>,
    more: Vec<More>,
    prompts: Vec<Prompt>,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.more.is_empty() && self.prompts.is_empty()
    }

    /// Whether more may be waiting than it has room for.
    fn is_full(&self) -> bool {
        self.records.len() >= AT_ONCE || self.prompts.len() >= PROMPTS_AT_ONCE
    }
}

impl Writer {
    /// Writes until it is to end, and then what is left.
    pub(super) async fn run(self, mut records: Receiver<Record>, mut prompts: Receiver<Prompt>) {
        let mut group = Group::default();
        while !self.ending.is_cancelled() {
            self.pause(GATHER).await;
            loop {
                take(&mut records, &mut group.records, AT_ONCE);
                take(&mut prompts, &mut group.prompts, PROMPTS_AT_ONCE);
                group.more.extend(self.more());
                let is_full = group.is_full();
                match self.write(std::mem::take(&mut group)).await {
                    Ok(()) if is_full => {}
                    Ok(()) => break,
                    Err(unwritten) => {
                        group = unwritten;
                        self.pause(PAUSE).await;
                        break;
                    }
                }
            }
        }
    }

    /// Waits, unless it is to end.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.ending.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    /// What was refused beyond the quotas.
    fn more(&self) -> Vec<More> {
        let now = (self.clock)();
        // Of these nothing is written: the metric has counted them.
        self.quotas.strangers.take_more(now);
        self.quotas.prompts.take_more(now);
        self.quotas.refusals.take_more(now)
    }

    /// Writes a group. It comes back if the database cannot now.
    async fn write(&self, group: Group) -> Result<(), Group> {
        if group.is_empty() {
            return Ok(());
        }
        let (records, prompts) = (group.records.len(), group.prompts.len());
        let shared = Arc::new(group);
        let (writing, sealing) = (Arc::clone(&shared), self.sealing.clone());
        let (now, entropy) = ((self.clock)(), self.entropy);
        let write = move |tx: &mut Tx<'_>| {
            keep(tx, &writing)?;
            match &sealing {
                Some(key) => keep_prompts(tx, &writing.prompts, (key, entropy), now),
                None => Ok(()),
            }
        };
        let written: Result<(), StoreError> = self.store.write(write).await;
        let Err(error) = written else {
            return Ok(());
        };
        tracing::warn!(%error, "records of the log could not be written");
        let may_pass = matches!(error, StoreError::Unavailable(_) | StoreError::Full(_));
        match Arc::into_inner(shared).filter(|_| may_pass) {
            Some(group) => Err(group),
            // They would not be written the next time either.
            None => {
                self.left_out.not_written(REFUSAL, records);
                self.left_out.not_written(PROMPT, prompts);
                Ok(())
            }
        }
    }
}

fn take<T>(queue: &mut Receiver<T>, taken: &mut Vec<T>, most: usize) {
    while taken.len() < most
        && let Ok(one) = queue.try_recv()
    {
        taken.push(one);
    }
}

fn keep(tx: &mut Tx<'_>, group: &Group) -> Result<(), StoreError> {
    for record in &group.records {
        match record {
            Record::Refused(refused) => request_log::keep(tx, refused)?,
            Record::Stranger(digest, refused) => {
                if let Some(known) = keys::ever_of_digest(tx, digest)? {
                    let refused = Refused {
                        organization: known.organization,
                        project: known.project,
                        key: known.key,
                        ..Refused::clone(refused)
                    };
                    request_log::keep(tx, &refused)?;
                }
            }
        }
    }
    for More {
        organization,
        at,
        requests,
    } in &group.more
    {
        request_log::count(tx, organization, *at, *requests)?;
    }
    Ok(())
}

fn keep_prompts(
    tx: &mut Tx<'_>,
    all: &[Prompt],
    by: (&SealingKey, Entropy),
    now: AtUs,
) -> Result<(), StoreError> {
    for Prompt {
        organization,
        request,
        copied,
    } in all
    {
        prompts::keep(
            tx,
            organization,
            *request,
            &copied.sealed(*request, by),
            now,
        )?;
    }
    Ok(())
}
