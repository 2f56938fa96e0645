//! The values in force, as the TOML that would state them, with secrets hidden.

use std::fmt::{Display, Write};
use std::path::Path;

use domain::bound::InputBounds;
use domain::document::Seller;
use domain::money::Nusd;
use domain::price::StatedPrices;
use store::upstream_costs::Tolerance;
use toml::Value;

use super::schema::{
    Config, Deployment, Mail, MailKind, Model, MoneyTaker, NamedSecret, OidcJoin, OidcProvider,
    Payments, PaymentsKind, RequestLog, Sms, SmsKind, Target, Upstream,
};
use super::section::Choice;

/// The configuration as a `farebox.toml` that says everything. A password of the database is
/// replaced; other secrets are only said to be set or not.
#[must_use]
pub fn effective(config: &Config) -> String {
    let mut page = Page(String::new());
    let admin = config
        .admin_listen
        .map(|address| address.to_string())
        .unwrap_or_default();
    page.text("listen", config.listen);
    page.text("admin_listen", admin);
    page.text("public_url", &config.public_url);
    let proxies = config.trusted_proxies.networks();
    let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
    page.text("trusted_proxies", proxies.join(", "));
    page.text("database_url", &config.database_url);
    let key_file = config.secret_key_file.as_deref().unwrap_or(Path::new(""));
    page.text("secret_key_file", key_file.display());
    page.text("hold_durability", config.hold_durability.word());

    page.section("[signup]");
    page.text("mode", config.signup.mode.word());
    page.text(
        "phone_verification",
        config.signup.phone_verification.word(),
    );
    page.text("trial_credit_usd", config.signup.trial_credit.to_usd());
    page.bare("trial_credit_days", config.signup.trial_credit_days);

    page.mail(&config.mail);
    page.sms(&config.sms);
    page.webhooks(config);
    page.section("[leak_reports]");
    let leaks = &config.leak_reports;
    page.text(
        "public_keys_url",
        leaks.public_keys_url.as_deref().unwrap_or_default(),
    );
    let file = leaks.public_keys_file.as_deref();
    page.text(
        "public_keys_file",
        file.map(Path::display)
            .unwrap_or_else(|| Path::new("").display()),
    );

    page.payments(&config.payments);
    page.billing(&config.billing);
    page.upstream_costs(config.upstream_costs);

    page.section("[log]");
    page.text("level", &config.log.level);
    page.text("format", config.log.format.word());

    page.request_log(&config.request_log);

    page.section("[limits]");
    let limits = &config.limits;
    page.bare("body_bytes", limits.body_bytes);
    page.bare("header_bytes", limits.header_bytes);
    page.bare("header_timeout_ms", limits.header_timeout_ms);
    page.bare("shutdown_grace_ms", limits.shutdown_grace_ms);
    page.bare("ballast_bytes", limits.ballast_bytes);
    page.bare("idempotent_answer_bytes", limits.idempotent_answer_bytes);
    page.bare("recharge_wait_ms", limits.recharge_wait_ms);
    page.bare("requests_per_minute", limits.requests_per_minute);
    page.bare("tokens_per_minute", limits.tokens_per_minute);

    config.oidc.iter().for_each(|provider| page.oidc(provider));
    config
        .upstreams
        .iter()
        .for_each(|upstream| page.upstream(upstream));
    config.models.iter().for_each(|model| page.model(model));
    page.0
}

struct Page(String);

impl Page {
    fn request_log(&mut self, log: &RequestLog) {
        self.section("[request_log]");
        self.bare("refusal_days", log.refusal_days);
        self.bare("refusals_per_minute", log.refusals_per_minute);
        self.bare("prompts_per_minute", log.prompts_per_minute);
    }

    fn webhooks(&mut self, config: &Config) {
        self.section("[webhooks]");
        let networks = config.webhook_networks.iter().map(ToString::to_string);
        self.text("allowed_networks", networks.collect::<Vec<_>>().join(", "));
    }

    fn section(&mut self, heading: &str) {
        self.line(format_args!("\n{heading}"));
    }

    fn text(&mut self, key: &str, value: impl Display) {
        self.bare(key, quoted(value));
    }

    fn bare(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {value}"));
    }

    fn line(&mut self, line: impl Display) {
        writeln!(self.0, "{line}").expect("a String takes every line");
    }

    /// A secret's variable, and whether it is set.
    fn secret(&mut self, key: &str, secret: &NamedSecret) {
        self.variable(key, &secret.env, secret.value.is_some());
    }

    fn variable(&mut self, key: &str, name: &str, is_set: bool) {
        let state = if is_set { "set" } else { "not set" };
        self.bare(key, format_args!("{} # {state}", quoted(name)));
    }

    fn mail(&mut self, mail: &Mail) {
        self.section("[mail]");
        let Mail::Smtp(server) = mail else {
            return self.text("kind", MailKind::Outbox.word());
        };
        self.text("kind", MailKind::Smtp.word());
        self.text("from", &server.from);
        self.text("host", &server.host);
        self.bare("port", server.port);
        self.text("tls", server.tls.word());
        self.text("user", &server.user);
        if let Some(password) = &server.password {
            self.secret("password_env", password);
        }
        if let Some(file) = &server.ca_file {
            self.text("ca_file", file.display());
        }
        self.bare("timeout_ms", server.timeout_ms);
    }

    fn sms(&mut self, sms: &Sms) {
        self.section("[sms]");
        match sms {
            Sms::Outbox => self.text("kind", SmsKind::Outbox.word()),
            Sms::Twilio(account) => {
                self.text("kind", SmsKind::Twilio.word());
                self.text("account_sid", &account.account_sid);
                self.secret("auth_token_env", &account.auth_token);
                self.text("from", &account.from);
                self.text("base_url", &account.base_url);
                self.bare("timeout_ms", account.timeout_ms);
            }
            Sms::Webhook(webhook) => {
                self.text("kind", SmsKind::Webhook.word());
                self.text("url", &webhook.url);
                self.secret("secret_env", &webhook.secret);
                self.bare("timeout_ms", webhook.timeout_ms);
            }
        }
    }

    fn upstream_costs(&mut self, tolerance: Tolerance) {
        self.section("[upstream_costs]");
        self.bare("tolerance_percent", tolerance.percent);
        self.text("tolerance_usd", tolerance.amount.to_usd());
    }

    fn billing(&mut self, seller: &Seller) {
        self.section("[billing]");
        let party = &seller.party;
        self.text("seller_name", &party.name);
        self.text("seller_address", &party.address);
        self.text("seller_country", &party.country);
        self.text("seller_tax_id", &party.tax_id);
        self.text("seller_email", &party.email);
        self.text("number_prefix", &seller.prefix);
    }

    fn payments(&mut self, payments: &Payments) {
        self.section("[payments]");
        let kind = match payments.taker {
            MoneyTaker::Test => PaymentsKind::Test,
            MoneyTaker::Stripe(_) => PaymentsKind::Stripe,
        };
        self.text("kind", kind.word());
        self.text("minimum_usd", payments.bounds.minimum.to_usd());
        self.text("maximum_usd", payments.bounds.maximum.to_usd());
        self.text("tax_percent", payments.tax_rate);
        let MoneyTaker::Stripe(account) = &payments.taker else {
            return;
        };
        self.secret("secret_key_env", &account.secret_key);
        for (key, secret) in [
            ("webhook_secret_env", &account.webhook_secret),
            (
                "previous_webhook_secret_env",
                &account.previous_webhook_secret,
            ),
        ] {
            if let Some(secret) = secret {
                self.secret(key, secret);
            }
        }
        self.text("base_url", &account.base_url);
        self.bare("timeout_ms", account.timeout_ms);
    }

    fn oidc(&mut self, provider: &OidcProvider) {
        self.section("[[oidc]]");
        self.text("id", &provider.id);
        self.text("name", &provider.name);
        self.text("issuer", &provider.issuer);
        self.text("client_id", &provider.client_id);
        if let Some(secret) = &provider.client_secret {
            self.secret("client_secret_env", secret);
        }
        for (key, texts) in [
            ("scopes", &provider.scopes),
            ("allowed_domains", &provider.allowed_domains),
            ("trusted_domains", &provider.trusted_domains),
        ] {
            let texts: Vec<String> = texts.iter().map(quoted).collect();
            self.bare(key, format_args!("[{}]", texts.join(", ")));
        }
        let joins: Vec<String> = provider.join.iter().map(join).collect();
        self.bare("join", format_args!("[{}]", joins.join(", ")));
        if let Some(file) = &provider.ca_file {
            self.text("ca_file", file.display());
        }
        self.bare("timeout_ms", provider.timeout_ms);
    }

    fn upstream(&mut self, upstream: &Upstream) {
        self.section("[[upstreams]]");
        self.text("id", &upstream.id);
        match &upstream.target {
            Target::OpenAi {
                base_url,
                api_key_env,
                api_key,
            } => {
                self.text("kind", "openai");
                self.text("base_url", base_url);
                if let Some(name) = api_key_env {
                    self.variable("api_key_env", name, api_key.is_some());
                }
            }
            Target::Local { model_path, name } => {
                self.text("kind", "local");
                self.text("model_path", model_path.display());
                self.text("name", name);
            }
        }
        self.bare("timeout_ms", upstream.timeout_ms);
        self.bare("connect_timeout_ms", upstream.connect_timeout_ms);
        self.text("on_disconnect", upstream.on_disconnect.word());
        self.text("responses", upstream.responses.word());
        self.text("output_limit_field", upstream.output_limit_field.word());
        if let Some(key) = &upstream.costs_api_key {
            self.variable("costs_api_key_env", &key.env, key.value.is_some());
        }
    }

    fn model(&mut self, model: &Model) {
        self.section("[[models]]");
        self.text("id", &model.id);
        self.bare("context_tokens", model.context_tokens);
        self.bare("max_output_tokens", model.max_output_tokens);
        self.bare("min_output_tokens", model.min_output_tokens);
        self.bare("bounds", bounds(&model.bounds));
        self.text("tokenizer", model.tokenizer.word());
        let deployments: Vec<String> = model.deployments.iter().map(deployment).collect();
        self.bare("deployments", format_args!("[{}]", deployments.join(", ")));
        if let Some(price) = &model.price {
            self.bare("price", prices(price));
        }
        if let Some(cost) = &model.cost {
            self.bare("cost", prices(cost));
        }
        let endpoints: Vec<String> = model
            .endpoints
            .iter()
            .map(|endpoint| quoted(endpoint.word()))
            .collect();
        self.bare("endpoints", format_args!("[{}]", endpoints.join(", ")));
        self.text("owned_by", &model.owned_by);
    }
}

fn quoted(text: impl Display) -> String {
    Value::String(text.to_string()).to_string()
}

fn join(join: &OidcJoin) -> String {
    let (domain, organization) = (quoted(&join.domain), quoted(&join.organization));
    let role = quoted(join.role.word());
    format!("{{ domain = {domain}, organization = {organization}, role = {role} }}")
}

fn deployment(place: &Deployment) -> String {
    let (upstream, model) = (quoted(&place.upstream), quoted(&place.model));
    format!(
        "{{ upstream = {upstream}, model = {model}, weight = {} }}",
        place.weight
    )
}

fn bounds(stated: &InputBounds) -> String {
    let every = [
        ("template_tokens", Some(stated.template_tokens)),
        ("message_tokens", Some(stated.message_tokens)),
        ("bytes_factor", Some(stated.bytes_factor)),
        ("tools_tokens", Some(stated.tools_tokens)),
        ("tools_factor", Some(stated.tools_factor)),
        ("image_tokens", stated.image_tokens),
        ("audio_tokens", stated.audio_tokens),
        ("file_tokens", stated.file_tokens),
    ];
    let pairs: Vec<String> = every
        .iter()
        .filter_map(|(key, number)| Some(format!("{key} = {}", (*number)?)))
        .collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn prices(stated: &StatedPrices) -> String {
    let every: [(&str, Option<Nusd>); 9] = [
        ("input", Some(stated.input)),
        ("cached_input", stated.cached_input),
        ("cache_write", stated.cache_write),
        ("output", Some(stated.output)),
        ("reasoning", stated.reasoning),
        ("audio_input", stated.audio_input),
        ("audio_output", stated.audio_output),
        ("image", stated.image),
        ("request", stated.request),
    ];
    let pairs: Vec<String> = every
        .iter()
        .filter_map(|(key, price)| Some(format!("{key} = \"{}\"", (*price)?.to_usd())))
        .collect();
    format!("{{ {} }}", pairs.join(", "))
}
