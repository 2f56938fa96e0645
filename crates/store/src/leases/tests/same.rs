//! After every call the tables say what the office says.

use std::collections::BTreeMap;

use domain::lease::{NodeId, PotId};

use super::desk::{Desk, node};
use super::walk::Walk;
use crate::Row;

/// What must have happened: else it proves less than it seems to.
const SEEN: [&str; 16] = [
    "Denied",
    "Gone",
    "Granted",
    "Granted again",
    "Wait",
    "Wait again",
    "alive",
    "alive and recalled",
    "beat fenced",
    "budget changed",
    "commit",
    "expired",
    "joined",
    "late end",
    "left",
    "question fenced",
];

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_the_office() {
    let steps = testkit::times("FAREBOX_LEASE_STEPS", 1_500);
    let from = testkit::times("FAREBOX_LEASE_SEED", 1);
    let desk = Desk::new().await;
    let walk = move || {
        let mut walk = Walk::new(desk, u64::try_from(from).expect("a seed"));
        let mut last = Vec::new();
        for _ in 0..steps {
            last.push(walk.step());
            let found = tables(&walk.desk);
            let want = rules(&walk);
            assert_eq!(
                found,
                want,
                "after {:#?}",
                &last[last.len().saturating_sub(3)..]
            );
        }
        println!("{:#?}", walk.tally);
        let unseen = SEEN.iter().filter(|what| !walk.tally.contains_key(**what));
        let unseen: Vec<_> = unseen.collect();
        assert!(
            steps < 1_000 || unseen.is_empty(),
            "never happened: {unseen:?}"
        );
    };
    tokio::task::spawn_blocking(walk).await.expect("the same");
}

/// Rows by what they are of, as numbers.
type Rows = BTreeMap<String, Vec<Option<i64>>>;

fn tables(desk: &Desk) -> Rows {
    let sql = "
        SELECT 'node ' || id, epoch, expires_at_us, NULL::bigint, NULL::bigint FROM nodes
        UNION ALL
        SELECT 'lease ' || pot_id || ' ' || node_id, free_nusd, asked, granted_nusd, recalled
        FROM leases
        UNION ALL
        SELECT 'pot ' || id, limit_nusd, cap_nusd, taken_nusd,
            (closed_at_us IS NOT NULL)::int::bigint FROM pots
        UNION ALL
        SELECT 'pot ' || id, credits_nusd, credits_nusd, debits_nusd + held_nusd, 0
        FROM accounts WHERE overdraft = 0";
    let read = |row: &Row| {
        let numbers = (1..5).map(|index| row.opt_int(index).expect("a number"));
        (row.text(0).expect("a text").to_owned(), numbers.collect())
    };
    desk.rows(sql).iter().map(read).collect()
}

fn rules(walk: &Walk) -> Rows {
    let office = &walk.office;
    let mut rows = Rows::new();
    for (pot, row) in office.pots() {
        let taken = row.spent + row.reserved;
        let numbers = [row.limit, row.cap, taken].map(|amount| Some(amount.get()));
        let closed = Some(i64::from(row.closed));
        rows.insert(
            format!("pot {pot}"),
            [numbers.as_slice(), &[closed]].concat(),
        );
    }
    for name in ["a", "b", "c"] {
        let node: NodeId = node(name);
        let Some((epoch, expires_at)) = office.epoch(&node) else {
            continue;
        };
        let numbers = vec![Some(epoch.0), expires_at.map(|at| at.0), None, None];
        rows.insert(format!("node {node}"), numbers);
        for (pot, lease) in office.leases(&node) {
            let pot: &PotId = pot;
            let numbers = vec![
                Some(lease.free.get()),
                Some(i64::try_from(lease.asked).expect("small")),
                Some(lease.granted.get()),
                Some(i64::from(lease.recalled)),
            ];
            rows.insert(format!("lease {pot} {node}"), numbers);
        }
    }
    rows
}
