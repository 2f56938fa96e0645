//! Somebody with a browser, a mailbox and a phone.

use std::sync::atomic::Ordering;

use domain::money::Nusd;
use farebox_control::{SignupMode, SignupRules};
use http::Method;
use serde_json::{Value, json};
use store::jobs::{self, Claimed};
use testkit::TestDatabase;
use testkit::http::{Answer, Request};

use crate::world::{World, entropy};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const PHONE: &str = "+4930901820";

/// Who may sign up, without a phone.
pub(crate) const WITHOUT_PHONE: SignupRules = SignupRules {
    trial_credit_days: 90,
    mode: SignupMode::Open,
    needs_phone: false,
    trial_credit: Nusd::ZERO,
};

/// Somebody with a browser, which keeps two cookies.
pub(crate) struct Browser<'a> {
    world: &'a World,
    pub(crate) cookie: Option<String>,
    /// What binds a sign-in by a provider to this browser.
    pub(crate) sso_cookie: Option<String>,
    /// Where they are.
    pub(crate) address: &'static str,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Browser {
            world,
            cookie: None,
            sso_cookie: None,
            address: "192.0.2.7",
        }
    }

    /// As [`Browser::new`], elsewhere.
    pub(crate) fn at(world: &'a World, address: &'static str) -> Self {
        Browser {
            address,
            ..Browser::new(world)
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        let request = Request::new(method, &self.world.url(path))
            .header("x-forwarded-for", self.address)
            .header("user-agent", "a browser");
        let cookies = self.cookie.iter().chain(&self.sso_cookie);
        cookies.fold(request, |request, cookie| request.header("cookie", cookie))
    }

    /// Sends a request, and keeps the cookie that comes back.
    pub(crate) async fn send(&mut self, request: Request) -> Answer {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        if let Some(set) = answer.header("set-cookie") {
            let pair = set.split(';').next().unwrap();
            let kept = (!pair.ends_with('=')).then(|| pair.to_owned());
            match pair.starts_with("farebox_sso=") {
                true => self.sso_cookie = kept,
                false => self.cookie = kept,
            }
        }
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.post("/api/sessions", &body).await
    }

    /// The user's id, or the status of the refusal.
    pub(crate) async fn who(&mut self) -> Result<String, u16> {
        let answer = self.get("/api/me").await;
        match answer.status {
            200 => Ok(answer.json()["id"].as_str().unwrap().to_owned()),
            status => Err(status),
        }
    }
}

impl World {
    /// What was sent since the last look.
    pub(crate) async fn sent(&self) -> Vec<Claimed> {
        let now = domain::time::AtUs(self.now.load(Ordering::Relaxed));
        let claim = self
            .store
            .write(move |tx| jobs::claim(tx, 100, now, entropy));
        claim.await.unwrap()
    }

    /// A fact of the one message that was sent since the last look, after a moment if need be.
    pub(crate) async fn fact(&self, to: &str, template: &str, name: &str) -> String {
        for _ in 0..500 {
            let sent = self.sent().await;
            if let [message] = &sent[..] {
                assert_eq!((&*message.to, &*message.template), (to, template));
                return message.facts[name].clone();
            }
            assert!(sent.is_empty(), "one message: {sent:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("nothing was sent to {to}");
    }

    /// What the audit logs tell, newest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        // SQL in a test: the log of an organization that has no admin key.
        let sql = "SELECT kind FROM audit_log ORDER BY at_us DESC, id";
        let read = self.store.read(move |tx| -> Result<_, store::StoreError> {
            let rows = tx.query(sql, &[])?;
            rows.iter()
                .map(|row| row.text(0).map(ToOwned::to_owned))
                .collect()
        });
        read.await.unwrap()
    }

    /// Lets time pass.
    pub(crate) fn wait_s(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

/// A world that needs no phone, and somebody who has an account there and is signed in.
pub(crate) async fn with_account(database: TestDatabase) -> World {
    let world = World::start_with(database, WITHOUT_PHONE).await;
    sign_up(&world, "grace@example.com").await;
    world
}

/// Signs somebody up, without a phone.
pub(crate) async fn sign_up<'a>(world: &'a World, email: &str) -> Browser<'a> {
    let mut browser = Browser::new(world);
    let body = json!({"email": email, "password": PASSWORD});
    let begun = browser.post("/api/signup", &body).await;
    let code = world.fact(email, "email_code", "code").await;
    let body = json!({"id": begun.json()["id"], "code": code});
    let done = browser.post("/api/signup/email_code", &body).await;
    assert_eq!(done.json()["status"], "complete", "{}", done.text());
    browser
}
