//! The public bench, run as anybody would: against this Farebox, which must come out well, and
//! against gateways that overspend or forget, which must not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::window::Window;
use serde_json::{Value, json};
use store::budgets::{self, BudgetRow};
use store::{DatabaseUrl, Options, Role, Store, Tx};
use testkit::process::spawn_binary;
use testkit::{Reply, Upstream};

use crate::careless::{Careless, Habit};
use crate::place::{BINARY, Place};

/// Nano-USD of a decimal string.
fn nusd(value: &Value) -> i64 {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("no amount: {value}"));
    Nusd::parse_usd(text).unwrap().get()
}

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// The object that a run with `--json` printed, and nothing else.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// Runs `farebox race` with the words of `line`, then `more`, and these variables.
async fn race_with(line: &str, more: &[&str], variables: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let words: Vec<&str> = ["race"]
        .into_iter()
        .chain(line.split_whitespace())
        .chain(more.iter().copied())
        .collect();
    // What a restart writes goes with the folder.
    let temporary = folder.path().display().to_string();
    let variables = [variables, &[("TMPDIR", temporary.as_str())]].concat();
    let mut process = spawn_binary(Path::new(BINARY), &words, folder.path(), &variables);
    let status = process.wait(Duration::from_secs(240)).await;
    Ran {
        code: status.code(),
        stdout: process.stdout(),
        stderr: process.stderr(),
    }
}

async fn race(line: &str) -> Ran {
    race_with(line, &[], &[("FAREBOX_RACE_KEY", KEY)]).await
}

const KEY: &str = "sk-a-secret-for-the-race";

/// A Farebox whose upstream is a race's to be, on a port of its own.
struct Farebox {
    place: Place,
    upstream: String,
    made: Value,
}

impl Farebox {
    fn new(credit: &str) -> Self {
        let upstream = format!("127.0.0.1:{}", testkit::free_port());
        let place = Place::new("sqlite://farebox.db", &format!("http://{upstream}/v1"));
        let made = place.set_up(credit);
        Farebox {
            place,
            upstream,
            made,
        }
    }

    fn key(&self, name: &str) -> &str {
        self.made[name].as_str().unwrap()
    }

    /// Puts a hard budget on the project, before anything is served.
    async fn limit_project(&self, limit_nusd: i64) {
        let budget = Budget {
            id: BudgetId::new("budget_race"),
            scope: Scope::Project(ProjectId::new(self.key("project_id"))),
            window: Window::Always,
            limit: Nusd::new(limit_nusd),
            force: Force::Hard,
            thresholds: Vec::new(),
        };
        let row = BudgetRow {
            budget,
            is_spend_limit: false,
            created_at: AtUs(0),
        };
        let file = self.place.path().join("farebox.db");
        let options = Options {
            url: DatabaseUrl::parse(&format!("sqlite://{}", file.display())).unwrap(),
            role: Role::Command,
            clock: Arc::new(|| AtUs(0)),
            mono: || domain::time::MonoUs(testkit::mono_us()),
            ballast_bytes: 0,
        };
        let store = Store::open(options).await.unwrap();
        let organization = OrganizationId::new(self.key("organization_id"));
        let create = move |tx: &mut Tx<'_>| budgets::create(tx, &organization, &row);
        store.write(create).await.unwrap();
        store.close().await;
    }

    async fn race(&self, line: &str, more: &[&str]) -> Ran {
        let base = self.place.url("/v1");
        let line = format!(
            "--base-url {base} --model m --upstream-listen {} --answer-ms 20 {line}",
            self.upstream
        );
        let variables = [
            ("FAREBOX_RACE_KEY", self.key("api_key")),
            ("FAREBOX_RACE_ADMIN_KEY", self.key("admin_key")),
        ];
        race_with(&line, more, &variables).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn this_gateway_serves_its_budget_and_nothing_beyond() {
    for stream in ["", "--stream"] {
        let farebox = Farebox::new("0.08");
        let _server = farebox.place.serve().await;
        let line = format!("--budget 0.08 --clients 16 --retries 2 --json {stream}");
        let ran = farebox.race(&line, &[]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let found = ran.json();

        let race = &found["race"];
        assert_eq!(race["measured"], true, "{found:#}");
        assert_eq!(race["over_budget_usd"], "0.00", "{found:#}");
        assert_eq!(race["ended"], "refused");
        let share = race["usable_share"].as_f64().unwrap();
        assert!((0.99..=1.0).contains(&share), "{found:#}");
        let refused = race["refused"].as_array().unwrap();
        assert_eq!(refused.len(), 1, "{found:#}");
        assert_eq!(refused[0]["status"], 429);
        assert_eq!(refused[0]["code"], "credit_balance_exhausted");
        // Three times each, at each of six sizes, before a client gives up.
        let least = 16 * 3 * 6;
        assert!(refused[0]["count"].as_u64().unwrap() >= least, "{found:#}");
        assert_eq!(
            (&race["broken"], &race["foreign_answers"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(race["answered_in_part"]["count"], 0);

        let latency = &found["latency"];
        assert_eq!(latency["measured"], true, "{found:#}");
        for (field, side) in [
            ("direct", &latency["direct"]),
            ("gateway", &latency["gateway"]),
        ] {
            assert!(side["answers"].as_u64().unwrap() > 50, "{field}: {found:#}");
            let (p50, p99) = (side["p50_ms"].as_f64(), side["p99_ms"].as_f64());
            assert!(p50.unwrap() > 0.0 && p50 <= p99, "{field}: {found:#}");
        }
        assert!(latency["p50_ratio"].as_f64().unwrap() > 0.0);

        // What the bench worked out from the outside is what the ledger says, to the nano-dollar.
        let billing = &found["billing"];
        assert_eq!(billing["delivered"]["usd"], race["served_usd"], "{found:#}");
        assert_eq!(billing["billed_usd"], race["served_usd"], "{found:#}");
        assert_eq!(billing["delivered_not_billed_usd"], "0.00");
        assert_eq!(found["kill"]["measured"], false);
        assert_eq!(found["budget_usd"], "0.08");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_below_the_wallet_holds_as_exactly() {
    let farebox = Farebox::new("1");
    farebox.limit_project(80_000_000).await;
    let _server = farebox.place.serve().await;
    let line = "--budget 0.08 --clients 16 --retries 2 --only race --stream --json";
    let ran = farebox.race(line, &[]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found = ran.json();
    let race = &found["race"];
    assert_eq!(race["over_budget_usd"], "0.00", "{found:#}");
    assert!(race["usable_share"].as_f64().unwrap() >= 0.99, "{found:#}");
    let refused = &race["refused"][0];
    assert_eq!(refused["code"], "project_spend_limit_exceeded", "{found:#}");
    assert_eq!(found["billing"]["billed_usd"], race["served_usd"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_the_gateway_was_not_told_is_exceeded() {
    // The wallet is the only limit here: the bench believes the budget it is given, and sees more
    // served than that.
    let farebox = Farebox::new("0.08");
    let _server = farebox.place.serve().await;
    let line = "--budget 0.05 --clients 16 --retries 2 --only race --json";
    let found = farebox.race(line, &[]).await.json();
    let race = &found["race"];
    let (over, served) = (nusd(&race["over_budget_usd"]), nusd(&race["served_usd"]));
    assert_eq!(over, served - 50_000_000, "{found:#}");
    assert!((26_000_000..=30_000_000).contains(&over), "{found:#}");
    assert_eq!(race["usable_share"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_before_a_kill_was_billed() {
    let farebox = Farebox::new("1");
    let mut server = farebox.place.serve().await;
    let pid = server.pid().to_string();
    // Bounded, should this test be killed itself.
    let folder = farebox.place.path().display().to_string();
    let restart = format!("cd {folder} && exec timeout 300 {BINARY} serve");
    let line = "--budget 1 --clients 16 --only kill --json";
    let ran = farebox
        .race(line, &["--pid", &pid, "--restart", &restart])
        .await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(server.ended().is_some(), "it was killed");
    let found = ran.json();
    let kill = &found["kill"];
    let started = kill["restarted_pid"].as_u64().expect("it was left running");
    let stopped = std::process::Command::new("kill")
        .arg(started.to_string())
        .status();
    assert!(stopped.unwrap().success());

    assert!(
        kill["answered"]["count"].as_u64().unwrap() >= 100,
        "{found:#}"
    );
    let open = kill["open"]["count"].as_u64().unwrap();
    let broken = kill["broken"].as_u64().unwrap();
    assert!(broken > 0, "the kill met load: {found:#}");
    assert!(
        open <= 16,
        "no more than the clients had under way: {found:#}"
    );
    assert!(kill["down_ms"].as_f64().unwrap() > 0.0);
    let billing = &kill["billing"];
    assert_eq!(billing["measured"], true, "{found:#}");
    assert_eq!(billing["delivered_not_billed_usd"], "0.00", "{found:#}");
    assert_eq!(billing["billed_not_served_usd"], "0.00", "{found:#}");
    assert!(nusd(&billing["billed_usd"]) >= nusd(&billing["delivered"]["usd"]));
    assert_eq!(found["race"]["measured"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_forgets_at_the_kill_is_seen() {
    let upstream = format!("127.0.0.1:{}", testkit::free_port());
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("gateway.py");
    std::fs::write(&program, FORGETFUL).unwrap();
    let port = testkit::free_port().to_string();
    let program = program.display().to_string();
    let start = [program.as_str(), &port, &upstream];
    let server = spawn_binary("python3", &start, folder.path(), &[]);
    let pid = server.pid().to_string();
    let restart = format!("exec timeout 120 python3 {program} {port} {upstream}");
    let line = format!(
        "--base-url http://127.0.0.1:{port}/v1 --upstream-listen {upstream} --budget 1 \
         --clients 4 --only kill --answer-ms 5 --wait-seconds 15 --json"
    );
    let variables = [("FAREBOX_RACE_KEY", KEY), ("FAREBOX_RACE_ADMIN_KEY", KEY)];
    let more = ["--pid", &pid, "--restart", &restart];
    let ran = race_with(&line, &more, &variables).await;
    assert_eq!(
        ran.code,
        Some(0),
        "a bad gateway is measured all the same: {}",
        ran.stderr
    );
    let found = ran.json();
    let started = found["kill"]["restarted_pid"].as_u64().unwrap();
    let stopped = std::process::Command::new("kill")
        .arg(started.to_string())
        .status();
    assert!(stopped.unwrap().success());
    let billing = &found["kill"]["billing"];
    let lost = nusd(&billing["delivered_not_billed_usd"]);
    assert!(lost > 0, "{found:#}");
    assert_eq!(
        lost,
        nusd(&billing["delivered"]["usd"]) - nusd(&billing["billed_usd"])
    );
    // Only the answer that showed it is back was billed.
    assert!(nusd(&billing["billed_usd"]) > 0 && nusd(&billing["billed_usd"]) < lost);
}

/// Serves everything, and keeps what it billed in memory.
const FORGETFUL: &str = r#"
import http.client, http.server, json, sys, threading

port, upstream = int(sys.argv[1]), sys.argv[2]
lock, billed = threading.Lock(), [0]

class Gateway(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        call = http.client.HTTPConnection(upstream)
        call.request("POST", self.path, body, {"content-type": "application/json"})
        answer = call.getresponse().read()
        usage = json.loads(answer)["usage"]
        with lock:
            billed[0] += usage["prompt_tokens"] + 2 * usage["completion_tokens"]
        self.say(answer)

    def do_GET(self):
        with lock:
            value = "%d.%06d" % divmod(billed[0], 1000000)
        results = '[{"amount": {"value": %s, "currency": "usd"}}]' % value
        self.say(('{"data": [{"results": %s}]}' % results).encode())

    def say(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

Server(("127.0.0.1", port), Gateway).serve_forever()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_counts_afterwards_is_seen_to_overspend_by_exactly_that() {
    let upstream = format!("127.0.0.1:{}", testkit::free_port());
    let careless = Careless::start(&upstream, 50_000_000, Habit::CountsAfterwards).await;
    let line = format!(
        "--base-url {} --upstream-listen {upstream} --budget 0.05 --clients 16 --retries 1 \
         --only race --json",
        careless.base_url
    );
    let ran = race(&line).await;
    assert_eq!(ran.code, Some(0), "it is a bench: {}", ran.stderr);
    let found = ran.json();
    let over = nusd(&found["race"]["over_budget_usd"]);
    assert!(over > 0, "{found:#}");
    assert_eq!(over, careless.spent_nusd() - 50_000_000, "{found:#}");
    assert_eq!(found["race"]["usable_share"], 1.0);
    assert_eq!(found["race"]["refused"][0]["code"], "budget_exceeded");
    assert_eq!(found["race"]["refused"][0]["status"], 402);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_never_refuses_is_stopped() {
    let upstream = format!("127.0.0.1:{}", testkit::free_port());
    let careless = Careless::start(&upstream, 0, Habit::NeverRefuses).await;
    let line = format!(
        "--base-url {} --upstream-listen {upstream} --budget 0.02 --clients 8 --answer-ms 0",
        careless.base_url
    );
    let ran = race(&format!("{line} --only race --json")).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found = ran.json();
    assert_eq!(found["race"]["ended"], "overspent", "{found:#}");
    assert!(
        nusd(&found["race"]["over_budget_usd"]) >= 60_000_000,
        "{found:#}"
    );

    // With another key to pay for the rest, the race alone uses the budget.
    let ran = race(&format!(
        "{line} --load-key other --only race,latency --json"
    ))
    .await;
    let found = ran.json();
    assert_eq!(found["latency"]["measured"], true, "{found:#}");
    assert!(
        nusd(&found["race"]["served_before_usd"]) < 50_000,
        "{found:#}"
    );

    // Stopped before the budget, it says nothing about it.
    let ran = race(&format!("{line} --only race --requests 10 --json")).await;
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("--requests"), "{}", ran.stderr);
    assert_eq!(ran.json()["race"]["ended"], "requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_from_elsewhere_are_not_taken_for_the_upstreams() {
    let upstream = format!("127.0.0.1:{}", testkit::free_port());
    let careless = Careless::start(&upstream, 0, Habit::RepeatsAnswers).await;
    let line = format!(
        "--base-url {} --upstream-listen {upstream} --budget 0.02 --clients 2 --only race \
         --requests 20 --json",
        careless.base_url
    );
    let ran = race(&line).await;
    let found = ran.json();
    assert!(
        found["race"]["foreign_answers"].as_u64().unwrap() >= 20,
        "{found:#}"
    );
    assert_eq!(found["race"]["answered"]["count"], 0, "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_for_people() {
    let upstream = format!("127.0.0.1:{}", testkit::free_port());
    let careless = Careless::start(&upstream, 30_000_000, Habit::CountsAfterwards).await;
    let line = format!(
        "--base-url {} --upstream-listen {upstream} --budget 0.03 --clients 4 --retries 0 \
         --answer-ms 1",
        careless.base_url
    );
    let ran = race(&line).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for part in [
        "The race for the budget\n",
        "\n  budget                   $0.030000\n",
        "\n  beyond the budget        $0.0",
        " % of it\n",
        "402 budget_exceeded\n",
        "kill -9 in the middle of load\n  not measured: it takes --pid and --restart\n",
        "\n  whole answer, median",
        "not measured: there is no --admin-key",
    ] {
        assert!(
            ran.stdout.contains(part),
            "{part:?} is not in\n{}",
            ran.stdout
        );
    }
    for part in ["[1/2] Latency", "[2/2] The race: 4 clients for $0.03"] {
        assert!(
            ran.stderr.contains(part),
            "{part:?} is not in\n{}",
            ran.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_measured_says_what_to_do_and_never_the_key() {
    let upstream = format!("127.0.0.1:{}", testkit::free_port());
    let line = |base: &str| {
        format!("--base-url {base} --upstream-listen {upstream} --budget 1 --wait-seconds 0 --json")
    };
    let echo = Upstream::echo().await;
    let telltale = format!("Wrong key: {KEY}.");
    let refusing = Upstream::start(move |_| {
        Reply::error(401, "invalid_request_error", "invalid_api_key", &telltale)
    });
    let refusing = refusing.await;
    let spent = Upstream::start(|_| Reply::error(429, "insufficient_quota", "spent", "No money."));
    let spent = spent.await;
    let down = Upstream::start(|_| Reply::error(503, "server_error", "down", "Nobody there."));
    let down = down.await;
    let silent = Upstream::unreachable_base_url();
    for (base, parts) in [
        (silent, ["does not answer", "--base-url"]),
        (echo.base_url(), ["did not call", &upstream]),
        (refusing.base_url(), ["refuses the key", "invalid_api_key"]),
        (spent.base_url(), ["No money.", "unspent"]),
        (down.base_url(), ["did not call", &upstream]),
    ] {
        let ran = race(&line(&base)).await;
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(1), ""),
            "{}",
            ran.stderr
        );
        for part in parts {
            assert!(
                ran.stderr.contains(part),
                "{part:?} is not in {}",
                ran.stderr
            );
        }
        assert!(!ran.stderr.contains(KEY), "{}", ran.stderr);
    }

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let base = echo.base_url();
    let ran = race(&format!(
        "--base-url {base} --budget 1 --upstream-listen {address}"
    ))
    .await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("--upstream-listen"), "{}", ran.stderr);

    let mut gone = spawn_binary("true", &[], "/", &[]);
    gone.wait(Duration::from_secs(60)).await;
    let ran = race(&format!(
        "{} --pid {} --restart true",
        line(&base),
        gone.pid()
    ))
    .await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("is not there"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_that_misses_and_a_restart_that_fails_are_told() {
    let farebox = Farebox::new("1");
    let mut server = farebox.place.serve().await;
    let mut bystander = spawn_binary("sleep", &["300"], "/", &[]);
    let line = "--budget 1 --clients 4 --only kill";
    let kill = async |pid: u32, restart: &str| {
        let pid = pid.to_string();
        farebox
            .race(line, &["--pid", &pid, "--restart", restart])
            .await
    };
    let ran = kill(bystander.pid(), "true").await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(1), ""),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("went on answering"), "{}", ran.stderr);
    assert!(bystander.ended().is_some(), "it was what --pid named");
    assert_eq!(server.ended(), None);

    let ran = kill(server.pid(), "echo it is broken; exit 3").await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(1), ""),
        "{}",
        ran.stderr
    );
    for part in ["--restart failed", "it is broken"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_told_apart_from_failure() {
    let good = "--base-url http://127.0.0.1:9/v1 --budget 1";
    for (line, part) in [
        ("", "--base-url"),
        ("--base-url http://127.0.0.1:9/v1", "--budget"),
        ("--base-url https://127.0.0.1:9/v1 --budget 1", "TLS"),
        ("--base-url 127.0.0.1:9 --budget 1", "http://"),
        ("--base-url http://127.0.0.1:9/v1 --budget 0", "above 0"),
        (
            "--base-url http://127.0.0.1:9/v1 --budget 0.0001",
            "larger --budget",
        ),
        (
            "--base-url http://127.0.0.1:9/v1 --budget 5000",
            "smaller --budget",
        ),
        (&format!("{good} --prices 1"), "comma"),
        (&format!("{good} --prices 0,0"), "never reaches"),
        (&format!("{good} --clients 0"), "1..=1024"),
        (&format!("{good} --pid 4711"), "--restart"),
        (&format!("{good} --restart true"), "--pid"),
        (&format!("{good} --pid 0 --restart true"), "--pid"),
        (&format!("{good} --pid -1 --restart true"), "'-1'"),
        (&format!("{good} --only kill"), "--restart"),
        (&format!("{good} --only everything"), "latency"),
        (
            &format!("{good} --upstream-listen here"),
            "--upstream-listen",
        ),
    ] {
        let ran = race(line).await;
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{line}: {}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains(part),
            "{line}: {part:?} is not in {}",
            ran.stderr
        );
    }
    let ran = race_with(good, &[], &[("OPENAI_API_KEY", "")]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("FAREBOX_RACE_KEY"), "{}", ran.stderr);
}
