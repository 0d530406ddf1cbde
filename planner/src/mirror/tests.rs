//! The edge to Git on real repositories, made with the `git` program.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use contracts::{CommitSha, chain::LimitedBy, change::Paths};
use git::History;
use receivers::Work;

use super::{Call, Mirrors, Reading, origin::folder_of};
use crate::{
    catalogue::{Stack, tests::stack},
    config,
    known::{Known, Shelf, Snapshot},
    register::What,
    store::tests::database,
};

/// Mirrors of a work repository, beside an account of these stacks.
struct Desk {
    work: Work,
    mirrors: Arc<Mirrors>,
    shelf: Arc<Shelf>,
    _folder: tempfile::TempDir,
    _store: store::Store,
}

impl Desk {
    async fn new(stacks: Vec<Stack>) -> Self {
        let (work, folder, store) = (Work::new(), tempfile::tempdir().unwrap(), database().await);
        let shelf = Arc::new(Shelf::default());
        let known = Arc::new(Known::new(1, stacks));
        shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
        let options = config::Git {
            folder: folder.path().display().to_string(),
            url: work.path().display().to_string(),
            patience: Duration::from_secs(5),
            ..config::Git::nowhere()
        };
        let mirrors = Mirrors::new(options, store.pool().clone(), shelf.clone()).unwrap();
        let mirrors = Arc::new(mirrors);
        Self { work, mirrors, shelf, _folder: folder, _store: store }
    }

    async fn read(&self, previous: Option<&str>, commit: &str) -> Reading {
        let call = Call {
            repository: "acme/infra".to_owned(),
            branch: "main".to_owned(),
            commit: Some(CommitSha::from(commit)),
            previous: previous.map(CommitSha::from),
            pull_request: None,
            on_head: false,
            speculative: false,
        };
        self.mirrors.clone().read(call).await.unwrap()
    }
}

const CODE: &str = "resource \"null_resource\" \"this\" {}\n";

#[tokio::test]
async fn the_paths_come_from_the_trees_and_the_code_from_the_commit() {
    let desk = Desk::new(vec![stack("net"), stack("app"), stack("plain")]).await;
    let first = desk.work.commit(&[
        ("net/main.tf", CODE),
        (
            "net/stackly.hcl",
            "stack \"net\" {\n  owners = [\"@acme/net\"]\n  provider \"aws\" {\n    \
             accounts = [\"123456789012\"]\n    parallel = 5\n  }\n  \
             provider \"dns\" {\n    parallel = 1\n  }\n}\n",
        ),
        ("app/stackly.hcl", "stack \"app\" {\n  depends_on = [\"net\"]\n}\n"),
        ("app/main.tf", CODE),
        ("plain/main.tf", CODE),
    ]);
    let second = desk.work.commit(&[("net/main.tf", "# changed\n")]);

    let reading = desk.read(Some(&first), &second).await;

    assert_eq!(reading.paths, Paths::All(vec!["net/main.tf".to_owned()]));
    assert_eq!((reading.history, &reading.circle), (History::Forward, &None));
    let registration = reading.registration.as_ref().unwrap();
    let told: Vec<_> = registration
        .changes
        .iter()
        .map(|(what, state)| (*what, state.stack.as_str(), state.code.path.as_str()))
        .collect();
    let registered = |stack| (What::Registered, stack, stack);
    assert_eq!(told, ["app", "net", "plain"].map(registered));
    let known = reading.known.as_ref().unwrap();
    let edges: Vec<_> = known.graph.edges().collect();
    assert_eq!(edges.len(), 1);
    assert_eq!(known.graph.origins(edges[0])[0].to_string(), "declared at app/stackly.hcl:2");
    let limits = known.catalogue.limits(known.catalogue.position(&"net".into()).unwrap());
    let limits: Vec<_> = limits.iter().map(|it| (it.of, it.name.as_str(), it.most)).collect();
    let aws = (LimitedBy::CloudAccount, "123456789012", 5);
    assert_eq!(limits, [aws, (LimitedBy::Provider, "dns", 1)]);
    let uses = |stack: &str| known.catalogue.uses(known.catalogue.position(&stack.into()).unwrap());
    assert_eq!(uses("net").providers, ["aws", "dns"], "of its stackly.hcl");
    assert_eq!(uses("net").cloud_accounts, ["123456789012"]);
    for plain in [uses("app"), uses("plain")] {
        assert_eq!(plain.providers, ["null"]);
    }
    assert_eq!(desk.shelf.snapshot().unwrap().known.graph.edge_count(), 0, "until it is decided");
}

#[tokio::test]
async fn a_circle_in_code_is_named_in_full_and_changes_nothing() {
    let desk = Desk::new(vec![stack("a"), stack("b").label("depends-on:a")]).await;
    let commit = desk.work.commit(&[
        ("a/stackly.hcl", "stack \"a\" {\n  depends_on = [\"b\"]\n}\n"),
        ("b/main.tf", CODE),
    ]);

    let reading = desk.read(None, &commit).await;

    assert_eq!(
        reading.circle.as_ref().map(|circle| circle.text.as_str()),
        Some("a → b (label depends-on:a) → a (declared at a/stackly.hcl:2)")
    );
    let registration = reading.registration.unwrap();
    assert!(registration.changes.is_empty() && !registration.changes_the_graph());
    assert!(registration.faults[0].contains("closes a circle"), "{:?}", registration.faults);
}

#[tokio::test]
async fn rewritten_history_is_recognised_and_a_head_that_is_nowhere_leaves_the_paths_unknown() {
    let desk = Desk::new(vec![stack("a")]).await;
    let base = desk.work.commit(&[("a/main.tf", CODE)]);
    let old = desk.work.commit(&[("a/old.tf", "# old\n")]);
    assert_eq!(desk.read(Some(&base), &old).await.history, History::Forward);
    desk.work.git(&["reset", "--quiet", "--hard", &base]);
    let new = desk.work.commit(&[("b/new.tf", "# quite another file\n")]);

    let reading = desk.read(Some(&old), &new).await;
    assert_eq!(reading.history, History::Rewritten);
    let paths = ["a/old.tf", "b/new.tf"].map(ToOwned::to_owned).into();
    assert_eq!(reading.paths, Paths::All(paths));

    let nowhere = "1".repeat(40);
    assert_eq!(desk.read(Some(&nowhere), &new).await.paths, Paths::Unknown);
}

#[tokio::test]
async fn a_commit_nobody_has_is_an_error_that_names_it() {
    let desk = Desk::new(vec![stack("a")]).await;
    desk.work.commit(&[("a/main.tf", CODE)]);
    let call = Call {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: Some(CommitSha::from("2".repeat(40))),
        previous: None,
        pull_request: None,
        on_head: false,
        speculative: false,
    };
    assert!(desk.mirrors.clone().read(call).await.is_err());
}

#[test]
fn a_folder_of_a_mirror_leads_nowhere_else_and_belongs_to_one_repository() {
    let odd = folder_of("../../etc/passwd");
    assert!(!odd.contains("..") && !odd.contains('/'), "{odd}");
    assert_eq!(folder_of("Acme/Infra"), folder_of("acme/infra/"));
    assert_ne!(folder_of("acme/infra"), folder_of("acme-infra"));
}

#[tokio::test]
async fn a_circle_keeps_nobody_else_from_being_read_and_one_in_the_account_lets_no_other_in() {
    let apart = stack("y").after("x", &[]);
    let account = vec![stack("a"), stack("b"), stack("c"), stack("x").after("y", &[]), apart];
    let desk = Desk::new(account).await;
    let on = |name: &str, other: &str| {
        format!("stack \"{name}\" {{\n  depends_on = [\"{other}\"]\n}}\n")
    };
    let (a, b, c) = (on("a", "b"), on("b", "a"), on("c", "a"));
    let first = desk.work.commit(&[
        ("a/stackly.hcl", a.as_str()),
        ("b/stackly.hcl", b.as_str()),
        ("c/stackly.hcl", c.as_str()),
    ]);
    let second = desk.work.commit(&[("c/main.tf", CODE)]);

    for (before, commit, is_refused) in
        [(None, &first, true), (Some(first.as_str()), &second, false)]
    {
        let reading = desk.read(before, commit).await;
        let circle = reading.circle.as_ref().unwrap();
        let stacks: Vec<&str> = circle.stacks.iter().map(|stack| stack.as_str()).collect();
        assert_eq!(stacks, ["a", "b"]);
        let registration = reading.registration.as_ref().unwrap();
        let told: Vec<_> = registration.changes.iter().map(|(_, it)| it.stack.as_str()).collect();
        assert_eq!(told, ["c"], "what was read of it counts");
        assert!(registration.faults[0].starts_with("the code of a and b is left as it was"));
        let known = reading.known.as_ref().unwrap();
        let change =
            contracts::change::Change { commit: commit.as_str().into(), ..reading.as_change() };
        let (paths, deleted, tag, forced) = (Paths::Unknown, false, false, false);
        let pushed = contracts::change::ChangePushed { change, paths, deleted, tag, forced };
        let chain = (contracts::ChainId(uuid::Uuid::nil()), contracts::chain::ChainKind::Deploy);
        let plan = reading.plan(known, chain, &crate::memory::Wish::Pushed(pushed));
        assert_eq!(matches!(plan, crate::plan::Plan::Refused(_)), is_refused, "{plan:?}");
    }
}
