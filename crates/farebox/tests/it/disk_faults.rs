//! The disk under a server on SQLite is full or fails, under load: the server refuses what is new,
//! waits or says that it must be restarted, and every answer that arrived is billed.
//!
//! That nothing is lost whichever call fails is proved in the store's tests, on the ledger alone;
//! here it is the whole server and what its clients see. `FAREBOX_FAULTS` says how many moments to
//! try, where it is to be more than usual.

use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::TestDatabase;
use testkit::disk_faults::{Calls, DiskFault, Error, Lasts};
use testkit::http::Request;
use testkit::process::{Process, spawn_binary};

use crate::books;
use crate::load::{Load, Mix};
use crate::place::{BINARY, Place};
use crate::stage::{Stage, clock};

const MIX: Mix = Mix {
    streaming: 24,
    plain: 12,
    leaving: 8,
    max_tokens: 40,
};
const CLIENTS: u64 = 44;

fn folder(database: &TestDatabase) -> PathBuf {
    let file = database.url.strip_prefix("sqlite://").expect("a file");
    Path::new(file)
        .parent()
        .expect("it is in a folder")
        .to_owned()
}

fn serve_on(place: &Place, fault: &DiskFault) -> Process {
    spawn_binary(BINARY, &["serve"], place.path(), &fault.environment())
}

/// What `/readyz` says: ready, why not, or nothing.
async fn readiness(place: &Place) -> Option<Result<(), String>> {
    let answer = Request::get(&place.url("/readyz")).send().await.ok()?;
    Some(match answer.status {
        200 => Ok(()),
        _ => Err(answer.text()),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_refused_and_waited_for() {
    let database = testkit::databases::sqlite();
    let stage = Stage::new(&database.url).await;
    let since = clock()();
    let (calls, error, lasts) = (Calls::Writes, Error::Full, Lasts::UntilEnded);
    let fault = DiskFault::new(&folder(&database), calls, error, 400, lasts).named(".db-wal");
    let mut server = serve_on(&stage.place, &fault);
    let ready = stage.place.url("/readyz");
    server.wait_for_http(&ready, Duration::from_secs(60)).await;
    let load = Load::start(&stage, MIX);
    testkit::eventually("the disk is full", async || !fault.told().is_empty()).await;
    testkit::eventually("it refuses", async || {
        readiness(&stage.place).await.is_some_and(|it| it.is_err())
    })
    .await;
    let waiting = load.whole();
    testkit::eventually("clients are turned away", async || load.refused() > CLIENTS).await;
    assert!(load.whole() <= waiting + CLIENTS, "nothing new is answered");
    fault.end();
    server.wait_for_http(&ready, Duration::from_secs(60)).await;
    load.goes_on(100).await;
    let seen = load.end().await;
    books::at_rest(&stage).await;
    let tally = books::compare(&stage, since, &seen, &[]).await;
    eprintln!("a full disk: {tally:?}");
    assert_eq!(
        (tally.unanswered, tally.refused, tally.given_away),
        (0, 0, 0),
        "{tally:?}"
    );
    stage.stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_is_told_and_loses_nothing() {
    let database = testkit::databases::sqlite();
    let stage = Stage::new(&database.url).await;
    let moments = match testkit::times("FAREBOX_FAULTS", 0) {
        // In opening, in the first commits, and under load.
        0 => vec![
            (Calls::Syncs, 1),
            (Calls::Syncs, 12),
            (Calls::Writes, 5),
            (Calls::Writes, 900),
        ],
        times => (1..=times)
            .flat_map(|number| [(Calls::Syncs, number), (Calls::Writes, 10 * number)])
            .collect(),
    };
    for (calls, from) in moments {
        let since = clock()();
        let lasts = if from % 2 == 0 {
            Lasts::Once
        } else {
            Lasts::UntilEnded
        };
        let fault = DiskFault::new(&folder(&database), calls, Error::Broken, from, lasts);
        let mut server = serve_on(&stage.place, &fault);
        testkit::eventually("it starts or ends", async || {
            server.ended().is_some() || readiness(&stage.place).await.is_some()
        })
        .await;
        let load = Load::start(&stage, MIX);
        testkit::eventually("the disk fails", async || !fault.told().is_empty()).await;
        let before = load.whole();
        let mut broke = false;
        testkit::eventually("it ends, breaks or goes on", async || {
            let said = readiness(&stage.place).await;
            broke = matches!(said, Some(Err(why)) if why.contains("restart"));
            broke || server.ended().is_some() || load.whole() > before + 2 * CLIENTS
        })
        .await;
        let ended = server.ended();
        server.kill9();
        let seen = load.end().await;

        let what = format!("{calls:?} at {from}, {lasts:?}: {:?}", fault.told());
        let log = server.stderr();
        assert!(ended.is_none_or(|it| it.code() == Some(1)), "{what}: {log}");
        // SQLite does not report a failed flush of the folder; that of the store itself counts.
        let silent = fault.told().iter().all(|call| !call.contains("farebox.db"));
        assert!(broke || ended.is_some() || silent, "{what}: {log}");
        stage.stop(stage.place.serve().await).await;
        let tally = books::compare(&stage, since, &seen, &[]).await;
        eprintln!("{what}: {tally:?}");
        assert!(
            tally.unanswered + tally.refused <= CLIENTS,
            "{what}: {tally:?}"
        );
    }
}
