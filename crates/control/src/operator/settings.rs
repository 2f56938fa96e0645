//! `/api/operator/settings`: the configuration in force, without its secrets.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Operator;
use crate::Control;
use crate::respond::answer;

/// The configuration in force on the node that answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorSettings {
    #[schema(value_type = String, example = "operator.settings")]
    object: &'static str,
    /// The file that it was read from; null if there is none.
    #[schema(example = "farebox.toml")]
    file: Option<String>,
    /// All of it, as a `farebox.toml` that says everything. Of secrets it says whether they are
    /// set.
    #[schema(example = "listen = \"127.0.0.1:8080\"")]
    toml: String,
    /// What was stated, by the file or the environment; everything else is as usual.
    stated: Vec<StatedSetting>,
}

/// A setting that was stated.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatedSetting {
    #[schema(example = "limits.body_bytes")]
    name: String,
    /// A line of the file, or a variable.
    #[schema(example = "farebox.toml:12")]
    from: String,
}

/// Show the configuration in force on the node that answers, without its secrets.
#[utoipa::path(
    get, path = "/api/operator/settings", tag = "Operator", operation_id = "retrieve_settings",
    responses((status = 200, body = OperatorSettings)), security(("session" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, _: Operator) -> Response {
    let settings = (control.settings)();
    let stated = settings.stated.into_iter();
    let shown = OperatorSettings {
        object: "operator.settings",
        file: settings.file,
        toml: settings.toml,
        stated: stated
            .map(|(name, from)| StatedSetting { name, from })
            .collect(),
    };
    answer(&control, Ok(Json(shown)))
}
