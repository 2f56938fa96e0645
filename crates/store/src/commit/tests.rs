//! A batch that comes twice, in part or too late, counts once: on both databases.

use std::sync::Arc;

use domain::id::OrganizationId;
use domain::lease::{Ask, AskLine, Epoch, NodeId, PotId};
use domain::money::Nusd;
use domain::time::AtUs;
use testkit::TestDatabase;
use tokio::runtime::Runtime;

use super::*;
use crate::ballast::Room;
use crate::batch::tests::{claim, hold, kept, settle};
use crate::batch::{Op, Seen, Settlement};
use crate::grants::{self, Grant, GrantError};
use crate::postgres::PostgresServer;
use crate::postgres_batch::PostgresCommitter;
use crate::sqlite_batch::SqliteCommitter;
use crate::{DatabaseUrl, Options, Role, Row, Store, Tx, leases, sqlite, verify, wallets};

/// The writer that [`make`] leaves an epoch for.
pub(crate) fn writer() -> Writer {
    Writer {
        node: "main".into(),
        epoch: 1,
    }
}

/// Opens as a command: reads and writes beside a committer of the test's own.
pub(crate) async fn open(database: &TestDatabase, role: Role) -> Store {
    let url = DatabaseUrl::parse(&database.url).expect("an address");
    let clock: domain::time::Clock = Arc::new(|| AtUs(0));
    let opened = Store::open(Options {
        url,
        role,
        ballast_bytes: 0,
        clock,
        mono: || domain::time::MonoUs(testkit::mono_us()),
    })
    .await;
    opened.expect("it opens")
}

/// Makes an installation that has been served once, and whose only wallet has `credit_nusd`.
pub(crate) async fn make(database: &TestDatabase, credit_nusd: i64) -> Store {
    let server = open(database, Role::Server).await;
    let organization = OrganizationId::new("org-a");
    let grant = Grant {
        id: "grant".into(),
        organization: organization.clone(),
        amount: Nusd::new(credit_nusd),
        expires_at: None,
        reason: String::new(),
        actor: String::new(),
    };
    let paid = server.write(move |tx| {
        wallets::open(tx, &organization)?;
        // What the holds of tests are priced by.
        tx.execute_one(
            "INSERT INTO prices (id, model, effective_at_us, price, cost, source, created_at_us)
             VALUES ('price_a', 'm', 0, $1, '0 0 0 0 0 0 0 0 0', 'operator', 0)",
            &[format!("{}0", "1000000 ".repeat(8)).into()],
        )?;
        grants::give(tx, &grant, AtUs(0))
    });
    paid.await
        .map_err(|error: GrantError| error)
        .expect("paid in");
    server.close().await;
    let store = open(database, Role::Command).await;
    if database.name != "sqlite" {
        store.write(lease_to_writer).await.expect("it is leased");
    }
    store
}

/// Begins the epoch of [`writer`], which leases whatever there is.
fn lease_to_writer(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let node = NodeId::new("main");
    tx.execute("UPDATE nodes SET epoch = 1", &[])?;
    let (epoch, _) = leases::join(tx, &node)?;
    assert_eq!(epoch, Epoch(1));
    let line = AskLine {
        pot: PotId::Wallet(OrganizationId::new("org-a")),
        need: Nusd::new(1),
        want: Nusd::new(1),
    };
    let ask = Ask {
        node,
        epoch,
        number: 1,
        lines: vec![line],
    };
    leases::ask(tx, &ask)?.expect("the epoch has just begun");
    Ok(())
}

pub(crate) fn sqlite_committer(database: &TestDatabase) -> SqliteCommitter {
    let path = database.url.strip_prefix("sqlite://").expect("a file");
    let connection = sqlite::open_writer(path.as_ref(), false).expect("it opens");
    SqliteCommitter::new(connection, None, Room::with(None))
}

async fn postgres_committer(database: &TestDatabase) -> PostgresCommitter {
    let runtime = tokio::runtime::Handle::current();
    let server = PostgresServer::new(&database.url, runtime.clone()).expect("an address");
    let connection = server.connect().await.expect("it answers");
    PostgresCommitter::new(Arc::new(server), runtime, connection, None)
}

fn committer(runtime: &Runtime, database: &TestDatabase) -> Box<dyn Committer> {
    match database.name {
        "sqlite" => Box::new(sqlite_committer(database)),
        _ => Box::new(runtime.block_on(postgres_committer(database))),
    }
}

/// Every row that a batch can touch.
fn everything(runtime: &Runtime, store: &Store) -> Vec<Vec<Row>> {
    let read = store.read(|tx| {
        let report = verify::verify(tx)?;
        assert!(report.holds(), "{:#?}", report.checks);
        [
            "accounts",
            "holds",
            "transfers",
            "usage_records",
            "usage_hours",
            "batches",
            "idempotent_requests",
            "usage_days",
            "usage_user_days",
            "upstream_days",
        ]
        .iter()
        .map(|table| tx.query(&format!("SELECT * FROM {table} ORDER BY 1, 2"), &[]))
        .collect()
    });
    runtime
        .block_on(read)
        .map_err(|error: StoreError| error)
        .expect("it is read")
}

#[test]
fn batches_count_once_however_often_they_come() {
    let runtime = Runtime::new().expect("a runtime");
    for database in runtime.block_on(testkit::databases()) {
        eprintln!("on {}", database.name);
        let store = runtime.block_on(make(&database, 1_000));
        let mut committer = committer(&runtime, &database);
        let mut commit = |ops: Vec<Op>| {
            committer
                .commit(&Batch::gather(ops), &writer())
                .expect("committed");
            everything(&runtime, &store)
        };
        let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(|number| hold(number, 50));
        let seen = Seen {
            input_tokens: 3,
            output_tokens: 4,
        };
        let first = vec![
            Op::Hold(a.clone()),
            Op::Hold(b.clone()),
            Op::Hold(c.clone()),
            Op::Settle(settle(&c, 60)),
        ];
        let second = vec![
            Op::Checkpoint(a.id, seen),
            Op::Settle(settle(&b, 20)),
            Op::Hold(d.clone()),
        ];
        for ops in [first, second.clone()] {
            let once = commit(ops.clone());
            assert_eq!(commit(ops), once);
        }

        // In part: what is new counts, what is old does not.
        let news = [
            Op::Hold(e.clone()),
            Op::Settle(settle(&e, 7)),
            Op::Release(a.id),
        ];
        let overlapping: Vec<Op> = second.into_iter().chain(news.clone()).collect();
        let after = commit(overlapping.clone());
        assert_eq!(commit(overlapping), after);
        assert_eq!(commit(news.to_vec()), after);
        let wallet = after[0]
            .iter()
            .find(|row| row.text(0).is_ok_and(|id| id == "wallet:org-a"))
            .expect("it is there");
        let number = |index| wallet.int(index).expect("a number");
        // Debits 50 of c (of 60), 20 of b and 7 of e; credits; held for d alone, or leased.
        let held = if database.name == "sqlite" {
            50
        } else {
            1_000 - 77
        };
        assert_eq!((number(2), number(3), number(4)), (77, 1_000, held));
        let rows: Vec<usize> = after.iter().map(Vec::len).collect();
        // A batch for the grant, and one for each commit that settled something.
        assert_eq!(
            rows[1..6],
            [1, 5, 3, 1, 4],
            "holds, transfers, records, hours, batches"
        );
    }
}

#[test]
fn answers_are_kept_and_keys_given_back_however_often_that_comes() {
    let runtime = Runtime::new().expect("a runtime");
    for database in runtime.block_on(testkit::databases()) {
        eprintln!("on {}", database.name);
        let store = runtime.block_on(make(&database, 1_000));
        let mut committer = committer(&runtime, &database);
        let [answered, failed, running] = [1, 2, 3].map(|number| hold(number, 50));
        for hold in [&answered, &failed, &running] {
            let claimed = runtime.block_on(store.claim(claim(hold), AtUs(1)));
            assert_eq!(claimed.expect("it is written"), None);
        }
        let settlement = Settlement {
            kept: Some(kept(&answered, vec![0, 255, b'a'].into())),
            ..Settlement::clone(&settle(&answered, 3))
        };
        let batch = Batch::gather([
            Op::Hold(answered.clone()),
            Op::Hold(failed.clone()),
            Op::Settle(Arc::new(settlement)),
            Op::Release(failed.id),
            Op::Unclaim(claim(&failed)),
        ]);
        if database.name == "postgres" {
            let before = everything(&runtime, &store);
            let replaced = Writer {
                epoch: 0,
                ..writer()
            };
            let refused = committer.commit(&batch, &replaced);
            assert!(matches!(refused, Err(CommitError::Poison(_))));
            assert_eq!(everything(&runtime, &store)[1..], before[1..]);
        }
        committer.commit(&batch, &writer()).expect("committed");
        let after = everything(&runtime, &store);
        let bytes = after[6].iter().map(|row| row.opt_bytes(9).expect("bytes"));
        let bytes: Vec<Option<&[u8]>> = bytes.map(|bytes| bytes.map(|it| &**it)).collect();
        assert_eq!(bytes.len(), 2, "one key was given back");
        assert!(bytes.contains(&Some(&[0, 255, b'a'])), "{bytes:?}");
        assert!(bytes.contains(&None), "{bytes:?}");
        committer.commit(&batch, &writer()).expect("committed");
        assert_eq!(everything(&runtime, &store), after);
    }
}

#[test]
fn a_failed_batch_leaves_nothing_behind() {
    let runtime = Runtime::new().expect("a runtime");
    for database in runtime.block_on(testkit::databases()) {
        eprintln!("on {}", database.name);
        let store = runtime.block_on(make(&database, 100));
        let before = everything(&runtime, &store);
        let mut committer = committer(&runtime, &database);
        let (good, bad) = (hold(1, 60), hold(2, 60));
        let ops = [
            Op::Hold(good.clone()),
            Op::Settle(settle(&good, 50)),
            Op::Hold(bad),
        ];
        let refused = committer.commit(&Batch::gather(ops), &writer());
        assert!(
            matches!(refused, Err(CommitError::Poison(_))),
            "{refused:?}"
        );
        assert_eq!(everything(&runtime, &store)[1..], before[1..]);
        // The connection is fit for more.
        let ops = [Op::Hold(good)];
        committer
            .commit(&Batch::gather(ops), &writer())
            .expect("committed");
        assert_eq!(everything(&runtime, &store)[1].len(), 1);
    }
}

#[test]
fn a_batch_that_arrives_after_its_successors_does_nothing() {
    let runtime = Runtime::new().expect("a runtime");
    let database = runtime.block_on(testkit::databases::postgres());
    let store = runtime.block_on(make(&database, 100));
    let quick = hold(2, 10);
    let held = Batch::gather([
        Op::Hold(hold(1, 60)),
        Op::Hold(Arc::clone(&quick)),
        Op::Settle(settle(&quick, 7)),
    ]);
    let released = Batch::gather([Op::Release(hold(1, 60).id)]);
    let mut on_time = committer(&runtime, &database);
    on_time.commit(&held, &writer()).expect("committed");
    on_time.commit(&released, &writer()).expect("committed");
    let after = everything(&runtime, &store);
    // The same first batch, on a connection that was thought lost.
    let mut late = committer(&runtime, &database);
    late.commit(&held, &writer())
        .expect("it got through before");
    assert_eq!(everything(&runtime, &store), after);

    let replaced = Writer {
        epoch: 0,
        ..writer()
    };
    let refused = on_time.commit(&held, &replaced);
    assert!(
        matches!(refused, Err(CommitError::Poison(_))),
        "{refused:?}"
    );
    assert_eq!(everything(&runtime, &store), after);
}

#[test]
fn a_batch_whose_predecessor_is_gone_is_not_written() {
    let runtime = Runtime::new().expect("a runtime");
    let database = runtime.block_on(testkit::databases::postgres());
    let store = runtime.block_on(make(&database, 100));
    let mut committer = committer(&runtime, &database);
    let mut commit = |op| committer.commit(&Batch::gather([op]), &writer());
    commit(Op::Hold(hold(1, 10))).expect("committed");
    // As a standby that lagged behind: it knows of none.
    let forget = store.write(|tx| tx.execute("UPDATE nodes SET batch = 0", &[]));
    runtime
        .block_on(forget)
        .map_err(|error: StoreError| error)
        .expect("forgotten");
    let before = everything(&runtime, &store);
    let Err(CommitError::Poison(reason)) = commit(Op::Hold(hold(2, 10))) else {
        panic!("it went on over a gap");
    };
    assert!(reason.contains("lost 1 commits"), "{reason}");
    assert_eq!(everything(&runtime, &store), before);
}
