//! The control plane: the Administration API in OpenAI's wire format, and what `/api` adds to it.
//!
//! Every endpoint is a module; each handler authenticates through [`authenticate::Admin`], which
//! it cannot forget, and answers refusals through [`respond`]. Nothing here knows SQL. Of the
//! data plane it knows what [`DataPlane`] lets it ask; changes reach that through the change log.

pub mod access;
mod admin_api_keys;
mod alerts;
mod audit_logs;
mod authenticate;
mod billing_documents;
mod body;
mod budget_events;
mod budgets;
mod caretaker;
mod change;
mod costs;
mod credit;
mod data_plane;
mod expiry;
mod fallback;
mod group_users;
mod groups;
mod invites;
mod key_limits;
mod key_scopes;
mod last_uses;
mod leak_reports;
mod limit_scope;
mod logs;
mod meters;
mod model_permissions;
mod next_list;
mod operator;
mod organization_users;
mod outbound;
mod outbox;
mod pagination;
mod papers;
mod path;
pub mod payments;
mod peer;
mod people;
mod project_api_keys;
mod project_groups;
mod project_rate_limits;
mod project_settings;
mod project_users;
mod projects;
mod query;
mod rate_limits;
mod recharge;
mod request_receipts;
pub mod respond;
mod role_assignments;
mod roles;
mod routes;
pub mod senders;
mod service_account_keys;
mod service_accounts;
mod spend_alerts;
mod spend_limits;
mod state;
pub mod upstream_bills;
mod usage;
mod usage_kinds;
mod user_key_changes;
mod user_keys;
mod webhooks;
mod whole;

pub use caretaker::Caretaker;
pub use data_plane::{
    CheckUpstream, Checking, DataPlane, DeployedAt, GiveBack, IsRefusing, NotWithheld,
    OfferedModel, UpstreamCheck, UpstreamSeen, Withhold, Withholding,
};
pub use last_uses::LastUses;
pub use leak_reports::{BadSigners, Signers};
pub use meters::Meters;
pub use outbox::is_loopback_url;
pub use people::{
    Hasher, Join, People, ProviderSettings, Providers, SignupMode, SignupRules,
    UnreadableAuthorities,
};
pub use recharge::{LowWallets, Recharger};
pub use routes::router;
pub use state::{Control, Settings, ShowSettings};
pub use webhooks::Webhooks;
