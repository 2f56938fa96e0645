//! Links to the console in what users read lead to views that it has.

use super::Finding;
use super::repository::Repository;

const WRITERS: &[&str] = &[
    "crates/control/src",
    "crates/farebox/src",
    "crates/gateway/src",
];
const VIEWS: &str = "console/src/app/views.ts";
/// What stands for the console's address in messages.
const ADDRESSES: &[&str] = &["{url}/", "{public_url}/"];
/// What this address serves beside the console.
const OTHERS: &[&str] = &["/api/", "/v1", "/test-payments/"];

/// Refuses links to views that are not there.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let views = repository.text(VIEWS).map(views).unwrap_or_default();
    let mut findings = Vec::new();
    for (path, source) in WRITERS.iter().flat_map(|it| repository.sources_of(it)) {
        for literal in &source.literals {
            for link in links(&literal.value) {
                if views.contains(&link) || OTHERS.iter().any(|other| link.starts_with(other)) {
                    continue;
                }
                findings.push(Finding::new(
                    path,
                    source.line_at(literal.start),
                    format!("the console has no view at {link}"),
                    format!("Lead to one of those in {VIEWS}."),
                ));
            }
        }
    }
    findings
}

/// The paths of views, from lines such as `{ path: '/keys', …`.
fn views(text: &str) -> Vec<String> {
    let after = text.split("path: '").skip(1);
    let path = |it: &str| it.split('\'').next().map(ToOwned::to_owned);
    after.filter_map(path).collect()
}

/// The paths that follow the console's address in a text.
fn links(text: &str) -> Vec<String> {
    let starts = ADDRESSES.iter().flat_map(|address| {
        let found = text.match_indices(address);
        found.map(|(at, _)| at + address.len() - 1)
    });
    let path = |at: usize| -> String {
        let letters = text[at..].chars();
        letters
            .take_while(|it| it.is_ascii_alphanumeric() || "/_-".contains(*it))
            .collect()
    };
    starts.map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str =
        "export const inside = [\n  { path: '/', load },\n  { path: '/keys', load },\n];\n";

    fn found_in(text: &str) -> Vec<Finding> {
        let source = format!("//! x\nfn f() -> String {{\n    format!(\"{text}\")\n}}\n");
        check(&Repository::of(&[
            (VIEWS, KEYS),
            ("crates/gateway/src/respond.rs", &source),
        ]))
    }

    #[test]
    fn a_link_to_a_view_that_is_not_there_is_refused() {
        let found = found_in("Make one at {url}/api-keys.");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 3);
        assert!(found[0].wrong.ends_with("no view at /api-keys"));
    }

    #[test]
    fn views_and_what_is_served_beside_them_are_let_pass() {
        for text in [
            "Make one at {url}/keys.",
            "{public_url}/ and {public_url}/keys?project={id}",
            "{public_url}/api/billing/receipts/{id}",
            "{other}/api-keys",
        ] {
            assert_eq!(found_in(text), [], "{text}");
        }
    }
}
