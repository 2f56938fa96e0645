//! `POST /api/leak_reports`: keys that somebody found where others can read them, told by the
//! protocol of GitHub's secret scanning, signed.
//!
//! Whoever can sign is believed that a key can be read by all, so it is revoked at once, and its
//! owner told. Without configured signers there is no such route.

mod signature;
mod signers;

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use domain::key::{KeyDigest, KeySecret};
use domain::people::throttle::LEAK_REPORTS_FROM_NETWORK;
use http::HeaderMap;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::StoreError;
use store::audit::{Actor, Who};
use store::leaks::{self, FoundKey, KeyState, Leak};
use utoipa::ToSchema;

pub use signers::{BadSigners, Signers};

use crate::Control;
use crate::body::unread;
use crate::people::visitor::Visitor;
use crate::respond::{Outcome, Refusal, answer};

/// Names the public key that a report is signed for.
const KEY_HEADER: &str = "github-public-key-identifier";
/// The signature of the body, in base64.
const SIGNATURE_HEADER: &str = "github-public-key-signature";
/// The longest place and source that are kept, in characters.
const PLACE_CHARS: usize = 1_000;

/// Something that looks like a key, and where it was found.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LeakReport {
    /// What was found.
    #[schema(example = "sk-proj-fare…")]
    token: String,
    /// What whoever found it calls this kind.
    #[serde(rename = "type", default)]
    #[schema(example = "farebox_api_key")]
    kind: String,
    /// Where it was found; may be empty.
    #[serde(default)]
    #[schema(example = "https://github.com/octocat/hello/blob/main/.env")]
    url: Option<String>,
    /// What kind of place that is.
    #[serde(default)]
    #[schema(example = "content")]
    source: Option<String>,
}

/// Whether what was found is a key of this installation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeakLabel {
    /// The SHA-256 of what was found, in hexadecimal.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    token_hash: String,
    #[schema(example = "farebox_api_key")]
    token_type: String,
    /// `true_positive`: it is, or was before it was revoked; `false_positive`.
    #[schema(example = "true_positive")]
    label: &'static str,
}

/// Tell that keys were found where others can read them. Those that work are revoked, and their
/// owners told by mail; a report that comes again changes nothing. Only where signers are set up.
#[utoipa::path(
    post, path = "/api/leak_reports", tag = "Leaked keys", operation_id = "report_leaks",
    params(
        ("Github-Public-Key-Identifier" = String, Header, description = "Which public key"),
        ("Github-Public-Key-Signature" = String, Header,
            description = "ECDSA over P-256 and SHA-256 of the body, as DER in base64"),
    ),
    request_body = Vec<LeakReport>,
    responses((status = 200, body = Vec<LeakLabel>), (status = 404))
)]
pub(crate) async fn report(
    State(control): State<Control>,
    visitor: Visitor,
    head: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let outcome = async {
        let signers = control.leak_signers.as_ref().ok_or(Refusal::NoRoute {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
        })?;
        let body = body.map_err(unread)?;
        if !is_signed(signers, &control, &head.headers, &body).await? {
            // Only who cannot sign is counted, so that nobody keeps those out who can.
            let bucket = vec![(&LEAK_REPORTS_FROM_NETWORK, visitor.network())];
            control.take_all(bucket, control.now()).await?;
            return Err(Refusal::BadSignature);
        }
        let reports: Vec<LeakReport> =
            serde_json::from_slice(&body).map_err(|_| Refusal::NotJson)?;
        Ok(Json(labelled(&control, &visitor, reports).await?))
    };
    answer(&control, outcome.await)
}

/// Whether somebody signed the body who may.
async fn is_signed(
    signers: &Signers,
    control: &Control,
    headers: &HeaderMap,
    body: &[u8],
) -> Outcome<bool> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let (Some(id), Some(signature)) = (text(KEY_HEADER), text(SIGNATURE_HEADER)) else {
        return Ok(false);
    };
    let key = signers.key(id, control.now()).await;
    let key = key.map_err(|_| Refusal::SignersUnavailable)?;
    Ok(key.is_some_and(|key| key.has_signed(body, signature)))
}

/// Revokes what works, and says of each report whether it was right.
async fn labelled(
    control: &Control,
    visitor: &Visitor,
    reports: Vec<LeakReport>,
) -> Outcome<Vec<LeakLabel>> {
    let digest = |report: &LeakReport| Some(KeySecret::parse(&report.token).ok()?.digest());
    let digests: Vec<Option<KeyDigest>> = reports.iter().map(digest).collect();
    let known = known(control, &digests).await?;
    let mut labels = Vec::with_capacity(reports.len());
    let mut live = Vec::new();
    for (report, digest) in reports.into_iter().zip(digests) {
        let key = digest.and_then(|digest| known.get(&digest));
        labels.push(LeakLabel {
            token_hash: hex(&Sha256::digest(report.token.as_bytes())),
            token_type: report.kind,
            label: match key {
                Some(_) => "true_positive",
                None => "false_positive",
            },
        });
        let works = |key: &&FoundKey| key.state(control.now()) == KeyState::Live;
        live.extend(key.filter(works).map(|key| Leak {
            key: key.clone(),
            place: place(report.url, report.source.as_deref()),
            source: report.source.as_deref().map(line),
        }));
    }
    if !live.is_empty() {
        revoke(control, visitor, live).await?;
    }
    Ok(labels)
}

/// What is known of these keys.
async fn known(
    control: &Control,
    digests: &[Option<KeyDigest>],
) -> Result<HashMap<KeyDigest, FoundKey>, StoreError> {
    let digests: Vec<KeyDigest> = digests.iter().flatten().copied().collect();
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let read = control.store.read(move |tx| -> Result<_, StoreError> {
        let mut known = HashMap::new();
        for digest in digests {
            if let Some(key) = leaks::find(tx, &digest)? {
                known.insert(digest, key);
            }
        }
        Ok(known)
    });
    read.await
}

/// Revokes keys in one transaction: all of a report, or nothing, and then it comes again.
async fn revoke(control: &Control, visitor: &Visitor, leaks: Vec<Leak>) -> Result<(), StoreError> {
    let (now, entropy) = (control.now(), control.entropy);
    let actor = Actor {
        who: Who::Operator,
        ip_address: visitor.ip_address(),
        user_agent: visitor.user_agent.clone(),
    };
    let write = control.store.write(move |tx| -> Result<u64, StoreError> {
        let mut revoked = 0;
        for leak in &leaks {
            revoked += u64::from(leaks::revoke(tx, leak, &actor, now, entropy)?);
        }
        Ok(revoked)
    });
    let revoked = write.await?;
    tracing::warn!(revoked, "keys were reported as leaked, and revoked");
    Ok(())
}

fn place(url: Option<String>, source: Option<&str>) -> String {
    match (url.filter(|url| !url.trim().is_empty()), source) {
        (Some(url), _) => line(&url),
        (None, Some(source)) => format!("a public place ({})", line(source)),
        (None, None) => "a public place".into(),
    }
}

/// What others wrote, as it may be kept and shown.
fn line(text: &str) -> String {
    let plain = text.chars().filter(|letter| !letter.is_control());
    plain.take(PLACE_CHARS).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
