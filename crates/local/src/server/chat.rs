//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use super::App;
use super::answer::{Prompts, answer};
use super::body::JsonObject;
use super::error::ApiError;
use super::fields::{Fields, wrong_type, wrong_value};
use super::render::Shape;
use super::settings::Settings;
use crate::engine::Message;

const ROLES: &str = "'system', 'developer', 'user', and 'assistant'";

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let fields = Fields(&body);
    app.check_model(fields.model()?)?;
    let messages = messages(&fields)?;
    refuse_unsupported(&fields)?;
    let settings = Settings::read(&fields)?;
    let prompt = app
        .split(move |engine| engine.chat_prompt(&messages))
        .await?;
    let prompts = Prompts {
        tokens: vec![prompt],
        param: "messages",
    };
    answer(&app, Shape::Chat, prompts, settings).await
}

/// What the engine cannot do is refused: an answer that silently ignores a tool or a schema is
/// worse than none.
fn refuse_unsupported(fields: &Fields<'_>) -> Result<(), ApiError> {
    for param in ["tools", "functions"] {
        if fields.array(param)?.is_some_and(|list| !list.is_empty()) {
            return Err(ApiError::unsupported(param));
        }
    }
    for param in ["audio", "prediction", "web_search_options"] {
        if fields.value(param).is_some() {
            return Err(ApiError::unsupported(param));
        }
    }
    if fields.flag("logprobs")? {
        return Err(ApiError::unsupported("logprobs"));
    }
    if fields.integer("top_logprobs")?.is_some_and(|top| top > 0) {
        return Err(ApiError::unsupported("top_logprobs"));
    }
    let format = fields.object("response_format")?;
    let format = format.map(|format| format.text("type")).transpose()?;
    if format.flatten().is_some_and(|kind| kind != "text") {
        return Err(ApiError::unsupported("response_format"));
    }
    let modalities = fields.array("modalities")?.unwrap_or_default();
    if modalities.iter().any(|modality| modality != "text") {
        return Err(ApiError::unsupported("modalities"));
    }
    Ok(())
}

fn messages(fields: &Fields<'_>) -> Result<Vec<Message>, ApiError> {
    let value = fields.required("messages")?;
    let Value::Array(list) = value else {
        return Err(wrong_type("messages", "an array of objects", value));
    };
    if list.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, \
            but got an empty array instead.";
        return Err(ApiError::invalid(message)
            .with_param("messages")
            .with_code("empty_array"));
    }
    let messages = list.iter().enumerate().map(|(index, value)| {
        let path = format!("messages[{index}]");
        let Value::Object(members) = value else {
            return Err(wrong_type(&path, "an object", value));
        };
        message(&path, &Fields(members))
    });
    messages.collect()
}

fn message(path: &str, fields: &Fields<'_>) -> Result<Message, ApiError> {
    let role = match fields
        .required("role")
        .map_err(|e| e.with_param(format!("{path}.role")))?
    {
        Value::String(role) => role.as_str(),
        other => return Err(wrong_type(&format!("{path}.role"), "a string", other)),
    };
    let role = match role {
        // The newer word for the same thing, which templates do not know.
        "developer" => "system",
        "system" | "user" | "assistant" => role,
        other => return Err(wrong_value(&format!("{path}.role"), other, ROLES)),
    };
    let path = format!("{path}.content");
    let content = match fields.value("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => text_of_parts(&path, parts)?,
        None if role == "assistant" => String::new(),
        found => {
            let found = found.unwrap_or(&Value::Null);
            return Err(wrong_type(&path, "a string or an array of objects", found));
        }
    };
    Ok(Message {
        role: role.to_owned(),
        content,
    })
}

fn text_of_parts(path: &str, parts: &[Value]) -> Result<String, ApiError> {
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind != "text" {
            return Err(wrong_value(&format!("{path}.type"), kind, "'text'"));
        }
        let value = part.get("text").unwrap_or(&Value::Null);
        let part = value.as_str();
        text += part.ok_or_else(|| wrong_type(&format!("{path}.text"), "a string", value))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Vec<Message>, ApiError> {
        messages(&Fields(body.as_object().unwrap()))
    }

    fn error_of(error: &ApiError) -> Value {
        let envelope: Value = serde_json::from_slice(&error.to_json()).unwrap();
        envelope["error"].clone()
    }

    #[test]
    fn all_forms_of_text_are_read() {
        let body = json!({"messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Hello "}, {"type": "text", "text": "World"},
            ]},
            {"role": "assistant", "content": null},
        ]});
        let read = read(&body).unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|message| (message.role.as_str(), message.content.as_str()))
            .collect();
        let expected = [
            ("system", "Be brief."),
            ("user", "Hello World"),
            ("assistant", ""),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn errors_name_the_message_at_fault() {
        let table = [
            (json!({}), "messages", "missing_required_parameter"),
            (json!({"messages": "hi"}), "messages", "invalid_type"),
            (json!({"messages": []}), "messages", "empty_array"),
            (json!({"messages": ["hi"]}), "messages[0]", "invalid_type"),
            (
                json!({"messages": [{"content": "x"}]}),
                "messages[0].role",
                "missing_required_parameter",
            ),
            (
                json!({"messages": [{"role": "tool", "content": "x"}]}),
                "messages[0].role",
                "invalid_value",
            ),
            (
                json!({"messages": [{"role": "user"}]}),
                "messages[0].content",
                "invalid_type",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
                "messages[0].content[0].type",
                "invalid_value",
            ),
        ];
        for (body, param, code) in table {
            let error = error_of(&read(&body).unwrap_err());
            assert_eq!(error["param"], param, "{body}");
            assert_eq!(error["code"], code, "{body}");
        }
    }

    #[test]
    fn what_the_model_cannot_do_is_refused_and_empty_wishes_are_not() {
        let table = [
            (json!({"tools": [{"type": "function"}]}), Some("tools")),
            (
                json!({"response_format": {"type": "json_object"}}),
                Some("response_format"),
            ),
            (json!({"logprobs": true}), Some("logprobs")),
            (json!({"modalities": ["text", "audio"]}), Some("modalities")),
            (json!({"audio": {"voice": "x"}}), Some("audio")),
            (
                json!({"tools": [], "logprobs": false, "modalities": ["text"]}),
                None,
            ),
            (
                json!({"response_format": {"type": "text"}, "audio": null}),
                None,
            ),
        ];
        for (body, expected) in table {
            let refused = refuse_unsupported(&Fields(body.as_object().unwrap()));
            let param = refused.err().map(|error| {
                let error = error_of(&error);
                assert_eq!(error["code"], "unsupported_parameter");
                error["param"].as_str().unwrap().to_owned()
            });
            assert_eq!(param.as_deref(), expected, "{body}");
        }
    }
}
