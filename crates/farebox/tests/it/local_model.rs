//! The supervisor of the built-in engine, with shell scripts in the engine's place.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farebox::config::Environment;
use farebox::local_model::{Health, LocalModelError, Pace, Spec, find_program, supervise};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const PACE: Pace = Pace {
    first: Duration::from_millis(1),
    most: Duration::from_millis(4),
    forgiven_after: Duration::from_secs(3600),
};

struct Stage {
    folder: TempDir,
}

impl Stage {
    /// An engine that runs `script` in the stage's folder, which also holds weights.
    fn new(script: &str) -> Stage {
        let stage = Stage {
            folder: tempfile::tempdir().unwrap(),
        };
        let folder = stage.folder.path();
        std::fs::write(stage.path("weights.gguf"), "GGUF").unwrap();
        let text = format!("#!/bin/sh\ncd '{}'\n{script}\n", folder.display());
        write_program(&stage.path("farebox-local"), &text);
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn spec(&self) -> Spec {
        Spec {
            upstream: "built-in".into(),
            program: self.path("farebox-local"),
            model_path: self.path("weights.gguf"),
            name: "tiny".into(),
            pace: PACE,
        }
    }
}

fn write_program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_child_says_where_it_listens_and_ends_with_us() {
    let stage = Stage::new(
        r#"echo "$@" > arguments
           echo $$ > pid
           echo 'loading' >&2
           echo 'not an announcement'
           echo '{"listening":"http://127.0.0.1:4/v1"}'
           cat > /dev/null
           echo closed > stdin"#,
    );
    let stop = CancellationToken::new();
    let model = supervise(stage.spec(), stop.clone()).unwrap();
    let mut health = model.health();
    let ready = |health: &Health| matches!(health, Health::Ready { .. });
    let seen = health.wait_for(ready).await.unwrap().clone();
    assert_eq!(seen.base_url().as_deref(), Some("http://127.0.0.1:4/v1"));
    let weights = stage.path("weights.gguf");
    assert_eq!(
        stage.read("arguments").trim(),
        format!(
            "--model {} --name tiny --listen 127.0.0.1:0 --exit-with-parent",
            weights.display()
        )
    );
    assert_eq!(stage.read("stdin"), "", "the pipe stays open while we live");

    let process = PathBuf::from(format!("/proc/{}", stage.read("pid").trim()));
    assert!(process.exists());
    stop.cancel();
    model.ended().await;
    assert_eq!(*health.borrow(), Health::Stopped);
    testkit::eventually("the child is gone", async || !process.exists()).await;
}

#[tokio::test]
async fn a_child_that_dies_is_started_again() {
    let stage = Stage::new(
        r#"echo x >> starts
           test "$(wc -l < starts)" -lt 4 && exit 1
           echo '{"listening":"http://127.0.0.1:4/v1"}'
           cat > /dev/null"#,
    );
    let stop = CancellationToken::new();
    let model = supervise(stage.spec(), stop.clone()).unwrap();
    let mut health = model.health();
    assert_eq!(*health.borrow(), Health::Starting);
    health
        .wait_for(|health| matches!(health, Health::Restarting { .. }))
        .await
        .unwrap();
    health
        .wait_for(|health| matches!(health, Health::Ready { .. }))
        .await
        .unwrap();
    assert_eq!(stage.read("starts").lines().count(), 4);
    stop.cancel();
    model.ended().await;
}

#[tokio::test]
async fn a_child_that_dies_is_not_ready_and_failures_are_counted() {
    let stage = Stage::new("echo '{\"listening\":\"http://127.0.0.1:4/v1\"}'; exit 3");
    let stop = CancellationToken::new();
    let model = supervise(stage.spec(), stop.clone()).unwrap();
    let mut health = model.health();
    let third = |health: &Health| matches!(health, Health::Restarting { attempt } if *attempt >= 3);
    let seen = health.wait_for(third).await.unwrap().clone();
    assert_eq!(seen.base_url(), None);
    stop.cancel();
    model.ended().await;
}

#[tokio::test]
async fn missing_weights_are_told_at_once() {
    let stage = Stage::new("exit 0");
    let spec = Spec {
        model_path: stage.path("nowhere.gguf"),
        ..stage.spec()
    };
    let error = supervise(spec, CancellationToken::new()).unwrap_err();
    assert!(error.to_string().contains("cargo xtask model"), "{error}");
}

#[test]
fn the_engine_is_where_the_variable_says_or_on_the_path() {
    let stage = Stage::new("exit 0");
    let program = stage.path("farebox-local").display().to_string();
    let stated = Environment::of([("FAREBOX_LOCAL_BIN", program.as_str())]);
    assert_eq!(find_program(&stated).unwrap(), stage.path("farebox-local"));
    let folder = stage.folder.path().display().to_string();
    let on_path = Environment::of([("PATH", folder.as_str())]);
    assert_eq!(find_program(&on_path).unwrap(), stage.path("farebox-local"));
    let wrong = Environment::of([("FAREBOX_LOCAL_BIN", "/nowhere/engine")]);
    assert!(matches!(
        find_program(&wrong),
        Err(LocalModelError::WrongProgram(_))
    ));
    let none = find_program(&Environment::default());
    assert!(matches!(none, Err(LocalModelError::NoProgram)));
}
