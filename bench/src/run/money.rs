//! Whether what Farebox billed is what it answered, to the nano-USD.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::farebox::{CREDIT_USD, Farebox, INPUT_NUSD, OUTPUT_NUSD};
use super::results::Results;
use super::stage::Server;
use crate::upstream::{INPUT_TOKENS, OUTPUT_TOKENS};

/// How long the last settlements and the roll-ups may take.
const PATIENCE: Duration = Duration::from_secs(20);
const DAY_S: u64 = 86_400;
const NUSD: i128 = 1_000_000_000;

/// The books beside the answers.
#[derive(Debug)]
pub(super) struct Comparison {
    /// What the answers cost by price and usage.
    pub(super) expected_nusd: i128,
    /// What the balance went down by.
    pub(super) from_balance_nusd: Option<i128>,
    /// What the Administration API says.
    pub(super) from_costs_nusd: Option<i128>,
    /// Transfers over which the ledger proved itself.
    pub(super) transfers: Option<u64>,
    pub(super) problems: Vec<String>,
}

/// Waits until nothing changes any more, and compares.
pub(super) async fn compare(farebox: &Farebox, results: &Results, chunks: u64) -> Comparison {
    let streamed = results.streamed(Server::Farebox);
    let whole = results.answered(Server::Farebox) - streamed;
    let expected_nusd =
        i128::from(whole * price_nusd(OUTPUT_TOKENS)) + i128::from(streamed * price_nusd(chunks));
    let credit_nusd = CREDIT_USD
        .parse::<i128>()
        .expect("the credit is a whole number")
        * NUSD;
    let today = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |time| time.as_secs() / DAY_S * DAY_S);
    // A run may begin before midnight and end after it.
    let start_s = today.saturating_sub(DAY_S);

    let started = Instant::now();
    let mut balance = farebox.balance_nusd().await.map(|left| credit_nusd - left);
    let mut costs = farebox.costs_nusd(start_s).await;
    while (balance != Ok(expected_nusd) || costs != Ok(expected_nusd))
        && started.elapsed() < PATIENCE
    {
        tokio::time::sleep(Duration::from_millis(250)).await;
        balance = farebox.balance_nusd().await.map(|left| credit_nusd - left);
        costs = farebox.costs_nusd(start_s).await;
    }

    let mut problems = Vec::new();
    let mut check = |name: &str, found: Result<i128, String>| match found {
        Ok(nusd) => {
            if nusd != expected_nusd {
                problems.push(format!(
                    "{name}: {} is not the {} that was answered",
                    usd(nusd),
                    usd(expected_nusd),
                ));
            }
            Some(nusd)
        }
        Err(problem) => {
            problems.push(format!("{name}: {problem}"));
            None
        }
    };
    let from_balance_nusd = check("billed by the balance", balance);
    let from_costs_nusd = check("billed by /v1/organization/costs", costs);
    let transfers = farebox
        .verify_ledger()
        .map_err(|problem| problems.push(problem))
        .ok();
    Comparison {
        expected_nusd,
        from_balance_nusd,
        from_costs_nusd,
        transfers,
        problems,
    }
}

impl Comparison {
    pub(super) fn json(&self) -> Value {
        json!({
            "expected_usd": usd(self.expected_nusd),
            "from_balance_usd": self.from_balance_nusd.map(usd),
            "from_costs_usd": self.from_costs_nusd.map(usd),
            "transfers": self.transfers,
            "problems": self.problems,
        })
    }
}

/// An amount as people read it, exactly.
pub(super) fn usd(nusd: i128) -> String {
    let sign = if nusd < 0 { "-" } else { "" };
    let nusd = nusd.abs();
    let fraction = format!("{:09}", nusd % NUSD);
    let short = fraction.trim_end_matches('0');
    format!("{sign}${}.{short:0<2}", nusd / NUSD)
}

fn price_nusd(output_tokens: u64) -> u64 {
    INPUT_TOKENS * INPUT_NUSD + output_tokens * OUTPUT_NUSD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_what_its_tokens_cost() {
        // 200 × $0.15 and 20 × $0.60 per million.
        assert_eq!(price_nusd(OUTPUT_TOKENS), 42_000);
        assert_eq!(usd(42_000), "$0.000042");
    }

    #[test]
    fn amounts_are_written_exactly() {
        let cases = [
            (0, "$0.00"),
            (1_500_000_000, "$1.50"),
            (-1, "-$0.000000001"),
        ];
        for (nusd, text) in cases {
            assert_eq!(usd(nusd), text);
        }
    }
}
