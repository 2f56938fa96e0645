//! Tables as RFC 4180 has them, in UTF-8, with a head. Spreadsheets run what looks like a formula,
//! so a text that begins like one gets an apostrophe before it, which they take as "this is text".

/// What formulas begin with; a tab and a return too, as some programs skip them.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Adds a line, from its cells.
pub(super) fn line(table: &mut String, cells: &[Cell<'_>]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            table.push(',');
        }
        match cell {
            Cell::Text(text) => quoted(table, text),
            Cell::Own(text) => table.push_str(text),
        }
    }
    table.push_str("\r\n");
}

/// The head of a table, from its columns.
pub(super) fn head(columns: &[&str]) -> String {
    let mut table = String::new();
    let cells: Vec<Cell<'_>> = columns
        .iter()
        .map(|name| Cell::Own((*name).into()))
        .collect();
    line(&mut table, &cells);
    table
}

/// What stands in a line.
pub(super) enum Cell<'a> {
    /// What somebody may have written.
    Text(&'a str),
    /// A number, an instant or a word of ours: nothing that needs quotes, and no formula.
    Own(String),
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Cell::Own(number.to_string())
    }
}

fn quoted(table: &mut String, text: &str) {
    let guard = if text.starts_with(FORMULA) { "'" } else { "" };
    let needs_quotes = text.contains(['"', ',', '\r', '\n']) || text.starts_with(' ');
    match needs_quotes {
        true => {
            table.push('"');
            table.push_str(guard);
            table.push_str(&text.replace('"', "\"\""));
            table.push('"');
        }
        false => {
            table.push_str(guard);
            table.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_run_nothing() {
        for (text, written) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (
                "=HYPERLINK(\"x\",\"y\")",
                "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"",
            ),
            ("+49", "'+49"),
            ("-5", "'-5"),
            ("@cmd", "'@cmd"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("東京 é", "東京 é"),
        ] {
            let mut table = String::new();
            line(
                &mut table,
                &[Cell::Text(text), Cell::Own("-1.5".into()), 7.into()],
            );
            assert_eq!(table, format!("{written},-1.5,7\r\n"));
        }
        assert_eq!(head(&["a", "b"]), "a,b\r\n");
    }
}
