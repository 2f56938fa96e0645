//! What is allowed and probably not meant.

use super::error::Problem;
use super::schema::{Config, Mail, MoneyTaker, Sms, Target};
use super::tree::{Item, Origin};
use super::{DEFAULT_FILE, origin_in, origin_of};

/// Everything doubtful about a valid configuration.
pub(super) fn warnings(config: &Config, root: &Item) -> Vec<Problem> {
    let mut found = Vec::new();
    found.extend(nothing_to_serve(config));
    found.extend(unpriced(config, root));
    found.extend(unused(config, root));
    found.extend(missing_weights(config, root));
    found.extend(foreign_port(config));
    found.extend(unseen(config, root));
    found.extend(readable_codes(config, root));
    found.extend(nobody_pays(config, root));
    found
}

/// Messages that are kept, where nobody may see them.
fn unseen<'a>(config: &'a Config, root: &'a Item) -> impl Iterator<Item = Problem> + 'a {
    let is_public = !control::is_loopback_url(&config.public_url);
    let kept = [
        ("mail", config.mail == Mail::Outbox),
        ("sms", config.sms == Sms::Outbox),
    ];
    let kept = kept.into_iter().filter(move |(_, kept)| *kept && is_public);
    kept.map(|(section, _)| Problem {
        origin: origin_in(root, section, "kind"),
        path: format!("{section}.kind"),
        message: "is \"outbox\": messages are kept and reach nobody, as public_url is not a \
                  loopback address"
            .to_owned(),
    })
}

/// Codes that everybody on the way to a webhook can read.
fn readable_codes(config: &Config, root: &Item) -> Option<Problem> {
    let Sms::Webhook(webhook) = &config.sms else {
        return None;
    };
    let is_readable = webhook.url.starts_with("http://") && !control::is_loopback_url(&webhook.url);
    is_readable.then(|| Problem {
        origin: origin_in(root, "sms", "url"),
        path: "sms.url".to_owned(),
        message: "is not https://: everybody on the way can read the codes".to_owned(),
    })
}

/// Test cards, where strangers could pay with them: nothing can be bought then.
fn nobody_pays(config: &Config, root: &Item) -> Option<Problem> {
    let is_refused = config.payments.taker == MoneyTaker::Test && !is_at_home(config);
    is_refused.then(|| Problem {
        origin: origin_in(root, "payments", "kind"),
        path: "payments.kind".to_owned(),
        message: "is \"test\", and this installation is not for loopback alone: nothing can be \
                  bought, as anybody could pay with a test card. Credit comes by grants, or by \
                  kind = \"stripe\""
            .to_owned(),
    })
}

/// Whether only this machine reaches the control plane, and it says so.
pub(crate) fn is_at_home(config: &Config) -> bool {
    let door = config.admin_listen.unwrap_or(config.listen);
    door.ip().is_loopback() && control::is_loopback_url(&config.public_url)
}

fn nothing_to_serve(config: &Config) -> Option<Problem> {
    let message = "is empty: callers will find no model. Add [[upstreams]] and [[models]] to \
                   farebox.toml; farebox.example.toml shows how";
    config.models.is_empty().then(|| Problem {
        origin: Origin::Default,
        path: "models".to_owned(),
        message: message.to_owned(),
    })
}

fn unpriced<'a>(config: &'a Config, root: &'a Item) -> impl Iterator<Item = Problem> + 'a {
    let models = config.models.iter().enumerate();
    models
        .filter(|(_, model)| model.price.is_none())
        .map(|(index, model)| Problem {
            origin: origin_of(root, "models", index, "id"),
            path: format!("models[{index}].price"),
            message: format!(
                "is missing: calls of \"{}\" are refused until the price book has one",
                model.id
            ),
        })
}

fn unused<'a>(config: &'a Config, root: &'a Item) -> impl Iterator<Item = Problem> + 'a {
    let used = |id: &str| {
        config
            .models
            .iter()
            .flat_map(|model| &model.deployments)
            .any(|place| place.upstream == id)
    };
    let upstreams = config.upstreams.iter().enumerate();
    upstreams
        .filter(move |(_, upstream)| !used(&upstream.id))
        .map(|(index, upstream)| Problem {
            origin: origin_of(root, "upstreams", index, "id"),
            path: format!("upstreams[{index}]"),
            message: format!(
                "\"{}\" serves no model: name it in a model's deployments",
                upstream.id
            ),
        })
}

fn missing_weights<'a>(config: &'a Config, root: &'a Item) -> impl Iterator<Item = Problem> + 'a {
    config
        .upstreams
        .iter()
        .enumerate()
        .filter_map(|(index, upstream)| match &upstream.target {
            Target::Local { model_path, .. } if !model_path.is_file() => Some(Problem {
                origin: origin_of(root, "upstreams", index, "model_path"),
                path: format!("upstreams[{index}].model_path"),
                message: format!("names {}, which is not there", model_path.display()),
            }),
            _ => None,
        })
}

/// A loopback address nobody else can follow is right only if it is ours.
fn foreign_port(config: &Config) -> Option<Problem> {
    let port: Option<u16> = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"]
        .iter()
        .find_map(|loopback| config.public_url.strip_prefix(loopback))
        .and_then(|rest| rest.split('/').next()?.parse().ok());
    let ours = |port| {
        [Some(config.listen), config.admin_listen]
            .iter()
            .flatten()
            .any(|at| at.port() == port)
    };
    port.filter(|port| !ours(*port)).map(|port| Problem {
        origin: Origin::Default,
        path: "public_url".to_owned(),
        message: format!(
            "has port {port}, but Farebox listens on {}: links would lead nowhere. Correct it in \
             {DEFAULT_FILE} or leave it out",
            config.listen
        ),
    })
}
