//! Limits set through the API of the real binary act on the next request, and on nobody else's.

use http::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::process::Process;
use testkit::{Reply, TestDatabase, Upstream, on_each_database};

use crate::place::Place;

/// Two projects on one server. An answer is reported as 4,000 output tokens, which cost 0.8 cents.
struct Platform {
    place: Place,
    made: Value,
    other_project: Caller,
    server: Process,
    _upstream: Upstream,
}

struct Caller {
    project: String,
    key: String,
}

/// What a request that asks for so many tokens is held for, and what its answer costs: a bit less.
const ASKED_TOKENS: u64 = 4_096;
const SPENT_USD: &str = "0.008001";

impl Platform {
    async fn start(database: &TestDatabase) -> Platform {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", 1, 4_000));
        let upstream = upstream.await;
        let place = Place::new(&database.url, &upstream.base_url());
        let made = place.set_up("1000");
        let server = place.serve().await;
        let mut platform = Platform {
            place,
            made,
            other_project: Caller {
                project: String::new(),
                key: String::new(),
            },
            server,
            _upstream: upstream,
        };
        platform.other_project = platform.caller("Other").await;
        platform
    }

    /// A new project with a key.
    async fn caller(&self, name: &str) -> Caller {
        let path = "/v1/organization/projects";
        let project = self.post(path, &json!({"name": name})).await.json();
        let project = project["id"].as_str().unwrap().to_owned();
        let path = format!("{path}/{project}/service_accounts");
        let account = self.post(&path, &json!({"name": name})).await.json();
        let key = account["api_key"]["value"].as_str().unwrap().to_owned();
        Caller { project, key }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = Request::new(method, &self.place.url(path));
        let request = request.bearer(self.made["admin_key"].as_str().unwrap());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await.json()
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn delete(&self, path: &str) {
        self.send(Method::DELETE, path, None).await;
    }

    async fn set_spend_limit(&self, path: &str, cents: u64) {
        let limit = json!({"threshold_amount": cents, "currency": "USD", "interval": "month"});
        self.post(path, &limit).await;
    }

    async fn chat(&self, key: &str) -> Answer {
        let body = json!({"model": "m", "max_tokens": ASKED_TOKENS,
                          "messages": [{"role": "user", "content": "Hello World"}]});
        let url = self.place.url("/v1/chat/completions");
        let request = Request::post(&url).bearer(key).json(&body);
        request.send().await.unwrap()
    }

    fn key(&self) -> &str {
        self.made["api_key"].as_str().unwrap()
    }

    fn project(&self) -> &str {
        self.made["project_id"].as_str().unwrap()
    }

    /// One request each of both projects, in the given words.
    async fn both(&self) -> [String; 2] {
        let (ours, theirs) = (self.key(), self.other_project.key.as_str());
        [
            outcome(&self.chat(ours).await),
            outcome(&self.chat(theirs).await),
        ]
    }
}

/// "served", or the code of the refusal.
fn outcome(answer: &Answer) -> String {
    if answer.status == 200 {
        return "served".into();
    }
    assert_eq!(answer.status, 429, "{}", answer.text());
    answer.json()["error"]["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_limit_acts_at_once_and_only_where_it_is_put() {
    on_each_database(async |database| {
        let platform = Platform::start(&database).await;
        let served = || "served".to_owned();
        assert_eq!(platform.both().await, [served(), served()]);
        let of_project = format!(
            "/v1/organization/projects/{}/spend_limit",
            platform.project()
        );
        for (path, code, theirs) in [
            (
                of_project.as_str(),
                "project_spend_limit_exceeded",
                "served",
            ),
            (
                "/v1/organization/spend_limit",
                "organization_spend_limit_exceeded",
                "organization_spend_limit_exceeded",
            ),
        ] {
            platform.set_spend_limit(path, 1).await;
            assert_eq!(platform.both().await, [code, theirs]);
            platform.set_spend_limit(path, 10_000).await;
            assert_eq!(platform.both().await, [served(), served()]);
            platform.set_spend_limit(path, 1).await;
            assert_eq!(platform.both().await, [code, theirs]);
            let refused = platform.chat(platform.key()).await;
            assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
            assert_eq!(refused.header("x-should-retry"), Some("false"));
            platform.delete(path).await;
            assert_eq!(platform.both().await, [served(), served()]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_spent_and_not_exceeded_and_says_so() {
    on_each_database(async |database| {
        let platform = Platform::start(&database).await;
        let path = format!(
            "/v1/organization/projects/{}/spend_limit",
            platform.project()
        );
        platform.set_spend_limit(&path, 1).await;
        let status = async || platform.get(&path).await["enforcement"]["status"].clone();
        assert_eq!(status().await, "inactive");
        assert_eq!(outcome(&platform.chat(platform.key()).await), "served");
        assert_eq!(status().await, "inactive", "some is left");
        let refused = outcome(&platform.chat(platform.key()).await);
        assert_eq!(refused, "project_spend_limit_exceeded");
        assert_eq!(status().await, "enforcing");
        platform.set_spend_limit(&path, 2).await;
        assert_eq!(status().await, "inactive", "another limit");
        platform.set_spend_limit(&path, 1).await;
        let refused = outcome(&platform.chat(platform.key()).await);
        assert_eq!(refused, "project_spend_limit_exceeded");
        let budget = platform.get("/api/budgets").await["data"][0].clone();
        assert_eq!(budget["is_spend_limit"], true);
        let standing = &budget["standing"];
        assert_eq!(standing["is_enforcing"], true);
        assert_eq!(
            [
                &standing["spent_usd"],
                &standing["held_usd"],
                &standing["remaining_usd"]
            ],
            [&json!(SPENT_USD), &json!("0.00"), &json!("0.001999")]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_acts_at_once_and_only_on_its_project() {
    on_each_database(async |database| {
        let platform = Platform::start(&database).await;
        let served = || "served".to_owned();
        assert_eq!(platform.both().await, [served(), served()]);
        let path = format!(
            "/v1/organization/projects/{}/rate_limits",
            platform.project()
        );
        let lowered = json!({"max_requests_per_1_minute": 2});
        platform.post(&format!("{path}/rl-m"), &lowered).await;
        let row = platform.get(&path).await["data"][0].clone();
        assert_eq!(
            (&row["id"], &row["max_requests_per_1_minute"]),
            (&json!("rl-m"), &json!(2))
        );
        // What was used before the limit was lowered is still in the bucket.
        let mut served_since = 0;
        let refused = loop {
            let answer = platform.chat(platform.key()).await;
            assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("2"));
            match answer.status {
                200 => served_since += 1,
                _ => break answer,
            }
        };
        assert!((1..=2).contains(&served_since), "{served_since}");
        assert_eq!(outcome(&refused), "rate_limit_exceeded");
        assert_eq!(refused.json()["error"]["type"], "requests");
        assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
        let wait_ms: f64 = refused.header("retry-after-ms").unwrap().parse().unwrap();
        assert!(0.0 < wait_ms && wait_ms <= 30_000.0, "{wait_ms}");
        assert!(refused.header("retry-after").is_some());
        assert_eq!(platform.both().await, ["rate_limit_exceeded", "served"]);
        let rule = format!(
            "/api/rate_limits?scope_type=project&scope_id={}&model=m",
            platform.project()
        );
        platform.delete(&rule).await;
        assert_eq!(platform.both().await, [served(), served()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_budget_stops_that_key_and_a_soft_one_only_tells() {
    on_each_database(async |database| {
        let platform = Platform::start(&database).await;
        let project = &platform.other_project.project;
        let path = format!("/v1/organization/projects/{project}/service_accounts");
        let neighbour = platform.post(&path, &json!({"name": "n"})).await.json();
        let neighbour = neighbour["api_key"]["value"].as_str().unwrap();
        let key = platform.other_project.key.as_str();
        let path = format!("/v1/organization/projects/{project}/api_keys");
        let key_id = platform.get(&path).await["data"][0]["id"].clone();
        let hard = json!({
            "scope": {"type": "key", "id": key_id}, "window": "day",
            "limit_usd": "0.01", "force": "hard",
        });
        let soft = json!({
            "scope": {"type": "project", "id": project}, "window": "month",
            "limit_usd": "0.01", "force": "soft",
        });
        let hard = platform.post("/api/budgets", &hard).await.json();
        let soft = platform.post("/api/budgets", &soft).await.json();
        assert_eq!(outcome(&platform.chat(key).await), "served");
        assert_eq!(
            outcome(&platform.chat(key).await),
            "key_spend_limit_exceeded"
        );
        assert_eq!(outcome(&platform.chat(neighbour).await), "served");
        let path = |budget: &Value| format!("/api/budgets/{}", budget["id"].as_str().unwrap());
        let events = format!("{}/events", path(&soft));
        testkit::eventually("thresholds are told", async || {
            let events = platform.get(&events).await;
            let events = events["data"].as_array().unwrap().iter();
            let reached: Vec<_> = events.map(|event| event["threshold"].as_u64()).collect();
            reached == [Some(100), Some(80), Some(50)]
        })
        .await;
        platform.delete(&path(&hard)).await;
        assert_eq!(outcome(&platform.chat(key).await), "served");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_a_configuration_read_again_have_rate_limits() {
    let database = testkit::databases::sqlite();
    let platform = Platform::start(&database).await;
    let path = format!(
        "/v1/organization/projects/{}/rate_limits",
        platform.project()
    );
    let models = async || {
        let list = platform.get(&path).await;
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|row| row["model"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(models().await, ["m"]);
    let file = platform.place.path().join("farebox.toml");
    let mut config = std::fs::read_to_string(&file).unwrap();
    config.push_str(
        "\n[[models]]\nid = \"vendor/new\"\ndeployments = [{ upstream = \"u\", model = \"x\" }]\n",
    );
    platform.place.write("farebox.toml", &config);
    platform.server.signal("HUP");
    testkit::eventually("the new model is listed", async || {
        models().await == ["m", "vendor/new"]
    })
    .await;
    let row = format!("{path}/rl-vendor%2Fnew");
    let lowered = json!({"max_tokens_per_1_minute": 5});
    let row = platform.post(&row, &lowered).await.json();
    assert_eq!(row["max_tokens_per_1_minute"], 5);
}
