//! What a paper says, as JSON: kept as it was when the paper was issued.

use domain::document::{Line, PaidWith, Party};
use domain::money::Nusd;
use serde_json::{Value, json};

use super::Content;
use crate::StoreError;

/// Writes it. Amounts are in nano-USD.
pub(super) fn write(content: &Content) -> String {
    let lines: Vec<Value> = content
        .lines
        .iter()
        .map(|line| json!([line.description, line.amount.get()]))
        .collect();
    let paid_with = content.paid_with.as_ref();
    json!({
        "seller": party(&content.seller),
        "buyer": party(&content.buyer),
        "lines": lines,
        "tax_percent": content.tax_percent,
        "paid_with": paid_with.map(|it| json!([it.brand, it.last4])),
        "reason": content.reason,
    })
    .to_string()
}

fn party(party: &Party) -> Value {
    json!([
        party.name,
        party.address,
        party.country,
        party.tax_id,
        party.email
    ])
}

/// Reads what [`write`] wrote.
pub(super) fn read(text: &str) -> Result<Content, StoreError> {
    serde_json::from_str(text)
        .ok()
        .and_then(|value| content(&value))
        .ok_or_else(|| StoreError::Corrupt(format!("this is no paper's content: {text}")))
}

fn content(value: &Value) -> Option<Content> {
    let line = |line: &Value| {
        Some(Line {
            description: text(&line[0])?,
            amount: Nusd::new(line[1].as_i64()?),
        })
    };
    let paid_with = match &value["paid_with"] {
        Value::Null => None,
        card => Some(PaidWith {
            brand: text(&card[0])?,
            last4: text(&card[1])?,
        }),
    };
    Some(Content {
        seller: read_party(&value["seller"])?,
        buyer: read_party(&value["buyer"])?,
        lines: value["lines"]
            .as_array()?
            .iter()
            .map(line)
            .collect::<Option<_>>()?,
        tax_percent: text(&value["tax_percent"])?,
        paid_with,
        reason: text(&value["reason"]),
    })
}

fn read_party(value: &Value) -> Option<Party> {
    Some(Party {
        name: text(&value[0])?,
        address: text(&value[1])?,
        country: text(&value[2])?,
        tax_id: text(&value[3])?,
        email: text(&value[4])?,
    })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
