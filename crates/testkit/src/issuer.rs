//! An OpenID Connect provider on loopback, which signs in whomever a test says.
//!
//! It is strict where a provider must be: a code is good once, for the client that asked, at the
//! address that was named, with the verifier of the challenge. A test can make it lie: about what
//! is signed, with which key, and instead of any answer.

mod signer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

pub use signer::Signer;

use crate::form::{self, encoded};
use crate::upstream::{Reply, Upstream, UpstreamRequest};

/// What this provider knows its one client by.
pub const CLIENT_ID: &str = "farebox & co";
/// What the client proves itself with. Some of it must be encoded.
pub const CLIENT_SECRET: &str = "s3cret:with/+ marks";

/// A running provider. Dropping it closes its port.
pub struct Issuer {
    upstream: Upstream,
    state: Arc<State>,
}

struct State {
    /// The time, in seconds, when it signs.
    now_s: AtomicI64,
    codes: Mutex<HashMap<String, Grant>>,
    numbers: AtomicUsize,
    script: Mutex<Script>,
}

/// What a test can change.
struct Script {
    signers: Vec<Signer>,
    /// Which of them signs.
    signing: usize,
    /// Laid over what would be signed; null takes away.
    claims: Value,
    /// Laid over what it says of itself.
    metadata: Value,
    /// What it says beside ID tokens, to the holder of an access token.
    userinfo: Option<Value>,
    /// Instead of an ID token.
    token: Option<String>,
    /// Instead of the answer of a path.
    replies: HashMap<String, Reply>,
}

/// What a code stands for.
#[derive(Clone)]
struct Grant {
    redirect_uri: String,
    challenge: String,
    nonce: String,
    person: Value,
}

impl Issuer {
    /// Starts a provider, whose clock stands at `now_s`.
    pub async fn start(now_s: i64) -> Self {
        let state = Arc::new(State {
            now_s: AtomicI64::new(now_s),
            codes: Mutex::default(),
            numbers: AtomicUsize::new(1),
            script: Mutex::new(Script {
                signers: vec![Signer::p256("first")],
                signing: 0,
                claims: json!({}),
                metadata: json!({}),
                userinfo: None,
                token: None,
                replies: HashMap::new(),
            }),
        });
        let answering = Arc::clone(&state);
        let upstream = Upstream::start(move |request| answering.answer(request)).await;
        Issuer { upstream, state }
    }

    /// What it calls itself.
    pub fn url(&self) -> String {
        self.upstream.base_url()
    }

    /// Sets its clock.
    pub fn set_time(&self, now_s: i64) {
        self.state.now_s.store(now_s, Ordering::Relaxed);
    }

    /// Shows these keys, and signs with one of them.
    pub fn set_signers(&self, signers: Vec<Signer>, signing: usize) {
        let mut script = self.state.script.lock();
        script.signers = signers;
        script.signing = signing;
    }

    /// Lays these over the claims that are signed; null takes one away.
    pub fn set_claims(&self, claims: Value) {
        self.state.script.lock().claims = claims;
    }

    /// Lays these over what it says of itself; null takes one away.
    pub fn set_metadata(&self, metadata: Value) {
        self.state.script.lock().metadata = metadata;
    }

    /// Says this to the holder of an access token.
    pub fn set_userinfo(&self, userinfo: Value) {
        self.state.script.lock().userinfo = Some(userinfo);
    }

    /// Gives this instead of an ID token.
    pub fn set_token(&self, token: Option<String>) {
        self.state.script.lock().token = token;
    }

    /// Answers a path, such as `/token`, with this from now on; none answers it as usual.
    pub fn set_reply(&self, path: &str, reply: Option<Reply>) {
        let replies = &mut self.state.script.lock().replies;
        match reply {
            Some(reply) => replies.insert(path.to_owned(), reply),
            None => replies.remove(path),
        };
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        let requests = self.upstream.requests();
        let of_path = |request: &&UpstreamRequest| request.path == format!("/v1{path}");
        requests.iter().filter(of_path).count()
    }

    /// Closes its port.
    pub fn stop(&mut self) {
        self.upstream.stop();
    }

    /// Signs somebody in who came to `url` with a browser, and answers where the browser is sent
    /// back to. `person` are claims such as `sub` and `email`. Panics if the request is not one
    /// that a provider must accept.
    pub fn sign_in(&self, url: &str, person: &Value) -> String {
        let query = query_of(url);
        let given = |name: &str| query.get(name).cloned().unwrap_or_default();
        assert!(
            url.starts_with(&format!("{}/authorize?", self.url())),
            "{url}"
        );
        assert_eq!(given("response_type"), "code", "{url}");
        assert_eq!(given("client_id"), CLIENT_ID, "{url}");
        assert_eq!(given("code_challenge_method"), "S256", "{url}");
        assert!(
            given("scope").split(' ').any(|scope| scope == "openid"),
            "{url}"
        );
        for name in ["state", "nonce", "code_challenge"] {
            assert!(given(name).len() >= 43, "{name} holds 256 bits: {url}");
        }
        let number = self.state.numbers.fetch_add(1, Ordering::Relaxed);
        let code = format!("code {number}+/&");
        let grant = Grant {
            redirect_uri: given("redirect_uri"),
            challenge: given("code_challenge"),
            nonce: given("nonce"),
            person: person.clone(),
        };
        self.state.codes.lock().insert(code.clone(), grant);
        self.send_back(url, &format!("code={}", encoded(&code)))
    }

    /// Where the browser is sent back to with this answer, such as `error=access_denied`.
    pub fn send_back(&self, url: &str, answer: &str) -> String {
        let query = query_of(url);
        let (to, state) = (&query["redirect_uri"], &query["state"]);
        format!("{to}?{answer}&state={state}&iss={}", encoded(&self.url()))
    }
}

impl State {
    fn answer(&self, request: &UpstreamRequest) -> Reply {
        let path = request.path.strip_prefix("/v1").unwrap_or(&request.path);
        if let Some(reply) = self.script.lock().replies.get(path) {
            return reply.clone();
        }
        let url = format!("http://{}/v1", request.header("host").unwrap_or_default());
        match path {
            "/.well-known/openid-configuration" => Reply::json(200, &self.metadata(&url)),
            "/jwks" => {
                let script = self.script.lock();
                let keys: Vec<Value> = script.signers.iter().map(Signer::jwk).collect();
                Reply::json(200, &json!({"keys": keys}))
            }
            "/token" => match self.redeem(request, &url) {
                Ok(answer) => Reply::json(200, &answer),
                Err(error) => Reply::json(400, &json!({"error": error})),
            },
            "/userinfo" => match (&self.script.lock().userinfo, request.bearer()) {
                (Some(userinfo), Some("an access token")) => Reply::json(200, userinfo),
                _ => Reply::json(401, &json!({"error": "invalid_token"})),
            },
            _ => Reply::json(404, &json!({"error": "not_found"})),
        }
    }

    fn metadata(&self, url: &str) -> Value {
        let script = self.script.lock();
        let mut metadata = json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/jwks"),
            "authorization_response_iss_parameter_supported": true,
        });
        if script.userinfo.is_some() {
            metadata["userinfo_endpoint"] = json!(format!("{url}/userinfo"));
        }
        lay_over(&mut metadata, &script.metadata);
        metadata
    }

    fn redeem(&self, request: &UpstreamRequest, url: &str) -> Result<Value, &'static str> {
        let body = String::from_utf8_lossy(&request.body);
        let form = form::parse(&body);
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        let login = format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET));
        let basic = format!("Basic {}", STANDARD.encode(login));
        let in_form = (given("client_id"), given("client_secret")) == (CLIENT_ID, CLIENT_SECRET);
        let in_head = request.header("authorization") == Some(&basic);
        if in_form == in_head {
            return Err("invalid_client");
        }
        let grant = self.codes.lock().remove(given("code"));
        let grant = grant.ok_or("invalid_grant")?;
        let digest = ring::digest::digest(&ring::digest::SHA256, given("code_verifier").as_bytes());
        let is_same = given("grant_type") == "authorization_code"
            && given("redirect_uri") == grant.redirect_uri
            && URL_SAFE_NO_PAD.encode(digest) == grant.challenge;
        if !is_same {
            return Err("invalid_grant");
        }
        let now_s = self.now_s.load(Ordering::Relaxed);
        let mut claims = json!({
            "iss": url, "aud": CLIENT_ID, "nonce": grant.nonce, "iat": now_s, "exp": now_s + 300,
        });
        lay_over(&mut claims, &grant.person);
        let script = self.script.lock();
        lay_over(&mut claims, &script.claims);
        let token = script.token.clone();
        let token = token.unwrap_or_else(|| script.signers[script.signing].token(&claims));
        Ok(json!({
            "access_token": "an access token", "token_type": "Bearer", "id_token": token,
        }))
    }
}

/// Lays members over those of an object; null takes one away.
fn lay_over(object: &mut Value, over: &Value) {
    let object: &mut Map<String, Value> = object.as_object_mut().expect("an object");
    for (name, value) in over.as_object().expect("an object") {
        match value {
            Value::Null => object.remove(name),
            value => object.insert(name.clone(), value.clone()),
        };
    }
}

/// The parameters of an address.
pub fn query_of(url: &str) -> HashMap<String, String> {
    let (_, query) = url.split_once('?').unwrap_or((url, ""));
    form::parse(query.split('#').next().unwrap_or_default())
}
