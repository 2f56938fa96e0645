//! What people decide about keys: their names, what they are restricted to, and when they expire.

use domain::access::Owner;
use domain::id::{KeyId, ProjectId, UserId};
use domain::network::Network;
use domain::restriction::{KeyPermissions, Restrictions};
use domain::time::AtUs;

use super::{Cursor, KeyRow, SHOWN, with_access};
use crate::changes::{self, ChangeKind};
use crate::{StoreError, Tx, Value};

/// Everything that can be decided about a key after it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// What it is restricted to.
    pub restrictions: Restrictions,
    /// When it stops working.
    pub expires_at: Option<AtUs>,
}

impl From<&KeyRow> for Settings {
    fn from(key: &KeyRow) -> Self {
        Settings {
            name: key.name.clone(),
            restrictions: key.restrictions.clone(),
            expires_at: key.expires_at,
        }
    }
}

/// Decides about a key that works, in place of what was decided before. Servers hear of it.
///
/// # Errors
/// [`StoreError`]; a conflict if the key was revoked.
pub fn set(tx: &mut Tx<'_>, id: &KeyId, settings: &Settings, now: AtUs) -> Result<(), StoreError> {
    let Restrictions {
        permissions,
        models,
        networks,
    } = &settings.restrictions;
    let models = models
        .as_ref()
        .map(|models| json(models.iter().map(|it| &**it)));
    let networks = networks.as_ref().map(|networks| {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        json(networks.iter().map(|it| &**it))
    });
    tx.execute_one(
        "UPDATE keys SET name = $2, scopes = $3, models = $4, ip_ranges = $5, expires_at_us = $6
         WHERE id = $1 AND revoked_at_us IS NULL",
        &[
            id.as_str().into(),
            settings.name.as_str().into(),
            permissions.names().map(json).as_deref().into(),
            models.as_deref().into(),
            networks.as_deref().into(),
            settings.expires_at.map(|at| at.0).into(),
        ],
    )?;
    changes::record(tx, ChangeKind::Key, id.as_str(), now)
}

fn json<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    serde_json::json!(words).to_string()
}

/// What is kept of a key's restrictions, in three lists.
pub(crate) fn read(
    models: Option<&str>,
    scopes: Option<&str>,
    networks: Option<&str>,
) -> Result<Restrictions, StoreError> {
    let models = words(models)?;
    let permissions = match words(scopes)? {
        None => KeyPermissions::All,
        Some(names) => KeyPermissions::from_names(names.iter().map(|name| &**name)),
    };
    let network = |text: &String| {
        Network::parse(text)
            .map_err(|_| StoreError::Corrupt(format!("a key is bound to the network {text}")))
    };
    let networks = words(networks)?.map(|texts| texts.iter().map(network).collect());
    Ok(Restrictions {
        permissions,
        models: models.map(|models| models.into_iter().map(Into::into).collect()),
        networks: networks.transpose()?,
    })
}

fn words(json: Option<&str>) -> Result<Option<Vec<String>>, StoreError> {
    json.map(serde_json::from_str)
        .transpose()
        .map_err(|error| StoreError::Corrupt(format!("a key's list is no list: {error}")))
}

/// The keys of people in a project, oldest first, at most `limit`, after `after`: of one person, or
/// of all.
///
/// # Errors
/// [`StoreError`].
pub fn list_of_people(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    of: Option<&UserId>,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<KeyRow>, StoreError> {
    let (at, id) = after.map_or((i64::MIN, ""), |(at, id)| (at.0, id.as_str()));
    let mut params: Vec<Value> = vec![project.as_str().into(), at.into(), id.into(), limit.into()];
    let whose = match of {
        None => "k.user_id IS NOT NULL",
        Some(user) => {
            params.push(user.as_str().into());
            "k.user_id = $5"
        }
    };
    let sql = format!(
        "{SHOWN} AND k.project_id = $1 AND {whose} AND (k.created_at_us, k.id) > ($2, $3)
         ORDER BY k.created_at_us, k.id LIMIT $4"
    );
    with_access(tx, project, &sql, &params)
}

/// The person who owns a key; none if a service account does.
#[must_use]
pub fn person(key: &KeyRow) -> Option<&UserId> {
    match &key.owner.owner {
        Owner::User(user) => Some(user),
        Owner::ServiceAccount(_) => None,
    }
}
