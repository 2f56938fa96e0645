//! The configuration as the rest of the program sees it: typed, complete, checked.

use std::net::SocketAddr;
use std::path::PathBuf;

use domain::bound::InputBounds;
use domain::document::Seller;
use domain::money::Nusd;
use domain::network::{Network, TrustedProxies};
use domain::payment::{Bounds, TaxRate};
use domain::price::StatedPrices;
use store::DatabaseUrl;
use store::upstream_costs::Tolerance;

use super::section::Choice;
use domain::secret::Secret;

/// Everything that is decided before the program starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the data plane answers, and all else unless `admin_listen` says otherwise.
    pub listen: SocketAddr,
    /// Where the control plane and the console answer, if not on `listen`.
    pub admin_listen: Option<SocketAddr>,
    /// How people reach this installation; no slash at the end.
    pub public_url: String,
    /// Who is believed about the addresses that requests come from.
    pub trusted_proxies: TrustedProxies,
    /// The database.
    pub database_url: DatabaseUrl,
    /// Where the key is that secrets in the database are sealed with, if not at its usual place.
    pub secret_key_file: Option<PathBuf>,
    /// When a hold must be durable.
    pub hold_durability: HoldDurability,
    /// Who may sign up, and what they get.
    pub signup: Signup,
    /// How mails leave.
    pub mail: Mail,
    /// How text messages leave.
    pub sms: Sms,
    /// Networks that webhooks may reach beside the public internet.
    pub webhook_networks: Vec<Network>,
    /// Who may report that keys leaked.
    pub leak_reports: LeakReports,
    /// What people can sign in with, beside a password.
    pub oidc: Vec<OidcProvider>,
    /// How money comes in.
    pub payments: Payments,
    /// Who sells, as receipts and statements name it.
    pub billing: Seller,
    /// What is let pass between upstreams' word on what they are owed and our books.
    pub upstream_costs: Tolerance,
    /// What is logged, and how.
    pub log: Log,
    /// What the log of requests keeps.
    pub request_log: RequestLog,
    /// The sizes and times that nothing may pass.
    pub limits: Limits,
    /// The servers that run models.
    pub upstreams: Vec<Upstream>,
    /// The models that callers see.
    pub models: Vec<Model>,
}

impl Config {
    /// What clients use as their base URL.
    #[must_use]
    pub fn api_base(&self) -> String {
        format!("{}/v1", self.public_url)
    }
}

/// Who may sign up, and what they get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signup {
    /// Who may create an account.
    pub mode: SignupMode,
    /// Whether a phone number must be confirmed.
    pub phone_verification: PhoneVerification,
    /// Granted once per verified phone number.
    pub trial_credit: Nusd,
    /// Days until the trial credit expires.
    pub trial_credit_days: u64,
}

/// How mails leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// They do not: they are kept in the database.
    Outbox,
    /// Through a mail server.
    Smtp(MailServer),
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// Who mails are from.
    pub from: String,
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When TLS begins.
    pub tls: MailTls,
    /// Who logs in; empty if nobody does.
    pub user: String,
    /// With which password.
    pub password: Option<NamedSecret>,
    /// Certificates of the authorities that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The longest that sending a mail may take.
    pub timeout_ms: u64,
}

/// How text messages leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sms {
    /// They do not: they are kept in the database.
    Outbox,
    /// Through Twilio.
    Twilio(TwilioAccount),
    /// Through a program of the operator's.
    Webhook(SmsWebhook),
}

/// An account at Twilio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwilioAccount {
    /// Where the API is, without a slash at the end.
    pub base_url: String,
    /// `AC…`
    pub account_sid: String,
    /// Its secret.
    pub auth_token: NamedSecret,
    /// A number, or the SID of a messaging service.
    pub from: String,
    /// The longest that a request may take.
    pub timeout_ms: u64,
}

/// A program that sends text messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsWebhook {
    /// Where it listens.
    pub url: String,
    /// What requests are signed with.
    pub secret: NamedSecret,
    /// The longest that a request may take.
    pub timeout_ms: u64,
}

/// How money comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payments {
    /// Who takes it.
    pub taker: MoneyTaker,
    /// What can be bought at once.
    pub bounds: Bounds,
    /// The tax on top of it.
    pub tax_rate: TaxRate,
}

/// Who takes money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoneyTaker {
    /// Nobody: test cards are taken, and no money moves.
    Test,
    /// Stripe.
    Stripe(StripeAccount),
}

/// An account at Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeAccount {
    /// `sk_live_…` or `rk_live_…`
    pub secret_key: NamedSecret,
    /// What its webhooks are signed with, if they are taken.
    pub webhook_secret: Option<NamedSecret>,
    /// The same before it was changed.
    pub previous_webhook_secret: Option<NamedSecret>,
    /// Where the API is, without a slash at the end.
    pub base_url: String,
    /// The longest that a request may take.
    pub timeout_ms: u64,
}

/// Who may report that keys leaked; nobody, if there is neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakReports {
    /// Where their public keys are published.
    pub public_keys_url: Option<String>,
    /// A file of public keys.
    pub public_keys_file: Option<PathBuf>,
}

/// A provider that people can sign in with, by OpenID Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// A part of addresses.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it calls itself, to the letter.
    pub issuer: String,
    /// What it knows this installation by.
    pub client_id: String,
    /// What this installation proves itself with.
    pub client_secret: Option<NamedSecret>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Whose addresses may come; all, if there are none.
    pub allowed_domains: Vec<String>,
    /// Where the provider decides who has which address.
    pub trusted_domains: Vec<String>,
    /// What people join by their address.
    pub join: Vec<OidcJoin>,
    /// Certificates of the authorities that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The longest that it may take to answer.
    pub timeout_ms: u64,
}

/// Everybody with an address of a domain joins an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcJoin {
    /// Which addresses.
    pub domain: String,
    /// The id of the organization.
    pub organization: String,
    /// As what.
    pub role: JoinRole,
}

/// A secret that is in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSecret {
    /// The variable.
    pub env: String,
    /// What it held; `None` also when it is unset.
    pub value: Option<Secret>,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or rules by part of the program.
    pub level: String,
    /// For people or for programs.
    pub format: LogFormat,
}

/// What the log of requests keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLog {
    /// How many days refused requests are kept.
    pub refusal_days: u64,
    /// The most of one organization that a process keeps in a minute.
    pub refusals_per_minute: u32,
    /// The same of prompts, of one that wants them to be kept; zero keeps none.
    pub prompts_per_minute: u32,
}

/// The sizes and times that nothing may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body.
    pub body_bytes: u64,
    /// The largest request head.
    pub header_bytes: u64,
    /// The longest a request head may take.
    pub header_timeout_ms: u64,
    /// The longest that running requests may go on after a signal to stop.
    pub shutdown_grace_ms: u64,
    /// Room kept back on the disk of a SQLite database; zero for none.
    pub ballast_bytes: u64,
    /// The largest answer that is kept for a repetition of its request; zero keeps none.
    pub idempotent_answer_bytes: u64,
    /// How long a request that finds too little credit waits for a recharge; zero: not at all.
    pub recharge_wait_ms: u64,
    /// The rate limit of a project and model that has none of its own.
    pub requests_per_minute: u64,
    /// The same, for tokens.
    pub tokens_per_minute: u64,
}

/// A server that runs models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The operator's name for it.
    pub id: String,
    /// What it is and where.
    pub target: Target,
    /// The longest wait for the next byte of an answer.
    pub timeout_ms: u64,
    /// The longest wait for a connection.
    pub connect_timeout_ms: u64,
    /// What becomes of an answer whose client left.
    pub on_disconnect: OnDisconnect,
    /// How `/v1/responses` is spoken with it.
    pub responses: ResponsesMode,
    /// The name of chat's output limit there.
    pub output_limit_field: OutputLimitField,
    /// The admin key by which it is asked what it is owed, if it is.
    pub costs_api_key: Option<NamedSecret>,
}

/// What an upstream is and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A server that speaks OpenAI's protocol.
    OpenAi {
        /// With the version, without a slash at the end.
        base_url: String,
        /// The variable that holds its key, if it wants one.
        api_key_env: Option<String>,
        /// What the variable held; `None` also when it is unset.
        api_key: Option<Secret>,
    },
    /// The built-in engine, run as a child.
    Local {
        /// The weights, a GGUF file.
        model_path: PathBuf,
        /// What the engine calls the model.
        name: String,
    },
}

/// A model that callers see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What callers write; may contain `/`.
    pub id: String,
    /// Input and output together.
    pub context_tokens: u64,
    /// The most output of one answer; at most `context_tokens`.
    pub max_output_tokens: u64,
    /// No answer is kept shorter than this for want of credit; at most `max_output_tokens`.
    pub min_output_tokens: u64,
    /// What bytes do not say of its input.
    pub bounds: InputBounds,
    /// What counts its input where bytes are too coarse.
    pub tokenizer: Tokenizer,
    /// Where it runs.
    pub deployments: Vec<Deployment>,
    /// What callers pay; without it the model is refused when called.
    pub price: Option<StatedPrices>,
    /// What the operator pays.
    pub cost: Option<StatedPrices>,
    /// What it can do, each once.
    pub endpoints: Vec<Endpoint>,
    /// Shown in the list of models.
    pub owned_by: String,
}

/// A place where a model runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The upstream's id.
    pub upstream: String,
    /// The upstream's name for the model.
    pub model: String,
    /// Its share of the requests beside its neighbours', at least 1.
    pub weight: u64,
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$case_doc])* $case,)+ }

        impl Choice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$case),)+];
        }
    };
}

choice!(
    /// When a hold must be durable.
    HoldDurability {
        /// Before the first byte of the answer leaves.
        BeforeFirstByte = "before_first_byte",
        /// Before the request goes to the upstream.
        BeforeForward = "before_forward",
    }
);
choice!(
    /// Who may create an account.
    SignupMode {
        /// Anyone.
        Open = "open",
        /// Who was invited.
        Invite = "invite",
        /// Nobody.
        Closed = "closed",
    }
);
choice!(
    /// Whether a phone number must be confirmed.
    PhoneVerification {
        /// It must.
        Required = "required",
        /// It need not.
        Off = "off",
    }
);
choice!(
    /// How mails leave.
    MailKind {
        /// Kept in the database.
        Outbox = "outbox",
        /// Sent to a mail server.
        Smtp = "smtp",
    }
);
choice!(
    /// How text messages leave.
    SmsKind {
        /// Kept in the database.
        Outbox = "outbox",
        /// Sent through Twilio.
        Twilio = "twilio",
        /// Posted to an address of the operator's.
        Webhook = "webhook",
    }
);
choice!(
    /// When TLS begins with a mail server.
    MailTls {
        /// After the first words; a server that does not offer it gets no mail.
        StartTls = "starttls",
        /// With the first byte.
        Implicit = "implicit",
        /// Never.
        None = "none",
    }
);
choice!(
    /// How money comes in.
    PaymentsKind {
        /// Test cards, no network.
        Test = "test",
        /// Stripe.
        Stripe = "stripe",
    }
);
choice!(
    /// For whom logs are written.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
);
choice!(
    /// What speaks at an upstream.
    UpstreamKind {
        /// OpenAI's protocol.
        OpenAi = "openai",
        /// Anthropic's protocol.
        Anthropic = "anthropic",
        /// The built-in engine.
        Local = "local",
    }
);
choice!(
    /// What becomes of an answer whose client left.
    OnDisconnect {
        /// The upstream is told to stop.
        Cancel = "cancel",
        /// The answer is read to its end and paid for.
        Drain = "drain",
    }
);
choice!(
    /// How `/v1/responses` is spoken with an upstream.
    ResponsesMode {
        /// Natively if it answers there, else translated.
        Auto = "auto",
        /// Passed through.
        Native = "native",
        /// Translated to chat completions.
        Translate = "translate",
    }
);
choice!(
    /// What somebody is who joins an organization.
    JoinRole {
        /// May do everything there.
        Owner = "owner",
        /// May read.
        Reader = "reader",
    }
);
choice!(
    /// The name of chat's output limit at an upstream.
    OutputLimitField {
        /// As OpenAI has it at OpenAI and Azure, else as everybody else has it.
        Auto = "auto",
        /// `max_tokens`.
        MaxTokens = "max_tokens",
        /// `max_completion_tokens`.
        MaxCompletionTokens = "max_completion_tokens",
    }
);
choice!(
    /// What counts a model's input where bytes are too coarse.
    Tokenizer {
        /// OpenAI's own, where every deployment has a name that its list has; else bytes.
        ByName = "",
        /// Nothing but its bytes.
        Bytes = "bytes",
        /// That of GPT-4o and what came after it.
        O200kBase = "o200k_base",
        /// That of GPT-4 and GPT-3.5.
        Cl100kBase = "cl100k_base",
    }
);
choice!(
    /// What a model can do.
    Endpoint {
        /// `/v1/chat/completions`.
        Chat = "chat",
        /// `/v1/responses`.
        Responses = "responses",
        /// `/v1/completions`.
        Completions = "completions",
        /// `/v1/embeddings`.
        Embeddings = "embeddings",
    }
);
