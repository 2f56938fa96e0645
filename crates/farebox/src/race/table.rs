//! What a run found, as text for people.

use std::time::Duration;

use domain::money::Nusd;

use super::billing::Billed;
use super::books::Sum;
use super::kill::Killed;
use super::latency::{Latency, Side};
use super::results::{Part, Raced, Results, ratio};
use super::run::Tally;
use super::spend::End;

/// Fewer answers have no 99th percentile.
const LEAST_FOR_P99: usize = 100;
/// Amounts show at least so many decimals, so that they line up; never fewer than they have.
const DECIMALS: usize = 6;

/// One line: a label, figures in columns, and what there is to say about them.
#[derive(Debug, Default)]
struct Row {
    label: String,
    figures: Vec<String>,
    remark: String,
}

/// The whole table.
pub(super) fn render(results: &Results) -> String {
    let settings = &results.run.settings;
    let (input, output) = settings.stated_prices;
    let kind = if settings.stream { "streamed" } else { "plain" };
    let mut text = format!(
        "{} at {}\n{} clients, {kind} answers, {input} and {output} per million tokens, seed {}\n",
        settings.model, settings.base, settings.clients, settings.seed
    );
    let race = results.race.as_ref().map(race);
    section(&mut text, "The race for the budget", race);
    let kill = results.kill.as_ref().map(kill);
    section(&mut text, "kill -9 in the middle of load", kill);
    let latency = |found| latency(found, settings.stream);
    let latency = results.latency.as_ref().map(latency);
    section(&mut text, "Latency with billing on", latency);
    let billed = results.billed.as_ref().map(billing);
    section(
        &mut text,
        "The whole run, beside what the gateway billed",
        billed,
    );
    text
}

fn section(text: &mut String, heading: &str, rows: Result<Vec<Row>, &String>) {
    text.push_str(&format!("\n{heading}\n"));
    match rows {
        Ok(rows) => text.push_str(&aligned(&rows)),
        Err(why) => text.push_str(&format!("  not measured: {why}\n")),
    }
}

fn race(raced: &Raced) -> Vec<Row> {
    let tally = &raced.spent.tally;
    let mut rows = vec![
        row("budget", usd(raced.budget)),
        amount("served", raced.served()),
        beyond(raced),
        row("usable share", share(raced.usable_share())),
    ];
    if raced.before.count > 0 {
        rows.push(amount("served before the race", raced.before));
    }
    rows.push(row("admitted", grouped(tally.answers())));
    rows.extend(troubles(tally));
    let lost = raced.upstream.count.saturating_sub(tally.answers());
    if lost > 0 {
        let remark = "answered by the upstream, and no client got it";
        rows.push(row("wasted", grouped(lost)).with(remark));
    }
    let remark = match raced.spent.end {
        End::Refused => "until every client was refused for good",
        End::Overspent => "stopped at four times the budget; the gateway went on",
        End::Requests => "stopped at the most answers allowed; the gateway went on",
        End::Time => "stopped when the time was over; the gateway went on",
        End::Gone => "stopped when the gateway no longer answered",
    };
    rows.push(row("took", seconds(raced.spent.took)).with(remark));
    rows
}

fn beyond(raced: &Raced) -> Row {
    let beyond = row("beyond the budget", usd(raced.over()));
    match raced.over() {
        Nusd::ZERO => beyond,
        over => {
            let percent = over.get() as f64 / raced.budget.get() as f64 * 100.0;
            beyond.with(&format!("{percent:.2} % of it"))
        }
    }
}

fn kill((killed, billed): &(Killed, Part<Billed>)) -> Vec<Row> {
    let tally = &killed.tally;
    let mut rows = vec![
        amount("delivered in full", tally.whole),
        amount("in flight at the kill", killed.open),
    ];
    rows.extend(troubles(tally));
    rows.push(row("back after", seconds(killed.down)));
    match billed {
        Ok(billed) => rows.extend(billing(billed)),
        Err(why) => rows.push(row("billed", "–").with(&format!("not measured: {why}"))),
    }
    rows
}

fn latency(found: &Latency, stream: bool) -> Vec<Row> {
    let (direct, gateway) = (&found.direct, &found.gateway);
    let few = direct.count().min(gateway.count()) < LEAST_FOR_P99;
    let times = |label: &str, of: fn(&Side, usize) -> Duration, percent: usize| {
        if few && percent == 99 {
            return figures(label, ["–", "–", "–"]);
        }
        let (direct, gateway) = (of(direct, percent), of(gateway, percent));
        let times = format!("{:.1} ×", ratio(gateway, direct));
        figures(label, [ms(direct), ms(gateway), times])
    };
    let mut rows = vec![figures("", ["directly", "gateway", "ratio"])];
    if stream {
        rows.push(times("first text, median", Side::first_text, 50));
        rows.push(times("first text, 99 %", Side::first_text, 99));
    }
    rows.push(times("whole answer, median", Side::whole, 50));
    rows.push(times("whole answer, 99 %", Side::whole, 99));
    let of_direct = format!(
        "{:.2} ×",
        gateway.rate() / direct.rate().max(f64::MIN_POSITIVE)
    );
    let [direct_rate, gateway_rate] = [direct, gateway].map(|side| grouped(side.rate() as u64));
    rows.push(figures(
        "answers a second",
        [direct_rate, gateway_rate, of_direct],
    ));
    let counts = [direct, gateway].map(|side| grouped(side.count() as u64));
    rows.push(figures("answers timed", counts));
    rows.extend(troubles(&found.tally));
    rows
}

fn billing(billed: &Billed) -> Vec<Row> {
    vec![
        amount("delivered so far", billed.delivered),
        row("billed so far", usd(billed.billed)),
        row("delivered, not billed", usd(billed.unbilled())),
        row("billed, not served", usd(billed.overbilled())),
    ]
}

/// Everything that was no whole answer.
fn troubles(tally: &Tally) -> Vec<Row> {
    let refusal = |((status, code), count): (&(u16, String), &u64)| {
        row("refused", grouped(*count)).with(format!("{status} {code}").trim_end())
    };
    let mut rows: Vec<Row> = tally.refused.iter().map(refusal).collect();
    if tally.shortened > 0 {
        let remark = "ended properly by the gateway, before the upstream did";
        rows.push(row("cut short", grouped(tally.shortened)).with(remark));
    }
    if tally.partial.count > 0 {
        let remark = format!("worth {} as far as they came", tally.partial.cost);
        rows.push(row("broken off", grouped(tally.partial.count)).with(&remark));
    }
    if tally.broken > 0 {
        let why = tally.first_broken.as_deref().unwrap_or_default();
        rows.push(row("without an answer", grouped(tally.broken)).with(why));
    }
    if tally.foreign > 0 {
        let remark = "not what the upstream said to this request: cached, or changed";
        rows.push(row("foreign answers", grouped(tally.foreign)).with(remark));
    }
    rows
}

impl Row {
    fn with(mut self, remark: &str) -> Self {
        remark.clone_into(&mut self.remark);
        self
    }
}

fn row(label: &str, figure: impl Into<String>) -> Row {
    figures(label, [figure])
}

fn figures(label: &str, figures: impl IntoIterator<Item = impl Into<String>>) -> Row {
    Row {
        label: label.to_owned(),
        figures: figures.into_iter().map(Into::into).collect(),
        remark: String::new(),
    }
}

fn amount(label: &str, sum: Sum) -> Row {
    let ending = if sum.count == 1 { "" } else { "s" };
    row(label, usd(sum.cost)).with(&format!("{} answer{ending}", grouped(sum.count)))
}

/// Exact, with zeros to line up.
fn usd(amount: Nusd) -> String {
    let text = amount.to_string();
    let decimals = text
        .rsplit_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    format!("{text}{}", "0".repeat(DECIMALS.saturating_sub(decimals)))
}

/// In per cent, rounded down: what is not all is not shown as 100.
fn share(share: f64) -> String {
    format!("{:.2} %", (share * 1e4).floor() / 1e2)
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Labels to the left, figures to the right, remarks after them.
fn aligned(rows: &[Row]) -> String {
    let widest = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let label = widest(&mut rows.iter().map(|row| &row.label));
    let columns = rows.iter().map(|row| row.figures.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| widest(&mut rows.iter().filter_map(|row| row.figures.get(column))))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = format!("  {:<label$}", row.label);
        for (figure, width) in row.figures.iter().zip(&widths) {
            line.push_str(&format!("   {figure:>width$}"));
        }
        line.push_str(&format!("   {}", row.remark));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_line_up_and_remarks_follow() {
        let rows = [
            row("a", "1").with("good"),
            row("longer", "1,000"),
            figures("", ["x", "y"]),
        ];
        assert_eq!(
            aligned(&rows),
            "  a            1   good\n  longer   1,000\n               x   y\n"
        );
    }

    #[test]
    fn amounts_are_exact_and_shares_never_flatter() {
        assert_eq!(usd(Nusd::new(1_000_000_000)), "$1.000000");
        assert_eq!(usd(Nusd::new(1)), "$0.000000001");
        assert_eq!(share(1.0), "100.00 %");
        assert_eq!(share(0.999_999), "99.99 %");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
    }
}
