//! The edge to Git on real repositories, made with the `git` program.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use contracts::{
    ChainId, CommitSha,
    chain::{ChainKind, LimitedBy},
    change::{ChangePushed, Paths},
    gate::GateStack,
};
use git::History;
use receivers::Work;

use super::{Call, Mirrors, Reading, origin::folder_of};
use crate::{
    catalogue::{Stack, tests::stack},
    config,
    known::{Known, Shelf, Snapshot},
    memory::{Before, Wish},
    plan::Plan,
    register::What,
    store::{self as tables, tests::database},
};

mod gone;
mod overlapping;
mod shared;

/// Mirrors of a work repository, beside an account of these stacks.
struct Desk {
    work: Work,
    mirrors: Arc<Mirrors>,
    shelf: Arc<Shelf>,
    pool: sqlx::PgPool,
    _folder: tempfile::TempDir,
    _store: ::store::Store,
}

impl Desk {
    async fn new(stacks: Vec<Stack>) -> Self {
        let (work, folder, store) = (Work::new(), tempfile::tempdir().unwrap(), database().await);
        let shelf = Arc::new(Shelf::default());
        let known = Arc::new(Known::new(0, stacks));
        shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
        let options = config::Git {
            folder: folder.path().display().to_string(),
            url: work.path().display().to_string(),
            patience: Duration::from_secs(5),
            ..config::Git::nowhere()
        };
        let mirrors = Mirrors::new(options, store.pool().clone(), shelf.clone()).unwrap();
        let mirrors = Arc::new(mirrors);
        let pool = store.pool().clone();
        Self { work, mirrors, shelf, pool, _folder: folder, _store: store }
    }

    async fn read(&self, previous: Option<&str>, commit: &str) -> Reading {
        self.read_after(Before::default(), previous, commit).await
    }

    async fn read_after(&self, before: Before, previous: Option<&str>, commit: &str) -> Reading {
        let call = Call {
            repository: "acme/infra".to_owned(),
            branch: "main".to_owned(),
            commit: Some(CommitSha::from(commit)),
            previous: previous.map(CommitSha::from),
            pull_request: None,
            on_head: false,
            before,
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
async fn what_code_said_before_a_push_takes_it_away_comes_with_the_push() {
    let desk = Desk::new(vec![stack("net").label("team:net")]).await;
    let says = |text: &str| {
        let file = format!("stack \"net\" {{\n{text}\n}}\n");
        desk.work.commit(&[("net/main.tf", CODE), ("net/stackly.hcl", &file)])
    };
    let first = says("labels = [\"team:net\", \"env:prod\"]\npolicies = [\"production\"]");
    let read = desk.read(None, &first).await.known.unwrap();
    let (stacks, blueprints) = (read.catalogue.stacks(), read.catalogue.blueprints());
    let known = Arc::new(Known::with_code(0, stacks.to_vec(), blueprints.to_vec()));
    desk.shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
    let second = says("labels = [\"urgent\"]");

    let reading = desk.read(Some(&first), &second).await;

    let pushed = ChangePushed {
        change: reading.as_change(),
        paths: Paths::Unknown,
        forced: false,
        deleted: false,
        tag: false,
    };
    let (known, wish) = (reading.known.as_deref().unwrap(), Wish::Pushed(pushed));
    let chain = (ChainId::derived(&uuid::Uuid::nil(), ""), ChainKind::Deploy);
    let Plan::Planned(planned) = reading.plan(known, chain, &wish) else { panic!("no chain") };
    let step = &planned.steps[0];
    assert_eq!(step.labels, ["team:net", "urgent"]);
    assert_eq!(step.by_code.added, ["urgent"], "the other one is in Spacelift as well");
    assert_eq!(step.by_code.taken, ["env:prod", "stackly:policy=production"]);
    let asked = GateStack::from(step);
    assert_eq!(asked.labels, ["team:net", "urgent", "env:prod", "stackly:policy=production"]);
    assert_eq!(asked.code_labels, ["urgent", "env:prod", "stackly:policy=production"]);
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
    assert!(registration.changes.is_empty() && registration.folders.is_empty());
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
async fn a_commit_that_a_newer_head_contains_is_seen_at_that_head() {
    let desk = Desk::new(vec![stack("a"), stack("b")]).await;
    let zero = desk.work.commit(&[("readme.md", "work\n")]);
    let one = desk.work.commit(&[("a/main.tf", CODE)]);
    let two = desk.work.commit(&[("b/main.tf", CODE)]);
    let sha = |commit: &str| Some(CommitSha::from(commit));
    let planned_since =
        |since: &str| Before { newest: sha(&two), since: sha(since), settled: None };

    for (since, is_planned) in [(&zero, true), (&one, false)] {
        let reading = desk.read_after(planned_since(since), Some(&zero), &one).await;
        let late = reading.late.unwrap();
        assert_eq!((late.by.as_str(), late.is_planned), (two.as_str(), is_planned));
        assert_eq!(reading.paths, Paths::All(vec!["a/main.tf".to_owned()]));
        assert_eq!(reading.registration, None);
    }
    // A branch that is moved back is read as it is now, also where that was not told yet.
    let back = desk.read_after(planned_since(&zero), Some(&two), &one).await;
    assert_eq!((back.late, back.registration.is_some()), (None, true));
    desk.work.git(&["reset", "--quiet", "--hard", &one]);
    assert_eq!(desk.read_after(planned_since(&zero), Some(&zero), &one).await.late, None);
}

#[tokio::test]
async fn a_push_is_compared_with_the_last_head_up_to_which_everything_was_planned() {
    let desk = Desk::new(vec![stack("a"), stack("b")]).await;
    let zero = desk.work.commit(&[("readme.md", "work\n")]);
    let one = desk.work.commit(&[("a/main.tf", CODE)]);
    let two = desk.work.commit(&[("b/main.tf", CODE)]);
    let settled =
        |commit: &str| Before { settled: Some(CommitSha::from(commit)), ..Before::default() };

    let reading = desk.read_after(settled(&zero), Some(&one), &two).await;

    let paths = ["a/main.tf", "b/main.tf"].map(ToOwned::to_owned).into();
    assert_eq!((reading.paths, reading.history), (Paths::All(paths), History::Forward));
    assert_eq!(reading.since, Some(CommitSha::from(zero.as_str())));
    // A head that does not lead to it says nothing of it.
    desk.work.git(&["reset", "--quiet", "--hard", &one]);
    let other = desk.work.commit(&[("c/main.tf", CODE)]);
    let reading = desk.read_after(settled(&two), Some(&one), &other).await;
    assert_eq!(reading.paths, Paths::All(vec!["c/main.tf".to_owned()]));
    // One that was refused and then taken back is told as before.
    let reading = desk.read_after(settled(&one), Some(&two), &other).await;
    assert_eq!(reading.history, History::Rewritten);
    assert_eq!(reading.paths, Paths::All(vec!["c/main.tf".to_owned()]));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_keeps_what_it_said_of_code_elsewhere() {
    let runs_in = |id: &str| Stack { project_root: "modules/a".into(), ..stack(id) };
    let desk = Desk::new(vec![runs_in("a")]).await;
    let said = "stack \"a\" {\n  labels = [\"critical\"]\n  spacelift {\n    project_root = \
                \"modules/a\"\n  }\n}\n";
    let first = desk.work.commit(&[("modules/a/main.tf", CODE), ("live/stackly.hcl", said)]);
    let reading = desk.read(None, &first).await;
    let known = reading.known.unwrap();
    assert_eq!(known.catalogue.labels_of(0).collect::<Vec<_>>(), ["critical"]);
    let mut connection = desk.pool.acquire().await.unwrap();
    let registration = reading.registration.unwrap();
    tables::save_registration(&mut connection, &registration).await.unwrap();
    drop(connection);
    desk.shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });

    let second = desk.work.commit(&[("live/stackly.hcl", "stack \"a\" {\n")]);
    let reading = desk.read(Some(&first), &second).await;

    let registration = reading.registration.unwrap();
    assert_eq!((&registration.changes, registration.folders.len()), (&vec![], 0));
    let known = reading.known.unwrap();
    assert_eq!(known.catalogue.labels_of(0).collect::<Vec<_>>(), ["critical"]);
}

#[tokio::test]
async fn defaults_that_are_deleted_touch_whom_they_said_something_to_and_nobody_else() {
    let desk = Desk::new(vec![stack("a").at("live/a"), stack("b").at("live/b"), stack("c")]).await;
    let first = desk.work.commit(&[
        ("live/stackly.hcl", "defaults {\n  labels = [\"critical\"]\n}\n"),
        ("live/a/stackly.hcl", "stack \"a\" {}\n"),
        ("live/b/stackly.hcl", "stack \"b\" {\n  inherit = false\n}\n"),
        ("c/stackly.hcl", "stack \"c\" {}\n"),
    ]);
    let known = desk.read(None, &first).await.known.unwrap();
    desk.shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
    let deleted = ("live/stackly.hcl", "");
    let emptied = ("live/stackly.hcl", "# nothing any more\n");
    for (file, touched) in [(deleted, true), (emptied, true), (("c/more.tf", CODE), false)] {
        desk.work.git(&["reset", "--quiet", "--hard", &first]);
        let second = desk.work.commit(&[file]);
        let reading = desk.read(Some(&first), &second).await;
        let told: Vec<_> = reading.by_code.iter().map(|(stack, _)| stack.as_str()).collect();
        let below: &[&str] = if touched { &["a"] } else { &["c"] };
        assert_eq!(told, below, "{file:?}: {:?}", reading.by_code);
    }
}

#[tokio::test]
async fn what_is_stored_has_the_number_of_what_was_planned_and_the_commit_that_changed_it() {
    let desk = Desk::new(vec![stack("a"), stack("b")]).await;
    let first = desk.work.commit(&[("a/main.tf", CODE), ("b/main.tf", CODE)]);
    let second = desk.work.commit(&[("a/other.tf", CODE)]);
    for (previous, commit) in [(None, &first), (Some(first.as_str()), &second)] {
        let (version, _) = tables::versions(&desk.pool).await.unwrap();
        let mut connection = desk.pool.acquire().await.unwrap();
        let blueprints = tables::load_blueprints(&mut connection).await.unwrap();
        let stacks = vec![stack("a"), stack("b")];
        let known = Arc::new(Known::with_code(version, stacks, blueprints));
        desk.shelf.put(Snapshot { known, as_of: DateTime::UNIX_EPOCH });
        let reading = desk.read(previous, commit).await;
        let registration = reading.registration.unwrap();
        tables::save_registration(&mut connection, &registration).await.unwrap();
        let planned = reading.known.unwrap().catalogue.version();
        assert_eq!(tables::versions(&desk.pool).await.unwrap().0, planned);
    }
    let states = tables::states(&desk.pool, ("acme/infra", "main"), &[]).await.unwrap();
    let commit = |id: &str| {
        let state = states.iter().find(|state| state.stack.as_str() == id).unwrap();
        state.code.commit.as_str()
    };
    assert_eq!((commit("a"), commit("b")), (second.as_str(), first.as_str()));
    assert_eq!(desk.shelf.head("Acme/infra", "main"), Some(second.as_str().into()));
}

#[tokio::test]
async fn a_pull_request_is_found_by_the_name_each_host_gives_it() {
    let desk = Desk::new(vec![stack("a")]).await;
    let base = desk.work.commit(&[("a/main.tf", CODE)]);
    // So that no commit is given by its own name.
    desk.work.git(&["config", "protocol.version", "0"]);
    for name in ["pull/7/head", "merge-requests/7/head", "pull-requests/7/from", "pull/7/merge"] {
        let head = desk.work.commit(&[("a/main.tf", &format!("# {name}\n"))]);
        desk.work.git(&["update-ref", &format!("refs/{name}"), &head]);
        desk.work.git(&["reset", "--quiet", "--hard", &base]);
        let call = Call {
            repository: "acme/infra".to_owned(),
            branch: "main".to_owned(),
            commit: Some(CommitSha::from(head.as_str())),
            previous: None,
            pull_request: Some(7),
            on_head: false,
            before: Before::default(),
            speculative: false,
        };
        let reading = desk.mirrors.clone().read(call).await.unwrap();
        assert_eq!(reading.paths, Paths::All(vec!["a/main.tf".to_owned()]), "{name}");
    }
}

#[tokio::test]
async fn a_branch_that_is_not_there_leaves_its_stacks_as_they_are_and_says_so() {
    let desk = Desk::new(vec![stack("a"), stack("b").made_from("acme/infra", "staging")]).await;
    desk.work.commit(&[("a/main.tf", CODE)]);
    let call = Call::head_of("acme/infra", "staging");
    let registration = desk.mirrors.clone().read(call).await.unwrap().registration.unwrap();
    assert!(registration.changes.is_empty());
    assert_eq!(
        registration.faults,
        ["acme/infra has no branch staging; its stacks are left as they are"]
    );
    assert!(!desk.shelf.is_away("acme/infra"));
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
        before: Before::default(),
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
