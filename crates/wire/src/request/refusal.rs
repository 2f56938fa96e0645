//! Why a request is refused, in OpenAI's words.

use std::borrow::Cow;

use crate::error::ErrorBody;
use crate::json::{Kind, Malformed};

/// A request that cannot be served as it is. Always 400 `invalid_request_error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// What is wrong and what to send instead.
    pub message: String,
    /// Dotted path of the parameter at fault.
    pub param: Option<String>,
    /// OpenAI's word for the mistake.
    pub code: Option<&'static str>,
}

impl RequestError {
    /// The error as the caller receives it.
    pub fn to_body(&self) -> ErrorBody {
        ErrorBody {
            message: self.message.clone(),
            kind: Cow::Borrowed("invalid_request_error"),
            param: self.param.clone(),
            code: self.code.map(Cow::Borrowed),
        }
    }

    pub(crate) fn not_json(reason: &str) -> Self {
        Self {
            message: format!(
                "We could not parse the JSON body of your request. (HINT: The API expects one JSON \
                 object, but what was sent is not valid JSON: {reason}.)"
            ),
            param: None,
            code: None,
        }
    }

    pub(crate) fn too_deep(limit: usize) -> Self {
        Self {
            message: format!(
                "We could not parse the JSON body of your request. (HINT: Arrays and objects may \
                 be nested {limit} deep; these are nested deeper.)"
            ),
            param: None,
            code: None,
        }
    }

    pub(crate) fn no_model() -> Self {
        Self {
            message: "you must provide a model parameter".into(),
            param: None,
            code: None,
        }
    }

    pub(crate) fn missing(param: &str) -> Self {
        Self::new(
            format!("Missing required parameter: '{param}'."),
            param,
            "missing_required_parameter",
        )
    }

    /// `expected` with its article, such as `an array of objects`.
    pub(crate) fn wrong_type(param: &str, expected: &str, got: Kind) -> Self {
        let got = got.phrase();
        Self::new(
            format!("Invalid type for '{param}': expected {expected}, but got {got} instead."),
            param,
            "invalid_type",
        )
    }

    pub(crate) fn empty_array(param: &str) -> Self {
        Self::new(
            format!(
                "Invalid '{param}': empty array. Expected an array with minimum length 1, but got \
                 an empty array instead."
            ),
            param,
            "empty_array",
        )
    }

    pub(crate) fn empty_string(param: &str) -> Self {
        Self::new(
            format!(
                "Invalid '{param}': empty string. Expected a string with minimum length 1, but got \
                 an empty string instead."
            ),
            param,
            "empty_string",
        )
    }

    pub(crate) fn array_too_long(param: &str, most: u64, got: u64) -> Self {
        Self::new(
            format!(
                "Invalid '{param}': array too long. Expected an array with maximum length {most}, \
                 but got an array with length {got} instead."
            ),
            param,
            "array_above_max_length",
        )
    }

    pub(crate) fn below_minimum(param: &str, least: u64, got: &str) -> Self {
        Self::new(
            format!(
                "Invalid '{param}': integer below minimum value. Expected a value >= {least}, but \
                 got {got} instead."
            ),
            param,
            "integer_below_min_value",
        )
    }

    pub(crate) fn above_maximum(param: &str, most: u64, got: &str) -> Self {
        Self::new(
            format!(
                "Invalid '{param}': integer above maximum value. Expected a value <= {most}, but \
                 got {got} instead."
            ),
            param,
            "integer_above_max_value",
        )
    }

    /// A parameter that Farebox does not offer; `instead` says what to send.
    pub(crate) fn unsupported_parameter(param: &str, instead: &str) -> Self {
        Self::new(
            format!("Unsupported parameter: '{param}'. {instead}"),
            param,
            "unsupported_parameter",
        )
    }

    /// A value that Farebox does not offer; `instead` says what to send.
    pub(crate) fn unsupported_value(param: &str, value: &str, instead: &str) -> Self {
        Self::new(
            format!("Unsupported value: '{param}' does not support {value} here. {instead}"),
            param,
            "unsupported_value",
        )
    }

    pub(crate) fn new(message: String, param: &str, code: &'static str) -> Self {
        Self {
            message,
            param: Some(param.to_owned()),
            code: Some(code),
        }
    }
}

impl From<Malformed> for RequestError {
    /// The top level was read before; what is left is a key with broken escapes somewhere below.
    fn from(_: Malformed) -> Self {
        Self::not_json("a name or string in it has a broken escape")
    }
}
