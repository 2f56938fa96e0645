//! Every route of the control plane.

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::credit::{balance, movements, redemptions};
use crate::respond::BODY_BYTES;
use crate::role_assignments::{of_groups, of_project_groups, of_project_users, of_users};
use crate::whole::read_first;
use crate::{
    Control, admin_api_keys, alerts, audit_logs, billing_documents, budget_events, budgets, costs,
    fallback, group_users, groups, invites, leak_reports, logs, model_permissions, operator,
    organization_users, outbox, payments, people, project_api_keys, project_groups,
    project_rate_limits, project_settings, project_users, projects, rate_limits, recharge,
    request_receipts, roles, service_account_keys, service_accounts, spend_alerts, spend_limits,
    usage, usage_kinds, user_keys,
};

/// The control plane's routes, and their description.
#[must_use]
pub fn router(control: Control) -> OpenApiRouter {
    of_projects()
        .merge(of_organization())
        .merge(reports())
        .merge(ours())
        .merge(alerts::routes())
        .merge(logs::routes())
        .merge(members())
        .merge(payments::api::routes())
        .merge(recharge::routes())
        .merge(billing_documents::routes())
        .merge(people::routes())
        .merge(operator::routes())
        .merge(fallback::routes().into())
        .layer(from_fn_with_state(control.clone(), read_first))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(control)
}

fn of_projects() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(projects::retrieve, projects::update))
        .routes(routes!(projects::archive))
        .routes(routes!(project_users::list, project_users::create))
        .routes(routes!(
            project_users::retrieve,
            project_users::update,
            project_users::delete
        ))
        .routes(routes!(service_accounts::list, service_accounts::create))
        .routes(routes!(
            service_accounts::retrieve,
            service_accounts::update,
            service_accounts::delete
        ))
        .routes(routes!(service_account_keys::create))
        .routes(routes!(project_api_keys::list))
        .routes(routes!(
            project_api_keys::retrieve,
            project_api_keys::update,
            project_api_keys::delete
        ))
        .routes(routes!(
            spend_limits::retrieve_of_project,
            spend_limits::set_of_project,
            spend_limits::delete_of_project
        ))
        .routes(routes!(
            spend_alerts::list_of_project,
            spend_alerts::create_of_project
        ))
        .routes(routes!(
            spend_alerts::retrieve_of_project,
            spend_alerts::update_of_project,
            spend_alerts::delete_of_project
        ))
        .routes(routes!(project_rate_limits::list))
        .routes(routes!(project_rate_limits::update))
        .routes(routes!(
            model_permissions::retrieve,
            model_permissions::set,
            model_permissions::delete
        ))
        .routes(routes!(
            project_settings::data_retention_of_project,
            project_settings::set_data_retention_of_project
        ))
        .routes(routes!(
            project_settings::service_tiers,
            project_settings::set_service_tiers
        ))
        .routes(routes!(
            project_settings::hosted_tools,
            project_settings::set_hosted_tools
        ))
}

fn of_organization() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(organization_users::list))
        .routes(routes!(
            organization_users::retrieve,
            organization_users::update,
            organization_users::delete
        ))
        .routes(routes!(invites::list, invites::create))
        .routes(routes!(invites::retrieve, invites::delete))
        .routes(routes!(admin_api_keys::list, admin_api_keys::create))
        .routes(routes!(
            admin_api_keys::retrieve,
            admin_api_keys::update,
            admin_api_keys::delete
        ))
        .routes(routes!(
            spend_limits::retrieve,
            spend_limits::set,
            spend_limits::delete
        ))
        .routes(routes!(spend_alerts::list, spend_alerts::create))
        .routes(routes!(
            spend_alerts::retrieve,
            spend_alerts::update,
            spend_alerts::delete
        ))
        .routes(routes!(
            project_settings::data_retention,
            project_settings::set_data_retention
        ))
        .routes(routes!(audit_logs::list))
}

fn reports() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(usage::completions))
        .routes(routes!(usage::embeddings))
        .routes(routes!(usage_kinds::moderations))
        .routes(routes!(usage_kinds::images))
        .routes(routes!(usage_kinds::audio_speeches))
        .routes(routes!(usage_kinds::audio_transcriptions))
        .routes(routes!(usage_kinds::vector_stores))
        .routes(routes!(usage_kinds::code_interpreter_sessions))
        .routes(routes!(usage_kinds::file_search_calls))
        .routes(routes!(usage_kinds::web_search_calls))
        .routes(routes!(usage_kinds::decisions))
        .routes(routes!(costs::costs))
        .routes(routes!(costs::in_buckets))
}

fn ours() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(budgets::list, budgets::create))
        .routes(routes!(budgets::retrieve, budgets::update, budgets::delete))
        .routes(routes!(budget_events::list))
        .routes(routes!(
            rate_limits::list,
            rate_limits::put,
            rate_limits::delete
        ))
        .routes(routes!(user_keys::list, user_keys::create))
        .routes(routes!(
            user_keys::retrieve,
            user_keys::update,
            user_keys::revoke
        ))
        .routes(routes!(user_keys::rotate))
        .routes(routes!(request_receipts::retrieve))
        .routes(routes!(balance::retrieve))
        .routes(routes!(movements::list))
        .routes(routes!(movements::list_of_organization))
        .routes(routes!(redemptions::redeem))
        .routes(routes!(outbox::list))
        .routes(routes!(outbox::attachment))
        .routes(routes!(leak_reports::report))
}

/// Roles, who has them, and groups.
fn members() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(roles::list, roles::create))
        .routes(routes!(roles::retrieve, roles::update, roles::delete))
        .routes(routes!(roles::list_of_project, roles::create_of_project))
        .routes(routes!(
            roles::retrieve_of_project,
            roles::update_of_project,
            roles::delete_of_project
        ))
        .routes(routes!(of_users::list, of_users::assign))
        .routes(routes!(of_users::retrieve, of_users::unassign))
        .routes(routes!(of_groups::list, of_groups::assign))
        .routes(routes!(of_groups::retrieve, of_groups::unassign))
        .routes(routes!(of_project_users::list, of_project_users::assign))
        .routes(routes!(
            of_project_users::retrieve,
            of_project_users::unassign
        ))
        .routes(routes!(of_project_groups::list, of_project_groups::assign))
        .routes(routes!(
            of_project_groups::retrieve,
            of_project_groups::unassign
        ))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::retrieve, groups::update, groups::delete))
        .routes(routes!(group_users::list, group_users::add))
        .routes(routes!(group_users::retrieve, group_users::remove))
        .routes(routes!(project_groups::list, project_groups::add))
        .routes(routes!(project_groups::retrieve, project_groups::remove))
}
