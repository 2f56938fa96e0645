//! Tells whether the page of another site made the browser send a request: the cookie would go with
//! it, though its owner wants nothing.
//!
//! Browsers say where a request comes from. What says nothing is no browser, and has no cookie that
//! its owner did not give it. (The order of the questions is that of Go's `CrossOriginProtection`.)

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Method};

/// Whether another site's page sent this. `public_url` is where this installation's own pages are.
pub(super) fn is_cross_site(method: &Method, headers: &HeaderMap, public_url: &str) -> bool {
    if method.is_safe() {
        return false;
    }
    let header = |name: &str| {
        headers
            .get(name)
            .map(|it| it.to_str().unwrap_or("unreadable"))
    };
    let origin = header(ORIGIN.as_str());
    if origin.is_some_and(|origin| origin == origin_of(public_url)) {
        return false;
    }
    match (header("sec-fetch-site"), origin) {
        (Some("same-origin" | "none"), _) => false,
        (Some(_), _) => true,
        (None, None) => false,
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_none() || host != header(HOST.as_str())
        }
    }
}

/// Scheme, host and port of an address.
pub(super) fn origin_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let path = url[after_scheme..].find('/');
    path.map_or(url, |at| &url[..after_scheme + at])
}

/// The host of an address, without its port.
pub(super) fn host_of(url: &str) -> &str {
    let origin = origin_of(url);
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    match authority.rfind(':') {
        // The colons of an IPv6 address are in brackets.
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const HERE: &str = "https://ai.example.com/farebox";

    #[test]
    fn only_our_own_pages_and_no_browser_at_all_may_change_things() {
        let none: &[(&str, &str)] = &[];
        for (headers, cross) in [
            (none, false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "")], true),
            (&[("origin", "https://ai.example.com")], false),
            (
                &[
                    ("origin", "http://127.0.0.1:8080"),
                    ("host", "127.0.0.1:8080"),
                ],
                false,
            ),
            (
                &[
                    ("origin", "http://127.0.0.1:8081"),
                    ("host", "127.0.0.1:8080"),
                ],
                true,
            ),
            (
                &[
                    ("origin", "https://evil.example"),
                    ("host", "ai.example.com"),
                ],
                true,
            ),
            (&[("origin", "null"), ("host", "null")], true),
            (&[("origin", "https://ai.example.com.evil.example")], true),
            (
                &[
                    ("origin", "https://ai.example.com"),
                    ("sec-fetch-site", "same-site"),
                ],
                false,
            ),
            (
                &[
                    ("origin", "https://evil.example"),
                    ("sec-fetch-site", "cross-site"),
                ],
                true,
            ),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                let name: HeaderName = name.parse().unwrap();
                map.insert(name, HeaderValue::from_static(value));
            }
            for method in [Method::POST, Method::DELETE, Method::PUT, Method::PATCH] {
                assert_eq!(is_cross_site(&method, &map, HERE), cross, "{headers:?}");
            }
            assert!(!is_cross_site(&Method::GET, &map, HERE));
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (url, origin, host) in [
            ("https://a.example", "https://a.example", "a.example"),
            (
                "https://a.example:8443/x/y",
                "https://a.example:8443",
                "a.example",
            ),
            (
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080",
                "127.0.0.1",
            ),
            ("http://[::1]:8080/x", "http://[::1]:8080", "[::1]"),
            ("http://[::1]", "http://[::1]", "[::1]"),
        ] {
            assert_eq!((origin_of(url), host_of(url)), (origin, host));
        }
    }
}
