//! `farebox ledger verify`: proof that every invariant of the ledger holds.

use serde_json::json;
use store::verify::Head;

use super::print;
use crate::cli::{Failure, Verify};
use crate::config::Loaded;
use crate::installation::{self, Proof};

/// Verifies, and prints what was proved or what is broken.
pub(super) async fn run(loaded: &Loaded, verify: &Verify) -> Result<(), Failure> {
    let proof = installation::verify(&loaded.config, &verify.expected_heads).await?;
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
    let head = |head: &Head| {
        json!({
            "chain": head.chain,
            "batch": head.batch,
            "hash": head.hash,
        })
    };
    let heads: Vec<_> = proof.heads.iter().map(head).collect();
    let object = json!({
        "ok": proof.violations.is_empty(),
        "transfers": proof.transfers,
        "usage_records": proof.usage_records,
        "open_holds": proof.open_holds,
        "heads": heads,
        "violations": proof.violations,
    });
    format!("{object}\n")
}

fn as_text(proof: &Proof) -> String {
    if !proof.violations.is_empty() {
        let line = |violation| format!("broken: {violation}\n");
        return proof.violations.iter().map(line).collect();
    }
    let holds = format!(
        "Every invariant holds over {} transfers.\n",
        proof.transfers
    );
    let head = |it: &Head| format!("Head of {}: batch {}, {}\n", it.chain, it.batch, it.hash);
    let heads = proof.heads.iter().map(head);
    std::iter::once(holds).chain(heads).collect()
}
