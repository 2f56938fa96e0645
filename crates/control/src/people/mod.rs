//! People with a login: signing up, signing in, and what they change of their own account.
//!
//! Whoever calls with a cookie is [`caller::SignedIn`]; whoever calls without one is a
//! [`visitor::Visitor`]. Both are refused if another site's page made the browser call. Strangers
//! learn nothing about whose address is known here: neither from the words of an answer, nor its
//! status, nor how long it took.

pub(crate) mod caller;
pub(crate) mod contact;
mod cookie;
pub(crate) mod factors;
pub(crate) mod guessing;
mod hasher;
pub(crate) mod invitations;
mod letters;
pub(crate) mod me;
mod my_projects;
mod oidc;
mod origin;
pub(crate) mod password;
pub(crate) mod policy;
pub(crate) mod proof;
pub(crate) mod refusal;
mod sending;
pub(crate) mod sessions;
pub(crate) mod signup;
mod telling;
mod typed;
pub(crate) mod visitor;
mod webauthn;

pub use hasher::Hasher;
pub(crate) use letters::Post;
pub use oidc::{Join, ProviderSettings, Providers, UnreadableAuthorities};

use domain::money::Nusd;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Control;

/// What the operator decided about accounts, and what handlers share.
#[derive(Clone)]
pub struct People {
    /// Who may sign up, and what they get, as configured: operators may have said otherwise since.
    pub signup: SignupRules,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// What people can sign in with, beside a password.
    pub providers: Providers,
}

/// Who may sign up, and what they get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignupRules {
    /// Who may.
    pub mode: SignupMode,
    /// Whether a phone number must be proved.
    pub needs_phone: bool,
    /// Granted once for each phone number.
    pub trial_credit: Nusd,
    /// Days after which what is left of it lapses.
    pub trial_credit_days: u64,
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignupMode {
    /// Anybody.
    Open,
    /// Who was invited.
    Invite,
    /// Nobody.
    Closed,
}

/// The routes about people.
pub(crate) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(signup::terms, signup::create))
        .routes(routes!(signup::verify_email))
        .routes(routes!(signup::give_phone))
        .routes(routes!(signup::verify_phone))
        .routes(routes!(signup::resend))
        .routes(routes!(sessions::list, sessions::create))
        .routes(routes!(sessions::end_current))
        .routes(routes!(proof::prove))
        .routes(routes!(sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(password::request))
        .routes(routes!(password::complete))
        .routes(routes!(me::retrieve, me::update))
        .routes(routes!(my_projects::retrieve))
        .routes(routes!(password::change))
        .routes(routes!(contact::change_email))
        .routes(routes!(contact::verify_email))
        .routes(routes!(contact::change_phone))
        .routes(routes!(contact::verify_phone))
        .merge(factors::routes())
        .routes(routes!(oidc::signing_in::list))
        .routes(routes!(oidc::signing_in::start))
        .routes(routes!(oidc::signing_in::callback))
        .routes(routes!(oidc::identities::list, oidc::identities::link))
        .routes(routes!(oidc::identities::unlink))
        .routes(routes!(invitations::look_up))
        .routes(routes!(invitations::list))
        .routes(routes!(invitations::accept_by_secret))
        .routes(routes!(invitations::accept))
        .routes(routes!(invitations::decline))
}
