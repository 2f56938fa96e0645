//! The pages of the test provider: plain HTML that works without a script.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode, Uri};
use minijinja::Environment;
use minijinja::value::Value;

/// Every page by name. What is filled in is escaped, as the names say HTML.
const PAGES: &[(&str, &str)] = &[
    ("layout.html", include_str!("pages/layout.html")),
    ("pay.html", include_str!("pages/pay.html")),
    ("authenticate.html", include_str!("pages/authenticate.html")),
    ("over.html", include_str!("pages/over.html")),
];
const STYLE: &str = include_str!("pages/style.css");

/// Numbers that the page of a payment lists, and what each does.
pub(super) const NUMBERS: &[(&str, &str)] = &[
    ("4242 4242 4242 4242", "The payment succeeds."),
    (
        "4000 0025 0000 3155",
        "The bank asks who pays, until the card is saved.",
    ),
    ("4000 0027 6000 3184", "The bank asks who pays, always."),
    (
        "4000 0000 0000 3220",
        "The bank asks who pays (3-D Secure 2).",
    ),
    ("4000 0000 0000 0002", "Declined."),
    ("4000 0000 0000 9995", "Declined: not enough money."),
    ("4000 0000 0000 9987", "Declined: the card was lost."),
    ("4000 0000 0000 0069", "Declined: the card has expired."),
    (
        "4000 0000 0000 0127",
        "Declined: the security code is wrong.",
    ),
    ("4000 0000 0000 0119", "Declined: an error at the bank."),
    (
        "4000 0000 0000 0341",
        "Can be saved; is declined when it is charged.",
    ),
    (
        "4000 0000 0000 0259",
        "The payment succeeds, and is disputed.",
    ),
    (
        "4000 0000 0000 5126",
        "The payment succeeds; a refund fails later.",
    ),
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    for (name, text) in PAGES {
        environment
            .add_template(name, text)
            .expect("a test renders every page");
    }
    environment
});

/// A page; `public_url` is where this installation says it is, as forms may lead there.
pub(super) fn page(status: StatusCode, name: &str, context: Value, public_url: &str) -> Response {
    let template = ENVIRONMENT.get_template(name);
    match template.and_then(|template| template.render(context)) {
        Ok(html) => (
            status,
            headers("text/html; charset=utf-8", public_url),
            html,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, name, "a page was not made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The looks of all pages.
pub(super) fn style(public_url: &str) -> Response {
    (headers("text/css; charset=utf-8", public_url), STYLE).into_response()
}

fn headers(content_type: &'static str, public_url: &str) -> HeaderMap {
    let uri: Option<Uri> = public_url.parse().ok();
    let origin = uri.and_then(|uri| {
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        Some(format!(" {scheme}://{authority}"))
    });
    // A form's answer leads back to the console, which may be known by another name.
    let policy = format!(
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{}",
        origin.unwrap_or_default()
    );
    let mut headers = HeaderMap::new();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}
