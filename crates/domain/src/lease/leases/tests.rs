//! One organization's leases on one node, against a book of two pots.

use super::*;
use crate::id::{BudgetId, OrganizationId};
use crate::time::AtUs;

/// Room by pot, and whether something is held there; and what strays there.
#[derive(Default)]
struct Book(BTreeMap<PotId, (i64, bool)>, BTreeMap<PotId, i64>);

impl Rooms for Book {
    fn room(&self, pot: &PotId) -> Nusd {
        Nusd::new(self.0.get(pot).map_or(0, |(room, _)| *room))
    }

    fn is_held(&self, pot: &PotId) -> bool {
        self.0.get(pot).is_some_and(|(_, held)| *held)
    }

    fn strays(&self, pot: &PotId) -> Nusd {
        Nusd::new(self.1.get(pot).copied().unwrap_or_default())
    }
}

impl Book {
    fn of(&mut self, pot: &PotId) -> &mut (i64, bool) {
        self.0.entry(pot.clone()).or_default()
    }

    /// Lowers a pot's cap, first by what strays.
    fn lower(&mut self, pot: &PotId, amount: i64) {
        let strays = self.1.entry(pot.clone()).or_default();
        let of_strays = amount.min(*strays);
        *strays -= of_strays;
        self.of(pot).0 -= amount - of_strays;
    }
}

fn wallet() -> PotId {
    PotId::Wallet(OrganizationId::new("org-a"))
}

fn window() -> PotId {
    PotId::Window {
        budget: BudgetId::new("budget_a"),
        start: AtUs(0),
    }
}

fn id(n: u32) -> RequestId {
    RequestId::parse(&format!("req_{n:032x}")).expect("32 digits")
}

const NOW: MonoUs = MonoUs(1_000 * SECOND_US);
const EPOCH: Epoch = Epoch(5);

/// Leases and a book, with the effects on the book done as a gateway does them.
struct Desk {
    leases: Leases,
    book: Book,
    now: MonoUs,
}

impl Desk {
    fn new() -> Self {
        let mut leases = Leases::new(NodeId::new("a"));
        leases.begin(EPOCH, 2);
        let mut desk = Desk {
            leases,
            book: Book::default(),
            now: NOW,
        };
        desk.wait_us(0);
        desk
    }

    fn request(&mut self, n: u32, amount: i64, legs: &[PotId]) {
        let amount = Nusd::new(amount);
        self.leases.wait(id(n), legs.into(), amount, self.now);
    }

    fn wait_us(&mut self, us: i64) {
        self.now = self.now.plus(us);
        self.leases.tick(self.now);
    }

    fn answer(&mut self, number: u64, nodes: u32, answer: Answer) {
        let answered = Answered {
            number,
            nodes,
            answer,
        };
        self.leases.answered(answered, self.now, &self.book);
    }

    /// Everything that is to be done now, done.
    fn effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(effect) = self.leases.poll(self.now, &self.book) {
            match &effect {
                Effect::Raise(pot, amount) => self.book.of(pot).0 += amount.get(),
                Effect::Lower(pot, amount) | Effect::GiveBack(pot, amount) => {
                    self.book.lower(pot, amount.get());
                    assert!(self.book.of(pot).0 >= 0, "{effect:?}");
                }
                _ => {}
            }
            effects.push(effect);
        }
        effects
    }

    /// The questions that are to be asked now.
    fn questions(&mut self) -> Vec<Asked> {
        let asks = self
            .effects()
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Send(ask) => Some(ask),
                _ => None,
            });
        let line = |line: &AskLine| (line.pot.clone(), line.need.get(), line.want.get());
        asks.map(|ask| (ask.number, ask.lines.iter().map(line).collect()))
            .collect()
    }
}

/// A question: its number, and need and want of each pot.
type Asked = (u64, Vec<(PotId, i64, i64)>);

fn granted(amounts: &[(PotId, i64)]) -> Answer {
    let amount = |(pot, amount): &(PotId, i64)| (pot.clone(), Nusd::new(*amount));
    Answer::Granted(amounts.iter().map(amount).collect())
}

fn exhausted(n: u32, pot: PotId, left: i64) -> Effect {
    Effect::Refuse(id(n), Verdict::Exhausted(pot, Nusd::new(left)))
}

#[test]
fn what_is_lacking_is_asked_for_in_one_question_and_admitted_when_it_comes() {
    let mut desk = Desk::new();
    desk.book.of(&window()).0 = 4;
    desk.request(1, 10, &[window(), wallet()]);
    let asked = desk.questions();
    let number = asked[0].0;
    assert_eq!(
        asked,
        [(number, vec![(wallet(), 10, 10), (window(), 6, 10)])]
    );
    desk.answer(number, 2, granted(&[(wallet(), 50), (window(), 6)]));
    let raise = |pot, amount| Effect::Raise(pot, Nusd::new(amount));
    let done = [
        raise(wallet(), 50),
        raise(window(), 6),
        Effect::Admit(id(1)),
    ];
    assert_eq!(desk.effects(), done);
}

#[test]
fn one_question_at_a_time_about_a_pot_and_it_thinks_of_all_that_wait() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    let first = desk.questions();
    desk.request(2, 20, &[wallet()]);
    desk.request(3, 30, &[wallet(), window()]);
    let second = desk.questions();
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].1, [(window(), 30, 30)]);
    // The first to come is served first; then the question is for the next, and all behind it.
    desk.answer(first[0].0, 2, granted(&[(wallet(), 10)]));
    let effects = desk.leases.poll(desk.now, &desk.book);
    assert!(matches!(effects, Some(Effect::Raise(..))));
    desk.book.of(&wallet()).0 = 10;
    assert_eq!(
        desk.leases.poll(desk.now, &desk.book),
        Some(Effect::Admit(id(1)))
    );
    desk.book.of(&wallet()).0 = 0;
    assert_eq!(desk.questions()[0].1, [(wallet(), 20, 50)]);
}

#[test]
fn it_wants_what_lasts() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.answer(number, 2, granted(&[(wallet(), 40)]));
    desk.effects();
    desk.leases.admitted(&[wallet()], Nusd::new(10), desk.now);
    // The grant is used up at once: twice as much, next time.
    desk.book.of(&wallet()).0 = 0;
    desk.request(2, 10, &[wallet()]);
    let asked = desk.questions();
    assert_eq!(asked[0].1, [(wallet(), 10, 80)]);
    // One that has lasted is followed by what was taken lately.
    desk.answer(asked[0].0, 2, granted(&[(wallet(), 80)]));
    desk.effects();
    desk.wait_us(HORIZON_US);
    desk.leases.admitted(&[wallet()], Nusd::new(70), desk.now);
    desk.book.of(&wallet()).0 = 0;
    desk.request(3, 10, &[wallet()]);
    assert_eq!(desk.questions()[0].1, [(wallet(), 10, 70)]);
}

#[test]
fn told_to_wait_it_asks_again_after_a_moment() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.answer(number, 2, Answer::Wait);
    assert_eq!(desk.effects(), []);
    let pause = desk.leases.due().since(desk.now);
    assert!((PAUSE_US..2 * PAUSE_US).contains(&pause), "{pause}");
    desk.wait_us(pause - 1);
    assert_eq!(desk.effects(), []);
    desk.wait_us(1);
    let again = desk.questions();
    assert_eq!(again[0].1, [(wallet(), 10, 10)]);
    assert!(again[0].0 > number, "another question, not the same again");
}

#[test]
fn the_offices_word_refuses_whoever_came_before_the_question_and_lacks_more_than_is_left() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.answer(number, 2, granted(&[(wallet(), 3)]));
    // Three wait behind a question that says: two are left, beside the three that are here.
    for (n, amount) in [(1, 10), (2, 5), (3, 6)] {
        desk.leases.leave(id(n));
        desk.request(n, amount, &[wallet()]);
    }
    let number = desk.questions()[0].0;
    desk.request(4, 7, &[wallet()]);
    desk.answer(number, 2, Answer::Denied(vec![(wallet(), Nusd::new(2))]));
    let effects = desk.effects();
    assert_eq!(
        effects[..2],
        [exhausted(1, wallet(), 5), exhausted(3, wallet(), 5)]
    );
    let Some(Effect::Send(ask)) = effects.get(2) else {
        panic!("the second still fits, and is asked for: {effects:?}");
    };
    assert_eq!(ask.lines[0].need, Nusd::new(2));
    desk.answer(
        ask.number,
        2,
        Answer::Denied(vec![(wallet(), Nusd::new(1))]),
    );
    let both = [exhausted(2, wallet(), 4), exhausted(4, wallet(), 4)];
    assert_eq!(desk.effects(), both, "the fourth had come by then");
}

#[test]
fn a_question_is_repeated_word_for_word_until_it_is_answered_and_counts_once() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    let first = desk.effects();
    let Some(Effect::Send(ask)) = first.first() else {
        panic!("it asks: {first:?}");
    };
    desk.wait_us(REPEAT_US - 1);
    assert_eq!(desk.effects(), []);
    desk.wait_us(1);
    assert_eq!(desk.effects(), first);
    desk.answer(ask.number, 2, granted(&[(wallet(), 10)]));
    desk.effects();
    desk.answer(ask.number, 2, granted(&[(wallet(), 10)]));
    assert_eq!(desk.effects(), []);
    assert_eq!(desk.book.of(&wallet()).0, 10);
}

#[test]
fn nobody_waits_for_ever() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    desk.request(2, 10, &[wallet()]);
    desk.effects();
    desk.leases.leave(id(2));
    desk.wait_us(PATIENCE_US);
    let refused = desk.effects();
    assert_eq!(refused[0], Effect::Refuse(id(1), Verdict::Unavailable));
    assert!(!refused.contains(&Effect::Refuse(id(2), Verdict::Unavailable)));
}

#[test]
fn a_pot_that_is_gone_sends_those_away_who_count_in_it() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet(), window()]);
    desk.request(2, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.answer(number, 2, Answer::Gone(vec![window()]));
    let effects = desk.effects();
    assert_eq!(effects[0], Effect::Refuse(id(1), Verdict::Changed));
    assert!(matches!(effects[1], Effect::Send(_)), "{effects:?}");
}

#[test]
fn a_recall_is_answered_with_all_that_is_not_held_and_with_nothing_too() {
    let mut desk = Desk::new();
    desk.leases.recalled(&wallet());
    assert_eq!(desk.effects(), [], "nothing is known of that pot");
    desk.request(1, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.answer(number, 2, granted(&[(wallet(), 30)]));
    desk.effects();
    desk.leases.recalled(&wallet());
    desk.leases.recalled(&wallet());
    assert_eq!(desk.effects(), [back(wallet(), 30), back(wallet(), 0)]);
}

#[test]
fn what_is_not_needed_goes_back_unless_nobody_else_is_there() {
    let mut desk = Desk::new();
    let table = [
        // nodes, taken lately, room: what goes back
        (2, 10, 20, None),
        (2, 10, 21, Some(11)),
        (2, 0, 21, Some(21)),
        (1, 10, 100, None),
        (1, 0, 100, None),
    ];
    for (nodes, taken, room, back) in table {
        desk.request(1, 1, &[wallet()]);
        desk.book.of(&wallet()).0 = 0;
        let number = desk.questions()[0].0;
        desk.answer(number, nodes, granted(&[(wallet(), 1)]));
        desk.effects();
        desk.leases
            .admitted(&[wallet()], Nusd::new(taken), desk.now);
        *desk.book.of(&wallet()) = (room, true);
        desk.wait_us(BEAT_US);
        let want = back.map(|back| Effect::GiveBack(wallet(), Nusd::new(back)));
        let case = (nodes, taken, room);
        assert_eq!(desk.effects(), Vec::from_iter(want), "{case:?}");
        desk.wait_us(2 * HORIZON_US);
        desk.effects();
    }
}

#[test]
fn a_pot_is_forgotten_when_nothing_is_left_of_it() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.answer(number, 2, granted(&[(wallet(), 10)]));
    desk.effects();
    *desk.book.of(&wallet()) = (0, true);
    desk.wait_us(2 * HORIZON_US);
    assert_eq!(desk.effects(), [], "something is held");
    *desk.book.of(&wallet()) = (0, false);
    desk.wait_us(2 * HORIZON_US);
    assert_eq!(desk.effects(), [Effect::Forget(wallet())]);
}

#[test]
fn an_ended_epoch_takes_the_room_and_what_its_holds_free_later() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.answer(number, 2, granted(&[(wallet(), 30)]));
    desk.effects();
    desk.book.of(&wallet()).0 = 20;
    desk.request(2, 25, &[wallet()]);
    let lost = desk.questions()[0].0;
    desk.leases.lost();
    let lower = |amount| Effect::Lower(wallet(), Nusd::new(amount));
    assert_eq!(desk.effects(), [lower(20)]);
    // The answer to a question of the old epoch comes too late.
    desk.answer(lost, 2, granted(&[(wallet(), 25)]));
    assert_eq!(desk.effects(), []);

    desk.leases.begin(Epoch(6), 2);
    assert_eq!(
        desk.questions()[0].1,
        [(wallet(), 25, 60)],
        "who waits, waits on"
    );
    desk.book.of(&wallet()).0 = 7;
    desk.leases.ended(EPOCH, &[wallet()], Nusd::new(7));
    assert_eq!(desk.effects(), [lower(7)]);
    desk.book.of(&wallet()).0 = 25;
    desk.leases.ended(Epoch(6), &[wallet()], Nusd::new(25));
    assert_eq!(desk.effects(), [Effect::Admit(id(2))]);
}

fn back(pot: PotId, amount: i64) -> Effect {
    Effect::GiveBack(pot, Nusd::new(amount))
}

fn raise(pot: PotId, amount: i64) -> Effect {
    Effect::Raise(pot, Nusd::new(amount))
}

/// A request in flight came to count in a pot that the office has not opened: what it leaves there
/// is not lost, and nobody uses it meanwhile.
#[test]
fn what_strays_waits_until_the_office_has_opened_the_pot() {
    let mut desk = Desk::new();
    desk.leases.adopted(&window());
    desk.book.1.insert(window(), 30);
    desk.leases.strayed(&window());
    assert_eq!(desk.effects(), [], "the office may not know of the pot");
    desk.wait_us(2 * HORIZON_US);
    assert_eq!(desk.effects(), [], "it is not forgotten");
    desk.request(1, 10, &[window()]);
    let questions = desk.questions();
    assert_eq!(questions[0].1, [(window(), 10, 10)], "it is no room");
    desk.answer(questions[0].0, 2, granted(&[(window(), 10)]));
    let (raise, admit) = (raise(window(), 10), Effect::Admit(id(1)));
    assert_eq!(desk.effects(), [raise, back(window(), 30), admit]);
    // From then on it goes back at once.
    desk.book.1.insert(window(), 5);
    desk.leases.strayed(&window());
    desk.leases.strayed(&window());
    assert_eq!(desk.effects(), [back(window(), 5)], "once");
}

#[test]
fn what_strays_goes_back_to_whoever_needs_it() {
    let mut desk = Desk::new();
    desk.leases.adopted(&window());
    desk.book.1.insert(window(), 30);
    desk.leases.recalled(&window());
    assert_eq!(desk.effects(), [back(window(), 30)]);
    desk.wait_us(2 * HORIZON_US);
    assert_eq!(
        desk.effects(),
        [Effect::Forget(window())],
        "nothing is left"
    );
}

#[test]
fn what_strays_may_be_what_a_request_lacks() {
    for (amount, is_refused) in [(25, false), (26, true)] {
        let mut desk = Desk::new();
        desk.leases.adopted(&window());
        desk.book.1.insert(window(), 20);
        desk.request(1, amount, &[window()]);
        let number = desk.questions()[0].0;
        desk.answer(number, 2, Answer::Denied(vec![(window(), Nusd::new(5))]));
        let effects = desk.effects();
        assert!(effects.contains(&back(window(), 20)), "{effects:?}");
        let refusal = exhausted(1, window(), 25);
        assert_eq!(effects.contains(&refusal), is_refused, "{effects:?}");
    }
}

#[test]
fn of_a_lowered_limit_what_is_leased_goes_back_and_what_is_on_its_way() {
    let mut desk = Desk::new();
    assert!(!desk.leases.lowered(&window()), "nothing is known of it");
    desk.leases.adopted(&window());
    assert!(!desk.leases.lowered(&window()), "nothing is leased of it");
    // A question is under way.
    desk.request(1, 10, &[window()]);
    let number = desk.questions()[0].0;
    assert!(desk.leases.lowered(&window()));
    assert_eq!(desk.effects(), [], "nothing has come yet");
    desk.answer(number, 2, granted(&[(window(), 30)]));
    let effects = desk.effects();
    assert_eq!(effects[..2], [raise(window(), 30), back(window(), 30)]);
    let Effect::Send(again) = &effects[2] else {
        panic!("under the new limit it is asked for anew: {effects:?}");
    };
    // The answer to a question that came after it is of the new limit.
    desk.answer(again.number, 2, granted(&[(window(), 12)]));
    let effects = desk.effects();
    assert_eq!(effects, [raise(window(), 12), Effect::Admit(id(1))]);
    // Leased, and nothing is under way.
    assert!(desk.leases.lowered(&window()));
    assert_eq!(desk.effects(), [back(window(), 12)]);
}

#[test]
fn whoever_left_is_not_admitted_and_what_came_for_it_goes_back() {
    let mut desk = Desk::new();
    desk.request(1, 10, &[wallet()]);
    desk.request(2, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.leases.leave(id(1));
    desk.leases.leave(id(2));
    assert_eq!(desk.effects(), [], "nobody waits");
    desk.answer(number, 2, granted(&[(wallet(), 40)]));
    assert_eq!(desk.effects(), [raise(wallet(), 40)]);
    desk.wait_us(2 * HORIZON_US);
    assert_eq!(desk.effects(), [back(wallet(), 40)]);
    desk.wait_us(2 * HORIZON_US);
    assert_eq!(desk.effects(), [Effect::Forget(wallet())]);
    assert_eq!(desk.leases.due(), MonoUs(i64::MAX), "nothing is left to do");
}

#[test]
fn what_is_given_up_goes_back_once_and_is_asked_for_again() {
    let mut desk = Desk::new();
    desk.leases.give_up(&wallet());
    assert_eq!(desk.effects(), [], "nothing is leased of it");
    desk.request(1, 10, &[wallet()]);
    let number = desk.questions()[0].0;
    desk.leases.give_up(&wallet());
    assert_eq!(desk.effects(), [], "nothing has come yet");
    desk.answer(number, 1, granted(&[(wallet(), 40)]));
    assert_eq!(desk.effects(), [raise(wallet(), 40), Effect::Admit(id(1))]);
    desk.book.lower(&wallet(), 10);
    desk.leases.give_up(&wallet());
    desk.leases.give_up(&wallet());
    assert_eq!(desk.effects(), [back(wallet(), 30)], "what is not held");
    desk.request(2, 5, &[wallet()]);
    assert_eq!(desk.questions()[0].1, [(wallet(), 5, 80)]);
}
