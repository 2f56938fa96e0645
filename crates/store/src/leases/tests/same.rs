//! After every call the tables say what the office says.

use std::collections::BTreeMap;

use domain::lease::NodeId;
use domain::money::Nusd;

use super::desk::{Desk, node};
use super::walk::Walk;
use crate::Row;

/// What must have happened: else it proves less than it seems to.
const SEEN: [&str; 18] = [
    "Denied",
    "Gone",
    "Granted",
    "Granted again",
    "Wait",
    "Wait again",
    "alive",
    "alive and needs shares of others",
    "alive and recalled",
    "alive and shares more",
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
            let (mut found, mut want) = (tables(&walk.desk), rules(&walk));
            let same = found.clone();
            found.retain(|row, numbers| want.get(row) != Some(numbers));
            want.retain(|row, numbers| same.get(row) != Some(numbers));
            let last = &last[last.len().saturating_sub(3)..];
            assert_eq!(found, want, "after {last:#?}");
        }
        walk.desk.assert_verified();
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
    let all = [
        "SELECT 'node ' || id, epoch, expires_at_us FROM nodes",
        "SELECT 'lease ' || pot_id || ' ' || node_id, free_nusd, asked, granted_nusd, recalled
         FROM leases",
        "SELECT 'pot ' || id, limit_nusd, cap_nusd, taken_nusd,
             (closed_at_us IS NOT NULL)::int::bigint FROM pots",
        "SELECT 'pot ' || id, credits_nusd, credits_nusd, debits_nusd + held_nusd, 0::bigint
         FROM accounts WHERE overdraft = 0",
        "SELECT 'part ' || limit_id, units, window_us, level_high, level_low, at_us
         FROM rate_parts",
        "SELECT 'share ' || limit_id || ' ' || node_id, units, used, told_at_us, limit_units,
             beat, raised, filled, demand, wanted, least, wanted_at_us, leaves
         FROM rate_shares",
    ];
    let read = |row: Row| {
        let numbers = (1..row.0.len()).map(|index| row.opt_int(index).expect("a number"));
        (row.text(0).expect("a text").to_owned(), numbers.collect())
    };
    all.iter()
        .flat_map(|sql| desk.rows(sql))
        .map(read)
        .collect()
}

fn rules(walk: &Walk) -> Rows {
    let mut rows = rates(walk);
    for (pot, row) in walk.office.pots() {
        let taken = (row.spent + row.reserved).get();
        let closed = i64::from(row.closed);
        let numbers = [row.limit.get(), row.cap.get(), taken, closed];
        rows.insert(format!("pot {pot}"), numbers.map(Some).into());
    }
    for name in ["a", "b", "c"] {
        let node: NodeId = node(name);
        let Some((epoch, expires_at)) = walk.office.epoch(&node) else {
            continue;
        };
        let numbers = vec![Some(epoch.0), expires_at.map(|at| at.0)];
        rows.insert(format!("node {node}"), numbers);
        for (pot, lease) in walk.office.leases(&node) {
            let [free, granted] = [lease.free, lease.granted].map(Nusd::get);
            let numbers = [free, small(lease.asked), granted, i64::from(lease.recalled)];
            rows.insert(format!("lease {pot} {node}"), numbers.map(Some).into());
        }
    }
    rows
}

fn rates(walk: &Walk) -> Rows {
    let mut rows = Rows::new();
    for (limit, part, shares) in walk.office.parts() {
        let (level, at) = part.bucket.level();
        let high = i64::try_from(level >> 64).expect("64 bits");
        let low = u64::try_from(level & i128::from(u64::MAX)).expect("64 bits");
        let (units, window_us) = (small(part.rate.units()), part.rate.window_us());
        let numbers = [units, window_us, high, low.cast_signed(), at.0];
        rows.insert(format!("part {limit}"), numbers.map(Some).into());
        for (node, it) in shares {
            let numbers = [
                small(it.units),
                small(it.used),
                it.told_at.0,
                small(it.limit),
                small(it.beat),
                small(it.raised),
                small(it.filled),
                small(it.demand),
                small(it.wanted),
                small(it.least),
                it.wanted_at.0,
                i64::from(it.left),
            ];
            rows.insert(format!("share {limit} {node}"), numbers.map(Some).into());
        }
    }
    rows
}

fn small(number: u64) -> i64 {
    i64::try_from(number).expect("small")
}
