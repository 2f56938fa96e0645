//! The commands: what they print, and how they end.

use serde_json::{Value, json};
use testkit::{Upstream, on_each_database};

use crate::place::Place;

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_set_up_once_and_its_key_works() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let place = Place::new(&database.url, &upstream.base_url());
        let made = place.set_up("5");
        for (field, prefix) in [
            ("organization_id", "org-"),
            ("project_id", "proj_"),
            ("user_id", "user-"),
            ("api_key", "sk-proj-fare"),
            ("admin_key", "sk-admin-fare"),
            ("base_url", "http://127.0.0.1:"),
        ] {
            assert!(
                made[field].as_str().unwrap().starts_with(prefix),
                "{field}: {made}"
            );
        }
        let again = place.run(&["setup", "--email", "b@c.d", "--organization", "X", "--json"]);
        assert_eq!(again.status.code(), Some(1));
        assert!(again.stdout.is_empty());
        assert!(
            stderr(&again).contains("already set up"),
            "{}",
            stderr(&again)
        );

        let server = place.serve().await;
        let body = json!({"model": "m", "max_tokens": 20,
                          "messages": [{"role": "user", "content": "Hello World"}]});
        let key = made["api_key"].as_str().unwrap();
        let chat =
            async || testkit::http::post_json(&place.url("/v1/chat/completions"), key, &body).await;
        let answer = chat().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let balance = answer.header("farebox-balance").unwrap().to_owned();

        let organization = made["organization_id"].as_str().unwrap();
        let grant = [
            "credit",
            "grant",
            "--organization",
            organization,
            "--amount",
            "2.5",
        ];
        let granted = place.run(&[&grant[..], &["--reason", "a gift"]].concat());
        assert!(granted.status.success(), "{}", stderr(&granted));
        testkit::eventually("the credit is heard of", async || {
            let models = testkit::http::get(&place.url("/v1/models"), key).await;
            let more: f64 = models.header("farebox-balance").unwrap().parse().unwrap();
            (more - balance.parse::<f64>().unwrap() - 2.5).abs() < 1e-9
        })
        .await;
        let proof = place.json(&["ledger", "verify", "--json"]);
        assert_eq!(proof["ok"], true, "beside a running server: {proof}");
        drop(server);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_was_printed_can_be_expected_later() {
    on_each_database(async |database| {
        let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
        place.set_up("5");
        let proof = place.json(&["ledger", "verify", "--json"]);
        let head = &proof["heads"][0];
        assert_eq!(
            (&head["chain"], &head["batch"]),
            (&json!("control"), &json!(1))
        );
        let head = head["hash"].as_str().unwrap();
        let verify = |expected: &str| {
            let output = place.run(&["ledger", "verify", "--expect-head", expected]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            (output.status.code(), said)
        };
        let (code, said) = verify(&head.to_uppercase());
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains(&format!("Head of control: batch 1, {head}")),
            "{said}"
        );
        let never = "ab".repeat(32);
        let (code, said) = verify(&never);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("{never}: is in no chain")), "{said}");
        assert_eq!(verify("ab").0, Some(2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_has_one_server_and_one_postgres_has_several() {
    on_each_database(async |database| {
        let first = Place::new(&database.url, "http://127.0.0.1:9/v1");
        first.set_up("1");
        let _server = first.serve().await;
        // Another address, so that only the database is in the way.
        let second = Place::new(&database.url, "http://127.0.0.1:9/v1");
        let nobody = [
            "credit",
            "grant",
            "--organization",
            "org-nobody",
            "--amount",
            "1",
        ];
        let refused = first.run(&[&nobody[..], &["--reason", "x"]].concat());
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            stderr(&refused).contains("org-nobody"),
            "{}",
            stderr(&refused)
        );
        let refused = first.run(&["serve"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            stderr(&refused).contains("taken by another program"),
            "{}",
            stderr(&refused)
        );
        if database.name != "sqlite" {
            second.serve().await;
            return;
        }
        let refused = second.run(&["serve"]);
        assert_eq!(refused.status.code(), Some(1));
        let said = stderr(&refused);
        assert!(
            said.contains("another Farebox is serving this installation"),
            "{said}"
        );
    })
    .await;
}

#[test]
fn mistakes_are_explained_and_have_their_exit_codes() {
    let place = Place::new("sqlite://farebox.db", "http://127.0.0.1:9/v1");
    let run = |arguments: &[&str]| {
        let output = place.run(arguments);
        (output.status.code(), stderr(&output))
    };
    assert_eq!(run(&["nonsense"]).0, Some(2));
    assert_eq!(run(&["setup"]).0, Some(2));
    let (code, said) = run(&["ledger", "verify"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("farebox setup"), "{said}");
    place.write("farebox.toml", "lisen = \"127.0.0.1:1\"\n");
    let (code, said) = run(&["check-config"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("lisen") && said.contains("listen"), "{said}");
    place.write("farebox.toml", "database_url = \"mysql://x\"\n");
    let (code, said) = run(&["serve"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("sqlite://"), "{said}");
}

#[test]
fn the_configuration_in_force_is_shown_without_secrets() {
    let place = Place::new(
        "postgres://u:hunter2@127.0.0.1:1/d",
        "http://127.0.0.1:9/v1",
    );
    let output = place.run(&["check-config"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    assert!(
        shown.contains("127.0.0.1") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_metrics_and_pages_are_served_and_logs_keep_quiet() {
    let upstream = Upstream::echo().await;
    let place = Place::new("sqlite://farebox.db", &upstream.base_url());
    let made = place.set_up("5");
    let mut server = place.serve().await;
    let key = made["api_key"].as_str().unwrap();
    let body = json!({"model": "m", "max_tokens": 5,
                      "messages": [{"role": "user", "content": "my secret prompt"}]});
    testkit::http::post_json(&place.url("/v1/chat/completions"), key, &body).await;
    testkit::http::post_json(&place.url("/v1/chat/completions"), "sk-proj-wrong", &body).await;
    for (path, part) in [
        ("/healthz", "ok"),
        ("/readyz", "ready"),
        ("/metrics", "farebox_requests_total"),
        ("/", "<html"),
    ] {
        let answer = testkit::http::get(&place.url(path), "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
    }
    let unknown = testkit::http::get(&place.url("/v1/nothing"), key).await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"]),
        (404, &Value::Null)
    );
    server.signal("TERM");
    server.wait(std::time::Duration::from_secs(30)).await;
    let logs = server.stdout() + &server.stderr();
    for private in ["my secret prompt", key, "sk-proj-wrong"] {
        assert!(!logs.contains(private), "{logs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_makes_it_read_its_models_and_providers_again() {
    let upstream = Upstream::echo().await;
    let place = Place::new("sqlite://farebox.db", &upstream.base_url());
    let made = place.set_up("5");
    let server = place.serve().await;
    let key = made["api_key"].as_str().unwrap();
    let config = std::fs::read_to_string(place.path().join("farebox.toml")).unwrap();
    let chat = async |model: &str| {
        let body = json!({"model": model, "max_tokens": 5,
                          "messages": [{"role": "user", "content": "Hello World"}]});
        testkit::http::post_json(&place.url("/v1/chat/completions"), key, &body).await
    };
    assert_eq!(chat("new").await.status, 404);
    place.write("farebox.toml", "nonsense = 1");
    server.signal("HUP");
    assert_eq!(chat("m").await.status, 200, "a mistake changes nothing");
    let added = r#"
[[models]]
id = "new"
deployments = [{ upstream = "u", model = "m" }]
price = { input = "1", output = "2" }

[[oidc]]
id = "acme"
name = "Acme"
issuer = "https://sso.example.com"
client_id = "farebox"
"#;
    place.write("farebox.toml", &(config + added));
    server.signal("HUP");
    testkit::eventually("the new model is there", async || {
        chat("new").await.status == 200
    })
    .await;
    assert_eq!(chat("m").await.status, 200);
    let providers = testkit::http::get(&place.url("/api/sso"), "").await.json();
    assert_eq!(providers["data"][0]["name"], "Acme", "{providers}");
}
