//! A server is paused, and another one takes its place: the old one can write nothing any more, and
//! ends.

use std::time::Duration;

use testkit::postgres::disconnect;
use testkit::process::{Process, spawn_binary};

use crate::books;
use crate::load::{End, Load, Mix};
use crate::place::{BINARY, Place};
use crate::stage::{Stage, clock};

const MIX: Mix = Mix {
    streaming: 24,
    plain: 12,
    leaving: 0,
    max_tokens: 40,
};
const CLIENTS: u64 = 36;

/// Starts a server that must find the installation taken.
async fn refused(place: &Place) {
    let mut server = spawn_binary(BINARY, &["serve"], place.path(), &[]);
    let ended = server.wait(Duration::from_secs(60)).await;
    assert_eq!(ended.code(), Some(1));
    let told = server.stderr();
    assert!(told.contains("another Farebox is serving"), "{told}");
}

/// The lock goes with the connection, which an operator cuts, or a network.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_that_was_replaced_on_postgres_writes_nothing_more() {
    let database = testkit::databases::postgres().await;
    let stage = Stage::new(&database.url).await;
    let (old_place, new_place) = (&stage.place, stage.another_place());
    let since = clock()();
    let mut old: Process = old_place.serve().await;
    let old_load = Load::start(&stage, MIX);
    old_load.goes_on(40).await;

    old.signal("STOP");
    disconnect(&database.url).await;
    let new = new_place.serve().await;
    let new_load = Load::start_at(&new_place, &stage, MIX);
    new_load.goes_on(40).await;
    let before = old_load.whole();

    old.signal("CONT");
    // What it had in its hands when it was paused may still arrive; nothing that came later.
    let ended = old.wait(Duration::from_secs(60)).await;
    assert_eq!(ended.code(), Some(1), "{}", old.stderr());
    let told = old.stderr();
    assert!(told.contains("went on without this one"), "{told}");
    new_load.goes_on(40).await;

    let (old_seen, new_seen) = (old_load.end().await, new_load.end().await);
    let late = old_seen
        .iter()
        .filter(|one| matches!(one.end, End::Whole(_)));
    assert!(late.count() as u64 <= before + CLIENTS);
    books::at_rest(&stage).await;
    let new_tally = books::compare(&stage, clock()(), &[], &[]).await;
    assert_eq!(
        new_tally.unanswered, 0,
        "nothing is written any more: {new_tally:?}"
    );
    let seen: Vec<_> = old_seen.into_iter().chain(new_seen).collect();
    let tally = books::compare(&stage, since, &seen, &[]).await;
    eprintln!("a takeover: {tally:?}");
    assert!(tally.unanswered + tally.refused <= CLIENTS, "{tally:?}");
    stage.stop(new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_on_sqlite_keeps_its_place() {
    let database = testkit::databases::sqlite();
    let stage = Stage::new(&database.url).await;
    let since = clock()();
    let server = stage.place.serve().await;
    let load = Load::start(&stage, MIX);
    load.goes_on(20).await;
    server.signal("STOP");
    refused(&stage.another_place()).await;
    server.signal("CONT");
    load.goes_on(20).await;
    let seen = load.end().await;
    books::at_rest(&stage).await;
    let tally = books::compare(&stage, since, &seen, &[]).await;
    assert_eq!((tally.unanswered, tally.refused), (0, 0), "{tally:?}");
    stage.stop(server).await;
}
