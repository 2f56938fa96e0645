//! A provider, and browsers that go there and come back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::secret::Secret;
use farebox_control::{ProviderSettings, Providers, SignupRules};
use serde_json::{Value, json};
use testkit::TestDatabase;
use testkit::issuer::{CLIENT_ID, CLIENT_SECRET, Issuer, query_of};

use crate::people_world::Browser;
use crate::world::{START_S, World};

/// Where pages of this installation are.
pub(crate) const HERE: &str = "http://farebox.test";

/// The provider `acme`, as a configuration has it that says no more than it must.
pub(crate) fn settings(issuer: &Issuer) -> ProviderSettings {
    ProviderSettings {
        id: "acme".into(),
        name: "Acme".into(),
        issuer: issuer.url(),
        client_id: CLIENT_ID.into(),
        client_secret: Some(Secret::new(CLIENT_SECRET.into())),
        scopes: ["openid", "email"].map(Into::into).to_vec(),
        allowed_domains: Vec::new(),
        trusted_domains: Vec::new(),
        joins: Vec::new(),
        authorities_pem: None,
        timeout: Duration::from_secs(30),
    }
}

/// A world with one provider, whose settings may be changed.
pub(crate) async fn with_provider(
    database: TestDatabase,
    rules: SignupRules,
    change: impl FnOnce(&mut ProviderSettings),
) -> (World, Issuer) {
    let issuer = Issuer::start(START_S).await;
    let mut settings = settings(&issuer);
    change(&mut settings);
    let providers = Providers::new(vec![settings]).unwrap();
    let world = World::start_with_providers(database, rules, providers).await;
    (world, issuer)
}

/// Grace, as the provider knows her.
pub(crate) fn grace() -> Value {
    json!({
        "sub": "grace-1", "email": "Grace@Example.com", "email_verified": true,
        "name": "Grace Hopper",
    })
}

impl World {
    fn now_s(&self) -> i64 {
        self.now.load(Ordering::Relaxed) / 1_000_000
    }
}

impl Browser<'_> {
    /// Follows a link that answers with another address.
    pub(crate) async fn follow(&mut self, path: &str) -> String {
        let path = path.strip_prefix(HERE).unwrap_or(path);
        let answer = self.get(path).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        answer.header("location").unwrap().to_owned()
    }

    /// Goes to the provider, signs in there as `person`, and comes back. Answers where that ends:
    /// a path of this installation.
    pub(crate) async fn go(&mut self, world: &World, issuer: &Issuer, person: &Value) -> String {
        self.go_by("/api/sso/acme/start", world, issuer, person)
            .await
    }

    /// As [`Browser::go`], by another beginning.
    pub(crate) async fn go_by(
        &mut self,
        start: &str,
        world: &World,
        issuer: &Issuer,
        person: &Value,
    ) -> String {
        let there = self.follow(start).await;
        self.come_back(&there, world, issuer, person).await
    }

    /// Signs in at the provider, and comes back.
    pub(crate) async fn come_back(
        &mut self,
        there: &str,
        world: &World,
        issuer: &Issuer,
        person: &Value,
    ) -> String {
        issuer.set_time(world.now_s());
        let back = issuer.sign_in(there, person);
        let page = self.follow(&back).await;
        page.strip_prefix(HERE).unwrap().to_owned()
    }

    /// Begins to link an identity to the account that is signed in. Answers where to go.
    pub(crate) async fn begin_to_link(&mut self, body: &Value) -> String {
        let answer = self.post("/api/me/identities", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["url"].as_str().unwrap().to_owned()
    }
}

/// The code of a page that says what is wrong.
pub(crate) fn wrong(page: &str) -> String {
    let code = query_of(page).get("error").cloned();
    code.unwrap_or_else(|| format!("nothing is wrong: {page}"))
}
