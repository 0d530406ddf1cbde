use std::fs;

use code::MemoryTree;
use contracts::change::Paths;

use super::*;

const SARIF: &str = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Own"}},"results":[
{"ruleId":"R1","level":"error","message":{"text":"no"},"locations":[{"physicalLocation":{
"artifactLocation":{"uri":"FOLDER/net/main.tf"},"region":{"startLine":2}}}]},
{"ruleId":"R1","level":"error","message":{"text":"no"},"locations":[{"physicalLocation":{
"artifactLocation":{"uri":"elsewhere/main.tf"}}}]}]}]}"#;

fn scanner(script: &str) -> Scanner {
    let command = ["sh", "-c", script].map(str::to_owned).into();
    let environment = [("SAYS".to_owned(), SARIF.replace('\n', ""))].into();
    let options = config::Scanner { name: "own".to_owned(), command, environment };
    Scanner::new(options, Duration::from_secs(10)).unwrap()
}

fn scope() -> Scope {
    let repository = code::Repository::read(&MemoryTree::default());
    Scope::new(&repository, &[], &Paths::All(vec!["net".to_owned()]))
}

fn from_below() -> HashSet<String> {
    ["main.tf".to_owned()].into()
}

#[tokio::test]
async fn what_a_scanner_finds_in_the_code_counts_whatever_its_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("main.tf"), "x").unwrap();
    let script =
        "test -f main.tf && test -z \"$CARGO\" && echo \"$SAYS\" | sed \"s,FOLDER,$PWD,\"; exit 3";
    let found = scanner(script).scan(folder.path(), (&scope(), &from_below())).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].file.as_str(), found[0].line), ("net/main.tf", 2));
    assert_eq!(found[0].rule, "own.R1");
}

#[tokio::test]
async fn a_scanner_may_complain_as_much_as_it_likes() {
    let folder = tempfile::tempdir().unwrap();
    let script = "head -c 1000000 /dev/zero >&2 && echo \"$SAYS\" | sed \"s,FOLDER,$PWD,\"";
    let found = scanner(script).scan(folder.path(), (&scope(), &from_below())).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[tokio::test]
async fn an_error_in_a_file_that_was_never_shown_to_the_scanner_rejects() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("app")).unwrap();
    fs::write(folder.path().join("app/main.tf"), "x").unwrap();
    let found = async |place: &str| {
        let script = format!("echo \"$SAYS\" | sed \"s,FOLDER/net,{place},\"");
        scanner(&script).scan(folder.path(), (&scope(), &from_below())).await.unwrap()
    };
    let rules = async |place| -> Vec<String> {
        found(place).await.into_iter().map(|one| one.rule).collect()
    };
    assert_eq!(rules("/code/net").await, ["own.unplaced"]);
    assert_eq!(rules("/net").await, ["own.R1"], "the first slash may mean the root of the code");
    assert!(rules("/app").await.is_empty(), "it is there, and not in scope");
    let script = "echo \"$SAYS\" | sed \"s,FOLDER/net/,,\"";
    let found = scanner(script).scan(folder.path(), (&scope(), &from_below())).await.unwrap();
    assert_eq!(found[0].rule, "own.unplaced", "it may be told from net");
    assert!(rules("git::https:/acme").await.is_empty(), "a module from elsewhere");
    assert!(rules("app").await.is_empty());
}

#[tokio::test]
async fn a_scanner_that_says_nothing_takes_too_long_or_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let scan = async |scanner: Scanner| {
        format!("{:#}", scanner.scan(folder.path(), (&scope(), &from_below())).await.unwrap_err())
    };
    let silent = scan(scanner("echo broken >&2; exit 2")).await;
    assert!(silent.contains("no SARIF") && silent.contains("broken"), "{silent}");
    let slow =
        Scanner { patience: Duration::from_millis(100), ..scanner("cat /dev/zero >/dev/null") };
    let slow = scan(slow).await;
    assert!(slow.contains("longer than 100ms"), "{slow}");
    let missing = Scanner { command: vec!["no-such-scanner".to_owned()], ..scanner("") };
    let missing = scan(missing).await;
    assert!(missing.contains("no-such-scanner cannot be started"), "{missing}");
    let nameless =
        config::Scanner { name: String::new(), command: Vec::new(), environment: BTreeMap::new() };
    assert!(Scanner::new(nameless, Duration::ZERO).is_err());
}

#[tokio::test]
async fn what_a_scanner_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // To its end one can read only when nobody is left who could write to it.
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || ended.send(fs::read(pipe).unwrap()));
    let script = "exec 3>pipe; cat /dev/zero >/dev/null & cat /dev/zero >/dev/null";
    let scanner = Scanner { patience: Duration::from_secs(3), ..scanner(script) };
    scanner.scan(folder.path(), (&scope(), &from_below())).await.unwrap_err();
    let end = tokio::time::timeout(Duration::from_secs(30), end).await;
    assert_eq!(end.expect("they live on").unwrap(), b"");
}
