use super::{Facts, Query, fits};
use crate::register::Status;

fn facts() -> Facts<'static> {
    Facts {
        names: vec!["network-prod", "Network (production)"],
        labels: vec!["env:prod", "team:platform"],
        space: "root",
        repository: "Acme/infra",
        branch: "main",
        path: "stacks/network",
        owners: vec!["@acme/platform"],
        status: Some(Status::Loose),
        ..Facts::default()
    }
}

fn finds(query: &str) -> bool {
    Query::parse(query).unwrap().finds(&facts())
}

#[test]
fn every_word_must_hold_and_one_of_its_values() {
    for query in [
        "",
        "network-prod",
        "net* label:env:prod",
        "space:legacy,root repo:acme/infra",
        "path:stacks path:stacks/network path:*/network",
        "owner:@acme/* status:loose",
        "-label:env:dev not:status:active,plain not:app*",
    ] {
        assert!(finds(query), "{query}");
    }
    for query in [
        "network",
        "label:env",
        "space:legacy",
        "path:stack",
        "-net*",
        "status:plain",
        "x space:root",
    ] {
        assert!(!finds(query), "{query}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_what_could() {
    let error = |query: &str| Query::parse(query).unwrap_err().to_string();
    assert_eq!(
        error("net colour:red"),
        "`colour:red`: there is no field `colour`; there are label, space, repository, repo, \
         branch, path, owner, status, name"
    );
    assert_eq!(error("label:"), "`label:`: it asks for nothing; write a value behind it");
    assert_eq!(
        error("-status:gone"),
        "`-status:gone`: there is no status `gone`; there are active, loose, plain, disabled, \
         rewritten"
    );
}

#[test]
fn stars_and_question_marks_stand_for_text() {
    assert!(fits("a*b?d", "aXXbcd") && fits("*", "") && fits("**x", "x"));
    assert!(!fits("a*b", "abc") && !fits("?", "") && !fits("abc", "ab"));
}
