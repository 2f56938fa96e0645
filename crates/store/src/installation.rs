//! Setting up an empty installation: the first person, organization, project and keys.

use domain::Entropy;
use domain::access::Owner;
use domain::id::{KeyId, OrganizationId, ProjectId, UserId};
use domain::key::{KeyClass, KeySecret};
use domain::time::AtUs;

use crate::keys::{self, NewKey};
use crate::projects::{self, Project};
use crate::{StoreError, Tx, changes, wallets};

/// What an installation begins with.
#[derive(Clone, Debug)]
pub struct NewInstallation {
    /// The address of the operator, who also owns the organization.
    pub email: String,
    /// The argon2id hash of the operator's password.
    pub password_hash: String,
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

/// The name of the project that every organization begins with.
const DEFAULT_PROJECT: &str = "Default project";

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
    let (organization, user) = (OrganizationId::random(entropy), UserId::random(entropy));
    let name = new.email.split('@').next().unwrap_or_default();
    tx.execute_one(
        "INSERT INTO users (id, email, name, password_hash, operator_since_us, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $5)",
        &[
            user.as_str().into(),
            new.email.as_str().into(),
            name.into(),
            new.password_hash.as_str().into(),
            now.0.into(),
        ],
    )?;
    tx.execute_one(
        "INSERT INTO organizations (id, name, created_at_us) VALUES ($1, $2, $3)",
        &[
            organization.as_str().into(),
            new.organization.as_str().into(),
            now.0.into(),
        ],
    )?;
    tx.execute_one(
        "INSERT INTO members (organization_id, user_id, role, added_at_us)
         VALUES ($1, $2, 'owner', $3)",
        &[
            organization.as_str().into(),
            user.as_str().into(),
            now.0.into(),
        ],
    )?;
    wallets::open(tx, &organization)?;
    let project = Project {
        id: ProjectId::random(entropy),
        name: DEFAULT_PROJECT.into(),
        is_default: true,
        created_at: now,
        archived_at: None,
    };
    projects::create(tx, &organization, &project)?;
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
    let api_key = key(KeyClass::Project, Some(&project.id), "First key")?;
    let admin_key = key(KeyClass::Admin, None, "First admin key")?;
    Ok(SetUp {
        organization,
        project: project.id,
        user,
        api_key,
        admin_key,
    })
}
