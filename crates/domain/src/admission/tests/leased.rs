//! A book that has what is leased, by examples.

use super::*;
use crate::id::OrganizationId;
use crate::lease::Rooms;

fn wallet() -> PotId {
    PotId::Wallet(OrganizationId::new("org-a"))
}

fn window(name: &str, start: i64) -> PotId {
    PotId::Window {
        budget: BudgetId::new(name),
        start: AtUs(start),
    }
}

/// A book with so much leased of the wallet.
fn leased(amount: i64) -> Book {
    let mut book = Book::leased(ROOMY);
    book.raise(&wallet(), Nusd::new(amount));
    book
}

fn of_all(window: Window, limit: i64) -> Budget {
    budget("budget_a", Scope::Organization, window, limit)
}

fn room(book: &Book, pot: &PotId) -> i64 {
    Rooms::room(book, pot).get()
}

#[test]
fn what_is_leased_can_be_held_and_not_one_more() {
    let mut book = Book::leased(ROOMY);
    assert!(admit(&mut book, &ask(1, 1), AtUs(1)).is_err(), "nothing is");
    admit(&mut book, &ask(2, 0), AtUs(1)).expect("it is free");
    book.raise(&wallet(), Nusd::new(10));
    admit(&mut book, &ask(3, 10), AtUs(1)).expect("exactly fits");
    assert!(book.is_held(&wallet()));
    assert!(admit(&mut book, &ask(4, 1), AtUs(1)).is_err());
    book.end(id(3), Nusd::new(4), 1, AtUs(2));
    assert!(!book.is_held(&wallet()));
    assert_eq!(room(&book, &wallet()), 6);
    book.lower(&wallet(), Nusd::new(5));
    assert_eq!(room(&book, &wallet()), 1);
}

#[test]
fn a_window_is_limited_by_its_lease_and_not_by_its_limit() {
    let mut book = leased(100);
    let soft = Budget {
        force: Force::Soft,
        ..budget("budget_s", Scope::Organization, Window::Day, 1)
    };
    let other = Scope::Key(KeyId::new("key_b"));
    let budgets = vec![
        of_all(Window::Day, 1),
        soft,
        budget("budget_b", other, Window::Day, 1),
    ];
    let _ = book.set_budgets(budgets, AtUs(0));
    let today = window("budget_a", 0);
    let only_today = std::slice::from_ref(&today);
    assert_eq!(*book.legs(&ask(1, 5), AtUs(1)), *only_today);
    assert_eq!(*book.legs(&ask(1, 0), AtUs(1)), [], "it is free");
    assert_eq!(
        refused_by(admit(&mut book, &ask(1, 5), AtUs(1))),
        "budget_a"
    );
    book.raise(&today, Nusd::new(5));
    let admission = admit(&mut book, &ask(1, 5), AtUs(1)).expect("it is leased");
    assert_eq!(*admission.legs, *only_today);
    assert!(book.is_held(&today));
    assert_eq!(book.extend(id(1), Nusd::new(1), Nusd::new(9)), None);
    book.raise(&today, Nusd::new(3));
    let more = book.extend(id(1), Nusd::new(1), Nusd::new(9));
    assert_eq!(more, Some(Nusd::new(3)));
    book.end(id(1), Nusd::new(6), 1, AtUs(2));
    assert_eq!(room(&book, &today), 2);
    assert_eq!(room(&book, &wallet()), 94);
}

#[test]
fn a_request_takes_of_the_window_it_was_admitted_in_and_gives_back_there() {
    let mut book = leased(100);
    let _ = book.set_budgets(vec![of_all(Window::Day, 10)], AtUs(0));
    let (today, tomorrow) = (window("budget_a", 0), window("budget_a", DAY_US));
    book.raise(&today, Nusd::new(7));
    admit(&mut book, &ask(1, 7), AtUs(1)).expect("fits");
    assert_eq!(
        refused_by(admit(&mut book, &ask(2, 1), AtUs(DAY_US))),
        "budget_a"
    );
    book.raise(&tomorrow, Nusd::new(2));
    admit(&mut book, &ask(2, 1), AtUs(DAY_US)).expect("a new day");
    // The lease outlives the budget, as what is left of it must go back.
    let _ = book.set_budgets(vec![], AtUs(DAY_US));
    book.end(id(1), Nusd::new(3), 1, AtUs(DAY_US + 1));
    assert_eq!((room(&book, &today), room(&book, &tomorrow)), (4, 1));
    book.lower(&today, Nusd::new(4));
    book.forget(&today);
}

#[test]
fn a_new_budget_adopts_what_is_in_flight_exactly() {
    let mut book = leased(100);
    admit(&mut book, &ask(1, 6), AtUs(1)).expect("fits");
    admit(&mut book, &ask(2, 0), AtUs(1)).expect("it is free");
    let of_key = Scope::Key(KeyId::new("key_b"));
    let budgets = vec![
        of_all(Window::Always, 1),
        budget("budget_b", of_key, Window::Always, 1),
    ];
    let adopted = book.set_budgets(budgets.clone(), AtUs(2)).adopted;
    let pot = window("budget_a", 0);
    assert_eq!(adopted, [(id(1), pot.clone())]);
    assert_eq!(book.set_budgets(budgets, AtUs(2)).adopted, [], "once");
    assert!(book.is_held(&pot));
    assert_eq!(room(&book, &pot), 0, "what it holds is all there is");
    let extend = |book: &mut Book| book.extend(id(1), Nusd::new(1), Nusd::new(2));
    assert_eq!(extend(&mut book), None);
    book.raise(&pot, Nusd::new(5));
    assert_eq!(extend(&mut book), Some(Nusd::new(2)));
    assert_eq!(book.adopted_legs_of(id(1)), std::slice::from_ref(&pot));
    // What is left was never leased: it goes back before anybody uses it.
    book.end(id(1), Nusd::new(1), 1, AtUs(3));
    let strays = |book: &Book| book.strays(&pot).get();
    assert_eq!((room(&book, &pot), strays(&book)), (3, 7));
    assert_eq!(
        refused_by(admit(&mut book, &ask(3, 4), AtUs(3))),
        "budget_a"
    );
    book.lower(&pot, Nusd::new(8));
    assert_eq!((room(&book, &pot), strays(&book)), (2, 0));
    assert_eq!(room(&book, &wallet()), 99);
    admit(&mut book, &ask(4, 2), AtUs(3)).expect("fits");
    assert_eq!(book.legs_of(id(4)), std::slice::from_ref(&pot));
    assert_eq!(book.adopted_legs_of(id(4)), [], "it began there");
}

#[test]
fn a_limit_that_is_lowered_names_its_pot() {
    let mut book = leased(100);
    let set = |book: &mut Book, window, limit| {
        let mut budgets = vec![of_all(window, limit)];
        budgets.push(budget("budget_b", Scope::Organization, Window::Day, 5));
        book.set_budgets(budgets, AtUs(DAY_US)).lowered
    };
    assert_eq!(set(&mut book, Window::Day, 10), []);
    assert_eq!(set(&mut book, Window::Day, 10), []);
    assert_eq!(set(&mut book, Window::Day, 11), []);
    let lowered = set(&mut book, Window::Day, 9);
    assert_eq!(lowered, [window("budget_a", DAY_US)]);
}

#[test]
fn a_budget_that_hardens_adopts_and_what_was_admitted_before_its_window_is_not_its() {
    let mut book = leased(100);
    let soft = Budget {
        force: Force::Soft,
        ..of_all(Window::Day, 10)
    };
    let _ = book.set_budgets(vec![soft], AtUs(0));
    admit(&mut book, &ask(1, 6), AtUs(1)).expect("fits");
    admit(&mut book, &ask(2, 5), AtUs(DAY_US)).expect("fits");
    let hard = vec![of_all(Window::Day, 10)];
    let adopted = book.set_budgets(hard, AtUs(DAY_US + 1)).adopted;
    assert_eq!(adopted, [(id(2), window("budget_a", DAY_US))]);
    book.end(id(1), Nusd::new(6), 1, AtUs(DAY_US + 2));
    book.end(id(2), Nusd::new(5), 1, AtUs(DAY_US + 2));
}

#[test]
fn an_exhausted_pot_is_told_with_what_is_left_on_all_nodes() {
    let mut book = leased(100);
    let _ = book.set_budgets(vec![of_all(Window::Day, 50)], AtUs(0));
    let pot = window("budget_a", 0);
    book.raise(&pot, Nusd::new(9));
    admit(&mut book, &ask(1, 4), AtUs(1)).expect("fits");
    let is_refusing = |book: &mut Book| book.is_refusing(&BudgetId::new("budget_a"), AtUs(1));
    // What is not leased yet refuses nobody for good.
    assert!(admit(&mut book, &ask(2, 6), AtUs(1)).is_err());
    assert!(!is_refusing(&mut book));
    let (left, required) = (Nusd::new(5), Nusd::new(6));
    let Some(Refusal::Budget(refusal)) = book.exhausted(&pot, left, required) else {
        panic!("it is a budget's");
    };
    let told = (refusal.limit, refusal.spent, refusal.held, refusal.required);
    assert_eq!(told, [50, 41, 4, 6].map(Nusd::new).into());
    assert_eq!(refusal.ends_at, AtUs(DAY_US));
    assert!(is_refusing(&mut book));
    admit(&mut book, &ask(2, 5), AtUs(1)).expect("fits");
    assert!(!is_refusing(&mut book));
    let credit = Refusal::Credit {
        available: left,
        required,
    };
    assert_eq!(book.exhausted(&wallet(), left, required), Some(credit));
    let _ = book.set_budgets(vec![], AtUs(2));
    assert_eq!(book.exhausted(&pot, left, required), None, "it is gone");
}

#[test]
#[should_panic(expected = "below its use")]
fn what_is_held_cannot_be_given_back() {
    let mut book = leased(10);
    admit(&mut book, &ask(1, 6), AtUs(1)).expect("fits");
    book.lower(&wallet(), Nusd::new(5));
}

#[test]
#[should_panic(expected = "used up")]
fn what_is_left_is_not_forgotten() {
    let mut book = leased(10);
    book.raise(&window("budget_a", 0), Nusd::new(1));
    book.forget(&window("budget_a", 0));
}
