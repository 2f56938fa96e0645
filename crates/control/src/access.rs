//! Who may call what: every route, what it needs, and what a caller may come with.
//!
//! [`crate::authenticate::Admin`] looks here, and nobody else decides. A route that is not in the
//! table answers nobody; tests compare the table with the routes, call every route as everybody,
//! and print docs/access.md from it.

use domain::permission::{Permission, Standing};
use http::Method;

/// What a caller comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An admin key, which acts as the person who owns it.
    AdminKey,
    /// The cookie of somebody who is signed in.
    Session,
}

/// What a caller must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// This, in the whole organization.
    Organization(Permission),
    /// This, in the project that the path names or in the whole organization.
    Project(Permission),
    /// To belong to the organization: the answer lists those projects in which this is allowed.
    Listed(Permission),
    /// The same; or to belong to the project, and then only about what is one's own there.
    Own(Permission),
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// As it is registered: ids in braces.
    pub path: &'static str,
    /// In capitals.
    pub method: &'static str,
    /// What the caller must be allowed.
    pub need: Need,
    /// What the caller may come with.
    pub by: &'static [Credential],
}

/// Beginnings of the paths that no permission is needed for: what anybody may ask to become or
/// prove somebody, and everybody's own account. Their handlers take a visitor, or whoever is signed
/// in, and nobody's permissions.
pub const OWN_ACCOUNT: &[&str] = &[
    "/api/invites",
    "/api/me",
    "/api/password_resets",
    "/api/sessions",
    "/api/signup",
    "/api/sso",
];

/// Routes of whoever runs this installation, which is no matter of any organization: path by path,
/// with their methods. [`crate::operator`] opens them to operators, and refuses everybody else in
/// the same words, whatever there is or is not behind a path.
pub const OPERATORS: &[(&str, &[&str])] = &[
    ("/api/operator/audit_logs", &["GET"]),
    ("/api/operator/code_batches", &["GET", "POST"]),
    ("/api/operator/code_batches/{batch_id}", &["GET"]),
    ("/api/operator/code_batches/{batch_id}/disable", &["POST"]),
    ("/api/operator/code_batches/{batch_id}/uses", &["GET"]),
    ("/api/operator/job_counts", &["GET"]),
    ("/api/operator/jobs", &["GET"]),
    ("/api/operator/jobs/{job_id}", &["GET", "DELETE"]),
    ("/api/operator/jobs/{job_id}/retry", &["POST"]),
    ("/api/operator/ledger", &["GET"]),
    ("/api/operator/ledger/verifications", &["GET", "POST"]),
    (
        "/api/operator/ledger/verifications/{verification_id}",
        &["GET"],
    ),
    ("/api/operator/payments/reconciliations", &["GET", "POST"]),
    (
        "/api/operator/payments/reconciliations/{reconciliation_id}",
        &["GET"],
    ),
    ("/api/operator/models", &["GET"]),
    ("/api/operator/models/{model_id}", &["GET", "POST"]),
    ("/api/operator/models/{model_id}/prices", &["GET", "POST"]),
    (
        "/api/operator/models/{model_id}/prices/{price_id}",
        &["GET", "DELETE"],
    ),
    ("/api/operator/models/{model_id}/price_previews", &["POST"]),
    ("/api/operator/organizations", &["GET"]),
    ("/api/operator/organizations/{organization_id}", &["GET"]),
    (
        "/api/operator/organizations/{organization_id}/suspend",
        &["POST"],
    ),
    (
        "/api/operator/organizations/{organization_id}/resume",
        &["POST"],
    ),
    (
        "/api/operator/organizations/{organization_id}/credits",
        &["POST"],
    ),
    (
        "/api/operator/organizations/{organization_id}/adjustments",
        &["POST"],
    ),
    (
        "/api/operator/organizations/{organization_id}/overdraft",
        &["GET", "POST"],
    ),
    (
        "/api/operator/organizations/{organization_id}/markups",
        &["GET", "POST"],
    ),
    (
        "/api/operator/organizations/{organization_id}/markups/{markup_id}",
        &["DELETE"],
    ),
    (
        "/api/operator/organizations/{organization_id}/markup_previews",
        &["POST"],
    ),
    ("/api/operator/payments", &["GET"]),
    ("/api/operator/payments/{payment_id}", &["GET"]),
    ("/api/operator/payments/{payment_id}/refunds", &["POST"]),
    (
        "/api/operator/organizations/{organization_id}/movements",
        &["GET"],
    ),
    ("/api/operator/settings", &["GET"]),
    ("/api/operator/signup_policy", &["GET", "POST", "DELETE"]),
    ("/api/operator/unmatched_payments", &["GET"]),
    (
        "/api/operator/unmatched_payments/{unmatched_payment_id}/resolve",
        &["POST"],
    ),
    ("/api/operator/margins", &["GET"]),
    ("/api/operator/upstream_costs", &["GET"]),
    ("/api/operator/upstream_costs/import", &["POST"]),
    ("/api/operator/upstream_drifts", &["GET"]),
    ("/api/operator/upstreams", &["GET"]),
    ("/api/operator/upstreams/{upstream_id}", &["GET"]),
    ("/api/operator/upstreams/{upstream_id}/check", &["POST"]),
    ("/api/operator/users", &["GET"]),
    ("/api/operator/users/{user_id}", &["GET"]),
    ("/api/operator/users/{user_id}/email", &["POST"]),
    ("/api/operator/users/{user_id}/lock", &["POST"]),
    (
        "/api/operator/users/{user_id}/operator",
        &["POST", "DELETE"],
    ),
    ("/api/operator/users/{user_id}/second_factors", &["DELETE"]),
    ("/api/operator/users/{user_id}/sign_out", &["POST"]),
    ("/api/operator/users/{user_id}/unlock", &["POST"]),
];

/// The name of the part of a path that names the project.
pub(crate) const PROJECT_PART: &str = "project_id";

/// Writes the table: under each path its methods, each with what it needs.
macro_rules! rules {
    ($($path:literal { $($method:ident $place:ident $permission:ident,)+ })+) => {
        /// Every route of the control plane.
        pub const RULES: &[Rule] = &[$($(Rule {
            path: $path,
            method: stringify!($method),
            need: Need::$place(Permission::$permission),
            by: &[Credential::AdminKey, Credential::Session],
        },)+)+];
    };
}

/// Routes that ask where a caller comes from, and not who it is: [`crate::outbox`] says why.
pub const AT_HOME: &[(&str, &str)] = &[
    ("/api/outbox", "GET"),
    ("/api/outbox/{message_id}/attachments/{file_name}", "GET"),
];

/// Routes that ask for a signature, and not who calls: [`crate::leak_reports`] and
/// [`crate::payments::stripe`] say why.
pub const SIGNED: &[(&str, &str)] = &[
    ("/api/leak_reports", "POST"),
    ("/api/payments/stripe/webhook", "POST"),
];

rules! {
    "/v1/organization/projects" {
        GET Listed ProjectsRead,
        POST Organization ProjectsWrite,
    }
    "/v1/organization/projects/{project_id}" {
        GET Project ProjectsRead,
        POST Project ProjectsWrite,
    }
    "/v1/organization/projects/{project_id}/archive" {
        POST Project ProjectsWrite,
    }
    "/v1/organization/projects/{project_id}/users" {
        GET Project ProjectUsersRead,
        POST Project ProjectUsersWrite,
    }
    "/v1/organization/projects/{project_id}/users/{user_id}" {
        GET Project ProjectUsersRead,
        POST Project ProjectUsersWrite,
        DELETE Project ProjectUsersWrite,
    }
    "/v1/organization/projects/{project_id}/service_accounts" {
        GET Project ServiceAccountsRead,
        POST Project ServiceAccountsWrite,
    }
    "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}" {
        GET Project ServiceAccountsRead,
        POST Project ServiceAccountsWrite,
        DELETE Project ServiceAccountsWrite,
    }
    "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys" {
        POST Project ServiceAccountsWrite,
    }
    "/v1/organization/projects/{project_id}/api_keys" {
        GET Project ApiKeysRead,
    }
    "/v1/organization/projects/{project_id}/api_keys/{key_id}" {
        GET Project ApiKeysRead,
        POST Project ApiKeysWrite,
        DELETE Project ApiKeysWrite,
    }
    "/v1/organization/projects/{project_id}/rate_limits" {
        GET Project RateLimitsRead,
    }
    "/v1/organization/projects/{project_id}/rate_limits/{rate_limit_id}" {
        POST Project RateLimitsWrite,
    }
    "/v1/organization/projects/{project_id}/model_permissions" {
        GET Project ProjectsRead,
        POST Project ProjectsWrite,
        DELETE Project ProjectsWrite,
    }
    "/v1/organization/projects/{project_id}/spend_limit" {
        GET Project RateLimitsRead,
        POST Project RateLimitsWrite,
        DELETE Project RateLimitsWrite,
    }
    "/v1/organization/spend_limit" {
        GET Organization RateLimitsRead,
        POST Organization RateLimitsWrite,
        DELETE Organization RateLimitsWrite,
    }
    "/v1/organization/users" {
        GET Organization ManagementRead,
    }
    "/v1/organization/users/{user_id}" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
        DELETE Organization ManagementWrite,
    }
    "/v1/organization/invites" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/v1/organization/invites/{invite_id}" {
        GET Organization ManagementRead,
        DELETE Organization ManagementWrite,
    }
    "/v1/organization/admin_api_keys" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/v1/organization/admin_api_keys/{key_id}" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
        DELETE Organization ManagementWrite,
    }
    "/v1/organization/audit_logs" {
        GET Organization AuditLogsRead,
    }
    "/v1/organization/roles" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/v1/organization/roles/{role_id}" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
        DELETE Organization ManagementWrite,
    }
    "/v1/organization/users/{user_id}/roles" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/v1/organization/users/{user_id}/roles/{role_id}" {
        GET Organization ManagementRead,
        DELETE Organization ManagementWrite,
    }
    "/v1/organization/groups" {
        GET Organization GroupsRead,
        POST Organization GroupsWrite,
    }
    "/v1/organization/groups/{group_id}" {
        GET Organization GroupsRead,
        POST Organization GroupsWrite,
        DELETE Organization GroupsWrite,
    }
    "/v1/organization/groups/{group_id}/users" {
        GET Organization GroupsRead,
        POST Organization GroupsWrite,
    }
    "/v1/organization/groups/{group_id}/users/{user_id}" {
        GET Organization GroupsRead,
        DELETE Organization GroupsWrite,
    }
    "/v1/organization/groups/{group_id}/roles" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/v1/organization/groups/{group_id}/roles/{role_id}" {
        GET Organization ManagementRead,
        DELETE Organization ManagementWrite,
    }
    "/v1/organization/projects/{project_id}/groups" {
        GET Project ProjectUsersRead,
        POST Project ProjectUsersWrite,
    }
    "/v1/organization/projects/{project_id}/groups/{group_id}" {
        GET Project ProjectUsersRead,
        DELETE Project ProjectUsersWrite,
    }
    "/v1/projects/{project_id}/roles" {
        GET Project ProjectUsersRead,
        POST Project ProjectUsersWrite,
    }
    "/v1/projects/{project_id}/roles/{role_id}" {
        GET Project ProjectUsersRead,
        POST Project ProjectUsersWrite,
        DELETE Project ProjectUsersWrite,
    }
    "/v1/projects/{project_id}/users/{user_id}/roles" {
        GET Project ProjectUsersRead,
        POST Project ProjectUsersWrite,
    }
    "/v1/projects/{project_id}/users/{user_id}/roles/{role_id}" {
        GET Project ProjectUsersRead,
        DELETE Project ProjectUsersWrite,
    }
    "/v1/projects/{project_id}/groups/{group_id}/roles" {
        GET Project ProjectUsersRead,
        POST Project ProjectUsersWrite,
    }
    "/v1/projects/{project_id}/groups/{group_id}/roles/{role_id}" {
        GET Project ProjectUsersRead,
        DELETE Project ProjectUsersWrite,
    }
    "/v1/organization/usage/completions" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/embeddings" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/moderations" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/images" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/audio_speeches" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/audio_transcriptions" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/vector_stores" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/code_interpreter_sessions" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/file_search_calls" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/web_search_calls" {
        GET Organization UsageRead,
    }
    "/v1/organization/usage/decisions" {
        GET Organization UsageRead,
    }
    "/v1/organization/projects/{project_id}/data_retention" {
        GET Project ProjectsRead,
        POST Project ProjectsWrite,
    }
    "/v1/organization/projects/{project_id}/service_tier_settings" {
        GET Project ProjectsRead,
        POST Project ProjectsWrite,
    }
    "/v1/organization/projects/{project_id}/hosted_tool_permissions" {
        GET Project ProjectsRead,
        POST Project ProjectsWrite,
    }
    "/v1/organization/data_retention" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/v1/organization/projects/{project_id}/spend_alerts" {
        GET Project RateLimitsRead,
        POST Project RateLimitsWrite,
    }
    "/v1/organization/projects/{project_id}/spend_alerts/{alert_id}" {
        GET Project RateLimitsRead,
        POST Project RateLimitsWrite,
        DELETE Project RateLimitsWrite,
    }
    "/v1/organization/spend_alerts" {
        GET Organization RateLimitsRead,
        POST Organization RateLimitsWrite,
    }
    "/v1/organization/spend_alerts/{alert_id}" {
        GET Organization RateLimitsRead,
        POST Organization RateLimitsWrite,
        DELETE Organization RateLimitsWrite,
    }
    "/v1/organization/costs" {
        GET Organization UsageRead,
    }
    "/api/costs" {
        GET Organization UsageRead,
    }
    "/api/projects/{project_id}/keys" {
        GET Own ApiKeysRead,
        POST Own ApiKeysWrite,
    }
    "/api/projects/{project_id}/keys/{key_id}" {
        GET Own ApiKeysRead,
        POST Own ApiKeysWrite,
        DELETE Own ApiKeysWrite,
    }
    "/api/projects/{project_id}/keys/{key_id}/rotate" {
        POST Own ApiKeysWrite,
    }
    "/api/billing/profile" {
        GET Organization BillingRead,
        POST Organization BillingWrite,
    }
    "/api/billing/receipts" {
        GET Organization BillingRead,
    }
    "/api/billing/receipts/{number}" {
        GET Organization BillingRead,
    }
    "/api/billing/statements" {
        GET Organization BillingRead,
    }
    "/api/billing/statements/{month}" {
        GET Organization BillingRead,
    }
    "/api/billing/exports/movements" {
        GET Organization BillingRead,
    }
    "/api/billing/exports/usage" {
        GET Organization BillingRead,
    }
    "/api/alerts" {
        GET Organization ManagementRead,
    }
    "/api/alert_settings" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/api/webhook_endpoints" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/api/webhook_endpoints/{endpoint_id}" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
        DELETE Organization ManagementWrite,
    }
    "/api/webhook_endpoints/{endpoint_id}/rotate_secret" {
        POST Organization ManagementWrite,
    }
    "/api/webhook_endpoints/{endpoint_id}/test" {
        POST Organization ManagementWrite,
    }
    "/api/webhook_endpoints/{endpoint_id}/deliveries" {
        GET Organization ManagementRead,
    }
    "/api/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}" {
        GET Organization ManagementRead,
    }
    "/api/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}/replay" {
        POST Organization ManagementWrite,
    }
    "/api/budgets" {
        GET Organization RateLimitsRead,
        POST Organization RateLimitsWrite,
    }
    "/api/budgets/{budget_id}" {
        GET Organization RateLimitsRead,
        POST Organization RateLimitsWrite,
        DELETE Organization RateLimitsWrite,
    }
    "/api/budgets/{budget_id}/events" {
        GET Organization RateLimitsRead,
    }
    "/api/billing/balance" {
        GET Organization BillingRead,
    }
    "/api/billing/movements" {
        GET Organization BillingRead,
    }
    "/api/billing/redeem" {
        POST Organization BillingWrite,
    }
    "/api/receipts/{request_id}" {
        GET Organization UsageRead,
    }
    "/api/log_settings" {
        GET Organization ManagementRead,
        POST Organization ManagementWrite,
    }
    "/api/logs" {
        GET Listed LogsRead,
    }
    "/api/logs/{request_id}" {
        GET Listed LogsRead,
    }
    "/api/billing/options" {
        GET Organization BillingRead,
    }
    "/api/billing/auto_recharge" {
        GET Organization BillingRead,
        POST Organization BillingWrite,
    }
    "/api/billing/auto_recharge/recharges" {
        GET Organization BillingRead,
    }
    "/api/billing/checkouts" {
        POST Organization BillingWrite,
    }
    "/api/billing/checkouts/{checkout_id}" {
        GET Organization BillingRead,
    }
    "/api/billing/checkouts/{checkout_id}/cancel" {
        POST Organization BillingWrite,
    }
    "/api/billing/payments" {
        GET Organization BillingRead,
    }
    "/api/billing/payments/{payment_id}" {
        GET Organization BillingRead,
    }
    "/api/billing/payment_methods" {
        GET Organization BillingRead,
        POST Organization BillingWrite,
    }
    "/api/billing/payment_methods/{payment_method_id}" {
        POST Organization BillingWrite,
        DELETE Organization BillingWrite,
    }
    "/api/rate_limits" {
        GET Organization RateLimitsRead,
        POST Organization RateLimitsWrite,
        DELETE Organization RateLimitsWrite,
    }
}

/// Whether a route is for operators.
pub(crate) fn is_operators(method: &Method, path: &str) -> bool {
    let methods = OPERATORS.iter().find(|(known, _)| *known == path);
    methods.is_some_and(|(_, methods)| methods.contains(&method.as_str()))
}

impl Rule {
    /// The rule of a route.
    pub(crate) fn of(method: &Method, path: &str) -> Option<&'static Rule> {
        let mut rules = RULES.iter();
        rules.find(|rule| rule.path == path && rule.method == method.as_str())
    }

    /// The permission that is needed.
    #[must_use]
    pub fn permission(&self) -> Permission {
        match self.need {
            Need::Organization(permission)
            | Need::Project(permission)
            | Need::Listed(permission)
            | Need::Own(permission) => permission,
        }
    }

    /// Whether somebody with this standing, in the project of the path if it names one, has it.
    #[must_use]
    pub fn admits(&self, standing: &Standing) -> bool {
        match self.need {
            Need::Organization(permission) => standing.in_organization().contains(permission),
            Need::Project(permission) => standing.in_project().contains(permission),
            // Every role that a member may have allows something.
            Need::Listed(_) => !standing.in_organization().is_empty(),
            Need::Own(permission) => {
                standing.belongs() || standing.in_project().contains(permission)
            }
        }
    }
}
