//! `/openapi.json`: one description of every route, made from the code.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

/// The description of both planes as one document.
#[must_use]
pub fn merged(data: OpenApi, control: OpenApi) -> OpenApi {
    let mut all = control;
    all.merge(data);
    let bearer = |what: &str| {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(what));
        SecurityScheme::Http(scheme.build())
    };
    let components = all.components.get_or_insert_default();
    components.add_security_scheme("key", bearer("A project key or service-account key"));
    components.add_security_scheme("admin_key", bearer("An admin key"));
    all
}

/// The document as text: indented, with a line end, as it is kept in the repository.
#[must_use]
pub fn text(description: &OpenApi) -> String {
    let mut text = description.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Serves the document.
pub fn routes(description: &OpenApi) -> Router {
    let text: axum::body::Bytes = text(description).into();
    let answer = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    Router::new().route("/openapi.json", get(answer))
}
