//! Requests that carry an `Idempotency-Key`: claimed before they run, and what became of them.
//!
//! A claim is one row, and the database gives it to one: of any number of requests with the same
//! key, at whichever node, one runs. How that one stands is told by the rows that its money leaves
//! anyway, so a crash leaves nothing to be mended here:
//!
//! | usage record | hold, or a process that may still write one | the request |
//! |---|---|---|
//! | yes | | was charged; its answer was kept by the same commit, or never will be |
//! | no | yes | is running |
//! | no | no | was never charged, and may run as if it came for the first time |

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use domain::id::{OrganizationId, ProjectId, RequestId};
use domain::idempotency::{IdempotencyKey, KEPT_US, RequestDigest};
use domain::money::Nusd;
use domain::time::AtUs;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::batch::Writer;
use crate::{Row, Store, StoreError, Tx, Value};

const FORGET: &str = "
    DELETE FROM idempotent_requests WHERE (organization_id, project_id, key_digest) IN (
        SELECT organization_id, project_id, key_digest FROM idempotent_requests
        WHERE claimed_at_us < $1 ORDER BY claimed_at_us LIMIT $2)";

/// A request that may not run twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who pays for it.
    pub organization: OrganizationId,
    /// Within which the key means something.
    pub project: ProjectId,
    /// What it has in common with its repetitions.
    pub key: IdempotencyKey,
    /// What it says.
    pub content: RequestDigest,
    /// The request that is to run.
    pub request: RequestId,
}

/// An earlier request with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Which.
    pub request: RequestId,
    /// How it stands.
    pub standing: Standing,
}

/// How an earlier request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It says something else.
    Different,
    /// It has not ended.
    Running,
    /// It was charged.
    Charged {
        /// How much.
        cost: Nusd,
        /// What its client was sent, if that was kept.
        answer: Option<Answer>,
    },
}

/// All that a client was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its body; of a stream every event.
    pub body: Bytes,
}

/// An answer to be kept, with the settlement of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is found by.
    pub claim: Arc<Claim>,
    /// The answer.
    pub answer: Answer,
}

// What a model said is nobody's who reads a log.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.body.len();
        write!(f, "Answer({}, {bytes} bytes)", self.content_type)
    }
}

impl Claim {
    /// The row's primary key.
    fn place(&self) -> [Value; 3] {
        [
            self.organization.as_str().into(),
            self.project.as_str().into(),
            self.key.to_hex().into(),
        ]
    }
}

/// Claims that wait for a commit. They share one: whoever's write comes first takes along those of
/// all who wait, and theirs find nothing left to do.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Vec<Asking>>);

/// Somebody who waits to be told whose the key is.
struct Asking {
    claim: Arc<Claim>,
    now: AtUs,
    asker: oneshot::Sender<Option<Earlier>>,
}

impl Waiting {
    fn take_all(&self) -> Vec<Asking> {
        let mut all = std::mem::take(&mut *self.0.lock());
        // Rows are locked in one order everywhere: two nodes never wait for each other.
        all.sort_by_cached_key(|asking| {
            let Claim {
                organization,
                project,
                key,
                ..
            } = &*asking.claim;
            (organization.clone(), project.clone(), key.to_hex())
        });
        all
    }

    /// Takes a claim back; false if a write has taken it along.
    fn take_back(&self, claim: &Arc<Claim>) -> bool {
        let mut waiting = self.0.lock();
        let before = waiting.len();
        waiting.retain(|asking| !Arc::ptr_eq(&asking.claim, claim));
        waiting.len() < before
    }
}

impl Store {
    /// Claims a request's key for it, durably. `None` if it is the first and may run.
    ///
    /// # Errors
    /// [`StoreError`]; the claim may have been written all the same, so whoever gives up must end
    /// it with [`Ledger::unclaim`](crate::Ledger::unclaim).
    pub async fn claim(&self, claim: Arc<Claim>, now: AtUs) -> Result<Option<Earlier>, StoreError> {
        let (asker, answer) = oneshot::channel();
        self.claims().0.lock().push(Asking {
            claim: Arc::clone(&claim),
            now,
            asker,
        });
        let (store, writer) = (self.clone(), self.writer().clone());
        let write = self.write(move |tx| {
            let mut told = Vec::new();
            for Asking { claim, now, asker } in store.claims().take_all() {
                told.push((asker, self::claim(tx, &claim, &writer, now)?));
            }
            Ok::<_, StoreError>(told)
        });
        let failed = match write.await {
            Ok(told) => {
                for (asker, earlier) in told {
                    // Whoever does not wait any more has given up.
                    let _ = asker.send(earlier);
                }
                None
            }
            Err(error) if self.claims().take_back(&claim) => return Err(error),
            // Another's write took it along, and tells.
            Err(error) => Some(error),
        };
        let unwritten = || StoreError::Unavailable("the claims were not written".into());
        let answered = answer.await;
        answered.map_err(|_| failed.unwrap_or_else(unwritten))
    }
}

/// What became of an earlier request with the key of `claim`; `None` if it is free.
///
/// # Errors
/// [`StoreError`].
pub fn look(tx: &mut Tx<'_>, claim: &Claim, now: AtUs) -> Result<Option<Earlier>, StoreError> {
    let [organization, project, key] = claim.place();
    let row = tx.query_optional(
        "SELECT r.request_id, r.request_digest, u.cost_nusd, n.epoch - r.epoch, h.epoch,
                r.content_type, r.answer
         FROM idempotent_requests r
         LEFT JOIN usage_records u
           ON u.organization_id = r.organization_id AND u.id = r.request_id
         LEFT JOIN holds h ON h.id = r.request_id
         LEFT JOIN nodes n ON n.id = r.node_id
         WHERE r.organization_id = $1 AND r.project_id = $2 AND r.key_digest = $3
           AND r.claimed_at_us >= $4",
        &[organization, project, key, oldest(now).0.into()],
    )?;
    row.as_ref()
        .map_or(Ok(None), |row| earlier(row, &claim.content))
}

fn earlier(row: &Row, content: &RequestDigest) -> Result<Option<Earlier>, StoreError> {
    let request = RequestId::parse(row.text(0)?)
        .ok_or_else(|| StoreError::Corrupt("a claim names no request".into()))?;
    let cost = row.opt_int(2)?.map(Nusd::new);
    let may_hold = row.opt_int(3)?.is_none_or(|later_epochs| later_epochs <= 0);
    let standing = match cost {
        None if !may_hold && row.opt_int(4)?.is_none() => return Ok(None),
        _ if row.text(1)? != content.to_hex() => Standing::Different,
        None => Standing::Running,
        Some(cost) => Standing::Charged {
            cost,
            answer: answer(row)?,
        },
    };
    Ok(Some(Earlier { request, standing }))
}

fn answer(row: &Row) -> Result<Option<Answer>, StoreError> {
    let (content_type, body) = (row.opt_text(5)?, row.opt_bytes(6)?);
    Ok(content_type.zip(body).map(|(content_type, body)| Answer {
        content_type: content_type.to_owned(),
        body: body.clone(),
    }))
}

/// Takes the key's row, unless it is somebody's: then answers whose. A row whose request was never
/// charged, or is too old to be remembered, is nobody's. The epoch of a dead process is told by a
/// later one, not by another one: a snapshot may be older than the row.
fn claim(
    tx: &mut Tx<'_>,
    claim: &Claim,
    writer: &Writer,
    now: AtUs,
) -> Result<Option<Earlier>, StoreError> {
    let [organization, project, key] = claim.place();
    let parameters = [
        organization,
        project,
        key,
        claim.content.to_hex().into(),
        claim.request.to_string().into(),
        writer.node.as_str().into(),
        writer.epoch.into(),
        now.0.into(),
        oldest(now).0.into(),
    ];
    // Whose the row is may change between the statements: on PostgreSQL, at another node.
    for _ in 0..3 {
        let taken = tx.execute(
            "INSERT INTO idempotent_requests (organization_id, project_id, key_digest,
                 request_digest, request_id, node_id, epoch, claimed_at_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (organization_id, project_id, key_digest) DO UPDATE
             SET request_digest = EXCLUDED.request_digest, request_id = EXCLUDED.request_id,
                 node_id = EXCLUDED.node_id, epoch = EXCLUDED.epoch,
                 claimed_at_us = EXCLUDED.claimed_at_us, content_type = NULL, answer = NULL
             WHERE idempotent_requests.claimed_at_us < $9
                OR (EXISTS (SELECT 1 FROM nodes n WHERE n.id = idempotent_requests.node_id
                              AND n.epoch > idempotent_requests.epoch)
                    AND NOT EXISTS (SELECT 1 FROM holds h
                                    WHERE h.id = idempotent_requests.request_id)
                    AND NOT EXISTS (SELECT 1 FROM usage_records u
                                    WHERE u.organization_id = idempotent_requests.organization_id
                                      AND u.id = idempotent_requests.request_id))",
            &parameters,
        )?;
        if taken == 1 {
            return Ok(None);
        }
        if let Some(earlier) = look(tx, claim, now)? {
            return Ok(Some(earlier));
        }
    }
    let reason = "others keep claiming the same key";
    Err(StoreError::Unavailable(reason.into()))
}

/// Forgets requests that were claimed too long ago, the oldest first, at most `most`; answers how
/// many. Their number, not the table's size, is what it costs.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, now: AtUs, most: u64) -> Result<u64, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    tx.execute(FORGET, &[oldest(now).0.into(), most.into()])
}

/// A request that was claimed earlier is forgotten.
fn oldest(now: AtUs) -> AtUs {
    now.plus(-KEPT_US)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;
    use crate::batch::tests::{claim as claim_of, hold};
    use crate::commit::tests::open;

    #[tokio::test]
    async fn a_write_takes_along_the_claims_of_all_who_wait() {
        let database = testkit::databases::sqlite();
        let store = open(&database, Role::Server).await;
        let ask = |number| {
            let (asker, answer) = oneshot::channel();
            let asking = Asking {
                claim: claim_of(&hold(number, 1)),
                now: AtUs(1),
                asker,
            };
            let claim = Arc::clone(&asking.claim);
            store.claims().0.lock().push(asking);
            (claim, answer)
        };
        let (first, told) = ask(1);
        let (given_up, never_told) = ask(2);
        assert!(store.claims().take_back(&given_up));
        let mine = store.claim(claim_of(&hold(3, 1)), AtUs(1)).await;
        assert_eq!(mine.expect("it is written"), None);
        assert_eq!(told.await.expect("told by another"), None);
        assert!(never_told.await.is_err());
        assert!(!store.claims().take_back(&first), "it is written");
        let look =
            store.read(move |tx| Ok((look(tx, &first, AtUs(1))?, look(tx, &given_up, AtUs(1))?)));
        let (first, given_up) = look
            .await
            .map_err(|error: StoreError| error)
            .expect("it is read");
        assert!(first.is_some() && given_up.is_none());
        store.close().await;
    }

    #[tokio::test]
    async fn forgetting_costs_what_is_old_and_not_what_there_is() {
        let database = testkit::databases::sqlite();
        let store = open(&database, Role::Server).await;
        let plan = store.read(|tx| {
            let sql = format!("EXPLAIN QUERY PLAN {FORGET}");
            tx.query(&sql, &[Value::Int(0), Value::Int(1)])
        });
        let plan = plan.await.map_err(|error: StoreError| error);
        let plan = plan.expect("it is planned");
        let steps: Vec<&str> = plan.iter().flat_map(|row| row.text(3)).collect();
        assert!(!steps.iter().any(|step| step.contains("SCAN")), "{steps:?}");
        let by_age = |step: &&str| step.contains("INDEX idempotent_requests_by_age");
        assert!(steps.iter().any(by_age), "{steps:?}");
        store.close().await;
    }
}
