//! A layer of configuration as a tree in which every value remembers where it was written, so that
//! every complaint can name a line of a file or an environment variable.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded example file.
    Default,
    /// A line of the configuration file, counted from 1.
    File {
        /// The file as it was named.
        name: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("farebox.example.toml"),
            Origin::File { name, line } => write!(f, "{name}:{line}"),
            Origin::Environment(name) => f.write_str(name),
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value as it was written. Numbers stay text until someone asks for a number.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(BTreeMap<String, Item>),
    List(Vec<Item>),
    Text(String),
    Integer(String),
    Float,
    /// Anything else that TOML can write and no key of ours takes.
    Other(&'static str),
    /// An environment variable's text: its type is whatever the key wants.
    Environment(String),
}

impl Value {
    /// What to call such a value in a complaint.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Table(_) => "a section",
            Value::List(_) => "a list",
            Value::Text(_) | Value::Environment(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float => "a number with a fraction",
            Value::Other(kind) => kind,
        }
    }
}

impl Item {
    /// What was written elsewhere than in the example file: each value's name, and where.
    pub(super) fn stated(&self) -> Vec<(String, Origin)> {
        let mut stated = Vec::new();
        self.add_stated(String::new(), &mut stated);
        stated
    }

    fn add_stated(&self, name: String, stated: &mut Vec<(String, Origin)>) {
        match &self.value {
            Value::Table(members) => {
                for (key, item) in members {
                    let name = match name.is_empty() {
                        true => key.clone(),
                        false => format!("{name}.{key}"),
                    };
                    item.add_stated(name, stated);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.add_stated(format!("{name}[{index}]"), stated);
                }
            }
            _ if self.origin == Origin::Default => {}
            _ => stated.push((name, self.origin.clone())),
        }
    }
}

/// Reads a TOML document; `locate` tells the origin of a line.
///
/// # Errors
/// The line and what is wrong there. The line's text is left out: it may hold a password.
pub(super) fn parse_document(
    text: &str,
    locate: &dyn Fn(usize) -> Origin,
) -> Result<Item, (Origin, String)> {
    let line_of = |offset: usize| {
        1 + text.as_bytes()[..offset.min(text.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    };
    let at = |offset: usize| locate(line_of(offset));
    let table = DeTable::parse(text).map_err(|error| {
        let origin = at(error.span().map_or(0, |span| span.start));
        (origin, error.message().replace('\n', "; "))
    })?;
    Ok(Item {
        value: convert_table(table.into_inner(), &at),
        origin: locate(1),
    })
}

/// Reads one TOML value, such as a list in an environment variable. All of it has one `origin`.
pub(super) fn parse_value(text: &str, origin: &Origin) -> Option<Item> {
    let value = DeValue::parse(text.trim()).ok()?;
    Some(convert(value, &|_| origin.clone()))
}

/// Reads one JSON value, for those who write lists that way. All of it has one `origin`.
pub(super) fn parse_json(text: &str, origin: &Origin) -> Option<Item> {
    fn convert(json: serde_json::Value, origin: &Origin) -> Item {
        use serde_json::Value as Json;
        let value = match json {
            Json::Object(map) => {
                let items = map
                    .into_iter()
                    .map(|(key, value)| (key, convert(value, origin)));
                Value::Table(items.collect())
            }
            Json::Array(list) => Value::List(
                list.into_iter()
                    .map(|value| convert(value, origin))
                    .collect(),
            ),
            Json::String(text) => Value::Text(text),
            Json::Number(number) if number.is_i64() || number.is_u64() => {
                Value::Integer(number.to_string())
            }
            Json::Number(_) => Value::Float,
            Json::Bool(_) => Value::Other("true or false"),
            Json::Null => Value::Other("null"),
        };
        Item {
            value,
            origin: origin.clone(),
        }
    }
    serde_json::from_str(text)
        .ok()
        .map(|json| convert(json, origin))
}

/// Lays `over` on `under`: sections are merged key by key, everything else is replaced.
pub(super) fn overlay(under: &mut Item, over: Item) {
    match (&mut under.value, over.value) {
        (Value::Table(under), Value::Table(over)) => {
            for (key, item) in over {
                match under.get_mut(&key) {
                    Some(below) => overlay(below, item),
                    None => {
                        under.insert(key, item);
                    }
                }
            }
        }
        (value, over_value) => {
            *value = over_value;
            under.origin = over.origin;
        }
    }
}

fn convert_table(table: DeTable<'_>, at: &dyn Fn(usize) -> Origin) -> Value {
    let items = table.into_iter().map(|(key, value)| {
        let origin = at(key.span().start);
        let mut item = convert(value, at);
        item.origin = origin;
        (key.into_inner().into_owned(), item)
    });
    Value::Table(items.collect())
}

fn convert(value: Spanned<DeValue<'_>>, at: &dyn Fn(usize) -> Origin) -> Item {
    let origin = at(value.span().start);
    let value = match value.into_inner() {
        DeValue::Table(table) => convert_table(table, at),
        DeValue::Array(list) => {
            Value::List(list.into_iter().map(|value| convert(value, at)).collect())
        }
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let digits = i128::from_str_radix(number.as_str(), number.radix());
            Value::Integer(digits.map_or_else(|_| number.to_string(), |value| value.to_string()))
        }
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(_) => Value::Other("true or false"),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Item { value, origin }
}
