//! Reading a request's members one by one, so that an error can name the member at fault.
//!
//! A member that is `null` counts as absent, as it does for OpenAI.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::error::ApiError;

/// The members of one JSON object.
pub(crate) struct Fields<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The member, unless it is absent or `null`.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The member, which must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&'a Value, ApiError> {
        self.value(name).ok_or_else(|| {
            ApiError::invalid(format!("Missing required parameter: '{name}'."))
                .with_param(name)
                .with_code("missing_required_parameter")
        })
    }

    /// The model that is asked for.
    pub(crate) fn model(&self) -> Result<&'a str, ApiError> {
        let absent = || ApiError::invalid("you must provide a model parameter");
        let model = self.value("model").ok_or_else(absent)?;
        model
            .as_str()
            .ok_or_else(|| wrong_type("model", "a string", model))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.read(name, "a string", Value::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        let flag = self.read(name, "a boolean", Value::as_bool)?;
        Ok(flag.unwrap_or(false))
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, ApiError> {
        let members = self.read(name, "an object", Value::as_object)?;
        Ok(members.map(Fields))
    }

    pub(crate) fn array(&self, name: &str) -> Result<Option<&'a [Value]>, ApiError> {
        self.read(name, "an array", |value| {
            value.as_array().map(Vec::as_slice)
        })
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.read(name, "an integer", Value::as_i64)
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn count(
        &self,
        name: &str,
        least: usize,
        most: usize,
    ) -> Result<Option<usize>, ApiError> {
        let Some(number) = self.integer(name)? else {
            return Ok(None);
        };
        match usize::try_from(number) {
            Ok(count) if count > most => Err(beyond(name, "integer", "above", &most, &number)),
            Ok(count) if count >= least => Ok(Some(count)),
            _ => Err(beyond(name, "integer", "below", &least, &number)),
        }
    }

    /// A number from `least` to `most`.
    pub(crate) fn decimal(
        &self,
        name: &str,
        least: f32,
        most: f32,
    ) -> Result<Option<f32>, ApiError> {
        let Some(number) = self.read(name, "a decimal", Value::as_f64)? else {
            return Ok(None);
        };
        if number > f64::from(most) {
            return Err(beyond(name, "decimal", "above", &most, &number));
        }
        if number < f64::from(least) {
            return Err(beyond(name, "decimal", "below", &least, &number));
        }
        Ok(Some(number as f32))
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        self.value(name)
            .map(|value| read(value).ok_or_else(|| wrong_type(name, expected, value)))
            .transpose()
    }
}

/// The error for a value of the wrong type; `expected` with its article, such as "an array".
pub(crate) fn wrong_type(param: &str, expected: &str, value: &Value) -> ApiError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message =
        format!("Invalid type for '{param}': expected {expected}, but got {found} instead.");
    ApiError::invalid(message)
        .with_param(param)
        .with_code("invalid_type")
}

/// The error for a value that is not one of those allowed.
pub(crate) fn wrong_value(param: &str, found: &str, allowed: &str) -> ApiError {
    let message = format!("Invalid value: '{found}'. Supported values are: {allowed}.");
    ApiError::invalid(message)
        .with_param(param)
        .with_code("invalid_value")
}

fn beyond(
    param: &str,
    kind: &str,
    side: &str,
    limit: &dyn Display,
    found: &dyn Display,
) -> ApiError {
    let (extreme, sign, code) = match (kind, side) {
        ("integer", "above") => ("maximum", "<=", "integer_above_max_value"),
        ("integer", _) => ("minimum", ">=", "integer_below_min_value"),
        (_, "above") => ("maximum", "<=", "decimal_above_max_value"),
        _ => ("minimum", ">=", "decimal_below_min_value"),
    };
    let message = format!(
        "Invalid '{param}': {kind} {side} {extreme} value. Expected a value {sign} {limit}, \
         but got {found} instead."
    );
    ApiError::invalid(message).with_param(param).with_code(code)
}
