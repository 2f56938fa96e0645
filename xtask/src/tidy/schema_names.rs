//! Each name of a schema is one type's: openapi.json has one place for each name, and of two types
//! that share one it would show the shape of whichever came last, for both.

use std::collections::BTreeMap;

use super::Finding;
use super::repository::Repository;
use super::source::Source;

const DESCRIBED: &[&str] = &["crates/gateway/src", "crates/control/src"];

/// Refuses a type with a schema whose name another one has.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut findings = Vec::new();
    let sources = DESCRIBED.iter().flat_map(|it| repository.sources_of(it));
    for (path, source) in sources {
        for (name, at) in schemas(&source) {
            let line = source.line_at(at);
            let place = format!("{path}:{line}");
            if let Some(other) = seen.get(&name) {
                findings.push(Finding::new(
                    path,
                    line,
                    format!("the schema `{name}` is another type's as well: {other}"),
                    "Give it a name of its own, or use that type if they are the same thing.",
                ));
            } else {
                seen.insert(name, place);
            }
        }
    }
    findings
}

/// The types that derive a schema: each with its name, and where that stands.
fn schemas(source: &Source) -> Vec<(String, usize)> {
    let derives = source.code.match_indices("#[derive(");
    let derives = derives.filter(|(at, _)| !source.is_test_at(*at));
    derives
        .filter_map(|(at, _)| {
            let after = &source.code[at..];
            let list = &after[..after.find(")]")?];
            list.contains("ToSchema")
                .then(|| named(&source.code, at + list.len()))?
        })
        .collect()
}

/// The name after the next `struct` or `enum`, and where it begins.
fn named(code: &str, from: usize) -> Option<(String, usize)> {
    let ends = ["struct ", "enum "];
    let found = ends.iter().filter_map(|word| {
        let at = code[from..].find(word)?;
        Some(from + at + word.len())
    });
    let at = found.min()?;
    let name = code[at..].chars();
    let name = name.take_while(|letter| letter.is_alphanumeric() || *letter == '_');
    Some((name.collect(), at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "//! x\n#[derive(Debug, ToSchema)]\n#[schema(example = json!([\"struct\"]))]\n\
        pub(crate) struct Card<T> {\n    last4: T,\n}\n";

    #[test]
    fn two_types_that_share_the_name_of_a_schema_are_refused() {
        let other = "//! y\n/// A struct of theirs.\n#[derive(ToSchema)]\nenum Card { A }\n";
        let found = check(&Repository::of(&[
            ("crates/control/src/a.rs", CARD),
            ("crates/gateway/src/b.rs", other),
        ]));
        assert_eq!(found.len(), 1);
        assert_eq!(
            (&*found[0].path, found[0].line),
            ("crates/control/src/a.rs", 4)
        );
        assert!(found[0].wrong.contains("`Card`"));
        assert!(found[0].wrong.contains("crates/gateway/src/b.rs:4"));
    }

    #[test]
    fn types_without_a_schema_share_what_they_like() {
        let plain = "//! y\n#[derive(Debug)]\nstruct Card { b: u8 }\n";
        let tested = "//! z\n#[cfg(test)]\nmod tests { #[derive(ToSchema)] struct Card; }\n";
        let found = check(&Repository::of(&[
            ("crates/control/src/a.rs", CARD),
            ("crates/control/src/b.rs", plain),
            ("crates/control/src/c.rs", tested),
            ("crates/farebox/src/d.rs", CARD),
        ]));
        assert_eq!(found, []);
    }
}
