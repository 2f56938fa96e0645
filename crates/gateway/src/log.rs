//! The log of requests that end without a charge. (Those that are charged are in the ledger.) And
//! prompts and answers of organizations that want them to be kept.
//!
//! Nothing here is waited for: a record goes into a queue of bounded length, which a task writes in
//! groups. Where the queue is full, records are left out, and counted for Prometheus. Of an
//! organization that is refused very often only so many a minute are kept; how many more there were
//! is written.

mod checks;
mod prompts;
mod quota;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use domain::Entropy;
use domain::admission::Looked;
use domain::id::{KeyId, OrganizationId, ProjectId, RequestId};
use domain::key::KeyDigest;
use domain::sealed::SealingKey;
use domain::time::{AtUs, Clock};
use parking_lot::Mutex;
use store::Store;
use store::request_log::{Outcome, Refused};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::request::Endpoint;

use crate::directory::Caller;
use crate::metrics::LeftOut;
use crate::refusal::Refusal;
use crate::respond;
use prompts::Copied;
pub(crate) use prompts::Wanted;
use quota::Quota;

/// Records that may wait to be written.
const QUEUED: usize = 4_096;
/// Prompts that may: each may be large.
const PROMPTS_QUEUED: usize = 128;
/// What is left out, as metrics name it.
const REFUSAL: &str = "refusal";
const PROMPT: &str = "prompt";
/// Refusals of secrets that open nothing which are looked up in a minute: they may be of keys that
/// were revoked.
const STRANGERS_PER_MINUTE: u32 = 120;
/// Whoever is refused chose the model's name; so much of it is kept.
const MOST_NAME_BYTES: usize = 256;
/// The same of messages, which may hold what an upstream said.
const MOST_MESSAGE_BYTES: usize = 4_096;
/// How long the end of a process waits for the last records.
const LAST: Duration = Duration::from_secs(5);

/// What is known of a request on its way, for the log.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) request: RequestId,
    pub(crate) endpoint: Endpoint,
    pub(crate) started_at: AtUs,
    pub(crate) who: Who,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) streamed: Option<bool>,
    /// What its limits were when it was refused for one.
    pub(crate) looked: Vec<Looked>,
    /// What its organization wants to be kept of it.
    pub(crate) copied: Option<Box<Copied>>,
}

/// Whose request it is.
#[derive(Clone, Debug, Default)]
pub(crate) enum Who {
    /// Nobody's who is known.
    #[default]
    Nobody,
    /// It came with a secret of our form that opens nothing.
    Stranger(KeyDigest),
    /// It came with this key.
    Known(Arc<Caller>),
}

/// What waits to be written.
enum Record {
    Refused(Box<Refused>),
    /// Of whoever had the key with this secret.
    Stranger(KeyDigest, Box<Refused>),
}

/// A prompt that waits to be written.
struct Prompt {
    organization: OrganizationId,
    request: RequestId,
    copied: Box<Copied>,
}

/// What is decided about the log.
pub(crate) struct Rules {
    /// The most refusals of an organization that are kept in a minute.
    pub(crate) refusals_per_minute: u32,
    /// The same of prompts.
    pub(crate) prompts_per_minute: u32,
    /// What prompts are sealed with; none are kept without.
    pub(crate) sealing: Option<SealingKey>,
    /// Who wants their prompts to be kept.
    pub(crate) wanted: Wanted,
    pub(crate) public_url: String,
}

/// The log's end at the requests.
pub(crate) struct Log {
    queue: mpsc::Sender<Record>,
    prompts: mpsc::Sender<Prompt>,
    quotas: Arc<Quotas>,
    left_out: LeftOut,
    rules: Rules,
    ending: CancellationToken,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How much is kept in a minute.
struct Quotas {
    refusals: Quota,
    strangers: Quota,
    prompts: Quota,
}

impl Trace {
    pub(crate) fn new(request: RequestId, endpoint: Endpoint, started_at: AtUs) -> Self {
        Trace {
            request,
            endpoint,
            started_at,
            who: Who::Nobody,
            model: None,
            streamed: None,
            looked: Vec::new(),
            copied: None,
        }
    }

    /// The trace, for whoever says from now on how the request ends; what stays says nothing.
    pub(crate) fn hand_over(&mut self) -> Self {
        let rest = Trace::new(self.request, self.endpoint, self.started_at);
        std::mem::replace(self, rest)
    }
}

impl Log {
    /// Begins to write to `store`.
    pub(crate) fn start(
        store: &Store,
        rules: Rules,
        (clock, entropy): (Clock, Entropy),
        left_out: LeftOut,
    ) -> Self {
        let (queue, records) = mpsc::channel(QUEUED);
        let (prompts, kept) = mpsc::channel(PROMPTS_QUEUED);
        let quotas = Arc::new(Quotas {
            refusals: Quota::new(rules.refusals_per_minute),
            strangers: Quota::new(STRANGERS_PER_MINUTE),
            prompts: Quota::new(rules.prompts_per_minute),
        });
        let ending = CancellationToken::new();
        let writer = writer::Writer {
            store: store.clone(),
            quotas: Arc::clone(&quotas),
            sealing: rules.sealing.clone(),
            clock,
            entropy,
            left_out: left_out.clone(),
            ending: ending.clone(),
        };
        Log {
            queue,
            prompts,
            quotas,
            left_out,
            rules,
            ending,
            writer: Mutex::new(Some(tokio::spawn(writer.run(records, kept)))),
        }
    }

    /// Follows the database: whether an organization wants its prompts to be kept now.
    pub(crate) fn want_prompts(&self, organization: OrganizationId, wants: bool) {
        self.rules.wanted.set(organization, wants);
    }

    /// A copy of a request's beginning, if its organization wants that.
    pub(crate) fn copied(
        &self,
        organization: &OrganizationId,
        request: &[u8],
        now: AtUs,
    ) -> Option<Box<Copied>> {
        if !self.rules.wanted.by(organization) || self.rules.sealing.is_none() {
            return None;
        }
        if !self.quotas.prompts.take(organization, now) {
            self.left_out.too_many(PROMPT);
            return None;
        }
        Some(Box::new(Copied::of(request)))
    }

    /// Keeps what was copied of a request that ended.
    pub(crate) fn keep_prompt(&self, trace: &mut Trace) {
        let (Some(copied), Who::Known(caller)) = (trace.copied.take(), &trace.who) else {
            return;
        };
        let prompt = Prompt {
            organization: caller.principal.organization.clone(),
            request: trace.request,
            copied,
        };
        if self.prompts.try_send(prompt).is_err() {
            self.left_out.queue_full(PROMPT);
        }
    }

    /// Records that a request was refused, or failed and is not charged.
    pub(crate) fn refused(
        &self,
        trace: &mut Trace,
        refusal: &Refusal,
        upstream: Option<&Arc<str>>,
        now: AtUs,
    ) {
        self.keep_prompt(trace);
        let (organization, project, key, stranger) = match &trace.who {
            Who::Nobody => return,
            Who::Known(caller) => {
                let principal = &caller.principal;
                let project = principal.project.clone();
                (
                    principal.organization.clone(),
                    project,
                    principal.key.clone(),
                    None,
                )
            }
            // Who it is, is not known yet.
            Who::Stranger(digest) => (OrganizationId::new(""), None, KeyId::new(""), Some(digest)),
        };
        let quota = match stranger {
            None => &self.quotas.refusals,
            Some(_) => &self.quotas.strangers,
        };
        if !quota.take(&organization, now) {
            self.left_out.too_many(REFUSAL);
            return;
        }
        let refused = Box::new(Refused {
            upstream: upstream.map(ToString::to_string),
            ..self.record(trace, refusal, (organization, project, key), now)
        });
        let record = match stranger {
            None => Record::Refused(refused),
            Some(digest) => Record::Stranger(*digest, refused),
        };
        if self.queue.try_send(record).is_err() {
            self.left_out.queue_full(REFUSAL);
        }
    }

    fn record(
        &self,
        trace: &Trace,
        refusal: &Refusal,
        (organization, project, key): (OrganizationId, Option<ProjectId>, KeyId),
        now: AtUs,
    ) -> Refused {
        let (status, error) = respond::told(refusal, &self.rules.public_url);
        let model = trace.model.as_deref().or_else(|| refusal.model());
        Refused {
            id: trace.request,
            organization,
            project,
            key,
            model: model.map(|model| cut(model, MOST_NAME_BYTES).to_owned()),
            endpoint: trace.endpoint.name(),
            upstream: None,
            streamed: trace.streamed,
            started_at: trace.started_at,
            ended_at: now,
            outcome: match refusal {
                Refusal::Upstream { .. } | Refusal::UpstreamFailed(_) | Refusal::Internal => {
                    Outcome::Failed
                }
                _ => Outcome::Refused,
            },
            status: status.as_u16(),
            error_code: error
                .code
                .map(|code| cut(&code, MOST_NAME_BYTES).to_owned()),
            error_message: cut(&error.message, MOST_MESSAGE_BYTES).to_owned(),
            checks: checks::checks(refusal, &trace.looked),
        }
    }

    /// Writes what is left, and ends.
    pub(crate) async fn end(&self) {
        self.ending.cancel();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            && tokio::time::timeout(LAST, writer).await.is_err()
        {
            tracing::warn!("the last records of refused requests could not be written");
        }
    }
}

/// The beginning of a text, of at most so many bytes.
fn cut(text: &str, most_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(most_bytes)]
}

#[cfg(test)]
mod tests {
    use domain::key::{KeyClass, KeySecret};

    use super::*;

    fn entropy(buffer: &mut [u8]) {
        buffer.fill(9);
    }

    /// A log with room for so many records, which nobody writes.
    fn log(queued: usize, strangers: u32) -> (Log, mpsc::Receiver<Record>) {
        let (queue, records) = mpsc::channel(queued);
        let log = Log {
            queue,
            prompts: mpsc::channel(1).0,
            quotas: Arc::new(Quotas {
                refusals: Quota::new(1),
                strangers: Quota::new(strangers),
                prompts: Quota::new(1),
            }),
            left_out: LeftOut::default(),
            rules: Rules {
                refusals_per_minute: 1,
                prompts_per_minute: 1,
                sealing: None,
                wanted: Wanted::default(),
                public_url: "http://farebox.test".into(),
            },
            ending: CancellationToken::new(),
            writer: Mutex::default(),
        };
        (log, records)
    }

    fn refuse(log: &Log, who: Who) {
        let now = AtUs(1_800_000_000_000_000);
        let request = RequestId::random(now, entropy);
        let mut trace = Trace::new(request, Endpoint::Chat, now);
        trace.who = who;
        let masked = "sk-…".to_owned();
        log.refused(&mut trace, &Refusal::BadKey { masked }, None, now);
    }

    #[test]
    fn what_finds_the_queue_full_is_left_out_and_counted() {
        let digest = KeySecret::mint(KeyClass::Project, entropy).digest();
        let stranger = || Who::Stranger(digest);
        let (log, mut records) = log(2, 5);
        for _ in 0..8 {
            refuse(&log, stranger());
        }
        refuse(&log, Who::Nobody);
        assert_eq!(log.left_out.count(REFUSAL, "queue_full"), 3);
        assert_eq!(log.left_out.count(REFUSAL, "too_many"), 3);
        let Ok(Record::Stranger(_, refused)) = records.try_recv() else {
            panic!("the first is there");
        };
        assert_eq!(refused.status, 401);
        assert_eq!(refused.error_code.as_deref(), Some("invalid_api_key"));
        assert!(records.try_recv().is_ok());
        assert!(records.try_recv().is_err(), "two had room");
    }

    #[test]
    fn texts_are_cut_between_letters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
    }
}
