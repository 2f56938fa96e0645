//! Runs a proof of the books in the background: a long read, beside whatever else happens. How far
//! it is gets written every second; if it is given up meanwhile, or this server ends, it stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use domain::id::VerificationId;
use serde_json::{Value, json};
use store::verifications::{self, State};
use store::verify::{self, Check, Head, Report};
use store::{StoreError, Tx};

use crate::Control;

const EVERY: Duration = Duration::from_secs(1);

/// What the thread that proves says, and is told.
#[derive(Default)]
struct Course {
    done: AtomicUsize,
    all: AtomicUsize,
    is_over: AtomicBool,
}

/// Stops the thread when nobody waits for it any more.
struct Stop(Arc<Course>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// Proves the books, and keeps what was found.
pub(super) async fn run(control: Control, id: VerificationId) {
    let course = Arc::<Course>::default();
    let _stop = Stop(Arc::clone(&course));
    let said = Arc::clone(&course);
    let prove = control.store.read(move |tx| prove(tx, &said));
    let watch = watch(&control, &id, &course);
    let found = tokio::select! {
        found = prove => found,
        () = watch => return,
    };
    let (state, report) = match found {
        Ok(report) if report.holds() => (State::Proved, Some(shown(&report))),
        Ok(report) => {
            tracing::error!(%id, "the books do not hold; `farebox ledger verify` says how");
            (State::Broken, Some(shown(&report)))
        }
        Err(error) => {
            tracing::warn!(%id, %error, "the books could not be read to the end");
            (State::Failed, None)
        }
    };
    let now = control.now();
    let kept = control.store.write(move |tx| {
        let report = report.map(|report| report.to_string());
        verifications::end(tx, &id, state, report.as_deref(), now)
    });
    if let Err(error) = kept.await {
        tracing::warn!(%error, "what a proof found could not be kept");
    }
}

fn prove(tx: &mut Tx<'_>, course: &Course) -> Result<Report, StoreError> {
    verify::verify_heeding(tx, &[], &mut |done, all| {
        course.done.store(done, Ordering::Relaxed);
        course.all.store(all, Ordering::Relaxed);
        match course.is_over.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("the proof was given up".into())),
            false => Ok(()),
        }
    })
}

/// Writes how far the proof is, until it was given up.
async fn watch(control: &Control, id: &VerificationId, course: &Course) {
    loop {
        tokio::time::sleep(EVERY).await;
        let steps = |number: &AtomicUsize| {
            u64::try_from(number.load(Ordering::Relaxed)).unwrap_or(u64::MAX)
        };
        let (far, now) = ((steps(&course.done), steps(&course.all)), control.now());
        let id = id.clone();
        let noted = control
            .store
            .write(move |tx| verifications::note(tx, &id, far, now));
        match noted.await {
            Ok(true) => {}
            Ok(false) => return,
            // The proof goes on; it is given up if nothing can be written for long.
            Err(error) => tracing::warn!(%error, "how far a proof is could not be written"),
        }
    }
}

fn shown(report: &Report) -> Value {
    let check = |check: &Check| {
        let Check { name, claim, .. } = check;
        json!({"name": name, "claim": claim, "violations": check.violations})
    };
    let head = |head: &Head| json!({"chain": head.chain, "batch": head.batch, "hash": head.hash});
    json!({
        "transfers": report.transfers,
        "usage_records": report.usage_records,
        "open_holds": report.open_holds,
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
        "heads": report.heads.iter().map(head).collect::<Vec<_>>(),
    })
}
