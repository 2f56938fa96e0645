//! The office's rules, one table or story for each.

use super::*;
use crate::id::{BudgetId, OrganizationId};
use crate::lease::{
    Answer, Ask, AskLine, Batch, Beat, End, Ending, HOLD_US, Join, Joined, Late, NewHold, Return,
    TTL_US,
};
use crate::time::SECOND_US;

const NOW: AtUs = AtUs(1_800_000_000 * SECOND_US);

fn wallet() -> PotId {
    PotId::Wallet(OrganizationId::new("org-a"))
}

fn window() -> PotId {
    PotId::Window {
        budget: BudgetId::new("budget_a"),
        start: AtUs(0),
    }
}

fn node(name: &str) -> NodeId {
    NodeId::new(name)
}

fn id(n: u32) -> RequestId {
    RequestId::parse(&format!("req_{n:032x}")).expect("32 digits")
}

fn nusd(amount: i64) -> Nusd {
    Nusd::new(amount)
}

/// An office with a wallet of 1,000 and a window of 500, and these nodes.
fn office(nodes: &[&str]) -> Office {
    let mut office = Office::default();
    office.open(&wallet(), nusd(1_000));
    office.open(&window(), nusd(500));
    for name in nodes {
        join(&mut office, name, 1, 1);
    }
    office
}

fn join(office: &mut Office, name: &str, process: u64, attempt: u64) -> Joined {
    let join = Join {
        node: node(name),
        process,
        attempt,
    };
    office.join(&join, NOW)
}

fn ask(office: &mut Office, name: &str, number: u64, lines: &[(PotId, i64, i64)]) -> Answer {
    let line = |(pot, need, want): &(PotId, i64, i64)| AskLine {
        pot: pot.clone(),
        need: nusd(*need),
        want: nusd(*want),
    };
    let ask = Ask {
        node: node(name),
        epoch: Epoch(1),
        number,
        lines: lines.iter().map(line).collect(),
    };
    let asked = office.ask(&ask).expect("a living epoch");
    office.check().expect("sound");
    asked.answered.answer
}

fn granted(amounts: &[(PotId, i64)]) -> Answer {
    let amount = |(pot, amount): &(PotId, i64)| (pot.clone(), nusd(*amount));
    Answer::Granted(amounts.iter().map(amount).collect())
}

fn batch(name: &str, number: u64) -> Batch {
    Batch {
        node: node(name),
        epoch: Epoch(1),
        number,
        holds: Vec::new(),
        grown: Vec::new(),
        seen: Vec::new(),
        ends: Vec::new(),
        quick: Vec::new(),
        returns: Vec::new(),
    }
}

fn hold(n: u32, amount: i64, legs: &[PotId]) -> NewHold {
    NewHold {
        id: id(n),
        amount: nusd(amount),
        legs: legs.into(),
        seen: Nusd::ZERO,
    }
}

fn settled(n: u32, cost: i64) -> End {
    End {
        id: id(n),
        ending: Ending::Settled(nusd(cost)),
        grown: Nusd::ZERO,
    }
}

fn released(n: u32) -> End {
    End {
        id: id(n),
        ending: Ending::Released,
        grown: Nusd::ZERO,
    }
}

/// Commits, and answers what was refused.
fn commit(office: &mut Office, batch: &Batch) -> Vec<RequestId> {
    let committed = office.commit(batch, NOW).expect("a living epoch");
    office.check().expect("sound");
    office.audit().expect("sound");
    committed.refused
}

/// Spent and reserved of a pot, and what the node has free of it.
fn state(office: &Office, pot: &PotId, name: &str) -> (i64, i64, i64) {
    let row = office.pot(pot).expect("there");
    let lease = office.lease(pot, &node(name)).unwrap_or_default();
    (row.spent.get(), row.reserved.get(), lease.free.get())
}

#[test]
fn all_pots_of_a_question_are_granted_or_none() {
    let mut office = office(&["a", "b"]);
    let both = [(wallet(), 10, 100), (window(), 10, 100)];
    let answer = ask(&mut office, "a", 1, &both);
    assert_eq!(answer, granted(&[(wallet(), 100), (window(), 100)]));
    let dear = [(wallet(), 401, 401), (window(), 401, 401)];
    let answer = ask(&mut office, "b", 1, &dear);
    assert_eq!(answer, Answer::Wait, "a has 100 of the window");
    assert_eq!(state(&office, &wallet(), "b"), (0, 100, 0));
    assert!(office.lease(&window(), &node("a")).expect("there").recalled);
    assert!(!office.lease(&wallet(), &node("a")).expect("there").recalled);
    let hopeless = [(wallet(), 600, 600), (window(), 600, 600)];
    let answer = ask(&mut office, "b", 2, &hopeless);
    assert_eq!(answer, Answer::Denied(vec![(window(), nusd(500))]));
}

#[test]
fn a_question_counts_once_however_often_it_is_heard() {
    let mut office = office(&["a", "b"]);
    let lines = [(wallet(), 10, 100)];
    let first = ask(&mut office, "a", 1, &lines);
    assert_eq!(ask(&mut office, "a", 1, &lines), first);
    assert_eq!(state(&office, &wallet(), "a"), (0, 100, 100));
    let second = ask(&mut office, "a", 2, &[(wallet(), 10, 50)]);
    assert_eq!(second, granted(&[(wallet(), 50)]));
    // An old one that was under way for long grants nothing; nor does one that was refused.
    assert_eq!(ask(&mut office, "a", 1, &lines), Answer::Wait);
    let dear = [(wallet(), 2_000, 2_000)];
    let denied = ask(&mut office, "b", 1, &dear);
    assert_eq!(denied, Answer::Denied(vec![(wallet(), nusd(1_000))]));
    office.set_limit(&wallet(), nusd(9_000));
    assert_eq!(ask(&mut office, "b", 1, &dear), Answer::Wait);
    assert_eq!(state(&office, &wallet(), "a"), (0, 150, 150));
}

#[test]
fn holds_move_from_the_lease_to_their_rows_and_what_is_not_charged_comes_back() {
    let mut office = office(&["a", "b"]);
    ask(
        &mut office,
        "a",
        1,
        &[(wallet(), 100, 100), (window(), 100, 100)],
    );
    let both = [wallet(), window()];
    let steps = [
        // A step, and then spent, reserved and free: of the wallet, and of the window.
        (
            Batch {
                holds: vec![hold(1, 30, &both), hold(2, 20, &[wallet()])],
                ..batch("a", 1)
            },
            (0, 100, 50),
            (0, 100, 70),
        ),
        (
            Batch {
                grown: vec![(id(1), nusd(10))],
                quick: vec![(hold(3, 25, &both), nusd(5))],
                ..batch("a", 2)
            },
            (5, 95, 35),
            (5, 95, 55),
        ),
        (
            Batch {
                ends: vec![settled(1, 35), released(2)],
                returns: vec![Return {
                    pot: wallet(),
                    amount: nusd(10),
                }],
                ..batch("a", 3)
            },
            (40, 50, 50),
            (40, 60, 60),
        ),
    ];
    for (batch, of_wallet, of_window) in steps {
        for _ in 0..3 {
            assert_eq!(commit(&mut office, &batch), []);
            assert_eq!(state(&office, &wallet(), "a"), of_wallet, "{batch:?}");
            assert_eq!(state(&office, &window(), "a"), of_window, "{batch:?}");
        }
    }
    assert_eq!(office.holds().count(), 0);
    assert_eq!(office.charged(id(1)).expect("charged").cost, nusd(35));
    assert_eq!(office.charged(id(2)), None);
}

#[test]
fn a_hold_that_grew_in_its_last_batch_may_be_charged_the_growth() {
    let mut office = office(&["a", "b"]);
    ask(&mut office, "a", 1, &[(wallet(), 100, 100)]);
    let holds = vec![hold(1, 30, &[wallet()])];
    commit(
        &mut office,
        &Batch {
            holds,
            ..batch("a", 1)
        },
    );
    let end = End {
        grown: nusd(10),
        ..settled(1, 38)
    };
    let ends = vec![end];
    assert_eq!(
        commit(
            &mut office,
            &Batch {
                ends,
                ..batch("a", 2)
            }
        ),
        []
    );
    assert_eq!(state(&office, &wallet(), "a"), (38, 62, 62));
}

#[test]
fn what_a_lease_does_not_cover_is_refused_and_the_rest_of_the_batch_is_not() {
    let mut office = office(&["a", "b"]);
    ask(&mut office, "a", 1, &[(wallet(), 100, 100)]);
    let batch = Batch {
        holds: vec![hold(1, 60, &[wallet()]), hold(2, 1, &[wallet(), window()])],
        quick: vec![(hold(3, 9, &[window()]), nusd(9))],
        ..batch("a", 1)
    };
    for _ in 0..2 {
        assert_eq!(commit(&mut office, &batch), [id(2), id(3)]);
        assert_eq!(state(&office, &wallet(), "a"), (0, 100, 40));
        assert_eq!(state(&office, &window(), "a"), (0, 0, 0));
    }
}

#[test]
fn an_ended_epoch_gets_nothing_and_ends_only_what_is_still_there() {
    let mut office = office(&["a", "b"]);
    ask(&mut office, "a", 1, &[(wallet(), 100, 100)]);
    let holds = vec![
        hold(1, 10, &[wallet()]),
        hold(2, 10, &[wallet()]),
        hold(3, 10, &[wallet()]),
    ];
    commit(
        &mut office,
        &Batch {
            holds,
            ..batch("a", 1)
        },
    );
    office.expire(NOW.plus(TTL_US));
    assert_eq!(
        state(&office, &wallet(), "a"),
        (0, 30, 0),
        "held stays held"
    );
    let more = Batch {
        holds: vec![hold(4, 1, &[wallet()])],
        ..batch("a", 2)
    };
    assert_eq!(office.commit(&more, NOW), Err(Fenced));

    // The process comes back; one of its holds has been resolved meanwhile.
    let joined = join(&mut office, "a", 1, 2);
    let epoch = Epoch(2);
    assert_eq!(joined, Joined::In { epoch, nodes: 1 });
    office.end_open(id(3), Ending::Released, true);
    let late = Late {
        node: node("a"),
        ends: vec![settled(1, 8), released(2), settled(3, 8), settled(4, 1)],
    };
    for _ in 0..2 {
        assert_eq!(office.commit_late(&late).refused, [id(3), id(4)]);
        office.check().expect("sound");
        assert_eq!(state(&office, &wallet(), "a"), (8, 0, 0));
    }
}

#[test]
fn growth_that_was_never_registered_is_not_charged_late() {
    let mut office = office(&["a"]);
    ask(&mut office, "a", 1, &[(wallet(), 100, 100)]);
    let holds = vec![hold(1, 10, &[wallet()])];
    commit(
        &mut office,
        &Batch {
            holds,
            ..batch("a", 1)
        },
    );
    office.expire(NOW.plus(TTL_US));
    let end = End {
        grown: nusd(5),
        ..settled(1, 12)
    };
    let late = Late {
        node: node("a"),
        ends: vec![end],
    };
    assert_eq!(office.commit_late(&late).refused, [id(1)]);
    assert_eq!(office.hold(id(1)).expect("open").amount, nusd(10));
}

#[test]
fn holds_nobody_will_end_are_resolved_by_what_was_noted() {
    let mut office = office(&["a", "b"]);
    ask(&mut office, "a", 1, &[(wallet(), 100, 100)]);
    let holds = vec![hold(1, 10, &[wallet()]), hold(2, 10, &[wallet()])];
    commit(
        &mut office,
        &Batch {
            holds,
            ..batch("a", 1)
        },
    );
    let seen = vec![(id(1), nusd(4))];
    commit(
        &mut office,
        &Batch {
            seen,
            ..batch("a", 2)
        },
    );
    office.resolve(NOW.plus(HOLD_US));
    assert_eq!(office.holds().count(), 2, "a living epoch ends its own");
    office.expire(NOW.plus(TTL_US));
    office.resolve(NOW.plus(HOLD_US - 1));
    assert_eq!(office.holds().count(), 2, "their process may yet come back");
    office.resolve(NOW.plus(HOLD_US));
    assert_eq!(state(&office, &wallet(), "a"), (4, 0, 0));
    let row = office.charged(id(1)).expect("charged");
    assert!(row.orphan);
    office.audit().expect("sound");
}

#[test]
fn a_place_belongs_to_the_latest_process_and_a_dead_ones_holds_are_resolved_at_once() {
    let mut office = office(&[]);
    let first = join(&mut office, "a", 7, 1);
    let (epoch, nodes) = (Epoch(1), 1);
    assert_eq!(first, Joined::In { epoch, nodes });
    assert_eq!(join(&mut office, "a", 7, 1), first, "the call was repeated");
    ask(&mut office, "a", 1, &[(wallet(), 100, 100)]);
    let holds = vec![hold(1, 10, &[wallet()])];
    commit(
        &mut office,
        &Batch {
            holds,
            ..batch("a", 1)
        },
    );

    let epoch = Epoch(2);
    assert_eq!(join(&mut office, "a", 7, 2), Joined::In { epoch, nodes });
    office.resolve(NOW);
    assert_eq!(office.holds().count(), 1, "the same process will end it");
    let epoch = Epoch(3);
    assert_eq!(join(&mut office, "a", 8, 1), Joined::In { epoch, nodes });
    office.resolve(NOW);
    assert_eq!(office.holds().count(), 0);
    assert_eq!(join(&mut office, "a", 7, 3), Joined::Replaced);
    assert_eq!(state(&office, &wallet(), "a"), (0, 0, 0));
}

#[test]
fn a_node_that_beats_stays_and_one_that_leaves_is_gone() {
    let mut office = office(&["a", "b"]);
    ask(&mut office, "a", 1, &[(wallet(), 100, 100)]);
    ask(&mut office, "b", 1, &[(wallet(), 100, 100)]);
    let beat = |name: &str| Beat {
        node: node(name),
        epoch: Epoch(1),
        number: 1,
        rates: Vec::new(),
    };
    let later = NOW.plus(TTL_US - 1);
    let beaten = office.beat(&beat("a"), later).expect("alive");
    assert_eq!(beaten.alive.nodes, 2);
    office.expire(later.plus(1));
    assert_eq!(state(&office, &wallet(), "a"), (0, 100, 100));
    assert_eq!(office.beat(&beat("b"), later), Err(Fenced));
    office.leave(&node("a"), Epoch(1), later);
    office.leave(&node("a"), Epoch(1), later);
    assert_eq!(state(&office, &wallet(), "a"), (0, 0, 0));
}

#[test]
fn a_clock_that_was_set_back_makes_nobody_live_longer() {
    let mut office = office(&["a"]);
    let before = NOW.plus(-3_600 * SECOND_US);
    office.expire(before);
    office.expire(before.plus(TTL_US));
    let epoch = Epoch(2);
    assert_eq!(join(&mut office, "a", 1, 2), Joined::In { epoch, nodes: 1 });
}

#[test]
fn a_lowered_limit_takes_back_what_is_free_until_it_is_kept() {
    let mut office = office(&["a", "b"]);
    ask(&mut office, "a", 1, &[(window(), 100, 100)]);
    let holds = vec![hold(1, 60, &[window()])];
    commit(
        &mut office,
        &Batch {
            holds,
            ..batch("a", 1)
        },
    );
    let cap = |office: &Office| office.pot(&window()).expect("there").cap.get();

    assert_eq!(office.set_limit(&window(), nusd(50)), [node("a")]);
    assert_eq!(cap(&office), 100, "what is leased and held stays");
    let answer = ask(&mut office, "b", 1, &[(window(), 1, 1)]);
    assert_eq!(answer, Answer::Wait, "a may return enough, but not to b");
    let back = |amount| Return {
        pot: window(),
        amount: nusd(amount),
    };
    let returns = vec![back(40)];
    commit(
        &mut office,
        &Batch {
            returns,
            ..batch("a", 2)
        },
    );
    assert_eq!(cap(&office), 60);
    let ends = vec![settled(1, 20)];
    commit(
        &mut office,
        &Batch {
            ends,
            ..batch("a", 3)
        },
    );
    assert_eq!(
        office.recalled(&node("a")),
        [window()],
        "freed above the limit"
    );
    let returns = vec![back(40)];
    commit(
        &mut office,
        &Batch {
            returns,
            ..batch("a", 4)
        },
    );
    assert_eq!(cap(&office), 50);
    assert_eq!(office.recalled(&node("a")), []);

    assert_eq!(office.set_limit(&window(), nusd(70)), []);
    assert_eq!(cap(&office), 70);
}

#[test]
fn a_deleted_budgets_pot_is_gone_for_questions_and_there_for_its_holds() {
    let mut office = office(&["a", "b"]);
    ask(&mut office, "a", 1, &[(window(), 100, 100)]);
    let holds = vec![hold(1, 60, &[window()])];
    commit(
        &mut office,
        &Batch {
            holds,
            ..batch("a", 1)
        },
    );
    office.close(&window());
    let both = [(wallet(), 1, 1), (window(), 1, 1)];
    assert_eq!(
        ask(&mut office, "b", 1, &both),
        Answer::Gone(vec![window()])
    );
    let unknown = PotId::Window {
        budget: BudgetId::new("budget_b"),
        start: AtUs(0),
    };
    let lines = [(unknown.clone(), 1, 1)];
    assert_eq!(
        ask(&mut office, "b", 2, &lines),
        Answer::Gone(vec![unknown])
    );
    let ends = vec![settled(1, 20)];
    assert_eq!(
        commit(
            &mut office,
            &Batch {
                ends,
                ..batch("a", 2)
            }
        ),
        []
    );
    office.open(&window(), nusd(27));
    let answer = ask(&mut office, "b", 3, &[(window(), 1, 1)]);
    assert_eq!(answer, Answer::Wait, "a has what 20 that were spent left");
}

#[test]
fn broken_books_are_told() {
    let sound = || {
        let mut office = office(&["a", "b"]);
        ask(&mut office, "a", 1, &[(wallet(), 100, 100)]);
        let holds = vec![hold(1, 60, &[wallet()])];
        let quick = vec![(hold(2, 10, &[wallet()]), nusd(10))];
        let new = Batch {
            holds,
            quick,
            ..batch("a", 1)
        };
        commit(&mut office, &new);
        office
    };
    type Damage = fn(&mut Office);
    let table: [(Damage, &str); 6] = [
        (|it| it.pot_mut(&wallet()).cap = nusd(50), "capped"),
        (|it| it.pot_mut(&wallet()).reserved = nusd(1), "reserved"),
        (|it| it.pot_mut(&wallet()).spent = nusd(1), "charged"),
        (
            |it| it.lease_mut(&wallet(), &node("a")).expect("there").free = nusd(-1),
            "owned",
        ),
        (
            |it| it.members.get_mut(&node("a")).expect("there").expires_at = None,
            "alive",
        ),
        (
            |it| {
                let row = it.charged[&id(2)].clone();
                it.charged.insert(id(1), row);
            },
            "once",
        ),
    ];
    for (damage, claim) in table {
        let mut office = sound();
        damage(&mut office);
        let broken = office.check().and_then(|()| office.audit());
        assert_eq!(broken.expect_err("damaged").claim, claim);
    }
}
