//! Reads the sections that are one table each, and puts the whole configuration together.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;

use domain::money::Nusd;
use domain::network::{Network, TrustedProxies};
use http::Uri;
use store::{DatabaseUrl, DatabaseUrlError};

use super::billing::read_billing;
use super::error::Problem;
use super::messages::{read_mail, read_sms};
use super::models::read_models;
use super::oidc::read_oidc;
use super::payments::read_payments;
use super::schema::{Config, LeakReports, Limits, Log, RequestLog, Signup};
use super::section::{Read, Section};
use super::tree::Item;
use super::upstreams::{read_tolerance, read_upstreams};

/// The longest time that a key in milliseconds may hold: a day.
pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Reads the merged layers. `None` when problems were noted.
pub(super) fn read_config(root: &Item, problems: &RefCell<Vec<Problem>>) -> Read<Config> {
    let root = Section::of(root, String::new(), problems)?;
    let listen = root.parsed("listen", parse_listen);
    let admin_listen = root.parsed("admin_listen", |text| match text {
        "" => Ok(None),
        text => parse_listen(text).map(Some),
    });
    let public_url = read_public_url(&root, listen);
    let trusted_proxies = root.parsed("trusted_proxies", |text| {
        parse_networks(text).map(TrustedProxies::new)
    });
    let database_url = root.parsed("database_url", parse_database_url);
    let secret_key_file = root.text("secret_key_file");
    let hold_durability = root.choice("hold_durability", None);
    let signup = root
        .section("signup")
        .and_then(|section| read_signup(&section));
    let mail = root.section("mail").and_then(|it| read_mail(&it));
    let sms = root.section("sms").and_then(|it| read_sms(&it));
    let webhook_networks = root.section("webhooks").and_then(|it| read_networks(&it));
    let leak_reports = root
        .section("leak_reports")
        .and_then(|section| read_leak_reports(&section));
    let oidc = read_oidc(&root);
    let payments = root
        .section("payments")
        .and_then(|section| read_payments(&section));
    let upstream_costs = root
        .section("upstream_costs")
        .and_then(|section| read_tolerance(&section));
    let billing = root
        .section("billing")
        .and_then(|section| read_billing(&section, public_url.as_deref().ok()));
    let log = root.section("log").and_then(|section| read_log(&section));
    let request_log = root
        .section("request_log")
        .and_then(|section| read_request_log(&section));
    let limits = root
        .section("limits")
        .and_then(|section| read_limits(&section));
    let upstreams = read_upstreams(&root);
    let upstream_names = upstreams.as_deref().ok();
    let models = read_models(&root, upstream_names);
    root.finish();
    Ok(Config {
        listen: listen?,
        admin_listen: admin_listen?,
        public_url: public_url?,
        trusted_proxies: trusted_proxies?,
        database_url: database_url?,
        secret_key_file: Some(secret_key_file?)
            .filter(|file| !file.is_empty())
            .map(PathBuf::from),
        hold_durability: hold_durability?,
        signup: signup?,
        mail: mail?,
        sms: sms?,
        webhook_networks: webhook_networks?,
        leak_reports: leak_reports?,
        oidc: oidc?,
        payments: payments?,
        billing: billing?,
        upstream_costs: upstream_costs?,
        log: log?,
        request_log: request_log?,
        limits: limits?,
        upstreams: upstreams?,
        models: models?,
    })
}

/// Reads where webhooks may lead beside the open network.
fn read_networks(section: &Section<'_>) -> Read<Vec<Network>> {
    let networks = section.parsed("allowed_networks", parse_networks);
    section.finish();
    networks
}

/// Reads an `http://` or `https://` address and takes the slash off its end.
///
/// # Errors
/// What to write instead, as the end of a sentence.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    let example = "write an address such as http://127.0.0.1:8000/v1";
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("is not an address: {example}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("must begin with http:// or https://: {example}"));
    }
    let authority = uri
        .authority()
        .ok_or_else(|| format!("names no server: {example}"))?;
    if authority.as_str().contains('@') {
        return Err("must not hold a password: name its variable with api_key_env".to_owned());
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(format!("must end with its path: {example}"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The address under which this installation is reached when nobody says so.
fn address_of(listen: SocketAddr) -> String {
    if !listen.ip().is_unspecified() {
        return format!("http://{listen}");
    }
    let loopback = if listen.is_ipv4() {
        "127.0.0.1"
    } else {
        "[::1]"
    };
    format!("http://{loopback}:{}", listen.port())
}

fn read_public_url(root: &Section<'_>, listen: Read<SocketAddr>) -> Read<String> {
    let stated = root.parsed("public_url", parse_url);
    if root.is_set("public_url") {
        stated
    } else {
        listen.map(address_of)
    }
}

/// Reads networks with commas between them; none of an empty text.
fn parse_networks(text: &str) -> Result<Vec<Network>, String> {
    let parts = text.split(',').map(str::trim);
    let networks = parts
        .filter(|part| !part.is_empty())
        .map(|part| Network::parse(part).map_err(|why| format!("cannot hold \"{part}\": {why}")));
    networks.collect()
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let hint = match text.rsplit_once(':') {
            Some(("" | "*", port)) => format!("0.0.0.0:{port}"),
            Some(("localhost", port)) => format!("127.0.0.1:{port}"),
            _ => "127.0.0.1:8080".to_owned(),
        };
        format!("must be IP:PORT, such as \"{hint}\"")
    })
}

/// The complaint never repeats the address: it may hold a password.
fn parse_database_url(text: &str) -> Result<DatabaseUrl, String> {
    DatabaseUrl::parse(text).map_err(|error| match error {
        DatabaseUrlError::UnknownScheme => "must begin with sqlite:// or postgres://".to_owned(),
        DatabaseUrlError::NoFile => {
            "needs a file after sqlite://, such as sqlite://farebox.db".to_owned()
        }
    })
}

fn read_signup(section: &Section<'_>) -> Read<Signup> {
    let mode = section.choice("mode", None);
    let phone_verification = section.choice("phone_verification", None);
    let trial_credit = section.parsed("trial_credit_usd", parse_usd);
    let trial_credit_days = section.integer("trial_credit_days", 1..=36_500, None);
    section.finish();
    Ok(Signup {
        mode: mode?,
        phone_verification: phone_verification?,
        trial_credit: trial_credit?,
        trial_credit_days: trial_credit_days?,
    })
}

fn read_leak_reports(section: &Section<'_>) -> Read<LeakReports> {
    let public_keys_url = section.parsed("public_keys_url", |text| match text {
        "" => Ok(None),
        text => parse_url(text).map(Some),
    });
    let public_keys_file = section.text("public_keys_file");
    section.finish();
    let file = public_keys_file?;
    Ok(LeakReports {
        public_keys_url: public_keys_url?,
        public_keys_file: (!file.is_empty()).then(|| file.into()),
    })
}

fn read_log(section: &Section<'_>) -> Read<Log> {
    let level = section.parsed("level", |text| {
        crate::telemetry::check_level(text).map(|()| text.to_owned())
    });
    let format = section.choice("format", None);
    section.finish();
    Ok(Log {
        level: level?,
        format: format?,
    })
}

fn read_request_log(section: &Section<'_>) -> Read<RequestLog> {
    let refusal_days = section.integer("refusal_days", 1..=3_650, None);
    let refusals_per_minute = section.integer("refusals_per_minute", 0..=1_000_000, None);
    let prompts_per_minute = section.integer("prompts_per_minute", 0..=1_000_000, None);
    section.finish();
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(RequestLog {
        refusal_days: refusal_days?,
        refusals_per_minute: refusals_per_minute.map(small)?,
        prompts_per_minute: prompts_per_minute.map(small)?,
    })
}

fn read_limits(section: &Section<'_>) -> Read<Limits> {
    let body_bytes = section.integer("body_bytes", 1..=GIB, None);
    // A head is held whole in the connection's read buffer, which never grows beyond 400 KB.
    let header_bytes = section.integer("header_bytes", 1024..=262_144, None);
    let header_timeout_ms = section.integer("header_timeout_ms", 1..=DAY_MS, None);
    let shutdown_grace_ms = section.integer("shutdown_grace_ms", 0..=DAY_MS, None);
    let ballast_bytes = section.integer("ballast_bytes", 0..=1024 * GIB, None);
    // An answer that is kept is written at once, with what else is committed then.
    let idempotent_answer_bytes = section.integer("idempotent_answer_bytes", 0..=64 * MIB, None);
    let recharge_wait_ms = section.integer("recharge_wait_ms", 0..=60_000, None);
    let most = i64::MAX.unsigned_abs();
    let requests_per_minute = section.integer("requests_per_minute", 1..=most, None);
    let tokens_per_minute = section.integer("tokens_per_minute", 1..=most, None);
    section.finish();
    Ok(Limits {
        body_bytes: body_bytes?,
        header_bytes: header_bytes?,
        header_timeout_ms: header_timeout_ms?,
        shutdown_grace_ms: shutdown_grace_ms?,
        ballast_bytes: ballast_bytes?,
        idempotent_answer_bytes: idempotent_answer_bytes?,
        recharge_wait_ms: recharge_wait_ms?,
        requests_per_minute: requests_per_minute?,
        tokens_per_minute: tokens_per_minute?,
    })
}

/// An amount in USD, or why it is none, as the end of a sentence.
pub(super) fn parse_usd(text: &str) -> Result<Nusd, String> {
    if text.starts_with('-') {
        return Err("cannot be negative".to_owned());
    }
    Nusd::parse_usd(text).map_err(|error| format!("\"{text}\" is no amount: {error}"))
}
