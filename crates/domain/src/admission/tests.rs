//! The book by examples, and against a plain model of what it promises.

use super::*;
use crate::budget::{Force, Scope};
use crate::time::{DAY_US, SECOND_US};
use crate::window::Window;

mod leased;
mod model;
mod nodes;

const ROOMY: DefaultRates = DefaultRates {
    requests_per_minute: 1_000_000,
    tokens_per_minute: 1_000_000,
};

fn id(number: u32) -> RequestId {
    RequestId::parse(&format!("req_{number:032x}")).expect("32 digits")
}

fn ask(number: u32, amount: i64) -> Ask {
    Ask {
        id: id(number),
        project: ProjectId::new("proj_a"),
        key: KeyId::new("key_a"),
        model: "m".into(),
        amount: Nusd::new(amount),
        tokens: 1,
    }
}

fn book(credits: i64) -> Book {
    let wallet = Wallet::new(Nusd::new(credits), Nusd::ZERO, Nusd::ZERO);
    Book::new(wallet, ROOMY)
}

fn budget(name: &str, scope: Scope, window: Window, limit: i64) -> Budget {
    Budget {
        id: BudgetId::new(name),
        scope,
        window,
        limit: Nusd::new(limit),
        force: Force::Hard,
        thresholds: vec![],
    }
}

/// Puts budgets into force of which nothing was spent before.
fn enforce(book: &mut Book, budgets: Vec<Budget>, now: AtUs) {
    for unknown in book.set_budgets(budgets, now).unknown {
        book.know(&unknown.budget, unknown.span, Nusd::ZERO);
    }
}

/// Both clocks go alike, unless a test turns one.
/// Nothing else was used for long.
fn recent(past: PastUse, now: AtUs) -> Recent {
    Recent {
        since: Recent::since(now),
        now,
        used: vec![past],
    }
}

fn admit(book: &mut Book, ask: &Ask, now: AtUs) -> Result<Admission, Refusal> {
    book.admit(ask, now, MonoUs(now.0))
}

fn refused_by(outcome: Result<Admission, Refusal>) -> String {
    match outcome.expect_err("it does not fit") {
        Refusal::Budget(refusal) => refusal.budget.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn everything_is_taken_or_nothing() {
    let rates = DefaultRates {
        requests_per_minute: 2,
        tokens_per_minute: 100,
    };
    let wallet = Wallet::new(Nusd::new(100), Nusd::ZERO, Nusd::ZERO);
    let mut book = Book::new(wallet, rates);
    let small = budget("budget_a", Scope::Organization, Window::Day, 50);
    enforce(&mut book, vec![small], AtUs(0));
    let tokens = |number, amount, tokens| Ask {
        tokens,
        ..ask(number, amount)
    };
    let mut admit = |ask: &Ask| {
        admit(&mut book, ask, AtUs(1)).map_err(|refusal| match refusal {
            Refusal::Rate(stop) => format!("{:?}", stop.kind),
            Refusal::Credit { .. } => "credit".into(),
            Refusal::Budget(refusal) => refusal.budget.to_string(),
        })
    };
    assert_eq!(admit(&tokens(1, 101, 1)), Err("credit".into()));
    assert_eq!(admit(&tokens(1, 51, 1)), Err("budget_a".into()));
    assert_eq!(admit(&tokens(1, 1, 101)), Err("TokensPerMinute".into()));
    // Had any of those taken something, these two would not fit exactly.
    admit(&tokens(1, 25, 50)).expect("half of everything");
    admit(&tokens(2, 25, 50)).expect("the other half");
    assert_eq!(admit(&tokens(3, 0, 0)), Err("RequestsPerMinute".into()));
}

#[test]
fn what_is_taken_out_is_held_by_nobody_and_what_is_held_is_not_taken_out() {
    let mut book = book(100);
    admit(&mut book, &ask(1, 40), AtUs(1)).expect("there is enough");
    assert!(!book.take_out(Nusd::new(61)), "40 of it are held");
    assert!(book.take_out(Nusd::new(50)));
    assert_eq!(book.wallet().available(), Nusd::new(10));
    let too_much = admit(&mut book, &ask(2, 11), AtUs(1));
    assert!(matches!(too_much, Err(Refusal::Credit { .. })));
    // What is known of the credits meanwhile gives nothing back.
    book.set_credits(Nusd::new(100));
    assert_eq!(book.wallet().available(), Nusd::new(10));
    book.put_back(Nusd::new(50));
    admit(&mut book, &ask(2, 60), AtUs(1)).expect("it is there again");
}

#[test]
fn only_what_lacks_money_may_be_helped_by_costing_less() {
    let mut book = book(100);
    let small = budget("budget_a", Scope::Organization, Window::Day, 50);
    enforce(&mut book, vec![small], AtUs(0));
    let rules = RateRule {
        tokens_per_minute: Some(10),
        ..RateRule::default()
    };
    let mut of_all = RateRules::default();
    of_all.insert(Scope::Organization, None, rules);
    book.set_rates(of_all);
    let mut is_about_money = |amount, tokens| {
        let ask = Ask {
            tokens,
            ..ask(1, amount)
        };
        let refused = admit(&mut book, &ask, AtUs(1)).expect_err("it does not fit");
        refused.is_about_money()
    };
    assert!(is_about_money(101, 1), "the credit is too little");
    assert!(is_about_money(51, 1), "the budget is");
    assert!(!is_about_money(1, 11), "the rate is");
}

/// A book that knows nothing but what it must: it would grow with every day and every model.
#[test]
fn what_is_over_is_forgotten() {
    let day = RateRule {
        requests_per_day: Some(2),
        tokens_per_day: Some(100),
        ..RateRule::default()
    };
    let mut rules = RateRules::default();
    rules.insert(Scope::Organization, None, day);
    rules.insert(Scope::Key(KeyId::new("key_a")), None, day);
    let mut book = book(1_000);
    book.set_rates(rules);
    enforce(
        &mut book,
        vec![budget("budget_a", Scope::Organization, Window::Day, 50)],
        AtUs(0),
    );
    let size = |book: &Book| format!("{book:?}").len();
    let mut sizes = Vec::new();
    for number in 1..=8 {
        let today = AtUs(DAY_US * i64::from(number));
        admit(&mut book, &ask(number, 10), today).expect("a new day");
        // Its day is over when it ends.
        let tomorrow = today.plus(DAY_US);
        let _ = book.room(&ProjectId::new("proj_a"), &KeyId::new("key_a"), tomorrow);
        book.end(id(number), Nusd::new(10), 1, tomorrow);
        book.forget_idle(MonoUs(tomorrow.plus(DAY_US).0));
        sizes.push(size(&book));
    }
    let (first, last) = (sizes[2], sizes[7]);
    assert!(last <= first + 40, "it grows: {sizes:?}");
}

#[test]
fn what_was_used_earlier_counts_against_the_limits_of_a_day() {
    let past = PastUse {
        project: ProjectId::new("proj_a"),
        key: KeyId::new("key_a"),
        model: "m".into(),
        requests: 1,
        tokens: 60,
        at: AtUs(1),
    };
    let recent = recent(past, AtUs(1));
    let stopped = |rule: RateRule, tokens| {
        let mut rules = RateRules::default();
        rules.insert(Scope::Organization, None, rule);
        let mut book = book(100);
        book.set_rates(rules);
        book.recall(&recent, MonoUs(1));
        let ask = Ask {
            tokens,
            ..ask(1, 1)
        };
        match admit(&mut book, &ask, AtUs(1)) {
            Ok(_) => None,
            Err(Refusal::Rate(stop)) => Some(stop.kind),
            Err(other) => panic!("{other:?}"),
        }
    };
    let tokens = RateRule {
        tokens_per_day: Some(100),
        ..RateRule::default()
    };
    assert_eq!(stopped(tokens, 40), None);
    assert_eq!(stopped(tokens, 41), Some(RateKind::TokensPerDay));
    let requests = |limit| RateRule {
        requests_per_day: Some(limit),
        ..RateRule::default()
    };
    assert_eq!(stopped(requests(2), 1), None);
    assert_eq!(stopped(requests(1), 1), Some(RateKind::RequestsPerDay));
}

#[test]
fn what_was_spent_is_told_to_the_budget_that_asked() {
    let (a, b) = ("budget_a", "budget_b");
    let of = |name: &str| budget(name, Scope::Organization, Window::Day, 10);
    let mut book = book(100);
    let unknown = book.set_budgets(vec![of(a), of(b)], AtUs(0)).unknown;
    // The second is told first; what it is told is not the first one's.
    book.know(&unknown[1].budget, unknown[1].span, Nusd::new(4));
    book.know(&unknown[0].budget, unknown[0].span, Nusd::new(1));
    // Told again, nothing is counted twice.
    book.know(&unknown[1].budget, unknown[1].span, Nusd::new(4));
    let Err(Refusal::Budget(refusal)) = admit(&mut book, &ask(1, 10), AtUs(1)) else {
        panic!("1 of the first are spent");
    };
    assert_eq!((refusal.budget.as_str(), refusal.spent), (a, Nusd::new(1)));
    let Err(Refusal::Budget(refusal)) = admit(&mut book, &ask(1, 9), AtUs(1)) else {
        panic!("4 of the second are spent");
    };
    assert_eq!((refusal.budget.as_str(), refusal.spent), (b, Nusd::new(4)));
    admit(&mut book, &ask(1, 6), AtUs(1)).expect("it fits into both");
}

#[test]
fn the_last_nano_dollar_can_be_spent_and_not_one_more() {
    let mut book = book(10);
    admit(&mut book, &ask(1, 10), AtUs(1)).expect("exactly fits");
    assert!(admit(&mut book, &ask(2, 1), AtUs(1)).is_err());
    admit(&mut book, &ask(3, 0), AtUs(1)).expect("a free request needs no credit");
}

#[test]
fn each_scope_is_limited_by_its_budgets_and_no_other() {
    let (project, key) = (ProjectId::new("proj_a"), KeyId::new("key_a"));
    let (other_project, other_key) = (ProjectId::new("proj_b"), KeyId::new("key_b"));
    let table = [
        (Scope::Organization, true),
        (Scope::Project(project), true),
        (Scope::Key(key), true),
        (Scope::Project(other_project), false),
        (Scope::Key(other_key), false),
    ];
    for (scope, limited) in table {
        let mut book = book(100);
        let small = budget("budget_a", scope.clone(), Window::Month, 10);
        enforce(&mut book, vec![small], AtUs(0));
        admit(&mut book, &ask(1, 10), AtUs(1)).expect("exactly fits");
        assert_eq!(
            admit(&mut book, &ask(2, 1), AtUs(1)).is_err(),
            limited,
            "{scope:?}"
        );
    }
}

#[test]
fn a_refusal_says_where_the_budget_stands() {
    let mut book = book(100);
    enforce(
        &mut book,
        vec![budget("budget_a", Scope::Organization, Window::Day, 10)],
        AtUs(0),
    );
    admit(&mut book, &ask(1, 5), AtUs(1)).expect("fits");
    book.end(id(1), Nusd::new(3), 1, AtUs(2));
    admit(&mut book, &ask(2, 4), AtUs(3)).expect("fits");
    let Err(Refusal::Budget(refusal)) = admit(&mut book, &ask(3, 4), AtUs(4)) else {
        panic!("3 of 10 are left");
    };
    assert_eq!(
        (refusal.limit, refusal.spent, refusal.held, refusal.required),
        (Nusd::new(10), Nusd::new(3), Nusd::new(4), Nusd::new(4))
    );
    assert_eq!(refusal.ends_at, AtUs(DAY_US));
}

#[test]
fn a_budget_is_refusing_from_a_refusal_until_there_is_room_or_another_limit() {
    let mut book = book(1_000);
    let key = Scope::Key(KeyId::new("key_a"));
    let of_key = budget("budget_k", key, Window::Day, 10);
    let all = budget("budget_o", Scope::Organization, Window::Day, 500);
    enforce(&mut book, vec![all.clone(), of_key.clone()], AtUs(1));
    let refusing = |book: &mut Book, at| {
        let both = ["budget_k", "budget_o"].map(BudgetId::new);
        both.map(|id| book.is_refusing(&id, at))
    };
    admit(&mut book, &ask(1, 8), AtUs(1)).expect("fits");
    assert_eq!(refusing(&mut book, AtUs(1)), [false, false]);
    assert_eq!(
        refused_by(admit(&mut book, &ask(2, 3), AtUs(2))),
        "budget_k"
    );
    assert_eq!(refusing(&mut book, AtUs(2)), [true, false]);
    admit(&mut book, &ask(3, 0), AtUs(2)).expect("it is free");
    assert_eq!(refusing(&mut book, AtUs(2)), [true, false]);
    admit(&mut book, &ask(4, 2), AtUs(2)).expect("a smaller one fits");
    assert_eq!(refusing(&mut book, AtUs(2)), [false, false]);

    refused_by(admit(&mut book, &ask(5, 1), AtUs(3)));
    let thresholds = vec![50];
    let told = Budget {
        thresholds,
        ..of_key.clone()
    };
    enforce(&mut book, vec![all.clone(), told], AtUs(3));
    assert_eq!(
        refusing(&mut book, AtUs(3)),
        [true, false],
        "the same limit"
    );
    assert_eq!(
        refusing(&mut book, AtUs(DAY_US)),
        [false, false],
        "a new day"
    );
    enforce(&mut book, vec![all.clone(), of_key.clone()], AtUs(DAY_US));
    refused_by(admit(&mut book, &ask(6, 11), AtUs(DAY_US)));
    let limit = Nusd::new(20);
    enforce(
        &mut book,
        vec![all.clone(), Budget { limit, ..of_key }],
        AtUs(DAY_US),
    );
    assert_eq!(
        refusing(&mut book, AtUs(DAY_US)),
        [false, false],
        "another limit"
    );
    enforce(&mut book, vec![all], AtUs(DAY_US));
    assert_eq!(
        refusing(&mut book, AtUs(DAY_US)),
        [false, false],
        "it is gone"
    );
}

#[test]
fn a_request_counts_in_the_window_of_its_admission() {
    let mut book = book(100);
    enforce(
        &mut book,
        vec![budget("budget_a", Scope::Organization, Window::Day, 10)],
        AtUs(0),
    );
    let tomorrow = AtUs(DAY_US);
    admit(&mut book, &ask(1, 10), AtUs(DAY_US - 1)).expect("fits today");
    admit(&mut book, &ask(2, 10), tomorrow).expect("tomorrow is free");
    // Today's request ends tomorrow: its charge is today's.
    book.end(id(1), Nusd::new(10), 1, tomorrow.plus(1));
    book.end(id(2), Nusd::new(4), 1, tomorrow.plus(2));
    admit(&mut book, &ask(3, 6), tomorrow.plus(3)).expect("6 are left");
    admit(&mut book, &ask(4, 1), tomorrow.plus(4)).expect_err("all is held");
}

#[test]
fn a_clock_that_goes_back_opens_no_window_again() {
    let mut book = book(100);
    enforce(
        &mut book,
        vec![budget("budget_a", Scope::Organization, Window::Day, 10)],
        AtUs(0),
    );
    let tomorrow = AtUs(DAY_US);
    admit(&mut book, &ask(1, 10), tomorrow).expect("fits");
    let refused = admit(&mut book, &ask(2, 10), AtUs(5));
    assert_eq!(refused_by(refused), "budget_a");
}

#[test]
fn a_new_budget_counts_what_is_in_flight_and_waits_for_what_was_spent() {
    let mut book = book(100);
    admit(&mut book, &ask(1, 6), AtUs(1)).expect("fits");
    let new = budget("budget_a", Scope::Organization, Window::Always, 10);
    let unknown = book.set_budgets(vec![new.clone()], AtUs(2)).unknown;
    assert_eq!(unknown.len(), 1);
    admit(&mut book, &ask(2, 50), AtUs(3)).expect("it stops nobody yet");
    book.end(id(2), Nusd::new(1), 1, AtUs(4));
    // Asked again before it was told, it begins anew.
    let unknown = book.set_budgets(vec![new.clone()], AtUs(5)).unknown;
    book.end(id(1), Nusd::new(2), 1, AtUs(6));
    book.know(&unknown[0].budget, unknown[0].span, Nusd::new(1));
    assert!(
        book.set_budgets(vec![new], AtUs(7)).unknown.is_empty(),
        "it is known"
    );
    admit(&mut book, &ask(3, 7), AtUs(8)).expect("10 - 1 - 2");
    assert_eq!(
        refused_by(admit(&mut book, &ask(4, 1), AtUs(9))),
        "budget_a"
    );
}

#[test]
fn a_limit_may_be_lowered_below_what_is_spent_and_raised_again() {
    let mut book = book(100);
    let of = |limit| {
        vec![budget(
            "budget_a",
            Scope::Organization,
            Window::Month,
            limit,
        )]
    };
    enforce(&mut book, of(10), AtUs(0));
    admit(&mut book, &ask(1, 10), AtUs(1)).expect("fits");
    enforce(&mut book, of(5), AtUs(2));
    assert_eq!(
        refused_by(admit(&mut book, &ask(2, 1), AtUs(3))),
        "budget_a"
    );
    assert_eq!(book.extend(id(1), Nusd::new(1), Nusd::new(1)), None);
    admit(&mut book, &ask(3, 0), AtUs(3)).expect("a free request needs none");
    book.end(id(1), Nusd::new(10), 1, AtUs(4));
    assert_eq!(
        refused_by(admit(&mut book, &ask(4, 1), AtUs(5))),
        "budget_a"
    );
    enforce(&mut book, of(12), AtUs(6));
    admit(&mut book, &ask(5, 2), AtUs(7)).expect("2 are left");
    enforce(&mut book, vec![], AtUs(8));
    admit(&mut book, &ask(6, 80), AtUs(9)).expect("it is gone");
}

#[test]
fn a_hold_grows_as_far_as_there_is_money() {
    let mut book = book(100);
    let small = budget("budget_a", Scope::Organization, Window::Day, 30);
    enforce(&mut book, vec![small], AtUs(0));
    admit(&mut book, &ask(1, 10), AtUs(1)).expect("fits");
    let extend = |book: &mut Book, least, most| {
        book.extend(id(1), Nusd::new(least), Nusd::new(most))
            .map(Nusd::get)
    };
    assert_eq!(extend(&mut book, 1, 5), Some(5));
    assert_eq!(extend(&mut book, 16, 99), None, "15 are left");
    assert_eq!(extend(&mut book, 15, 99), Some(15));
    assert_eq!(extend(&mut book, 0, 99), None, "nothing is no extension");
    book.end(id(1), Nusd::new(30), 1, AtUs(2));
    assert_eq!(book.wallet().balance(), Nusd::new(70));
    assert_eq!(book.wallet().available(), Nusd::new(70));
}

#[test]
fn thresholds_are_told_when_they_are_reached() {
    let mut book = book(100);
    let soft = Budget {
        force: Force::Soft,
        thresholds: vec![50, 100],
        ..budget("budget_a", Scope::Organization, Window::Day, 10)
    };
    enforce(&mut book, vec![soft.clone()], AtUs(0));
    let mut spend = |number, amount| {
        admit(&mut book, &ask(number, amount), AtUs(1)).expect("soft");
        book.end(id(number), Nusd::new(amount), 1, AtUs(2));
        let told = book.take_crossings().into_iter();
        told.map(|it| it.threshold).collect::<Vec<_>>()
    };
    assert_eq!(spend(1, 4), []);
    assert_eq!(spend(2, 1), [50]);
    assert_eq!(spend(3, 1), []);
    assert_eq!(spend(4, 14), [100]);
    // A lower limit may have been reached already.
    let lower = Budget {
        thresholds: vec![150],
        ..soft
    };
    let _ = book.set_budgets(vec![lower], AtUs(3));
    assert_eq!(book.take_crossings().len(), 1);
}

#[test]
fn unused_tokens_come_back() {
    let rates = DefaultRates {
        requests_per_minute: 10,
        tokens_per_minute: 100,
    };
    let wallet = Wallet::new(Nusd::new(100), Nusd::ZERO, Nusd::ZERO);
    let mut book = Book::new(wallet, rates);
    let of = |number, tokens| Ask {
        tokens,
        ..ask(number, 1)
    };
    admit(&mut book, &of(1, 100), AtUs(1)).expect("fits");
    let refused = admit(&mut book, &of(2, 50), AtUs(1));
    assert!(matches!(refused, Err(Refusal::Rate(_))));
    book.end(id(1), Nusd::new(1), 40, AtUs(1));
    admit(&mut book, &of(2, 50), AtUs(1)).expect("60 came back");
    let later = AtUs(1).plus(60 * SECOND_US);
    admit(&mut book, &of(3, 50), later).expect("all has drained");
}

/// The clock is set; a minute is a minute all the same.
#[test]
fn rates_drain_by_the_time_that_passes_whatever_is_done_to_the_clock() {
    let rates = DefaultRates {
        requests_per_minute: 2,
        tokens_per_minute: 1_000,
    };
    let wallet = Wallet::new(Nusd::new(100), Nusd::ZERO, Nusd::ZERO);
    let mut book = Book::new(wallet, rates);
    let noon = AtUs(DAY_US / 2);
    let started = MonoUs(7);
    for number in 1..=2 {
        book.admit(&ask(number, 1), noon, started)
            .expect("two a minute");
    }
    for set_to in [noon, noon.plus(DAY_US), AtUs(0)] {
        let Err(Refusal::Rate(stop)) = book.admit(&ask(3, 1), set_to, started) else {
            panic!("the third of this minute, at {set_to:?}");
        };
        assert_eq!(stop.refusal.retry_after_us, Some(30 * SECOND_US));
    }
    let waited = started.plus(30 * SECOND_US);
    book.admit(&ask(3, 1), AtUs(0), waited)
        .expect("after the wait it was told, though the clock was set back");
}

/// A process begins its count anew; how long ago something was is said by the clock alone.
#[test]
fn what_was_used_before_this_process_is_as_old_as_the_clock_says() {
    let day = RateRule {
        requests_per_day: Some(2),
        ..RateRule::default()
    };
    let mut rules = RateRules::default();
    rules.insert(Scope::Organization, None, day);
    let mut book = book(100);
    book.set_rates(rules);
    let now = AtUs(500 * DAY_US);
    let past = PastUse {
        project: ProjectId::new("proj_a"),
        key: KeyId::new("key_a"),
        model: "m".into(),
        requests: 2,
        tokens: 60,
        at: now.plus(-DAY_US / 4),
    };
    let started = MonoUs(0);
    book.recall(&recent(past, now), started);
    let Err(Refusal::Rate(stop)) = book.admit(&ask(1, 1), now, started) else {
        panic!("a quarter of a day drains half a request of two");
    };
    assert_eq!(stop.refusal.retry_after_us, Some(DAY_US / 4));
}

#[test]
#[should_panic(expected = "never exceeds")]
fn a_charge_above_the_hold_is_a_bug() {
    let mut book = book(100);
    admit(&mut book, &ask(1, 1), AtUs(1)).expect("fits");
    book.end(id(1), Nusd::new(2), 1, AtUs(2));
}

#[test]
#[should_panic(expected = "ends once")]
fn a_hold_that_ends_twice_is_a_bug() {
    let mut book = book(100);
    admit(&mut book, &ask(1, 1), AtUs(1)).expect("fits");
    book.end(id(1), Nusd::new(1), 1, AtUs(2));
    book.end(id(1), Nusd::new(1), 1, AtUs(3));
}
