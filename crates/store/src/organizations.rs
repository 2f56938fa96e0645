//! Organizations: who pays. Each begins with an owner, a wallet and a default project.

use domain::Entropy;
use domain::id::{OrganizationId, ProjectId, UserId};
use domain::time::AtUs;

use crate::projects::{self, Project};
use crate::{StoreError, Tx, wallets};

/// The name of the project that every organization begins with.
const DEFAULT_PROJECT: &str = "Default project";

/// An organization that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded {
    /// The organization.
    pub id: OrganizationId,
    /// Its default project.
    pub project: ProjectId,
}

/// What an organization is called.
///
/// # Errors
/// [`StoreError`].
pub fn name(tx: &mut Tx<'_>, id: &OrganizationId) -> Result<String, StoreError> {
    let sql = "SELECT name FROM organizations WHERE id = $1";
    Ok(tx
        .query_one(sql, &[id.as_str().into()])?
        .text(0)?
        .to_owned())
}

/// Makes an organization that a user owns.
///
/// # Errors
/// [`StoreError`].
pub fn found(
    tx: &mut Tx<'_>,
    name: &str,
    owner: &UserId,
    now: AtUs,
    entropy: Entropy,
) -> Result<Founded, StoreError> {
    let id = OrganizationId::random(entropy);
    tx.execute_one(
        "INSERT INTO organizations (id, name, created_at_us) VALUES ($1, $2, $3)",
        &[id.as_str().into(), name.into(), now.0.into()],
    )?;
    tx.execute_one(
        "INSERT INTO members (organization_id, user_id, role, added_at_us)
         VALUES ($1, $2, 'owner', $3)",
        &[id.as_str().into(), owner.as_str().into(), now.0.into()],
    )?;
    wallets::open(tx, &id)?;
    let project = Project {
        id: ProjectId::random(entropy),
        name: DEFAULT_PROJECT.into(),
        is_default: true,
        created_at: now,
        archived_at: None,
    };
    projects::create(tx, &id, &project)?;
    let project = project.id;
    Ok(Founded { id, project })
}
