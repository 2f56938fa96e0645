//! Children are captured, can be killed, and never outlive the process that started them.

use std::fs;
use std::path::Path;

use testkit::process::{Process, spawn_binary, wait_for_http};
use testkit::{PATIENCE, Upstream, eventually};

fn shell(script: &str, env: &[(&str, &str)]) -> Process {
    spawn_binary("/bin/sh", &["-c", script], "/", env)
}

/// Whether the process runs; one that has ended but was not waited for does not.
fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}

#[tokio::test]
async fn output_status_folder_and_environment_are_as_asked() {
    let script = "pwd; echo \"$FARE\"; echo wrong >&2; exit 3";
    let mut process = shell(script, &[("FARE", "exact")]);
    let status = process.wait(PATIENCE).await;
    assert_eq!(status.code(), Some(3));
    assert_eq!(process.stdout(), "/\nexact\n");
    assert_eq!(process.stderr(), "wrong\n");
    assert_eq!(process.ended(), Some(status));
}

#[tokio::test]
async fn kill9_and_drop_end_it() {
    let mut process = shell("echo up; exec sleep 600", &[]);
    eventually("its first line", async || process.stdout() == "up\n").await;
    assert!(process.ended().is_none() && runs(process.pid()));
    process.kill9();
    assert!(!runs(process.pid()));
    assert!(process.ended().is_some_and(|status| !status.success()));

    let process = shell("exec sleep 600", &[]);
    let pid = process.pid();
    drop(process);
    assert!(!runs(pid));
}

#[tokio::test]
async fn a_signal_reaches_it() {
    let mut process = shell(
        "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done",
        &[],
    );
    eventually("its first line", async || process.stdout() == "up\n").await;
    process.signal("TERM");
    assert_eq!(process.wait(PATIENCE).await.code(), Some(7));
}

#[tokio::test]
async fn waiting_for_http_ends_with_the_first_200() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| {
        let before = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        testkit::Reply::raw(if before < 2 { 503 } else { 200 }, "text/plain", "")
    })
    .await;
    wait_for_http(&upstream.base_url(), PATIENCE).await;
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
#[should_panic(expected = "no such config")]
async fn waiting_for_a_program_that_ended_tells_its_stderr() {
    let mut process = shell("echo no such config >&2; exit 1", &[]);
    let url = Upstream::unreachable_base_url();
    process.wait_for_http(&url, PATIENCE).await;
}

const HOLD: &str = "TESTKIT_HOLD";

/// Not a test by itself: the process that `nothing_outlives_a_killed_test` kills.
#[tokio::test]
async fn hold() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    let child = shell("exec sleep 600", &[]);
    let server = testkit::postgres::Server::start().await;
    println!("held {} {}", child.pid(), server.socket_folder().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_outlives_a_killed_test() {
    let this = std::env::current_exe().expect("a test binary has a path");
    let args = ["--exact", "process::hold", "--nocapture"];
    let mut holder = spawn_binary(this, &args, "/", &[(HOLD, "1")]);
    eventually("its children", async || holder.stdout().contains("held ")).await;
    let stdout = holder.stdout();
    let line = stdout
        .lines()
        .find_map(|line| line.split_once("held "))
        .expect("just seen")
        .1;
    let (pid, folder) = line.split_once(' ').expect("a pid and a folder");
    let pid: u32 = pid.parse().expect("a pid");
    let postmaster = fs::read_to_string(Path::new(folder).join("data/postmaster.pid"));
    let postmaster = postmaster.expect("the server runs");
    let postmaster: u32 = postmaster
        .lines()
        .next()
        .and_then(|l| l.parse().ok())
        .expect("a pid");
    assert!(runs(pid) && runs(postmaster));

    holder.kill9();

    eventually("the child's end", async || !runs(pid)).await;
    eventually("the database's end", async || !runs(postmaster)).await;
    eventually("the folder's end", async || !Path::new(folder).exists()).await;
}
