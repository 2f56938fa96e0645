//! A folder with a configuration, in which the binary is run.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::process::{Process, spawn_binary};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_farebox");

pub(crate) struct Place {
    folder: TempDir,
    pub(crate) port: u16,
}

impl Place {
    /// A folder whose configuration has one priced model at `upstream`.
    pub(crate) fn new(database_url: &str, upstream: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let port = testkit::free_port();
        let config = format!(
            r#"
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
database_url = "{database_url}"

[[upstreams]]
id = "u"
kind = "openai"
base_url = "{upstream}"

[[models]]
id = "m"
deployments = [{{ upstream = "u", model = "m" }}]
price = {{ input = "1", output = "2" }}
"#
        );
        let place = Place { folder, port };
        place.write("farebox.toml", &config);
        place
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FAREBOX_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.path())
            .output()
            .unwrap()
    }

    /// Runs a command that must succeed, and answers the JSON it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn set_up(&self, credit: &str) -> Value {
        let email = [
            "setup",
            "--email",
            "ada@example.com",
            "--organization",
            "Acme",
        ];
        self.json(&[&email[..], &["--credit", credit, "--json"]].concat())
    }

    pub(crate) async fn serve(&self) -> Process {
        let mut server = spawn_binary(Path::new(BINARY), &["serve"], self.path(), &[]);
        server
            .wait_for_http(&self.url("/readyz"), Duration::from_secs(60))
            .await;
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}
