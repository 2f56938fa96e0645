//! What a person asks of a key: its name, what it is restricted to, and how long it works.

use std::sync::Arc;

use domain::network::Network;
use domain::restriction::{KeyPermissions, KeyScope, KeyScopes};
use domain::time::{AtUs, SECOND_US};
use serde_json::{Value, json};
use store::keys::settings::Settings;

use crate::body::Fields;
use crate::respond::{Outcome, Refusal};
use crate::service_account_keys::key_lifetime_us;

/// The most models that a key may be restricted to.
const MOST_MODELS: usize = 1_000;
/// The most ranges of addresses: as many as OpenAI lets a project have.
const MOST_RANGES: usize = 50;

/// What is asked of a key; what nobody asks for stays. An inner none takes a restriction away.
#[derive(Debug)]
pub(crate) struct KeyChanges {
    pub(crate) name: Option<String>,
    permissions: Option<KeyPermissions>,
    models: Option<Option<Vec<Arc<str>>>>,
    networks: Option<Option<Vec<Network>>>,
    lifetime_us: Option<Option<i64>>,
}

impl KeyChanges {
    pub(crate) fn read(fields: &Fields) -> Outcome<Self> {
        let models = fields.ids("models", MOST_MODELS)?;
        let models = models.map(|models| models.into_iter().map(Into::into).collect());
        let (models, networks) = (filled(fields, "models", models)?, networks(fields)?);
        let lifetime_us = key_lifetime_us(fields)?;
        Ok(KeyChanges {
            name: fields.name("name")?,
            permissions: permissions(fields)?,
            models: fields.or_null("models", models),
            networks,
            lifetime_us: fields.or_null("expires_in_seconds", lifetime_us),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        let restricts = self.permissions.is_some() || self.models.is_some();
        let binds = self.networks.is_some() || self.lifetime_us.is_some();
        self.name.is_none() && !restricts && !binds
    }

    /// What the audit log says was asked for.
    pub(crate) fn to_json(&self) -> Value {
        let scopes = self.permissions.map(|it| it.names().unwrap_or_default());
        let models = self.models.as_ref().map(|models| {
            let models = models.iter().flatten();
            models.map(|model| &**model).collect::<Vec<_>>()
        });
        let networks = self.networks.as_ref().map(|networks| {
            let networks = networks.iter().flatten();
            networks.map(ToString::to_string).collect::<Vec<_>>()
        });
        let never = self.lifetime_us == Some(None);
        json!({
            "name": self.name,
            "scopes": scopes,
            "models": models,
            "ip_ranges": networks,
            "expires_in_seconds": self.lifetime_us.flatten().map(|us| us / SECOND_US),
            "never_expires": never.then_some(true),
        })
    }

    /// Puts what is asked for into what was decided before, if it can be had here: of models that
    /// are new to the key, those that can be called.
    pub(crate) fn apply(
        self,
        settings: &mut Settings,
        callable: &[Arc<str>],
        now: AtUs,
    ) -> Outcome<()> {
        let Settings {
            name,
            restrictions,
            expires_at,
        } = settings;
        if let Some(models) = self.models {
            let before = restrictions.models.take().unwrap_or_default();
            let is_known = |model: &Arc<str>| callable.contains(model) || before.contains(model);
            if let Some(unknown) = models.iter().flatten().find(|model| !is_known(model)) {
                return Err(Refusal::Invalid {
                    param: "models".into(),
                    message: format!("Invalid 'models': there is no model '{unknown}' here."),
                });
            }
            restrictions.models = models;
        }
        if let Some(networks) = self.networks {
            restrictions.networks = networks;
        }
        restrictions.permissions = self.permissions.unwrap_or(restrictions.permissions);
        if let Some(lifetime_us) = self.lifetime_us {
            *expires_at = lifetime_us.map(|us| now.plus(us));
        }
        *name = self.name.unwrap_or_else(|| std::mem::take(name));
        Ok(())
    }
}

/// A list that says something: an empty one would make a key that can do nothing.
fn filled<T>(fields: &Fields, param: &str, list: Option<Vec<T>>) -> Outcome<Option<Vec<T>>> {
    match list {
        Some(items) if items.is_empty() => {
            Err(fields.invalid(param, "name at least one, or send null for all"))
        }
        list => Ok(list),
    }
}

/// The networks that a key is to be used from; the inner none is all.
pub(crate) fn networks(fields: &Fields) -> Outcome<Option<Option<Vec<Network>>>> {
    let Some(texts) = fields.ids("ip_ranges", MOST_RANGES)? else {
        return Ok(fields.or_null("ip_ranges", None));
    };
    let networks = texts.into_iter().enumerate().map(|(index, text)| {
        let param = format!("ip_ranges[{index}]");
        Network::parse(text).map_err(|why| fields.invalid(&param, &why.to_string()))
    });
    let networks = networks.collect::<Outcome<Vec<_>>>()?;
    Ok(filled(fields, "ip_ranges", Some(networks))?.map(Some))
}

fn permissions(fields: &Fields) -> Outcome<Option<KeyPermissions>> {
    #[derive(Clone, Copy)]
    enum Mode {
        All,
        ReadOnly,
        Restricted,
    }
    let words = [
        ("all", Mode::All),
        ("restricted", Mode::Restricted),
        ("read_only", Mode::ReadOnly),
    ];
    let resources = fields.object("resources", "resources.")?;
    let of_all = |permissions| match &resources {
        None => Ok(Some(permissions)),
        Some(_) => Err(fields.invalid("resources", "only a restricted key has them")),
    };
    match (fields.word("permissions", words)?, &resources) {
        (None, None) => Ok(None),
        (Some(Mode::All), _) => of_all(KeyPermissions::All),
        (Some(Mode::ReadOnly), _) => of_all(KeyPermissions::ReadOnly),
        (Some(Mode::Restricted), None) => Err(Refusal::Missing {
            param: "resources".into(),
        }),
        (_, Some(resources)) => Ok(Some(KeyPermissions::Restricted(scopes(resources)?))),
    }
}

/// What each resource that is named is given for: `none`, or one of its accesses.
fn scopes(resources: &Fields) -> Outcome<KeyScopes> {
    let mut given = Vec::new();
    for name in resources.names() {
        let of_it = KeyScope::ALL.iter().filter(|it| it.resource() == name);
        let of_it: Vec<KeyScope> = of_it.copied().collect();
        if of_it.is_empty() {
            let mut known: Vec<&str> = KeyScope::ALL.iter().map(|it| it.resource()).collect();
            known.dedup();
            let problem = format!("expected one of {}", known.join(", "));
            return Err(resources.invalid(name, &problem));
        }
        let accesses = of_it.into_iter().map(|it| (it.access(), Some(it)));
        let words = std::iter::once(("none", None)).chain(accesses);
        given.extend(resources.word(name, words)?.flatten());
    }
    Ok(given.into_iter().collect())
}
