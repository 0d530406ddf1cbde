//! The service with a mirror of a real repository.

use contracts::stack::{StackLoosened, StackRegistered};

use super::*;
use crate::mirror::tests::Work;

const CODE: &str = "resource \"null_resource\" \"this\" {}\n";

impl Running {
    fn mirrors(&mut self, work: &Work, folder: &tempfile::TempDir) {
        self.config.git.folder = folder.path().display().to_string();
        self.config.git.url = work.path().display().to_string();
    }

    async fn stack_events(&self) -> impl futures::Stream<Item = Envelope> + Unpin + use<> {
        let events = self.bus.tail("stackly.evt.stack.>").await.unwrap();
        self.bus.flush().await.unwrap();
        events
    }
}

/// A push as it is told by a sender that does not say which files changed.
fn silent(previous: &str, commit: &str) -> ChangePushed {
    let mut pushed = push("acme/infra", commit, "");
    pushed.change.previous = Some(CommitSha::from(previous));
    pushed.paths = Paths::Unknown;
    pushed
}

/// `network` ← `dns` (native, declared too) ← `app` (label); all have code.
fn repository() -> (Work, String) {
    let work = Work::new();
    let first = work.commit(&[
        ("network/main.tf", CODE),
        ("dns/main.tf", CODE),
        ("dns/stackly.hcl", "stack \"dns\" {\n  depends_on = [\"network\"]\n}\n"),
        ("app/main.tf", CODE),
    ]);
    (work, first)
}

#[tokio::test]
async fn what_would_follow_from_a_commit_is_what_does() {
    let ((work, first), folder) = (repository(), tempfile::tempdir().unwrap());
    let mut running = Running::prepare(account()).await;
    running.mirrors(&work, &folder);
    let mut registered = running.stack_events().await;
    running.spawn();
    running.until("the code is known before the first push", |s| s["with_code"] == 3).await;
    for stack in ["app", "dns", "network"] {
        let event = next(&mut registered).await;
        assert_eq!((event.kind.as_str(), event.key.as_str()), (StackRegistered::TYPE, stack));
    }
    let second = work.commit(&[("network/main.tf", "# wider\n")]);
    let mut answers = running.answers().await;

    let file = json!({ "repository": "acme/infra", "commit": second, "path": "network/main.tf" });
    for mirror in ["there", "lost"] {
        let answer = running.ask("file", file.clone()).await;
        assert_eq!(answer, Some(json!({ "text": "# wider\n" })), "the mirror is {mirror}");
        let lost = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        lost.for_each(|mirror| std::fs::remove_dir_all(mirror).unwrap());
    }
    let what_if = running.ask("plan", json!({ "commit": second })).await.unwrap();
    running.publish(&silent(&first, &second)).await;
    let planned = next(&mut answers).await;

    assert_eq!(stacks(&planned), ["network", "dns", "app"]);
    assert_eq!(what_if["outcome"], "planned");
    for part in ["steps", "edges", "graph_version"] {
        assert_eq!(what_if[part], planned.body[part], "{part}");
    }
    let origins = &planned.body["edges"][1]["origins"];
    assert_eq!(origins[1], json!({ "from": "declared", "file": "dns/stackly.hcl", "line": 2 }));
    running.stop().await;
}

#[tokio::test]
async fn code_that_is_deleted_leaves_its_stack_loose() {
    let ((work, first), folder) = (repository(), tempfile::tempdir().unwrap());
    let mut running = Running::prepare(account()).await;
    running.mirrors(&work, &folder);
    running.spawn();
    running.until("the code is known", |status| status["with_code"] == 3).await;
    let mut events = running.stack_events().await;
    let second = work.commit(&[("app/main.tf", "")]);

    running.publish(&silent(&first, &second)).await;

    let event = next(&mut events).await;
    assert_eq!((event.kind.as_str(), event.key.as_str()), (StackLoosened::TYPE, "app"));
    assert_eq!(event.body["reason"]["code"], "code_gone");
    let loose = running.ask("loose", Value::Null).await.unwrap();
    assert_eq!((loose.as_array().unwrap().len(), &loose[0]["stack"]), (1, &json!("app")));
    let found = running.ask("stacks", json!({ "query": "status:loose" })).await.unwrap();
    assert_eq!(found["stacks"][0]["id"], "app");
    running.stop().await;
}

#[tokio::test]
async fn a_forced_push_marks_the_stacks_it_concerns() {
    let ((work, first), folder) = (repository(), tempfile::tempdir().unwrap());
    let old = work.commit(&[("network/main.tf", "# old\n")]);
    let mut running = Running::prepare(account()).await;
    running.mirrors(&work, &folder);
    running.spawn();
    running.until("the code is known", |status| status["with_code"] == 3).await;
    work.git(&["reset", "--quiet", "--hard", &first]);
    let new = work.commit(&[("readme.md", "rewritten\n")]);
    let mut events = running.bus.tail("stackly.evt.history.>").await.unwrap();
    running.bus.flush().await.unwrap();

    running.publish(&silent(&old, &new)).await;

    let event = next(&mut events).await;
    assert_eq!(event.body["stacks"], json!(["network"]));
    let marked = running.ask("stacks", json!({ "query": "status:rewritten" })).await.unwrap();
    assert_eq!(marked["stacks"][0]["id"], "network");
    assert_eq!(marked["stacks"].as_array().unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_repository_that_cannot_be_fetched_is_planned_from_what_the_sender_tells() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::prepare(account()).await;
    running.config.git.folder = folder.path().display().to_string();
    running.config.git.url = "/nowhere/at/all.git".to_owned();
    running.config.git.patience = Duration::from_millis(100);
    running.spawn();
    running.until("as_of is known", |status| !status["as_of"].is_null()).await;
    let mut answers = running.answers().await;

    running.publish(&push("acme/infra", &"a".repeat(40), "dns/main.tf")).await;

    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["dns", "app"]);
    let why = planned.body["steps"][0]["why"]["text"].as_str().unwrap();
    assert!(why.contains("dns/main.tf changed") && why.contains("from what the sender"), "{why}");
    running.stop().await;
}
