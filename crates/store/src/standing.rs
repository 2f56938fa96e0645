//! What people may do: every role that they hold, whatever way they came to it.

use std::collections::{HashMap, HashSet};

use domain::id::{OrganizationId, ProjectId, UserId};
use domain::permission::{HeldRole, Permission, Permissions, Resource, RoleName, Standing};

use crate::{Row, StoreError, Tx, Value, roles};

/// Every role that anybody holds: as a member, assigned, or through a group. An empty project
/// stands for the organization, an empty group for no group.
pub(crate) const HELD: &str = "
    SELECT organization_id, '' AS project_id, user_id, '' AS group_id, role, added_at_us AS since_us
    FROM members
    UNION ALL
    SELECT organization_id, project_id, user_id, '', role, added_at_us FROM project_members
    UNION ALL
    SELECT organization_id, COALESCE(project_id, ''), user_id, '', role, assigned_at_us
    FROM role_assignments WHERE user_id IS NOT NULL
    UNION ALL
    SELECT g.organization_id, COALESCE(a.project_id, ''), g.user_id, g.group_id, a.role,
           a.assigned_at_us
    FROM group_members g JOIN role_assignments a ON a.group_id = g.group_id";

/// Whose roles to read.
pub(crate) enum Whose<'a> {
    Everybodys,
    OfUser(&'a UserId),
}

/// The roles of some people.
#[derive(Debug, Default)]
pub(crate) struct HeldRoles(HashMap<UserId, Vec<Held>>);

#[derive(Debug)]
struct Held {
    organization: OrganizationId,
    project: Option<ProjectId>,
    role: HeldRole,
}

/// What somebody may do in an organization, and in one of its projects.
///
/// # Errors
/// [`StoreError`].
pub fn of_user(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    user: &UserId,
    project: Option<&ProjectId>,
) -> Result<Standing, StoreError> {
    let held = HeldRoles::read(tx, &Whose::OfUser(user))?;
    Ok(held.standing(organization, user, project))
}

/// The projects of an organization in which somebody may do something by roles there.
///
/// # Errors
/// [`StoreError`].
pub fn projects_with(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    user: &UserId,
    permission: Permission,
) -> Result<Vec<ProjectId>, StoreError> {
    let held = HeldRoles::read(tx, &Whose::OfUser(user))?;
    let roles = held.0.get(user).into_iter().flatten();
    let mut projects: Vec<ProjectId> = roles
        .filter(|held| held.organization == *organization)
        .filter_map(|held| held.project.clone())
        .collect();
    projects.sort_unstable();
    projects.dedup();
    projects.retain(|project| {
        let standing = held.standing(organization, user, Some(project));
        standing.in_project().contains(permission)
    });
    Ok(projects)
}

/// From this many people on, reading everybody's roles at once is less than asking for each.
const MANY: usize = 1_000;

impl HeldRoles {
    /// The roles of these people, and perhaps of others.
    pub(crate) fn of_users(tx: &mut Tx<'_>, users: &HashSet<UserId>) -> Result<Self, StoreError> {
        if users.len() >= MANY {
            return HeldRoles::read(tx, &Whose::Everybodys);
        }
        let mut held = HeldRoles::default();
        for user in users {
            held.0.extend(HeldRoles::read(tx, &Whose::OfUser(user))?.0);
        }
        Ok(held)
    }

    pub(crate) fn read(tx: &mut Tx<'_>, whose: &Whose<'_>) -> Result<Self, StoreError> {
        let (filter, params): (_, Vec<Value>) = match whose {
            Whose::Everybodys => ("", Vec::new()),
            Whose::OfUser(id) => ("WHERE h.user_id = $1", vec![id.as_str().into()]),
        };
        let sql = format!(
            "SELECT h.organization_id, h.project_id, h.user_id, h.role, r.permissions
             FROM ({HELD}) h LEFT JOIN roles r ON r.id = h.role {filter}"
        );
        let mut held = HeldRoles::default();
        // Most members of an organization follow each other: its id is kept once for them.
        let mut last = OrganizationId::new("");
        tx.for_each(&sql, &params, |row| -> Result<(), StoreError> {
            if last.as_str() != row.text(0)? {
                last = OrganizationId::new(row.text(0)?);
            }
            let project = Some(row.text(1)?).filter(|id| !id.is_empty());
            let entry = Held {
                organization: last.clone(),
                project: project.map(ProjectId::new),
                role: held_role(row)?,
            };
            let user = UserId::new(row.text(2)?);
            held.0.entry(user).or_default().push(entry);
            Ok(())
        })?;
        Ok(held)
    }

    pub(crate) fn standing(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        project: Option<&ProjectId>,
    ) -> Standing {
        let mut standing = Standing::default();
        for held in self.0.get(user).into_iter().flatten() {
            let here = held.project.is_none() || held.project.as_ref() == project;
            if held.organization == *organization && here {
                standing.add(held.role);
            }
        }
        standing
    }
}

fn held_role(row: &Row) -> Result<HeldRole, StoreError> {
    let resource = match row.text(1)? {
        "" => Resource::Organization,
        _ => Resource::Project,
    };
    let word = row.text(3)?;
    match RoleName::from_text(resource, word) {
        Some(RoleName::Predefined(role)) => Ok(HeldRole::Predefined(role)),
        Some(RoleName::Custom(_)) => {
            // A role that is gone allows nothing.
            let permissions = row.opt_text(4)?.map(roles::permissions);
            let permissions: Permissions = permissions.transpose()?.unwrap_or_default();
            Ok(HeldRole::Custom(resource, permissions))
        }
        None => Err(StoreError::Corrupt(format!("somebody has the role {word}"))),
    }
}
