//! What a key may be restricted to: `scopes`, by OpenAI's names of permissions.

use domain::permission::{Permission, Permissions, Resource};

use crate::body::Fields;
use crate::respond::Outcome;

/// The name of all permissions to read.
const READ_ALL: &str = "api.all.read";

/// The most scopes that a list names.
const MOST: usize = 64;

/// What `scopes` restricts a key to, if it is there: to nothing less than its owner may do where
/// the list is empty.
pub(crate) fn scopes(fields: &Fields) -> Outcome<Option<Option<Permissions>>> {
    let Some(names) = fields.ids("scopes", MOST)? else {
        return Ok(None);
    };
    if names.is_empty() {
        return Ok(Some(None));
    }
    let scope = |name: &str| match Permission::from_name(name) {
        _ if name == READ_ALL => Ok(read_all()),
        Some(known) if known.resource() == Resource::Project => Ok(Permissions::of(&[known])),
        Some(_) => Err(fields.invalid(
            "scopes",
            &format!("'{name}' is for the whole organization, not for a key of a project"),
        )),
        None => Err(fields.invalid("scopes", &format!("there is no '{name}' here"))),
    };
    let add = |all: Permissions, name| Ok(all.and(scope(name)?));
    names
        .into_iter()
        .try_fold(Permissions::NONE, add)
        .map(|all| Some(Some(all)))
}

/// The scopes of a key as the audit log names them: none named means all.
pub(crate) fn names(scopes: Option<Permissions>) -> Vec<&'static str> {
    let scopes = scopes.into_iter().flat_map(Permissions::iter);
    scopes.map(Permission::as_str).collect()
}

fn read_all() -> Permissions {
    let all = Permission::ALL.iter().copied();
    let reads =
        |it: &Permission| it.resource() == Resource::Project && it.as_str().ends_with(".read");
    all.filter(reads).collect()
}
