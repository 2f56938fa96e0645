//! Reads a request's JSON object, and says in OpenAI's words what is wrong with it.

use std::fmt;
use std::ops::RangeInclusive;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use domain::money::Nusd;
use domain::people::email::Email;
use domain::time::AtUs;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Map, Value};

use crate::Control;
use crate::query::MOST_SECONDS;
use crate::respond::{self, Refusal};

/// The members of a body, or of an object in it; none of an empty one. Members that nobody asks for
/// are ignored.
pub(crate) struct Fields {
    members: Map<String, Value>,
    /// What stands before a member's name where a refusal names it: the way to this object.
    way: String,
}

// Members may be passwords: only their names are printed.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.keys()).finish()
    }
}

/// The most characters that an id may have; longer texts are no ids.
const ID_BYTES: usize = 512;

impl FromRequest<Control> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, control).await;
        let fields = body
            .map_err(unread)
            .and_then(|body| Fields::parse(&headers, &body));
        fields.map_err(|refusal| respond::answer::<()>(control, Err(refusal)))
    }
}

/// Why a body is not here.
pub(crate) fn unread(why: BytesRejection) -> Refusal {
    match why.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::CutOff,
    }
}

impl Fields {
    fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Ok(Fields::of(Map::new()));
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
        Fields::from_json(body)
    }

    /// The members of an object that came from elsewhere than a caller.
    pub(crate) fn from_json(text: &[u8]) -> Result<Self, Refusal> {
        let members = serde_json::from_slice(text);
        members.map(Fields::of).map_err(|_| Refusal::NotJson)
    }

    fn of(members: Map<String, Value>) -> Self {
        Fields {
            members,
            way: String::new(),
        }
    }

    /// The member `param`; null counts as absent.
    fn given(&self, param: &str) -> Option<&Value> {
        self.members.get(param).filter(|value| !value.is_null())
    }

    /// Whether `param` is there and not null.
    pub(crate) fn has(&self, param: &str) -> bool {
        self.given(param).is_some()
    }

    /// What is to become of something that may be none: none if nobody says, and the inner one if
    /// `param` is null. `value` is what was read of it.
    pub(crate) fn or_null<T>(&self, param: &str, value: Option<T>) -> Option<Option<T>> {
        match self.members.get(param) {
            Some(Value::Null) => Some(None),
            _ => value.map(Some),
        }
    }

    /// The name of every member.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// A member that must be there.
    pub(crate) fn required<T>(&self, param: &str, value: Option<T>) -> Result<T, Refusal> {
        value.ok_or_else(|| Refusal::Missing {
            param: self.path(param),
        })
    }

    /// The object `param` in this one; `way` is what refusals of its members begin with.
    pub(crate) fn object(&self, param: &str, way: &str) -> Result<Option<Fields>, Refusal> {
        match self.given(param) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Fields {
                members: members.clone(),
                way: way.to_owned(),
            })),
            Some(other) => Err(self.wrong_type(param, "an object", other)),
        }
    }

    /// A list of at most `most` objects.
    pub(crate) fn objects(&self, param: &str, most: usize) -> Result<Option<Vec<Fields>>, Refusal> {
        let Some(items) = self.list(param, most)? else {
            return Ok(None);
        };
        let mut objects = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let place = format!("{param}[{index}]");
            match item {
                Value::Object(members) => objects.push(Fields {
                    members: members.clone(),
                    way: format!("{}.", self.path(&place)),
                }),
                other => return Err(self.wrong_type(&place, "an object", other)),
            }
        }
        Ok(Some(objects))
    }

    /// A name: one to 256 characters, not only spaces.
    pub(crate) fn name(&self, param: &str) -> Result<Option<String>, Refusal> {
        let Some(name) = self.text(param)?.map(str::trim) else {
            return Ok(None);
        };
        let problem = match name {
            "" => "it must not be empty",
            name if name.chars().count() > 256 => "at most 256 characters are allowed",
            name if name.chars().any(char::is_control) => "it must be one line of plain text",
            name => return Ok(Some(name.to_owned())),
        };
        Err(self.invalid(param, problem))
    }

    /// The name of something that exists: visible ASCII, as every id and every model's name is.
    pub(crate) fn id(&self, param: &str) -> Result<Option<&str>, Refusal> {
        match self.text(param)? {
            Some(id) if !is_id(id) => Err(self.invalid(param, "it is no id")),
            id => Ok(id),
        }
    }

    /// An e-mail address, as it is compared.
    pub(crate) fn email(&self, param: &str) -> Result<Option<Email>, Refusal> {
        let email = self.text(param)?.map(Email::parse).transpose();
        email.map_err(|problem| self.invalid(param, &problem.to_string()))
    }

    /// A list of at most `most` e-mail addresses, each as [`Fields::email`].
    pub(crate) fn emails(&self, param: &str, most: usize) -> Result<Option<Vec<String>>, Refusal> {
        let Some(items) = self.list(param, most)? else {
            return Ok(None);
        };
        let mut emails = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let place = || format!("{param}[{index}]");
            let Value::String(text) = item else {
                return Err(self.wrong_type(&place(), "a string", item));
            };
            let email = Email::parse(text);
            let email = email.map_err(|problem| self.invalid(&place(), &problem.to_string()))?;
            emails.push(email.as_str().to_owned());
        }
        Ok(Some(emails))
    }

    /// A list of at most `most` ids, each as [`Fields::id`].
    pub(crate) fn ids(&self, param: &str, most: usize) -> Result<Option<Vec<&str>>, Refusal> {
        let Some(items) = self.list(param, most)? else {
            return Ok(None);
        };
        let mut ids = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let place = || format!("{param}[{index}]");
            match item {
                Value::String(id) if is_id(id) => ids.push(id.as_str()),
                Value::String(_) => return Err(self.invalid(&place(), "it is no id")),
                other => return Err(self.wrong_type(&place(), "a string", other)),
            }
        }
        Ok(Some(ids))
    }

    /// A whole number within bounds.
    pub(crate) fn integer(
        &self,
        param: &str,
        bounds: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Refusal> {
        match self.given(param) {
            None => Ok(None),
            Some(value) => self.whole(param, value, &bounds).map(Some),
        }
    }

    /// A list of at most `most` different whole numbers within bounds, sorted.
    pub(crate) fn integers(
        &self,
        param: &str,
        bounds: RangeInclusive<i64>,
        most: usize,
    ) -> Result<Option<Vec<i64>>, Refusal> {
        let Some(items) = self.list(param, most)? else {
            return Ok(None);
        };
        let numbers = items.iter().map(|item| self.whole(param, item, &bounds));
        let mut numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        numbers.sort_unstable();
        match numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(self.invalid(param, &format!("{} is in it twice", pair[0]))),
            None => Ok(Some(numbers)),
        }
    }

    fn whole(
        &self,
        param: &str,
        value: &Value,
        bounds: &RangeInclusive<i64>,
    ) -> Result<i64, Refusal> {
        let Value::Number(number) = value else {
            return Err(self.wrong_type(param, "an integer", value));
        };
        let number = number.as_i64().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            self.invalid(
                param,
                &format!("expected an integer from {least} to {most}"),
            )
        })
    }

    /// An amount in USD as a decimal string.
    pub(crate) fn usd(&self, param: &str) -> Result<Option<Nusd>, Refusal> {
        let amount = self.text(param)?.map(Nusd::parse_usd).transpose();
        amount.map_err(|problem| self.invalid(param, &problem.to_string()))
    }

    /// An amount in USD as a number or a decimal string, to the nearest nano-dollar.
    pub(crate) fn rounded_usd(&self, param: &str) -> Result<Option<Nusd>, Refusal> {
        let text = match self.given(param) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => return Err(self.wrong_type(param, "a number", other)),
        };
        let amount = Nusd::parse_rounded_usd(&text);
        let amount = amount.ok_or_else(|| self.invalid(param, "it is no amount in US dollars"))?;
        Ok(Some(amount))
    }

    /// One of a few words, as what it stands for.
    pub(crate) fn word<T>(
        &self,
        param: &str,
        words: impl IntoIterator<Item = (&'static str, T)>,
    ) -> Result<Option<T>, Refusal> {
        let Some(given) = self.text(param)? else {
            return Ok(None);
        };
        let mut known = Vec::new();
        for (word, meaning) in words {
            if word == given {
                return Ok(Some(meaning));
            }
            known.push(format!("'{word}'"));
        }
        Err(self.invalid(param, &format!("expected {}", known.join(" or "))))
    }

    /// Whether `param` is not there, or is this text.
    pub(crate) fn is_absent_or(&self, param: &str, text: &str) -> bool {
        self.given(param).is_none_or(|value| value == text)
    }

    /// An instant in Unix seconds.
    pub(crate) fn instant(&self, param: &str) -> Result<Option<AtUs>, Refusal> {
        let second = self.integer(param, 0..=MOST_SECONDS)?;
        Ok(second.map(AtUs::from_seconds))
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&self, param: &str) -> Result<Option<bool>, Refusal> {
        match self.given(param) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.wrong_type(param, "a boolean", other)),
        }
    }

    fn list(&self, param: &str, most: usize) -> Result<Option<&Vec<Value>>, Refusal> {
        match self.given(param) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() > most => {
                Err(self.invalid(param, &format!("at most {most} are allowed")))
            }
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong_type(param, "an array", other)),
        }
    }

    /// Any text.
    pub(crate) fn text(&self, param: &str) -> Result<Option<&str>, Refusal> {
        match self.given(param) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(param, "a string", other)),
        }
    }

    /// Refuses the member `param`: it is there, and not what it should be.
    pub(crate) fn invalid(&self, param: &str, problem: &str) -> Refusal {
        let param = self.path(param);
        Refusal::Invalid {
            message: format!("Invalid '{param}': {problem}."),
            param,
        }
    }

    fn wrong_type(&self, param: &str, expected: &str, got: &Value) -> Refusal {
        let param = self.path(param);
        let got = match got {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        Refusal::WrongType {
            message: format!(
                "Invalid type for '{param}': expected {expected}, but got {got} instead."
            ),
            param,
        }
    }

    fn path(&self, param: &str) -> String {
        format!("{}{param}", self.way)
    }
}

/// Whether a text may be an id: it is visible ASCII.
fn is_id(text: &str) -> bool {
    let bytes = (1..=ID_BYTES).contains(&text.len());
    bytes && text.bytes().all(|byte| byte.is_ascii_graphic())
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
