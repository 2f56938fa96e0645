//! The top-level fields of a request, and typed access to the few that matter.
//!
//! As with OpenAI, null counts as absent wherever a parameter is optional.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::refusal::RequestError;
use crate::json::{self, Kind, Value};

/// The fields in the order they were sent.
#[derive(Debug, Clone)]
pub(crate) struct Fields(IndexMap<String, Box<RawValue>>);

/// More output than this is a mistake, not a wish.
const MOST_OUTPUT_TOKENS: u64 = i32::MAX as u64;

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Self, RequestError> {
        let text = std::str::from_utf8(body)
            .map_err(|error| RequestError::not_json(&format!("it is not UTF-8 ({error})")))?;
        match serde_json::from_str(text) {
            Ok(fields) => Ok(Self(fields)),
            Err(error) => match Value::check(text) {
                Ok(value) if Kind::of(value) != Kind::Object => {
                    let got = Kind::of(value).phrase();
                    Err(RequestError {
                        message: format!(
                            "Invalid type for the request body: expected an object, but got {got} \
                             instead."
                        ),
                        param: None,
                        code: Some("invalid_type"),
                    })
                }
                _ => Err(RequestError::not_json(&error.to_string())),
            },
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), Value::from(&**value)))
    }

    pub(super) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(|value| &**value)
    }

    /// The value as sent, null included.
    pub(super) fn sent(&self, name: &str) -> Option<Value<'_>> {
        self.raw(name).map(Value::from)
    }

    pub(crate) fn present(&self, name: &str) -> Option<Value<'_>> {
        self.sent(name).filter(|value| !json::is_null(*value))
    }

    pub(super) fn model(&self) -> Result<String, RequestError> {
        let model = self.present("model").ok_or_else(RequestError::no_model)?;
        expect(model, Kind::Text, "model", "a string")?;
        let model = json::text(model).ok_or(json::Malformed)?;
        if model.is_empty() {
            return Err(RequestError::no_model());
        }
        Ok(model.into_owned())
    }

    /// Whether to stream, and whether with usage.
    pub(super) fn stream(&self) -> Result<(bool, bool), RequestError> {
        let stream = match self.present("stream") {
            Some(value) => boolean(value, "stream")?,
            None => false,
        };
        let Some(options) = self.present("stream_options") else {
            return Ok((stream, false));
        };
        expect(options, Kind::Object, "stream_options", "an object")?;
        if !stream {
            return Err(RequestError {
                message: "The 'stream_options' parameter is only allowed when 'stream' is enabled."
                    .into(),
                param: Some("stream_options".into()),
                code: None,
            });
        }
        let include_usage = match json::member(options, "include_usage") {
            Some(value) => boolean(value, "stream_options.include_usage")?,
            None => false,
        };
        Ok((stream, include_usage))
    }

    /// Bytes of the fields with these names.
    pub(super) fn bytes_of(&self, names: &[&str]) -> u64 {
        let present = names.iter().filter_map(|name| self.present(name));
        present.map(|value| value.get().len() as u64).sum()
    }

    /// A limit of output tokens, at least 1.
    pub(super) fn output_limit(&self, name: &str) -> Result<Option<u64>, RequestError> {
        self.integer(name, MOST_OUTPUT_TOKENS)
    }

    /// An integer from 1 to `most`.
    pub(super) fn integer(&self, name: &str, most: u64) -> Result<Option<u64>, RequestError> {
        let Some(value) = self.present(name) else {
            return Ok(None);
        };
        expect(value, Kind::Integer, name, "an integer")?;
        let digits = value.get();
        let shown = digits.get(..40).unwrap_or(digits);
        match digits.parse::<u64>() {
            Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
            Ok(0) => Err(RequestError::below_minimum(name, 1, shown)),
            Err(_) if digits.starts_with('-') => Err(RequestError::below_minimum(name, 1, shown)),
            _ => Err(RequestError::above_maximum(name, most, shown)),
        }
    }

    /// A field that must be there, null not counting as there.
    pub(super) fn required(&self, name: &str) -> Result<Value<'_>, RequestError> {
        self.sent(name).ok_or_else(|| RequestError::missing(name))
    }
}

/// Refuses `value` unless it is of `kind`; `expected` names the kind with its article.
pub(super) fn expect(
    value: Value<'_>,
    kind: Kind,
    param: &str,
    expected: &str,
) -> Result<(), RequestError> {
    let got = Kind::of(value);
    if got == kind {
        return Ok(());
    }
    Err(RequestError::wrong_type(param, expected, got))
}

fn boolean(value: Value<'_>, param: &str) -> Result<bool, RequestError> {
    expect(value, Kind::Boolean, param, "a boolean")?;
    Ok(value.get() == "true")
}
