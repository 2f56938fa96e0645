//! `openapi.json` in the repository is what the binary serves.

use std::path::Path;

use crate::place::Place;

#[tokio::test(flavor = "multi_thread")]
async fn the_description_in_the_repository_is_true() {
    let place = Place::new("sqlite://farebox.db", "http://127.0.0.1:9/v1");
    place.set_up("1");
    let _server = place.serve().await;
    let served = testkit::http::get(&place.url("/openapi.json"), "")
        .await
        .text()
        .replace(&place.url(""), "http://127.0.0.1:8080");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    if std::env::var_os("FAREBOX_UPDATE_OPENAPI").is_some() {
        std::fs::write(&file, &served).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == served,
        "openapi.json is out of date: run `cargo xtask openapi`"
    );
    let document: serde_json::Value = serde_json::from_str(&served).unwrap();
    for path in [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/organization/costs",
        "/v1/organization/spend_limit",
        "/api/budgets",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    // Clients that are made from the description name their functions by these.
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<&str> = operations
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let twice = ids.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "one name for each operation");
    let mut unsaid = Vec::new();
    unsaid_examples(&document["paths"], "", &mut unsaid);
    assert_eq!(unsaid, Vec::<&str>::new(), "these fields lack an example");
}

/// The fields whose examples say no more than their names.
fn unsaid_examples<'a>(part: &'a serde_json::Value, field: &'a str, unsaid: &mut Vec<&'a str>) {
    match part {
        serde_json::Value::Object(members) => {
            members
                .iter()
                .for_each(|(field, member)| unsaid_examples(member, field, unsaid));
        }
        serde_json::Value::Array(items) => {
            items
                .iter()
                .for_each(|item| unsaid_examples(item, field, unsaid));
        }
        serde_json::Value::String(text) if *text == field.replace('_', " ") => unsaid.push(field),
        _ => {}
    }
}
