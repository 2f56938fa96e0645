//! Every route of the API is in openapi.json, because it is registered together with its document.
//!
//! utoipa-axum's `routes!` does both at once; axum's own `.route(` does not, and is left to the few
//! modules whose addresses are no part of the API.

use super::Finding;
use super::repository::Repository;

const PLANES: &[&str] = &[
    "crates/gateway/src",
    "crates/control/src",
    "crates/farebox/src",
];

/// Modules that serve pages, probes, the document itself, and what is left over.
const UNDOCUMENTED: &[&str] = &[
    "assets.rs",
    "console.rs",
    "fallback.rs",
    "health.rs",
    "metrics.rs",
    "openapi.rs",
    "test_provider/pages.rs",
];

/// Refuses routes registered without a document.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in PLANES
        .iter()
        .flat_map(|folder| repository.sources_of(folder))
    {
        if UNDOCUMENTED
            .iter()
            .any(|name| path.ends_with(&format!("/{name}")))
        {
            continue;
        }
        for call in [".route(", ".route_service("] {
            for at in source
                .find_in_code(call)
                .filter(|at| !source.is_test_at(*at))
            {
                findings.push(Finding::new(
                    path,
                    source.line_at(at),
                    format!(
                        "a route is registered with `{call}…)` and so missing from openapi.json"
                    ),
                    "Register it through utoipa-axum: `.routes(routes!(handler))`.",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Repository::of(&[(path, text)]))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn only_pages_and_probes_are_registered_without_a_document() {
        let bare = "//! x\nRouter::new()\n    .route(\"/v1/models\", get(list))\n";
        assert_eq!(lines("crates/gateway/src/lib.rs", bare), [3]);
        assert_eq!(lines("crates/farebox/src/serve/http.rs", bare), [3]);
        assert_eq!(lines("crates/farebox/src/health.rs", bare), []);
        assert_eq!(lines("crates/testkit/src/upstream.rs", bare), []);
        let documented = "//! x\nOpenApiRouter::new().routes(routes!(list))\n";
        assert_eq!(lines("crates/gateway/src/lib.rs", documented), []);
        let tested = "//! x\n#[cfg(test)]\nmod tests { fn f() { r.route(\"/\", get(x)); } }\n";
        assert_eq!(lines("crates/gateway/src/lib.rs", tested), []);
    }
}
