//! Somebody signs up at the real binary, reads their codes in the outbox, and calls a model with
//! the trial credit that comes with a phone.

use domain::people::totp::TotpSecret;
use domain::time::AtUs;
use serde_json::{Value, json};
use testkit::http::{Answer, Request, get};
use testkit::{PATIENCE, Reply, Upstream, eventually, on_each_database};

use crate::place::Place;

const EMAIL: &str = "grace@example.com";
const PHONE: &str = "+4930901820";
const PASSWORD: &str = "correct horse battery staple";

/// Somebody with a browser, which keeps one cookie.
pub(crate) struct Browser<'a> {
    pub(crate) place: &'a Place,
    pub(crate) cookie: String,
}

impl Browser<'_> {
    async fn send(&mut self, request: Request) -> Answer {
        let answer = request.header("cookie", &self.cookie).send().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        if let Some(set) = answer.header("set-cookie") {
            assert!(set.contains("; HttpOnly; SameSite=Lax"), "{set}");
            set.split(';').next().unwrap().clone_into(&mut self.cookie);
        }
        answer
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Value {
        let request = Request::post(&self.place.url(path)).json(body);
        self.send(request).await.json()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Value {
        let request = Request::get(&self.place.url(path));
        self.send(request).await.json()
    }

    /// The code in the latest message to an address or number.
    async fn code(&self, to: &str) -> String {
        let mut code = None;
        eventually("a code arrives", async || {
            let outbox = get(&self.place.url("/api/outbox"), "").await.json();
            let messages = outbox["data"].as_array().unwrap().clone();
            let text = messages.iter().find(|message| message["to"] == to);
            let text = text.map(|message| message["text"].as_str().unwrap().to_owned());
            code = text.and_then(|text| {
                let digits =
                    |word: &&str| word.len() == 6 && word.bytes().all(|it| it.is_ascii_digit());
                let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
                words.find(digits).map(ToOwned::to_owned)
            });
            code.is_some()
        })
        .await;
        code.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_up_with_a_phone_calls_with_trial_credit() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", 1, 4_000)).await;
        let place = Place::new(&database.url, &upstream.base_url());
        place.set_up("1");
        let mut server = place.serve().await;
        let mut browser = Browser {
            place: &place,
            cookie: String::new(),
        };
        let account = json!({"email": EMAIL, "password": PASSWORD, "organization": "Hopper"});
        let id = browser.post("/api/signup", &account).await["id"].clone();
        let code = json!({"id": id, "code": browser.code(EMAIL).await});
        browser.post("/api/signup/email_code", &code).await;
        let phone = json!({"id": id, "phone": PHONE});
        browser.post("/api/signup/phone", &phone).await;
        let code = json!({"id": id, "code": browser.code(PHONE).await});
        let done = browser.post("/api/signup/phone_code", &code).await;
        assert_eq!(done["status"], "complete");

        let me = browser.get("/api/me").await;
        assert_eq!(me["organizations"][0]["name"], "Hopper");
        let project = browser
            .post("/v1/organization/projects", &json!({"name": "First"}))
            .await;
        let keys = format!("/api/projects/{}/keys", project["id"].as_str().unwrap());
        let key = browser.post(&keys, &json!({"name": "Mine"})).await;
        assert_eq!(key["owner"]["user"]["email"], EMAIL);
        let key = key["value"].as_str().unwrap();
        let balance = async || {
            let models = get(&place.url("/v1/models"), key).await;
            models.header("farebox-balance").unwrap().to_owned()
        };
        assert_eq!(balance().await, "5.00");
        let chat = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
        let chat = Request::post(&place.url("/v1/chat/completions"))
            .bearer(key)
            .json(&chat);
        assert_eq!(chat.send().await.unwrap().status, 200);
        assert_eq!(balance().await, "4.991999", "less 0.008001");

        server.signal("TERM");
        server.wait(PATIENCE).await;
        let verified = place.run(&["ledger", "verify"]);
        assert!(verified.status.success(), "the books are in order");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_all_second_factors_is_let_in_by_the_operator() {
    on_each_database(async |database| {
        let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
        let made = place.set_up("1");
        let _server = place.serve().await;
        let mut browser = Browser {
            place: &place,
            cookie: String::new(),
        };
        let (email, password) = ("ada@example.com", &made["password"]);
        let credentials = json!({"email": email, "password": password});
        browser.post("/api/sessions", &credentials).await;
        let secret = browser.post("/api/me/totp", &json!({})).await["secret"].clone();
        let secret = TotpSecret::parse(secret.as_str().unwrap()).unwrap();
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = AtUs(i64::try_from(since.unwrap().as_micros()).unwrap());
        let code = json!({"code": secret.code_at(now)});
        let added = browser.post("/api/me/totp/confirm", &code).await;
        assert_eq!(added["recovery_codes"].as_array().unwrap().len(), 10);

        let options = Request::post(&place.url("/api/me/passkeys/options"));
        let options = options.header("cookie", &browser.cookie).send().await;
        let unavailable = options.unwrap().json()["error"]["code"].clone();
        assert_eq!(unavailable, "passkeys_unavailable", "127.0.0.1 is no name");

        let sign_in = Request::post(&place.url("/api/sessions")).json(&credentials);
        assert_eq!(sign_in.send().await.unwrap().status, 202);
        let unknown = place.run(&["users", "reset-factors", "bob@example.com"]);
        let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
        assert_eq!(unknown.status.code(), Some(1));
        assert!(
            said.contains("nobody has the address bob@example.com"),
            "{said}"
        );
        let reset = || place.run(&["users", "reset-factors", email]);
        let said = String::from_utf8(reset().stdout).unwrap();
        assert!(
            said.contains("The second factors of ada@example.com are removed"),
            "{said}"
        );
        let said = String::from_utf8(reset().stdout).unwrap();
        assert!(
            said.contains("ada@example.com has no second factor"),
            "{said}"
        );
        let sign_in = Request::post(&place.url("/api/sessions")).json(&credentials);
        assert_eq!(sign_in.send().await.unwrap().status, 200);
    })
    .await;
}
