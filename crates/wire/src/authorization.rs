//! Reads the secret that a request's `Authorization` header carries.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A browser's prompt sends little: what is longer is no password.
const MOST_BASIC_BYTES: usize = 4_096;

/// The secret in the value of an `Authorization` header: `Bearer KEY`, or the password of
/// `Basic …`, as browsers send it; none if there is none.
#[must_use]
pub fn secret(value: &str) -> Option<String> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let secret = match scheme {
        it if it.eq_ignore_ascii_case("bearer") => Some(rest.trim().to_owned()),
        it if it.eq_ignore_ascii_case("basic") => password(rest.trim()),
        _ => None,
    };
    secret.filter(|secret| !secret.is_empty())
}

fn password(encoded: &str) -> Option<String> {
    let bounded = Some(encoded).filter(|text| text.len() < MOST_BASIC_BYTES)?;
    let text = String::from_utf8(STANDARD.decode(bounded).ok()?).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_as_bearer_or_as_password() {
        let endless = format!("Basic {}", "OmFi".repeat(1_024));
        let table = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic OmFiYw==", Some("abc")),
            ("Basic dXNlcjphYmM=", Some("abc")),
            ("Basic dXNlcjo=", None),
            ("Basic !!", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Digest abc", None),
            ("abc", None),
            ("", None),
            (&endless, None),
        ];
        for (value, want) in table {
            assert_eq!(secret(value).as_deref(), want, "{value:?}");
        }
    }
}
