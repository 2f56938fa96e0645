//! The members that chat and plain completions share: how many answers, how long, how chosen.

use serde_json::Value;

use super::error::ApiError;
use super::fields::{Fields, wrong_type, wrong_value};
use crate::engine::Sampling;
use crate::entropy;

/// OpenAI's default is 1, at which a model of 135 million parameters talks nonsense. Requests
/// that name a temperature get that one.
const DEFAULT_TEMPERATURE: f32 = 0.2;
const MAX_CHOICES: usize = 8;
const MAX_STOPS: usize = 4;

/// How a request wants to be answered.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) choices: usize,
    /// Nothing if the request leaves it to the model.
    pub(crate) max_tokens: Option<usize>,
    pub(crate) stop: Vec<String>,
    pub(crate) sampling: Sampling,
    pub(crate) stream: bool,
    /// Whether a stream ends with a chunk of usage.
    pub(crate) include_usage: bool,
}

impl Settings {
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let stream = fields.flag("stream")?;
        let choices = fields.count("n", 1, MAX_CHOICES)?;
        let limit = fields.count("max_completion_tokens", 1, usize::MAX)?;
        let older_limit = fields.count("max_tokens", 1, usize::MAX)?;
        Ok(Self {
            choices: choices.unwrap_or(1),
            max_tokens: limit.or(older_limit),
            stop: stop(fields)?,
            sampling: sampling(fields)?,
            include_usage: include_usage(fields, stream)?,
            stream,
        })
    }
}

fn sampling(fields: &Fields<'_>) -> Result<Sampling, ApiError> {
    let temperature = fields.decimal("temperature", 0.0, 2.0)?;
    let top_p = fields.decimal("top_p", 0.0, 1.0)?;
    let frequency_penalty = fields.decimal("frequency_penalty", -2.0, 2.0)?;
    let presence_penalty = fields.decimal("presence_penalty", -2.0, 2.0)?;
    Ok(Sampling {
        temperature: temperature.unwrap_or(DEFAULT_TEMPERATURE),
        top_p: top_p.unwrap_or(1.0),
        frequency_penalty: frequency_penalty.unwrap_or(0.0),
        presence_penalty: presence_penalty.unwrap_or(0.0),
        logit_bias: logit_bias(fields)?,
        // Any number will do as a seed, so the sign is of no account.
        seed: fields
            .integer("seed")?
            .map_or_else(entropy::seed, i64::cast_unsigned),
    })
}

fn logit_bias(fields: &Fields<'_>) -> Result<Vec<(u32, f32)>, ApiError> {
    let Some(biases) = fields.object("logit_bias")? else {
        return Ok(Vec::new());
    };
    let mut read = Vec::with_capacity(biases.0.len());
    for token in biases.0.keys() {
        let id = token
            .parse()
            .map_err(|_| wrong_value("logit_bias", token, "token ids and numbers for each"))?;
        let bias = biases.decimal(token, -100.0, 100.0)?;
        read.push((id, bias.unwrap_or(0.0)));
    }
    Ok(read)
}

fn stop(fields: &Fields<'_>) -> Result<Vec<String>, ApiError> {
    let texts = match fields.value("stop") {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => return Ok(vec![text.clone()]),
        Some(Value::Array(texts)) => texts,
        Some(other) => return Err(wrong_type("stop", "a string or an array of strings", other)),
    };
    if texts.len() > MAX_STOPS {
        let message = format!(
            "Invalid 'stop': array too long. Expected an array with maximum length {MAX_STOPS}, \
             but got an array with length {} instead.",
            texts.len()
        );
        return Err(ApiError::invalid(message)
            .with_param("stop")
            .with_code("array_above_max_length"));
    }
    let texts = texts.iter().enumerate().map(|(index, text)| match text {
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong_type(&format!("stop[{index}]"), "a string", other)),
    });
    texts.collect()
}

fn include_usage(fields: &Fields<'_>, stream: bool) -> Result<bool, ApiError> {
    let Some(options) = fields.object("stream_options")? else {
        return Ok(false);
    };
    if stream {
        options.flag("include_usage")
    } else {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        Err(ApiError::invalid(message).with_param("stream_options"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Settings, ApiError> {
        Settings::read(&Fields(body.as_object().unwrap()))
    }

    #[test]
    fn what_is_not_said_is_ours_to_choose() {
        let settings = read(&json!({"n": null, "stop": null})).unwrap();
        assert_eq!(settings.choices, 1);
        assert_eq!(settings.max_tokens, None);
        assert_eq!(settings.sampling.temperature, DEFAULT_TEMPERATURE);
        assert!(settings.stop.is_empty() && !settings.stream);
        let again = read(&json!({})).unwrap();
        assert_ne!(settings.sampling.seed, again.sampling.seed);
    }

    #[test]
    fn what_is_said_is_taken() {
        let settings = read(&json!({
            "n": 2, "max_tokens": 5, "max_completion_tokens": 7, "stop": "x", "seed": -1,
            "logit_bias": {"12": -100}, "stream": true,
            "stream_options": {"include_usage": true},
        }))
        .unwrap();
        assert_eq!((settings.choices, settings.max_tokens), (2, Some(7)));
        assert_eq!(settings.stop, ["x"]);
        assert_eq!(settings.sampling.seed, u64::MAX);
        assert_eq!(settings.sampling.logit_bias, [(12, -100.0)]);
        assert!(settings.stream && settings.include_usage);
    }

    #[test]
    fn errors_name_the_member_and_the_problem() {
        let table = [
            (json!({"n": 0}), "n", "integer_below_min_value"),
            (json!({"n": -3}), "n", "integer_below_min_value"),
            (json!({"n": 9}), "n", "integer_above_max_value"),
            (json!({"n": 1.5}), "n", "invalid_type"),
            (
                json!({"temperature": 2.1}),
                "temperature",
                "decimal_above_max_value",
            ),
            (json!({"top_p": -0.1}), "top_p", "decimal_below_min_value"),
            (
                json!({"max_tokens": 0}),
                "max_tokens",
                "integer_below_min_value",
            ),
            (json!({"stop": 5}), "stop", "invalid_type"),
            (json!({"stop": ["a", 5]}), "stop[1]", "invalid_type"),
            (
                json!({"stop": ["a", "b", "c", "d", "e"]}),
                "stop",
                "array_above_max_length",
            ),
            (json!({"seed": "x"}), "seed", "invalid_type"),
            (
                json!({"logit_bias": {"x": 1}}),
                "logit_bias",
                "invalid_value",
            ),
            (json!({"stream": "yes"}), "stream", "invalid_type"),
        ];
        for (body, param, code) in table {
            let error = read(&body).unwrap_err().to_json();
            let error: Value = serde_json::from_slice(&error).unwrap();
            assert_eq!(error["error"]["param"], param, "{body}");
            assert_eq!(error["error"]["code"], code, "{body}");
        }
        let error = read(&json!({"stream_options": {}})).unwrap_err().to_json();
        assert!(String::from_utf8(error).unwrap().contains("stream_options"));
    }
}
