//! The cookies: one carries a session, another a sign-in by a provider that is under way.

use domain::people::secret::BearerSecret;
use domain::people::session::MOST_US;
use domain::time::SECOND_US;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use store::people::sso_attempts;

/// A cookie that carries a secret: its names, and how long a browser keeps it.
pub(super) struct Cookie {
    /// Browsers let only this very host set a cookie of such a name, and send it over TLS alone.
    secure_name: &'static str,
    /// Without TLS, on a desk, browsers refuse the other name.
    plain_name: &'static str,
    age_s: i64,
}

/// Whoever sends it is signed in.
pub(super) const SESSION: Cookie = Cookie {
    secure_name: "__Host-farebox_session",
    plain_name: "farebox_session",
    age_s: MOST_US / SECOND_US,
};

/// Binds a sign-in by a provider to the browser that began it.
pub(super) const SSO: Cookie = Cookie {
    secure_name: "__Host-farebox_sso",
    plain_name: "farebox_sso",
    age_s: sso_attempts::LIFETIME_US / SECOND_US,
};

impl Cookie {
    fn name(&self, public_url: &str) -> &'static str {
        match public_url.starts_with("https://") {
            true => self.secure_name,
            false => self.plain_name,
        }
    }

    /// The secret that came with a request.
    pub(super) fn read(&self, headers: &HeaderMap, public_url: &str) -> Option<BearerSecret> {
        let values = headers.get_all(COOKIE).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let mut pairs = texts.flat_map(|text| text.split(';'));
        pairs.find_map(|pair| {
            let (found, secret) = pair.trim().split_once('=')?;
            (found == self.name(public_url)).then(|| BearerSecret::parse(secret))?
        })
    }

    /// What gives a browser the cookie.
    pub(super) fn set(&self, secret: &BearerSecret, public_url: &str) -> HeaderValue {
        self.written(secret.expose(), self.age_s, public_url)
    }

    /// What takes the cookie from a browser.
    pub(super) fn clear(&self, public_url: &str) -> HeaderValue {
        self.written("", 0, public_url)
    }

    fn written(&self, secret: &str, age_s: i64, public_url: &str) -> HeaderValue {
        let name = self.name(public_url);
        let secure = match name == self.secure_name {
            true => "; Secure",
            false => "",
        };
        let text =
            format!("{name}={secret}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}");
        let mut value = HeaderValue::from_str(&text).expect("a secret is alphanumeric");
        value.set_sensitive(true);
        value
    }
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
            let set = SESSION.set(&secret, url);
            let text = set.to_str().unwrap();
            assert!(text.starts_with(begins) && text.ends_with(ends), "{text}");
            assert!(text.contains("; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax"));
            let pair = text.split(';').next().unwrap();
            let mut headers = HeaderMap::new();
            let sent = format!("theme=dark; {pair}; x");
            headers.append(COOKIE, HeaderValue::from_str("a=b").unwrap());
            headers.append(COOKIE, HeaderValue::from_str(&sent).unwrap());
            let read = SESSION.read(&headers, url).expect("it is there");
            assert_eq!(read.digest(), secret.digest());
            let cleared = SESSION.clear(url);
            assert!(cleared.to_str().unwrap().contains("=; Path=/; Max-Age=0;"));
        }
    }

    #[test]
    fn what_is_no_session_is_not_read() {
        for text in [
            "",
            "farebox_session",
            "farebox_session=short",
            "farebox_sso=0123456789012345678901234567890123456789012",
            "other=x; =",
            ";;",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(text).unwrap());
            assert!(
                SESSION.read(&headers, "http://127.0.0.1:8080").is_none(),
                "{text:?}"
            );
        }
    }
}
