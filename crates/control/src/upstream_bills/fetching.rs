//! Asks upstreams what they say they are owed: OpenAI's costs API, by an admin key of the
//! upstream's own, once an hour, on one of all nodes.
//!
//! The last days are asked for each time, as a provider's word on a day changes for a while.
//! Answers are bounded in size, pages and time; what fails is logged, and asked for again an hour
//! later.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use domain::people::throttle::Throttle;
use domain::secret::Secret;
use domain::time::{AtUs, DAY_US, HOUR_US};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request};
use http_body_util::Full;
use store::StoreError;
use store::people::throttles;
use store::upstream_costs::Bill;

use super::take;
use crate::Control;
use crate::body::Fields;
use crate::outbound::{Outbound, encoded, form};

/// How often upstreams are asked, whichever node comes first.
const TURNS: Throttle = Throttle {
    name: "upstream_costs",
    every_us: HOUR_US,
    burst: 1,
};
/// So many days before today are asked for.
const DAYS: i64 = 7;
/// The most pages of an answer, and the most bytes of one.
const MOST_PAGES: usize = 50;
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The longest that one page may take, and all of an upstream's.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(300);

/// An upstream that says what it is owed.
#[derive(Clone)]
pub struct CostSource {
    upstream: String,
    base_url: String,
    authorization: HeaderValue,
}

/// An admin key that is none: it has characters that no header can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no key: it has blanks or other characters that no key has")]
pub struct BadCostSource;

impl fmt::Debug for CostSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CostSource({} at {})", self.upstream, self.base_url)
    }
}

impl CostSource {
    /// An upstream, asked at `base_url`, such as `https://api.openai.com/v1`. It is not called yet.
    ///
    /// # Errors
    /// [`BadCostSource`].
    pub fn new(upstream: &str, base_url: &str, key: &Secret) -> Result<Self, BadCostSource> {
        let key = key.expose();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadCostSource);
        }
        let authorization = HeaderValue::from_str(&format!("Bearer {key}"));
        let mut authorization = authorization.map_err(|_| BadCostSource)?;
        authorization.set_sensitive(true);
        Ok(CostSource {
            upstream: upstream.to_owned(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            authorization,
        })
    }

    /// What it says of the last days.
    async fn fetch(&self, now: AtUs) -> Result<Bill, String> {
        let outbound = Outbound::new(PAGE_TIMEOUT);
        let since = now.floor(DAY_US).plus(-DAYS * DAY_US).seconds().to_string();
        let limit = (DAYS + 1).to_string();
        let mut bill = Bill::default();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let fields = [
                ("start_time", &*since),
                ("bucket_width", "1d"),
                ("group_by", "line_item"),
                ("limit", &*limit),
            ];
            let mut query = form(&fields);
            if let Some(page) = &next {
                query.push_str(&format!("&page={}", encoded(page)));
            }
            let page = self.page(&outbound, &query).await?;
            let read = super::read(&page);
            let read = read.map_err(|_| "its answer is no page of costs".to_owned())?;
            for (day, lines) in read.days {
                // A day whose lines do not fit on a page goes on with the next.
                let known = bill.days.entry(day).or_default();
                for (line, amount) in lines {
                    *known.entry(line).or_default() += amount;
                }
            }
            let wrong = |_| "its answer is no page of costs".to_owned();
            next = page
                .text("next_page")
                .map_err(wrong)?
                .map(ToOwned::to_owned);
            if next.is_none() {
                return Ok(bill);
            }
        }
        Err(format!("its answer has more than {MOST_PAGES} pages"))
    }

    async fn page(&self, outbound: &Outbound, query: &str) -> Result<Fields, String> {
        let request = Request::get(format!("{}/organization/costs?{query}", self.base_url))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::new()))
            .map_err(|error| error.to_string())?;
        let answer = outbound.call(request, MOST_BYTES).await?;
        if !answer.status.is_success() {
            // What else it says may repeat the key.
            return Err(format!("it answered {}", answer.status));
        }
        let body = answer.body;
        let body = body.ok_or_else(|| "its answer broke off, or is too long".to_owned())?;
        Fields::from_json(&body).map_err(|_| "its answer is no JSON".to_owned())
    }
}

/// Asks every upstream that has a key for it, if no node did within the hour.
///
/// # Errors
/// [`StoreError`]: nobody was asked.
pub(crate) async fn hourly(control: &Control) -> Result<(), StoreError> {
    if control.upstream_bills.sources.is_empty() {
        return Ok(());
    }
    let now = control.now();
    let is_due = move |tx: &mut store::Tx<'_>| throttles::check(tx, &TURNS, "", now);
    if control.store.read(is_due).await?.is_err() {
        return Ok(());
    }
    let turn = move |tx: &mut store::Tx<'_>| throttles::take(tx, &TURNS, "", now);
    if control.store.write(turn).await?.is_ok() {
        tokio::spawn(fetch_all(control.clone()));
    }
    Ok(())
}

/// One after the other, so that one that is away holds up none that is not for long.
async fn fetch_all(control: Control) {
    for source in &control.upstream_bills.sources {
        let now = control.now();
        let upstream = source.upstream.clone();
        let bill = match tokio::time::timeout(TIMEOUT, source.fetch(now)).await {
            Ok(Ok(bill)) => bill,
            Ok(Err(reason)) => {
                tracing::warn!(upstream, reason, "an upstream did not say what it is owed");
                continue;
            }
            Err(_) => {
                tracing::warn!(upstream, "an upstream took too long to say what it is owed");
                continue;
            }
        };
        let (tolerance, at) = (control.upstream_bills.tolerance, (now, control.entropy));
        let of = upstream.clone();
        let write = control
            .store
            .write(move |tx| take(tx, &of, &bill, tolerance, at));
        match write.await {
            Ok(taken) => {
                tracing::debug!(upstream, taken.is_new, "an upstream said what it is owed")
            }
            Err(error) => {
                tracing::warn!(upstream, %error, "what an upstream is owed could not be kept");
            }
        }
    }
}
