//! Which models projects may use, where that is restricted.

use domain::id::{OrganizationId, ProjectId};
use domain::model_permissions::{Mode, ModelPermissions};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx};

/// Restricts a project, in place of what was before. Servers hear of it.
///
/// # Errors
/// [`StoreError`].
pub fn set(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
    permissions: &ModelPermissions,
    now: AtUs,
) -> Result<(), StoreError> {
    let models: Vec<&String> = permissions.models.iter().collect();
    tx.execute_one(
        "INSERT INTO model_permissions (project_id, organization_id, mode, models)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (project_id) DO UPDATE SET mode = EXCLUDED.mode, models = EXCLUDED.models",
        &[
            project.as_str().into(),
            organization.as_str().into(),
            permissions.mode.as_str().into(),
            serde_json::json!(models).to_string().into(),
        ],
    )?;
    changes::record(tx, ChangeKind::Project, project.as_str(), now)
}

/// Lets a project use every model again; false if it could.
///
/// # Errors
/// [`StoreError`].
pub fn delete(tx: &mut Tx<'_>, project: &ProjectId, now: AtUs) -> Result<bool, StoreError> {
    let sql = "DELETE FROM model_permissions WHERE project_id = $1";
    let deleted = tx.execute(sql, &[project.as_str().into()])?;
    if deleted == 1 {
        changes::record(tx, ChangeKind::Project, project.as_str(), now)?;
    }
    Ok(deleted == 1)
}

const COLUMNS: &str = "SELECT project_id, mode, models FROM model_permissions";

/// What restricts a project; none if nothing does.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Option<ModelPermissions>, StoreError> {
    let sql = format!("{COLUMNS} WHERE project_id = $1");
    let row = tx.query_optional(&sql, &[project.as_str().into()])?;
    Ok(row.as_ref().map(from_row).transpose()?.map(|(_, it)| it))
}

/// Every project that is restricted.
///
/// # Errors
/// [`StoreError`].
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<(ProjectId, ModelPermissions)>, StoreError> {
    tx.query(COLUMNS, &[])?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<(ProjectId, ModelPermissions), StoreError> {
    let corrupt = || StoreError::Corrupt("model permissions cannot be read".into());
    let permissions = ModelPermissions {
        mode: Mode::from_word(row.text(1)?).ok_or_else(corrupt)?,
        models: serde_json::from_str(row.text(2)?).map_err(|_| corrupt())?,
    };
    Ok((ProjectId::new(row.text(0)?), permissions))
}
