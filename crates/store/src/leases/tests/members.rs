//! When a node is given up, and by whom.

use domain::lease::{Beat, Epoch, NodeId, TTL_US};
use domain::time::SECOND_US;

use super::desk::{BEGIN, Desk, node};
use crate::leases;

/// Who is given up by somebody, who finds that everybody's place is free or that nobody's is.
fn given_up(desk: &Desk, by: &str, is_free: bool) -> Vec<NodeId> {
    desk.run(|tx| leases::expire(tx, &node(by), |_, _| Ok(is_free)))
}

fn join(desk: &Desk, name: &str) -> Epoch {
    desk.run(|tx| leases::join(tx, &node(name))).0
}

fn beats(desk: &Desk, name: &str, epoch: Epoch) -> bool {
    let beat = Beat {
        node: node(name),
        epoch,
        number: 1,
        rates: Vec::new(),
    };
    desk.run(|tx| leases::beat(tx, &beat, 0)).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_given_up_when_its_time_is_over_and_not_before() {
    let desk = Desk::new().await;
    let body = move || {
        let epoch = join(&desk, "a");
        desk.set_clock(BEGIN.plus(TTL_US - 1));
        assert_eq!(given_up(&desk, "b", false), [], "a microsecond early");
        desk.set_clock(BEGIN.plus(TTL_US));
        assert_eq!(given_up(&desk, "a", false), [], "nobody gives itself up");
        assert_eq!(given_up(&desk, "b", false), [node("a")]);
        assert_eq!(given_up(&desk, "b", false), [], "once");
        assert!(!beats(&desk, "a", epoch), "its epoch is over");
        let next = join(&desk, "a");
        assert_eq!(next, Epoch(epoch.0 + 1));
        assert!(beats(&desk, "a", next));
    };
    tokio::task::spawn_blocking(body).await.expect("it holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_place_is_free_is_given_up_once_it_was_silent_for_a_while() {
    let desk = Desk::new().await;
    let body = move || {
        join(&desk, "a");
        let silent = BEGIN.plus(5 * SECOND_US);
        desk.set_clock(silent.plus(-1));
        assert_eq!(given_up(&desk, "b", true), [], "it may have been heard");
        desk.set_clock(silent);
        assert_eq!(given_up(&desk, "b", false), [], "somebody has its place");
        assert_eq!(given_up(&desk, "b", true), [node("a")]);
    };
    tokio::task::spawn_blocking(body).await.expect("it holds");
}

/// After the database's clock was set back nobody is waited for longer than usual.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_keeps_no_node_alive() {
    let desk = Desk::new().await;
    let body = move || {
        join(&desk, "a");
        let back = BEGIN.plus(-100 * SECOND_US);
        desk.set_clock(back);
        assert_eq!(given_up(&desk, "b", true), [], "it lives");
        desk.set_clock(back.plus(TTL_US));
        assert_eq!(given_up(&desk, "b", false), [node("a")]);
    };
    tokio::task::spawn_blocking(body).await.expect("it holds");
}
