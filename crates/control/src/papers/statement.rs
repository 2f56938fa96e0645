//! What a monthly statement shows: every amount to the cent and exactly.
//!
//! Amounts to the cent are each rounded by themselves, so they need not add up; what is lacking is
//! a line of its own. The exact ones do add up.

use domain::document::Party;
use domain::money::Nusd;
use domain::month::Month;
use domain::time::AtUs;
use store::statements::Statement;

use super::words::{cents, day, exact, grouped, month, party};
use super::{Column, Paper, Table, Total};

/// A statement, with what it is of.
pub(crate) struct Issued<'a> {
    pub(crate) month: Month,
    pub(crate) statement: &'a Statement,
    pub(crate) seller: &'a Party,
    pub(crate) buyer: &'a Party,
    /// The organization's id.
    pub(crate) organization: &'a str,
    /// The last day that it covers.
    pub(crate) until: AtUs,
}

/// The names of kinds of movements, as sections of a statement.
const KINDS: [(&str, &str); 11] = [
    ("purchase", "Purchases"),
    ("refund", "Refunds"),
    ("refund_failed", "Refunds that failed"),
    ("grant", "Grants"),
    ("redeemed", "Redeemed codes"),
    ("expiry", "Expired credit"),
    ("dispute", "Disputed purchases"),
    ("dispute_won", "Disputes won"),
    ("adjustment", "Adjustments"),
    ("overdraft", "Overdraft granted"),
    ("overdraft_ended", "Overdraft ended"),
];

/// What a kind of movement is called.
pub(crate) fn kind(code: &str) -> &str {
    let known = KINDS.iter().find(|(word, _)| *word == code);
    known.map_or(code, |(_, name)| name)
}

/// The paper of a month.
pub(crate) fn paper(issued: &Issued<'_>) -> Paper {
    let statement = issued.statement;
    let closing = cents(statement.closing);
    let headline = match statement.is_final {
        true => format!("{closing} left at the end of {}", month(issued.month)),
        false => format!("{closing} left so far in {}", month(issued.month)),
    };
    let period = format!("{} to {}, UTC", first_day(issued.month), day(issued.until));
    let state = match statement.is_final {
        true => "Final",
        false => "So far: it may still change",
    };
    Paper {
        title: "Statement".into(),
        facts: vec![
            ("Statement of".into(), month(issued.month)),
            ("Period".into(), period),
            ("Organization".into(), issued.organization.to_owned()),
            ("State".into(), state.into()),
            ("Currency".into(), "US dollar (USD)".into()),
        ],
        from: party(issued.seller),
        to: party(issued.buyer),
        headline,
        tables: vec![summary(statement), usage(statement)],
        notes: notes(statement),
    }
}

fn first_day(month: Month) -> String {
    month.span().map(|span| day(span.start)).unwrap_or_default()
}

/// The lines between both balances, each with what it adds.
pub(crate) fn lines(statement: &Statement) -> Vec<(String, Nusd)> {
    let mut lines: Vec<(String, Nusd)> = statement
        .movements
        .iter()
        .map(|it| {
            (
                format!("{} ({})", kind(&it.code), grouped_count(it.count)),
                it.amount,
            )
        })
        .collect();
    lines.push((
        "Usage admitted in this month".into(),
        minus(statement.usage_cost()),
    ));
    for (label, amount) in [
        (
            "Usage admitted before this month, settled in it",
            minus(statement.admitted_before),
        ),
        (
            "Usage admitted in this month, settled after it",
            statement.settled_after,
        ),
    ] {
        if amount != Nusd::ZERO {
            lines.push((label.into(), amount));
        }
    }
    lines
}

fn minus(amount: Nusd) -> Nusd {
    Nusd::ZERO - amount
}

fn grouped_count(count: u64) -> String {
    grouped(i64::try_from(count).unwrap_or(i64::MAX))
}

fn summary(statement: &Statement) -> Table {
    let row = |label: &str, amount: Nusd| vec![label.to_owned(), cents(amount), exact(amount)];
    let mut rows = vec![row("Opening balance", statement.opening)];
    let lines = lines(statement);
    rows.extend(lines.iter().map(|(label, amount)| row(label, *amount)));
    let shown = lines.iter().map(|(_, amount)| *amount);
    let shown = shown.chain([statement.opening]).map(to_the_cent);
    let shown = shown.fold(Nusd::ZERO, |sum, it| sum + it);
    let rounding = to_the_cent(statement.closing) - shown;
    if rounding != Nusd::ZERO {
        rows.push(vec!["Rounding".into(), cents(rounding), "–".into()]);
    }
    Table {
        heading: "Balance".into(),
        columns: vec![
            Column::text("", 55),
            Column::number("Amount", 20),
            Column::number("Exactly", 25),
        ],
        rows,
        totals: vec![
            Total::strong("Closing balance", cents(statement.closing)),
            Total::plain("Exactly", exact(statement.closing)),
        ],
    }
}

/// As [`cents`] writes it.
fn to_the_cent(amount: Nusd) -> Nusd {
    const CENT: i64 = 10_000_000;
    let cents = (amount.get().abs() + CENT / 2) / CENT;
    Nusd::new(cents * CENT * amount.get().signum())
}

fn usage(statement: &Statement) -> Table {
    let rows = statement.usage.iter().map(|it| {
        let project = match it.project_name.is_empty() {
            true => it.project.clone(),
            false => it.project_name.clone(),
        };
        vec![
            project,
            it.model.clone(),
            grouped_count(it.requests),
            grouped_count(it.input_tokens),
            grouped_count(it.output_tokens),
            exact(it.cost),
        ]
    });
    let cost = statement.usage_cost();
    Table {
        heading: "Usage by project and model".into(),
        columns: vec![
            Column::text("Project", 21),
            Column::text("Model", 24),
            Column::number("Requests", 11),
            Column::number("Input tokens", 13),
            Column::number("Output tokens", 13),
            Column::number("Amount", 18),
        ],
        rows: rows.collect(),
        totals: vec![
            Total::strong("Usage admitted in this month", cents(cost)),
            Total::plain("Exactly", exact(cost)),
        ],
    }
}

fn notes(statement: &Statement) -> Vec<String> {
    let mut notes = vec![
        "A request counts in the month in which it was admitted; the balance is charged when it is settled. \
         Requests that were under way at midnight are lines of their own, so that the exact amounts add up."
            .to_owned(),
        "Amounts are kept to a billionth of a dollar. Those to the cent are each rounded by themselves."
            .to_owned(),
    ];
    if !statement.is_final {
        notes.push(
            "This statement may still change: its month is not over, or a request of it is under way."
                .into(),
        );
    }
    notes
}
