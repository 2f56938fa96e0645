//! The configuration: `farebox.toml` over the embedded example, overridden by the environment.
//!
//! - `farebox.example.toml` is the defaults layer, so the sample cannot lie about the defaults.
//! - Every problem is reported at once, each with its file and line or its variable.
//! - Nothing here touches the network or a database.

mod billing;
mod environment;
mod error;
mod messages;
mod models;
mod oidc;
mod payments;
mod read;
mod schema;
mod section;
mod show;
mod tree;
mod upstreams;
mod warnings;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

pub use domain::secret::{REDACTED, Secret};
pub use environment::Environment;
pub use error::{ConfigError, Problem};
pub use schema::{
    Config, Deployment, Endpoint, HoldDurability, JoinRole, LeakReports, Limits, Log, LogFormat,
    Mail, MailKind, MailServer, MailTls, Model, MoneyTaker, NamedSecret, OidcJoin, OidcProvider,
    OnDisconnect, OutputLimitField, Payments, PaymentsKind, PhoneVerification, ResponsesMode,
    Signup, SignupMode, Sms, SmsKind, SmsWebhook, StripeAccount, Target, Tokenizer, TwilioAccount,
    Upstream, UpstreamKind,
};
pub use section::Choice;
pub use show::effective;
pub use tree::Origin;
pub(crate) use warnings::is_at_home;

use tree::{Item, Value};

/// The example file, which is the defaults layer.
pub const EXAMPLE: &str = include_str!("../../../../farebox.example.toml");

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "farebox.toml";

/// A configuration, and what is doubtful about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values in force.
    pub config: Config,
    /// The file they were read from, if any.
    pub file: Option<PathBuf>,
    /// What was stated elsewhere than in the example file: each value's name, and where.
    pub stated: Vec<(String, Origin)>,
    /// Secrets that are named and not set: an error to serve with, a warning before.
    pub unset_secrets: Vec<Problem>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

/// Reads the file (`named`, or `farebox.toml` in the working folder if it exists) and lays the
/// environment over it.
///
/// # Errors
/// [`ConfigError`] with every problem that was found.
pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Loaded, ConfigError> {
    let file = match named {
        Some(file) => Some(file.to_owned()),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()),
    };
    let Some(file) = file else {
        return from_text(None, environment);
    };
    let path = file.display().to_string();
    let text = std::fs::read_to_string(&file).map_err(|error| ConfigError::Unreadable {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let loaded = from_text(Some((&path, &text)), environment)?;
    Ok(Loaded {
        file: Some(file),
        ..loaded
    })
}

/// As [`load`], from the name and text of a file.
///
/// # Errors
/// [`ConfigError`] with every problem that was found.
pub fn from_text(
    file: Option<(&str, &str)>,
    environment: &Environment,
) -> Result<Loaded, ConfigError> {
    let invalid = |(origin, message): (Origin, String)| {
        ConfigError::Invalid(vec![Problem {
            origin,
            path: String::new(),
            message,
        }])
    };
    let mut root = tree::parse_document(EXAMPLE, &|_| Origin::Default).map_err(invalid)?;
    if let Some((name, text)) = file {
        let locate = |line| Origin::File {
            name: name.to_owned(),
            line,
        };
        tree::overlay(
            &mut root,
            tree::parse_document(text, &locate).map_err(invalid)?,
        );
    }
    tree::overlay(&mut root, environment.layer());
    section::read_list_variables(&mut root, &["upstreams", "models", "oidc"]);
    leave_out_named_variables(&mut root);

    let problems = RefCell::default();
    let Ok(mut config) = read::read_config(&root, &problems) else {
        return Err(ConfigError::Invalid(problems.into_inner()));
    };
    // Unknown keys are noted without making any value unreadable.
    if !problems.borrow().is_empty() {
        return Err(ConfigError::Invalid(problems.into_inner()));
    }
    let unset_secrets = fill_in_secrets(&mut config, environment, &root);
    let warnings = warnings::warnings(&config, &root);
    Ok(Loaded {
        config,
        file: None,
        stated: root.stated(),
        unset_secrets,
        warnings,
    })
}

/// Looks up the secrets that are named; returns those that are not set.
fn fill_in_secrets(config: &mut Config, environment: &Environment, root: &Item) -> Vec<Problem> {
    let mut unset = upstream_secrets(&mut config.upstreams, environment, root);
    for (index, provider) in config.oidc.iter_mut().enumerate() {
        let Some(secret) = &mut provider.client_secret else {
            continue;
        };
        secret.value = environment.secret(&secret.env);
        if secret.value.is_none() {
            unset.push(Problem {
                origin: origin_of(root, "oidc", index, "client_secret_env"),
                path: format!("oidc[{index}].client_secret_env"),
                message: format!(
                    "names {}, which is not set. Set it to the secret of \"{}\"",
                    secret.env, provider.id
                ),
            });
        }
    }
    let mail = match &mut config.mail {
        Mail::Smtp(server) => server.password.as_mut(),
        Mail::Outbox => None,
    };
    let sms = match &mut config.sms {
        Sms::Twilio(account) => Some((&mut account.auth_token, "auth_token_env")),
        Sms::Webhook(webhook) => Some((&mut webhook.secret, "secret_env")),
        Sms::Outbox => None,
    };
    let mail = mail.map(|secret| ("mail", secret, "password_env"));
    let sms = sms.map(|(secret, key)| ("sms", secret, key));
    let payments = payment_secrets(&mut config.payments.taker);
    for (section, secret, key) in mail.into_iter().chain(sms).chain(payments) {
        secret.value = environment.secret(&secret.env);
        if secret.value.is_none() {
            unset.push(Problem {
                origin: origin_in(root, section, key),
                path: format!("{section}.{key}"),
                message: format!("names {}, which is not set. Set it", secret.env),
            });
        }
    }
    unset
}

/// Looks up the keys of upstreams; returns those that are not set.
fn upstream_secrets(
    upstreams: &mut [Upstream],
    environment: &Environment,
    root: &Item,
) -> Vec<Problem> {
    let mut unset = Vec::new();
    for (index, upstream) in upstreams.iter_mut().enumerate() {
        let id = &upstream.id;
        let mut look_up = |key: &'static str, env: &str| {
            let secret = environment.secret(env);
            if secret.is_none() {
                unset.push(Problem {
                    origin: origin_of(root, "upstreams", index, key),
                    path: format!("upstreams[{index}].{key}"),
                    message: format!(
                        "names {env}, which is not set. Set it to the key of \"{id}\""
                    ),
                });
            }
            secret
        };
        if let Target::OpenAi {
            api_key_env: Some(name),
            api_key,
            ..
        } = &mut upstream.target
        {
            *api_key = look_up("api_key_env", name);
        }
        if let Some(costs) = &mut upstream.costs_api_key {
            costs.value = look_up("costs_api_key_env", &costs.env);
        }
    }
    unset
}

/// The secrets of who takes money: section, secret and the key that names it.
fn payment_secrets(
    taker: &mut MoneyTaker,
) -> impl Iterator<Item = (&'static str, &mut NamedSecret, &'static str)> {
    let secrets = match taker {
        MoneyTaker::Test => [None, None, None],
        MoneyTaker::Stripe(account) => [
            Some((&mut account.secret_key, "secret_key_env")),
            (account.webhook_secret.as_mut()).map(|secret| (secret, "webhook_secret_env")),
            (account.previous_webhook_secret.as_mut())
                .map(|secret| (secret, "previous_webhook_secret_env")),
        ],
    };
    let named = secrets.into_iter().flatten();
    named.map(|(secret, key)| ("payments", secret, key))
}

/// A variable that is named for a secret is that secret's, even if it is called `FAREBOX_…` and so
/// looked like an override.
fn leave_out_named_variables(root: &mut Item) {
    let mut named = Vec::new();
    for (list, key) in [
        ("upstreams", "api_key_env"),
        ("upstreams", "costs_api_key_env"),
        ("oidc", "client_secret_env"),
    ] {
        if let Some(Value::List(items)) = below(root, list).map(|item| &item.value) {
            named.extend(items.iter().map(|item| (item, key)));
        }
    }
    for (section, keys) in [
        ("mail", &["password_env"][..]),
        ("sms", &["auth_token_env", "secret_env"]),
        (
            "payments",
            &[
                "secret_key_env",
                "webhook_secret_env",
                "previous_webhook_secret_env",
            ],
        ),
    ] {
        if let Some(section) = below(root, section) {
            named.extend(keys.iter().map(|key| (section, *key)));
        }
    }
    let name = |(item, key): (&Item, &str)| match below(item, key).map(|item| &item.value) {
        Some(Value::Text(name) | Value::Environment(name)) => {
            Some(Origin::Environment(name.clone()))
        }
        _ => None,
    };
    let named: Vec<Origin> = named.into_iter().filter_map(name).collect();
    leave_out(root, &named);
}

fn leave_out(item: &mut Item, named: &[Origin]) {
    if let Value::Table(table) = &mut item.value {
        table.retain(|_, item| !named.contains(&item.origin));
        table.values_mut().for_each(|item| leave_out(item, named));
    }
}

fn below<'a>(item: &'a Item, key: &str) -> Option<&'a Item> {
    match &item.value {
        Value::Table(table) => table.get(key),
        _ => None,
    }
}

/// Where `section.key` was written, or the nearest that was.
fn origin_in(root: &Item, section: &str, key: &str) -> Origin {
    let section = below(root, section).unwrap_or(root);
    below(section, key).unwrap_or(section).origin.clone()
}

/// Where `list[index].key` was written, or the nearest that was.
fn origin_of(root: &Item, list: &str, index: usize, key: &str) -> Origin {
    let list = below(root, list).unwrap_or(root);
    let item = match &list.value {
        Value::List(items) => items.get(index).unwrap_or(list),
        _ => list,
    };
    below(item, key).unwrap_or(item).origin.clone()
}
