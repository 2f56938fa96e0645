//! `farebox ledger verify`: proof that every invariant of the ledger holds.

use serde_json::json;

use super::print;
use crate::cli::{Failure, Verify};
use crate::config::Loaded;
use crate::installation::{self, Proof};

/// Verifies, and prints what was proved or what is broken.
pub(super) async fn run(loaded: &Loaded, verify: &Verify) -> Result<(), Failure> {
    let proof = installation::verify(&loaded.config).await?;
    print(&if verify.json {
        as_json(&proof)
    } else {
        as_text(&proof)
    })?;
    if proof.violations.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        "the ledger does not hold. Stop serving, and keep a copy of the database before anything \
         else.",
    ))
}

fn as_json(proof: &Proof) -> String {
    let object = json!({
        "ok": proof.violations.is_empty(),
        "transfers": proof.transfers,
        "usage_records": proof.usage_records,
        "open_holds": proof.open_holds,
        "violations": proof.violations,
    });
    format!("{object}\n")
}

fn as_text(proof: &Proof) -> String {
    if proof.violations.is_empty() {
        return format!(
            "Every invariant holds over {} transfers.\n",
            proof.transfers
        );
    }
    proof
        .violations
        .iter()
        .map(|violation| format!("broken: {violation}\n"))
        .collect()
}
