//! Roles that members and groups have, in an organization or one of its projects.

use domain::id::{GroupId, OrganizationId, RoleAssignmentId, UserId};
use domain::permission::{Realm, RoleName};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::roles::{of, project};
use crate::standing::HELD;
use crate::{StoreError, Tx};

/// Who has a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A member of the organization; for a role in a project, also of the project.
    User(UserId),
    /// Everybody in a group.
    Group(GroupId),
}

impl Holder {
    fn ids(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Holder::User(id) => (Some(id.as_str()), None),
            Holder::Group(id) => (None, Some(id.as_str())),
        }
    }
}

/// A role that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The role.
    pub role: RoleName,
    /// Who has it: the one that was asked about, and groups that they are in.
    pub through: Vec<Holder>,
    /// Since when, by the first of them.
    pub since: AtUs,
}

/// Somebody's role in an organization or project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The organization.
    pub organization: OrganizationId,
    /// Where the role holds: the organization, or one of its projects.
    pub realm: Realm,
    /// Who has it.
    pub holder: Holder,
    /// The role.
    pub role: RoleName,
}

/// Gives a role; false if it is there already.
///
/// # Errors
/// [`StoreError`]; a conflict if the user is no member of the organization or the project.
pub fn assign(
    tx: &mut Tx<'_>,
    id: &RoleAssignmentId,
    new: &Assignment,
    now: AtUs,
) -> Result<bool, StoreError> {
    let (user, group) = new.holder.ids();
    let added = tx.execute(
        "INSERT INTO role_assignments (organization_id, project_id, id, user_id, group_id, role,
                                       assigned_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        &[
            new.organization.as_str().into(),
            project(&new.realm).into(),
            id.as_str().into(),
            user.into(),
            group.into(),
            new.role.as_str().into(),
            now.0.into(),
        ],
    )?;
    tell(tx, new, added, now)
}

/// Takes a role away; false if it was not assigned. One of membership is not.
///
/// # Errors
/// [`StoreError`].
pub fn unassign(tx: &mut Tx<'_>, gone: &Assignment, now: AtUs) -> Result<bool, StoreError> {
    let (user, group) = gone.holder.ids();
    let mut params = of(&gone.organization, &gone.realm);
    params.extend([user.into(), group.into(), gone.role.as_str().into()]);
    let removed = tx.execute(
        "DELETE FROM role_assignments
         WHERE organization_id = $1 AND COALESCE(project_id, '') = COALESCE($2, '')
           AND COALESCE(user_id, '') = COALESCE($3, '')
           AND COALESCE(group_id, '') = COALESCE($4, '') AND role = $5",
        &params,
    )?;
    tell(tx, gone, removed, now)
}

fn tell(
    tx: &mut Tx<'_>,
    assignment: &Assignment,
    changed: u64,
    now: AtUs,
) -> Result<bool, StoreError> {
    if changed > 0 {
        let (kind, reference) = match &assignment.holder {
            Holder::User(id) => (ChangeKind::User, id.as_str()),
            Holder::Group(_) => (ChangeKind::Roles, assignment.organization.as_str()),
        };
        changes::record(tx, kind, reference, now)?;
    }
    Ok(changed > 0)
}

/// Every role that a user or a group has in an organization or project, the earliest first. Of a
/// user, also those of membership and through groups.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    realm: &Realm,
    holder: &Holder,
) -> Result<Vec<Assigned>, StoreError> {
    let mut params = of(organization, realm);
    let sql = match holder {
        Holder::User(id) => {
            params.push(id.as_str().into());
            format!(
                "SELECT role, group_id, since_us FROM ({HELD}) h
                 WHERE organization_id = $1 AND project_id = COALESCE($2, '') AND user_id = $3
                 ORDER BY since_us, role, group_id"
            )
        }
        Holder::Group(id) => {
            params.push(id.as_str().into());
            "SELECT role, group_id, assigned_at_us FROM role_assignments
             WHERE organization_id = $1 AND COALESCE(project_id, '') = COALESCE($2, '')
               AND group_id = $3
             ORDER BY assigned_at_us, role"
                .to_owned()
        }
    };
    let mut all: Vec<Assigned> = Vec::new();
    for row in tx.query(&sql, &params)? {
        let word = row.text(0)?;
        let role = RoleName::from_text(realm.resource(), word)
            .ok_or_else(|| StoreError::Corrupt(format!("somebody has the role {word}")))?;
        let through = match row.text(1)? {
            "" => holder.clone(),
            group => Holder::Group(GroupId::new(group)),
        };
        match all.iter_mut().find(|assigned| assigned.role == role) {
            Some(assigned) if !assigned.through.contains(&through) => {
                assigned.through.push(through);
            }
            Some(_) => {}
            None => all.push(Assigned {
                role,
                through: vec![through],
                since: AtUs(row.int(2)?),
            }),
        }
    }
    Ok(all)
}
