//! Settings of OpenAI's that Farebox has one answer to: how long data is kept, which service tiers
//! and hosted tools may be used. They are told as they are; what would change nothing is accepted,
//! and the rest refused, with the reason.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::body::Fields;
use crate::change::Done;
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::respond::{Outcome, Refusal, answer};

/// How long prompts and answers are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DataRetention {
    /// `organization.data_retention` or `project.data_retention`.
    #[schema(example = "project.data_retention")]
    object: &'static str,
    /// `zero_data_retention`: not at all. Only the answer to a request with an `Idempotency-Key` is
    /// kept for a day, because its caller asked for that.
    #[serde(rename = "type")]
    #[schema(example = "zero_data_retention")]
    kind: &'static str,
}

/// Which service tiers requests may name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceTierSettings {
    #[schema(example = "project.service_tier_settings")]
    object: &'static str,
    #[schema(example = "standard")]
    default: &'static str,
    /// `all`: what a request says reaches the upstream as it is.
    #[schema(example = "all")]
    enabled_tiers: &'static str,
}

/// Which hosted tools requests may use: all. They are the upstream's, and reach it as they are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostedToolPermissions {
    code_interpreter: HostedTool,
    file_search: HostedTool,
    image_generation: HostedTool,
    mcp: HostedTool,
    web_search: HostedTool,
}

/// Whether a hosted tool may be used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostedTool {
    enabled: bool,
}

/// What data retention is to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct NewDataRetention {
    /// `zero_data_retention`; of a project also `organization_default`.
    #[schema(example = "zero_data_retention")]
    retention_type: String,
}

/// What service tiers are to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct ServiceTierChanges {
    /// `standard`.
    #[schema(example = "standard")]
    default: Option<String>,
    /// `all`.
    #[schema(example = "all")]
    enabled_tiers: Option<String>,
}

/// Which hosted tools are to be enabled: those that are named, and only `true`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct HostedToolChanges {
    code_interpreter: Option<HostedTool>,
    file_search: Option<HostedTool>,
    image_generation: Option<HostedTool>,
    mcp: Option<HostedTool>,
    web_search: Option<HostedTool>,
}

const ZERO: &str = "zero_data_retention";
const OF_ORGANIZATION: DataRetention = DataRetention {
    object: "organization.data_retention",
    kind: ZERO,
};
const OF_PROJECT: DataRetention = DataRetention {
    object: "project.data_retention",
    kind: ZERO,
};
const TIERS: ServiceTierSettings = ServiceTierSettings {
    object: "project.service_tier_settings",
    default: "standard",
    enabled_tiers: "all",
};
const ENABLED: HostedTool = HostedTool { enabled: true };
const TOOLS: HostedToolPermissions = HostedToolPermissions {
    code_interpreter: ENABLED,
    file_search: ENABLED,
    image_generation: ENABLED,
    mcp: ENABLED,
    web_search: ENABLED,
};

/// Retrieve the organization's data retention.
#[utoipa::path(
    get, path = "/v1/organization/data_retention", tag = "Settings",
    operation_id = "retrieve_organization_data_retention",
    responses((status = 200, body = DataRetention)), security(("admin_key" = []))
)]
pub(crate) async fn data_retention(State(control): State<Control>, Admin(_): Admin) -> Response {
    answer(&control, Ok(Json(OF_ORGANIZATION)))
}

/// Set the organization's data retention, to what it is.
#[utoipa::path(
    post, path = "/v1/organization/data_retention", tag = "Settings",
    operation_id = "set_organization_data_retention", request_body = NewDataRetention,
    responses((status = 200, body = DataRetention)), security(("admin_key" = []))
)]
pub(crate) async fn set_data_retention(
    State(control): State<Control>,
    Admin(_): Admin,
    fields: Fields,
) -> Response {
    let outcome = check_retention(&fields, &[ZERO]).map(|()| Json(OF_ORGANIZATION));
    answer(&control, outcome)
}

/// Retrieve a project's data retention.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/data_retention", tag = "Settings",
    operation_id = "retrieve_project_data_retention",
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = DataRetention)), security(("admin_key" = []))
)]
pub(crate) async fn data_retention_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let shown = of_project(&control, admin, project_id, OF_PROJECT).await;
    answer(&control, shown)
}

/// Set a project's data retention, to what it is.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/data_retention", tag = "Settings",
    operation_id = "set_project_data_retention", request_body = NewDataRetention,
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = DataRetention)), security(("admin_key" = []))
)]
pub(crate) async fn set_data_retention_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        check_retention(&fields, &[ZERO, "organization_default"])?;
        in_project(&control, admin, project_id, OF_PROJECT).await
    };
    answer(&control, outcome.await)
}

/// Retrieve a project's service tiers.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/service_tier_settings", tag = "Settings",
    operation_id = "retrieve_service_tier_settings",
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = ServiceTierSettings)), security(("admin_key" = []))
)]
pub(crate) async fn service_tiers(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let shown = of_project(&control, admin, project_id, TIERS).await;
    answer(&control, shown)
}

/// Set a project's service tiers, to what they are.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/service_tier_settings", tag = "Settings",
    operation_id = "set_service_tier_settings", request_body = ServiceTierChanges,
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = ServiceTierSettings)), security(("admin_key" = []))
)]
pub(crate) async fn set_service_tiers(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        for (param, only) in [
            ("default", TIERS.default),
            ("enabled_tiers", TIERS.enabled_tiers),
        ] {
            if !fields.is_absent_or(param, only) {
                let message = "Farebox passes the service tier of a request on to the upstream: the default is 'standard', and 'all' are enabled.";
                return Err(Refusal::Unsupported { param, message });
            }
        }
        in_project(&control, admin, project_id, TIERS).await
    };
    answer(&control, outcome.await)
}

/// Retrieve a project's hosted tools.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/hosted_tool_permissions",
    tag = "Settings", operation_id = "retrieve_hosted_tool_permissions",
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = HostedToolPermissions)), security(("admin_key" = []))
)]
pub(crate) async fn hosted_tools(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let shown = of_project(&control, admin, project_id, TOOLS).await;
    answer(&control, shown)
}

/// Set a project's hosted tools, to what they are.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/hosted_tool_permissions",
    tag = "Settings", operation_id = "set_hosted_tool_permissions",
    request_body = HostedToolChanges,
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = HostedToolPermissions)), security(("admin_key" = []))
)]
pub(crate) async fn set_hosted_tools(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        for param in [
            "code_interpreter",
            "file_search",
            "image_generation",
            "mcp",
            "web_search",
        ] {
            let Some(tool) = fields.object(param, &format!("{param}."))? else {
                continue;
            };
            if !tool.flag("enabled")?.unwrap_or(false) {
                let message = "Hosted tools are the upstream's: Farebox passes them on, and cannot forbid one.";
                return Err(Refusal::Unsupported { param, message });
            }
        }
        in_project(&control, admin, project_id, TOOLS).await
    };
    answer(&control, outcome.await)
}

/// Refuses to keep anything.
fn check_retention(fields: &Fields, allowed: &[&str]) -> Outcome<()> {
    let param = "retention_type";
    if !fields.has(param) {
        return Err(Refusal::Missing {
            param: param.into(),
        });
    }
    match allowed.iter().any(|kind| fields.is_absent_or(param, kind)) {
        true => Ok(()),
        false => Err(Refusal::Unsupported {
            param,
            message: "Farebox keeps no prompts and no answers, so it is always 'zero_data_retention'.",
        }),
    }
}

/// Answers what is the same of every project, if there is this one.
async fn of_project<T: Serialize>(
    control: &Control,
    admin: Caller,
    project_id: String,
    shown: T,
) -> Outcome<Json<T>> {
    let read = control
        .store
        .read(move |tx| find(tx, &admin.organization, &project_id));
    read.await.map(|_| Json(shown))
}

/// Answers that a project in use is as it was.
async fn in_project<T: Serialize + Send + 'static>(
    control: &Control,
    admin: Caller,
    project_id: String,
    shown: T,
) -> Outcome<Json<T>> {
    let change = control.change(admin, move |tx, organization, _| {
        find_active(tx, organization, &project_id)?;
        Ok(Done::nothing(shown))
    });
    change.await.map(Json)
}
