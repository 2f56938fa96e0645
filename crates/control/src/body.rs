//! Reads a request's JSON object, and says in OpenAI's words what is wrong with it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Map, Value};

use crate::Control;
use crate::respond::{self, Refusal};

/// The members of a body; none of an empty one. Members that nobody asks for are ignored.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl FromRequest<Control> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, control).await;
        let fields = body
            .map_err(|why| match why.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
                _ => Refusal::CutOff,
            })
            .and_then(|body| Fields::parse(&headers, &body));
        fields.map_err(|refusal| respond::answer::<()>(control, Err(refusal)))
    }
}

impl Fields {
    fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Ok(Fields(Map::new()));
        }
        let media_type = text(headers, &CONTENT_TYPE).unwrap_or("none");
        if !is_json(media_type) {
            return Err(Refusal::ContentType(shown(media_type)));
        }
        match text(headers, &CONTENT_ENCODING) {
            Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
                return Err(Refusal::ContentEncoding(shown(encoding)));
            }
            _ => {}
        }
        serde_json::from_slice(body)
            .map(Fields)
            .map_err(|_| Refusal::NotJson)
    }

    /// A name: one to 256 characters, not only spaces.
    pub(crate) fn name(&self, param: &'static str) -> Result<Option<String>, Refusal> {
        let name = match self.0.get(param) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.trim(),
            Some(other) => return Err(wrong_type(param, "a string", other)),
        };
        let problem = match name {
            "" => "it must not be empty",
            name if name.chars().count() > 256 => "at most 256 characters are allowed",
            name if name.chars().any(char::is_control) => "it must be one line of plain text",
            name => return Ok(Some(name.to_owned())),
        };
        Err(Refusal::Invalid {
            param: param.into(),
            message: format!("Invalid '{param}': {problem}."),
        })
    }

    /// Seconds from now until something expires: 1 to a year's.
    pub(crate) fn seconds(&self, param: &'static str) -> Result<Option<i64>, Refusal> {
        let number = match self.0.get(param) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(other) => return Err(wrong_type(param, "an integer", other)),
        };
        let seconds = number.as_i64().filter(|it| (1..=31_536_000).contains(it));
        seconds.map(Some).ok_or_else(|| Refusal::Invalid {
            param: param.into(),
            message: format!("Invalid '{param}': expected an integer from 1 to 31536000."),
        })
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&self, param: &'static str) -> Result<bool, Refusal> {
        match self.0.get(param) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong_type(param, "a boolean", other)),
        }
    }
}

fn wrong_type(param: &str, expected: &str, got: &Value) -> Refusal {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Refusal::WrongType {
        param: param.into(),
        message: format!("Invalid type for '{param}': expected {expected}, but got {got} instead."),
    }
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("unreadable"))
}

fn shown(header: &str) -> String {
    header.chars().take(100).collect()
}
