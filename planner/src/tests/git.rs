//! The service with a mirror of a real repository.

use contracts::stack::{FixDrift, StackLoosened, StackRegistered};

use super::*;
use receivers::Work;

mod foretold;
mod moved;
mod recorded;

pub(super) const CODE: &str = "resource \"null_resource\" \"this\" {}\n";

impl Running {
    pub(super) fn mirrors(&mut self, work: &Work, folder: &tempfile::TempDir) {
        self.config.git.folder = folder.path().display().to_string();
        self.config.git.url = work.path().display().to_string();
    }

    /// A planner with a mirror, once it knows the code of so many stacks; and the mirror's folder.
    pub(super) async fn with_code(
        account: Account,
        work: &Work,
        stacks: u64,
    ) -> (Self, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Self::prepare(account).await;
        running.mirrors(work, &folder);
        running.spawn();
        running.until("the code is known", |status| status["with_code"] == stacks).await;
        (running, folder)
    }

    pub(super) async fn stack_events(
        &self,
    ) -> impl futures::Stream<Item = Envelope> + Unpin + use<> {
        let events = self.bus.tail("stackly.evt.stack.>").await.unwrap();
        self.bus.flush().await.unwrap();
        events
    }
}

/// A push as it is told by a sender that does not say which files changed.
pub(super) fn silent(previous: &str, commit: &str) -> ChangePushed {
    let mut pushed = push("acme/infra", commit, "");
    pushed.change.previous = Some(CommitSha::from(previous));
    pushed.paths = Paths::Unknown;
    pushed
}

/// `network` ← `dns` (native, declared too) ← `app` (label); all have code.
pub(super) fn repository() -> (Work, String) {
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
    let second = work.commit(&[("network/wide.tf", "# wider\n")]);
    let mut answers = running.answers().await;

    let file = json!({ "repository": "acme/infra", "commit": second, "path": "network/wide.tf" });
    for mirror in ["there", "lost"] {
        let answer = running.ask("file", file.clone()).await;
        assert_eq!(answer, Some(json!({ "text": "# wider\n" })), "the mirror is {mirror}");
        let lost = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        lost.for_each(|mirror| std::fs::remove_dir_all(mirror).unwrap());
    }
    // What no branch has is asked for by its own name.
    work.git(&["checkout", "--quiet", "-b", "proposed"]);
    let proposed = work.commit(&[("network/wide.tf", "# widest\n")]);
    work.git(&["update-ref", "refs/pull/7/head", "proposed"]);
    work.git(&["checkout", "--quiet", "main"]);
    work.git(&["branch", "--quiet", "-D", "proposed"]);
    let file = |commit: &str| json!({ "repository": "acme/infra", "commit": commit, "path": "network/wide.tf" });
    assert_eq!(running.ask("file", file(&proposed)).await, Some(json!({ "text": "# widest\n" })));
    let subject = subject::question(CARD.service, "file");
    let refused = running.bus.request(&subject, &file(&"1".repeat(40))).await.unwrap().unwrap_err();
    assert_eq!(refused.code, "commit_unknown", "{}", refused.message);
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
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
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

    // What it made would be destroyed by a run on code that does not mention it.
    let third = work.commit(&[("dns/more.tf", CODE)]);
    let what_if = running.ask("plan", json!({ "commit": third })).await.unwrap();
    assert_eq!(what_if["steps"].as_array().unwrap().len(), 1, "{what_if}");
    let mut answers = running.answers().await;
    running.publish(&silent(&second, &third)).await;
    let planned = loop {
        let answer = next(&mut answers).await;
        if answer.body["change"]["commit"] == third {
            break answer;
        }
    };
    assert_eq!(stacks(&planned), ["dns"]);
    let why = planned.body["steps"][0]["why"]["text"].as_str().unwrap();
    assert!(why.contains("app") && why.contains("without code"), "{why}");
    let fix = FixDrift { stacks: vec!["app".into()], by: "ann".to_owned(), note: None };
    let subject = subject::command(FixDrift::TYPE);
    let refused = running.bus.request(&subject, &json!(fix)).await.unwrap().unwrap_err();
    assert!(refused.message.contains("app is loose"), "{}", refused.message);
    running.stop().await;

    // Nor does it run where nobody looks at the code.
    running.config.git.folder = String::new();
    running.spawn();
    running.publish(&push("acme/infra", &"b".repeat(40), "dns/main.tf")).await;
    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["dns"], "{}", planned.body);
    running.stop().await;
}

#[tokio::test]
async fn a_folder_that_is_renamed_keeps_its_stack_whatever_spacelift_says() {
    let work = Work::new();
    let first = work.commit(&[
        ("network/main.tf", "# the network\n"),
        // Neither its name nor anything in it says which stack it is.
        ("dns/main.tf", "# the zones\n"),
        ("dns/stackly.hcl", "stack \"zones\" {}\n"),
        ("app/main.tf", CODE),
    ]);
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let (mut events, mut answers) = (running.stack_events().await, running.answers().await);

    std::fs::create_dir(work.path().join("core")).unwrap();
    work.git(&["mv", "network", "core/net"]);
    work.git(&["mv", "dns", "core/zones"]);
    let second = work.commit(&[]);
    running.publish(&silent(&first, &second)).await;

    for (stack, path) in [("dns", "core/zones"), ("network", "core/net")] {
        let event = next(&mut events).await;
        assert_eq!((event.kind.as_str(), event.key.as_str()), (StackReassociated::TYPE, stack));
        assert_eq!(event.body["code"]["path"], path);
        let reason = event.body["reason"]["text"].as_str().unwrap();
        assert!(reason.contains(&format!("set its project root to {path}")), "{reason}");
    }
    // The change itself, and no chain that destroys anything.
    assert_eq!(stacks(&next(&mut answers).await), ["network", "dns", "app"]);
    // It stays so when the code is read again, also by who knows nothing but what is stored.
    running.stop().await;
    running.spawn();
    running.until("the code is known again", |status| status["with_code"] == 3).await;
    let third = work.commit(&[("core/zones/more.tf", CODE), ("core/net/more.tf", CODE)]);
    running.publish(&silent(&second, &third)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["network", "dns", "app"]);
    assert_eq!(running.ask("loose", Value::Null).await, Some(json!([])));
    running.stop().await;
}

#[tokio::test]
async fn a_stack_of_which_no_block_speaks_is_adopted_by_the_one_that_a_person_names() {
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let mut events = running.stack_events().await;
    let two = "stack \"one\" {}\nstack \"two\" {}\n";
    let second = work.commit(&[("app/stackly.hcl", two)]);
    running.publish(&silent(&first, &second)).await;
    running.until("both blocks are known", |s| s["unmade"].as_array().unwrap().len() == 2).await;
    assert_eq!(running.ask("loose", Value::Null).await, Some(json!([])), "it has code");

    let order = |name: &str| json!({ "stack": "app", "path": "app", "name": name, "by": "jane" });
    let subject = subject::command(AdoptStack::TYPE);
    let refused = running.bus.request(&subject, &order("three")).await.unwrap().unwrap_err();
    assert_eq!(refused.code, "does_not_fit");
    assert!(refused.message.contains("it has one and two"), "{}", refused.message);
    let nobody = json!({ "stack": "nosuch", "path": "app", "by": "jane" });
    let refused = running.bus.request(&subject, &nobody).await.unwrap().unwrap_err();
    assert_eq!(refused.code, "stack_unknown");
    let plan = subject::question(crate::CARD.service, "plan");
    for (commit, code) in [("1".repeat(40), "commit_unknown"), ("abc".to_owned(), "malformed")] {
        let question = json!({ "commit": commit });
        let refused = running.bus.request(&plan, &question).await.unwrap().unwrap_err();
        assert_eq!(refused.code, code, "{}", refused.message);
    }
    let adopted = running.bus.request(&subject, &order("two")).await.unwrap().unwrap();
    assert_eq!(adopted["status"], "active");

    let event = next(&mut events).await;
    assert_eq!((event.kind.as_str(), event.key.as_str()), (StackReassociated::TYPE, "app"));
    assert_eq!(event.body["code"]["name"], "two");
    running.until("one block is left", |s| s["unmade"].as_array().unwrap().len() == 1).await;
    let found = running.ask("stacks", json!({ "query": "status:active app" })).await.unwrap();
    assert_eq!(found["stacks"][0]["id"], "app");
    // It runs again, and stays adopted when its code is read again.
    let mut answers = running.answers().await;
    let third = work.commit(&[("app/main.tf", "# wider\n")]);
    running.publish(&silent(&second, &third)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["app"]);
    running.stop().await;
}

#[tokio::test]
async fn a_block_is_adopted_by_one_stack_whoever_asks_at_once() {
    let work = Work::new();
    let two = "stack \"one\" {}\nstack \"two\" {}\n";
    let first = work.commit(&[("net/main.tf", CODE)]);
    let there = |id| StackSeed { project_root: Some("net".to_owned()), ..seed(id) };
    let account = Account { stacks: ["a", "b", "c"].map(there).into(), ..Account::default() };
    let (mut running, _folder) = Running::with_code(account, &work, 3).await;
    let second = work.commit(&[("net/stackly.hcl", two)]);
    running.publish(&silent(&first, &second)).await;
    running.until("both blocks are known", |s| s["unmade"].as_array().unwrap().len() == 2).await;

    let subject = subject::command(AdoptStack::TYPE);
    let adopt = async |stack: &str, name: &str| {
        let order = json!({ "stack": stack, "path": "net", "name": name, "by": "jane" });
        running.bus.request(&subject, &order).await.unwrap()
    };
    let (a, b) = tokio::join!(adopt("a", "two"), adopt("b", "two"));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let refused = a.err().or_else(|| b.err()).unwrap();
    assert_eq!(refused.code, "does_not_fit", "{}", refused.message);
    // Nor does who asks next have to wait until it is known.
    let refused = adopt("c", "two").await.unwrap_err();
    assert!(refused.message.contains("already"), "{}", refused.message);
    adopt("c", "one").await.unwrap();
    let loose = running.ask("loose", Value::Null).await;
    assert_eq!(loose, Some(json!([])), "the third one runs there, too");
    running.stop().await;
}

#[tokio::test]
async fn the_last_stack_of_a_branch_is_retired_when_the_account_has_it_no_more() {
    let (work, _) = repository();
    let app = account().stacks.into_iter().filter(|stack| stack.id == "app").collect();
    let (mut running, _folder) =
        Running::with_code(Account { stacks: app, ..Account::default() }, &work, 1).await;
    let mut events = running.stack_events().await;
    running.simulator.control().remove_stack("app").unwrap();

    running.publish(&audited("stack.delete", None)).await;

    let event = next(&mut events).await;
    assert_eq!((event.kind.as_str(), event.key.as_str()), (StackRetired::TYPE, "app"));
    running.stop().await;
}

/// After a change of the account all code is read again, also what nobody has told of.
#[tokio::test]
async fn a_folder_whose_renaming_is_first_seen_by_a_survey_keeps_its_stack() {
    let (work, first) = repository();
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
    let (mut events, mut answers) = (running.stack_events().await, running.answers().await);
    work.git(&["mv", "network", "net"]);
    let second = work.commit(&[]);
    running.simulator.control().remove_stack("app").unwrap();
    running.publish(&audited("stack.delete", None)).await;

    let mut event = next(&mut events).await;
    while event.key != "network" {
        event = next(&mut events).await;
    }
    assert_eq!(event.kind, StackReassociated::TYPE, "{}", event.body);
    assert_eq!(event.body["code"]["path"], "net");
    assert_eq!(running.ask("loose", Value::Null).await, Some(json!([])));
    // The push comes late, and is planned as it would have been.
    running.publish(&silent(&first, &second)).await;
    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["network", "dns"]);
    assert_ne!(planned.body["action"], "deregister");
    running.stop().await;
}

#[tokio::test]
async fn a_forced_push_marks_the_stacks_it_concerns() {
    let (work, first) = repository();
    let old = work.commit(&[("network/main.tf", "# old\n")]);
    let (mut running, _folder) = Running::with_code(account(), &work, 3).await;
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

/// Where several repositories are fetched from.
fn between(origins: &tempfile::TempDir, works: &[(&str, &Work)]) -> String {
    let acme = origins.path().join("acme");
    std::fs::create_dir(&acme).unwrap();
    for (name, work) in works {
        std::os::unix::fs::symlink(work.path(), acme.join(name)).unwrap();
    }
    format!("{}/{{repository}}", origins.path().display())
}

#[tokio::test]
async fn what_one_repository_reads_of_another_orders_their_runs() {
    let (origins, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let account = Account {
        stacks: vec![
            StackSeed { repository: "network".to_owned(), ..seed("network") },
            StackSeed { repository: "shop".to_owned(), ..seed("shop") },
        ],
        ..Account::default()
    };
    let (network, shop) = (Work::new(), Work::new());
    let backend =
        "terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n    key = \"net/prod\"\n  }\n}\n";
    let reads = "data \"terraform_remote_state\" \"n\" {\n  backend = \"s3\"\n  config = {\n    bucket = \
                 \"b\"\n    key = \"net/prod\"\n  }\n}\n";
    let first = network.commit(&[("network/main.tf", backend)]);
    shop.commit(&[("shop/main.tf", reads)]);
    let mut running = Running::prepare(account).await;
    running.config.git.folder = folder.path().display().to_string();
    running.config.git.url = between(&origins, &[("network", &network), ("shop", &shop)]);
    running.spawn();
    running.until("the edge is known", |status| status["edges"] == 1).await;
    let mut answers = running.answers().await;

    let second = network.commit(&[("network/other.tf", CODE)]);
    let mut pushed = silent(&first, &second);
    pushed.change.repository = "acme/network".to_owned();
    running.publish(&pushed).await;

    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["network", "shop"]);
    let origin = &planned.body["edges"][0]["origins"][0];
    assert_eq!((&origin["from"], &origin["file"]), (&json!("inferred"), &json!("shop/main.tf")));
    // The stack of the other repository follows on its own commit.
    assert_eq!(planned.body["steps"][1]["on_commit"], json!(false));
    running.stop().await;
}

#[tokio::test]
async fn over_http_a_token_lets_in_and_a_wrong_one_is_told_at_once() {
    let ((work, first), folder) = (repository(), tempfile::tempdir().unwrap());
    let host = receivers::GitHost::start(work.path()).await;
    host.admit("the-right-one");
    let mut running = Running::prepare(account()).await;
    running.config.git.folder = folder.path().display().to_string();
    running.config.git.url = format!("{}/{{repository}}.git", host.base);
    running.config.git.token = SecretString::from("the-wrong-one");
    // Nobody waits for what will not mend itself.
    running.config.git.patience = Duration::from_secs(3_600);
    running.spawn();
    let told = running.until("the refusal is told", |s| !s["away"]["acme/infra"].is_null()).await;
    let text = told["away"]["acme/infra"]["text"].as_str().unwrap();
    assert!(text.contains("the token is wrong") && !text.contains("the-wrong-one"), "{text}");
    assert_eq!(told["mirrors"], folder.path().display().to_string());
    let mut answers = running.answers().await;
    running.publish(&push("acme/infra", &"a".repeat(40), "dns/main.tf")).await;
    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["dns", "app"]);
    running.stop().await;

    running.config.git.token = SecretString::from("the-right-one");
    running.spawn();
    running.until("the code is known", |status| status["with_code"] == 3).await;
    let second = work.commit(&[("network/main.tf", "# wider\n")]);
    running.publish(&silent(&first, &second)).await;
    assert_eq!(stacks(&next(&mut answers).await), ["network", "dns", "app"]);
    running.stop().await;
}

/// `s0` … with edges in code; each commit changes a few files of a few stacks.
fn history(work: &Work, commits: usize) -> Vec<String> {
    let mut dice = 0x2545_F491_4F6C_DD1D_u64;
    let mut roll = move |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let mut all = Vec::new();
    for number in 0..commits {
        let mut files: Vec<(String, String)> = Vec::new();
        for _ in 0..=roll(3) {
            let stack = roll(STACKS);
            files.push(match roll(7) {
                0 => (
                    format!("s{stack}/stackly.hcl"),
                    match roll(2) {
                        _ if stack == 0 => format!("stack \"s{stack}\" {{}}\n"),
                        0 => format!("stack \"s{stack}\" {{}}\n"),
                        _ => format!(
                            "stack \"s{stack}\" {{\n  depends_on = [\"s{}\"]\n}}\n",
                            roll(stack)
                        ),
                    },
                ),
                1 => ("modules/net/main.tf".to_owned(), format!("# {number}\n")),
                2 => ("docs/readme.md".to_owned(), format!("{number}\n")),
                3 => (format!("s{stack}/stackly.hcl"), "stack \"broken {\n".to_owned()),
                4 => (
                    format!("s{stack}/main.tf"),
                    format!("# {number}\nmodule \"net\" {{\n  source = \"../modules/net\"\n}}\n"),
                ),
                _ => (format!("s{stack}/main.tf"), format!("# {number}\n")),
            });
        }
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        all.push(work.commit(&files));
    }
    all
}

const STACKS: u64 = 12;

#[tokio::test]
async fn what_would_follow_from_each_commit_of_a_history_is_what_its_push_comes_to() {
    let work = Work::new();
    let stacks = (0..STACKS).map(|number| seed(&format!("s{number}"))).collect();
    let files: Vec<String> = (0..STACKS).map(|number| format!("s{number}/main.tf")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|path| (path.as_str(), CODE)).collect();
    let mut head = work.commit(&files);
    work.git(&["checkout", "--quiet", "-b", "later"]);
    let commits = history(&work, 30);
    let (mut running, _folder) =
        Running::with_code(Account { stacks, ..Account::default() }, &work, STACKS).await;
    let mut answers = running.answers().await;
    let mut planned = 0;
    for commit in commits {
        let foretold = running.ask("plan", json!({ "commit": commit })).await.unwrap();
        work.git(&["update-ref", "refs/heads/main", &commit]);
        running.publish(&silent(&head, &commit)).await;
        let came = next(&mut answers).await;
        assert_eq!(came.kind, format!("chain.{}", foretold["outcome"].as_str().unwrap()));
        // The graph's number is another one for each reading.
        for part in ["steps", "edges", "options", "files", "reason"] {
            assert_eq!(foretold[part], came.body[part], "{part} of {commit}");
        }
        planned += usize::from(came.kind == ChainPlanned::TYPE);
        head = commit;
    }
    assert!(planned >= 10, "{planned} of the pushes led to a chain");
    running.stop().await;
}
