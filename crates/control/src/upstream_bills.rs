//! What upstreams say they are owed: read from OpenAI's costs API, whoever brings it; kept; and
//! told to operators where it is not what our books say.
//!
//! Upstreams that have an admin key are asked by `fetching`, once an hour.

pub(crate) mod fetching;

use domain::Entropy;
use domain::message::Letter;
use domain::time::{AtUs, DAY_US};
use store::people::users;
use store::upstream_costs::{self, Bill, Drift, Tolerance};
use store::{StoreError, Tx};

use crate::OfferedModel;
use crate::body::Fields;
use crate::people::Post;
use crate::respond::{Outcome, Refusal};

pub use fetching::{BadCostSource, CostSource};

/// The most days that are imported at once: as many as OpenAI's costs API has on a page.
pub(crate) const MOST_DAYS: usize = 180;
/// The most results of a day.
const MOST_RESULTS: usize = 10_000;
/// How long a day is, in seconds.
pub(crate) const DAY_S: i64 = DAY_US / 1_000_000;

/// What was decided about upstreams' bills.
#[derive(Clone, Debug)]
pub struct UpstreamBills {
    /// What is let pass between their word and our books.
    pub tolerance: Tolerance,
    /// Whom to ask.
    pub sources: Vec<CostSource>,
}

impl Default for UpstreamBills {
    fn default() -> Self {
        UpstreamBills {
            tolerance: Tolerance::USUAL,
            sources: Vec::new(),
        }
    }
}

/// What came of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether it said anything that was not known.
    pub is_new: bool,
    /// The days that were over, off by more than is let pass, and not told of before.
    pub drifts: Vec<Drift>,
}

/// Reads a page of OpenAI's costs API, as JSON.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn parse(json: &[u8]) -> Result<Bill, String> {
    let page = Fields::from_json(json).map_err(|_| "It is no JSON object.".to_owned())?;
    read(&page).map_err(|refusal| match refusal {
        Refusal::Missing { param } => format!("'{param}' is missing."),
        Refusal::Invalid { message, .. } => message,
        _ => "It is no page of OpenAI's costs API.".to_owned(),
    })
}

/// Reads a page of daily buckets.
pub(crate) fn read(costs: &Fields) -> Outcome<Bill> {
    let buckets = costs.required("data", costs.objects("data", MOST_DAYS)?)?;
    let mut bill = Bill::default();
    for (day, bucket) in buckets.iter().enumerate() {
        let at = |param| bucket.integer(param, 0..=i64::MAX / 2_000_000);
        let start = bucket.required("start_time", at("start_time")?)?;
        let end = bucket.required("end_time", at("end_time")?)?;
        if start % DAY_S != 0 || end != start + DAY_S {
            return Err(bucket.invalid("start_time", "a bucket must be one day, UTC"));
        }
        let lines = bill.days.entry(AtUs::from_seconds(start)).or_default();
        let results = bucket.objects("results", MOST_RESULTS)?;
        for (index, result) in bucket.required("results", results)?.iter().enumerate() {
            let way = format!("costs.data[{day}].results[{index}].amount.");
            let amount = result.object("amount", &way)?;
            let amount = result.required("amount", amount)?;
            if !amount.is_absent_or("currency", "usd") {
                return Err(amount.invalid("currency", "expected 'usd'"));
            }
            let value = amount.required("value", amount.rounded_usd("value")?)?;
            let line = result.text("line_item")?.unwrap_or_default().to_owned();
            // The same line may come once for each project.
            *lines.entry(line).or_default() += value;
        }
    }
    Ok(bill)
}

/// What an upstream calls the models that run on it, and what they are called here.
pub(crate) fn names<'a>(upstream: &str, offered: &'a [OfferedModel]) -> Vec<(String, &'a str)> {
    let mut names = Vec::new();
    for model in offered {
        let there = model
            .deployments
            .iter()
            .filter(|it| *it.upstream == *upstream);
        names.extend(there.map(|it| (words(&it.model), &*model.id)));
    }
    names
}

/// Which of our models a line item is about: the one with the longest name that it begins with, as
/// `gpt-4o-mini-2024-07-18, input` does with `gpt-4o-mini`.
pub(crate) fn model_of<'a>(line: &str, names: &[(String, &'a str)]) -> Option<&'a str> {
    let line = words(line);
    let is_it = |(theirs, _): &&(String, &str)| {
        let rest = line.strip_prefix(&**theirs);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    };
    let named = names
        .iter()
        .filter(is_it)
        .max_by_key(|(theirs, _)| theirs.len());
    named.map(|(_, ours)| *ours)
}

/// A name, however it is written.
fn words(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

/// Keeps a bill, and tells every operator by mail of days that are over, off by more than is let
/// pass, and were not told of before: once for each upstream and day.
///
/// # Errors
/// [`StoreError`]; nothing was kept.
pub fn take(
    tx: &mut Tx<'_>,
    upstream: &str,
    bill: &Bill,
    tolerance: Tolerance,
    (now, entropy): (AtUs, Entropy),
) -> Result<Taken, StoreError> {
    let is_new = upstream_costs::import(tx, upstream, bill, now)?;
    let drifts = upstream_costs::alarm(tx, upstream, bill, tolerance, now)?;
    if drifts.is_empty() {
        return Ok(Taken { is_new, drifts });
    }
    let operators = users::operators(tx)?;
    let post = Post { now, entropy };
    for drift in &drifts {
        tracing::warn!(
            upstream,
            day_s = drift.day.seconds(),
            ours_usd = drift.ours.to_usd(),
            theirs_usd = drift.theirs.to_usd(),
            "an upstream says that it is owed another amount than our books say"
        );
        for operator in &operators {
            let letter = Letter::UpstreamDrift {
                upstream: upstream.to_owned(),
                day: drift.day,
                ours: drift.ours,
                theirs: drift.theirs,
            };
            post.mail(tx, &operator.email, letter, None)?;
        }
    }
    Ok(Taken { is_new, drifts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_about_the_model_with_the_longest_name_that_it_begins_with() {
        let names = [("gpt-4o", "large"), ("gpt-4o-mini", "small"), ("o1", "o1")];
        let names = names.map(|(theirs, ours)| (theirs.to_owned(), ours));
        for (line, model) in [
            ("gpt-4o-mini-2024-07-18, input", Some("small")),
            ("gpt-4o, cached input", Some("large")),
            ("GPT-4o mini output", Some("small")),
            ("o1", Some("o1")),
            ("o1pro, input", None),
            ("Image models", None),
            ("", None),
        ] {
            assert_eq!(model_of(line, &names), model, "{line}");
        }
    }

    #[test]
    fn what_is_no_page_is_told_as_a_sentence() {
        for (page, problem) in [
            ("[]", "It is no JSON object."),
            ("{}", "'data' is missing."),
            (
                r#"{"data": [{"start_time": 1, "end_time": 2, "results": []}]}"#,
                "a bucket must be one day, UTC.",
            ),
        ] {
            let told = parse(page.as_bytes()).expect_err("it is none");
            assert!(told.ends_with(problem), "{page}: {told}");
        }
    }
}
