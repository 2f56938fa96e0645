//! One place for each schema: what the code generator wrote out inside a list is made a reference
//! to the component that it equals, so that clients made from the document know it by one name.

use serde_json::{Value, json};

/// Replaces every schema below the components that equals one of them.
pub(super) fn share(document: &mut Value) {
    let components = document["components"]["schemas"].as_object();
    let named: Vec<(String, Value)> = components
        .into_iter()
        .flatten()
        .filter(|(_, schema)| schema.get("properties").is_some() || schema.get("allOf").is_some())
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    let components = document["components"]["schemas"].as_object_mut();
    for (_, schema) in components.into_iter().flatten() {
        below(schema, &named);
    }
}

/// Replaces what is below `schema`, but not itself.
fn below(schema: &mut Value, named: &[(String, Value)]) {
    let parts: Vec<&mut Value> = match schema {
        Value::Object(members) => members.iter_mut().map(|(_, member)| member).collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => return,
    };
    for part in parts {
        match named.iter().find(|(_, schema)| schema == part) {
            Some((name, _)) => *part = json!({"$ref": format!("#/components/schemas/{name}")}),
            None => below(part, named),
        }
    }
}
