//! `farebox migrate`: an installation moves to PostgreSQL, and goes on there as if nothing were.

use std::time::Duration;

use serde_json::json;
use testkit::Upstream;

use crate::place::Place;

fn said(output: &std::process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

async fn chat(place: &Place, key: &str) -> String {
    let body = json!({"model": "m", "max_tokens": 20,
                      "messages": [{"role": "user", "content": "Hello World"}]});
    let url = place.url("/v1/chat/completions");
    let answer = testkit::http::post_json(&url, key, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("farebox-balance").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_and_goes_on() {
    let upstream = Upstream::echo().await;
    let place = Place::new("sqlite://farebox.db", &upstream.base_url());
    let made = place.set_up("5");
    let key = made["api_key"].as_str().unwrap();
    let mut server = place.serve().await;
    let before = chat(&place, key).await;
    let target = testkit::databases::postgres().await;
    let to = target.url.replace("postgres@", "postgres:hunter2@");
    let migrate = || said(&place.run(&["migrate", "--to", &to]));
    let (code, _, errors) = migrate();
    assert_eq!(code, Some(1));
    assert!(errors.contains("another Farebox is serving"), "{errors}");
    server.signal("TERM");
    server.wait(Duration::from_secs(30)).await;

    let (code, out, errors) = migrate();
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("copied 1 of 1 rows of users"), "{errors}");
    let line = format!("database_url = \"{}\"", target.url);
    assert!(out.contains(&line) && out.contains("farebox.toml"), "{out}");
    assert!(!(out + &errors).contains("hunter2"));
    let (code, _, errors) = migrate();
    assert_eq!(code, Some(1));
    assert!(errors.contains("is not empty"), "{errors}");

    let config = std::fs::read_to_string(place.path().join("farebox.toml")).unwrap();
    let moved = config.replace("sqlite://farebox.db", &target.url);
    place.write("farebox.toml", &moved);
    let server = place.serve().await;
    let models = testkit::http::get(&place.url("/v1/models"), key).await;
    assert_eq!(models.header("farebox-balance"), Some(&*before));
    chat(&place, key).await;
    let organization = made["organization_id"].as_str().unwrap();
    let grant = ["credit", "grant", "--organization", organization];
    let granted = place.run(&[&grant[..], &["--amount", "2", "--reason", "x"]].concat());
    assert!(granted.status.success(), "{}", said(&granted).2);
    let proof = place.json(&["ledger", "verify", "--json"]);
    assert_eq!(
        (&proof["ok"], &proof["usage_records"]),
        (&json!(true), &json!(2))
    );
    drop(server);
    let (code, _, errors) = migrate();
    assert_eq!(code, Some(1));
    assert!(errors.contains("is not a SQLite database"), "{errors}");
}

#[test]
fn mistakes_are_explained_without_passwords() {
    let place = Place::new("sqlite://farebox.db", "http://127.0.0.1:9/v1");
    let run = |arguments: &[&str]| said(&place.run(arguments));
    assert_eq!(run(&["migrate"]).0, Some(2));
    for wrong in ["mysql://u:hunter2@h/d", "sqlite://hunter2.db"] {
        let (code, _, errors) = run(&["migrate", "--to", wrong]);
        assert_eq!(code, Some(2));
        assert!(errors.contains("begins with postgres://"), "{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
    let nowhere = "postgres://u:hunter2@127.0.0.1:1/d";
    let (code, _, errors) = run(&["migrate", "--to", nowhere]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("farebox setup"), "{errors}");
    place.set_up("1");
    let (code, _, errors) = run(&["migrate", "--to", nowhere]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("refused") && !errors.contains("hunter2"),
        "{errors}"
    );
}
