//! The program itself: what it writes where, its exit status, and how it ends.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

fn stackly(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stackly"));
    command.args(arguments);
    for name in ["STACKLY_NATS_URL", "STACKLY_PREFIX", "STACKLY_CREDS", "DATABASE_URL"] {
        command.env_remove(name);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    stackly(arguments).output().expect("the program was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it writes UTF-8")
}

#[test]
fn a_completion_script_goes_to_standard_output() {
    let output = run(&["completions", "bash"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("_stackly()"));
    assert!(output.stderr.is_empty());
}

#[test]
fn an_unreachable_server_is_told_on_standard_error_with_status_5() {
    let address = format!("nats://127.0.0.1:{}", embedded::free_port().unwrap());
    let output = run(&["chains", "--nats", &address]);
    assert_eq!(output.status.code(), Some(5));
    assert!(output.stdout.is_empty());
    let told = text(&output.stderr);
    assert!(told.starts_with("stackly: cannot reach nats-server at nats://127.0.0.1:"), "{told}");

    let output = run(&["chains", "--nats", &address, "--json"]);
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["code"], "unavailable");
}

#[test]
fn a_wrong_command_line_has_status_2() {
    assert_eq!(run(&["approve"]).status.code(), Some(2));
    assert_eq!(run(&["service", "nobody"]).status.code(), Some(2));
    assert_eq!(run(&[]).status.code(), Some(2));
    for wrong in [&["chains", "--json", "--limit", "x"][..], &["--json", "foo"]] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2));
        let told: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(told["code"], "usage");
        assert!(!told["message"].as_str().unwrap().starts_with("error"), "{told}");
    }
    assert_eq!(run(&["--json", "--help"]).status.code(), Some(0));
}

/// Stops the program whatever becomes of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_simulator_tells_where_it_is_answers_there_and_ends_when_asked_to() {
    let arguments = ["simulate", "--listen", "127.0.0.1:0", "--pace", "zero", "--json"];
    let mut running = Running(stackly(&arguments).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut document = String::new();
    while !document.ends_with("}\n") {
        document.push_str(&lines.next().expect("it prints a document").unwrap());
        document.push('\n');
    }
    let told: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(told["stacks"], 15);
    let token = "mutation Key($id: ID!, $secret: String!) { \
                 apiKeyUser(id: $id, secret: $secret) { jwt } }";
    let variables = json!({ "id": told["api_key_id"], "secret": told["api_key_secret"] });
    let answer: Value = reqwest::blocking::Client::new()
        .post(told["graphql"].as_str().unwrap())
        .json(&json!({ "query": token, "variables": variables }))
        .send()
        .and_then(|response| response.json())
        .unwrap();
    assert!(answer["data"]["apiKeyUser"]["jwt"].is_string(), "{answer}");

    let pid = Pid::from_raw(i32::try_from(running.0.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_in_use_is_told_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["simulate", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("--listen") && told.contains(&address), "{told}");
}
