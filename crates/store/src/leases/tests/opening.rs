//! A window's pot opens with exactly what its window holds, once everybody counts in it; and what
//! is over is deleted.

use std::sync::Arc;

use domain::budget::Force;
use domain::hold::Hold;
use domain::id::{BudgetId, ProjectId};
use domain::lease::{Answer, Ending, Epoch, LimitId, PotId, RateLine};
use domain::money::Nusd;
use domain::rate::Rate;
use domain::time::{AtUs, DAY_US, HOUR_US};

use super::asker::{Asker, by_day, granted, number, taken, with_desk};
use super::desk::{BEGIN, Desk, Owned, all_budgets, create, node, wallet};
use super::till::{self, Till};
use crate::batch::Op;
use crate::{budgets, leases};

/// Usage of an hour, in the first organization's project.
fn usage(hour: AtUs, organization: &str, project: &str, cost: i64) -> String {
    let hour = hour.floor(HOUR_US).0;
    format!(
        "INSERT INTO usage_hours VALUES ('{organization}', {hour}, '{project}', 'key_x', 'm', 'chat',
             1, 0, 0, 0, 0, 0, 0, 0, 0, {cost}, 0, 0, 0, 0, 0)"
    )
}

/// A hold that node a made.
fn hold(
    id: u32,
    project: &str,
    Epoch(epoch): Epoch,
    (at, amount): (AtUs, i64),
    legs: &[&PotId],
) -> String {
    let legs: Vec<String> = legs.iter().map(ToString::to_string).collect();
    let legs = serde_json::to_string(&legs).expect("texts");
    let at = at.0;
    format!(
        "INSERT INTO holds VALUES ('req_{id}', 'org-a', '{project}', 'key_x', 'm', 'chat', 'a',
             {epoch}, {amount}, 'price_a', {at}, 0, 0, '{legs}')"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_opens_with_what_was_settled_is_held_and_is_leased() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let (pot, before) = (by_day().pot(BEGIN), by_day().pot(BEGIN.plus(-DAY_US)));
        let last = BEGIN.plus(HOUR_US - 1);
        let lives = a.epoch;
        for sql in [
            usage(BEGIN, "org-a", "proj_a", 100),
            usage(BEGIN.plus(-22 * HOUR_US), "org-a", "proj_a", 20),
            // The day before, the day after, another project, another organization.
            usage(BEGIN.plus(-24 * HOUR_US), "org-a", "proj_a", 1_000),
            usage(BEGIN.plus(HOUR_US), "org-a", "proj_a", 1_000),
            usage(BEGIN, "org-a", "proj_other", 1_000),
            usage(BEGIN, "org-b", "proj_a", 1_000),
            hold(1, "proj_a", lives, (last, 30), &[&before, &pot]),
            // It counts in the day before, as it was admitted then; or in nothing.
            hold(2, "proj_a", lives, (BEGIN.plus(-DAY_US), 1_000), &[&before]),
            hold(3, "proj_other", lives, (BEGIN, 1_000), &[]),
            format!("INSERT INTO leases VALUES ('{pot}', 'a', 4, 0, 0, 0)"),
        ] {
            desk.execute(&sql);
        }
        // Alone, the node gets all that is left of 500.
        assert_eq!(a.ask(&pot), granted(&pot, 346));
        assert_eq!(taken(&desk, &pot), 500);
        assert_eq!(a.ask(&pot), Answer::Denied(vec![(pot.clone(), Nusd::ZERO)]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_limits_nobody_is_gone() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let owned = by_day();
        let window = |budget: &str, start: AtUs| PotId::Window {
            budget: BudgetId::new(budget),
            start,
        };
        let middle = window("budget_a", BEGIN);
        let unknown = window("budget_x", AtUs(0));
        let mut soft = owned.budget.clone();
        soft.force = Force::Soft;
        for pot in [middle, unknown] {
            assert_eq!(a.ask(&pot), Answer::Gone(vec![pot.clone()]), "{pot}");
        }
        desk.run(|tx| budgets::change(tx, &owned.organization, &soft, BEGIN));
        let pot = owned.pot(BEGIN);
        assert_eq!(a.ask(&pot), Answer::Gone(vec![pot.clone()]));
        assert_eq!(number(&desk, "SELECT COUNT(*) FROM pots"), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_opens_when_every_living_node_has_heard_of_the_budget() {
    with_desk(|desk| {
        let (mut a, mut b) = (Asker::join(&desk, "a"), Asker::join(&desk, "b"));
        let mut owned = by_day();
        owned.budget.id = BudgetId::new("budget_new");
        desk.run(|tx| create(tx, &owned));
        let pot = owned.pot(BEGIN);
        let all = number(&desk, "SELECT value FROM counters");
        for (name, heard) in [("a", all), ("b", all - 1)] {
            match name {
                "a" => a.beat(heard),
                _ => b.beat(heard),
            };
            assert_eq!(a.ask(&pot), Answer::Wait, "after {name} has heard {heard}");
        }
        // What was asked then is not granted later: it was heard.
        let asked = "SELECT asked FROM leases WHERE node_id = 'a'";
        assert_eq!(
            number(&desk, asked),
            i64::try_from(a.number).expect("small")
        );
        b.beat(all);
        assert_eq!(a.ask(&pot), granted(&pot, 1));
        // Others' changes, and nodes that are gone, keep nobody waiting.
        let other = all_budgets().swap_remove(2);
        desk.run(|tx| budgets::change(tx, &other.organization, &other.budget, BEGIN));
        desk.run(|tx| leases::leave(tx, &node("b"), b.epoch));
        let next = owned.pot(BEGIN.plus(DAY_US));
        assert_eq!(a.ask(&next), granted(&next, 500));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_count_in_a_budget_that_is_newer_than_they_are() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let mut owned = by_day();
        let purse = wallet(&owned.organization);
        assert_eq!(a.ask(&purse), granted(&purse, 1_000));
        let mut till = Till::open(&desk, &node("a"), a.epoch);
        // In the project, but in none of its budgets.
        let in_flight = [100, 10, 1].map(|amount| {
            let legs = [purse.clone()];
            let hold = till::hold(
                u64::try_from(amount).expect("small"),
                &legs,
                Nusd::new(amount),
                BEGIN,
            );
            let project = ProjectId::new("proj_a");
            Arc::new(Hold {
                project,
                ..Hold::clone(&hold)
            })
        });
        till.commit(in_flight.iter().cloned().map(Op::Hold).collect())
            .expect("held");

        owned.budget.id = BudgetId::new("budget_new");
        desk.run(|tx| create(tx, &owned));
        let pot = owned.pot(BEGIN);
        let settled = |hold, cost| till::end(hold, Ending::Settled(Nusd::new(cost)));
        // One ends as the budget is heard of, and one before that and after it was made.
        let mut ops = vec![settled(&in_flight[2], 1)];
        ops.extend(
            in_flight[..2]
                .iter()
                .map(|hold| Op::Adopt(hold.id, pot.clone())),
        );
        ops.push(settled(&in_flight[1], 7));
        till.commit(ops).expect("adopted");
        a.beat(number(&desk, "SELECT value FROM counters"));
        let free = format!("SELECT free_nusd FROM leases WHERE pot_id = '{pot}'");
        assert_eq!(number(&desk, &free), 3, "what is left of the 10");
        // 8 were spent, 100 are held, and 3 are leased already.
        assert_eq!(a.ask(&pot), granted(&pot, 389));
        desk.assert_verified();
        till.commit(vec![settled(&in_flight[0], 60)])
            .expect("settled");
        assert_eq!(number(&desk, &free), 3 + 389 + 40);
        assert_eq!(taken(&desk, &pot), 500);
        desk.assert_verified();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_opens_when_what_dead_nodes_left_in_it_is_settled() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let pot = by_day().pot(BEGIN);
        let dead = Epoch(a.epoch.0 - 1);
        for sql in [
            // In another window, and in another project: they do not matter.
            hold(1, "proj_a", dead, (BEGIN.plus(-DAY_US), 9), &[]),
            hold(2, "proj_other", dead, (BEGIN, 9), &[]),
            hold(3, "proj_a", dead, (BEGIN, 9), &[]),
        ] {
            desk.execute(&sql);
        }
        assert_eq!(a.ask(&pot), Answer::Wait);
        desk.execute("DELETE FROM holds WHERE id = 'req_3'");
        assert_eq!(a.ask(&pot), granted(&pot, 500));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_closed_is_opened_anew_and_counts_what_was_spent_meanwhile() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let mut owned = by_day();
        let pot = owned.pot(BEGIN);
        assert_eq!(a.ask(&pot), granted(&pot, 500));
        let change = |desk: &Desk, owned: &Owned, force: Force, limit: i64| {
            let mut budget = owned.budget.clone();
            (budget.force, budget.limit) = (force, Nusd::new(limit));
            desk.run(|tx| budgets::change(tx, &owned.organization, &budget, BEGIN));
            desk.all_have_heard();
            budget
        };
        owned.budget = change(&desk, &owned, Force::Soft, 500);
        let recalled = "SELECT recalled FROM leases WHERE node_id = 'a'";
        assert_eq!(number(&desk, recalled), 1);
        assert_eq!(a.ask(&pot), Answer::Gone(vec![pot.clone()]));
        desk.execute(&usage(BEGIN, "org-a", "proj_a", 100));
        owned.budget = change(&desk, &owned, Force::Hard, 700);
        // 500 are leased, and 100 were spent.
        assert_eq!(a.ask(&pot), granted(&pot, 100));
        assert_eq!(taken(&desk, &pot), 700);
        change(&desk, &owned, Force::Hard, 650);
        let cap = format!("SELECT cap_nusd FROM pots WHERE id = '{pot}'");
        assert_eq!((taken(&desk, &pot), number(&desk, &cap)), (700, 700));
        let deleted =
            desk.run(|tx| budgets::delete(tx, &owned.organization, &owned.budget.id, BEGIN));
        assert!(deleted);
        assert_eq!(a.ask(&pot), Answer::Gone(vec![pot.clone()]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_needs_any_more_is_deleted() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let pot = by_day().pot(BEGIN);
        let end = BEGIN.plus(HOUR_US);
        a.ask(&pot);
        a.ask(&wallet(&by_day().organization));
        let lives = a.epoch;
        let there = |at: AtUs, sql: &str| {
            desk.execute(sql);
            desk.set_clock(at);
            desk.run(leases::tidy);
            number(&desk, "SELECT COUNT(*) FROM pots") == 1
        };
        let of_pot = |change: &str| format!("UPDATE leases SET {change} WHERE pot_id = '{pot}'");
        let held = hold(1, "proj_a", lives, (BEGIN, 9), &[&pot]);
        let late = end.plus(HOUR_US);
        let kept = [
            (late, of_pot("recalled = 0")),
            (late, of_pot("free_nusd = 0, recalled = 1")),
            (late, format!("{}; {held}", of_pot("recalled = 0"))),
            (late.plus(-1), "DELETE FROM holds".into()),
        ];
        for (at, sql) in kept {
            assert!(there(at, &sql), "{sql}");
        }
        assert!(!there(late, "SELECT 1"));
        // The wallet's lease stays, whatever it is.
        assert_eq!(number(&desk, "SELECT COUNT(*) FROM leases"), 1);
        assert_eq!(a.ask(&pot), granted(&pot, 500), "asked for, it opens anew");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_that_nobody_uses_are_deleted_when_they_have_drained() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let there = |after: i64| {
            desk.set_clock(BEGIN.plus(after));
            desk.run(leases::tidy);
            let counts = ["rate_parts", "rate_shares"];
            counts.map(|table| number(&desk, &format!("SELECT COUNT(*) FROM {table}")))
        };
        let line = |leaves| RateLine {
            limit: LimitId::new("l"),
            rate: Rate::per_day(9),
            share: 0,
            used: 0,
            wanted: 0,
            least: 0,
            adopted: 0,
            demand: 0,
            leaves,
        };
        a.beat_with(0, vec![line(false)]);
        assert_eq!(there(3 * DAY_US), [1, 1], "it has a share");
        a.beat_with(0, vec![line(true)]);
        assert_eq!(there(5 * DAY_US - 1), [1, 1], "it may not have drained");
        assert_eq!(there(5 * DAY_US), [0, 0]);
    })
    .await;
}
