//! Builds the layers below from the configuration: store, gateway, control plane.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use control::upstream_bills::{CostSource, UpstreamBills};
use domain::admission::DefaultRates;
use domain::bound::ModelSize;
use domain::price::{PriceEntry, PriceHistory, UnitPrices};
use domain::sealed::SealingKey;
use domain::time::AtUs;
use gateway::{BaseUrl, Catalog, Deployment, Gateway, Model, Tokenizer, Upstream, UpstreamSpec};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use store::prices::{self, Stated};
use store::{Fleet, LedgerState, Options, Role, Store, StoreError};
use tokio::sync::watch;
use wire::request::{ChatLimit, Endpoint};

use crate::care::Care;
use crate::cli::Failure;
use crate::config::{
    self, Choice, Config, Environment, HoldDurability, Loaded, Origin, OutputLimitField,
    PhoneVerification, SignupMode, Target,
};
use crate::local_model::Health;
use crate::sending::{self, Sending};
use crate::{clock, data_plane, entropy, openapi, paying, sealing};

/// What the listeners serve, and how it ends.
pub(crate) struct Planes {
    /// The data plane: `/v1/chat/completions` and its neighbours.
    pub(crate) data: Router,
    /// The control plane: the Administration API, `/api`, `/openapi.json`.
    pub(crate) control: Router,
    /// Completes what is served at an address with the answers to everything else.
    pub(crate) gateway: Gateway,
    /// Puts a changed configuration's upstreams, models and prices into force.
    pub(crate) provisioner: Provisioner,
    /// The meters of every layer.
    pub(crate) registry: Registry,
    /// Whether the ledger can commit.
    pub(crate) ready: Ready,
    /// To be awaited when no request runs any more.
    pub(crate) end: End,
    /// This process among several that serve one database.
    pub(crate) fleet: Option<Fleet>,
}

/// Puts upstreams, models and prices into force: at the start, and when the configuration changed.
pub(crate) struct Provisioner {
    store: Store,
    gateway: Gateway,
    engines: Vec<(String, watch::Receiver<Health>)>,
    providers: control::Providers,
    in_force: InForce,
}

/// The configuration that is in force, as it is shown to operators.
type InForce = Arc<Mutex<Loaded>>;

impl Provisioner {
    /// Makes what is configured what can be called, from the next request on. Requests in flight
    /// keep the price and the upstream that they began with. So with what people sign in with.
    ///
    /// # Errors
    /// [`Failure`] if a provider's certificates cannot be read, and nothing changes; or if prices
    /// cannot be written, and upstreams and models stay as they were.
    pub(crate) async fn apply(&self, loaded: &Loaded) -> Result<(), Failure> {
        let config = &loaded.config;
        let replaced = self.providers.replace(provider_settings(config)?);
        replaced.map_err(|error| Failure::new(format!("{error}.")))?;
        let written = provision_prices(&self.store, config).await;
        written.map_err(|error| Failure::new(format!("prices cannot be written: {error}.")))?;
        self.gateway.set_catalog(catalog(config, &self.engines));
        warm_up(&self.gateway, config);
        // Everything else needs a restart, and is as it was.
        let mut in_force = self.in_force.lock();
        in_force.config.upstreams.clone_from(&config.upstreams);
        in_force.config.models.clone_from(&config.models);
        in_force.config.oidc.clone_from(&config.oidc);
        let is_read_again = |(name, _): &(String, Origin)| {
            ["upstreams[", "models[", "oidc["]
                .iter()
                .any(|it| name.starts_with(it))
        };
        in_force.stated.retain(|it| !is_read_again(it));
        let anew = loaded.stated.iter().filter(|it| is_read_again(it));
        in_force.stated.extend(anew.cloned());
        Ok(())
    }
}

/// Says who sells, on papers that are issued from now on.
async fn provision_seller(store: &Store, config: &Config) -> Result<(), StoreError> {
    let (seller, now) = (config.billing.clone(), clock::system()());
    let write = store.write(move |tx| store::billing_profiles::set_seller(tx, &seller, now));
    write.await
}

/// Asks whether the ledger can commit.
pub(crate) type Ready =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Writes what is left and closes the database.
pub(crate) type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Requests whose connection was cut settle within this time after a stop.
const SETTLE_TIME: Duration = Duration::from_secs(10);

/// Opens the installation that the configuration names.
///
/// # Errors
/// [`Failure`] with what to do about it.
pub(crate) async fn open(config: &Config, role: Role) -> Result<Store, Failure> {
    Store::open(options(config, role))
        .await
        .map_err(|error| Failure::new(error.to_string()))
}

/// How the installation is opened that the configuration names.
pub(crate) fn options(config: &Config, role: Role) -> Options {
    Options {
        url: config.database_url.clone(),
        role,
        ballast_bytes: config.limits.ballast_bytes,
        clock: clock::system(),
        mono: clock::mono,
    }
}

/// What is done, in order, when the server stops.
fn ending(gateway: Gateway, store: Store, sending: Sending, care: Care) -> End {
    Box::pin(async move {
        sending.end().await;
        care.end().await;
        if !gateway.drain(SETTLE_TIME).await {
            tracing::warn!("some requests had not settled; the next start resolves them");
        }
        store.close().await;
    })
}

/// Opens the store, provisions upstreams and models, and builds both planes. `engines` tells where
/// the built-in engines answer, by upstream.
///
/// # Errors
/// [`Failure`] when the database cannot be used.
pub(crate) async fn planes(
    loaded: &Loaded,
    environment: &Environment,
    engines: &[(String, watch::Receiver<Health>)],
) -> Result<Planes, Failure> {
    let config = &loaded.config;
    let in_force = Arc::new(Mutex::new(loaded.clone()));
    let leak_signers = leak_signers(config)?;
    let people = people(config)?;
    let providers = people.providers.clone();
    let store = open(config, Role::Server).await?;
    let webhooks = webhooks(config, environment, &store).await?;
    let routes = sending::routes(config, &webhooks)?;
    let failed = |error: StoreError| Failure::new(error.to_string());
    provision_prices(&store, config).await.map_err(failed)?;
    provision_seller(&store, config).await.map_err(failed)?;
    let catalog = catalog(config, engines);
    let low_wallets = control::LowWallets::default();
    let settings = settings(config, &low_wallets, webhooks.sealing.clone());
    let gateway = Gateway::start(store.clone(), catalog, settings)
        .await
        .map_err(failed)?;
    warm_up(&gateway, config);
    let mut registry = Registry::default();
    gateway.register_metrics(&mut registry);

    let (data, data_description) = gateway::router(gateway.clone()).split_for_parts();
    let state = control::Control {
        store: store.clone(),
        clock: clock::system(),
        entropy: entropy::system,
        public_url: config.public_url.as_str().into(),
        trusted_proxies: config.trusted_proxies.clone().into(),
        shows_outbox: sending::shows_outbox(config),
        data_plane: data_plane::of(&gateway, default_rates(config)),
        people,
        last_uses: control::LastUses::default(),
        refusal_days: config.request_log.refusal_days,
        low_wallets,
        settings: shown(&in_force),
        leak_signers,
        payments: paying::payments(config, &store)?,
        webhooks,
        upstream_bills: Arc::new(upstream_bills(config)?),
        meters: control::Meters::default(),
    };
    state.meters.register(&mut registry);
    let care = Care::start(state.clone());
    let sending = Sending::start(store.clone(), routes, config, &mut registry);
    let (control, control_description) = control::router(state).split_for_parts();
    let url = config.public_url.as_str();
    let description = openapi::document(data_description, control_description, url);
    let fleet = store.fleet().cloned();
    let provisioned = store.clone();
    let end = ending(gateway.clone(), store, sending, care);
    let control = control.merge(openapi::routes(&description));
    let provisioner = Provisioner {
        store: provisioned,
        gateway: gateway.clone(),
        engines: engines.to_vec(),
        providers,
        in_force,
    };
    Ok(Planes {
        data,
        control,
        ready: ready(&gateway),
        gateway,
        provisioner,
        registry,
        end,
        fleet,
    })
}

/// Asks a gateway whether its ledger can commit.
fn ready(gateway: &Gateway) -> Ready {
    let asked = gateway.clone();
    Arc::new(move || {
        let state = asked.ledger_state();
        Box::pin(async move {
            match state {
                LedgerState::Healthy => Ok(()),
                // Why is in the log: here it is shown to whoever asks.
                LedgerState::Stalled(_) => Err("the ledger cannot commit just now".to_owned()),
                LedgerState::Poisoned(_) => {
                    Err("the ledger broke; restart this server, its log says why".to_owned())
                }
            }
        })
    })
}

/// Reads the tokenizers that the operator names. Those that are only guessed from a model's name
/// wait until they are needed: they may never be, and take memory.
fn warm_up(gateway: &Gateway, config: &Config) {
    let named = config
        .models
        .iter()
        .filter_map(|model| stated(model.tokenizer));
    named.for_each(|tokenizer| gateway.warm_up(tokenizer));
}

fn stated(tokenizer: config::Tokenizer) -> Option<Tokenizer> {
    match tokenizer {
        config::Tokenizer::ByName | config::Tokenizer::Bytes => None,
        config::Tokenizer::O200kBase => Some(Tokenizer::O200kBase),
        config::Tokenizer::Cl100kBase => Some(Tokenizer::Cl100kBase),
    }
}

/// The tokenizer of a model: the one that is stated, or that all its deployments' names have.
fn tokenizer(model: &config::Model) -> Option<Tokenizer> {
    if model.tokenizer != config::Tokenizer::ByName {
        return stated(model.tokenizer);
    }
    let mut known = model
        .deployments
        .iter()
        .map(|it| Tokenizer::of_model(&it.model));
    let first = known.next()??;
    known.all(|other| other == Some(first)).then_some(first)
}

fn settings(
    config: &Config,
    low_wallets: &control::LowWallets,
    sealing: Option<SealingKey>,
) -> gateway::Settings {
    let low_wallets = low_wallets.clone();
    gateway::Settings {
        hold_before_forward: config.hold_durability == HoldDurability::BeforeForward,
        body_bytes: usize::try_from(config.limits.body_bytes).unwrap_or(usize::MAX),
        idempotent_answer_bytes: usize::try_from(config.limits.idempotent_answer_bytes)
            .unwrap_or(usize::MAX),
        rates: default_rates(config),
        recharge_wait: Duration::from_millis(config.limits.recharge_wait_ms),
        low_credit: Arc::new(move |organization| low_wallets.tell(organization)),
        refusals_per_minute: config.request_log.refusals_per_minute,
        prompts_per_minute: config.request_log.prompts_per_minute,
        sealing,
        public_url: config.public_url.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        clock: clock::system(),
        mono: clock::mono,
        entropy: entropy::system,
    }
}

fn default_rates(config: &Config) -> DefaultRates {
    DefaultRates {
        requests_per_minute: config.limits.requests_per_minute,
        tokens_per_minute: config.limits.tokens_per_minute,
    }
}

/// Shows the configuration in force, without secrets.
fn shown(in_force: &InForce) -> control::ShowSettings {
    let in_force = Arc::clone(in_force);
    Arc::new(move || {
        let loaded = in_force.lock();
        let from = |(name, origin): &(String, Origin)| (name.clone(), origin.to_string());
        control::Settings {
            file: loaded.file.as_ref().map(|file| file.display().to_string()),
            toml: config::effective(&loaded.config),
            stated: loaded.stated.iter().map(from).collect(),
        }
    })
}

/// What was decided about webhooks.
async fn webhooks(
    config: &Config,
    environment: &Environment,
    store: &Store,
) -> Result<control::Webhooks, Failure> {
    Ok(control::Webhooks {
        reach: sending::reach(config),
        sealing: sealing::key(config, environment, store).await?,
    })
}

/// Which upstreams are asked what they are owed, and what is let pass.
fn upstream_bills(config: &Config) -> Result<UpstreamBills, Failure> {
    let mut sources = Vec::new();
    for upstream in &config.upstreams {
        let key = upstream.costs_api_key.as_ref();
        let key = key.and_then(|key| key.value.as_ref());
        if let (Some(key), config::Target::OpenAi { base_url, .. }) = (key, &upstream.target) {
            let source = CostSource::new(&upstream.id, base_url, key);
            let id = &upstream.id;
            sources.push(source.map_err(|error| {
                Failure::new(format!(
                    "`costs_api_key_env` of the upstream \"{id}\": {error}."
                ))
            })?);
        }
    }
    Ok(UpstreamBills {
        tolerance: config.upstream_costs,
        sources,
    })
}

/// Who may report that keys leaked, if anybody may.
fn leak_signers(config: &Config) -> Result<Option<control::Signers>, Failure> {
    let config::LeakReports {
        public_keys_url: url,
        public_keys_file: file,
    } = &config.leak_reports;
    if url.is_none() && file.is_none() {
        return Ok(None);
    }
    let file = file.as_deref();
    let failed = |error: String| {
        let file = file.unwrap_or(Path::new("")).display();
        Failure::new(format!(
            "`leak_reports.public_keys_file` names {file}: {error}."
        ))
    };
    let list = file.map(std::fs::read).transpose();
    let list = list.map_err(|error| failed(error.to_string()))?;
    let signers = control::Signers::new(list.as_deref(), url.clone());
    signers.map(Some).map_err(|error| failed(error.to_string()))
}

/// What was decided about accounts.
///
/// # Errors
/// [`Failure`] if certificates that are to be trusted cannot be read.
fn people(config: &Config) -> Result<control::People, Failure> {
    Ok(control::People {
        signup: control::SignupRules {
            mode: match config.signup.mode {
                SignupMode::Open => control::SignupMode::Open,
                SignupMode::Invite => control::SignupMode::Invite,
                SignupMode::Closed => control::SignupMode::Closed,
            },
            needs_phone: config.signup.phone_verification == PhoneVerification::Required,
            trial_credit: config.signup.trial_credit,
            trial_credit_days: config.signup.trial_credit_days,
        },
        hasher: control::Hasher::new(entropy::system),
        providers: providers(config)?,
    })
}

/// What people can sign in with, beside a password.
fn providers(config: &Config) -> Result<control::Providers, Failure> {
    let settings = provider_settings(config)?;
    control::Providers::new(settings).map_err(|error| Failure::new(format!("{error}.")))
}

fn provider_settings(config: &Config) -> Result<Vec<control::ProviderSettings>, Failure> {
    config.oidc.iter().map(provider).collect()
}

fn provider(provider: &config::OidcProvider) -> Result<control::ProviderSettings, Failure> {
    let join = |join: &config::OidcJoin| control::Join {
        domain: join.domain.clone(),
        organization: join.organization.clone(),
        role: join.role.word().to_owned(),
    };
    let secret = provider.client_secret.as_ref();
    let authorities_pem = sending::authorities(provider.ca_file.as_deref(), "oidc.ca_file")?;
    Ok(control::ProviderSettings {
        id: provider.id.clone(),
        name: provider.name.clone(),
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        client_secret: secret.and_then(|secret| secret.value.clone()),
        scopes: provider.scopes.clone(),
        allowed_domains: provider.allowed_domains.clone(),
        trusted_domains: provider.trusted_domains.clone(),
        joins: provider.join.iter().map(join).collect(),
        authorities_pem,
        timeout: Duration::from_millis(provider.timeout_ms),
    })
}

/// Takes the configured prices into the price book, and says where that has others in force.
async fn provision_prices(store: &Store, config: &Config) -> Result<(), StoreError> {
    let stated: Vec<Stated> = config.models.iter().filter_map(stated_price).collect();
    let now = clock::now();
    let provision = move |tx: &mut store::Tx<'_>| -> Result<_, StoreError> {
        let history = |stated: Stated| {
            let history = prices::provision(tx, &stated, now, entropy::system)?;
            Ok((stated, history))
        };
        stated.into_iter().map(history).collect()
    };
    let provisioned: Vec<(Stated, PriceHistory)> = store.write(provision).await?;
    for (stated, history) in &provisioned {
        say_what_differs(stated, history, now);
    }
    Ok(())
}

/// The price book has the last word: operators read here where the file is not what counts.
fn say_what_differs(stated: &Stated, history: &PriceHistory, now: AtUs) {
    let model = stated.model.as_str();
    let differs = |entry: &&PriceEntry| entry.price != stated.price || entry.cost != stated.cost;
    if let Some(entry) = history.in_force(now).filter(differs) {
        tracing::info!(
            model,
            price = entry.id.as_str(),
            since = entry.effective_at.to_utc(),
            "the price in force was stated after the configuration's, and stays"
        );
    }
    if let Some(entry) = history.next(now).filter(differs) {
        tracing::info!(
            model,
            price = entry.id.as_str(),
            from = entry.effective_at.to_utc(),
            "another price than the configuration's is to come"
        );
    }
}

fn stated_price(model: &config::Model) -> Option<Stated> {
    let price = UnitPrices::from(model.price?);
    let cost = UnitPrices::from(model.cost.unwrap_or_default());
    Some(Stated {
        model: model.id.clone(),
        price,
        cost,
    })
}

fn catalog(config: &Config, engines: &[(String, watch::Receiver<Health>)]) -> Catalog {
    let upstream = |upstream: &config::Upstream| Arc::new(Upstream::new(spec(upstream, engines)));
    let upstreams: Vec<Arc<Upstream>> = config.upstreams.iter().map(upstream).collect();
    let created_at_s = clock::now().seconds();
    let model = |model: &config::Model| {
        let deployment = |it: &config::Deployment| {
            let upstream = upstreams
                .iter()
                .find(|known| **known.id() == *it.upstream)?;
            Some(Deployment {
                upstream: Arc::clone(upstream),
                model: it.model.clone(),
                weight: it.weight,
            })
        };
        let built = Model {
            id: model.id.as_str().into(),
            owned_by: model.owned_by.clone(),
            created_at_s,
            size: ModelSize {
                context_tokens: model.context_tokens,
                max_output_tokens: model.max_output_tokens,
                min_output_tokens: model.min_output_tokens,
                input: model.bounds,
            },
            tokenizer: tokenizer(model),
            endpoints: model.endpoints.iter().copied().map(endpoint).collect(),
            deployments: model.deployments.iter().filter_map(deployment).collect(),
        };
        (model.id.clone(), Arc::new(built))
    };
    Catalog {
        models: config.models.iter().map(model).collect(),
        upstreams,
    }
}

fn spec(
    upstream: &config::Upstream,
    engines: &[(String, watch::Receiver<Health>)],
) -> UpstreamSpec {
    let (base_url, api_key): (BaseUrl, _) = match &upstream.target {
        Target::OpenAi {
            base_url, api_key, ..
        } => {
            let base_url: Arc<str> = base_url.as_str().into();
            let fixed = move || Some(Arc::clone(&base_url));
            (
                Arc::new(fixed),
                api_key.as_ref().map(|key| key.expose().to_owned()),
            )
        }
        Target::Local { .. } => {
            let health = engines.iter().find(|(id, _)| *id == upstream.id);
            let health = health.map(|(_, health)| health.clone());
            let now = move || {
                health
                    .as_ref()
                    .and_then(|health| health.borrow().base_url())
            };
            (Arc::new(now), None)
        }
    };
    UpstreamSpec {
        id: upstream.id.as_str().into(),
        base_url,
        api_key,
        timeout: Duration::from_millis(upstream.timeout_ms),
        connect_timeout: Duration::from_millis(upstream.connect_timeout_ms),
        on_disconnect: match upstream.on_disconnect {
            config::OnDisconnect::Cancel => gateway::OnDisconnect::Cancel,
            config::OnDisconnect::Drain => gateway::OnDisconnect::Drain,
        },
        responses: match upstream.responses {
            config::ResponsesMode::Auto => gateway::ResponsesMode::Auto,
            config::ResponsesMode::Native => gateway::ResponsesMode::Native,
            config::ResponsesMode::Translate => gateway::ResponsesMode::Translate,
        },
        chat_limit: chat_limit(upstream),
    }
}

fn chat_limit(upstream: &config::Upstream) -> ChatLimit {
    match (upstream.output_limit_field, &upstream.target) {
        (OutputLimitField::MaxTokens, _) => ChatLimit::MaxTokens,
        (OutputLimitField::MaxCompletionTokens, _) => ChatLimit::MaxCompletionTokens,
        (OutputLimitField::Auto, Target::OpenAi { base_url, .. }) if is_openai(base_url) => {
            ChatLimit::MaxCompletionTokens
        }
        (OutputLimitField::Auto, _) => ChatLimit::Compatible,
    }
}

/// Whether OpenAI itself, or Azure in its place, answers at `base_url`.
fn is_openai(base_url: &str) -> bool {
    let host = base_url
        .split_once("://")
        .map_or(base_url, |(_, rest)| rest)
        .split(['/', ':'])
        .next()
        .unwrap_or_default();
    ["openai.com", "openai.azure.com"].iter().any(|domain| {
        let sub = host.strip_suffix(domain);
        sub.is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
    })
}

fn endpoint(endpoint: config::Endpoint) -> Endpoint {
    match endpoint {
        config::Endpoint::Chat => Endpoint::Chat,
        config::Endpoint::Responses => Endpoint::Responses,
        config::Endpoint::Completions => Endpoint::Completions,
        config::Endpoint::Embeddings => Endpoint::Embeddings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, from_text};

    #[test]
    fn a_tokenizer_is_stated_or_known_by_every_deployments_name() {
        let tokenizer_of = |tokenizer_key: &str, models: [&str; 2]| {
            let deployments =
                models.map(|model| format!("{{ upstream = \"u\", model = \"{model}\" }}"));
            let text = format!(
                "[[upstreams]]\nid = \"u\"\nkind = \"openai\"\nbase_url = \"http://h/v1\"\n\
                 [[models]]\nid = \"gpt-4o\"\ntokenizer = \"{tokenizer_key}\"\n\
                 deployments = [{}]\n",
                deployments.join(", ")
            );
            let none: [(&str, &str); 0] = [];
            let loaded = from_text(Some(("farebox.toml", &text)), &Environment::of(none));
            tokenizer(&loaded.expect("valid").config.models[0])
        };
        let o200k = Some(Tokenizer::O200kBase);
        for (stated, models, known) in [
            ("", ["gpt-4o", "gpt-4o-mini"], o200k),
            ("", ["gpt-4o", "llama3"], None),
            ("", ["llama3", "gpt-4o"], None),
            ("", ["gpt-4o", "gpt-4"], None),
            ("bytes", ["gpt-4o", "gpt-4o"], None),
            ("o200k_base", ["llama3", "llama3"], o200k),
            (
                "cl100k_base",
                ["gpt-4o", "gpt-4o"],
                Some(Tokenizer::Cl100kBase),
            ),
        ] {
            assert_eq!(tokenizer_of(stated, models), known, "{stated} {models:?}");
        }
    }

    #[test]
    fn openai_is_known_by_its_host() {
        for (base_url, known) in [
            ("https://api.openai.com/v1", true),
            ("https://eu.api.openai.com/v1", true),
            ("https://acme.openai.azure.com/openai/v1", true),
            ("https://api.openai.com:443/v1", true),
            ("https://notopenai.com/v1", false),
            ("https://openai.com.example.net/v1", false),
            ("http://127.0.0.1:8000/openai.com", false),
        ] {
            assert_eq!(is_openai(base_url), known, "{base_url}");
        }
    }
}
