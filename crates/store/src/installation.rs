//! Setting up an empty installation: the first person, organization, project and keys.

use domain::Entropy;
use domain::access::Owner;
use domain::id::{KeyId, OrganizationId, ProjectId, UserId};
use domain::key::{KeyClass, KeySecret};
use domain::people::password::PasswordHash;
use domain::time::AtUs;

use crate::keys::{self, NewKey};
use crate::people::users::{self, NewUser};
use crate::{StoreError, Tx, changes, organizations};

/// What an installation begins with.
#[derive(Clone, Debug)]
pub struct NewInstallation {
    /// The address of the operator, who also owns the organization.
    pub email: String,
    /// The hash of the operator's password.
    pub password: PasswordHash,
    /// The organization's name.
    pub organization: String,
}

/// What was made. The keys are shown once and kept nowhere.
#[derive(Debug)]
pub struct SetUp {
    /// The organization.
    pub organization: OrganizationId,
    /// Its default project.
    pub project: ProjectId,
    /// The operator.
    pub user: UserId,
    /// Calls the data plane, in that project.
    pub api_key: KeySecret,
    /// Calls the Administration API.
    pub admin_key: KeySecret,
}

/// Why an installation cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// Somebody did.
    #[error("this installation is already set up")]
    AlreadySetUp,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets up an empty installation.
///
/// # Errors
/// [`SetUpError`].
pub fn set_up(
    tx: &mut Tx<'_>,
    new: &NewInstallation,
    now: AtUs,
    entropy: Entropy,
) -> Result<SetUp, SetUpError> {
    // Two who set up at once wait for each other here, so that the second sees the first.
    changes::lock(tx)?;
    if tx.query_one("SELECT COUNT(*) FROM users", &[])?.int(0)? > 0 {
        return Err(SetUpError::AlreadySetUp);
    }
    let user = users::create(
        tx,
        &NewUser {
            email: &new.email,
            name: new.email.split('@').next().unwrap_or_default(),
            password: Some(&new.password),
            phone: None,
            is_operator: true,
        },
        now,
        entropy,
    )?;
    let made = organizations::found(tx, &new.organization, &user, now, entropy)?;
    let (organization, project) = (made.id, made.project);
    let mut key = |class, project, name| -> Result<KeySecret, StoreError> {
        let secret = KeySecret::mint(class, entropy);
        let new = NewKey {
            id: KeyId::random(entropy),
            organization: &organization,
            project,
            owner: Owner::User(user.clone()),
            name,
            expires_at: None,
        };
        keys::create(tx, &new, &secret, now)?;
        Ok(secret)
    };
    let api_key = key(KeyClass::Project, Some(&project), "First key")?;
    let admin_key = key(KeyClass::Admin, None, "First admin key")?;
    Ok(SetUp {
        organization,
        project,
        user,
        api_key,
        admin_key,
    })
}
