use contracts::change::{Change, Paths};

use super::*;

#[test]
fn a_repository_is_called_by_the_end_of_its_address() {
    for (url, name) in [
        ("https://github.com/acme/policies.git", "acme/policies"),
        ("https://github.com/acme/policies/", "acme/policies"),
        ("git@github.com:acme/policies.git", "acme/policies"),
        ("ssh://git@git.example:2222/acme/policies", "acme/policies"),
        ("policies", "policies"),
    ] {
        assert_eq!(called(url), name, "{url}");
    }
}

#[test]
fn only_pushes_to_the_tracked_branch_move_it() {
    let mirrors = tempfile::tempdir().unwrap();
    let options = crate::fixtures::git("https://u:s@git.example/acme/policies.git", mirrors.path());
    let branch = Branch::open(&options).unwrap().unwrap();
    assert_eq!(branch.title(), "acme/policies main policies");
    assert_eq!(branch.key(), "https://git.example/acme/policies.git main policies");
    let change = Change {
        repository: "ACME/policies".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from("c0ffee"),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: String::new(),
        url: None,
        pull_request: None,
    };
    let pushed =
        ChangePushed { change, paths: Paths::Unknown, deleted: false, tag: false, forced: false };
    assert!(branch.is_moved_by(&pushed));
    let mut other = pushed.clone();
    other.change.branch = "proposal".to_owned();
    assert!(!branch.is_moved_by(&other));
    let mut other = pushed.clone();
    other.change.repository = "acme/infra".to_owned();
    assert!(!branch.is_moved_by(&other));
    assert!(!branch.is_moved_by(&ChangePushed { tag: true, ..pushed.clone() }));
    assert!(!branch.is_moved_by(&ChangePushed { deleted: true, ..pushed }));
}

#[test]
fn without_an_address_the_policies_are_in_a_folder_and_without_a_folder_there_is_no_mirror() {
    let mirrors = tempfile::tempdir().unwrap();
    let options = crate::fixtures::git("", mirrors.path());
    assert!(Branch::open(&options).unwrap().is_none());
    let mut options = crate::fixtures::git("https://git.example/acme/policies", mirrors.path());
    options.folder = String::new();
    let error = Branch::open(&options).unwrap_err().to_string();
    assert!(error.contains("policies.git.folder"), "{error}");
}
