//! `/openapi.json`: one description of every route, made from the code.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi};

/// The description of both planes as one document.
#[must_use]
pub fn merged(data: OpenApi, control: OpenApi) -> OpenApi {
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
    for item in all.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.delete,
        ];
        operations.into_iter().flatten().for_each(allow_session);
    }
    all
}

/// Who may call with an admin key may as well be signed in.
fn allow_session(operation: &mut Operation) {
    let admin_key = SecurityRequirement::new("admin_key", [""; 0]);
    if let Some(ways) = &mut operation.security
        && ways.contains(&admin_key)
    {
        ways.push(SecurityRequirement::new("session", [""; 0]));
    }
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
