//! Reads a request's JSON object, and says in OpenAI's words what is wrong with it.

use axum::body::Bytes;
use serde_json::{Map, Value};

use crate::respond::Refusal;

/// The members of a body; none of an empty one.
pub(crate) struct Fields(Map<String, Value>);

const UNREADABLE: &str = "We could not parse the JSON body of your request. (HINT: This likely \
    means you aren't using your HTTP library correctly. The API expects a JSON object.)";

impl Fields {
    pub(crate) fn parse(body: &Bytes) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Ok(Fields(Map::new()));
        }
        serde_json::from_slice(body)
            .map(Fields)
            .map_err(|_| Refusal::Body(UNREADABLE))
    }

    /// A name: one to 256 characters, not only spaces.
    pub(crate) fn name(&self, param: &'static str) -> Result<Option<String>, Refusal> {
        let invalid = |message: String| Refusal::Invalid {
            param: param.into(),
            message,
        };
        match self.0.get(param) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => match text.trim() {
                "" => Err(invalid(format!("Invalid '{param}': it must not be empty."))),
                name if name.chars().count() > 256 => Err(invalid(format!(
                    "Invalid '{param}': at most 256 characters are allowed."
                ))),
                name => Ok(Some(name.to_owned())),
            },
            Some(_) => Err(invalid(format!(
                "Invalid type for '{param}': expected a string."
            ))),
        }
    }

    /// Seconds from now until something expires: 1 to a year's.
    pub(crate) fn seconds(&self, param: &'static str) -> Result<Option<i64>, Refusal> {
        match self.0.get(param) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_i64().filter(|it| (1..=31_536_000).contains(it)) {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(Refusal::Invalid {
                    param: param.into(),
                    message: format!("Invalid '{param}': expected an integer from 1 to 31536000."),
                }),
            },
        }
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&self, param: &'static str) -> Result<bool, Refusal> {
        match self.0.get(param) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Refusal::Invalid {
                param: param.into(),
                message: format!("Invalid type for '{param}': expected a boolean."),
            }),
        }
    }
}
