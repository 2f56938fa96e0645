//! The table that people read.

use super::Settings;
use super::money::usd;
use super::results::{Measurement, Results, Scene};
use super::stage::Server::{Direct, Farebox, Relay};

/// What is to be reached, as ratios to the relay or as limits.
const REACH_RATIO: [(u32, f64); 2] = [(64, 0.3), (256, 0.5)];
const REACH_CPU_US: f64 = 50.0;
const REACH_ADDED_MS: f64 = 0.3;
const REACH_FIRST_TOKEN_MS: f64 = 1.5;
const REACH_MEMORY_MIB: f64 = 100.0;

/// One line: label, relay, Farebox, how they compare, what to reach, whether it was.
type Row = [String; 6];

/// The whole report.
pub(super) fn render(settings: &Settings, results: &Results) -> String {
    let mut rows = vec![["", "relay", "Farebox", "", "reach", ""].map(str::to_owned)];
    for &connections in &settings.connections {
        rows.extend(throughput(results, connections));
    }
    rows.extend(latency(settings, results));
    rows.extend(streams(settings, results));
    rows.extend(memory(results));
    rows.push([
        "refused or failed".to_owned(),
        grouped(results.failed(Relay) as f64),
        grouped(results.failed(Farebox) as f64),
        String::new(),
        "0".to_owned(),
        reached(results.failed(Farebox) == 0),
    ]);
    format!(
        "\n{}\n{}\n{}{}\n",
        heading(settings, results),
        aligned(&rows),
        shares(settings, results),
        money(results),
    )
}

fn heading(settings: &Settings, results: &Results) -> String {
    let of = |name: &str| results.machine.get(name).map_or("?", String::as_str);
    let place = match (&settings.database, results.commit) {
        (Some(_), _) => "PostgreSQL".to_owned(),
        (None, Some(commit)) => format!(
            "SQLite on {}{}, where a 4 kB write that waits for the disk takes {:.2} ms",
            results.file_system,
            if results.file_system == "tmpfs" {
                " (memory: not a fair figure)"
            } else {
                ""
            },
            commit.as_secs_f64() * 1e3,
        ),
        (None, None) => "SQLite".to_owned(),
    };
    format!(
        "Farebox beside a bare relay: 1 KB prompts, an upstream that answers at once, billing \
         durable\n\
         {}{place}\n\
         {} processors ({}), kernel {}, load average at the start {}\n\
         Medians of {} × {} s for each figure, the servers in turn\n",
        if cfg!(debug_assertions) {
            "BUILT WITHOUT OPTIMISATION: these figures mean nothing\n"
        } else {
            ""
        },
        of("processors"),
        of("processor"),
        of("kernel"),
        of("load_average"),
        settings.rounds,
        settings.seconds,
    )
}

fn throughput(results: &Results, connections: u32) -> Vec<Row> {
    let scene = Scene::Throughput { connections };
    let figure = |figure: fn(&Measurement) -> f64| both(results, scene, figure);
    let Some((relay, farebox)) = figure(|found| found.report.rate()) else {
        return Vec::new();
    };
    let reach = REACH_RATIO.iter().find(|(known, _)| *known == connections);
    let mut rows = vec![[
        format!("requests/s, {connections} connections"),
        grouped(relay),
        grouped(farebox),
        format!("{:.2} ×", farebox / relay),
        reach.map_or(String::new(), |(_, ratio)| format!("≥ {ratio:.2} ×")),
        reach.map_or(String::new(), |(_, ratio)| {
            reached(farebox / relay >= *ratio)
        }),
    ]];
    for (label, share) in [("median", 0.5), ("99th percentile", 0.99)] {
        let ms = |found: &Measurement| found.report.latency.quantile(share).as_secs_f64() * 1e3;
        if let Some((relay, farebox)) = both(results, scene, ms) {
            rows.push(plain(
                format!("  whole answer, {label}"),
                format!("{relay:.2} ms"),
                format!("{farebox:.2} ms"),
            ));
        }
    }
    if let Some((relay, farebox)) = figure(Measurement::cpu_us) {
        rows.push([
            "  processor time per request".to_owned(),
            format!("{relay:.1} µs"),
            format!("{farebox:.1} µs"),
            format!("{:+.1} µs", farebox - relay),
            format!("≤ {REACH_CPU_US:.0} µs"),
            reached(farebox <= REACH_CPU_US),
        ]);
    }
    rows
}

fn latency(settings: &Settings, results: &Results) -> Vec<Row> {
    let ms = |share: f64| {
        move |found: &Measurement| found.report.latency.quantile(share).as_secs_f64() * 1e3
    };
    let Some((relay, farebox)) = both(results, Scene::Latency, ms(0.5)) else {
        return Vec::new();
    };
    let commit_ms = results
        .commit
        .map_or(0.0, |commit| commit.as_secs_f64() * 1e3);
    let added = farebox - relay;
    let reach = REACH_ADDED_MS + commit_ms;
    let mut rows = vec![[
        format!("median at {} requests/s", grouped(settings.rate)),
        format!("{relay:.2} ms"),
        format!("{farebox:.2} ms"),
        format!("{added:+.2} ms"),
        format!("≤ {REACH_ADDED_MS} ms + one commit"),
        // Without a commit's time, only the sure answer is given.
        if results.commit.is_none() && added > reach {
            String::new()
        } else {
            reached(added <= reach)
        },
    ]];
    if let Some((relay, farebox)) = both(results, Scene::Latency, ms(0.99)) {
        rows.push(plain(
            "  99th percentile".to_owned(),
            format!("{relay:.2} ms"),
            format!("{farebox:.2} ms"),
        ));
    }
    rows.extend(direct(results, Scene::Latency, ms(0.5)));
    rows
}

fn streams(settings: &Settings, results: &Results) -> Vec<Row> {
    let ms = |share: f64| {
        move |found: &Measurement| found.report.first_event.quantile(share).as_secs_f64() * 1e3
    };
    let Some((relay, farebox)) = both(results, Scene::Streams, ms(0.5)) else {
        return Vec::new();
    };
    let added = farebox - relay;
    let mut rows = vec![[
        format!(
            "first token, {} streams × {} chunks",
            settings.streams, settings.chunks
        ),
        format!("{relay:.2} ms"),
        format!("{farebox:.2} ms"),
        format!("{added:+.2} ms"),
        format!("≤ {REACH_FIRST_TOKEN_MS} ms"),
        reached(added <= REACH_FIRST_TOKEN_MS),
    ]];
    if let Some((relay, farebox)) = both(results, Scene::Streams, ms(0.99)) {
        rows.push(plain(
            "  99th percentile".to_owned(),
            format!("{relay:.2} ms"),
            format!("{farebox:.2} ms"),
        ));
    }
    rows.extend(direct(results, Scene::Streams, ms(0.5)));
    // By the chunks on time, since streams overlap the ends of the window.
    let chunks = settings.seconds * 1e3 / settings.interval_ms.max(1) as f64;
    let chunks = chunks * f64::from(settings.streams);
    let cpu = |found: &Measurement| found.clock.gateway.as_secs_f64() * 1e6 / chunks;
    if let (Some((relay, farebox)), true) =
        (both(results, Scene::Streams, cpu), settings.interval_ms > 0)
    {
        rows.push(plain(
            "  processor time per chunk".to_owned(),
            format!("{relay:.1} µs"),
            format!("{farebox:.1} µs"),
        ));
    }
    rows.push(plain(
        "  events in each stream".to_owned(),
        format!("{:.1}", results.events_per_stream(Relay)),
        format!("{:.1}", results.events_per_stream(Farebox)),
    ));
    rows
}

fn memory(results: &Results) -> Vec<Row> {
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    let of = |server| results.memory.get(&server).copied().unwrap_or_default();
    let ((_, relay, relay_peak), (requests, farebox, peak)) = (of(Relay), of(Farebox));
    vec![
        [
            format!("memory after {} requests", grouped(requests as f64)),
            format!("{:.0} MiB", mib(relay)),
            format!("{:.0} MiB", mib(farebox)),
            String::new(),
            format!("≤ {REACH_MEMORY_MIB:.0} MiB"),
            reached(mib(farebox) <= REACH_MEMORY_MIB),
        ],
        plain(
            "  the most it ever was".to_owned(),
            format!("{:.0} MiB", mib(relay_peak)),
            format!("{:.0} MiB", mib(peak)),
        ),
    ]
}

/// Which process ate the processors, and so what limited the figures.
fn shares(settings: &Settings, results: &Results) -> String {
    const PARTS: [&str; 5] = ["load", "upstream", "gateway", "others", "idle"];
    let mut rows = vec![Vec::from(["What the processors did".to_owned()])];
    rows[0].extend(PARTS.map(str::to_owned));
    for &connections in &settings.connections {
        for server in [Relay, Farebox] {
            let scene = Scene::Throughput { connections };
            let share = |part| {
                results.median(scene, server, |found| {
                    found
                        .clock
                        .shares(found.report.measured)
                        .get(part)
                        .copied()
                        .unwrap_or(0.0)
                })
            };
            let cells: Option<Vec<String>> = PARTS
                .iter()
                .map(|part| share(part).map(|share| format!("{share:.0} %")))
                .collect();
            if let Some(cells) = cells {
                let label = format!("{}, {connections} connections", server.name());
                rows.push([vec![label], cells].concat());
            }
        }
    }
    if rows.len() > 1 {
        format!("{}\n", aligned(&rows))
    } else {
        String::new()
    }
}

fn money(results: &Results) -> String {
    let Some(money) = &results.money else {
        return String::new();
    };
    let streamed = results.streamed(Farebox);
    let whole = results.answered(Farebox) - streamed;
    let answers = format!(
        "Answered with 200: {} requests and {} streams, which cost {}.\n",
        grouped(whole as f64),
        grouped(streamed as f64),
        usd(money.expected_nusd),
    );
    if money.problems.is_empty() {
        return format!(
            "{answers}Billed exactly that, by the balance and by /v1/organization/costs. \
             The ledger proved itself over {} transfers.",
            grouped(money.transfers.unwrap_or(0) as f64),
        );
    }
    let problems: Vec<String> = money
        .problems
        .iter()
        .map(|problem| format!("NOT RIGHT: {problem}"))
        .collect();
    answers + &problems.join("\n")
}

fn both(
    results: &Results,
    scene: Scene,
    figure: impl Fn(&Measurement) -> f64 + Copy,
) -> Option<(f64, f64)> {
    Some((
        results.median(scene, Relay, figure)?,
        results.median(scene, Farebox, figure)?,
    ))
}

fn direct(results: &Results, scene: Scene, figure: impl Fn(&Measurement) -> f64) -> Option<Row> {
    let ms = results.median(scene, Direct, figure)?;
    Some(plain(
        format!("  the upstream asked directly: {ms:.2} ms"),
        String::new(),
        String::new(),
    ))
}

fn plain(label: String, relay: String, farebox: String) -> Row {
    [
        label,
        relay,
        farebox,
        String::new(),
        String::new(),
        String::new(),
    ]
}

fn reached(reached: bool) -> String {
    if reached { "yes" } else { "NO" }.to_owned()
}

/// Thousands apart.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The first column to the left, the others to the right.
fn aligned<R: AsRef<[String]>>(rows: &[R]) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row.as_ref()[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .as_ref()
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("   {cell:>width$}")
                }
            });
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [
            (0.0, "0"),
            (999.4, "999"),
            (1000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a", "1", "yes"], ["long", "1,000", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), "a          1   yes\nlong   1,000\n");
    }
}
