//! Asking an upstream on demand whether it is there: for the list of its models, which costs
//! nothing. Bounded in time and bytes; what it says is shown to operators only.

use std::time::Duration;

use bytes::Bytes;
use domain::time::{MonoClock, MonoUs};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};

use super::Upstream;

/// Nobody waits longer for a list of names.
const MOST_TIME: Duration = Duration::from_secs(5);
/// The largest list that is read.
const MOST_BYTES: usize = 1024 * 1024;
/// The most names that are kept of it.
const MOST_MODELS: usize = 1_000;

/// What an upstream answered when it was asked for its models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it went.
    pub outcome: CheckOutcome,
    /// How long that took, in microseconds.
    pub took_us: i64,
    /// The names of its models, if it told them.
    pub models: Option<Vec<String>>,
}

/// How asking an upstream went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It answered with this status.
    Answered(u16),
    /// It has no address: the built-in engine is not up.
    NotStarted,
    /// It could not be reached.
    Unreachable,
    /// It took too long.
    TimedOut,
}

impl Upstream {
    /// Asks for the list of models.
    pub(crate) async fn check(&self, mono: MonoClock) -> Check {
        let begun: MonoUs = mono();
        let most = MOST_TIME.min(self.spec.timeout);
        let asked = tokio::time::timeout(most, self.list_models()).await;
        let (outcome, models) = asked.unwrap_or((CheckOutcome::TimedOut, None));
        Check {
            outcome,
            took_us: mono().since(begun),
            models,
        }
    }

    async fn list_models(&self) -> (CheckOutcome, Option<Vec<String>>) {
        let Some(base) = (self.spec.base_url)() else {
            return (CheckOutcome::NotStarted, None);
        };
        let request = self.stamped(Request::get(format!("{base}/models")));
        let Ok(request) = request.body(Full::new(Bytes::new())) else {
            return (CheckOutcome::Unreachable, None);
        };
        let Ok(response) = self.client.request(request).await else {
            return (CheckOutcome::Unreachable, None);
        };
        let status = response.status();
        let outcome = CheckOutcome::Answered(status.as_u16());
        if status != StatusCode::OK {
            return (outcome, None);
        }
        let body = Limited::new(response.into_body(), MOST_BYTES).collect();
        let body = body.await.ok().map(http_body_util::Collected::to_bytes);
        (outcome, body.and_then(|body| names(&body)))
    }
}

/// The ids in a list of models.
fn names(body: &[u8]) -> Option<Vec<String>> {
    let list: serde_json::Value = serde_json::from_slice(body).ok()?;
    let models = list.get("data")?.as_array()?.iter();
    let ids = models.filter_map(|model| model.get("id")?.as_str());
    Some(ids.take(MOST_MODELS).map(ToOwned::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_of_models_names_models() {
        let names = |text: &str| names(text.as_bytes());
        assert_eq!(
            names(r#"{"object":"list","data":[{"id":"a"},{"id":7},{},{"id":"b"}]}"#),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        for other in ["", "[]", r#"{"data":{}}"#, "<html>"] {
            assert_eq!(names(other), None, "{other}");
        }
    }
}
