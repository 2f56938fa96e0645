//! Examples of every body: put together from those of its members, so that one that is written for
//! a field shows wherever the field does.

use serde_json::{Map, Value, json};

use super::each_operation;

/// What stands for every random part of an id.
const RANDOM: &str = "7YkQ2nV0bX4cR9sLwA3eTz1M";
/// The first second of 2027.
const MOMENT: i64 = 1_798_761_600;

/// How the ids of a thing begin: of the schemas that end in this, and the fields that begin so.
const PREFIXES: [(&str, &str, &str); 12] = [
    ("ServiceAccount", "service_account", "svc_acct_"),
    ("Key", "api_key", "key_"),
    ("KeyOwner", "user", "user-"),
    ("Account", "owner", "svc_acct_"),
    ("Organization", "organization", "org-"),
    ("Project", "project", "proj_"),
    ("Group", "group", "group_"),
    ("Role", "role", "role_"),
    ("Session", "session", "session_"),
    ("Passkey", "passkey", "passkey_"),
    ("Invite", "invite", "invite-"),
    ("User", "principal", "user-"),
];

/// Examples by field, for those that say nothing of their own. They hold no secret: a scanner for
/// keys finds none in the document.
const TEXTS: [(&str, &str); 32] = [
    ("email", "ada@example.com"),
    ("phone", "+14155550123"),
    ("password", "correct horse battery staple"),
    ("current_password", "correct horse battery staple"),
    ("new_password", "tr0ub4dor, and three more words"),
    ("description", "Reads usage, and nothing else"),
    ("role", "member"),
    ("role_name", "Auditor"),
    ("model", "gpt-4o-mini"),
    ("models", "gpt-4o-mini"),
    ("line_item", "gpt-4o-mini, input"),
    ("quantity_unit", "tokens"),
    ("service_tier", "default"),
    ("api_source", "unlabeled"),
    ("created_by", "user-7YkQ2nV0bX4cR9sLwA3eTz1M"),
    ("redacted_value", "sk-proj-fare...x7Qp"),
    ("value", "(shown once)"),
    ("secret", "(from the link)"),
    ("ip_address", "203.0.113.7"),
    ("user_agent", "Mozilla/5.0"),
    ("picture", "https://example.com/ada.png"),
    ("permissions", "api.usage.read"),
    ("resource_type", "api.organization"),
    ("group_name", "Support"),
    ("subject_prefix", "Money"),
    ("organization", "Acme"),
    ("ip_ranges", "203.0.113.0/24"),
    ("recovery_codes", "7K3M-X2QP-90BD-ZT5W"),
    ("second_factor", "totp"),
    ("second_factors", "totp"),
    ("suspension_reason", "Chargeback of May"),
    ("missing_models", "gpt-4o"),
];

/// Names of things, by what their schema ends in.
const NAMES: [(&str, &str); 8] = [
    ("Project", "Search"),
    ("Group", "Support"),
    ("GroupName", "Support"),
    ("RoleFacts", "Auditor"),
    ("Key", "deploy"),
    ("Account", "deploy bot"),
    ("Organization", "Acme"),
    ("Role", "Auditor"),
];

/// What is more often not there than there.
const NULLS: [&str; 6] = [
    "accepted_at",
    "archived_at",
    "banned_at",
    "next",
    "next_page",
    "revoked_at",
];

/// Gives an example to every body that has none.
pub(super) fn fill(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let maker = Maker { schemas: &schemas };
    each_operation(document, |_, _, operation| {
        if let Some(body) = operation.get_mut("requestBody") {
            maker.fill(body);
        }
        let answers = operation
            .get_mut("responses")
            .and_then(Value::as_object_mut);
        for (status, answer) in answers.into_iter().flatten() {
            if status.starts_with('2') {
                maker.fill(answer);
            }
        }
    });
}

/// Where a value stands: in which schema, as which field.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    schema: &'a str,
    field: &'a str,
}

struct Maker<'a> {
    schemas: &'a Value,
}

impl Maker<'_> {
    fn fill(&self, carrier: &mut Value) {
        let content = carrier.get_mut("content");
        let Some(content) = content.and_then(|all| all.get_mut("application/json")) else {
            return;
        };
        if content.get("example").is_none() {
            content["example"] = self.value(&content["schema"], Place::default());
        }
    }

    /// An example of what `schema` describes.
    fn value(&self, schema: &Value, place: Place<'_>) -> Value {
        if let Some(own) = own_example(schema) {
            return own;
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
            let place = Place {
                schema: name,
                ..place
            };
            return self.value(&self.schemas[name], place);
        }
        for choice in ["oneOf", "anyOf"] {
            let choices = schema[choice].as_array();
            let found = choices.and_then(|all| all.iter().find(|it| it["type"] != "null"));
            if let Some(found) = found {
                return self.value(found, place);
            }
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts = parts.iter().map(|part| self.value(part, place));
            let members = parts.filter_map(|part| match part {
                Value::Object(members) => Some(members),
                _ => None,
            });
            return Value::Object(members.flatten().collect());
        }
        self.typed(schema, place)
    }

    fn typed(&self, schema: &Value, place: Place<'_>) -> Value {
        let is = |kind: &str| {
            let types = &schema["type"];
            types == kind
                || types
                    .as_array()
                    .is_some_and(|all| all.contains(&kind.into()))
        };
        if is("null") && NULLS.contains(&place.field) {
            return Value::Null;
        }
        if is("array") {
            return json!([self.value(&schema["items"], place)]);
        }
        if is("object") {
            let members = schema["properties"].as_object();
            let members = members.into_iter().flatten().map(|(field, member)| {
                let place = Place { field, ..place };
                (field.clone(), self.value(member, place))
            });
            return list_of(members.collect());
        }
        if is("string") {
            return text(schema, place).into();
        }
        if is("boolean") {
            return (place.field == "deleted" || place.field == "enabled").into();
        }
        if is("number") {
            return json!(0.0000432);
        }
        number(schema, place.field).into()
    }
}

/// What the schema itself says: an example, the value it has if none is given, or its first choice.
fn own_example(schema: &Value) -> Option<Value> {
    let listed = |name: &str| schema[name].as_array().and_then(|all| all.first());
    let own = [
        schema.get("example"),
        listed("examples"),
        schema.get("const"),
        schema.get("default"),
        listed("enum"),
    ];
    own.into_iter().flatten().next().cloned()
}

/// The object; if it is a page of a list, with the ids of what is on it.
fn list_of(mut members: Map<String, Value>) -> Value {
    let shown = members.get("data").and_then(|data| data.get(0)?.get("id"));
    if let Some(id) = shown.cloned() {
        for field in ["first_id", "last_id"] {
            if let Some(place) = members.get_mut(field) {
                *place = id.clone();
            }
        }
    }
    Value::Object(members)
}

fn number(schema: &Value, field: &str) -> i64 {
    let is_moment = field.ends_with("_at") || field.ends_with("_time") || field == "created";
    if is_moment {
        return MOMENT;
    }
    schema["minimum"].as_i64().unwrap_or(0).max(1)
}

fn text(schema: &Value, place: Place<'_>) -> String {
    let Place {
        schema: owner,
        field,
    } = place;
    // "`owner` or `reader`." says what there is to choose from.
    let described = schema["description"].as_str().unwrap_or_default();
    let choice = described
        .strip_prefix('`')
        .and_then(|rest| rest.split('`').next());
    if let Some(choice) = choice {
        return choice.to_owned();
    }
    let ends = |end: &str| owner.ends_with(end);
    if field == "name" {
        let name = NAMES.iter().find(|(end, _)| ends(end));
        return name.map_or("Ada Lovelace", |(_, name)| name).to_owned();
    }
    if let Some((_, text)) = TEXTS.iter().find(|(known, _)| *known == field) {
        return (*text).to_owned();
    }
    let thing = field.trim_end_matches("_ids").trim_end_matches("_id");
    let is_place = ["id", "first_id", "last_id"].contains(&field);
    let found = PREFIXES.iter().find(|(end, name, _)| match is_place {
        true => ends(end),
        false => thing.ends_with(name),
    });
    match found {
        Some((_, _, prefix)) => format!("{prefix}{RANDOM}"),
        None if is_place => format!("user-{RANDOM}"),
        None => field.replace('_', " "),
    }
}
