//! PostgreSQL is stopped at once, cuts connections off, or is lost to its standby, under load: the
//! server recovers by itself, and every answer is billed once. `FAREBOX_FAILOVERS` says how often,
//! where it is to be more than usual.

use std::time::Instant;

use testkit::postgres::{Server, disconnect};

use crate::books;
use crate::load::{Load, Mix, Seen};
use crate::stage::{Stage, clock};

const MIX: Mix = Mix {
    streaming: 24,
    plain: 12,
    leaving: 8,
    max_tokens: 40,
};

fn times() -> usize {
    testkit::times("FAREBOX_FAILOVERS", 2)
}

/// Nobody was told of any failure but by a refusal, and nothing was given away.
async fn compare(stage: &Stage, since: domain::time::AtUs, seen: &[Seen], what: &str) {
    books::at_rest(stage).await;
    let tally = books::compare(stage, since, seen, &[]).await;
    eprintln!("{what}: {tally:?}");
    assert_eq!(
        (tally.unanswered, tally.refused, tally.given_away),
        (0, 0, 0),
        "{tally:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_stops_at_once_or_cuts_off_connections_loses_nothing() {
    let began = Instant::now();
    let mut postgres = Server::start().await;
    let stage = Stage::new(&postgres.database().await).await;
    let since = clock()();
    let server = stage.place.serve().await;
    let load = Load::start(&stage, MIX);
    for _ in 0..times() {
        load.goes_on(40).await;
        postgres.kill();
        postgres.start_again().await;
        load.goes_on(40).await;
        disconnect(&stage.database_url).await;
    }
    load.goes_on(40).await;
    let seen = load.end().await;
    let what = format!("{} stops and cuts in {:?}", times(), began.elapsed());
    compare(&stage, since, &seen, &what).await;
    stage.stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_that_is_promoted_under_load_has_everything() {
    let began = Instant::now();
    let mut primary = Server::start().await;
    let mut standby = primary.start_standby().await;
    let database = primary.database().await;
    primary.replicate_synchronously().await;
    let stage = Stage::new(&primary.url_of_either(&standby, &database)).await;
    let since = clock()();
    let server = stage.place.serve().await;
    let load = Load::start(&stage, MIX);
    for round in 1.. {
        load.goes_on(60).await;
        primary.kill();
        standby.promote().await;
        load.goes_on(60).await;
        if round == times() {
            break;
        }
        // The next one stands where the lost one stood: its port is in the address.
        primary.replace_by_standby_of(&standby).await;
        standby.replicate_synchronously().await;
        std::mem::swap(&mut primary, &mut standby);
    }
    let seen = load.end().await;
    let what = format!("{} promotions in {:?}", times(), began.elapsed());
    compare(&stage, since, &seen, &what).await;
    stage.stop(server).await;
}
