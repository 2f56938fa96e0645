//! OpenAI's error envelope: `{"error": {"message", "type", "param", "code"}}`.
//!
//! Written with all four keys always, because the SDKs' types require them; read leniently, because
//! servers that imitate OpenAI leave keys out or send numbers as codes.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

/// What went wrong, as the caller is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// What happened and what to do next.
    pub message: String,
    /// Written as `type`, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Dotted path of the parameter at fault, such as `messages[0].role`.
    pub param: Option<String>,
    /// The word that programs match on, such as `model_not_found`.
    pub code: Option<Cow<'static, str>>,
}

/// OpenAI's words to a caller who may not do this; `names` are those of the permissions.
#[must_use]
pub fn missing_scopes(names: &str) -> String {
    format!(
        "You have insufficient permissions for this operation. Missing scopes: {names}. Check that \
         you have the correct role in your organization (Reader, Owner) and project (Member, \
         Owner), and if you're using a restricted API key, that it has the necessary scopes."
    )
}

impl ErrorBody {
    /// The envelope as JSON, with all four keys.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a ErrorBody,
        }
        serde_json::to_vec(&Envelope { error: self }).expect("strings always serialise")
    }

    /// Recognises an upstream's error, `None` if `body` is something else.
    ///
    /// Besides OpenAI's envelope this knows `{"error": "text"}` (Ollama) and the bare object
    /// `{"object": "error", "message": …}` (older vLLM).
    pub fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        match body.get("error") {
            Some(error @ Value::Object(_)) => Some(Self::from_members(error)),
            Some(Value::String(message)) => Some(Self::unclassified(message.clone())),
            _ if body.get("object").and_then(Value::as_str) == Some("error") => {
                Some(Self::from_members(&body))
            }
            _ => None,
        }
    }

    pub(crate) fn from_members(error: &Value) -> Self {
        let word = |key: &str| match error.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let mut body = Self::unclassified(word("message").unwrap_or_default());
        if let Some(kind) = word("type").filter(|kind| kind != "error") {
            body.kind = Cow::Owned(kind);
        }
        body.param = word("param");
        body.code = word("code").map(Cow::Owned);
        body
    }

    fn unclassified(message: String) -> Self {
        Self {
            message,
            kind: Cow::Borrowed("server_error"),
            param: None,
            code: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_always_has_four_keys() {
        let body = ErrorBody {
            message: "No \"such\" model".into(),
            kind: Cow::Borrowed("invalid_request_error"),
            param: None,
            code: Some(Cow::Borrowed("model_not_found")),
        };
        assert_eq!(
            String::from_utf8(body.to_json()).expect("utf-8"),
            r#"{"error":{"message":"No \"such\" model","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#
        );
        assert_eq!(ErrorBody::parse(&body.to_json()), Some(body));
    }

    #[test]
    fn upstreams_errors_are_recognised() {
        let cases = [
            (
                r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
                "m|t|p|c",
            ),
            (
                r#"{"error":{"message":"m","code":503}}"#,
                "m|server_error||503",
            ),
            (
                r#"{"error":{"type":null,"message":null}}"#,
                "|server_error||",
            ),
            (
                r#"{"error":"model not loaded"}"#,
                "model not loaded|server_error||",
            ),
            (
                r#"{"object":"error","message":"m","type":"NotFound","code":404}"#,
                "m|NotFound||404",
            ),
        ];
        for (json, expected) in cases {
            let body = ErrorBody::parse(json.as_bytes()).expect(json);
            let param = body.param.unwrap_or_default();
            let code = body.code.unwrap_or_default();
            assert_eq!(
                format!("{}|{}|{param}|{code}", body.message, body.kind),
                expected
            );
        }
    }

    #[test]
    fn other_bodies_are_not_errors() {
        for json in [
            r#"{"choices":[],"error":null}"#,
            "[]",
            "{}",
            "<html>",
            "\"error\"",
            "{\"error\":7}",
        ] {
            assert_eq!(ErrorBody::parse(json.as_bytes()), None, "{json}");
        }
    }
}
