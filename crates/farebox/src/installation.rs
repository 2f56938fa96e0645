//! What the commands do to an installation: found it, grant credit, prove the ledger.

use domain::id::{OrganizationId, ProjectId, UserId};
use domain::key::KeySecret;
use domain::money::Nusd;

use crate::cli::{Failure, Grant};
use crate::config::{Config, Secret};

/// What an installation begins with.
#[derive(Debug)]
pub struct NewInstallation {
    /// The operator, who also owns the organization.
    pub email: String,
    /// The organization's name.
    pub organization: String,
    /// The operator's password.
    pub password: Secret,
    /// Granted to the organization; zero grants nothing.
    pub credit: Nusd,
}

/// What was made. The keys are shown once and kept nowhere.
#[derive(Debug)]
pub struct Founded {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Its default project.
    pub project_id: ProjectId,
    /// The operator.
    pub user_id: UserId,
    /// Calls the data plane, in that project.
    pub api_key: KeySecret,
    /// Calls the Administration API.
    pub admin_key: KeySecret,
}

/// Credit that was given.
#[derive(Debug)]
pub struct Granted {
    /// The grant's id in the books.
    pub id: String,
    /// What the organization then has.
    pub balance: Nusd,
}

/// What a verification found.
#[derive(Debug)]
pub struct Proof {
    /// Transfers that were looked at.
    pub transfers: u64,
    /// Every invariant that does not hold: which, where, by how much.
    pub violations: Vec<String>,
}

/// Founds an empty installation.
///
/// # Errors
/// [`Failure`] if it is not empty, or the database cannot be used.
pub async fn found(_config: &Config, _new: &NewInstallation) -> Result<Founded, Failure> {
    Err(Failure::new("not wired"))
}

/// Grants an organization credit. A running server hears of it.
///
/// # Errors
/// [`Failure`] if there is no such organization, or the database cannot be used.
pub async fn grant(_config: &Config, _grant: &Grant) -> Result<Granted, Failure> {
    Err(Failure::new("not wired"))
}

/// Proves every invariant of the ledger, beside a running server too.
///
/// # Errors
/// [`Failure`] if the database cannot be read.
pub async fn verify(_config: &Config) -> Result<Proof, Failure> {
    Err(Failure::new("not wired"))
}
