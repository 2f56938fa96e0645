//! Roles that members and groups have, in an organization or one of its projects.

use domain::id::{GroupId, OrganizationId, ProjectId, RoleAssignmentId, UserId};
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
    /// The id of the user or group.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Holder::User(id) => id.as_str(),
            Holder::Group(id) => id.as_str(),
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Holder::User(_) => "user",
            Holder::Group(_) => "group",
        }
    }

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

/// Takes a role away, and answers what is gone; none if it was not assigned. One of membership is
/// not.
///
/// # Errors
/// [`StoreError`].
pub fn unassign(
    tx: &mut Tx<'_>,
    gone: &Assignment,
    now: AtUs,
) -> Result<Option<RoleAssignmentId>, StoreError> {
    let (user, group) = gone.holder.ids();
    let mut params = of(&gone.organization, &gone.realm);
    params.extend([user.into(), group.into(), gone.role.as_str().into()]);
    let removed = tx.query_optional(
        "DELETE FROM role_assignments
         WHERE organization_id = $1 AND COALESCE(project_id, '') = COALESCE($2, '')
           AND COALESCE(user_id, '') = COALESCE($3, '')
           AND COALESCE(group_id, '') = COALESCE($4, '') AND role = $5
         RETURNING id",
        &params,
    )?;
    let Some(row) = removed else {
        return Ok(None);
    };
    tell(tx, gone, 1, now)?;
    Ok(Some(RoleAssignmentId::new(row.text(0)?)))
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
        let role = role(realm, row.text(0)?)?;
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

/// Every role of a group, with where it holds.
///
/// # Errors
/// [`StoreError`].
pub fn of_group(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    group: &GroupId,
) -> Result<Vec<(Realm, RoleName)>, StoreError> {
    let sql = "SELECT project_id, role FROM role_assignments
               WHERE organization_id = $1 AND group_id = $2 ORDER BY assigned_at_us, id";
    let rows = tx.query(sql, &[organization.as_str().into(), group.as_str().into()])?;
    rows.iter()
        .map(|row| {
            let realm = match row.opt_text(0)? {
                None => Realm::Organization(organization.clone()),
                Some(project) => Realm::Project(ProjectId::new(project)),
            };
            let role = role(&realm, row.text(1)?)?;
            Ok((realm, role))
        })
        .collect()
}

fn role(realm: &Realm, word: &str) -> Result<RoleName, StoreError> {
    RoleName::from_text(realm.resource(), word)
        .ok_or_else(|| StoreError::Corrupt(format!("somebody has the role {word}")))
}
