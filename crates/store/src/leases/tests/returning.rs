//! What nodes are asked to give back, what becomes of it, and what they take for nothing.

use std::sync::Arc;

use domain::hold::Hold;
use domain::id::ProjectId;
use domain::lease::Ending;
use domain::money::Nusd;

use super::asker::{Asker, by_day, granted, number, taken, with_desk};
use super::desk::{BEGIN, Desk, node, wallet};
use super::till::{self, Till};
use crate::batch::Op;
use crate::{budgets, leases};

/// What node a still leases of the pot of the first budget's day.
fn free(desk: &Desk) -> i64 {
    let pot = by_day().pot(BEGIN);
    number(
        desk,
        &format!("SELECT free_nusd FROM leases WHERE node_id = 'a' AND pot_id = '{pot}'"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pot_is_recalled_while_more_is_taken_than_its_limit_and_not_at_it() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let owned = by_day();
        let pot = owned.pot(BEGIN);
        assert_eq!(a.ask(&pot), granted(&pot, 500));
        assert_eq!(a.beat(0).recalled, [], "all that there is is taken");
        let limited = |limit| {
            let mut budget = owned.budget.clone();
            budget.limit = Nusd::new(limit);
            desk.run(|tx| budgets::change(tx, &owned.organization, &budget, BEGIN));
        };
        limited(499);
        assert_eq!(a.beat(0).recalled, std::slice::from_ref(&pot));
        // Also if nobody said so to this lease.
        desk.execute("UPDATE leases SET recalled = 0");
        assert_eq!(a.beat(0).recalled, [pot]);
        desk.execute("UPDATE leases SET recalled = 0");
        limited(500);
        assert_eq!(a.beat(0).recalled, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_returned_to_a_pot_that_is_not_open_stays_leased() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let pot = by_day().pot(BEGIN);
        assert_eq!(a.ask(&pot), granted(&pot, 500));
        let mut till = Till::open(&desk, &node("a"), a.epoch);
        let mut give = |amount| {
            let back = Op::Return(pot.clone(), Nusd::new(amount));
            till.commit(vec![back]).expect("committed");
        };
        give(20);
        assert_eq!((free(&desk), taken(&desk, &pot)), (480, 480));
        // As when another transaction is opening it, and has counted what is leased.
        desk.execute("DELETE FROM pots");
        give(30);
        assert_eq!(free(&desk), 480);
        assert_eq!(a.ask(&pot), granted(&pot, 20));
        assert_eq!((free(&desk), taken(&desk, &pot)), (500, 500));
        desk.assert_verified();
    })
    .await;
}

/// A hold in a project, and in none of its budgets: it is older than they are.
fn unaware(number: u64, amount: i64) -> Arc<Hold> {
    let legs = [wallet(&by_day().organization)];
    let hold = till::hold(number, &legs, Nusd::new(amount), BEGIN);
    Arc::new(Hold {
        project: ProjectId::new("proj_a"),
        ..Hold::clone(&hold)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_held_before_it_counted_comes_out_of_no_lease() {
    with_desk(|desk| {
        let mut a = Asker::join(&desk, "a");
        let (pot, purse) = (by_day().pot(BEGIN), wallet(&by_day().organization));
        assert_eq!(a.ask(&purse), granted(&purse, 1_000));
        assert_eq!(a.ask(&pot), granted(&pot, 500));
        let mut till = Till::open(&desk, &node("a"), a.epoch);
        let (new, old) = (unaware(1, 100), unaware(2, 10));
        till.commit(vec![Op::Hold(Arc::clone(&old))]).expect("held");
        // Held and extended, heard of the budget, and extended once more: one batch.
        let extend = |hold: &Arc<Hold>, more| Op::Extend(hold.id, Nusd::new(more));
        till.commit(vec![
            Op::Hold(Arc::clone(&new)),
            extend(&new, 20),
            extend(&old, 3),
            Op::Adopt(new.id, pot.clone()),
            Op::Adopt(old.id, pot.clone()),
            extend(&new, 5),
            extend(&old, 4),
        ])
        .expect("adopted");
        assert_eq!(free(&desk), 500 - 5 - 4);
        let settled = |hold, cost| till::end(hold, Ending::Settled(Nusd::new(cost)));
        till.commit(vec![settled(&new, 60), settled(&old, 7)])
            .expect("settled");
        assert_eq!(free(&desk), 491 + (125 - 60) + (17 - 7));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_taken_of_a_wallet_is_called_in_as_far_as_it_is_not_free() {
    with_desk(|desk| {
        let organization = by_day().organization;
        let purse = wallet(&organization);
        let mut a = Asker::join(&desk, "a");
        assert_eq!(a.ask(&purse), granted(&purse, 1_000));
        let mut till = Till::open(&desk, &node("a"), a.epoch);
        let mut give = |amount| {
            let back = Op::Return(purse.clone(), Nusd::new(amount));
            till.commit(vec![back]).expect("committed");
        };
        give(300);
        let _b = Asker::join(&desk, "b");
        let call_in = |amount, by| {
            let amount = Nusd::new(amount);
            desk.run(|tx| leases::call_in(tx, &organization, amount, &node(by)))
        };
        assert!(!call_in(300, "b"), "so much is free");
        assert!(!call_in(301, "a"), "nobody else has any");
        assert_eq!(a.beat(0).recalled, []);
        assert!(call_in(301, "b"));
        assert_eq!(a.beat(0).recalled, std::slice::from_ref(&purse));
        give(700);
        assert_eq!(a.beat(0).recalled, []);
        assert!(!call_in(1_001, "b"), "nothing more may come");
    })
    .await;
}
