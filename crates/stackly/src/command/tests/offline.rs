use std::fs;

use clap_complete::Shell;
use serde_json::json;

use super::*;

#[tokio::test]
async fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
        let name = shell.to_string();
        let script = run(vec!["completions", &name], None).await.ok();
        for word in ["approve", "topology", "requeue", "json"] {
            assert!(script.contains(word), "{name} does not know {word}");
        }
    }
}

#[tokio::test]
async fn policies_are_checked_without_a_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for (name, text) in policy::SAMPLE {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let said = run(vec!["validate", path, "--json"], None).await.json();
    assert_eq!(said["valid"], true);
    assert!(run(vec!["validate", path], None).await.ok().contains("policies, digest"));

    fs::write(folder.path().join("bad.hcl"), "policy \"x\" { mach { } }").unwrap();
    let done = run(vec!["validate", path], None).await;
    assert!(done.text.contains("bad.hcl:1"), "{}", done.text);
    done.failed(1);
    let done = run(vec!["validate", path, "--json"], None).await;
    let said: Value = serde_json::from_str(&done.text).unwrap();
    assert_eq!((&said["valid"], &said["faults"][0]["line"]), (&json!(false), &json!(1)));
    done.failed(1);
}

#[tokio::test]
async fn whatever_stands_in_a_folder_of_policies_is_checked_as_policies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    run(vec!["policy", "check", path], None).await.failed(3);
    let nowhere = folder.path().join("nowhere");
    for word in ["check", "test"] {
        run(vec!["policy", word, nowhere.to_str().unwrap()], None).await.failed(3);
    }
    run(vec!["simulate", "--account", nowhere.to_str().unwrap()], None).await.failed(3);
    run(vec!["chains", "--creds", nowhere.to_str().unwrap()], None).await.failed(3);
    let file = folder.path().join("a.hcl");
    for (text, fault) in [
        ("polcy \"x\" {\n}\n", "polcy"),
        ("freeze \"f\" {\n  dates = [\"12-24\"]\n}\n", "a reason is missing"),
        ("break_glass \"g\" {}\n", "nobody may break this glass"),
    ] {
        fs::write(&file, text).unwrap();
        let done = run(vec!["policy", "check", path], None).await;
        assert!(done.text.contains(fault), "{}", done.text);
        done.failed(1);
    }
    fs::write(&file, "stop \"s\" {\n  reason = \"x\"\n}\n").unwrap();
    let said = run(vec!["policy", "check", path, "--json"], None).await.json();
    assert_eq!((&said["valid"], &said["policies"]), (&json!(true), &json!(["s"])));
}

#[tokio::test]
async fn tests_of_policies_run_without_a_system_and_say_what_came_instead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    fs::write(folder.path().join("a.hcl"), "policy \"no\" {\n  deny { reason = \"x\" }\n}\n")
        .unwrap();
    run(vec!["policy", "test", path], None).await.failed(3);
    let test = "test \"it denies\" {\n  given {\n    now = \"2026-11-20T20:00:00Z\"\n    moment = \"before_plan\"\n  }\n\
                expect { outcome = \"deny\" }\n}\n";
    fs::write(folder.path().join("a.test.hcl"), test).unwrap();
    let said = run(vec!["policy", "test", path], None).await.ok();
    assert!(said.contains("✓ it denies") && said.contains("1 test, 0 failed"), "{said}");
    assert!(run(vec!["policy", "check", path], None).await.ok().contains("1 policy"));
    fs::write(folder.path().join("a.test.hcl"), test.replace("\"deny\"", "\"pass\"")).unwrap();
    let done = run(vec!["policy", "test", path], None).await;
    assert!(done.text.contains("the outcome is deny, not pass"), "{}", done.text);
    assert!(done.text.contains("policy no denies a-stack: x"), "{}", done.text);
    done.failed(1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let port = embedded::free_port().unwrap();
    let url = format!("nats://ops:secret@127.0.0.1:{port}");
    let text = run(vec!["chains", "--nats", &url], None).await.failed(5);
    assert!(text.contains(&format!("cannot reach nats-server at nats://127.0.0.1:{port};")));
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_database_is_migrated_twice_without_harm() {
    let postgres = embedded::shared_postgres().await;
    let name = format!("migrate_{}", Uuid::new_v4().simple());
    postgres.create_database(&name).await.unwrap();
    let database = postgres.url(&name);
    let first = run(vec!["migrate", "--database-url", &database, "--json"], None).await.json();
    assert_eq!(first["migrated"], json!(["ingest", "planner", "policy", "executor", "notifier"]));
    let again = run(vec!["migrate", "--database-url", &database], None).await.ok();
    assert_eq!(again.lines().count(), 5, "{again}");
}

#[tokio::test]
async fn a_database_that_is_none_or_not_there_is_said_to_be_so() {
    run(vec!["migrate", "--database-url", "mysql://x"], None).await.failed(2);
    let url = format!("postgres://u:secret@127.0.0.1:{}/x", embedded::free_port().unwrap());
    let text = run(vec!["migrate", "--database-url", &url, "--wait", "0"], None).await.failed(5);
    assert!(text.contains("cannot use Postgres at 127.0.0.1:"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_cannot_be_typed_is_refused_before_anything_is_asked() {
    for wrong in [
        vec!["migrate", "--database-url", "postgres://x", "--wait", "18446744073709551615"],
        vec!["dead", "show", "abc"],
        vec!["dead", "requeue", "-1"],
        vec!["dead", "requeue"],
        vec!["dead", "requeue", "7", "--all"],
        vec!["chains", "--limit", "0"],
        vec!["deliveries", "--source", "elsewhere"],
        vec!["deliveries", "list", "--since", "yesterday"],
        vec!["deliveries", "replay"],
        vec!["deliveries", "replay", "not-a-uuid"],
        vec!["notices", "show", "not-a-uuid"],
        vec!["notices", "list", "--standing", "lost"],
        vec!["notices", "retry"],
        vec!["notices", "retry", "--channel", "slack"],
        vec!["simulate", "--webhook-url", "http://127.0.0.1:1"],
        vec!["simulate", "--pace", "soon"],
        vec!["tail", "--count", "0"],
        vec!["plan", "--commit", "abc"],
        vec!["plan", "--path", "/srv/infra/dns/main.tf"],
        vec!["plan", "--path", "../dns/main.tf"],
        vec!["plan", "--path", ""],
        vec!["status", "--prefix", "a b"],
        vec!["status", "--prefix", "a.*"],
        vec!["simulate", "--listen", "nope"],
    ] {
        let typed = [vec!["stackly"], wrong.clone()].concat();
        let Err(error) = Cli::try_parse_from(typed) else { panic!("{wrong:?} was taken") };
        assert_eq!(error.exit_code(), 2, "{wrong:?}");
        let raw = ["invalid character", "invalid digit"];
        assert!(!raw.iter().any(|raw| error.to_string().contains(raw)), "{error}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_not_to_be_tried_again() {
    for address in ["http://127.0.0.1:4222", "nats://a b:4222", "nats://a:port"] {
        let text = run(vec!["chains", "--nats", address], None).await.failed(2);
        assert!(text.contains("is not the address of a nats-server"), "{address}: {text}");
    }
}

#[test]
fn the_help_tells_the_exit_statuses() {
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains("4  refused by policy, or"), "{help}");
}
