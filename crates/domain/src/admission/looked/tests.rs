//! What is told of each limit, whichever of them refuses.

use super::*;
use crate::admission::{DefaultRates, RateRule, RateRules, Wallet};
use crate::budget::{Budget, Force};
use crate::id::{KeyId, ProjectId, RequestId};
use crate::time::MINUTE_US;

const NOW: AtUs = AtUs(1_800_000_000_000_000);
const MONO: MonoUs = MonoUs(5_000_000);

fn ask(number: u32, amount: i64, tokens: u64) -> Ask {
    Ask {
        id: RequestId::parse(&format!("req_{number:032x}")).expect("32 digits"),
        project: ProjectId::new("proj_a"),
        key: KeyId::new("key_a"),
        model: "m".into(),
        amount: Nusd::new(amount),
        tokens,
    }
}

fn budget(name: &str, scope: Scope, limit: i64, force: Force) -> Budget {
    Budget {
        id: BudgetId::new(name),
        scope,
        window: Window::Always,
        limit: Nusd::new(limit),
        force,
        thresholds: vec![],
    }
}

/// A book in which a request holds 10 of each budget, and of the 100 in the wallet.
fn book() -> Book {
    let defaults = DefaultRates {
        requests_per_minute: 3,
        tokens_per_minute: 100,
    };
    let wallet = Wallet::new(Nusd::new(130), Nusd::new(30), Nusd::ZERO);
    let mut book = Book::new(wallet, defaults);
    let mut rules = RateRules::default();
    let rule = RateRule {
        concurrent_requests: Some(2),
        ..RateRule::default()
    };
    rules.insert(Scope::Key(KeyId::new("key_a")), None, rule);
    book.set_rates(rules);
    let project = Scope::Project(ProjectId::new("proj_a"));
    let budgets = vec![
        budget("b_project", project, 70, Force::Hard),
        budget("b_soft", Scope::Organization, 1, Force::Soft),
        budget("b_all", Scope::Organization, 90, Force::Hard),
    ];
    for unknown in book.set_budgets(budgets, NOW).unknown {
        book.know(&unknown.budget, unknown.span, Nusd::new(5));
    }
    book.admit(&ask(1, 10, 40), NOW, MONO).expect("it fits");
    book
}

/// Each limit's verdict, name and numbers, for a request that is refused.
fn told(book: &mut Book, ask: &Ask) -> Vec<(Verdict, String, [Option<i64>; 3], i64)> {
    let refusal = book.admit(ask, NOW, MONO).expect_err("it does not fit");
    let looked = book.looked_at(ask, &refusal, NOW, MONO);
    let shown = |it: Looked| {
        let name = match it.limit {
            Limit::Rate(Scope::Key(_), kind) => format!("key {}", kind.name()),
            Limit::Rate(_, kind) => kind.name().to_owned(),
            Limit::Balance => "balance".to_owned(),
            Limit::Budget(id, ..) => id.to_string(),
        };
        let Numbers {
            limit, used, held, ..
        } = it.numbers;
        (it.verdict, name, [limit, used, held], it.numbers.asked)
    };
    looked.into_iter().map(shown).collect()
}

fn line(
    verdict: Verdict,
    name: &str,
    numbers: [Option<i64>; 3],
    asked: i64,
) -> (Verdict, String, [Option<i64>; 3], i64) {
    (verdict, name.to_owned(), numbers, asked)
}

#[test]
fn each_limit_is_told_up_to_the_one_that_refuses_and_behind_it() {
    use Verdict::{NotReached, Passed, Refused};
    let all = |asked: i64, tokens: i64, verdicts: [Verdict; 6]| {
        vec![
            line(
                verdicts[0],
                "requests_per_minute",
                [Some(3), Some(1), None],
                1,
            ),
            line(
                verdicts[1],
                "tokens_per_minute",
                [Some(100), Some(40), None],
                tokens,
            ),
            line(
                verdicts[2],
                "key concurrent_requests",
                [Some(2), Some(1), None],
                1,
            ),
            line(verdicts[3], "balance", [Some(100), None, Some(10)], asked),
            line(verdicts[4], "b_all", [Some(90), Some(5), Some(10)], asked),
            line(
                verdicts[5],
                "b_project",
                [Some(70), Some(5), Some(10)],
                asked,
            ),
        ]
    };
    let verdicts = |at: usize| {
        let of = |place: usize| match place.cmp(&at) {
            std::cmp::Ordering::Less => Passed,
            std::cmp::Ordering::Equal => Refused,
            std::cmp::Ordering::Greater => NotReached,
        };
        [0, 1, 2, 3, 4, 5].map(of)
    };
    for (amount, tokens, at) in [(1, 61, 1), (91, 1, 3), (76, 1, 4), (56, 1, 5)] {
        let told = told(&mut book(), &ask(2, amount, tokens));
        let tokens = i64::try_from(tokens).expect("few");
        assert_eq!(told, all(amount, tokens, verdicts(at)), "{amount} {tokens}");
    }
}

#[test]
fn the_keys_own_limit_is_told_apart_from_its_projects() {
    let mut book = book();
    book.admit(&ask(2, 1, 1), NOW, MONO).expect("it fits");
    let told = told(&mut book, &ask(3, 1, 1));
    let refused: Vec<&str> = told
        .iter()
        .filter(|it| it.0 == Verdict::Refused)
        .map(|it| it.1.as_str())
        .collect();
    assert_eq!(refused, ["key concurrent_requests"]);
}

#[test]
fn a_rate_limit_says_when_there_is_room_again() {
    let mut book = book();
    for number in 2..4 {
        book.admit(&ask(number, 1, 1), NOW, MONO).ok();
        book.end(ask(number, 1, 1).id, Nusd::ZERO, 1, NOW);
    }
    let ask = ask(9, 1, 1);
    let refusal = book.admit(&ask, NOW, MONO).expect_err("three a minute");
    let looked = book.looked_at(&ask, &refusal, NOW, MONO);
    assert_eq!(looked[0].verdict, Verdict::Refused);
    let wait_us = MINUTE_US / 3;
    assert_eq!(looked[0].numbers.resets_at, Some(NOW.plus(wait_us)));
}

#[test]
fn a_request_that_needs_no_money_is_told_of_rates_alone() {
    let told = told(&mut book(), &ask(2, 0, 99));
    assert_eq!(told.len(), 3);
}

#[test]
fn what_only_all_nodes_know_together_is_not_told_unless_it_refuses() {
    let defaults = DefaultRates {
        requests_per_minute: 2_000_000,
        tokens_per_minute: 2_000_000_000,
    };
    let mut book = Book::leased(defaults);
    let ask = ask(1, 10, 1);
    let refusal = book.admit(&ask, NOW, MONO).expect_err("nothing is leased");
    let looked = book.looked_at(&ask, &refusal, NOW, MONO);
    let balance = looked.last().expect("the balance");
    assert_eq!(balance.verdict, Verdict::Refused);
    assert_eq!(balance.numbers.limit, Some(0));
    let rates = &looked[..looked.len() - 1];
    assert!(
        rates.iter().all(|it| it.verdict == Verdict::Passed),
        "{rates:?}"
    );
}
