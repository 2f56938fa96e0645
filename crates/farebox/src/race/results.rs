//! What a run found, and its JSON.

use std::sync::Arc;
use std::time::Duration;

use domain::money::Nusd;
use serde_json::{Map, Value, json};

use super::billing::Billed;
use super::books::Sum;
use super::kill::Killed;
use super::latency::{Latency, Side};
use super::run::{Run, Tally};
use super::spend::{End, Spent};
use crate::cli::{self, Failure};

/// A part that was measured, or why it was not.
pub(super) type Part<T> = Result<T, String>;

/// Everything.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) run: Arc<Run>,
    pub(super) race: Part<Raced>,
    pub(super) kill: Part<(Killed, Part<Billed>)>,
    pub(super) latency: Part<Latency>,
    /// All of the run beside all that was billed.
    pub(super) billed: Part<Billed>,
}

/// The race, in money.
#[derive(Debug)]
pub(super) struct Raced {
    pub(super) budget: Nusd,
    /// Of the same budget, before the race: the first request, the latency, the kill.
    pub(super) before: Sum,
    pub(super) spent: Spent,
    /// What the upstream answered to the end in the race.
    pub(super) upstream: Sum,
}

impl Raced {
    /// What clients got for the budget.
    pub(super) fn served(&self) -> Sum {
        self.before + self.spent.tally.served()
    }

    /// What they got beyond it.
    pub(super) fn over(&self) -> Nusd {
        (self.served().cost - self.budget).max(Nusd::ZERO)
    }

    /// The part of the budget that was served, from 0 to 1.
    pub(super) fn usable_share(&self) -> f64 {
        let used = self.served().cost.min(self.budget);
        used.get() as f64 / self.budget.get() as f64
    }

    /// Why this says nothing about the budget, if so: the race ended before its limit.
    pub(super) fn inconclusive(&self) -> Option<String> {
        let reason = match self.spent.end {
            End::Refused | End::Overspent => return None,
            _ if self.over() > Nusd::ZERO => return None,
            End::Requests => "as many requests as --requests allows. Allow more",
            End::Time => "the time that --seconds allows. Allow more",
            End::Gone => "the gateway stopped answering. Look at its log",
        };
        Some(format!(
            "the race ended before the budget did, with {} of {} served: {reason}.",
            self.served().cost,
            self.budget
        ))
    }
}

impl Results {
    /// Whether what was asked for could be measured, however it turned out.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let settings = &self.run.settings;
        let parts = [
            ("race", cli::Part::Race, self.race.as_ref().err()),
            ("kill", cli::Part::Kill, self.kill.as_ref().err()),
            ("latency", cli::Part::Latency, self.latency.as_ref().err()),
        ];
        for (name, part, missing) in parts {
            if let Some(why) = missing.filter(|_| settings.insists_on(part)) {
                return Err(Failure::new(format!("the {name} was not measured: {why}.")));
            }
        }
        let inconclusive = self.race.as_ref().ok().and_then(Raced::inconclusive);
        inconclusive.map_or(Ok(()), |why| Err(Failure::new(why)))
    }

    /// For machines: amounts are decimal strings in USD, times are milliseconds.
    pub(super) fn json(&self) -> Value {
        let settings = &self.run.settings;
        let (input, output) = settings.stated_prices;
        json!({
            "base_url": settings.base.to_string(),
            "model": settings.model,
            "budget_usd": settings.budget.to_usd(),
            "prices_usd_per_million": {"input": input.to_usd(), "output": output.to_usd()},
            "clients": settings.clients,
            "stream": settings.stream,
            "answer_ms": settings.answer_ms,
            "seed": settings.seed,
            "race": part(&self.race, race),
            "kill": part(&self.kill, kill),
            "latency": part(&self.latency, latency),
            "billing": part(&self.billed, billing),
        })
    }
}

fn part<T>(part: &Part<T>, json: impl Fn(&T) -> Value) -> Value {
    match part {
        Ok(found) => {
            let mut value = json(found);
            value["measured"] = true.into();
            value
        }
        Err(why) => json!({"measured": false, "why": why}),
    }
}

fn race(raced: &Raced) -> Value {
    let tally = &raced.spent.tally;
    let mut value = counts(tally);
    value["served_usd"] = raced.served().cost.to_usd().into();
    value["over_budget_usd"] = raced.over().to_usd().into();
    value["usable_share"] = raced.usable_share().into();
    value["served_before_usd"] = raced.before.cost.to_usd().into();
    value["ended"] = match raced.spent.end {
        End::Refused => "refused",
        End::Overspent => "overspent",
        End::Requests => "requests",
        End::Time => "time",
        End::Gone => "gone",
    }
    .into();
    value["seconds"] = raced.spent.took.as_secs_f64().into();
    value["upstream"] = sum(raced.upstream);
    value
}

fn kill((killed, billed): &(Killed, Part<Billed>)) -> Value {
    let mut value = counts(&killed.tally);
    value["down_ms"] = ms(killed.down).into();
    value["open"] = sum(killed.open);
    value["restarted_pid"] = killed.running.into();
    value["billing"] = part(billed, billing);
    value
}

fn latency(found: &Latency) -> Value {
    let side = |side: &Side| {
        json!({
            "answers": side.count(),
            "per_second": side.rate(),
            "p50_ms": ms(side.whole(50)),
            "p99_ms": ms(side.whole(99)),
            "first_text_p50_ms": ms(side.first_text(50)),
            "first_text_p99_ms": ms(side.first_text(99)),
        })
    };
    let ratio = |percent| ratio(found.gateway.whole(percent), found.direct.whole(percent));
    json!({
        "direct": side(&found.direct),
        "gateway": side(&found.gateway),
        "p50_ratio": ratio(50),
        "p99_ratio": ratio(99),
        "refused": found.tally.refusals(),
        "broken": found.tally.broken,
    })
}

fn billing(billed: &Billed) -> Value {
    json!({
        "delivered": sum(billed.delivered),
        "open": sum(billed.open),
        "billed_usd": billed.billed.to_usd(),
        "delivered_not_billed_usd": billed.unbilled().to_usd(),
        "billed_not_served_usd": billed.overbilled().to_usd(),
    })
}

fn counts(tally: &Tally) -> Value {
    let refused = tally
        .refused
        .iter()
        .map(|((status, code), count)| json!({"status": status, "code": code, "count": count}));
    let mut value = Map::new();
    value.insert("answered".to_owned(), sum(tally.whole));
    value.insert("cut_short".to_owned(), tally.shortened.into());
    value.insert("answered_in_part".to_owned(), sum(tally.partial));
    value.insert("foreign_answers".to_owned(), tally.foreign.into());
    value.insert("refused".to_owned(), refused.collect());
    value.insert("broken".to_owned(), tally.broken.into());
    Value::Object(value)
}

fn sum(sum: Sum) -> Value {
    json!({"count": sum.count, "usd": sum.cost.to_usd()})
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How many times as long the first is.
pub(super) fn ratio(first: Duration, second: Duration) -> f64 {
    first.as_secs_f64() / second.as_secs_f64().max(f64::MIN_POSITIVE)
}
