use std::fs;

use receivers::Work;
use tempfile::TempDir;

use super::*;

const DENY: &str = "policy \"a\" {\n  deny { reason = \"x\" }\n}\n";
const WARN: &str = "policy \"a\" {\n  warn { reason = \"x\" }\n}\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn on_trial(folder: &Path, kept: Option<StoredSet>) -> Library {
    Library::open_trial(Source::Folder(folder.to_owned()), &Ok(()), kept, now()).unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-11-20T11:00:00Z".parse().unwrap()
}

#[test]
fn a_faulty_set_is_not_opened() {
    let folder = folder(&[("a.hcl", "policy {")]);
    assert_eq!(Library::open(folder.path(), now()).unwrap_err().0.len(), 1);
}

#[test]
fn policies_on_trial_open_whatever_is_there_and_are_none_until_they_can_be_read() {
    let folder = folder(&[("a.hcl", "policy {")]);
    let trial = on_trial(folder.path(), None);
    assert!(!trial.has_policies(), "an empty set would let everything pass");
    assert_eq!(trial.shelf().refused.unwrap().faults.0.len(), 1);
    fs::write(folder.path().join("a.hcl"), DENY).unwrap();
    assert_eq!((trial.look(now()), trial.look(now())), (Look::Same, Look::Replaced));
    assert!(trial.has_policies());
    fs::write(folder.path().join("a.hcl"), "policy {").unwrap();
    trial.look(now());
    assert!(matches!(trial.look(now()), Look::Refused(_)));
    assert!(trial.has_policies(), "what was tried is tried on");

    let missing = folder.path().join("missing");
    let trial = on_trial(&missing, None);
    assert!(trial.shelf().refused.is_some() && !trial.has_policies());
    fs::write(folder.path().join("a.hcl"), DENY).unwrap();
    let trial = on_trial(folder.path(), None);
    assert_eq!(trial.current().len(), 1);

    let file = File { name: "a.hcl".to_owned(), text: WARN.to_owned() };
    let trial = on_trial(&missing, Some(StoredSet { commit: None, files: vec![file] }));
    assert!(trial.shelf().refused.is_some() && trial.has_policies(), "what was tried last");
}

#[test]
fn what_was_in_force_stays_though_a_newer_version_would_refuse_it() {
    const CHAINED: &str =
        "person \"ann\" { also = [\"bob\"] }\nperson \"bob\" { also = [\"u2\"] }\n";
    let folder = folder(&[("a.hcl", CHAINED)]);
    let refused = Library::open(folder.path(), now()).unwrap_err().to_string();
    assert!(refused.contains("a.hcl:1:24: \"bob\" is a person already"), "{refused}");
    let file = File { name: "a.hcl".to_owned(), text: CHAINED.to_owned() };
    let kept = Some(StoredSet { commit: None, files: vec![file] });
    let library = Library::open_folder(folder.path(), kept, now()).unwrap();
    assert!(library.shelf().refused.is_some(), "it is said, and to be mended");
    let set = library.current();
    assert!(["ann", "bob", "u2"].iter().all(|name| set.people.who(name) == "ann"));
    assert!(set.warnings.iter().any(|it| it.to_string().contains("is a person already")));
    let stop = Stop {
        id: uuid::Uuid::nil(),
        labels: Vec::new(),
        reason: "4711".to_owned(),
        by: "ann".to_owned(),
        at: now(),
        ended: None,
    };
    assert_eq!(library.switch(&[stop], now()), Look::Replaced, "and can be stopped by hand");
}

#[test]
fn a_change_counts_when_it_has_settled() {
    let folder = folder(&[("a.hcl", DENY)]);
    let library = Library::open(folder.path(), now()).unwrap();
    let first = library.current();
    assert_eq!(library.look(now()), Look::Same);

    fs::write(folder.path().join("a.hcl"), "").unwrap();
    assert_eq!(library.look(now()), Look::Same);
    fs::write(folder.path().join("a.hcl"), WARN).unwrap();
    assert_eq!(library.look(now()), Look::Same, "the empty file was only passing by");
    assert_eq!(library.current().digest, first.digest);
    assert_eq!(library.look(now()), Look::Replaced);
    assert_ne!(library.current().digest, first.digest);
    assert_eq!(library.look(now()), Look::Same);
}

#[test]
fn a_faulty_change_leaves_the_old_set_in_force_and_is_told_once() {
    let folder = folder(&[("a.hcl", DENY)]);
    let library = Library::open(folder.path(), now()).unwrap();
    let first = library.current();

    fs::write(folder.path().join("b.hcl"), DENY).unwrap();
    assert_eq!(library.look(now()), Look::Same);
    let Look::Refused(faults) = library.look(now()) else { panic!("it was taken") };
    assert!(faults.to_string().contains("there is a policy \"a\" already"));
    assert_eq!(library.look(now()), Look::Same);
    assert_eq!(library.current().digest, first.digest);
    assert_eq!(library.shelf().refused, Some(Refused { at: now(), faults, commit: None }));

    fs::remove_dir_all(folder.path()).unwrap();
    library.look(now());
    assert!(matches!(library.look(now()), Look::Refused(_)));
    assert_eq!(library.current().digest, first.digest);

    fs::create_dir(folder.path()).unwrap();
    fs::write(folder.path().join("a.hcl"), format!("# said anew\n{DENY}")).unwrap();
    library.look(now());
    assert_eq!(library.look(now()), Look::Same, "it says what was said before");
    assert_eq!(library.shelf().refused, None);
    assert_eq!(library.shelf().loaded_at, now());
}

#[test]
fn a_changed_program_is_another_set() {
    let folder = folder(&[
        ("a.hcl", "rego \"p\" {\n  file = \"p.rego\"\n}\n"),
        ("p.rego", "package p\nwarn[\"x\"] { true }\n"),
    ]);
    let library = Library::open(folder.path(), now()).unwrap();
    fs::write(folder.path().join("p.rego"), "package p\nwarn[\"y\"] { true }\n").unwrap();
    assert_eq!(library.look(now()), Look::Same, "it counts when it is seen twice alike");
    assert_eq!(library.look(now()), Look::Replaced);
}

/// A repository with policies in `policies/`, and its mirror.
fn tracked(text: &str) -> (Work, TempDir, Arc<Branch>, CommitSha) {
    let (work, mirrors) = (Work::new(), tempfile::tempdir().unwrap());
    let first = work.commit(&[("policies/a.hcl", text), ("a.hcl", "not even HCL")]);
    let options = crate::fixtures::git(&work.path().display().to_string(), mirrors.path());
    let branch = Arc::new(Branch::open(&options).unwrap().unwrap());
    (work, mirrors, branch, CommitSha::from(first))
}

fn opened(branch: &Arc<Branch>, kept: Option<StoredSet>) -> anyhow::Result<Library> {
    Library::open_branch(branch.clone(), &branch.fetch(), kept, now())
}

#[test]
fn the_head_of_the_branch_is_in_force_and_what_others_propose_is_not() {
    let (work, _mirrors, branch, first) = tracked(DENY);
    let library = opened(&branch, None).unwrap();
    assert_eq!(library.current().commit, Some(first.clone()));
    assert_eq!(library.current().policies[0].file, "policies/a.hcl");

    work.git(&["checkout", "--quiet", "-b", "proposal"]);
    let proposed = CommitSha::from(work.commit(&[("policies/a.hcl", WARN)]));
    work.git(&["update-ref", "refs/pull/7/head", proposed.as_str()]);
    branch.fetch().unwrap();
    assert!(branch.has(&proposed), "it is mirrored");
    assert_eq!(library.look(now()), Look::Same);
    assert_eq!(library.current().commit, Some(first));

    work.git(&["update-ref", "refs/heads/main", proposed.as_str()]);
    branch.fetch().unwrap();
    assert_eq!(library.look(now()), Look::Replaced, "a commit is whole: it counts at once");
    assert_eq!(library.current().commit, Some(proposed));
}

#[test]
fn a_faulty_commit_is_refused_by_name_and_what_it_says_of_the_same_is_taken() {
    let (work, _mirrors, branch, first) = tracked(DENY);
    let library = opened(&branch, None).unwrap();
    let second = CommitSha::from(work.commit(&[("policies/b.hcl", "policy {\n")]));
    branch.fetch().unwrap();
    let Look::Refused(faults) = library.look(now()) else { panic!("it was taken") };
    assert_eq!(faults.0[0].file, "policies/b.hcl");
    assert_eq!(library.look(now()), Look::Same, "it is told once");
    let shelf = library.shelf();
    assert_eq!(shelf.head(), Some(&second));
    assert_eq!(shelf.refused.unwrap().commit, Some(second));
    assert_eq!(library.current().commit, Some(first));

    let third = work.commit(&[("policies/b.hcl", "# nothing\n")]);
    branch.fetch().unwrap();
    assert_eq!(library.look(now()), Look::Same);
    assert_eq!(library.current().commit, Some(CommitSha::from(third)), "the newest that says so");
    assert_eq!(library.shelf().refused, None);
}

#[test]
fn a_commit_that_could_not_be_read_is_read_again_without_another_push() {
    let (work, mirrors, branch, first) = tracked(DENY);
    let library = opened(&branch, None).unwrap();
    let second = CommitSha::from(work.commit(&[("policies/a.hcl", WARN)]));
    branch.fetch().unwrap();
    let mirror = fs::read_dir(mirrors.path()).unwrap().map(|it| it.unwrap().path());
    let objects = mirror.map(|it| it.join("objects")).find(|it| it.exists()).unwrap();
    let aside = mirrors.path().join("aside");
    fs::rename(&objects, &aside).unwrap();
    fs::create_dir(&objects).unwrap();
    let Look::Refused(faults) = library.look(now()) else { panic!("it was taken") };
    assert!(faults.to_string().contains("read again by itself"), "{faults}");
    assert_eq!(library.look(now()), Look::Same, "it is told once");
    assert_eq!(library.current().commit, Some(first));
    fs::remove_dir(&objects).unwrap();
    fs::rename(&aside, &objects).unwrap();
    assert_eq!(library.look(now()), Look::Replaced);
    assert_eq!(library.current().commit, Some(second));
    assert_eq!(library.shelf().refused, None);
}

#[test]
fn a_folder_that_a_commit_takes_away_does_not_let_everything_pass() {
    let (work, _mirrors, branch, _) = tracked(DENY);
    let library = opened(&branch, None).unwrap();
    work.commit(&[("policies/a.hcl", "")]);
    branch.fetch().unwrap();
    let Look::Refused(faults) = library.look(now()) else { panic!("it was taken") };
    assert!(faults.to_string().contains("has no folder `policies`"), "{faults}");
    assert_eq!(library.current().len(), 1);
}

#[test]
fn a_link_is_a_fault_and_programs_may_lie_below() {
    let (work, _mirrors, branch, _) = tracked("rego \"p\" {\n  file = \"programs/p.rego\"\n}\n");
    work.commit(&[("policies/programs/p.rego", "package p\nwarn[\"x\"] { true }\n")]);
    let library = opened(&branch, None).unwrap();
    assert_eq!(library.current().policies[0].name, "p");
    std::os::unix::fs::symlink("/etc/hosts", work.path().join("policies/c.hcl")).unwrap();
    work.commit(&[]);
    branch.fetch().unwrap();
    let Look::Refused(faults) = library.look(now()) else { panic!("it was taken") };
    assert!(faults.to_string().contains("it is a link"), "{faults}");
}

#[test]
fn with_the_origin_away_the_mirror_counts_unless_what_was_kept_is_newer() {
    let (work, mirrors, branch, first) = tracked(DENY);
    let nothing = opened(&branch, None).unwrap();
    drop(nothing);
    let gone = work.path().with_extension("gone");
    let second = CommitSha::from(work.commit(&[("policies/a.hcl", WARN)]));
    fs::rename(work.path(), &gone).unwrap();

    let library = opened(&branch, None).unwrap();
    assert_eq!(library.current().commit, Some(first));
    let Away { since, text: why } = library.shelf().away.unwrap();
    assert!(since == now() && why.contains("cannot fetch"), "{why}");
    assert_eq!(library.shelf().fetched_at, None);

    let file = File { name: "policies/a.hcl".to_owned(), text: WARN.to_owned() };
    let kept = || Some(StoredSet { commit: Some(second.clone()), files: vec![file.clone()] });
    let library = opened(&branch, kept()).unwrap();
    assert_eq!(library.current().commit, Some(second.clone()), "others had it in force already");
    assert_eq!(library.look(now()), Look::Same, "the older mirror does not replace it");

    for entry in fs::read_dir(mirrors.path()).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    assert_eq!(opened(&branch, kept()).unwrap().current().commit, Some(second.clone()));
    let error = format!("{:#}", opened(&branch, None).unwrap_err());
    assert!(
        error.contains("no policies to begin with") && error.contains("cannot fetch"),
        "{error}"
    );
    fs::rename(&gone, work.path()).unwrap();
}

#[test]
fn a_faulty_head_at_the_start_leaves_what_was_in_force_last() {
    let (work, _mirrors, branch, first) = tracked(DENY);
    let bad = CommitSha::from(work.commit(&[("policies/a.hcl", "policy {\n")]));
    let error = format!("{:#}", opened(&branch, None).unwrap_err());
    assert!(error.contains("policies/a.hcl:1") && error.contains(bad.as_str()), "{error}");
    let file = File { name: "policies/a.hcl".to_owned(), text: DENY.to_owned() };
    let library =
        opened(&branch, Some(StoredSet { commit: Some(first.clone()), files: vec![file] }))
            .unwrap();
    assert_eq!(library.current().commit, Some(first));
    assert_eq!(library.shelf().refused.unwrap().commit, Some(bad));
}
