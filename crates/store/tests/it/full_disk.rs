//! A disk that is really full: what was admitted is settled from the ballast, and nothing is lost.
//!
//! The disk is a small tmpfs in a mount namespace of a child process, which needs no privilege on
//! most systems; where even that is refused, the test says so and proves nothing.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use domain::usage::Usage;
use store::{LedgerState, Role, SettleTicket, Store};
use testkit::eventually;

use crate::fixture::{Customer, answered, assert_verified, claim, number, open_with, settlement};

/// Tells the child, which is this same program, where its disk is to be.
const CHILD_DISK: &str = "STORE_TEST_SMALL_DISK";
const BALLAST_BYTES: u64 = 2 << 20;
const HOLDS: usize = 100;
/// Of all holds together, more than the ballast.
static ANSWER: [u8; 40_000] = [b'a'; 40_000];
const DONE: &str = "the small disk was full, and all is well";

#[test]
fn a_full_disk_keeps_no_money_undecided() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let can_mount = |flags: &&&[&str]| {
        let mut command = Command::new("unshare");
        command.args(**flags).args(["mount", "-t", "tmpfs", "none"]);
        let tried = command.arg(folder.path()).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(flags) = alone.iter().find(can_mount) else {
        eprintln!("SKIPPED: no file system can be mounted here, so no disk was full");
        return;
    };
    let child = Command::new("unshare")
        .args(*flags)
        .arg(std::env::current_exe().expect("this program has a name"))
        .args([
            "--exact",
            "full_disk::a_child_on_a_small_disk",
            "--nocapture",
        ])
        .env(CHILD_DISK, folder.path())
        .output()
        .expect("it was there a moment ago");
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains(DONE), "{said}");
}

/// Not a test by itself: works on a disk of its own until it is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_on_a_small_disk() {
    #[expect(clippy::disallowed_methods, reason = "a variable makes it the child")]
    let Ok(disk) = std::env::var(CHILD_DISK) else {
        return;
    };
    let mut mount = Command::new("mount");
    let mounted = mount.args(["-t", "tmpfs", "-o", "size=12m", "none", &disk]);
    assert!(mounted.status().expect("it runs").success());
    let disk = Path::new(&disk);
    without_ballast_everybody_waits(disk).await;
    with_ballast_what_was_admitted_is_settled(disk).await;
    println!("{DONE}");
}

/// A served installation with open holds on the disk, and then not a byte of room.
struct Full {
    store: Store,
    tickets: Vec<SettleTicket>,
    filler: PathBuf,
}

async fn full(disk: &Path, name: &str, ballast_bytes: u64) -> Full {
    let url = format!("sqlite://{}/{name}.db", disk.display());
    let store = open_with(&url, Role::Server, ballast_bytes).await;
    let store = store.expect("it opens");
    let customer = Customer::new(&store, 1_000_000).await;
    let ledger = store.ledger();
    let holds: Vec<_> = (0..HOLDS).map(|_| customer.hold(100)).collect();
    let mut claims = Vec::new();
    for hold in &holds {
        ledger.hold(hold.clone()).durable().await.expect("durable");
        let claim = claim(hold, &hold.id.to_string(), "hello");
        let claimed = store.claim(claim.clone(), hold.admitted_at).await;
        assert_eq!(claimed.expect("it is written"), None);
        claims.push(claim);
    }
    assert_eq!(ledger.state(), LedgerState::Healthy);
    let filler = disk.join("filler");
    fill(&filler);
    // An answer can be done without; so much room is there only where the ballast is not needed.
    let settle = |(hold, claim)| {
        let usage = Usage::text(10, 20);
        ledger.settle(match ballast_bytes {
            0 => settlement(hold, usage),
            _ => answered(hold, usage, claim, &ANSWER),
        })
    };
    let tickets = holds.iter().zip(&claims).map(settle).collect();
    Full {
        store,
        tickets,
        filler,
    }
}

/// Takes all the room there is, as another program might.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("it is made");
    for size in [65_536, 4_096, 512, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

fn is_stalled(store: &Store, why: &str) -> bool {
    matches!(store.ledger().state(), LedgerState::Stalled(reason) if reason.contains(why))
}

async fn without_ballast_everybody_waits(disk: &Path) {
    let full = full(disk, "without", 0).await;
    let store = &full.store;
    eventually("it stalls", async || is_stalled(store, "the disk is full")).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let count = "SELECT COUNT(*) FROM usage_records";
    assert!(number(store, count).await < 100, "the disk was not full");
    fs::remove_file(&full.filler).expect("it goes");
    for ticket in full.tickets {
        ticket.durable().await.expect("durable at last");
    }
    assert_eq!(store.ledger().state(), LedgerState::Healthy);
    assert_verified(store).await;
    store.close().await;
}

async fn with_ballast_what_was_admitted_is_settled(disk: &Path) {
    let full = full(disk, "with", BALLAST_BYTES).await;
    let store = &full.store;
    let ballast = disk.join("with.db.ballast");
    for ticket in full.tickets {
        let durable = tokio::time::timeout(testkit::PATIENCE, ticket.durable()).await;
        durable
            .expect("it does not wait for room")
            .expect("durable, though the disk is full");
    }
    assert!(!ballast.exists(), "it was not needed");
    // The writer looks every second whether there is room again.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert!(
        is_stalled(store, "the disk is full"),
        "{:?}",
        store.ledger().state()
    );
    assert_eq!(number(store, "SELECT COUNT(*) FROM holds").await, 0);
    let kept = "SELECT COUNT(*) FROM idempotent_requests WHERE answer IS NOT NULL";
    assert_eq!(number(store, kept).await, 0, "the room was for money");
    assert_verified(store).await;

    fs::remove_file(&full.filler).expect("it goes");
    let healthy = async || store.ledger().state() == LedgerState::Healthy;
    eventually("new requests are admitted", healthy).await;
    let kept = fs::metadata(&ballast).expect("it is back");
    assert_eq!(kept.len(), BALLAST_BYTES);
    assert_verified(store).await;
    store.close().await;
}
