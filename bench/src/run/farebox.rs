//! A throwaway Farebox installation with one model, and what it says of itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::child::{self, Child};

/// The organization's credit: never the limit of a benchmark.
pub(super) const CREDIT_USD: &str = "100000";
/// Prices in USD per million tokens, which is nano-USD per thousandth of a token.
const INPUT_USD: &str = "0.15";
const OUTPUT_USD: &str = "0.60";
/// The same in nano-USD per token.
pub(super) const INPUT_NUSD: u64 = 150;
pub(super) const OUTPUT_NUSD: u64 = 600;

/// A Farebox that serves, and the keys to it.
#[derive(Debug)]
pub(super) struct Farebox {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
    pub(super) key: String,
    admin_key: String,
    binary: PathBuf,
    folder: PathBuf,
}

impl Farebox {
    /// Sets up an installation in `folder` and serves it in front of `upstream`.
    pub(super) async fn start(
        binary: &Path,
        folder: &Path,
        database: Option<&str>,
        upstream: SocketAddr,
    ) -> Result<Self, String> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let address = port.map_err(|error| format!("no free port: {error}"))?;
        let config = config(address, database.unwrap_or("sqlite://farebox.db"), upstream);
        fs::write(folder.join("farebox.toml"), config).map_err(|error| error.to_string())?;
        let args = [
            "setup",
            "--email",
            "bench@example.com",
            "--organization",
            "Bench",
            "--credit",
            CREDIT_USD,
            "--json",
        ];
        let founded = child::output(binary, &args, folder)?;
        let founded: Value = serde_json::from_str(&founded)
            .map_err(|error| format!("`farebox setup --json` printed no JSON: {error}"))?;
        let secret = |name: &str| {
            let secret = founded[name].as_str().map(str::to_owned);
            secret.ok_or_else(|| format!("`farebox setup --json` printed no {name}"))
        };
        let mut farebox = Self {
            key: secret("api_key")?,
            admin_key: secret("admin_key")?,
            child: Child::start(binary, &["serve"], folder, &folder.join("log"))?,
            address,
            binary: binary.to_owned(),
            folder: folder.to_owned(),
        };
        farebox.wait_until_ready().await?;
        Ok(farebox)
    }

    /// The last lines of its log, for a message.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// What the organization has left, in nano-USD.
    pub(super) async fn balance_nusd(&self) -> Result<i128, String> {
        let (headers, _) = get(&self.url("/v1/models"), &self.key).await?;
        let balance = headers
            .get("farebox-balance")
            .and_then(|value| value.to_str().ok());
        let balance = balance.ok_or("GET /v1/models has no header farebox-balance")?;
        parse_nusd(balance).ok_or_else(|| format!("farebox-balance is no amount: {balance}"))
    }

    /// All costs of the organization since `start_s` (Unix seconds), in nano-USD.
    pub(super) async fn costs_nusd(&self, start_s: u64) -> Result<i128, String> {
        let path = format!("/v1/organization/costs?start_time={start_s}&limit=7");
        let (_, body) = get(&self.url(&path), &self.admin_key).await?;
        let page: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let buckets = page["data"].as_array().ok_or("costs without data")?;
        let results = buckets
            .iter()
            .filter_map(|bucket| bucket["results"].as_array())
            .flatten();
        let mut sum = 0;
        for result in results {
            let usd = result["amount"]["value"]
                .as_f64()
                .ok_or("a cost without a value")?;
            // The shape has floats; up to a million dollars they tell nano-USD apart.
            sum += (usd * 1e9).round() as i128;
        }
        Ok(sum)
    }

    /// Has the ledger prove itself; gives the number of transfers.
    pub(super) fn verify_ledger(&self) -> Result<u64, String> {
        let proof = child::output(&self.binary, &["ledger", "verify", "--json"], &self.folder)?;
        let proof: Value = serde_json::from_str(&proof).map_err(|error| error.to_string())?;
        if proof["ok"] == false {
            return Err(format!("the ledger does not hold: {proof}"));
        }
        Ok(proof["transfers"].as_u64().unwrap_or(0))
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn wait_until_ready(&mut self) -> Result<(), String> {
        let started = Instant::now();
        let url = self.url("/readyz");
        while let Err(problem) = get(&url, "").await {
            if self.child.has_ended() {
                return Err(format!("`farebox serve` ended:\n{}", self.log_tail()));
            }
            if started.elapsed() > Duration::from_secs(30) {
                return Err(format!("{url}: {problem}\n{}", self.log_tail()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn config(address: SocketAddr, database: &str, upstream: SocketAddr) -> String {
    format!(
        r#"listen = "{address}"
public_url = "http://{address}"
database_url = "{database}"

[log]
level = "warn"

[[upstreams]]
id = "bench"
kind = "openai"
base_url = "http://{upstream}/v1"

[[models]]
id = "bench-model"
context_tokens = 128000
max_output_tokens = 16384
deployments = [{{ upstream = "bench", model = "bench-model", weight = 1 }}]
price = {{ input = "{INPUT_USD}", output = "{OUTPUT_USD}" }}
"#
    )
}

/// `GET`, of which only 200 is good.
async fn get(url: &str, key: &str) -> Result<(HeaderMap, Bytes), String> {
    let mut request = Request::get(url);
    if !key.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client
        .request(request)
        .await
        .map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    if head.status != 200 {
        return Err(format!(
            "GET {url}: {} {}",
            head.status,
            String::from_utf8_lossy(&body)
        ));
    }
    Ok((head.headers, body))
}

/// Reads a decimal amount of USD exactly; `None` if it is none or finer than a nano-USD.
fn parse_nusd(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 9
        || !digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(sign * (whole * 1_000_000_000 + fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_last_nano() {
        let cases = [
            ("100000", Some(100_000_000_000_000)),
            ("99999.999958", Some(99_999_999_958_000)),
            ("-0.000000001", Some(-1)),
            ("0.0000000001", None),
            ("1.2.3", None),
            ("", None),
            ("1e3", None),
        ];
        for (text, nusd) in cases {
            assert_eq!(parse_nusd(text), nusd, "{text}");
        }
    }

    #[test]
    fn both_forms_of_a_price_say_the_same() {
        // USD per million tokens is a thousand nano-USD per token.
        assert_eq!(
            parse_nusd(INPUT_USD),
            Some(i128::from(INPUT_NUSD) * 1_000_000)
        );
        assert_eq!(
            parse_nusd(OUTPUT_USD),
            Some(i128::from(OUTPUT_NUSD) * 1_000_000)
        );
    }
}
