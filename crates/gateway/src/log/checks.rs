//! What was looked at before a request was refused, in order, as its record keeps it.

use domain::access::AccessRefusal;
use domain::admission::{Limit, Looked, RateKind, Verdict};
use domain::budget::Scope;
use domain::money::Nusd;
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// What is looked at before the limits, in the order of [`crate::pipeline`].
const STEPS: [&str; 15] = [
    "key",
    "ip_range",
    "key_class",
    "organization",
    "project",
    "role",
    "key_permissions",
    "suspension",
    "request",
    "model",
    "key_models",
    "project_models",
    "endpoint",
    "idempotency_key",
    "price",
];
const LEDGER: &str = "ledger";
const UPSTREAM: &str = "upstream";

/// Where a request ended.
enum End {
    /// At one of [`STEPS`].
    Step(&'static str),
    /// The ledger cannot commit.
    Ledger,
    /// At a limit.
    Limit,
    /// The upstream failed, or refused.
    Upstream,
    /// Nowhere that a caller could do something about.
    Nowhere,
}

fn end(refusal: &Refusal) -> End {
    End::Step(match refusal {
        Refusal::NoKey | Refusal::BadKey { .. } => "key",
        Refusal::Access { refusal, .. } => match refusal {
            AccessRefusal::Expired | AccessRefusal::Replaced => "key",
            AccessRefusal::AddressNotAllowed(_) => "ip_range",
            AccessRefusal::AdminKeyOnDataPlane | AccessRefusal::DataKeyOnAdministration => {
                "key_class"
            }
            AccessRefusal::MismatchedOrganization => "organization",
            AccessRefusal::MismatchedProject | AccessRefusal::ProjectArchived(_) => "project",
            AccessRefusal::OwnerLeft(_) | AccessRefusal::MissingScope(_) => "role",
            AccessRefusal::KeyLacks(_) => "key_permissions",
            AccessRefusal::ModelNotAllowed => "key_models",
        },
        Refusal::Suspended(_) => "suspension",
        Refusal::ContentType(_)
        | Refusal::ContentEncoding(_)
        | Refusal::TooLarge { .. }
        | Refusal::BodyCutOff
        | Refusal::Request(_) => "request",
        Refusal::NoModel { .. } => "model",
        Refusal::ModelNotOfProject { .. } => "project_models",
        Refusal::NotOffered { .. } => "endpoint",
        Refusal::NotPriced { .. } => "price",
        Refusal::Repeated(_) => "idempotency_key",
        Refusal::Ledger => return End::Ledger,
        Refusal::Admission { .. } => return End::Limit,
        Refusal::Upstream { .. } | Refusal::UpstreamFailed(_) => return End::Upstream,
        Refusal::NoReceipt { .. }
        | Refusal::NoRoute { .. }
        | Refusal::NoMethod { .. }
        | Refusal::Internal => return End::Nowhere,
    })
}

/// All that was looked at, as a JSON array.
pub(super) fn checks(refusal: &Refusal, looked: &[Looked]) -> String {
    let end = end(refusal);
    let refused_at = match end {
        End::Step(step) => STEPS.iter().position(|it| *it == step),
        End::Ledger | End::Limit | End::Upstream => Some(STEPS.len()),
        End::Nowhere => return "[]".to_owned(),
    };
    let refused_at = refused_at.unwrap_or(STEPS.len());
    let plain = |name: &str, verdict: Verdict| json!({"check": name, "verdict": verdict.as_str()});
    let step = |(place, name): (usize, &&str)| {
        plain(
            name,
            match place.cmp(&refused_at) {
                std::cmp::Ordering::Less => Verdict::Passed,
                std::cmp::Ordering::Equal => Verdict::Refused,
                std::cmp::Ordering::Greater => Verdict::NotReached,
            },
        )
    };
    let mut all: Vec<Value> = STEPS.iter().enumerate().map(step).collect();
    all.push(plain(
        LEDGER,
        match end {
            End::Ledger => Verdict::Refused,
            End::Limit | End::Upstream => Verdict::Passed,
            End::Step(_) | End::Nowhere => Verdict::NotReached,
        },
    ));
    all.extend(looked.iter().map(limit));
    if let End::Upstream = end {
        all.push(plain(UPSTREAM, Verdict::Refused));
    }
    Value::Array(all).to_string()
}

/// A limit, and where it stood.
fn limit(looked: &Looked) -> Value {
    let numbers = &looked.numbers;
    let counts = |unit: &str, write: &dyn Fn(i64) -> String| {
        json!({
            "unit": unit,
            "limit": numbers.limit.map(write),
            "used": numbers.used.map(write),
            "held": numbers.held.map(write),
            "asked": write(numbers.asked),
            "resets_at": numbers.resets_at.map(|at| at.seconds()),
        })
    };
    let usd = |amount: i64| Nusd::new(amount).to_usd();
    let number = |count: i64| count.to_string();
    let (check, mut shown) = match &looked.limit {
        Limit::Balance => ("balance", counts("usd", &usd)),
        Limit::Budget(id, on, window) => {
            let mut shown = counts("usd", &usd);
            shown["budget_id"] = json!(id.as_str());
            shown["window"] = json!(window.as_str());
            shown["scope"] = json!(scope(on));
            ("budget", shown)
        }
        Limit::Rate(on, kind) => {
            let unit = match kind {
                RateKind::TokensPerMinute | RateKind::TokensPerDay => "tokens",
                _ => "requests",
            };
            let mut shown = counts(unit, &number);
            shown["rate"] = json!(kind.name());
            shown["scope"] = json!(scope(on));
            ("rate_limit", shown)
        }
    };
    shown["check"] = json!(check);
    shown["verdict"] = json!(looked.verdict.as_str());
    shown
}

fn scope(scope: &Scope) -> &'static str {
    match scope {
        Scope::Organization => "organization",
        Scope::Project(_) => "project",
        Scope::Key(_) => "key",
    }
}
