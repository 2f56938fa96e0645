//! The list of models, as `GET /v1/models` answers it.

use serde::Serialize;

/// One model that the caller may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// Public name, what requests carry as `model`.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// Seconds since the Unix epoch.
    pub created: i64,
    /// Who offers it; OpenAI's own are `openai` or `system`.
    pub owned_by: String,
}

impl Model {
    /// A model; `created` in seconds since the Unix epoch.
    pub fn new(id: impl Into<String>, created: i64, owned_by: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            object: "model",
            created,
            owned_by: owned_by.into(),
        }
    }
}

/// All models that the caller may use. OpenAI does not page this list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelList {
    /// Always `list`.
    pub object: &'static str,
    /// The models, in the order to show them.
    pub data: Vec<Model>,
}

impl ModelList {
    /// The list around `data`.
    pub fn new(data: Vec<Model>) -> Self {
        Self {
            object: "list",
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_openais_shape() {
        let list = ModelList::new(vec![Model::new("org/m", 7, "farebox")]);
        assert_eq!(
            serde_json::to_string(&list).expect("serialises"),
            r#"{"object":"list","data":[{"id":"org/m","object":"model","created":7,"owned_by":"farebox"}]}"#
        );
    }
}
