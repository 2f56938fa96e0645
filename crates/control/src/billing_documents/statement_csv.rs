//! A statement as a table: every line with what it adds, so that the opening balance and all lines
//! after it make the closing one.

use domain::money::Nusd;
use store::statements::Statement;

use super::csv::{Cell, head, line};

const COLUMNS: [&str; 9] = [
    "line",
    "kind",
    "count",
    "project_id",
    "project_name",
    "model",
    "input_tokens",
    "output_tokens",
    "amount_usd",
];

/// All of it, with its head.
pub(super) fn table(statement: &Statement) -> String {
    let mut table = head(&COLUMNS);
    let balance = |table: &mut String, name: &str, amount: Nusd| {
        line(table, &row(name, "", None, amount));
    };
    balance(&mut table, "opening_balance", statement.opening);
    for it in &statement.movements {
        line(
            &mut table,
            &row("movement", &it.code, Some(it.count), it.amount),
        );
    }
    for it in &statement.usage {
        let cells = [
            Cell::Own("usage".into()),
            Cell::Own(String::new()),
            Cell::Own(it.requests.to_string()),
            Cell::Text(&it.project),
            Cell::Text(&it.project_name),
            Cell::Text(&it.model),
            Cell::Own(it.input_tokens.to_string()),
            Cell::Own(it.output_tokens.to_string()),
            Cell::Own((Nusd::ZERO - it.cost).to_usd()),
        ];
        line(&mut table, &cells);
    }
    balance(
        &mut table,
        "admitted_before",
        Nusd::ZERO - statement.admitted_before,
    );
    balance(&mut table, "settled_after", statement.settled_after);
    balance(&mut table, "closing_balance", statement.closing);
    table
}

fn row<'a>(name: &str, kind: &'a str, count: Option<u64>, amount: Nusd) -> [Cell<'a>; 9] {
    let none = || Cell::Own(String::new());
    [
        Cell::Own(name.to_owned()),
        Cell::Text(kind),
        Cell::Own(count.map(|count| count.to_string()).unwrap_or_default()),
        none(),
        none(),
        none(),
        none(),
        none(),
        Cell::Own(amount.to_usd()),
    ]
}
