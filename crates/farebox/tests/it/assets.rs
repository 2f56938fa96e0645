//! The console's files as a browser sees them.

use axum::Router;
use farebox::assets::Assets;
use testkit::http::{Answer, Request};

use crate::door::Door;

fn console() -> Router {
    let file = |path: &str, body: &str| (path.to_owned(), body.to_owned().into());
    Assets::of([
        file("index.html", "<html>console</html>"),
        file("favicon.svg", "<svg/>"),
        file("assets/app-abc123.js", "plain"),
        file("assets/app-abc123.js.br", "brotli"),
        file("assets/app-abc123.js.gz", "gzip"),
    ])
    .router()
}

async fn get(door: &Door, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(&door.url(path));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn pages_of_the_console_are_its_index_but_only_for_browsers() {
    let door = Door::open(console()).await;
    let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    for page in [
        "/",
        "/index.html",
        "/keys",
        "/projects/proj_1/usage",
        "/v1x",
    ] {
        let answer = get(&door, page, &[browser]).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "<html>console</html>"),
            "{page}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
    }
    for (path, headers) in [
        ("/keys", &[("accept", "application/json")][..]),
        ("/keys", &[]),
        ("/v1/nothing", &[browser]),
        ("/api/nothing", &[browser]),
        ("/assets/app-old.js", &[browser]),
        ("/metrics/x", &[browser]),
        ("/../Cargo.toml", &[]),
    ] {
        let answer = get(&door, path, headers).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.json()["error"]["type"],
            "invalid_request_error",
            "{path}"
        );
    }
    let posted = Request::post(&door.url("/keys")).header(browser.0, browser.1);
    assert_eq!(posted.send().await.unwrap().status, 404);
}

#[tokio::test]
async fn pages_forbid_foreign_code_and_frames() {
    let door = Door::open(console()).await;
    let answer = get(&door, "/", &[]).await;
    let policy = answer.header("content-security-policy").unwrap();
    let rules: Vec<&str> = policy.split("; ").collect();
    for rule in [
        "default-src 'self'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    ] {
        assert!(rules.contains(&rule), "{rule} is not in {policy}");
    }
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
}

#[tokio::test]
async fn files_are_compressed_for_whoever_understands_it() {
    let door = Door::open(console()).await;
    for (accepted, encoding, body) in [
        ("gzip, deflate, br, zstd", Some("br"), "brotli"),
        ("GZIP", Some("gzip"), "gzip"),
        ("br;q=0, gzip;q=0.5", Some("gzip"), "gzip"),
        ("br;q=0.0", None, "plain"),
        ("identity", None, "plain"),
        ("", None, "plain"),
    ] {
        let answer = get(
            &door,
            "/assets/app-abc123.js",
            &[("accept-encoding", accepted)],
        )
        .await;
        assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(answer.text(), body, "{accepted}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
    }
}

#[tokio::test]
async fn unchanged_files_are_not_sent_again() {
    let door = Door::open(console()).await;
    let path = "/assets/app-abc123.js";
    let plain = get(&door, path, &[]).await;
    let brotli = get(&door, path, &[("accept-encoding", "br")]).await;
    let etag = plain.header("etag").unwrap();
    assert_ne!(Some(etag), brotli.header("etag"), "variants are told apart");
    for known in [
        etag.to_owned(),
        format!("W/{etag}"),
        format!("\"other\", {etag}"),
        "*".into(),
    ] {
        let again = get(&door, path, &[("if-none-match", &known)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), Some(etag));
    }
    let other = get(&door, path, &[("if-none-match", "\"other\"")]).await;
    assert_eq!((other.status, other.text().as_str()), (200, "plain"));
}
