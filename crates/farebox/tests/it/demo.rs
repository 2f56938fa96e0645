//! The demo, from its first line to Ctrl-C, with a small Python program in the engine's place.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::process::spawn_binary;

use crate::place::BINARY;

const ENGINE: &str = r#"#!/usr/bin/env python3
import http.server, json, sys

class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"],
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": "Hello back,\nWorld"}}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
print(json.dumps({"listening": f"http://127.0.0.1:{server.server_port}/v1"}), flush=True)
server.serve_forever()
"#;

/// The value beside a label that begins a line.
fn labelled<'p>(page: &'p str, label: &str) -> &'p str {
    let value = |line: &'p str| {
        line.strip_prefix("  ")?
            .strip_prefix(label)?
            .strip_prefix("  ")
    };
    page.lines()
        .find_map(value)
        .unwrap_or_else(|| panic!("no {label} in\n{page}"))
        .trim()
}

/// Runs what a person would paste from between two headings of the page.
fn paste(page: &str, from: &str, to: &str) -> String {
    let (_, rest) = page.split_once(&format!("\n# {from}\n")).expect(from);
    let (snippet, _) = rest.split_once(&format!("\n# {to}\n")).expect(to);
    let run = Command::new("bash").args(["-c", snippet]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{from} failed: {said}");
    String::from_utf8_lossy(&run.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_says_hello_and_its_snippets_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(file("tiny.gguf"), "GGUF").unwrap();
    std::fs::write(file("engine"), ENGINE).unwrap();
    let runnable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(file("engine"), runnable).unwrap();
    // Settings of another Farebox on this machine must not reach the demo.
    let variables = [
        ("FAREBOX_LOCAL_BIN", file("engine")),
        ("FAREBOX_DATABASE_URL", "mysql://other".to_owned()),
        ("TMPDIR", file("")),
    ];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let arguments = ["demo", "--model", "tiny.gguf"];
    let mut demo = spawn_binary(Path::new(BINARY), &arguments, folder.path(), &variables);
    testkit::eventually("the demo serves", async || {
        let ended = demo.ended();
        assert!(ended.is_none(), "it ended ({ended:?}): {}", demo.stderr());
        demo.stdout().contains("Serving until Ctrl-C")
    })
    .await;

    let page = demo.stdout();
    assert!(
        labelled(&page, "request").starts_with("POST http://127.0.0.1:"),
        "{page}"
    );
    assert!(
        page.contains("  answer    Hello back,\n            World\n"),
        "{page}"
    );
    assert_eq!(labelled(&page, "usage"), "20 input + 5 output = 25 tokens");
    // 20 tokens at $0.15 and 5 at $0.60 a million, of $5.00.
    assert_eq!(labelled(&page, "cost"), "$0.000006");
    assert_eq!(labelled(&page, "balance"), "$4.999994");
    let key = labelled(&page, "key");
    assert!(key.starts_with("sk-proj-fare"), "{page}");
    let base = labelled(&page, "API base");
    assert_eq!(format!("{}v1", labelled(&page, "console")), base);

    let from_curl: serde_json::Value =
        serde_json::from_str(&paste(&page, "curl", "Python")).unwrap();
    assert_eq!(
        from_curl["choices"][0]["message"]["content"],
        "Hello back,\nWorld"
    );
    assert_eq!(paste(&page, "Python", "Node"), "Hello back,\nWorld\n");
    assert_eq!(
        paste(&page, "Node", "Programs written for OpenAI, unchanged"),
        "Hello back,\nWorld\n"
    );
    let models = testkit::http::get(&format!("{base}/models"), key).await;
    assert_eq!(
        models.header("farebox-balance"),
        Some("4.999976"),
        "four requests were paid"
    );

    // As when both the terminal and `make` pass one Ctrl-C on.
    demo.signal("INT");
    demo.signal("INT");
    let status = demo.wait(Duration::from_secs(60)).await;
    assert_eq!(status.code(), Some(0), "{}", demo.stderr());
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.starts_with("farebox-demo"))
        .collect();
    assert!(
        left.is_empty(),
        "the installation was not thrown away: {left:?}"
    );
}

#[test]
fn without_weights_the_demo_says_where_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new(BINARY)
        .arg("demo")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(
        said.contains("cargo xtask model") && said.contains("--model"),
        "{said}"
    );
}
