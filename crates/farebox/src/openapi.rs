//! `/openapi.json`: one description of every route, made from the code.
//!
//! Routes say what is their own: path, parameters, body and answer. What is true of all of them is
//! added here, so that a new route is described whole: the ways in, the refusals (`answers`),
//! examples (`examples`), and one place for each schema (`references`).

mod answers;
mod examples;
mod references;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, ServerBuilder};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The description of both planes as one document, for an installation at `public_url`.
#[must_use]
pub fn document(data: OpenApi, control: OpenApi, public_url: &str) -> Value {
    let mut all = data;
    all.merge(control);
    all.info = InfoBuilder::new()
        .title("Farebox")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Your own AI API platform. The data plane and the Administration API speak OpenAI's \
             wire format; errors have the form {\"error\": {message, type, param, code}}.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let server = ServerBuilder::new().url(public_url.trim_end_matches('/'));
    all.servers = Some(vec![server.description(Some("This installation")).build()]);
    add_ways_in(&mut all);
    let mut document = serde_json::to_value(&all).unwrap_or_default();
    allow_sessions(&mut document);
    shorten_summaries(&mut document);
    list_tags(&mut document);
    allow_empty_bodies(&mut document);
    answers::complete(&mut document);
    references::share(&mut document);
    examples::fill(&mut document);
    document
}

fn add_ways_in(all: &mut OpenApi) {
    let bearer = |what: &str| {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(what));
        SecurityScheme::Http(scheme.build())
    };
    let components = all.components.get_or_insert_default();
    components.add_security_scheme("key", bearer("A project key or service-account key"));
    components.add_security_scheme("admin_key", bearer("An admin key"));
    let cookie = "The cookie that signing in gives; `__Host-farebox_session` over TLS";
    let cookie = ApiKeyValue::with_description("farebox_session", cookie);
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
}

/// Who may call with an admin key may as well be signed in; and what needs neither says so.
fn allow_sessions(document: &mut Value) {
    each_operation(document, |_, _, operation| {
        let ways = operation.entry("security").or_insert_with(|| json!([]));
        if let Some(ways) = ways.as_array_mut()
            && ways.contains(&json!({"admin_key": []}))
            && !ways.contains(&json!({"session": []}))
        {
            ways.push(json!({"session": []}));
        }
    });
}

/// A summary is one sentence, on one line; what follows it goes before the description.
fn shorten_summaries(document: &mut Value) {
    each_operation(document, |_, _, operation| {
        let Some(summary) = operation.get("summary").and_then(Value::as_str) else {
            return;
        };
        let summary = summary.replace('\n', " ");
        let (first, rest) = match summary.split_once(". ") {
            Some((first, rest)) => (format!("{first}."), rest.to_owned()),
            None => (summary, String::new()),
        };
        let more = operation.get("description").and_then(Value::as_str);
        let texts = [rest.as_str(), more.unwrap_or_default()];
        let texts = texts.into_iter().filter(|text| !text.is_empty());
        let description = texts.collect::<Vec<_>>().join("\n\n");
        operation.insert("summary".into(), first.into());
        if !description.is_empty() {
            operation.insert("description".into(), description.into());
        }
    });
}

/// A body of which every member may be absent may be absent itself.
fn allow_empty_bodies(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    each_operation(document, |_, _, operation| {
        let Some(body) = operation.get_mut("requestBody") else {
            return;
        };
        let schema = body.pointer("/content/application~1json/schema/$ref");
        let name = schema
            .and_then(Value::as_str)
            .and_then(|it| it.rsplit('/').next());
        if name.is_some_and(|name| schemas[name].get("required").is_none()) {
            body["required"] = false.into();
        }
    });
}

/// The tags that operations have, in the order in which they come.
fn list_tags(document: &mut Value) {
    let mut names: Vec<Value> = Vec::new();
    each_operation(document, |_, _, operation| {
        for tag in operation
            .get("tags")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !names.contains(tag) {
                names.push(tag.clone());
            }
        }
    });
    let tags = names.into_iter().map(|name| json!({"name": name}));
    document["tags"] = tags.collect();
}

/// Calls `each` with the path, the method and the members of every operation.
fn each_operation(document: &mut Value, mut each: impl FnMut(&str, &str, &mut Map<String, Value>)) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                each(path, method, operation);
            }
        }
    }
}

/// The document as text: indented, with a line end, as it is kept in the repository.
#[must_use]
pub fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

/// Serves the document.
pub fn routes(document: &Value) -> Router {
    let text: axum::body::Bytes = text(document).into();
    let answer = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    Router::new().route("/openapi.json", get(answer))
}
