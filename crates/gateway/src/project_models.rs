//! Which models projects may use, in memory: so many of them as are restricted.

use std::collections::HashMap;

use domain::id::ProjectId;
use domain::model_permissions::ModelPermissions;
use parking_lot::RwLock;
use store::{StoreError, Tx, model_permissions};

/// What restricts projects.
#[derive(Debug, Default)]
pub(crate) struct ProjectModels(RwLock<HashMap<ProjectId, ModelPermissions>>);

impl ProjectModels {
    /// Reads what restricts any project.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let all = model_permissions::all(tx)?.into_iter().collect();
        Ok(ProjectModels(RwLock::new(all)))
    }

    /// Follows the database: this is what restricts a project now.
    pub(crate) fn set(&self, project: ProjectId, permissions: Option<ModelPermissions>) {
        let mut all = self.0.write();
        match permissions {
            Some(permissions) => all.insert(project, permissions),
            None => all.remove(&project),
        };
    }

    /// Whether a project may use a model.
    pub(crate) fn allow(&self, project: &ProjectId, model: &str) -> bool {
        let all = self.0.read();
        all.get(project).is_none_or(|it| it.allow(model))
    }
}
