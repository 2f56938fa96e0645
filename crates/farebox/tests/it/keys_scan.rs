//! `farebox keys scan`: what it finds, where it does not look, and what it does about it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::place::{BINARY, Place};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a scan that prints JSON: how it ended, and what it printed.
fn scan(place: &Place, arguments: &[&str]) -> (i32, Value) {
    let output = place.run(&[&["keys", "scan", "--json"], arguments].concat());
    let object = serde_json::from_slice(&output.stdout);
    let object = object.unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    (output.status.code().unwrap(), object)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_named_and_revoked() {
    on_each_database(async |database| {
        let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
        let made = place.set_up("1");
        let key = made["api_key"].as_str().unwrap();
        std::fs::create_dir_all(place.path().join("src/deep")).unwrap();
        place.write("src/deep/.env", &format!("A=1\nKEY={key}\n"));
        place.write(
            "src/notes.txt",
            &format!("twice: {key} {key}; cut: {}\n", &key[..50]),
        );
        let strange = domain::key::KeySecret::mint(domain::key::KeyClass::Admin, |it| it.fill(9));
        place.write("src/other.txt", strange.expose());

        let (code, found) = scan(&place, &["src"]);
        assert_eq!(code, 1);
        assert_eq!(
            (&found["files"], &found["live_count"]),
            (&json!(3), &json!(1))
        );
        assert_eq!(
            found["damaged"],
            json!([{"path": "src/notes.txt", "line": 1}])
        );
        let [first, other] = &found["keys"].as_array().unwrap()[..] else {
            panic!("{found}");
        };
        assert_eq!(
            (&first["state"], &first["name"]),
            (&json!("live"), &json!("First key"))
        );
        assert_eq!(first["organization"]["name"], "Acme");
        assert_eq!(first["project"]["id"], made["project_id"]);
        assert_eq!(first["owner_email"], "ada@example.com");
        assert_eq!(
            first["places"][0],
            json!({"path": "src/deep/.env", "line": 2})
        );
        assert_eq!(first["places_count"], 3);
        assert_eq!(
            (&other["state"], &other["id"]),
            (&json!("unknown"), &Value::Null)
        );

        let (code, found) = scan(&place, &["--no-database", "src"]);
        assert_eq!((code, &found["keys"][0]["state"]), (1, &json!("unchecked")));

        let (code, found) = scan(&place, &["--revoke", "src"]);
        assert_eq!(
            (code, &found["live_count"]),
            (0, &json!(0)),
            "nothing that works is left"
        );
        assert_eq!(found["keys"][0]["revoked_now"], true);
        let (code, found) = scan(&place, &["--revoke", "--yes", "src"]);
        assert_eq!((code, &found["keys"][0]["state"]), (0, &json!("revoked")));
        assert_eq!(found["keys"][0]["revoked_now"], false);

        let output = place.run(&["keys", "scan", "src"]);
        let (shown, said) = (text(&output.stdout), text(&output.stderr));
        assert!(shown.contains("revoked: \"First key\""), "{shown}");
        assert!(shown.contains("    src/deep/.env:2\n"), "{shown}");
        assert!(
            !shown.contains(key) && !said.contains(key),
            "a secret is never shown"
        );
        let mails = place.json(&["messages", "list", "--json"]);
        let to = &mails["waiting"][0];
        assert_eq!(
            (&to["template"], &to["to"]),
            (&json!("key_leaked"), &json!("ada@example.com"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_or_leads_in_circles_is_left_out() {
    let database = testkit::databases::sqlite();
    let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
    let key = domain::key::KeySecret::mint(domain::key::KeyClass::Project, |it| it.fill(3));
    let key = key.expose();
    let path = |name: &str| place.path().join(name);
    std::fs::create_dir_all(path("tree/.git/objects/ab")).unwrap();
    std::fs::create_dir_all(path("tree/.git/refs")).unwrap();
    place.write("tree/.git/HEAD", "ref: refs/heads/main\n");
    place.write("tree/.git/objects/ab/cd", key);
    std::fs::write(path("tree/binary"), [b"\0\x01", key.as_bytes()].concat()).unwrap();
    let wide: Vec<u8> = format!("\u{feff}{key}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    std::fs::write(path("tree/wide.txt"), wide).unwrap();
    std::os::unix::fs::symlink("..", path("tree/circle")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("tree/broken")).unwrap();

    let (code, found) = scan(&place, &["tree"]);
    assert_eq!(code, 1);
    assert_eq!(
        found["keys"][0]["places"],
        json!([{"path": "tree/wide.txt", "line": 1}])
    );
    let skipped = json!({"binary": 1, "links": 2, "git_objects": 1, "unreadable": 0});
    assert_eq!(found["skipped"], skipped);
    let (_, found) = scan(&place, &["--binary", "tree"]);
    assert_eq!(found["keys"][0]["places_count"], 2);
    // There is nobody to ask, and so nobody to revoke it; nor is a database made for it.
    let output = place.run(&["keys", "scan", "--revoke", "tree"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("farebox setup"),
        "{}",
        text(&output.stderr)
    );
    let output = place.run(&["keys", "scan", "no-such-path"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));

    // A megabyte before it and one after it, through a pipe.
    let padding = "x".repeat(1_000_000);
    let output = piped(&place, &format!("{padding}\n{padding}{key}{padding}\n"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("    -:2\n"),
        "{}",
        text(&output.stdout)
    );
}

fn piped(place: &Place, input: &str) -> Output {
    let mut child = Command::new(BINARY)
        .args(["keys", "scan", "--no-database", "-"])
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}
