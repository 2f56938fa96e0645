//! Takes messages from the queue and sends them, several at once, until it is told to stop.
//!
//! A message is begun only by who holds its claim, and ends within the claim's time, so no two
//! workers of any node are at it at once. What became of it is written before the claim ends; if
//! that fails, or this process dies, the message is sent again.

use std::sync::Arc;
use std::time::Duration;

use domain::Entropy;
use domain::id::WebhookDeliveryId;
use domain::job::{self, RUN_US, START_US};
use domain::time::{AtUs, Clock, MINUTE_US};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use store::jobs::{self, Channel, Claimed};
use store::outbox::{self, Attachment, Kept};
use store::{Store, StoreError, webhooks};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attachments;
use super::endpoints::Tried;
use super::failure::Failure;
use super::letters::{Letters, Written};
use super::{MailRoute, Routes, SmsRoute};

/// Messages to people in the making at once, and webhooks beside them: those may be slow.
const AT_ONCE: usize = 8;
const WEBHOOKS_AT_ONCE: usize = 32;
/// A message that another process put into the queue, or whose pause is over, is found within this.
const POLL: Duration = Duration::from_secs(1);
/// How long messages in the making may take to end when this process stops.
const GRACE: Duration = Duration::from_secs(10);
/// How often what became of a message is written again if the database does not take it.
const REPORTS: usize = 5;
const BETWEEN_REPORTS: Duration = Duration::from_secs(2);
/// How often old messages are forgotten, and how many at once.
const TENDING_US: i64 = 10 * MINUTE_US;
const FORGOTTEN_AT_ONCE: i64 = 500;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QueueLabels {
    channel: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabels {
    channel: &'static str,
    end: &'static str,
}

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

struct Inner {
    store: Store,
    routes: Routes,
    letters: Letters,
    clock: Clock,
    entropy: Entropy,
    queue: Family<QueueLabels, Gauge>,
    tries: Family<EndLabels, Counter>,
}

/// What became of a message.
enum End {
    /// It left.
    Sent,
    /// It goes into the outbox.
    Kept(Kept),
    /// It did not leave.
    Failed(Failure),
    /// An endpoint was called.
    Tried(WebhookDeliveryId, Tried),
    /// An endpoint is not to be called, as it is switched off or gone.
    Skipped(WebhookDeliveryId),
}

impl Worker {
    /// A worker that has not begun. `public_url` is where people find this installation.
    #[must_use]
    pub fn new(
        store: Store,
        routes: Routes,
        public_url: &str,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        Worker(Arc::new(Inner {
            store,
            routes,
            letters: Letters::new(public_url),
            clock,
            entropy,
            queue: Family::default(),
            tries: Family::default(),
        }))
    }

    /// Puts its meters where Prometheus finds them.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("farebox");
        let (queue, tries) = (self.0.queue.clone(), self.0.tries.clone());
        registry.register("messages", "Messages waiting, and given up", queue);
        registry.register("message_tries", "Tries to send a message", tries);
    }

    /// Sends until `stop`, and then ends what it has begun.
    pub async fn run(self, stop: CancellationToken) {
        let [mut running, mut webhooks] = [(); 2].map(|()| JoinSet::new());
        let mut tended_at: Option<AtUs> = None;
        while !stop.is_cancelled() {
            let most = (AT_ONCE - running.len(), WEBHOOKS_AT_ONCE - webhooks.len());
            let begun = match self.begin(most).await {
                Ok(begun) => begun,
                Err(error) => {
                    tracing::warn!(%error, "messages cannot be looked for; trying again");
                    Vec::new()
                }
            };
            for job in begun {
                let inner = Arc::clone(&self.0);
                let lane = match job.channel {
                    Channel::Mail | Channel::Sms => &mut running,
                    Channel::Webhook => &mut webhooks,
                };
                lane.spawn(async move { inner.carry_out(job).await });
            }
            let now = self.0.now();
            if tended_at.is_none_or(|at| now.since(at) >= TENDING_US) {
                tended_at = Some(now);
                self.tend(now).await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.store.enqueued(POLL) => {}
                Some(ended) = running.join_next() => noted(ended),
                Some(ended) = webhooks.join_next() => noted(ended),
            }
        }
        let ends = async {
            for lane in [&mut running, &mut webhooks] {
                while let Some(ended) = lane.join_next().await {
                    noted(ended);
                }
            }
        };
        if tokio::time::timeout(GRACE, ends).await.is_err() {
            tracing::warn!("some messages were in the making; they are sent again later");
        }
    }

    /// Claims messages that are due, so many to people and so many webhooks, and counts what is in
    /// the queue.
    async fn begin(&self, most: (usize, usize)) -> Result<Vec<Claimed>, StoreError> {
        let (now, entropy) = (self.0.now(), self.0.entropy);
        let read = self.0.store.read(move |tx| -> Result<_, StoreError> {
            Ok((jobs::counts(tx)?, jobs::is_due(tx, now)?))
        });
        let (counts, is_due) = read.await?;
        for (channel, count) in counts {
            let set = |state, number: u64| {
                let channel = channel.as_str();
                let labels = QueueLabels { channel, state };
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                self.0.queue.get_or_create(&labels).set(number);
            };
            set("waiting", count.waiting);
            set("given_up", count.dead);
        }
        if !is_due || most == (0, 0) {
            return Ok(Vec::new());
        }
        let limit = |most| i64::try_from(most).unwrap_or(1);
        let (people, programs) = (limit(most.0), limit(most.1));
        let claim = self.0.store.write(move |tx| {
            let mut claimed = jobs::claim(tx, people, now, entropy)?;
            claimed.extend(jobs::claim_webhooks(tx, programs, now, entropy)?);
            Ok(claimed)
        });
        claim.await
    }

    async fn tend(&self, now: AtUs) {
        let forget = self.0.store.write(move |tx| -> Result<_, StoreError> {
            jobs::forget(tx, FORGOTTEN_AT_ONCE, now)?;
            webhooks::forget(tx, FORGOTTEN_AT_ONCE, now)?;
            outbox::forget(tx, FORGOTTEN_AT_ONCE, now)
        });
        if let Err(error) = forget.await {
            tracing::warn!(%error, "old messages were not forgotten; trying again");
        }
    }
}

/// A mail as the outbox keeps it.
fn kept_mail(written: Written, attachments: Vec<Attachment>) -> Kept {
    Kept {
        subject: Some(written.subject),
        text: written.text,
        html: Some(written.html),
        attachments,
    }
}

/// A message whose making broke off is found again when its claim ends.
fn noted(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "sending a message broke off");
    }
}

impl Inner {
    fn now(&self) -> AtUs {
        (self.clock)()
    }

    async fn carry_out(&self, job: Claimed) {
        if self.now().since(job.claimed_at) > START_US {
            tracing::warn!(job = %job.id, "a message was begun too late, and is left to others");
            return;
        }
        let most = Duration::from_micros(RUN_US.unsigned_abs());
        let end = match tokio::time::timeout(most, self.send(&job)).await {
            Ok(Ok(end)) => end,
            Ok(Err(failure)) => End::Failed(failure),
            Err(_) => End::Failed(Failure::passing("it took too long")),
        };
        for _ in 0..REPORTS {
            match self.report(&job, &end).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(job = %job.id, %error, "the end of a message is not written");
                    tokio::time::sleep(BETWEEN_REPORTS).await;
                }
            }
        }
        tracing::error!(job = %job.id, "what became of a message is lost: it will be sent again");
    }

    async fn send(&self, job: &Claimed) -> Result<End, Failure> {
        let id = job.id.as_str();
        match job.channel {
            Channel::Mail => {
                let written = self.letters.mail(&job.template, &job.facts);
                let written = written.map_err(|error| Failure::lasting(error.to_string()))?;
                let attached = attachments::of(&self.store, job, self.now()).await?;
                match &self.routes.mail {
                    MailRoute::Outbox => return Ok(End::Kept(kept_mail(written, attached))),
                    MailRoute::Smtp(smtp) => {
                        let mail = (&written, &*attached);
                        smtp.send(id, &job.to, mail, self.now()).await?;
                    }
                }
            }
            Channel::Sms => {
                let text = self.letters.sms(&job.template, &job.facts);
                let text = text.map_err(|error| Failure::lasting(error.to_string()))?;
                match &self.routes.sms {
                    SmsRoute::Outbox => {
                        let kept = Kept {
                            text,
                            ..Kept::default()
                        };
                        return Ok(End::Kept(kept));
                    }
                    SmsRoute::Twilio(twilio) => twilio.send(&job.to, &text).await?,
                    SmsRoute::Webhook(webhook) => {
                        webhook.send(id, &job.to, &text, self.now()).await?;
                    }
                }
            }
            Channel::Webhook => return self.call_endpoint(job).await,
        }
        Ok(End::Sent)
    }

    async fn call_endpoint(&self, job: &Claimed) -> Result<End, Failure> {
        let Some(delivery) = job.facts.get("delivery") else {
            return Err(Failure::lasting("it does not say what is delivered"));
        };
        let (id, now) = (WebhookDeliveryId::new(delivery), self.now());
        let asked = id.clone();
        let read = self.store.read(move |tx| webhooks::order(tx, &asked, now));
        let order = read
            .await
            .map_err(|error: StoreError| Failure::passing(error.to_string()))?;
        let Some(order) = order.filter(|order| !order.is_off) else {
            return Ok(End::Skipped(id));
        };
        let by = (&self.clock, self.entropy);
        let sending = self
            .routes
            .endpoints
            .send(&order, job.tries, &self.letters, by);
        Ok(End::Tried(id, sending.await))
    }

    /// Writes what became of a message.
    async fn report(&self, job: &Claimed, end: &End) -> Result<(), StoreError> {
        let (now, owned) = (self.now(), job.clone());
        let (heard, word) = match end {
            End::Sent => {
                let write = self.store.write(move |tx| jobs::done(tx, &owned, now));
                (write.await?, "sent")
            }
            End::Kept(kept) => {
                let kept = kept.clone();
                let keep =
                    move |tx: &mut store::Tx<'_>| jobs::done_into_outbox(tx, &owned, &kept, now);
                (self.store.write(keep).await?, "kept")
            }
            End::Failed(failure) => self.report_failure(owned, failure, now).await?,
            End::Tried(id, tried) => self.report_try(owned, id.clone(), tried, now).await?,
            End::Skipped(id) => {
                let id = id.clone();
                let write = self
                    .store
                    .write(move |tx| webhooks::skip(tx, &owned, &id, now));
                (write.await?, "skipped")
            }
        };
        if !heard {
            tracing::warn!(job = %job.id, "a message took longer than its claim: it may be sent twice");
        }
        let (channel, template, tries) = (job.channel.as_str(), &job.template, job.tries);
        let labels = EndLabels { channel, end: word };
        self.tries.get_or_create(&labels).inc();
        match end {
            End::Failed(Failure::Passing { reason, .. } | Failure::Final { reason }) => {
                tracing::warn!(job = %job.id, channel, template, tries, reason, "message {word}");
            }
            _ => tracing::info!(job = %job.id, channel, template, tries, "message {word}"),
        }
        Ok(())
    }

    async fn report_try(
        &self,
        job: Claimed,
        id: WebhookDeliveryId,
        tried: &Tried,
        now: AtUs,
    ) -> Result<(bool, &'static str), StoreError> {
        let (attempt, end, entropy) = (tried.attempt.clone(), tried.end, self.entropy);
        let write = self
            .store
            .write(move |tx| webhooks::record(tx, (&job, &id), (&attempt, end), now, entropy));
        let word = match end {
            webhooks::End::Delivered => "sent",
            webhooks::End::Again(_) => "failed",
            webhooks::End::GivenUp | webhooks::End::Gone => "given_up",
        };
        Ok((write.await?, word))
    }

    async fn report_failure(
        &self,
        job: Claimed,
        failure: &Failure,
        now: AtUs,
    ) -> Result<(bool, &'static str), StoreError> {
        let (reason, next) = match failure {
            Failure::Passing { reason, asked_us } => {
                let next = job::next_try(job.tries, *asked_us, now, self.entropy);
                (reason.clone(), next)
            }
            Failure::Final { reason } => (reason.clone(), None),
        };
        let write = self.store.write(move |tx| match next {
            Some(due_at) => jobs::try_again(tx, &job, &reason, due_at),
            None => jobs::bury(tx, &job, &reason, now),
        });
        let word = match next {
            Some(_) => "failed",
            None => "given_up",
        };
        Ok((write.await?, word))
    }
}
