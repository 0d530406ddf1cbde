use super::*;

/// As Trivy and Checkov write it, cut down.
const TRIVY: &str = r#"{
  "version": "2.1.0",
  "runs": [{
    "tool": { "driver": { "name": "Trivy", "rules": [
      { "id": "AVD-AWS-0107", "defaultConfiguration": { "level": "error" } },
      { "id": "AVD-AWS-0089", "defaultConfiguration": { "level": "note" } }
    ]}},
    "results": [
      { "ruleId": "AVD-AWS-0107", "ruleIndex": 0, "message": { "text": "open ingress" },
        "locations": [{ "physicalLocation": {
          "artifactLocation": { "uri": "net/main%20one.tf", "uriBaseId": "ROOTPATH" },
          "region": { "startLine": 5, "endLine": 8 } } }] },
      { "ruleIndex": 1, "message": { "text": "no logging" },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "./net/b.tf" } } }] },
      { "ruleId": "AVD-AWS-0107", "level": "error", "message": { "text": "elsewhere" },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "other/x.tf" } } }] },
      { "ruleId": "AVD-AWS-0107", "message": { "text": "accepted" },
        "suppressions": [{ "kind": "inSource" }],
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "net/b.tf" } } }] },
      { "ruleId": "AVD-AWS-0107", "kind": "pass", "message": { "text": "fine" },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "net/b.tf" } } }] }
    ]
  }]
}"#;

fn ours(path: &str) -> Place {
    match path.strip_prefix("/tmp/scan/").unwrap_or(path) {
        path if path.starts_with("net/") => Place::At(path.to_owned()),
        path if path.starts_with('/') => Place::Untold,
        _ => Place::Elsewhere,
    }
}

fn annotations(text: &str) -> Vec<Annotation> {
    read(text, &ours).unwrap().annotations
}

#[test]
fn findings_of_our_files_are_read_with_the_level_of_their_rules() {
    let found = annotations(TRIVY);
    let told: Vec<_> = found
        .iter()
        .map(|it| (it.file.as_str(), it.line, it.end_line, it.level.as_str(), it.rule.as_str()))
        .collect();
    let expected = [
        ("net/main one.tf", 5, Some(8), "failure", "trivy.AVD-AWS-0107"),
        ("net/b.tf", 1, None, "notice", "trivy.AVD-AWS-0089"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_suppression_that_was_refused_or_is_not_decided_suppresses_nothing() {
    let with = |all: &str| annotations(&TRIVY.replace("{ \"kind\": \"inSource\" }", all)).len();
    let [accepted, rejected, asked] =
        ["accepted", "rejected", "underReview"].map(|it| format!("{{ \"status\": \"{it}\" }}"));
    assert_eq!(with(&accepted), 2);
    for all in [&rejected, &asked, &format!("{accepted}, {rejected}"), ""] {
        assert_eq!(with(all), 3, "{all}");
    }
}

#[test]
fn what_is_no_sarif_is_refused_and_absolute_paths_are_placed() {
    assert!(read("not json", &ours).unwrap_err().contains("not SARIF"));
    assert!(read(r#"{"version":"1.0.0","runs":[]}"#, &ours).unwrap_err().contains("2.1.0"));
    let absolute = TRIVY.replace("./net/b.tf", "file:///tmp/scan/net/b.tf");
    assert_eq!(annotations(&absolute).len(), 2);
}

#[test]
fn what_is_written_can_be_read_again() {
    let found = annotations(TRIVY);
    let again = annotations(&write(&found, "1").to_string());
    assert_eq!(again.len(), found.len());
    assert_eq!((&again[0].file, again[0].end_line), (&found[0].file, Some(8)));
    assert_eq!(again[0].rule, "stackly.trivy.AVD-AWS-0107");
}

#[test]
fn errors_whose_place_nobody_can_tell_are_one_failure_and_lesser_results_are_not() {
    let at = "\"uri\": \"other/x.tf\"";
    for untold in ["\"uri\": \"/builds/x.tf\"", "\"uri\": \"\"", "\"index\": 0"] {
        assert_eq!(read(&TRIVY.replace(at, untold), &ours).unwrap().unplaced, 1, "{untold}");
    }
    let lesser = TRIVY.replace("./net/b.tf", "/builds/b.tf");
    assert_eq!(read(&lesser, &ours).unwrap().unplaced, 0, "a note");
    let nowhere = TRIVY.replace(
        "\"level\": \"error\", \"message\": { \"text\": \"elsewhere\" },\n        \"locations\"",
        "\"message\": { \"text\": \"elsewhere\" },\n        \"relatedLocations\"",
    );
    let found = read(&nowhere, &ours).unwrap();
    assert_eq!((found.annotations.len(), found.unplaced), (2, 1));
    let failure = found.with_unplaced("trivy").pop().unwrap();
    assert_eq!((failure.rule.as_str(), failure.level), ("trivy.unplaced", Level::Failure));
    assert!(failure.message.starts_with("trivy found 1 error that"), "{}", failure.message);
}
