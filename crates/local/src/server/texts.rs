//! Inputs that may be a text, several texts, the tokens of a text, or those of several.

use serde_json::Value;

use super::App;
use super::error::ApiError;
use super::fields::{wrong_type, wrong_value};

/// One text, or what it was split into already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Plain(String),
    Tokens(Vec<u32>),
}

/// The member that holds the texts, and how many it may hold.
pub(crate) struct Texts {
    pub(crate) param: &'static str,
    pub(crate) most: usize,
}

const EXPECTED: &str = "a string, an array of strings, or arrays of token ids";

impl Texts {
    /// Reads any of the four forms. No text is empty, and there is at least one.
    pub(crate) fn read(&self, value: &Value) -> Result<Vec<Text>, ApiError> {
        let texts = match value {
            Value::String(text) => vec![Text::Plain(text.clone())],
            Value::Array(list) if list.first().is_some_and(Value::is_number) => {
                vec![self.tokens(value, list)?]
            }
            Value::Array(list) => self.list(list)?,
            other => return Err(wrong_type(self.param, EXPECTED, other)),
        };
        let empty = texts.iter().any(|text| match text {
            Text::Plain(text) => text.is_empty(),
            Text::Tokens(tokens) => tokens.is_empty(),
        });
        if empty || texts.is_empty() {
            return Err(wrong_value(self.param, "", "texts that are not empty"));
        }
        Ok(texts)
    }

    fn list(&self, list: &[Value]) -> Result<Vec<Text>, ApiError> {
        if list.len() > self.most {
            let message = format!(
                "Invalid '{}': array too long. Expected an array with maximum length {}, but \
                 got an array with length {} instead.",
                self.param,
                self.most,
                list.len()
            );
            return Err(ApiError::invalid(message)
                .with_param(self.param)
                .with_code("array_above_max_length"));
        }
        let texts = list.iter().map(|value| match value {
            Value::String(text) => Ok(Text::Plain(text.clone())),
            Value::Array(list) => self.tokens(value, list),
            other => Err(wrong_type(self.param, EXPECTED, other)),
        });
        texts.collect()
    }

    fn tokens(&self, whole: &Value, list: &[Value]) -> Result<Text, ApiError> {
        let tokens = list.iter().map(|token| {
            let token = token.as_u64().and_then(|token| u32::try_from(token).ok());
            token.ok_or_else(|| wrong_type(self.param, EXPECTED, whole))
        });
        tokens.collect::<Result<_, _>>().map(Text::Tokens)
    }
}

/// The tokens of all texts, each checked to be known to the model.
pub(crate) async fn split_all(
    app: &App,
    param: &'static str,
    texts: Vec<Text>,
) -> Result<Vec<Vec<u32>>, ApiError> {
    let size = app.engine.vocabulary_size();
    for text in &texts {
        if let Text::Tokens(tokens) = text
            && let Some(token) = tokens.iter().find(|token| **token as usize >= size)
        {
            let known = format!("token ids below {size}");
            return Err(wrong_value(param, &token.to_string(), &known));
        }
    }
    app.split(move |engine| {
        let tokens = texts.into_iter().map(|text| match text {
            Text::Plain(text) => engine.text_prompt(&text),
            Text::Tokens(tokens) => Ok(tokens),
        });
        tokens.collect()
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INPUT: Texts = Texts {
        param: "input",
        most: 2,
    };

    #[test]
    fn all_four_forms_are_read() {
        let plain = |text: &str| Text::Plain(text.to_owned());
        let table = [
            (json!("a"), vec![plain("a")]),
            (json!(["a", "b"]), vec![plain("a"), plain("b")]),
            (json!([1, 2, 3]), vec![Text::Tokens(vec![1, 2, 3])]),
            (
                json!([[1], [2, 3]]),
                vec![Text::Tokens(vec![1]), Text::Tokens(vec![2, 3])],
            ),
        ];
        for (value, expected) in table {
            assert_eq!(INPUT.read(&value).unwrap(), expected, "{value}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let table = [
            json!(5),
            json!({}),
            json!(""),
            json!([]),
            json!(["a", ""]),
            json!(["a", 5]),
            json!([1, "a"]),
            json!([-1]),
            json!([[1], []]),
            json!(["a", "b", "c"]),
        ];
        for value in table {
            let error = INPUT.read(&value).expect_err(&value.to_string());
            let error: Value = serde_json::from_slice(&error.to_json()).unwrap();
            assert_eq!(error["error"]["param"], "input", "{value}");
        }
    }
}
