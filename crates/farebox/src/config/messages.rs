//! Reads `[mail]` and `[sms]`.
//!
//! The keys of a way that is not chosen are not looked at further: who tries another way out need
//! not take them away.

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;

use super::read::parse_url;
use super::schema::{
    Mail, MailKind, MailServer, MailTls, NamedSecret, Sms, SmsKind, SmsWebhook, TwilioAccount,
};
use super::section::{Read, Section};
use super::upstreams::parse_variable;

/// A message is given up for the time being after a minute, whatever is said here.
const TIMEOUTS_MS: std::ops::RangeInclusive<u64> = 1..=60_000;

pub(super) fn read_mail(section: &Section<'_>) -> Read<Mail> {
    let kind = section.choice::<MailKind>("kind", None);
    let from = section.text("from");
    let host = section.text("host");
    let port = section.integer("port", 0..=65_535, None);
    let tls = section.choice::<MailTls>("tls", None);
    let user = section.text("user");
    let password = named_secret(section, "password_env");
    let ca_file = section.text("ca_file");
    let timeout_ms = section.integer("timeout_ms", TIMEOUTS_MS, None);
    section.finish();
    if kind? == MailKind::Outbox {
        return Ok(Mail::Outbox);
    }
    let (from, host, tls, user) = (from?, host?, tls?, user?);
    if from.is_empty() {
        return section.note("from", "is missing: mails are from somebody");
    }
    if let Err(error) = control::senders::check_mailbox(from) {
        return section.note("from", error.to_string());
    }
    if host.is_empty() {
        return section.note("host", "is missing: name the mail server");
    }
    let password = match (user, password?) {
        ("", None) => None,
        ("", Some(_)) => return section.note("user", "is missing, and password_env is not"),
        (_, None) => {
            return section.note(
                "password_env",
                "is missing: name the variable that holds the password of `user`",
            );
        }
        (_, Some(password)) => Some(password),
    };
    if tls == MailTls::None && password.is_some() && !is_loopback(host) {
        return section.note(
            "tls",
            "cannot be \"none\" with a password, which everybody on the way could read: use \
             \"starttls\" or \"implicit\"",
        );
    }
    let port = match (u16::try_from(port?).unwrap_or_default(), tls) {
        (0, MailTls::StartTls) => 587,
        (0, MailTls::Implicit) => 465,
        (0, MailTls::None) => 25,
        (port, _) => port,
    };
    Ok(Mail::Smtp(MailServer {
        from: from.to_owned(),
        host: host.to_owned(),
        port,
        tls,
        user: user.to_owned(),
        password,
        ca_file: Some(ca_file?)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
        timeout_ms: timeout_ms?,
    }))
}

pub(super) fn read_sms(section: &Section<'_>) -> Read<Sms> {
    let kind = section.choice::<SmsKind>("kind", None);
    let account_sid = section.text("account_sid");
    let auth_token = named_secret(section, "auth_token_env");
    let from = section.text("from");
    let base_url = section.parsed("base_url", parse_url);
    let url = section.text("url");
    let secret = named_secret(section, "secret_env");
    let timeout_ms = section.integer("timeout_ms", TIMEOUTS_MS, None);
    section.finish();
    let given = |key, value: &str, wants: &str| match value {
        "" => section.note(key, format!("is missing: {wants}")),
        value => Ok(value.to_owned()),
    };
    match kind? {
        SmsKind::Outbox => Ok(Sms::Outbox),
        SmsKind::Twilio => {
            let account_sid = given("account_sid", account_sid?, "it begins with AC")?;
            let letters = account_sid.chars().all(|it| it.is_ascii_alphanumeric());
            if !account_sid.starts_with("AC") || !letters {
                return section.note("account_sid", "must be the account's SID: AC and 32 digits");
            }
            let Some(auth_token) = auth_token? else {
                return section.note(
                    "auth_token_env",
                    "is missing: name the variable that holds the account's auth token",
                );
            };
            let sender = "a number such as +15550100, or the SID of a messaging service";
            Ok(Sms::Twilio(TwilioAccount {
                base_url: base_url?,
                account_sid,
                auth_token,
                from: given("from", from?, sender)?,
                timeout_ms: timeout_ms?,
            }))
        }
        SmsKind::Webhook => {
            let url = given("url", url?, "say where your program listens")?;
            if let Err(message) = check_webhook(&url) {
                return section.note("url", message);
            }
            let Some(secret) = secret? else {
                return section.note(
                    "secret_env",
                    "is missing: name the variable that holds what requests are signed with",
                );
            };
            Ok(Sms::Webhook(SmsWebhook {
                url,
                secret,
                timeout_ms: timeout_ms?,
            }))
        }
    }
}

/// A secret that is in the environment, under the name that `key` states.
pub(super) fn named_secret(section: &Section<'_>, key: &'static str) -> Read<Option<NamedSecret>> {
    section.parsed(key, |text| match text {
        "" => Ok(None),
        text => parse_variable(text).map(|env| Some(NamedSecret { env, value: None })),
    })
}

/// An address with a query, unlike those that paths are added to.
fn check_webhook(text: &str) -> Result<(), String> {
    let example = "write an address such as https://example.com/sms";
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("is not an address: {example}"))?;
    let authority = uri.authority();
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    match authority {
        Some(authority) if authority.as_str().contains('@') => {
            Err("must not hold a password: requests are signed instead".to_owned())
        }
        Some(_) if is_http && !text.contains('#') => Ok(()),
        _ => Err(format!("must begin with http:// or https://: {example}")),
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.parse();
    address.map_or(host == "localhost", |address| address.is_loopback())
}
