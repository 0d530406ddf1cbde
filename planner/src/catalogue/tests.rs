use contracts::{
    List, StackId,
    chain::{LimitedBy, SaidLimit, WorkerPool},
};

use super::{Dependency, Provider, Stack, digest, folder, ordered};
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    known::Known,
};

/// A stack of `acme/infra` on `main`, made from the folder of its name.
pub(crate) fn stack(id: &str) -> Stack {
    Stack {
        id: id.into(),
        name: id.into(),
        space: "root".into(),
        labels: List::default(),
        provider: Provider::Github,
        repository: "acme/infra".into(),
        branch: "main".into(),
        project_root: id.into(),
        globs: List::default(),
        autodeploy: false,
        disabled: false,
        depends_on: Vec::new(),
        worker_pool: None,
        cloud_accounts: List::default(),
        settings: None,
    }
}

impl Stack {
    pub(crate) fn made_from(mut self, repository: &str, branch: &str) -> Self {
        (self.repository, self.branch) = (repository.into(), branch.into());
        self
    }

    pub(crate) fn at(mut self, project_root: &str) -> Self {
        self.project_root = project_root.into();
        self
    }

    pub(crate) fn glob(mut self, glob: &str) -> Self {
        self.globs.push(glob.into());
        self
    }

    pub(crate) fn label(mut self, label: &str) -> Self {
        self.labels.push(label.into());
        self
    }

    pub(crate) fn after(mut self, parent: &str, references: &[&str]) -> Self {
        let references = references.iter().map(|&reference| reference.into()).collect();
        self.depends_on.push(Dependency { on: parent.into(), references });
        self
    }

    pub(crate) fn off(mut self) -> Self {
        self.disabled = true;
        self
    }
}

#[test]
fn stacks_are_found_by_id_and_by_repository_in_any_case() {
    let catalogue =
        Known::new(3, vec![stack("b"), stack("a"), stack("c").made_from("Acme/Apps", "release")])
            .catalogue;

    let ids: Vec<&str> = catalogue.stacks().iter().map(|stack| stack.id.as_str()).collect();
    assert_eq!((catalogue.version(), ids), (3, vec!["a", "b", "c"]));
    assert_eq!(catalogue.position(&StackId::from("b")), Some(1));
    assert_eq!(catalogue.position(&StackId::from("z")), None);
    assert_eq!(catalogue.repositories(), ["Acme/Apps", "acme/infra"]);
    let apps = catalogue.repository("acme/APPS").unwrap();
    assert_eq!(apps.branches.keys().collect::<Vec<_>>(), ["release"]);
    assert!(catalogue.repository("acme/infr").is_none());
}

#[test]
fn a_stack_tracks_its_branch_exactly_and_its_repository_in_any_case() {
    let stack = stack("a");
    assert!(stack.tracks("ACME/infra", "main"));
    assert!(!stack.tracks("acme/infra", "Main"));
    assert!(!stack.tracks("acme/infrastructure", "main"));
}

#[test]
fn the_spelling_of_a_folder_does_not_matter() {
    for path in ["a/b", "/a/b", "a/b/", "./a//b/.", " a/b "] {
        assert_eq!(folder(path), "a/b", "{path}");
    }
    for path in ["", "/", ".", "./"] {
        assert_eq!(folder(path), "", "{path}");
    }
}

#[test]
fn the_order_in_which_the_account_is_read_makes_no_new_version() {
    let one = stack("a").label("x").label("y").after("b", &["O -> I", "A -> B"]).after("c", &[]);
    let mut other = one.clone();
    other.labels = other.labels.iter().rev().cloned().collect();
    other.depends_on.reverse();
    let references = &mut other.depends_on[1].references;
    *references = references.iter().rev().cloned().collect();
    other.project_root = "./a/".into();

    let here = ordered(vec![one.clone(), stack("b")]);
    let there = ordered(vec![stack("b"), other, stack("b")]);

    assert_eq!(digest(&here), digest(&there));
    assert_ne!(digest(&here), digest(&ordered(vec![one.label("z"), stack("b")])));
}

#[test]
fn a_glob_that_cannot_be_read_is_a_fault_of_its_stack_alone() {
    let catalogue =
        Known::new(1, vec![stack("a").glob("modules/[").glob("x/**"), stack("b")]).catalogue;

    let [fault] = catalogue.faults() else { panic!("{:?}", catalogue.faults()) };
    assert_eq!(fault.stack.as_str(), "a");
    assert!(fault.text.contains("`modules/[`"), "{}", fault.text);
}

#[test]
fn what_a_stack_uses_is_what_spacelift_code_and_labels_say() {
    let said = Blueprint {
        labels: vec!["stackly:cloud-account=subscription-1".to_owned()],
        providers: vec!["aws".to_owned(), "random".to_owned()],
        cloud_accounts: vec!["123456789012".to_owned()],
        ..blueprint("a")
    };
    let there = Stack {
        worker_pool: Some(WorkerPool::public()),
        cloud_accounts: vec!["production".into()].into(),
        ..stack("a").label("stackly:provider=aws").label("stackly:provider=oracle")
    };
    let catalogue = Known::with_code(1, vec![there, stack("b")], vec![said]).catalogue;
    let uses = catalogue.uses(0);
    assert_eq!(uses.worker_pool, Some(WorkerPool::public()));
    assert_eq!(uses.providers, ["aws", "oracle", "random"]);
    assert_eq!(uses.cloud_accounts, ["123456789012", "production", "subscription-1"]);
    assert!(catalogue.uses(1).is_none());
}

#[test]
fn what_code_says_of_runs_at_once_counts_for_each_of_its_labels_but_those_that_speak_to_stackly() {
    let account = SaidLimit { of: LimitedBy::CloudAccount, name: "1".to_owned(), most: 5 };
    let said = Blueprint {
        labels: vec!["team:net".to_owned(), "stackly:wave=2".to_owned()],
        parallel: Some(2),
        limits: vec![account.clone()],
        owners: vec!["@acme/net".to_owned(), "jane".to_owned()],
        ..blueprint("a")
    };
    let there = stack("a").label("env:prod").label("depends-on:b");
    let catalogue =
        Known::with_code(1, vec![there, stack("b").label("env:prod")], vec![said]).catalogue;
    let label = |name: &str| SaidLimit { of: LimitedBy::Label, name: name.to_owned(), most: 2 };
    assert_eq!(catalogue.limits(0), [account, label("env:prod"), label("team:net")]);
    assert_eq!(catalogue.owners(0), ["@acme/net", "jane"]);
    assert!(catalogue.limits(1).is_empty(), "it says nothing itself");
    assert!(catalogue.owners(1).is_empty());
}

#[test]
fn a_name_that_is_at_two_hosts_is_told_of_once() {
    let gitlab =
        |id| Stack { provider: Provider::Other, ..stack(id).made_from("Acme/Infra", "main") };
    let faults = Known::new(1, vec![stack("a"), gitlab("b"), gitlab("c")]).catalogue;
    let [fault] = faults.faults() else { panic!("{:?}", faults.faults()) };
    assert_eq!(fault.stack, StackId::from("b"));
    let says = "made from Acme/Infra at another host, and others are made from a repository of that \
                name at github.com";
    assert!(fault.text.starts_with(says) && fault.text.contains("(repository_ambiguous)"));
    assert!(Known::new(1, vec![gitlab("b"), gitlab("c")]).catalogue.faults().is_empty());
}
