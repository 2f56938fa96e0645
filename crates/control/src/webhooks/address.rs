//! Which addresses an endpoint may have, as far as that can be told from how they are written. What
//! a name stands for is looked at when it is called ([`crate::outbound`]).

use std::net::IpAddr;

use domain::webhook::{Form, Reach};
use http::Uri;

/// The longest that an address may be.
const MOST_CHARS: usize = 2_000;

/// Checks an address.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(super) fn check(text: &str, reach: &Reach) -> Result<(), &'static str> {
    if text.len() > MOST_CHARS {
        return Err("at most 2000 characters are allowed");
    }
    let uri: Uri = text
        .parse()
        .map_err(|_| "it is no address such as https://example.com/farebox")?;
    let Some(authority) = uri.authority() else {
        return Err("it is no address such as https://example.com/farebox");
    };
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if reach.allows_plain() => {}
        _ => return Err("it must begin with https://"),
    }
    if authority.as_str().contains('@') {
        return Err("it must not hold a name or password: events are signed instead");
    }
    if text.contains('#') {
        return Err("it must not have a part behind #");
    }
    let host = authority.host().trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    let is_local = host.eq_ignore_ascii_case("localhost");
    let is_out_of_reach = match address {
        Some(address) => !reach.allows(address),
        None => is_local && !reach.allows_plain(),
    };
    match is_out_of_reach {
        true => Err("its host is not on the public internet"),
        false => Ok(()),
    }
}

/// The address as it may be shown: that of a chat is a secret.
pub(super) fn shown(text: &str, form: Form) -> String {
    let host = || {
        let uri: Option<Uri> = text.parse().ok();
        let host = uri.and_then(|uri| uri.host().map(ToOwned::to_owned));
        host.unwrap_or_default()
    };
    match form {
        Form::Standard => text.to_owned(),
        Form::Slack => format!("https://{}/…", host()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_public_and_encrypted_unless_the_installation_is_ones_own() {
        let public = Reach::Public(Vec::new());
        for text in [
            "https://example.com/farebox?a=b",
            "https://1.1.1.1:8443/",
            "https://[2606:4700::1111]/x",
        ] {
            assert_eq!(check(text, &public), Ok(()), "{text}");
        }
        for (text, why) in [
            ("", "no address"),
            ("example.com", "https://"),
            ("/farebox", "no address"),
            ("http://example.com/", "https://"),
            ("ftp://example.com/", "https://"),
            ("https://a:b@example.com/", "password"),
            ("https://example.com/#x", "#"),
            ("https://127.0.0.1/", "public"),
            ("https://[::1]/", "public"),
            ("https://169.254.169.254/latest", "public"),
            ("https://LOCALHOST/", "public"),
            ("https://[::ffff:10.0.0.1]/", "public"),
        ] {
            let refused = check(text, &public).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
        for text in [
            "http://127.0.0.1:9000/",
            "https://localhost/x",
            "http://10.0.0.1/",
        ] {
            assert_eq!(check(text, &Reach::Everything), Ok(()), "{text}");
        }
    }

    #[test]
    fn of_a_chats_address_only_the_host_is_shown() {
        let url = "https://hooks.example.com/services/T0/B0/secret";
        assert_eq!(shown(url, Form::Slack), "https://hooks.example.com/…");
        assert_eq!(shown(url, Form::Standard), url);
    }
}
