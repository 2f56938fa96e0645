//! SQL lives in `crates/store` and nowhere else, so that one crate knows there are two databases.
//!
//! A string literal is SQL when it has the shape of a statement; prose that merely says "select"
//! or "update" does not. Tests elsewhere may damage a database on purpose, if they say so in a
//! comment that begins with [`MARK`].

use super::Finding;
use super::arrows;
use super::repository::Repository;
use super::source::Source;

/// Begins the comment by which a test file outside the store says why it speaks SQL.
const MARK: &str = "// SQL in a test:";

const MEND: &str = "Put the statement behind a named function of crates/store and call that.";

const DRIVERS: &[&str] = &[
    "rusqlite",
    "tokio-postgres",
    "tokio-postgres-rustls",
    "deadpool-postgres",
    "sqlx",
];

/// Refuses SQL texts, SQL files and database drivers outside the store.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.files() {
        let Some(folder) = folder_of_crate(path) else {
            continue;
        };
        if path.ends_with(".rs") {
            check_source(path, text, &mut findings);
        } else if path.ends_with("/Cargo.toml") {
            check_manifest(folder, path, text, &mut findings);
        } else if path.ends_with(".sql") {
            findings.push(Finding::new(
                path,
                0,
                "an SQL file outside crates/store",
                MEND,
            ));
        }
    }
    findings
}

/// The crate a file belongs to, if this rule concerns it. Testkit starts database servers.
fn folder_of_crate(path: &str) -> Option<&str> {
    let folder = match path.strip_prefix("crates/") {
        Some(rest) => &path[.."crates/".len() + rest.find('/')?],
        None => path.split_once('/')?.0,
    };
    let concerned = folder.starts_with("crates/") || folder == "bench";
    let excepted = matches!(folder, "crates/store" | "crates/testkit");
    (concerned && !excepted).then_some(folder)
}

fn check_source(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let source = Source::read(path, text);
    let excused = |at: usize| source.is_test_at(at) && text.contains(MARK);
    for literal in &source.literals {
        if is_sql(&literal.value) && !excused(literal.start) {
            let wrong = format!("SQL outside crates/store: {}", opening(&literal.value));
            findings.push(Finding::new(
                path,
                source.line_at(literal.start),
                wrong,
                MEND,
            ));
        }
    }
    for driver in DRIVERS {
        let name = driver.replace('-', "_");
        for at in source.find_in_code(&name).filter(|at| !excused(*at)) {
            let wrong = format!("{name} is named outside crates/store");
            findings.push(Finding::new(path, source.line_at(at), wrong, MEND));
        }
    }
}

fn check_manifest(folder: &str, path: &str, text: &str, findings: &mut Vec<Finding>) {
    // A manifest that cannot be read is reported by the rule on arrows.
    let Ok(manifest) = text.parse::<toml::Table>() else {
        return;
    };
    for (section, name, _) in arrows::dependencies(&manifest) {
        if DRIVERS.contains(&name) && section != "dev-dependencies" {
            let wrong = format!("{folder} depends on the database driver {name}");
            let line = arrows::line_of(text, name);
            findings.push(Finding::new(path, line, wrong, "Only crates/store may."));
        }
    }
}

fn opening(literal: &str) -> String {
    let words: Vec<&str> = words(literal).take(6).collect();
    format!("\"{}…\"", words.join(" "))
}

/// Words as the database would see them; brackets and `\` at a line's end are no part of them.
fn words(literal: &str) -> impl Iterator<Item = &str> {
    let parts = |c: char| c.is_whitespace() || matches!(c, '\\' | '(' | ')' | ',' | ';');
    literal.split(parts).filter(|word| !word.is_empty())
}

/// Whether a literal has the shape of a statement.
///
/// Capitals decide at once, since nobody writes prose in them. In small letters a statement must
/// come first and also hold what prose does not: a placeholder, `*`, or a condition.
fn is_sql(literal: &str) -> bool {
    let words: Vec<&str> = words(literal).collect();
    if has_statement(&words) {
        return true;
    }
    let capitals: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
    let capitals: Vec<&str> = capitals.iter().map(String::as_str).collect();
    let has = |wanted: &str| words.contains(&wanted);
    let has_placeholder = words
        .iter()
        .any(|word| word.contains("$1") || word.contains("?1"));
    let has_marks = has_placeholder || has("*") || (has("where") && has("="));
    let first = capitals.first().copied().unwrap_or_default();
    is_keyword(first) && has_marks && has_statement(&capitals)
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "CREATE" | "ALTER" | "DROP" | "WITH"
    )
}

fn has_statement(words: &[&str]) -> bool {
    const PAIRS: &[(&str, &str)] = &[
        ("INSERT", "INTO"),
        ("INSERT", "OR"),
        ("DELETE", "FROM"),
        ("CREATE", "TABLE"),
        ("CREATE", "INDEX"),
        ("CREATE", "UNIQUE"),
        ("CREATE", "TRIGGER"),
        ("CREATE", "VIEW"),
        ("ALTER", "TABLE"),
        ("DROP", "TABLE"),
        ("BEGIN", "IMMEDIATE"),
    ];
    let has_pair = words
        .windows(2)
        .any(|pair| PAIRS.contains(&(pair[0], pair[1])));
    let follows = |first: &str, second: &str| {
        let start = words.iter().position(|word| *word == first);
        start.is_some_and(|start| words[start..].contains(&second))
    };
    let is_pragma = words.first() == Some(&"PRAGMA") && words.len() > 1;
    has_pair || is_pragma || follows("SELECT", "FROM") || follows("UPDATE", "SET")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_from_prose() {
        let statements = [
            "SELECT id FROM account WHERE owner = $1",
            "WITH u AS (INSERT INTO usage VALUES ($1) RETURNING id) SELECT 1",
            "UPDATE hold\\\n             SET amount = 0",
            "DELETE FROM hold",
            "CREATE TABLE account (id INTEGER)",
            "PRAGMA journal_mode = WAL",
            "select * from account",
            "delete from hold where id = $1",
            "insert into hold(id) values ($1)",
            "select id from hold where org = 7",
        ];
        for statement in statements {
            assert!(is_sql(statement), "{statement}");
        }
        let prose = [
            "select a model from the list",
            "Select a key = value pair from the list.",
            "Delete from the console what you no longer need.",
            "update the price and set it in force",
            "Insert into the file a line with your key",
            "create table",
            "SELECT",
            "PRAGMA",
            "The request was taken from a stream; SET it aside",
            "",
        ];
        for text in prose {
            assert!(!is_sql(text), "{text}");
        }
    }

    fn findings(path: &str, text: &str) -> Vec<(usize, String)> {
        let found = check(&Repository::of(&[(path, text)]));
        found
            .into_iter()
            .map(|finding| (finding.line, finding.wrong))
            .collect()
    }

    #[test]
    fn sql_outside_the_store_is_refused_and_inside_is_not() {
        let text = "//! x\nfn f() {\n    run(\"DELETE FROM hold WHERE id = $1\");\n}\n";
        let found = findings("crates/gateway/src/settle.rs", text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, 3);
        assert!(
            found[0].1.contains("\"DELETE FROM hold WHERE id =…\""),
            "{}",
            found[0].1
        );
        assert_eq!(findings("crates/store/src/settle.rs", text), []);
        assert_eq!(findings("crates/control/src/x.sql", "SELECT 1").len(), 1);
        assert_eq!(
            findings("crates/control/src/a.rs", "// DELETE FROM hold\n"),
            []
        );
    }

    #[test]
    fn a_test_elsewhere_must_say_why() {
        let unsaid = "fn f() { run(\"DELETE FROM transfer\"); rusqlite::open(); }";
        assert_eq!(
            findings("crates/farebox/tests/it/verify.rs", unsaid).len(),
            2
        );
        let said = format!("{MARK} it damages the ledger on purpose.\n{unsaid}");
        assert_eq!(findings("crates/farebox/tests/it/verify.rs", &said), []);
        assert_eq!(findings("crates/farebox/src/verify.rs", &said).len(), 2);
    }

    #[test]
    fn drivers_are_the_stores_own() {
        let uses = "use tokio_postgres::Client;\n";
        assert_eq!(findings("crates/farebox/src/serve.rs", uses).len(), 1);
        assert_eq!(findings("crates/testkit/src/postgres.rs", uses), []);
        let manifest = "[dependencies]\nrusqlite.workspace = true\n";
        assert_eq!(findings("crates/farebox/Cargo.toml", manifest)[0].0, 2);
        assert_eq!(findings("crates/store/Cargo.toml", manifest), []);
    }
}
