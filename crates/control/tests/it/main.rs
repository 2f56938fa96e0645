//! The Administration API over HTTP, on both databases.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod access_page;
mod admin_api_keys;
mod agreement;
mod audit_log;
mod audit_trail;
mod budgets;
mod cast;
mod groups;
mod hostile;
mod key_lists;
mod keys;
mod model_permissions;
mod organization_users;
mod outbox;
mod people;
mod people_changes;
mod people_rights;
mod people_sessions;
mod people_signup;
mod people_world;
mod project_rate_limits;
mod project_users;
mod projects;
mod rate_limits;
mod reports;
mod role_assignments;
mod roles;
mod senders;
mod spend_limits;
mod spending;
mod strangers;
mod world;
