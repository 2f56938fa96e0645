//! What a limit is put on, as `/api` reads and writes it: the organization, a project or a key.

use domain::budget::Scope;
use domain::id::{KeyId, OrganizationId, ProjectId};
use domain::key::KeyClass;
use serde::Serialize;
use store::{Tx, keys};
use utoipa::ToSchema;

use crate::body::Fields;
use crate::projects::find_active;
use crate::query::{Query, invalid};
use crate::respond::{Outcome, Refusal};

/// The kind of thing that a limit is put on: the `organization` (all of its projects and keys
/// together), one `project`, or one `key` of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScopeType {
    Organization,
    Project,
    Key,
}

/// What a limit is put on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"type": "project", "id": "proj_7YkQ2nV0bX4cR9sLwA3eTz1M"}))]
pub(crate) struct LimitScope {
    #[serde(rename = "type")]
    kind: ScopeType,
    /// The id of the organization, project or key.
    #[schema(example = "proj_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
}

/// What a caller wants to put a limit on.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"type": "project", "id": "proj_7YkQ2nV0bX4cR9sLwA3eTz1M"}))]
pub(crate) struct NewLimitScope {
    #[schema(rename = "type")]
    kind: ScopeType,
    /// The id of the project or key. Of an organization it may be left out: it is the key's own.
    #[schema(example = "proj_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: Option<String>,
    /// How a refusal calls the id.
    #[schema(ignore)]
    id_param: &'static str,
}

const TYPES: [(&str, ScopeType); 3] = [
    ("organization", ScopeType::Organization),
    ("project", ScopeType::Project),
    ("key", ScopeType::Key),
];

impl LimitScope {
    pub(crate) fn of(scope: &Scope, organization: &OrganizationId) -> Self {
        let (kind, id) = match scope {
            Scope::Organization => (ScopeType::Organization, organization.as_str()),
            Scope::Project(id) => (ScopeType::Project, id.as_str()),
            Scope::Key(id) => (ScopeType::Key, id.as_str()),
        };
        LimitScope {
            kind,
            id: id.to_owned(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl NewLimitScope {
    /// The object `scope` of a body.
    pub(crate) fn read(fields: &Fields) -> Outcome<Option<Self>> {
        let Some(scope) = fields.object("scope", "scope.")? else {
            return Ok(None);
        };
        Ok(Some(NewLimitScope {
            kind: scope.required("type", scope.word("type", TYPES)?)?,
            id: scope.id("id")?.map(ToOwned::to_owned),
            id_param: "scope.id",
        }))
    }

    /// `scope_type` and `scope_id` of a query.
    pub(crate) fn asked(query: &Query) -> Outcome<Option<Self>> {
        let Some(word) = query.one("scope_type") else {
            return match query.one("scope_id") {
                None => Ok(None),
                Some(_) => Err(Refusal::Missing {
                    param: "scope_type".into(),
                }),
            };
        };
        let known = TYPES.iter().find(|(known, _)| *known == word);
        let (_, kind) = known.ok_or_else(|| {
            let expected = "expected 'organization' or 'project' or 'key'";
            invalid("scope_type", format!("Invalid 'scope_type': {expected}."))
        })?;
        Ok(Some(NewLimitScope {
            kind: *kind,
            id: query.one("scope_id").map(ToOwned::to_owned),
            id_param: "scope_id",
        }))
    }

    /// The scope it names, whether it exists or not.
    pub(crate) fn named(&self, organization: &OrganizationId) -> Outcome<Scope> {
        let param = self.id_param;
        let id = self.id.as_deref();
        let required = || {
            id.ok_or_else(|| Refusal::Missing {
                param: param.into(),
            })
        };
        match self.kind {
            ScopeType::Organization if id.is_none_or(|id| id == organization.as_str()) => {
                Ok(Scope::Organization)
            }
            ScopeType::Organization => Err(invalid(
                param,
                format!("Invalid '{param}': this key's organization is '{organization}'."),
            )),
            ScopeType::Project => Ok(Scope::Project(ProjectId::new(required()?))),
            ScopeType::Key => Ok(Scope::Key(KeyId::new(required()?))),
        }
    }

    /// The scope it names, if a limit on it would limit anything.
    pub(crate) fn found(&self, tx: &mut Tx<'_>, organization: &OrganizationId) -> Outcome<Scope> {
        let scope = self.named(organization)?;
        match &scope {
            Scope::Organization => {}
            Scope::Project(id) => {
                find_active(tx, organization, id.as_str())?;
            }
            Scope::Key(id) => self.check_key(tx, organization, id)?,
        }
        Ok(scope)
    }

    fn check_key(&self, tx: &mut Tx<'_>, organization: &OrganizationId, id: &KeyId) -> Outcome<()> {
        let key = keys::active_by_id(tx, id)?.map(|key| key.principal);
        let key = key.filter(|key| key.organization == *organization);
        let key = key.ok_or_else(|| Refusal::NotFound {
            what: "key",
            id: id.to_string(),
        })?;
        let param = self.id_param;
        match key.class {
            KeyClass::Admin => Err(invalid(
                param,
                format!("Invalid '{param}': an admin key calls no models, so it needs no limit."),
            )),
            _ if key.project_archived => Err(Refusal::Archived {
                message: "Keys of an archived project do not work.",
            }),
            _ => Ok(()),
        }
    }
}
