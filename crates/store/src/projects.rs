//! Projects: where keys live, and what usage is grouped by.

use domain::id::{OrganizationId, ProjectId, UserId};
use domain::permission::Permission;
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::standing::{HeldRoles, Whose};
use crate::{Row, StoreError, Tx};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: String,
    /// The one that every organization has, and that cannot be archived.
    pub is_default: bool,
    /// When it was made.
    pub created_at: AtUs,
    /// When it stopped taking requests.
    pub archived_at: Option<AtUs>,
}

/// Makes a project.
///
/// # Errors
/// [`StoreError`].
pub fn create(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &Project,
) -> Result<(), StoreError> {
    let default_since = project.is_default.then_some(project.created_at.0);
    tx.execute_one(
        "INSERT INTO projects (id, organization_id, name, default_since_us, created_at_us)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            project.id.as_str().into(),
            organization.as_str().into(),
            project.name.as_str().into(),
            default_since.into(),
            project.created_at.0.into(),
        ],
    )
}

const COLUMNS: &str = "id, name, default_since_us, created_at_us, archived_at_us";

/// One project of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &ProjectId,
) -> Result<Option<Project>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM projects WHERE organization_id = $1 AND id = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Which projects a list shows.
#[derive(Clone, Debug)]
pub struct Page {
    /// Those after this one; all if none.
    pub after: Option<Project>,
    /// At most this many.
    pub limit: i64,
    /// Also those that are archived.
    pub include_archived: bool,
    /// Only those that a role of this person lets them see; if nobody is named, all.
    pub seen_by: Option<UserId>,
}

/// Projects of an organization, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
) -> Result<Vec<Project>, StoreError> {
    let Some(user) = &page.seen_by else {
        return rows(tx, organization, page, "");
    };
    let held = HeldRoles::read(tx, &Whose::OfUser(user))?;
    let sees = |project: &Project| {
        let standing = held.standing(organization, user, Some(&project.id));
        standing.in_project().contains(Permission::ProjectsRead)
    };
    let most = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let (mut found, mut page) = (Vec::new(), page.clone());
    loop {
        let rows = rows(tx, organization, &page, IN_WHICH_SOMEBODY_IS)?;
        let is_last = rows.len() < most;
        page.after = rows.last().cloned();
        found.extend(rows.into_iter().filter(&sees));
        if is_last || found.len() >= most {
            found.truncate(most);
            return Ok(found);
        }
    }
}

/// Narrows a list down to where somebody has any role, so that it is not walked in vain.
const IN_WHICH_SOMEBODY_IS: &str = "AND id IN (
    SELECT project_id FROM project_members WHERE user_id = $6
    UNION SELECT project_id FROM role_assignments WHERE user_id = $6
    UNION SELECT a.project_id FROM role_assignments a
          JOIN group_members g ON g.group_id = a.group_id WHERE g.user_id = $6)";

fn rows(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
    narrowed: &str,
) -> Result<Vec<Project>, StoreError> {
    let after = page.after.as_ref();
    let (at, id) = after.map_or((i64::MIN, ""), |it| (it.created_at.0, it.id.as_str()));
    let sql = format!(
        "SELECT {COLUMNS} FROM projects
         WHERE organization_id = $1 AND (created_at_us, id) > ($2, $3)
           AND (archived_at_us IS NULL OR CAST($4 AS BIGINT) = 1) {narrowed}
         ORDER BY created_at_us, id LIMIT $5"
    );
    let mut params = vec![
        organization.as_str().into(),
        at.into(),
        id.into(),
        i64::from(page.include_archived).into(),
        page.limit.into(),
    ];
    params.extend(page.seen_by.as_ref().map(|user| user.as_str().into()));
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// Gives a project another name.
///
/// # Errors
/// [`StoreError`].
pub fn rename(tx: &mut Tx<'_>, id: &ProjectId, name: &str, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE projects SET name = $2 WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into(), name.into()])?;
    changes::record(tx, ChangeKind::Project, id.as_str(), now)
}

/// Ends a project: its keys work no more.
///
/// # Errors
/// [`StoreError`]; a conflict if it is archived already, or the default one.
pub fn archive(tx: &mut Tx<'_>, id: &ProjectId, now: AtUs) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE projects SET archived_at_us = $2
         WHERE id = $1 AND archived_at_us IS NULL AND default_since_us IS NULL",
        &[id.as_str().into(), now.0.into()],
    )?;
    changes::record(tx, ChangeKind::Project, id.as_str(), now)
}

fn from_row(row: &Row) -> Result<Project, StoreError> {
    Ok(Project {
        id: ProjectId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        is_default: row.opt_int(2)?.is_some(),
        created_at: AtUs(row.int(3)?),
        archived_at: row.opt_int(4)?.map(AtUs),
    })
}
