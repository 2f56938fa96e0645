//! What a list of the log may be narrowed down to.

use std::ops::RangeInclusive;

use domain::id::{KeyId, ProjectId, RequestId, UserId};
use domain::money::Nusd;
use domain::time::AtUs;
use store::request_log::{Filter, Outcome as Ended};
use utoipa::IntoParams;

use crate::query::{Query, invalid};
use crate::respond::Outcome;

/// What a list of the log may be narrowed down to.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes; `read_filter` reads")]
pub(crate) struct LogFilters {
    /// Ended at this Unix second or later.
    start_time: Option<i64>,
    /// Ended before this Unix second.
    end_time: Option<i64>,
    /// `ok`, `refused`, `failed` or `cancelled`.
    outcome: Option<String>,
    /// The status of the answer; 499 where the client left.
    #[param(minimum = 100, maximum = 599)]
    status: Option<i64>,
    /// The code of the error.
    error_code: Option<String>,
    /// Of this model, by its public name.
    model: Option<String>,
    /// Made for this project.
    project_id: Option<String>,
    /// Made with this key.
    api_key_id: Option<String>,
    /// The person whose key it is.
    user_id: Option<String>,
    /// `chat`, `responses`, `completions` or `embeddings`.
    endpoint: Option<String>,
    /// Answered, or failed, by this upstream.
    upstream: Option<String>,
    /// Cost at least this many US dollars.
    min_cost_usd: Option<String>,
    /// Took at least so long.
    #[param(minimum = 0)]
    min_duration_ms: Option<i64>,
    /// This request.
    request_id: Option<String>,
}

/// A second that is far enough from now, and not too far to be counted in microseconds.
const MOST_SECONDS: i64 = 253_402_300_799;

/// Reads what is wanted.
pub(crate) fn read_filter(query: &Query) -> Outcome<Filter> {
    let given = |name: &str| query.one(name).filter(|value| !value.is_empty());
    let number = |name: &str, bounds: RangeInclusive<i64>| -> Outcome<Option<i64>> {
        match given(name) {
            Some(_) => Ok(Some(query.number(name, 0, bounds)?)),
            None => Ok(None),
        }
    };
    let second = |name: &str| -> Outcome<Option<AtUs>> {
        Ok(number(name, 0..=MOST_SECONDS)?.map(AtUs::from_seconds))
    };
    let outcome = given("outcome").map(|word| {
        let expected = "Expected 'ok', 'refused', 'failed' or 'cancelled'";
        let unknown = || {
            invalid(
                "outcome",
                format!("Invalid 'outcome': '{word}'. {expected}."),
            )
        };
        Ended::parse(word).ok_or_else(unknown)
    });
    let min_cost = given("min_cost_usd").map(|text| {
        let message =
            || "Invalid 'min_cost_usd': expected a decimal number of US dollars.".to_owned();
        Nusd::parse_usd(text).map_err(|_| invalid("min_cost_usd", message()))
    });
    let request = given("request_id").map(|id| {
        let message =
            || "Invalid 'request_id': expected 'req_' and 32 hexadecimal digits.".to_owned();
        RequestId::parse(id).ok_or_else(|| invalid("request_id", message()))
    });
    let text = |name: &str| given(name).map(str::to_owned);
    Ok(Filter {
        from: second("start_time")?,
        to: second("end_time")?,
        outcome: outcome.transpose()?,
        status: number("status", 100..=599)?,
        error_code: text("error_code"),
        model: text("model"),
        project: given("project_id").map(ProjectId::new),
        key: given("api_key_id").map(KeyId::new),
        user: given("user_id").map(UserId::new),
        endpoint: text("endpoint"),
        upstream: text("upstream"),
        min_cost: min_cost.transpose()?,
        min_duration_us: number("min_duration_ms", 0..=MOST_SECONDS)?.map(|ms| ms * 1_000),
        request: request.transpose()?,
    })
}
