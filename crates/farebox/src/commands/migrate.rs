//! `farebox migrate`: copies a SQLite installation into PostgreSQL, and says what to do then.

use std::path::Path;

use store::copy::{Copied, Order, Progress, copy};
use store::{DatabaseUrl, Role};

use super::print;
use crate::cli::{Failure, Migrate};
use crate::config::{DEFAULT_FILE, Loaded};
use crate::wiring;

/// How many rows are copied at once: a few megabytes, and few waits for the other disk.
const ROWS_AT_ONCE: usize = 5_000;
/// A table of any size is reported on about this often.
const REPORTS: u64 = 20;

/// Copies, tells on standard error how far it is, and prints what to change.
pub(super) async fn run(loaded: &Loaded, migrate: &Migrate) -> Result<(), Failure> {
    let order = Order {
        from: wiring::options(&loaded.config, Role::Server),
        to: migrate.to.clone(),
        rows_at_once: ROWS_AT_ONCE,
    };
    let mut told = 0;
    let tell = move |progress| {
        if let Some(line) = line(&progress, &mut told) {
            eprintln!("farebox: {line}");
        }
    };
    let copied = copy(order, tell)
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    let file = loaded.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    print(&what_now(
        &copied,
        migrate,
        file,
        &loaded.config.database_url,
    ))
}

/// What there is to say about how far it is; `told` is the part of the table that was told last.
fn line(progress: &Progress, told: &mut u64) -> Option<String> {
    let Progress::Rows { table, done, all } = progress else {
        return Some("proving the books of the copy".to_owned());
    };
    if *done == 0 {
        *told = 0;
        return None;
    }
    let part = done * REPORTS / all;
    if done < all && part == *told {
        return None;
    }
    *told = part;
    Some(format!("copied {done} of {all} rows of {table}"))
}

fn what_now(copied: &Copied, migrate: &Migrate, file: &Path, from: &DatabaseUrl) -> String {
    let (rows, tables, to) = (copied.rows, copied.tables, migrate.to.to_string());
    let file = file.display();
    let with_rest = match &migrate.to {
        DatabaseUrl::Postgres(given) if *given != to => {
            ", with the password and the options that you gave after --to"
        }
        _ => "",
    };
    format!(
        "Copied {rows} rows of {tables} tables to {to}; every invariant holds there.\n\n\
         Now write this in {file}{with_rest}:\n\n  \
         database_url = \"{to}\"\n\n\
         and start `farebox serve`. {from} is as it was: keep it until you are content.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_table_is_told_of_now_and_then_and_at_its_end() {
        let mut told = 0;
        let mut lines = Vec::new();
        for done in 0..=1_000 {
            let progress = Progress::Rows {
                table: "transfers",
                done,
                all: 1_000,
            };
            lines.extend(line(&progress, &mut told));
        }
        assert_eq!(lines.len(), 20, "{lines:?}");
        assert_eq!(lines[0], "copied 50 of 1000 rows of transfers");
        assert_eq!(lines[19], "copied 1000 of 1000 rows of transfers");
        for (done, all, lines) in [(0, 0, 0), (0, 1, 0), (1, 1, 1)] {
            let table = "users";
            let line = line(&Progress::Rows { table, done, all }, &mut told);
            assert_eq!(line.into_iter().count(), lines);
        }
    }
}
