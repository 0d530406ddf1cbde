//! Both servers under a process of their own: what is left when it dies, and what it says when it
//! cannot start them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_embedded-servers");

/// A running `embedded-servers`, and what it has printed.
struct Running {
    child: Child,
    places: Value,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let places = serde_json::from_str(&line).expect("the servers did not start; see above");
        Running { child, places }
    }

    fn pids(&self) -> Vec<i32> {
        ["nats", "postgres"]
            .map(|server| i32::try_from(self.places[server]["pid"].as_i64().unwrap()).unwrap())
            .to_vec()
    }

    fn folders(&self) -> Vec<PathBuf> {
        let parent =
            |value: &Value| Path::new(value.as_str().unwrap()).parent().unwrap().to_owned();
        vec![parent(&self.places["nats"]["store"]), parent(&self.places["postgres"]["data"])]
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }
}

/// A process that is dead but not yet asked for by its parent does not count as running.
fn is_running(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(") ").next().unwrap().starts_with('Z'),
        Err(_) if Path::new("/proc/self/stat").exists() => false,
        Err(_) => kill(Pid::from_raw(pid), None).is_ok(),
    }
}

async fn within_20_seconds(what: &str, is_so: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let wait = async {
        while !is_so() {
            ticks.tick().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("not within 20 s: {what}"));
}

#[tokio::test]
async fn nothing_is_left_when_the_parent_is_killed() {
    let mut running = Running::start(Command::new(PROGRAM));
    let (pids, folders) = (running.pids(), running.folders());
    assert!(pids.iter().all(|pid| is_running(*pid)));
    assert!(folders.iter().all(|folder| folder.exists()));
    running.signal(Signal::SIGKILL);
    running.child.wait().unwrap();
    within_20_seconds("both servers are gone", || !pids.iter().any(|pid| is_running(*pid))).await;
    within_20_seconds("both folders are gone", || !folders.iter().any(|folder| folder.exists()))
        .await;
}

#[tokio::test]
async fn nothing_is_left_after_ctrl_c() {
    let mut running = Running::start(Command::new(PROGRAM));
    let (pids, folders) = (running.pids(), running.folders());
    running.signal(Signal::SIGINT);
    assert!(running.child.wait().unwrap().success());
    assert!(!pids.iter().any(|pid| is_running(*pid)));
    assert!(!folders.iter().any(|folder| folder.exists()));
}

/// As root this is the only test that starts the servers as a user starts them; for a user it is one
/// more start.
#[tokio::test]
async fn both_start_without_root() {
    // The user may be unable to enter the folders of root, where all this was built and is kept.
    let open = tempfile::Builder::new().prefix("stackly-open-").tempdir_in("/tmp").unwrap();
    let nats = embedded::Nats::start(embedded::NatsOptions::default()).await.unwrap();
    let script = r#"cp -L "/proc/$1/exe" "$3/nats-server" && cp "$2" "$3/servers" && chmod a+rx "$3"/* && chmod a+rwx "$3""#;
    let copied = Command::new("sh")
        .args(["-c", script, "sh", &nats.pid().to_string(), PROGRAM])
        .arg(open.path())
        .status();
    assert!(copied.unwrap().success());
    nats.stop().await;

    let mut command = Command::new(open.path().join("servers"));
    command
        .env("STACKLY_NATS_SERVER", open.path().join("nats-server"))
        .env("STACKLY_CACHE", open.path().join("cache"))
        .env("TMPDIR", open.path())
        .current_dir("/");
    if geteuid().is_root() {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    }
    let mut running = Running::start(command);
    let (pids, folders) = (running.pids(), running.folders());
    assert!(folders.iter().all(|folder| folder.starts_with(open.path())), "{folders:?}");
    running.signal(Signal::SIGKILL);
    running.child.wait().unwrap();
    within_20_seconds("both servers are gone", || !pids.iter().any(|pid| is_running(*pid))).await;
    within_20_seconds("both folders are gone", || !folders.iter().any(|folder| folder.exists()))
        .await;
}

/// Runs the program where nothing is installed but what `scripts` brings, as name and shell script.
fn on_a_bare_machine(scripts: &[(&str, &str)]) -> Output {
    let folder = TempDir::new().unwrap();
    for (name, script) in scripts {
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let program = folder.path().join(name);
        let made = Command::new("sh").args(["-c", write, "sh"]).arg(program).arg(script).status();
        assert!(made.unwrap().success());
    }
    Command::new(PROGRAM)
        .env("PATH", folder.path())
        .env("STACKLY_CACHE", folder.path().join("cache"))
        .env_remove("STACKLY_NATS_SERVER")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn refuses_with(output: &Output, sentences: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for sentence in sentences {
        assert!(said.contains(sentence), "{sentence:?} is not in: {said}");
    }
}

#[test]
fn without_python_it_says_what_to_install_or_to_set() {
    let output = on_a_bare_machine(&[]);
    refuses_with(&output, &["there is no python3 on PATH", "STACKLY_NATS_SERVER"]);
}

#[test]
fn without_pip_it_says_how_to_get_it() {
    let output = on_a_bare_machine(&[("python3", "echo \"No module named $2\" >&2; exit 1")]);
    refuses_with(&output, &["neither pip nor ensurepip", "python3-pip", "STACKLY_NATS_SERVER"]);
}

#[test]
fn an_old_server_is_passed_over_aloud() {
    let output = on_a_bare_machine(&[("nats-server", "echo nats-server: v2.9.10")]);
    refuses_with(
        &output,
        &["nats-server is passed over: it is version 2.9.10, and 2.12.0 or newer is needed"],
    );
}
