//! `farebox-bench load`: one run against one address.

use std::time::Duration;

use super::{Length, Prompt, Report, Target};

/// What to send where. Without `--rate` or `--streams` the loop is closed.
#[derive(clap::Args, Debug)]
pub struct Settings {
    /// Where to send chat requests, such as http://127.0.0.1:8080/v1/chat/completions.
    #[arg(long)]
    url: String,
    /// The key to send; none by default.
    #[arg(long, default_value = "")]
    key: String,
    /// The model to ask for.
    #[arg(long, default_value = "bench-model")]
    model: String,
    /// Connections, which is also the most requests under way.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// How long to measure.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long to run before measuring.
    #[arg(long, default_value_t = 2.0)]
    warm_up_seconds: f64,
    /// Send exactly so many requests instead.
    #[arg(long, conflicts_with_all = ["rate", "streams"])]
    count: Option<u64>,
    /// Open loop: so many requests per second, timed from when each was due.
    #[arg(long, conflicts_with = "streams")]
    rate: Option<f64>,
    /// Streams: keep so many under way.
    #[arg(long)]
    streams: Option<u32>,
    /// Length of the request's body.
    #[arg(long, default_value_t = 1024)]
    body_bytes: usize,
    /// The request's output limit.
    #[arg(long, default_value_t = 256)]
    max_tokens: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs and prints the report.
///
/// # Errors
/// If the address is wrong, or nothing was answered with 200.
pub async fn run(settings: &Settings) -> Result<(), String> {
    let prompt = Prompt {
        model: settings.model.clone(),
        body_bytes: settings.body_bytes,
        max_tokens: settings.max_tokens,
        stream: settings.streams.is_some(),
    };
    let target = Target::chat(&settings.url, &settings.key, &prompt)?;
    let warm_up = seconds(settings.warm_up_seconds)?;
    let measured = seconds(settings.seconds)?;
    let report = match (settings.streams, settings.rate) {
        (Some(count), _) => super::streams(&target, count, (warm_up, measured), || {}).await,
        (None, Some(rate)) if rate > 0.0 => {
            let connections = settings.connections;
            tokio::task::spawn_blocking(move || {
                super::open(&target, rate, connections, (warm_up, measured))
            })
            .await
            .map_err(|error| error.to_string())?
        }
        (None, Some(_)) => return Err("--rate must be more than 0".to_owned()),
        (None, None) => {
            let length = match settings.count {
                Some(count) => Length::Requests(count),
                None => Length::Time { warm_up, measured },
            };
            super::closed(&target, settings.connections as usize, length, || {}).await
        }
    };
    if settings.json {
        println!("{}", report.json());
    } else {
        print(&report);
    }
    match &report.first_problem {
        _ if report.answered() > 0 => Ok(()),
        Some(problem) => Err(format!("{} was not reached: {problem}", settings.url)),
        None => Err(format!("{} answered nothing with 200", settings.url)),
    }
}

fn seconds(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{seconds} is no number of seconds"))
}

fn print(report: &Report) {
    println!("{:>12.1} requests/s answered with 200", report.rate());
    let mut lines = vec![("whole answer", &report.latency)];
    if report.first_event.count() > 0 {
        lines.insert(0, ("first event", &report.first_event));
        lines.insert(0, ("first byte", &report.first_byte));
    }
    for (name, histogram) in lines {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| histogram.quantile(share));
        let max = histogram.max();
        println!("{name:>12}: p50 {p50:.1?}  p90 {p90:.1?}  p99 {p99:.1?}  max {max:.1?}");
    }
    for (status, count) in &report.statuses {
        println!("{count:>12} × {status}");
    }
    if let Some(problem) = &report.first_problem {
        println!("{:>12} × no whole answer: {problem}", report.broken);
    }
}
