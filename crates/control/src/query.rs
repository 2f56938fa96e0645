//! Query parameters: arrays as `name[]=a&name[]=b`, as bare repeats, or with commas left alone.

use axum::extract::FromRequestParts;
use axum::response::Response;
use domain::time::AtUs;
use http::request::Parts;

use crate::Control;
use crate::respond::{self, Refusal};

/// The last second that is read as an instant: of the year 9999.
pub(crate) const MOST_SECONDS: i64 = 253_402_300_799;

/// The parameters of a request, in order.
pub(crate) struct Query(Vec<(String, String)>);

impl FromRequestParts<Control> for Query {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        Query::parse(parts.uri.query())
            .map_err(|refusal| respond::answer::<()>(control, Err(refusal)))
    }
}

impl Query {
    /// Reads them. A null character, which no database keeps, is refused here for all.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Refusal> {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name);
            (
                name.strip_suffix("[]")
                    .map_or(name.clone(), ToOwned::to_owned),
                decode(value),
            )
        };
        let parts = query
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty());
        let pairs: Vec<(String, String)> = parts.map(pair).collect();
        match pairs.iter().find(|(_, value)| value.contains('\0')) {
            Some((name, _)) => {
                let message = format!("Invalid '{name}': it must not hold a null character.");
                Err(invalid(name, message))
            }
            None => Ok(Query(pairs)),
        }
    }

    /// The last value of a parameter.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let values = self.0.iter().rev();
        values
            .into_iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let given = self.0.iter().filter(|(given, _)| given == name);
        given.map(|(_, value)| value.clone()).collect()
    }

    /// Whether `order` wants the newest first.
    pub(crate) fn is_newest_first(&self) -> Result<bool, Refusal> {
        match self.one("order").unwrap_or("asc") {
            "asc" => Ok(false),
            "desc" => Ok(true),
            other => Err(invalid(
                "order",
                format!("Invalid 'order': '{other}'. Expected 'asc' or 'desc'."),
            )),
        }
    }

    /// Whether a flag is set: `true`, `false`, or not there.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.one(name).unwrap_or("false") {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(invalid(
                name,
                format!("Invalid '{name}': '{other}'. Expected 'true' or 'false'."),
            )),
        }
    }

    /// An instant in Unix seconds.
    pub(crate) fn instant(&self, name: &str) -> Result<Option<AtUs>, Refusal> {
        if self.one(name).is_none() {
            return Ok(None);
        }
        let second = self.number(name, 0, 0..=MOST_SECONDS)?;
        Ok(Some(AtUs::from_seconds(second)))
    }

    /// A whole number within bounds, or `default`.
    pub(crate) fn number(
        &self,
        name: &str,
        default: i64,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Result<i64, Refusal> {
        let Some(text) = self.one(name) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                let (least, most) = (bounds.start(), bounds.end());
                invalid(
                    name,
                    format!("Invalid '{name}': expected an integer from {least} to {most}."),
                )
            })
    }
}

pub(crate) fn invalid(param: &str, message: String) -> Refusal {
    Refusal::Invalid {
        param: param.into(),
        message,
    }
}

/// Percent-decoding; what is not decodable stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_with_brackets_bare_or_encoded() {
        let text = "group_by[]=a&group_by%5B%5D=b&group_by=c+d&x=%zz&y";
        let query = Query::parse(Some(text)).expect("no null character");
        assert_eq!(query.all("group_by"), ["a", "b", "c d"]);
        assert_eq!(query.one("x"), Some("%zz"));
        assert_eq!(query.one("y"), Some(""));
        assert_eq!(query.one("z"), None);
    }

    #[test]
    fn numbers_are_bounded() {
        let number = |text| {
            let query = Query::parse(Some(text)).expect("no null character");
            query.number("limit", 20, 1..=100).ok()
        };
        assert_eq!(number(""), Some(20));
        assert_eq!(number("limit=100"), Some(100));
        for bad in [
            "limit=0",
            "limit=101",
            "limit=x",
            "limit=",
            "limit=1.5",
            "limit=-1",
        ] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
