//! A ledger that cannot commit, or never will again: no stream runs ahead of it.

// SQL in a test: the database is taken away from the ledger, for a while or for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use store::{LedgerState, Role, StoreError};
use testkit::http::{Streaming, post_stream};
use testkit::{Reply, Upstream, eventually, on_each_database};
use tokio::task::JoinHandle;

use crate::world::{Plan, World, hello, open, streamed};

/// An upstream whose streams have no end.
async fn endless() -> Upstream {
    Upstream::start(|_| Reply::stream(&["one "]).endless().delay_ms(10)).await
}

fn plan() -> Plan {
    Plan {
        max_output_tokens: 1_000_000,
        ..Plan::default()
    }
}

async fn begin(world: &World) -> Streaming {
    let body = streamed(hello(1_000_000));
    let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
    for _ in 0..5 {
        stream.record().await.expect("it goes on");
    }
    stream
}

/// Reads as fast as it comes; counts deltas.
fn read_on(mut stream: Streaming, received: Arc<AtomicU64>) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut last = String::new();
        while let Some(record) = stream.record().await {
            received.fetch_add(1, Ordering::SeqCst);
            last = record;
        }
        last
    })
}

/// Waits until a count does not grow any more.
async fn stands_still(count: &AtomicU64) {
    let last = AtomicU64::new(u64::MAX);
    eventually("nothing more arrives", async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = count.load(Ordering::SeqCst);
        last.swap(now, Ordering::SeqCst) == now
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_waits_for_a_ledger_that_cannot_commit() {
    on_each_database(async |database| {
        let upstream = endless().await;
        let world = World::start(database, &[upstream.base_url()], plan()).await;
        let received = Arc::<AtomicU64>::default();
        let reading = read_on(begin(&world).await, Arc::clone(&received));

        // Another process holds what the ledger must write.
        let other = open(&world.database, Role::Command).await;
        let (let_go, held) = mpsc::channel();
        let hold_up = other.clone();
        let holding = tokio::spawn(async move {
            let write = hold_up.write(move |tx| {
                tx.execute("UPDATE nodes SET batch = batch", &[])?;
                // Sent or dropped, it ends.
                let _ = held.recv();
                Ok::<_, StoreError>(())
            });
            write.await.expect("it is let go");
        });
        stands_still(&received).await;
        let stood_at = received.load(Ordering::SeqCst);

        let_go.send(()).expect("it waits for this");
        holding.await.expect("no panic");
        eventually("the stream goes on", async || {
            received.load(Ordering::SeqCst) > stood_at + 20
        })
        .await;
        reading.abort();
        world.at_rest().await;
        let [(_, output_tokens, _, _)] = world.usage().await[..] else {
            panic!("one usage record");
        };
        assert!(output_tokens as u64 >= received.load(Ordering::SeqCst));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_its_stream_waits_lets_the_upstream_go() {
    let upstream = endless().await;
    let database = testkit::databases::sqlite();
    let world = World::start(database, &[upstream.base_url()], plan()).await;
    let received = Arc::<AtomicU64>::default();
    let reading = read_on(begin(&world).await, Arc::clone(&received));
    let other = open(&world.database, Role::Command).await;
    let (let_go, held) = mpsc::channel::<()>();
    let holding = tokio::spawn(async move {
        let write = other.write(move |_| {
            let _ = held.recv();
            Ok::<_, StoreError>(())
        });
        write.await.expect("it is let go");
    });
    stands_still(&received).await;
    reading.abort();
    eventually("the upstream is let go", async || upstream.cancelled() == 1).await;
    drop(let_go);
    holding.await.expect("no panic");
    world.at_rest().await;
    assert_eq!(world.usage().await.len(), 1, "it is charged all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_a_ledger_that_broke_ends() {
    on_each_database(async |database| {
        let upstream = endless().await;
        let world = World::start(database, &[upstream.base_url()], plan()).await;
        let received = Arc::<AtomicU64>::default();
        let reading = read_on(begin(&world).await, Arc::clone(&received));

        let other = open(&world.database, Role::Command).await;
        let rename = |from: &str, to: &str| {
            let (other, sql) = (other.clone(), format!("ALTER TABLE {from} RENAME TO {to}"));
            async move { other.write(move |tx| tx.execute(&sql, &[])).await }
        };
        let renamed: Result<_, StoreError> = rename("holds", "elsewhere").await;
        renamed.expect("it is taken away");
        eventually("it ends", async || reading.is_finished()).await;
        let last = reading.await.expect("no panic");
        assert!(last.contains("ledger_unavailable"), "{last}");
        assert!(matches!(
            world.store.ledger().state(),
            LedgerState::Poisoned(_)
        ));
        eventually("the upstream is let go", async || upstream.cancelled() == 1).await;

        // The next process charges what was noted.
        rename("elsewhere", "holds").await.expect("it is back");
        let received = received.load(Ordering::SeqCst) as i64;
        let world = world.restart(&[upstream.base_url()]).await;
        world.at_rest().await;
        for (_, output_tokens, _, flags) in world.usage().await {
            assert!(output_tokens > 0 && output_tokens <= received + 5);
            let orphan = domain::hold::Flags::from_bits(flags).orphan;
            assert!(orphan, "{flags}");
        }
    })
    .await;
}
