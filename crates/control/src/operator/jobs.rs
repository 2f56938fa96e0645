//! `/api/operator/jobs`: the queue of messages, without what they say.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::JobId;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::jobs::{self, Channel, Seen, State as Stage};
use store::page::Place;
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use crate::Control;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::query::{Query, invalid};
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;

/// A message in the queue, without what it says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorJob {
    #[schema(example = "job_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.job")]
    object: &'static str,
    /// `mail`, `sms` or `webhook`.
    #[schema(value_type = String, example = "mail")]
    channel: &'static str,
    /// The address, number or webhook endpoint that it goes to.
    #[schema(example = "ada@example.com")]
    to: String,
    /// What kind of message it is.
    #[schema(example = "email_code")]
    template: String,
    /// `waiting`, `running`, `dead` (given up) or `done`.
    #[schema(value_type = String, example = "waiting")]
    state: &'static str,
    /// How often it was begun.
    tries: u32,
    /// Why it failed the last time.
    #[schema(example = "mail.example.com did not answer in time")]
    reason: Option<String>,
    created_at: i64,
    /// When it is tried next; while it runs, when it is given to another worker.
    due_at: i64,
    /// When it is of no use any more.
    expires_at: Option<i64>,
    /// When it was sent or given up.
    ended_at: Option<i64>,
}

/// How many messages there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobCounts {
    #[schema(value_type = String, example = "operator.job_counts")]
    object: &'static str,
    mail: ChannelCounts,
    sms: ChannelCounts,
    webhook: ChannelCounts,
}

/// How many messages of a channel there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelCounts {
    /// To be sent, now or later.
    waiting: u64,
    /// Being sent.
    running: u64,
    /// Given up.
    dead: u64,
    /// Sent, and remembered for some days.
    done: u64,
}

impl From<Seen> for OperatorJob {
    fn from(seen: Seen) -> Self {
        let Seen { job, .. } = seen;
        OperatorJob {
            id: job.id.to_string(),
            object: "operator.job",
            channel: job.channel.as_str(),
            to: job.to,
            template: job.template,
            state: seen.state.as_str(),
            tries: job.tries,
            reason: job.reason,
            created_at: job.created_at.seconds(),
            due_at: seen.due_at.seconds(),
            expires_at: seen.expires_at.map(|at| at.seconds()),
            ended_at: job.ended_at.map(|at| at.seconds()),
        }
    }
}

impl Placed for Seen {
    fn place(&self) -> Place {
        (self.job.created_at, self.job.id.to_string())
    }
}

/// List messages of the queue.
#[utoipa::path(
    get, path = "/api/operator/jobs", tag = "Operator", operation_id = "list_jobs",
    params(
        ("state" = Option<String>, Query,
            description = "Only those: `waiting`, `running`, `dead` or `done`"),
        NextPage::<20, 100>,
    ),
    responses((status = 200, body = NextList<OperatorJob>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    query: Query,
    page: NextPage<20, 100>,
) -> Response {
    let outcome = async {
        let stage = stage(&query)?;
        let now = control.now();
        let list = page.list::<OperatorJob, _>(&control, move |tx, page| {
            let part = page.part(|id| jobs::place(tx, id))?;
            Ok(jobs::list(tx, stage, &part, now)?)
        });
        list.await
    };
    answer(&control, outcome.await)
}

/// Retrieve a message of the queue.
#[utoipa::path(
    get, path = "/api/operator/jobs/{job_id}", tag = "Operator", operation_id = "retrieve_job",
    params(("job_id" = String, Path, description = "The message")),
    responses((status = 200, body = OperatorJob)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let now = control.now();
    let read = control.store.read(move |tx| {
        let seen = jobs::get(tx, &JobId::new(&id), now)?;
        seen.ok_or_else(|| none(&id))
    });
    let outcome = read.await.map(|seen| Json(OperatorJob::from(seen)));
    answer(&control, outcome)
}

/// Send a message again that was given up, or at once if it waits for another try.
#[utoipa::path(
    post, path = "/api/operator/jobs/{job_id}/retry", tag = "Operator", operation_id = "retry_job",
    params(("job_id" = String, Path, description = "The message")),
    responses((status = 200, body = OperatorJob)), security(("session" = []))
)]
pub(crate) async fn retry(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, now| {
        let seen = jobs::get(tx, &JobId::new(&id), now)?.ok_or_else(|| none(&id))?;
        let job = seen.job.id.clone();
        let is_anew = match seen.state {
            Stage::Waiting => jobs::hurry(tx, &job, now)?,
            Stage::Dead if jobs::revive(tx, &job, now)? => true,
            Stage::Dead => return Err(over("it is of no use any more: what it says has expired")),
            Stage::Done => return Err(over("it is sent")),
            Stage::Running => false,
        };
        let seen = jobs::get(tx, &job, now)?.ok_or_else(|| none(&id))?;
        let event = Event::new(Kind::MessageRetried, &job);
        Ok(Acted::when(is_anew, event, OperatorJob::from(seen)))
    });
    answer(&control, change.await.map(Json))
}

/// Drop a message: it is never sent. Not while it is being sent.
#[utoipa::path(
    delete, path = "/api/operator/jobs/{job_id}", tag = "Operator", operation_id = "drop_job",
    params(("job_id" = String, Path, description = "The message")),
    responses((status = 200, body = Deleted)), security(("session" = []))
)]
pub(crate) async fn discard(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, now| {
        let seen = jobs::get(tx, &JobId::new(&id), now)?.ok_or_else(|| none(&id))?;
        let job = seen.job.id;
        if !jobs::remove(tx, &job, now)? {
            return Err(StoreError::Conflict("a worker has it".into()).into());
        }
        let data = json!({"template": seen.job.template, "state": seen.state.as_str()});
        let event = Event::new(Kind::MessageDropped, &job).data(data);
        Ok(Acted::new(event, Deleted::new("operator.job.deleted", id)))
    });
    answer(&control, change.await.map(Json))
}

/// Count the messages of the queue.
#[utoipa::path(
    get, path = "/api/operator/job_counts", tag = "Operator", operation_id = "count_jobs",
    responses((status = 200, body = JobCounts)), security(("session" = []))
)]
pub(crate) async fn count(State(control): State<Control>, _: Operator) -> Response {
    let now = control.now();
    let read = control.store.read(move |tx: &mut Tx<'_>| -> Outcome<_> {
        let tally = jobs::tally(tx, now)?;
        let of = |channel| {
            let count = |stage| tally.get(&(channel, stage)).copied().unwrap_or(0);
            ChannelCounts {
                waiting: count(Stage::Waiting),
                running: count(Stage::Running),
                dead: count(Stage::Dead),
                done: count(Stage::Done),
            }
        };
        Ok(Json(JobCounts {
            object: "operator.job_counts",
            mail: of(Channel::Mail),
            sms: of(Channel::Sms),
            webhook: of(Channel::Webhook),
        }))
    });
    answer(&control, read.await)
}

fn stage(query: &Query) -> Outcome<Option<Stage>> {
    let Some(given) = query.one("state").filter(|state| !state.is_empty()) else {
        return Ok(None);
    };
    let known = Stage::ALL.into_iter().find(|stage| stage.as_str() == given);
    known.map(Some).ok_or_else(|| {
        let words = "Expected 'waiting', 'running', 'dead' or 'done'.";
        invalid("state", format!("Invalid 'state': '{given}'. {words}"))
    })
}

fn over(why: &str) -> Refusal {
    invalid(
        "job_id",
        format!("The message cannot be sent again: {why}."),
    )
}

fn none(id: &str) -> Refusal {
    Refusal::Nowhere {
        what: "message",
        id: id.to_owned(),
    }
}
