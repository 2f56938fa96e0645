//! The cookie that carries a session.

use domain::people::secret::BearerSecret;
use domain::people::session::MOST_US;
use domain::time::SECOND_US;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Browsers let only this very host set a cookie of this name, and send it over TLS alone.
const SECURE_NAME: &str = "__Host-farebox_session";
/// Without TLS, on a desk, browsers refuse the other name.
const PLAIN_NAME: &str = "farebox_session";

fn name(public_url: &str) -> &'static str {
    match public_url.starts_with("https://") {
        true => SECURE_NAME,
        false => PLAIN_NAME,
    }
}

/// The secret that came with a request.
pub(super) fn read(headers: &HeaderMap, public_url: &str) -> Option<BearerSecret> {
    let values = headers.get_all(COOKIE).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';'));
    pairs.find_map(|pair| {
        let (found, secret) = pair.trim().split_once('=')?;
        (found == name(public_url)).then(|| BearerSecret::parse(secret))?
    })
}

/// What gives a browser the cookie.
pub(super) fn set(secret: &BearerSecret, public_url: &str) -> HeaderValue {
    written(secret.expose(), MOST_US / SECOND_US, public_url)
}

/// What takes the cookie from a browser.
pub(super) fn clear(public_url: &str) -> HeaderValue {
    written("", 0, public_url)
}

fn written(secret: &str, age_s: i64, public_url: &str) -> HeaderValue {
    let name = name(public_url);
    let secure = if name == SECURE_NAME { "; Secure" } else { "" };
    let text = format!("{name}={secret}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}");
    let mut value = HeaderValue::from_str(&text).expect("a secret is alphanumeric");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(buffer: &mut [u8]) {
        for (index, byte) in (0..).zip(buffer) {
            *byte = index;
        }
    }

    #[test]
    fn a_cookie_is_read_back_and_is_as_strict_as_its_address_allows() {
        let secret = BearerSecret::mint(counted);
        for (url, begins, ends) in [
            (
                "https://ai.example.com",
                "__Host-farebox_session=",
                "; Secure",
            ),
            (
                "http://127.0.0.1:8080",
                "farebox_session=",
                "; SameSite=Lax",
            ),
        ] {
            let set = set(&secret, url);
            let text = set.to_str().unwrap();
            assert!(text.starts_with(begins) && text.ends_with(ends), "{text}");
            assert!(text.contains("; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax"));
            let pair = text.split(';').next().unwrap();
            let mut headers = HeaderMap::new();
            let sent = format!("theme=dark; {pair}; x");
            headers.append(COOKIE, HeaderValue::from_str("a=b").unwrap());
            headers.append(COOKIE, HeaderValue::from_str(&sent).unwrap());
            let read = read(&headers, url).expect("it is there");
            assert_eq!(read.digest(), secret.digest());
            let cleared = clear(url);
            assert!(cleared.to_str().unwrap().contains("=; Path=/; Max-Age=0;"));
        }
    }

    #[test]
    fn what_is_no_session_is_not_read() {
        for text in [
            "",
            "farebox_session",
            "farebox_session=short",
            "other=x; =",
            ";;",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(text).unwrap());
            assert!(
                read(&headers, "http://127.0.0.1:8080").is_none(),
                "{text:?}"
            );
        }
    }
}
