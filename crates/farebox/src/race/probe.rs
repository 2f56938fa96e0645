//! The first request: does the road lead from this command through the gateway to its upstream and
//! back? If not, this says what to configure.

use std::time::Duration;

use super::ask::{Client, Outcome, Refusal};
use super::plan::SMALLEST;
use super::progress::note;
use super::run::{Run, Tally};
use super::upstream::Upstream;
use crate::cli::Failure;
use crate::clock::Stopwatch;
use crate::config::Secret;

const EVERY: Duration = Duration::from_millis(500);

/// Waits until somebody listens at the gateway's address.
///
/// # Errors
/// If nobody does by the end of the settings' wait.
pub(super) async fn listening(run: &Run) -> Result<(), Failure> {
    let settings = &run.settings;
    let began = Stopwatch::start();
    let mut waits = Waits::default();
    while let Err(error) = settings.base.connect().await {
        if began.elapsed() >= settings.wait {
            return Err(Failure::new(silent(run, &error.to_string())));
        }
        waits.once_more(settings.wait).await;
    }
    Ok(())
}

/// Asks with `key` until there is the upstream's answer; gives what was served for it.
///
/// While the gateway cannot be reached, or cannot reach its upstream, it is asked again until the
/// settings' wait is over.
///
/// # Errors
/// What the gateway did instead, and what to do about it.
pub(super) async fn road(run: &Run, upstream: &Upstream, key: &Secret) -> Result<Tally, Failure> {
    let mut client = Client::new(&run.settings.base, key, &run.manner)
        .map_err(|problem| Failure::usage(format!("{problem}. Look at it again.")))?;
    let began = Stopwatch::start();
    let mut tally = Tally::default();
    let mut waits = Waits::default();
    loop {
        let mark = run.books.count();
        let plan = run.plan(SMALLEST, 0);
        let (outcome, _) = client.ask(&plan).await;
        tally.note(&run.books, &plan, &outcome);
        if tally.whole.count > 0 {
            return Ok(tally);
        }
        let called = run.books.count() > mark;
        let may_come = match &outcome {
            Outcome::Answer(_) => false,
            Outcome::Refused(refusal) => refusal.status >= 500 && !called,
            Outcome::Broken(_) => true,
        };
        if !may_come || began.elapsed() >= run.settings.wait {
            return Err(Failure::new(advice(run, upstream, &outcome, called)));
        }
        waits.once_more(run.settings.wait).await;
    }
}

/// Says once that it waits.
#[derive(Debug, Default)]
struct Waits(bool);

impl Waits {
    async fn once_more(&mut self, most: Duration) {
        if !std::mem::replace(&mut self.0, true) {
            let seconds = most.as_secs();
            note(&format!(
                "the gateway does not answer yet; waiting up to {seconds} s"
            ));
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn silent(run: &Run, why: &str) -> String {
    format!(
        "{} does not answer: {why}. Start the gateway, or correct --base-url.",
        run.settings.base
    )
}

fn advice(run: &Run, upstream: &Upstream, outcome: &Outcome, called: bool) -> String {
    let settings = &run.settings;
    let (base, model) = (&settings.base, &settings.model);
    let to_configure = format!(
        "Give the gateway a model {model} on an OpenAI-compatible upstream at {}, with any key.",
        upstream.base_url()
    );
    match outcome {
        Outcome::Broken(why) => silent(run, why),
        Outcome::Answer(_) if called => format!(
            "the answer at {base} is not the upstream's, word for word. Turn off whatever changes \
             answers: guardrails, caches, rewriting."
        ),
        Outcome::Answer(_) => {
            format!("{base} answers, but did not call this command's upstream. {to_configure}")
        }
        Outcome::Refused(refusal) => {
            let said = said(refusal);
            match refusal.status {
                401 | 403 => format!(
                    "{base} refuses the key: {said}. Give one that may use the model {model}."
                ),
                402 | 429 => format!(
                    "{base} refuses the very first request: {said}. Give a key whose budget is \
                     unspent, and lift its rate limits."
                ),
                _ if called => {
                    format!("{base} called the upstream and yet answered {said}. Its log says why.")
                }
                _ => format!(
                    "{base} answered {said}, and did not call this command's upstream. \
                     {to_configure}"
                ),
            }
        }
    }
}

/// The gateway's words, as a quotation.
fn said(refusal: &Refusal) -> String {
    let status = refusal.status.to_string();
    // Some repeat the status as a code.
    let code = Some(refusal.code.as_str()).filter(|code| *code != status);
    let parts = [code.unwrap_or_default(), refusal.message.as_str()].map(str::trim);
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    match parts.is_empty() {
        true => status,
        false => format!("{status} ({})", parts.join(": ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_quoted_without_saying_things_twice() {
        for (code, message, text) in [
            ("", "", "429"),
            ("429", "No more.", "429 (No more.)"),
            ("spent", "No more.", "429 (spent: No more.)"),
            ("spent", "", "429 (spent)"),
        ] {
            let refusal = Refusal {
                status: 429,
                code: code.to_owned(),
                message: message.to_owned(),
            };
            assert_eq!(said(&refusal), text);
        }
    }
}
