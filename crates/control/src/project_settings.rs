//! Settings of OpenAI's that Farebox has one answer to: how long data is kept, which service tiers
//! and hosted tools may be used. They are told as they are; what would change nothing is accepted,
//! and the rest refused, with the reason.
//!
//! Data is kept where an organization keeps prompts with its log: that is decided at
//! `/api/log_settings`, and can be ended here.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::OrganizationId;
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::prompts::{self, Setting};
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
    /// kept for a day, because its caller asked for that. `none`: the organization keeps prompts
    /// and answers with its log, as `/api/log_settings` says.
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
const OF_ORGANIZATION: &str = "organization.data_retention";
const OF_PROJECT: &str = "project.data_retention";

/// How the data of an organization is kept, as `object` shows it.
fn retention(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    object: &'static str,
) -> Outcome<DataRetention> {
    let kind = match prompts::setting(tx, organization)?.is_enabled {
        true => "none",
        false => ZERO,
    };
    Ok(DataRetention { object, kind })
}
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
pub(crate) async fn data_retention(
    State(control): State<Control>,
    Admin(admin): Admin,
) -> Response {
    let read = control
        .store
        .read(move |tx| retention(tx, &admin.organization, OF_ORGANIZATION));
    answer(&control, read.await.map(Json))
}

/// Set the organization's data retention: what it is, or that nothing more is kept.
#[utoipa::path(
    post, path = "/v1/organization/data_retention", tag = "Settings",
    operation_id = "set_organization_data_retention", request_body = NewDataRetention,
    responses((status = 200, body = DataRetention)), security(("admin_key" = []))
)]
pub(crate) async fn set_data_retention(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        check_retention(&fields, &[ZERO])?;
        let change = control.change(admin, move |tx, organization, now| {
            let setting = prompts::setting(tx, organization)?;
            let answer = DataRetention {
                object: OF_ORGANIZATION,
                kind: ZERO,
            };
            if !setting.is_enabled {
                return Ok(Done::nothing(answer));
            }
            let off = Setting {
                is_enabled: false,
                ..setting
            };
            prompts::set(tx, organization, off, true, now)?;
            let event = Event::new(Kind::LogSettingsUpdated, organization);
            let changes = json!({"keep_prompts": false, "erase_prompts": true});
            Ok(Done::new(event.changes(changes), answer))
        });
        change.await.map(Json)
    };
    answer(&control, outcome.await)
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
    let read = control.store.read(move |tx| {
        find(tx, &admin.organization, &project_id)?;
        retention(tx, &admin.organization, OF_PROJECT)
    });
    answer(&control, read.await.map(Json))
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
        let wants_zero = fields.is_absent_or("retention_type", ZERO);
        let change = control.change(admin, move |tx, organization, _| {
            find_active(tx, organization, &project_id)?;
            let retention = retention(tx, organization, OF_PROJECT)?;
            match wants_zero && retention.kind != ZERO {
                true => Err(Refusal::Unsupported {
                    param: "retention_type",
                    message: "Prompts are kept with the organization's log, for all of its projects: an owner can end that for the organization.",
                }),
                false => Ok(Done::nothing(retention)),
            }
        });
        change.await.map(Json)
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
            message: "Nothing is kept with 'zero_data_retention'. Whether prompts are kept with the organization's log is decided at /api/log_settings.",
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
