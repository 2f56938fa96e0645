//! What the gateway says it billed, where it can be asked: Farebox's Administration API.

use std::time::Duration;

use domain::money::Nusd;
use domain::time::{AtUs, DAY_US};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use super::ask::shown;
use super::books::Sum;
use crate::clock::{self, Stopwatch};
use crate::config::Secret;
use crate::http_client::{self, BaseUrl, Connection, Failed};

/// One question takes no longer.
const PATIENCE: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(500);
/// The same sum so many times in a row is the last word.
const STEADY: u32 = 4;
const MOST_BYTES: usize = 4 << 20;

/// The organization's costs from when the run began.
#[derive(Debug)]
pub(super) struct Bill {
    base: BaseUrl,
    key: Secret,
    start_s: i64,
    before: Nusd,
}

/// Delivered beside billed, from the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Billed {
    /// Answers that clients have in full.
    pub(super) delivered: Sum,
    /// Calls of the upstream that no client has in full: they may be billed, in part too.
    pub(super) open: Sum,
    pub(super) billed: Nusd,
}

impl Billed {
    /// Delivered and surely not billed.
    pub(super) fn unbilled(&self) -> Nusd {
        (self.delivered.cost - self.billed).max(Nusd::ZERO)
    }

    /// Billed, and neither delivered nor begun.
    pub(super) fn overbilled(&self) -> Nusd {
        (self.billed - self.delivered.cost - self.open.cost).max(Nusd::ZERO)
    }
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    results: Vec<Costs>,
}

#[derive(Deserialize)]
struct Costs {
    amount: Amount,
}

#[derive(Deserialize)]
struct Amount {
    /// As it is written, so that no digit is lost.
    value: Box<RawValue>,
}

impl Bill {
    /// Notes what was billed before.
    ///
    /// # Errors
    /// Why the costs cannot be read, for people.
    pub(super) async fn open(base: &BaseUrl, key: &Secret) -> Result<Self, String> {
        let AtUs(now_us) = clock::now();
        let mut bill = Bill {
            base: base.clone(),
            key: key.clone(),
            // A day more, so that the gateway's clock need not agree.
            start_s: AtUs(now_us - DAY_US).floor(DAY_US).seconds(),
            before: Nusd::ZERO,
        };
        bill.before = bill.total().await?;
        Ok(bill)
    }

    /// What was billed since, once it is steady and at least `delivered`, or after `wait`.
    ///
    /// # Errors
    /// Why the costs cannot be read, for people.
    pub(super) async fn compare(
        &self,
        delivered: Sum,
        open: Sum,
        wait: Duration,
    ) -> Result<Billed, String> {
        let began = Stopwatch::start();
        let (mut last, mut steady) = (None, 0);
        loop {
            let total = self.total().await;
            let over = began.elapsed() >= wait;
            if let Ok(total) = total {
                let billed = total - self.before;
                steady = if last == Some(billed) { steady + 1 } else { 0 };
                last = Some(billed);
                if over || (billed >= delivered.cost && steady >= STEADY) {
                    return Ok(Billed {
                        delivered,
                        open,
                        billed,
                    });
                }
            } else if over {
                return Err(total.err().unwrap_or_default());
            }
            sleep(EVERY).await;
        }
    }

    async fn total(&self) -> Result<Nusd, String> {
        let told = |problem: Failed| {
            format!(
                "{}/organization/costs: {}",
                self.base,
                shown(&http_client::told(&problem), &self.key)
            )
        };
        match timeout(PATIENCE, self.read()).await {
            Ok(total) => total.map_err(told),
            Err(_) => Err(told("no answer".into())),
        }
    }

    async fn read(&self) -> Result<Nusd, Failed> {
        let path = format!("/organization/costs?start_time={}&limit=7", self.start_s);
        let request = Request::get(path)
            .header(AUTHORIZATION, format!("Bearer {}", self.key.expose()))
            .body(Full::default())?;
        let mut connection = Connection::new(self.base.clone());
        let (head, body) = connection.send(request).await?.into_parts();
        let body = http_client::whole(body, MOST_BYTES).await?;
        if head.status != StatusCode::OK {
            return Err(format!("{}: {}", head.status, String::from_utf8_lossy(&body)).into());
        }
        let page: Page = serde_json::from_slice(&body)?;
        let results = page.data.iter().flat_map(|bucket| &bucket.results);
        let mut total = Nusd::ZERO;
        for costs in results {
            total += Nusd::parse_usd(costs.amount.value.get())?;
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_billed_or_not_is_neither_lost_nor_too_much() {
        let sum = |cost| Sum {
            count: 1,
            cost: Nusd::new(cost),
        };
        for (billed, unbilled, overbilled) in [
            (90, 10, 0),
            (100, 0, 0),
            (120, 0, 0),
            (130, 0, 0),
            (131, 0, 1),
        ] {
            let billed = Billed {
                delivered: sum(100),
                open: sum(30),
                billed: Nusd::new(billed),
            };
            assert_eq!(billed.unbilled(), Nusd::new(unbilled), "{billed:?}");
            assert_eq!(billed.overbilled(), Nusd::new(overbilled), "{billed:?}");
        }
    }
}
