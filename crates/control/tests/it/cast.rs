//! People of every kind, with admin keys.

// SQL in a test: a member of an organization or project is made by it, in one transaction with
// their key.

use domain::access::Owner;
use domain::id::{KeyId, OrganizationId, ProjectId, RoleAssignmentId, RoleId, UserId};
use domain::key::{KeyClass, KeySecret};
use domain::permission::{Permissions, Realm, RoleName};
use domain::time::AtUs;
use store::changes::{self, ChangeKind};
use store::keys::{self, NewKey};
use store::role_assignments::{self, Assignment, Holder};
use store::roles::{self, Role};
use store::{StoreError, Tx};

use crate::world::{START_S, World, entropy};

/// When the cast was made.
pub(crate) const MADE: AtUs = AtUs(START_S * 1_000_000);

/// A member of an organization, by the name in its id.
pub(crate) fn member(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    name: &str,
    role: &str,
) -> Result<UserId, StoreError> {
    let user = UserId::new(&format!("user-{name}"));
    tx.execute_one(
        "INSERT INTO users (id, email, name, password_hash, created_at_us)
         VALUES ($1, $2, $3, 'none', 1)",
        &[
            user.as_str().into(),
            format!("{name}@example.com").into(),
            name.into(),
        ],
    )?;
    tx.execute_one(
        "INSERT INTO members (organization_id, user_id, role, added_at_us) VALUES ($1, $2, $3, $4)",
        &[
            organization.as_str().into(),
            user.as_str().into(),
            role.into(),
            MADE.0.into(),
        ],
    )?;
    Ok(user)
}

/// Makes a member of an organization a member of a project.
pub(crate) fn join(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
    user: &UserId,
    role: &str,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO project_members (project_id, user_id, organization_id, role, added_at_us)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            project.as_str().into(),
            user.as_str().into(),
            organization.as_str().into(),
            role.into(),
            MADE.0.into(),
        ],
    )?;
    changes::record(tx, ChangeKind::User, user.as_str(), MADE)
}

/// Takes somebody out of all organizations.
pub(crate) fn leave(tx: &mut Tx<'_>, user: &UserId) -> Result<(), StoreError> {
    let sql = "DELETE FROM members WHERE user_id = $1";
    tx.execute_one(sql, &[user.as_str().into()])?;
    changes::record(tx, ChangeKind::User, user.as_str(), MADE)
}

/// A key: an admin key without a project.
pub(crate) fn key(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: Option<&ProjectId>,
    owner: Owner,
) -> Result<KeySecret, StoreError> {
    let class = match (project, &owner) {
        (None, _) => KeyClass::Admin,
        (_, Owner::User(_)) => KeyClass::Project,
        (_, Owner::ServiceAccount(_)) => KeyClass::ServiceAccount,
    };
    let secret = KeySecret::mint(class, entropy);
    let new = NewKey {
        id: KeyId::random(entropy),
        organization,
        project,
        owner,
        name: "k",
        expires_at: None,
    };
    keys::create(tx, &new, &secret, MADE)?;
    Ok(secret)
}

/// A role with these permissions, assigned to somebody.
pub(crate) fn custom_role(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    realm: Realm,
    user: &UserId,
    permissions: Permissions,
) -> Result<(), StoreError> {
    let role = Role {
        id: RoleId::random(entropy),
        name: format!("of {user}"),
        description: None,
        permissions,
        created_by: None,
        created_at: MADE,
        updated_at: MADE,
    };
    roles::create(tx, organization, &realm, &role)?;
    let assignment = Assignment {
        organization: organization.clone(),
        realm,
        holder: Holder::User(user.clone()),
        role: RoleName::Custom(role.id),
    };
    role_assignments::assign(tx, &RoleAssignmentId::random(entropy), &assignment, MADE)?;
    Ok(())
}

impl World {
    /// A person with an admin key: with a role in the organization, and perhaps one in its first
    /// project.
    pub(crate) async fn person(
        &self,
        name: &'static str,
        role: &'static str,
        in_project: Option<&'static str>,
    ) -> KeySecret {
        let (organization, project) = (self.made.organization.clone(), self.made.project.clone());
        let write = self.store.write(move |tx| {
            let user = member(tx, &organization, name, role)?;
            if let Some(role) = in_project {
                join(tx, &organization, &project, &user, role)?;
            }
            key(tx, &organization, None, Owner::User(user))
        });
        write.await.unwrap()
    }
}
