//! What an upstream says it is owed, read from OpenAI's costs API; and what is told to operators
//! when it is not what our books say.

use domain::Entropy;
use domain::message::Letter;
use domain::time::AtUs;
use store::Tx;
use store::people::users;
use store::upstream_costs::{self, Bill, Drift, Tolerance};

use super::upstream_costs::{DAY_S, MOST_DAYS};
use crate::OfferedModel;
use crate::body::Fields;
use crate::people::Post;
use crate::respond::Outcome;

/// The most results of a day.
const MOST_RESULTS: usize = 10_000;

/// Reads a page of daily buckets.
pub(super) fn read(costs: &Fields) -> Outcome<Bill> {
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
pub(super) fn names<'a>(upstream: &str, offered: &'a [OfferedModel]) -> Vec<(String, &'a str)> {
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
pub(super) fn model_of<'a>(line: &str, names: &[(String, &'a str)]) -> Option<&'a str> {
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

/// Tells every operator of days that are over, off by more than is let pass, and were not told of
/// before.
pub(super) fn alarm(
    tx: &mut Tx<'_>,
    upstream: &str,
    bill: &Bill,
    now: AtUs,
    entropy: Entropy,
) -> Outcome<Vec<Drift>> {
    let drifts = upstream_costs::alarm(tx, upstream, bill, Tolerance::USUAL, now)?;
    if drifts.is_empty() {
        return Ok(drifts);
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
    Ok(drifts)
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
}
