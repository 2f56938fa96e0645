//! Who may report: public keys that are configured, and those that are published at an address.
//!
//! What is published is asked for when it is first needed, kept for a day, and asked for again when
//! a key is named that is not among it; but not more often than every few minutes, whoever names
//! what.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::time::{AtUs, DAY_US, MINUTE_US};
use http::Request;
use http::header::{ACCEPT, USER_AGENT};
use http_body_util::Full;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::signature::{BadPublicKey, PublicKey};
use crate::outbound::Outbound;

/// The longest that the address may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most that is read of its answer.
const ANSWER_BYTES: usize = 256 * 1024;
/// How long what it said is believed.
const BELIEVED_US: i64 = DAY_US;
/// How often it is asked at most.
const BETWEEN_US: i64 = 5 * MINUTE_US;
/// The most keys that are kept of its answer.
const MOST_KEYS: usize = 100;

/// Who may report. Cheap to clone.
#[derive(Clone)]
pub struct Signers(Arc<Inner>);

struct Inner {
    configured: HashMap<String, PublicKey>,
    url: Option<String>,
    outbound: Outbound,
    published: RwLock<Published>,
    /// When the address was last asked; held while it is.
    asked_at: Mutex<Option<AtUs>>,
}

/// What the address said.
#[derive(Default)]
struct Published {
    keys: HashMap<String, PublicKey>,
    at: Option<AtUs>,
}

/// Nobody knows whether a key may be believed: the address does not answer.
#[derive(Debug)]
pub(super) struct Unavailable;

/// Why a list of public keys is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSigners {
    /// It has another form.
    #[error("it is not JSON such as {{\"public_keys\": [{{\"key_identifier\": …, \"key\": …}}]}}")]
    Form,
    /// One of the keys is none.
    #[error("its key {0} is no public key on the curve P-256 in PEM form")]
    Key(String),
}

/// A list of public keys, as GitHub publishes its own.
#[derive(Deserialize)]
struct KeyList {
    public_keys: Vec<ListedKey>,
}

#[derive(Deserialize)]
struct ListedKey {
    key_identifier: String,
    key: String,
}

impl Published {
    fn is_believed(&self, now: AtUs) -> bool {
        self.at.is_some_and(|at| now.since(at) < BELIEVED_US)
    }

    fn believed(&self, id: &str, now: AtUs) -> Option<PublicKey> {
        self.keys.get(id).filter(|_| self.is_believed(now)).copied()
    }
}

impl Signers {
    /// Those whose keys are in `list`, in the form in which GitHub publishes its own, and those
    /// whose keys are published at `url`. Nobody is called yet.
    ///
    /// # Errors
    /// [`BadSigners`] if the list is none.
    pub fn new(list: Option<&[u8]>, url: Option<String>) -> Result<Self, BadSigners> {
        let mut configured = HashMap::new();
        for listed in list.map(read).transpose()?.into_iter().flatten() {
            let ListedKey {
                key_identifier: id,
                key,
            } = listed;
            match PublicKey::from_pem(&key) {
                Ok(key) => configured.insert(id, key),
                Err(BadPublicKey) => return Err(BadSigners::Key(id)),
            };
        }
        Ok(Signers(Arc::new(Inner {
            configured,
            url,
            outbound: Outbound::new(TIMEOUT),
            published: RwLock::default(),
            asked_at: Mutex::default(),
        })))
    }

    /// The public key of this identifier, if somebody who may report has it.
    pub(super) async fn key(&self, id: &str, now: AtUs) -> Result<Option<PublicKey>, Unavailable> {
        let inner = &self.0;
        let configured = inner.configured.get(id).copied();
        let Some(url) = inner.url.as_deref().filter(|_| configured.is_none()) else {
            return Ok(configured);
        };
        if let Some(key) = inner.published.read().believed(id, now) {
            return Ok(Some(key));
        }
        let mut asked_at = inner.asked_at.lock().await;
        if asked_at.is_none_or(|at| now.since(at) >= BETWEEN_US) {
            *asked_at = Some(now);
            match inner.ask(url).await {
                Ok(keys) => {
                    let at = Some(now);
                    *inner.published.write() = Published { keys, at };
                }
                Err(reason) => tracing::warn!(reason, "who signs leak reports is not known"),
            }
        }
        let published = inner.published.read();
        match published.is_believed(now) {
            true => Ok(published.believed(id, now)),
            false => Err(Unavailable),
        }
    }
}

impl Inner {
    async fn ask(&self, url: &str) -> Result<HashMap<String, PublicKey>, String> {
        let request = Request::get(url)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "farebox")
            .body(Full::<Bytes>::default())
            .map_err(|error| error.to_string())?;
        let answer = self.outbound.call(request, ANSWER_BYTES).await?;
        if !answer.status.is_success() {
            return Err(format!("{url} answered {}", answer.status));
        }
        let body = answer
            .body
            .ok_or_else(|| format!("{url} broke off or says too much"))?;
        let listed = read(&body).map_err(|error| format!("what {url} answers: {error}"))?;
        // Another kind of key among them is for somebody else.
        let key = |it: ListedKey| Some((it.key_identifier, PublicKey::from_pem(&it.key).ok()?));
        Ok(listed.into_iter().take(MOST_KEYS).filter_map(key).collect())
    }
}

fn read(list: &[u8]) -> Result<Vec<ListedKey>, BadSigners> {
    let list: KeyList = serde_json::from_slice(list).map_err(|_| BadSigners::Form)?;
    Ok(list.public_keys)
}
