use contracts::validation::Level;
use serde_json::json;

use super::*;

const HEAD: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn report(name: &str, wait: u64) -> config::Report {
    config::Report {
        name: name.to_owned(),
        sender: "custom/ci".to_owned(),
        repositories: vec!["Acme/Infra".to_owned()],
        wait: Duration::from_secs(wait),
    }
}

fn reports() -> Reports {
    Reports::new(vec![report("checkov", 60), report("tfsec", 0)]).unwrap()
}

fn hook(data: Value) -> HookReceived {
    let (source, kind) = ("custom/ci".to_owned(), "unknown".to_owned());
    HookReceived { source, kind, delivery: None, data }
}

fn said(file: &str) -> Value {
    json!({
        "name": "checkov", "repository": "acme/infra", "commit": HEAD, "folder": "/builds/infra",
        "sarif": { "version": "2.1.0", "runs": [{
            "tool": { "driver": { "name": "Checkov" } },
            "results": [{ "ruleId": "CKV_1", "level": "error", "message": { "text": "open" },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": file }, "region": { "startLine": 3 } } }] }],
        }] },
    })
}

fn files(handed: &Handed) -> Vec<(&str, usize, Level)> {
    let Found::Annotations(all) = &handed.found else { panic!("{:?}", handed.found) };
    all.iter().map(|one| (one.file.as_str(), one.line, one.level)).collect()
}

#[test]
fn a_report_is_about_one_commit_with_its_paths_from_the_root_of_the_repository() {
    let reports = reports();
    for file in ["/builds/infra/net/main.tf", "file:///builds/infra/net/main.tf", "net/main.tf"] {
        let hook = hook(said(file));
        assert_eq!(reports.about(&hook), Some("acme/infra"));
        let handed = reports.heard(&hook, at(0)).unwrap();
        assert_eq!((handed.commit.as_str(), handed.name.as_str()), (HEAD, "checkov"));
        assert_eq!(files(&handed), [("net/main.tf", 3, Level::Failure)], "{file}");
    }
    let handed = reports.heard(&hook(said("/builds/infra/app/../net/main.tf")), at(0)).unwrap();
    assert_eq!(files(&handed), [("net/main.tf", 3, Level::Failure)]);
}

#[test]
fn errors_that_cannot_be_placed_reject_whatever_is_in_scope() {
    let reports = reports();
    let scope = Scope::default();
    for file in
        ["/etc/passwd", "/builds/infra-2/net/main.tf", "../other/main.tf", "net/../../main.tf", ""]
    {
        let handed = reports.heard(&hook(said(file)), at(0)).unwrap();
        let found = reports.found("acme/infra", &[handed], (&scope, &HashSet::new()));
        let told: Vec<_> = found.iter().map(|one| (one.rule.as_str(), one.level)).collect();
        assert_eq!(told, [("checkov.unplaced", Level::Failure)], "{file}");
    }
    let elsewhere = [reports.heard(&hook(said("main.tf")), at(0)).unwrap()];
    let found = reports.found("acme/infra", &elsewhere, (&scope, &HashSet::new()));
    assert_eq!(found, [], "not in scope");
    let from_below = HashSet::from(["main.tf".to_owned()]);
    let found = reports.found("acme/infra", &elsewhere, (&scope, &from_below));
    assert_eq!((found.len(), found[0].rule.as_str()), (1, "checkov.unplaced"), "told from net");
}

#[test]
fn only_who_may_hands_in_what_is_expected_and_everything_else_is_told_why_not() {
    let reports = reports();
    let stranger = HookReceived { source: "custom/other".to_owned(), ..hook(said("a")) };
    assert_eq!(reports.about(&stranger), None, "another sender says what it likes");
    assert_eq!(reports.about(&hook(json!({ "deployed": true }))), None);
    let refused = |key: &str, value: Value| {
        let mut said = said("a");
        said[key] = value;
        reports.heard(&hook(said), at(0)).unwrap_err()
    };
    assert!(refused("name", json!("trivy")).contains("lets custom/ci hand in `trivy`"));
    assert!(refused("repository", json!("acme/shop")).contains("about acme/shop"));
    assert!(refused("commit", json!("c0ffee")).contains("not a whole commit id"));
    assert!(refused("commit", json!(7)).contains("is not a report"));
    let handed = reports.heard(
        &hook(json!({ "name": "checkov", "repository": "acme/infra",
        "commit": HEAD, "sarif": [] })),
        at(0),
    );
    assert!(matches!(handed.unwrap().found, Found::Fault(_)));
    for (name, sender) in [("", "custom/ci"), ("checkov", "ci")] {
        let bad = config::Report { sender: sender.to_owned(), ..report(name, 0) };
        assert!(Reports::new(vec![bad]).is_err());
    }
}

#[test]
fn a_pull_request_waits_for_what_is_lacking_until_its_time_is_over_and_is_then_rejected() {
    let reports = reports();
    let awaited = |handed: &[Handed], now| reports.awaited("acme/infra", handed, (at(0), at(now)));
    let reason = awaited(&[], 59).unwrap();
    assert_eq!(reason.code, Code::ReportAwaited);
    assert!(reason.text.contains("checkov") && reason.text.contains("custom/ci"), "{reason}");
    assert_eq!(awaited(&[], 60), None, "its time is over");
    let handed = reports.heard(&hook(said("net/main.tf")), at(1)).unwrap();
    assert_eq!(awaited(std::slice::from_ref(&handed), 2), None);
    let other = Handed { sender: "custom/other".to_owned(), ..handed.clone() };
    assert!(awaited(&[other], 2).is_some(), "by whom it is not to be");
    assert_eq!(reports.awaited("acme/shop", &[], (at(0), at(1))), None, "it has none");

    let scope = (&Scope::everything(), &HashSet::new());
    let lacking = reports.found("acme/infra", &[], scope);
    assert_eq!(lacking.len(), 1, "nobody waits for tfsec: {lacking:?}");
    assert_eq!((lacking[0].rule.as_str(), lacking[0].level), ("checkov.missing", Level::Failure));
    let found = reports.found("acme/infra", &[handed], scope);
    assert_eq!((found[0].rule.as_str(), found[0].message.as_str()), ("checkov.CKV_1", "open"));
}
