//! The price book at the real binary: a date comes on its own, an import is in force at once, and a
//! start with the same file undoes neither.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::money::Nusd;
use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::process::Process;
use testkit::{PATIENCE, Reply, Upstream, eventually, on_each_database};

use crate::place::Place;

/// Twelve tokens in and three out.
const USED: (u64, u64) = (12, 3);

/// A file in LiteLLM's form: tokens cost $3 and $4 a million.
const FILE: &str = r#"{
    "acme/m-large": {
        "input_cost_per_token": 3e-06, "output_cost_per_token": 0.000004,
        "litellm_provider": "acme", "mode": "chat"
    },
    "other": {"input_cost_per_token": 1, "output_cost_per_token": 1}
}"#;

struct Operator<'a> {
    place: &'a Place,
    cookie: String,
}

impl<'a> Operator<'a> {
    /// Whoever set the installation up, signed in.
    async fn at(place: &'a Place, made: &Value) -> Self {
        let mut operator = Operator {
            place,
            cookie: String::new(),
        };
        let password = made["password"].as_str().unwrap();
        let login = json!({"email": "ada@example.com", "password": password});
        operator.post("/api/sessions", &login).await;
        operator
    }

    async fn send(&mut self, request: Request) -> Value {
        let answer = request.header("cookie", &self.cookie).send().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        if let Some(set) = answer.header("set-cookie") {
            set.split(';').next().unwrap().clone_into(&mut self.cookie);
        }
        answer.json()
    }

    async fn post(&mut self, path: &str, body: &Value) -> Value {
        let request = Request::post(&self.place.url(path)).json(body);
        self.send(request).await
    }

    async fn get(&mut self, path: &str) -> Value {
        self.send(Request::get(&self.place.url(path))).await
    }
}

async fn chat(place: &Place, key: &str) -> Answer {
    let body = json!({"model": "m", "max_tokens": 5,
                      "messages": [{"role": "user", "content": "Hi"}]});
    testkit::http::post_json(&place.url("/v1/chat/completions"), key, &body).await
}

/// What a request costs.
async fn cost(place: &Place, key: &str) -> String {
    let answer = chat(place, key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("farebox-cost").unwrap().to_owned()
}

async fn stop(mut server: Process) {
    server.signal("TERM");
    assert!(server.wait(PATIENCE).await.success());
}

fn price(input: &str, output: &str) -> Value {
    json!({"price": {"input": input, "output": output}})
}

/// A price with a date, stated by the operator.
async fn a_date_comes(operator: &mut Operator<'_>, key: &str) {
    let place = operator.place;
    let prices = "/api/operator/models/m/prices";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut to_come = price("10", "20");
    to_come["effective_at"] = (now + Duration::from_secs(3)).as_secs().into();
    let to_come = operator.post(prices, &to_come).await;
    eventually("its time comes", async || {
        cost(place, key).await == "0.00018"
    })
    .await;
    let model = operator.get("/api/operator/models/m").await;
    assert_eq!(model["price"]["id"], to_come["id"]);
    // What this price would have changed of all requests, also of those before it.
    let mut asked = price("10", "20");
    asked["start_time"] = (now.as_secs() - 3_600).into();
    let preview = "/api/operator/models/m/price_previews";
    let total = &operator.post(preview, &asked).await["total"];
    let nusd = |name: &str| {
        Nusd::parse_usd(total[name].as_str().unwrap())
            .unwrap()
            .get()
    };
    let requests = total["requests"].as_i64().unwrap();
    assert_eq!(
        (nusd("proposed_usd"), &total["is_exact"]),
        (requests * 180_000, &json!(true))
    );
    assert!(
        nusd("billed_usd") < nusd("proposed_usd"),
        "the first were cheaper"
    );
    assert_eq!(
        nusd("proposed_usd") - nusd("billed_usd"),
        nusd("difference_usd")
    );
    let upstreams = operator.get("/api/operator/upstreams").await;
    assert_eq!(upstreams["data"][0]["state"], "answering");
    let check = operator
        .post("/api/operator/upstreams/u/check", &Value::Null)
        .await;
    assert_eq!(
        (&check["outcome"], &check["status"]),
        (&json!("answered"), &json!(200))
    );
}

/// A file, imported beside the server: shown, and then put into force.
async fn a_file_is_imported(place: &Place, key: &str) {
    place.write("prices.json", FILE);
    let import = [
        "prices",
        "import",
        "prices.json",
        "--map",
        "m=acme/m-large",
        "--json",
    ];
    let shown = place.json(&[&import[..], &["--as", "price"]].concat());
    assert_eq!(
        (&shown["applied"], &shown["counts"]["changed"]),
        (&json!(false), &json!(1))
    );
    let input = json!({"from": "10.00", "to": "3.00", "percent": "-70.0%"});
    assert_eq!(shown["models"][0]["price"]["input"], input);
    assert_eq!(cost(place, key).await, "0.00018", "nothing was changed");
    let done = place.json(&[&import[..], &["--markup", "50%", "--apply"]].concat());
    assert_eq!(done["models"][0]["cost"]["output"]["to"], "4.00");
    eventually("the server hears of it", async || {
        cost(place, key).await == "0.000072"
    })
    .await;
    let again = place.json(&[&import[..], &["--markup", "50"]].concat());
    assert_eq!(again["counts"]["unchanged"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_come_into_force_when_they_are_to_and_stay() {
    on_each_database(async |database| {
        let reply = |_: &_| Reply::chat_with_usage("Hello.", USED.0, USED.1);
        let upstream = Upstream::start(reply).await;
        let place = Place::new(&database.url, &upstream.base_url());
        let made = place.set_up("5");
        let key = made["api_key"].as_str().unwrap();
        let server = place.serve().await;
        assert_eq!(cost(&place, key).await, "0.000018", "the file's: $1 and $2");

        let mut operator = Operator::at(&place, &made).await;
        a_date_comes(&mut operator, key).await;
        a_file_is_imported(&place, key).await;
        operator
            .post("/api/operator/models/m", &json!({"is_enabled": false}))
            .await;
        assert_eq!(chat(&place, key).await.status, 404);
        operator
            .post("/api/operator/models/m", &json!({"is_enabled": true}))
            .await;
        stop(server).await;

        // The file says what it said; then it says something new.
        let server = place.serve().await;
        assert_eq!(cost(&place, key).await, "0.000072");
        assert!(server.stderr().contains("stated after the configuration's"));
        stop(server).await;
        let file = std::fs::read_to_string(place.path().join("farebox.toml")).unwrap();
        place.write(
            "farebox.toml",
            &file.replace("input = \"1\"", "input = \"5\""),
        );
        let server = place.serve().await;
        assert_eq!(cost(&place, key).await, "0.000066");
        stop(server).await;
        let verified = place.run(&["ledger", "verify"]);
        assert!(verified.status.success(), "the books are in order");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_hears_of_prices_and_of_models_switched_off() {
    let database = testkit::databases::postgres().await;
    let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", USED.0, USED.1)).await;
    let [one, other] = [(); 2].map(|()| Place::new(&database.url, &upstream.base_url()));
    let made = one.set_up("5");
    let key = made["api_key"].as_str().unwrap();
    let servers = [one.serve().await, other.serve().await];
    let mut operator = Operator::at(&one, &made).await;
    let prices = "/api/operator/models/m/prices";
    operator.post(prices, &price("10", "20")).await;
    assert_eq!(
        cost(&one, key).await,
        "0.00018",
        "at once where it was stated"
    );
    eventually("the other hears of it", async || {
        cost(&other, key).await == "0.00018"
    })
    .await;
    for (is_enabled, status) in [(false, 404), (true, 200)] {
        let switch = json!({"is_enabled": is_enabled});
        operator.post("/api/operator/models/m", &switch).await;
        assert_eq!(chat(&one, key).await.status, status);
        eventually("the other hears of it", async || {
            chat(&other, key).await.status == status
        })
        .await;
    }
    for server in servers {
        stop(server).await;
    }
    // Requests while a node's view was older are in order, too: each has the price that it pinned.
    let verified = one.run(&["ledger", "verify"]);
    assert!(verified.status.success(), "the books are in order");
}

#[test]
fn a_file_that_is_none_is_said_to_be() {
    let place = Place::new("sqlite://farebox.db", "http://127.0.0.1:1/v1");
    place.set_up("0");
    place.write("prices.json", "[1, 2]");
    let failed = |arguments: &[&str], code: i32, reason: &str| {
        let output = place.run(&[&["prices", "import", "prices.json"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(reason), "{said}");
    };
    failed(&[], 1, "no object of models");
    place.write("prices.json", FILE);
    failed(
        &["--map", "n=other"],
        2,
        "which the configuration does not have",
    );
    failed(&["--map", "n"], 2, "MODEL=NAME");
    failed(
        &["--markup", "20%", "--as", "price"],
        2,
        "cannot be used with",
    );
    failed(&["--markup", "1.23456%"], 2, "at most four decimals");
    let output = place.run(&["prices", "import", "prices.json", "--provider", "acme"]);
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(page.contains("m: unknown"), "{page}");
    assert!(
        page.contains("0 new, 0 changed, 0 unchanged, 0 unsupported, 1 unknown of 2 entries"),
        "{page}"
    );
}
