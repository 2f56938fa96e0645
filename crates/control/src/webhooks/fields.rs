//! What callers say of endpoints.

use domain::alert::AlertKind;
use domain::time::AtUs;
use domain::webhook::{Form, Off, Reach};
use serde_json::{Map, json};
use store::audit::{Event, Kind};
use store::webhooks::Endpoint;
use utoipa::ToSchema;

use super::{WebhookForm, address};
use crate::body::Fields;
use crate::respond::Outcome;

/// The longest that a description may be.
const DESCRIPTION_CHARS: usize = 500;

/// An endpoint to be made.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct NewWebhookEndpoint {
    /// It begins with `https://`, and its host is on the public internet, unless only its own
    /// machine reaches the installation.
    #[schema(
        example = "https://example.com/farebox",
        min_length = 1,
        max_length = 2_000
    )]
    url: String,
    /// If absent: `standard`.
    #[schema(rename = "type")]
    form: Option<WebhookForm>,
    /// The kinds of alerts that it is told of. Absent or null: all.
    #[schema(example = json!(["low_balance", "recharge_failed"]), max_items = 100)]
    kinds: Option<Vec<String>>,
    #[schema(example = "Pages whoever is on call", max_length = 500)]
    description: Option<String>,
}

/// What is to change of an endpoint; what is absent stays.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct WebhookEndpointChanges {
    #[schema(
        example = "https://example.com/farebox",
        min_length = 1,
        max_length = 2_000
    )]
    url: Option<String>,
    /// In place of all that were named before; null: all.
    #[schema(example = json!(["low_balance"]), max_items = 100)]
    kinds: Option<Vec<String>>,
    #[schema(example = "Pages whoever is on call", max_length = 500)]
    description: Option<String>,
    /// False switches it off: nothing is sent, and what happens meanwhile is not sent later.
    enabled: Option<bool>,
}

/// What was read of a new endpoint.
pub(super) struct NewEndpoint {
    pub(super) form: Form,
    pub(super) url: String,
    pub(super) kinds: Option<Vec<AlertKind>>,
    pub(super) description: String,
}

/// What was read of changes.
pub(super) struct EndpointChanges {
    pub(super) url: Option<String>,
    kinds: Option<Option<Vec<AlertKind>>>,
    description: Option<String>,
    enabled: Option<bool>,
}

impl NewEndpoint {
    pub(super) fn read(fields: &Fields, reach: &Reach) -> Outcome<Self> {
        let form = fields.word("type", Form::ALL.map(|it| (it.as_str(), it)))?;
        Ok(NewEndpoint {
            form: form.unwrap_or(Form::Standard),
            url: fields.required("url", url(fields, reach)?)?,
            kinds: kinds(fields)?,
            description: description(fields)?.unwrap_or_default(),
        })
    }
}

impl EndpointChanges {
    pub(super) fn read(fields: &Fields, reach: &Reach) -> Outcome<Self> {
        let enabled = fields.flag("enabled")?;
        Ok(EndpointChanges {
            url: url(fields, reach)?,
            kinds: fields.or_null("kinds", kinds(fields)?),
            description: description(fields)?,
            enabled,
        })
    }

    /// What the audit log says; none if nothing changes.
    pub(super) fn to_event(&self, endpoint: &Endpoint) -> Option<Event> {
        let mut changes = Map::new();
        let mut change = |name: &str, value| {
            changes.insert(name.to_owned(), value);
        };
        if let Some(url) = &self.url {
            change("url", json!(address::shown(url, endpoint.form)));
        }
        if let Some(kinds) = &self.kinds {
            let words = kinds.as_ref();
            let words = words.map(|kinds| kinds.iter().map(|it| it.as_str()).collect::<Vec<_>>());
            change("kinds", json!(words));
        }
        if let Some(description) = &self.description {
            change("description", json!(description));
        }
        if let Some(enabled) = self.enabled.filter(|it| *it != endpoint.off.is_none()) {
            change("enabled", json!(enabled));
        }
        let is_changed = !changes.is_empty();
        is_changed
            .then(|| Event::new(Kind::WebhookEndpointUpdated, &endpoint.id).changes(changes.into()))
    }

    /// Changes all but the address. An endpoint that is switched on begins with a clean record.
    pub(super) fn apply(self, endpoint: &mut Endpoint, now: AtUs) {
        if let Some(kinds) = self.kinds {
            endpoint.kinds = kinds;
        }
        if let Some(description) = self.description {
            endpoint.description = description;
        }
        match self.enabled {
            Some(true) if endpoint.off.is_some() => {
                endpoint.off = None;
                endpoint.failing_since = None;
            }
            Some(false) => endpoint.off = endpoint.off.or(Some((Off::ByHand, now))),
            _ => {}
        }
    }
}

fn url(fields: &Fields, reach: &Reach) -> Outcome<Option<String>> {
    let Some(text) = fields.text("url")? else {
        return Ok(None);
    };
    match address::check(text, reach) {
        Ok(()) => Ok(Some(text.to_owned())),
        Err(problem) => Err(fields.invalid("url", problem)),
    }
}

fn kinds(fields: &Fields) -> Outcome<Option<Vec<AlertKind>>> {
    let Some(words) = fields.ids("kinds", 100)? else {
        return Ok(None);
    };
    let mut kinds = Vec::with_capacity(words.len());
    for word in words {
        let kind = AlertKind::from_word(word);
        let unknown = || fields.invalid("kinds", &format!("there is no kind '{word}'"));
        kinds.push(kind.ok_or_else(unknown)?);
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(Some(kinds))
}

fn description(fields: &Fields) -> Outcome<Option<String>> {
    match fields.text("description")? {
        Some(text) if text.chars().count() > DESCRIPTION_CHARS => {
            let problem = format!("at most {DESCRIPTION_CHARS} characters are allowed");
            Err(fields.invalid("description", &problem))
        }
        Some(text) if text.chars().any(char::is_control) => {
            Err(fields.invalid("description", "it must be one line of plain text"))
        }
        text => Ok(text.map(ToOwned::to_owned)),
    }
}
