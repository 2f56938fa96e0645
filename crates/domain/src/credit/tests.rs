//! Which credit pays for what: by tables, and by any order of what can happen to it.

use proptest::prelude::*;

use super::*;

const NOW: AtUs = AtUs(1_000);

fn nusd(amount: i64) -> Nusd {
    Nusd::new(amount)
}

fn lot(id: &str, kind: LotKind, amount: i64, created_at: i64, expires_at: Option<i64>) -> Lot {
    Lot {
        expires_at: expires_at.map(AtUs),
        ..Lot::new(id, kind, nusd(amount), AtUs(created_at))
    }
}

/// One of every kind, out of order; ten of each.
fn all() -> Lots {
    use LotKind::{Grant, Overdraft, Purchase};
    Lots::new(vec![
        lot(OVERDRAFT, Overdraft, 10, 0, None),
        lot("p2", Purchase, 10, 2, None),
        lot("g-for-good", Grant, 10, 1, None),
        lot("p1", Purchase, 10, 1, None),
        lot("g-late", Grant, 10, 3, Some(3_000)),
        lot("g-soon", Grant, 10, 5, Some(2_000)),
        lot("g-over", Grant, 10, 4, Some(900)),
    ])
}

const ORDER: [&str; 7] = [
    "g-over",
    "g-soon",
    "g-late",
    "g-for-good",
    "p1",
    "p2",
    OVERDRAFT,
];

fn left(lots: &Lots) -> Vec<(&str, i64)> {
    let left = |lot: &Lot| lot.remaining.get();
    let lots = lots.in_order().iter();
    lots.map(|lot| (&*lot.id, left(lot))).collect()
}

/// The lots that have less than ten, with what they have.
fn less(lots: &Lots) -> Vec<(&str, i64)> {
    let mut all = left(lots);
    all.retain(|(_, left)| *left != 10);
    all
}

#[test]
fn kinds_are_stored_as_these_words() {
    let words = LotKind::ALL.map(LotKind::as_str);
    assert_eq!(words, ["grant", "purchase", "overdraft"]);
    for kind in LotKind::ALL {
        assert_eq!(LotKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(LotKind::parse("gift"), None);
}

#[test]
fn what_expires_soonest_is_spent_first_and_what_is_lent_last() {
    let whole = all();
    let ids: Vec<_> = left(&whole).iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ORDER);
    for spent in 0..=70 {
        let mut lots = all();
        lots.spend(nusd(spent)).expect("it is there");
        let wanted = ORDER.iter().zip(0..).map(|(id, place)| {
            let left = 10 - (spent - place * 10).clamp(0, 10);
            (*id, left)
        });
        assert_eq!(left(&lots), wanted.collect::<Vec<_>>());
    }
    let mut lots = all();
    let missing = nusd(2);
    assert_eq!(lots.spend(nusd(72)), Err(NotCovered { missing }));
    assert_eq!(lots.remaining(), Nusd::ZERO);
}

#[test]
fn a_lot_that_comes_takes_its_place() {
    let mut lots = all();
    lots.add(lot("g-next", LotKind::Grant, 1, 9, Some(2_500)));
    lots.add(lot("g-new", LotKind::Grant, 1, 9, None));
    let ids: Vec<_> = left(&lots).iter().map(|(id, _)| *id).collect();
    let wanted = [
        "g-over",
        "g-soon",
        "g-next",
        "g-late",
        "g-for-good",
        "g-new",
    ];
    assert_eq!(ids[..6], wanted);
}

#[test]
fn what_lapses_is_what_is_over_and_not_held() {
    // Ten are over. What is held is of the first in order.
    for (held, most, lapses) in [
        (0, 100, 10),
        (4, 100, 6),
        (10, 100, 0),
        (50, 100, 0),
        (0, 3, 3),
        (4, 3, 3),
        (8, 3, 2),
    ] {
        let mut lots = all();
        assert_eq!(lots.expired(NOW), nusd(10));
        let lapsed = lots.lapse(NOW, nusd(held), nusd(most));
        let told: Vec<_> = lapsed
            .iter()
            .map(|it| (&*it.lot, it.amount.get()))
            .collect();
        match lapses {
            0 => assert_eq!(told, []),
            some => assert_eq!(told, [("g-over", some)]),
        }
        assert_eq!(lots.remaining(), nusd(70 - lapses));
    }
    let mut lots = all();
    let lapsed = lots.lapse(AtUs(2_000), nusd(12), nusd(100));
    let told: Vec<_> = lapsed
        .iter()
        .map(|it| (&*it.lot, it.amount.get()))
        .collect();
    assert_eq!(told, [("g-soon", 8)], "a grant lapses at its very time");
}

#[test]
fn a_purchase_pays_back_before_it_is_credit() {
    for (lent, bought, line_left, purchase_left) in
        [(0, 5, 10, 5), (3, 5, 10, 2), (5, 5, 10, 0), (8, 5, 7, 0)]
    {
        let mut lots = Lots::new(vec![lot(OVERDRAFT, LotKind::Overdraft, 10, 0, None)]);
        lots.spend(nusd(lent)).expect("it is lent");
        assert_eq!(lots.line(), (nusd(10), nusd(lent)));
        lots.add_purchase(lot("p", LotKind::Purchase, bought, 1, None));
        assert_eq!(left(&lots), [("p", purchase_left), (OVERDRAFT, line_left)]);
    }
    // Without a line there is nothing to pay back.
    let mut lots = Lots::default();
    lots.add_purchase(lot("p", LotKind::Purchase, 5, 1, None));
    assert_eq!(left(&lots), [("p", 5)]);
}

#[test]
fn what_a_bank_took_is_of_that_purchase_and_then_as_if_spent() {
    let mut lots = all();
    lots.take_back_purchase("p1", nusd(9)).expect("it is there");
    assert_eq!(less(&lots), [("p1", 1)]);
    lots.take_back_purchase("p1", nusd(14))
        .expect("it is there");
    assert_eq!(less(&lots), [("g-over", 0), ("g-soon", 7), ("p1", 0)]);
    assert!(lots.restore("p1", nusd(6)));
    assert_eq!(less(&lots), [("g-over", 0), ("g-soon", 7), ("p1", 6)]);
    assert!(!lots.restore("p3", nusd(1)));
    // What is lent is paid back first.
    let mut lots = Lots::new(vec![
        lot(OVERDRAFT, LotKind::Overdraft, 10, 0, None),
        lot("p", LotKind::Purchase, 5, 1, None),
    ]);
    lots.spend(nusd(8)).expect("it is there");
    assert!(lots.restore("p", nusd(4)));
    assert_eq!(left(&lots), [("p", 1), (OVERDRAFT, 10)]);
}

#[test]
fn an_operator_takes_back_what_was_given_last_and_nothing_that_is_lent() {
    let mut lots = all();
    assert_eq!(lots.own(), nusd(60));
    let order = ["g-soon", "g-over", "g-late", "g-for-good", "p2", "p1"];
    for (place, id) in order.iter().enumerate() {
        lots.take_back(nusd(9)).expect("it is there");
        let taken = less(&lots);
        assert_eq!(taken.len(), place + 1);
        assert!(taken.contains(&(id, 1)), "{id}: {taken:?}");
        lots.take_back(nusd(1)).expect("it is there");
    }
    let missing = nusd(3);
    assert_eq!(lots.take_back(nusd(3)), Err(NotCovered { missing }));
    assert_eq!(lots.remaining_of(LotKind::Overdraft), nusd(10));
}

#[test]
fn one_lot_gives_no_more_than_it_has() {
    let mut lots = all();
    let missing = nusd(1);
    assert_eq!(lots.take_of("p1", nusd(11)), Err(NotCovered { missing }));
    assert_eq!(less(&lots), [("p1", 0)]);
}

#[test]
fn a_line_is_never_less_than_what_is_lent() {
    let mut lots = Lots::default();
    lots.set_line(nusd(10), NOW).expect("a line");
    lots.spend(nusd(4)).expect("it is lent");
    let missing = nusd(1);
    assert_eq!(lots.set_line(nusd(3), NOW), Err(NotCovered { missing }));
    assert_eq!(lots.line(), (nusd(10), nusd(4)));
    for line in [4, 12, 4] {
        lots.set_line(nusd(line), NOW).expect("enough");
        assert_eq!(lots.line(), (nusd(line), nusd(4)));
        assert_eq!(lots.remaining(), nusd(line - 4));
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Give(i64, Option<i64>),
    Buy(i64),
    Lend(i64),
    Spend(i64),
    Lapse(i64, i64),
    TakeBack(i64),
    Dispute(usize, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..50_i64, prop::option::of(0..2_000_i64)).prop_map(|(n, at)| Step::Give(n, at)),
        (1..50_i64).prop_map(Step::Buy),
        (0..60_i64).prop_map(Step::Lend),
        (0..40_i64).prop_map(Step::Spend),
        (0..30_i64, 0..60_i64).prop_map(|(held, most)| Step::Lapse(held, most)),
        (0..40_i64).prop_map(Step::TakeBack),
        (0..8_usize, 0..40_i64).prop_map(|(which, n)| Step::Dispute(which, n)),
    ]
}

proptest! {
    /// Spending in parts, at any time before the set changes, is spending at once: what makes it
    /// exact to do it late.
    #[test]
    fn spending_late_is_spending_exactly(
        parts in prop::collection::vec(0..20_i64, 1..10),
    ) {
        let (mut early, mut late) = (all(), all());
        let sum: i64 = parts.iter().sum::<i64>().min(70);
        let mut left = sum;
        for part in parts {
            let part = part.min(left);
            early.spend(nusd(part)).expect("it is there");
            left -= part;
        }
        late.spend(nusd(sum)).expect("it is there");
        prop_assert_eq!(early, late);
    }

    #[test]
    fn no_money_comes_or_goes_unseen(steps in prop::collection::vec(step(), 1..60)) {
        let mut lots = Lots::default();
        let mut has = 0_i64;
        for (step, number) in steps.into_iter().zip(0..) {
            let id = format!("{number:03}");
            let new = |kind, amount, at| lot(&id, kind, amount, number, at);
            let lent = lots.line().1;
            match step {
                Step::Give(amount, at) => {
                    lots.add(new(LotKind::Grant, amount, at));
                    has += amount;
                }
                Step::Buy(amount) => {
                    lots.add_purchase(new(LotKind::Purchase, amount, None));
                    has += amount;
                    prop_assert_eq!(lots.line().1, nusd((lent.get() - amount).max(0)));
                }
                Step::Lend(line) => {
                    let before = lots.line().0.get();
                    match lots.set_line(nusd(line), AtUs(number)) {
                        Ok(()) => has += line - before,
                        Err(_) => prop_assert!(nusd(line) < lent),
                    }
                }
                Step::Spend(amount) => {
                    let spent = amount.min(has);
                    prop_assert_eq!(lots.spend(nusd(amount)).is_ok(), amount <= has);
                    has -= spent;
                }
                Step::Lapse(held, most) => {
                    let expired = lots.expired(NOW);
                    let lapsed = lots.lapse(NOW, nusd(held), nusd(most));
                    let lapsed: Nusd = lapsed.iter().map(|it| it.amount).sum();
                    let free = (expired.get() - held).max(0);
                    prop_assert_eq!(lapsed, nusd(free.min(most)));
                    has -= lapsed.get();
                }
                Step::TakeBack(amount) => {
                    let own = lots.own().get();
                    prop_assert_eq!(lots.take_back(nusd(amount)).is_ok(), amount <= own);
                    has -= amount.min(own);
                }
                Step::Dispute(which, amount) => {
                    let bought: Vec<String> = lots.in_order().iter()
                        .filter(|it| it.kind == LotKind::Purchase)
                        .map(|it| it.id.clone()).collect();
                    if let Some(id) = bought.get(which) {
                        let of_it = lots.find(id).map_or(Nusd::ZERO, |it| it.remaining);
                        let outcome = lots.take_back_purchase(id, nusd(amount));
                        prop_assert_eq!(outcome.is_ok(), amount <= has);
                        let now = lots.find(id).map_or(Nusd::ZERO, |it| it.remaining);
                        prop_assert!(of_it - now >= nusd(amount).min(of_it));
                        has -= amount.min(has);
                    }
                }
            }
            prop_assert_eq!(lots.remaining(), nusd(has));
            let all = lots.in_order();
            let is_sound = |it: &Lot| it.remaining >= Nusd::ZERO && it.remaining <= it.amount;
            prop_assert!(all.iter().all(is_sound));
            prop_assert!(all.is_sorted_by(|a, b| a.place() <= b.place()));
        }
    }
}
