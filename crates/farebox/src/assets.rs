//! The console's files, embedded in the binary: compressed variants, validators, security headers.
//!
//! - A file under `assets/` has its hash in its name and may be kept for ever; others are asked for
//!   again each time, and answered with 304 when unchanged.
//! - An address that is no file is a page of the console, which finds its own way: it gets
//!   `index.html`, but only a browser's navigation does.

use std::collections::HashMap;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

const INDEX: &str = "index.html";
const HASHED: &str = "assets/";

/// No foreign code, no inline scripts, no frames. The console's component library writes its styles
/// into the page, hence the exception for styles.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
                      object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// Addresses that belong to programs: what is unknown there is never a page of the console.
const NOT_PAGES: &[&str] = &[
    "v1",
    "api",
    "healthz",
    "readyz",
    "metrics",
    "openapi.json",
    "assets",
];

#[derive(RustEmbed)]
#[folder = "$CONSOLE_FOLDER"]
struct Embedded;

/// The console's files, ready to be answered.
#[derive(Clone, Debug, Default)]
pub struct Assets(HashMap<String, Asset>);

#[derive(Clone, Debug)]
struct Asset {
    content_type: &'static str,
    plain: Variant,
    gzip: Option<Variant>,
    brotli: Option<Variant>,
}

#[derive(Clone, Debug)]
struct Variant {
    body: Bytes,
    etag: HeaderValue,
}

impl Assets {
    /// The files that were built into this binary.
    #[must_use]
    pub fn embedded() -> Self {
        let files = Embedded::iter().filter_map(|path| {
            let body = Embedded::get(&path)?.data.into_owned();
            Some((path.into_owned(), Bytes::from(body)))
        });
        Assets::of(files)
    }

    /// These files, by path. `x.br` and `x.gz` are compressed variants of `x`.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        let files: HashMap<String, Bytes> = files.into_iter().collect();
        let variant = |path: &str| files.get(path).map(Variant::of);
        let is_variant = |path: &str| {
            [".br", ".gz"].iter().any(|end| {
                path.strip_suffix(end)
                    .is_some_and(|plain| files.contains_key(plain))
            })
        };
        let assets = files
            .iter()
            .filter(|(path, _)| !is_variant(path))
            .map(|(path, body)| {
                let asset = Asset {
                    content_type: content_type(path),
                    plain: Variant::of(body),
                    gzip: variant(&format!("{path}.gz")),
                    brotli: variant(&format!("{path}.br")),
                };
                (path.clone(), asset)
            });
        Assets(assets.collect())
    }

    /// A router that answers every address with a file, the console, or 404: the last resort behind
    /// all routes.
    pub fn router(self) -> Router {
        let assets = std::sync::Arc::new(self);
        Router::new().fallback(move |request: Request<Body>| async move {
            assets.answer(request.method(), request.uri().path(), request.headers())
        })
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let path = path.trim_start_matches('/');
        if !matches!(*method, Method::GET | Method::HEAD) {
            return not_found(method, path);
        }
        let name = if path.is_empty() { INDEX } else { path };
        match self.0.get(name) {
            Some(asset) => asset.answer(name, headers),
            None if is_page(path, headers) => match self.0.get(INDEX) {
                Some(index) => index.answer(INDEX, headers),
                None => not_found(method, path),
            },
            None => not_found(method, path),
        }
    }
}

impl Asset {
    fn answer(&self, name: &str, headers: &HeaderMap) -> Response {
        let (variant, encoding) = match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if accepts(headers, "br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts(headers, "gzip") => (gzip, Some("gzip")),
            _ => (&self.plain, None),
        };
        let keep = if name.starts_with(HASHED) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let mut response = if known(headers, &variant.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Body::from(variant.body.clone()).into_response()
        };
        let answer = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| {
            answer.insert(name, HeaderValue::from_static(value));
        };
        set(CONTENT_TYPE, self.content_type);
        set(CACHE_CONTROL, keep);
        set(VARY, "accept-encoding");
        set(CONTENT_SECURITY_POLICY, POLICY);
        set(X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(REFERRER_POLICY, "same-origin");
        if let Some(encoding) = encoding {
            set(CONTENT_ENCODING, encoding);
        }
        answer.insert(ETAG, variant.etag.clone());
        response
    }
}

impl Variant {
    fn of(body: &Bytes) -> Self {
        let digest = Sha256::digest(body);
        let hex: String = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let etag =
            HeaderValue::from_str(&format!("\"{hex}\"")).expect("hexadecimal digits are ASCII");
        Variant {
            body: body.clone(),
            etag,
        }
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a browser asked for a page, rather than a program for something that is not there.
fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let accept = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    !NOT_PAGES.contains(&first) && accept.contains("text/html")
}

fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let values = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|offer| {
        let (name, weight) = offer.split_once(';').unwrap_or((offer, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        name.trim().eq_ignore_ascii_case(encoding)
            && weight.chars().any(|digit| matches!(digit, '1'..='9'))
    })
}

fn known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.trim_start_matches("W/").as_bytes() == etag.as_bytes()
    })
}

/// Programs that call an address of the API that does not exist are told in the API's own form.
fn not_found(method: &Method, path: &str) -> Response {
    let error = wire::error::ErrorBody {
        message: format!("Invalid URL ({method} /{path})"),
        kind: "invalid_request_error".into(),
        param: None,
        code: None,
    };
    let json = [
        (CONTENT_TYPE, "application/json"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (StatusCode::NOT_FOUND, json, error.to_json()).into_response()
}
