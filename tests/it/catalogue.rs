//! The code of a repository says what follows from a push, and is known when it is gone.

use std::path::Path;

use contracts::{
    Code,
    chain::{ChainState, EdgeOrigin},
};
use harness::{Pipeline, Setup, accounts, github, patience::eventually};
use receivers::work;
use serde_json::{Value, json};

/// Commits files to a repository in a folder, made if it is not there. Gives the commit.
fn commit(folder: &Path, files: &[(&str, &str)]) -> String {
    if !folder.join(".git").exists() {
        work::git(folder, &["init", "--quiet", "--initial-branch", "main"]);
    }
    work::commit(folder, files)
}

async fn ask(pipeline: &Pipeline, question: &str, body: Value) -> Value {
    let subject = contracts::subject::question("planner", question);
    pipeline.bus.request(&subject, &body).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_only_code_knows_orders_the_runs_and_code_that_is_gone_leaves_a_loose_stack() {
    let (work, mirrors) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = commit(
        work.path(),
        &[
            ("stacks/net/main.tf", "# net\n"),
            ("stacks/shop/main.tf", "# shop\n"),
            ("stacks/shop/stackly.hcl", "stack \"shop\" {\n  depends_on = [\"net\"]\n}\n"),
        ],
    );
    let environment =
        [("PLANNER__GIT__FOLDER", mirrors.path()), ("PLANNER__GIT__URL", work.path())];
    let pipeline = Pipeline::with(Setup {
        account: accounts::account(&[("net", &[]), ("shop", &[])]),
        environment: environment
            .map(|(name, value)| (name.to_owned(), value.display().to_string()))
            .into(),
        ..Setup::default()
    })
    .await;
    let known = eventually(
        "the code to be read",
        harness::patience::PATIENCE,
        || ask(&pipeline, "status", Value::Null),
        |status| status["with_code"] == 2,
    );
    known.await;

    // The sender names a file that no stack knows; the trees know better.
    let second = commit(work.path(), &[("stacks/net/main.tf", "# wider\n")]);
    let mut payload = github::push(&second, &["somewhere/else.txt"]);
    payload["before"] = json!(first);
    pipeline.deliver("push", &payload).await;
    let chain = pipeline.ended(&second).await;
    let stacks: Vec<_> =
        chain.steps_in_order.iter().map(|step| step.summary.stack.as_str()).collect();
    assert_eq!(stacks, ["net", "shop"]);
    let file = "stacks/shop/stackly.hcl".to_owned();
    assert_eq!(chain.edges[0].origins, [EdgeOrigin::Declared { file, line: 2 }]);
    pipeline.assert_all_well(&[chain]);

    let files = [("stacks/shop/main.tf", ""), ("stacks/shop/stackly.hcl", "")];
    let third = commit(work.path(), &files);
    let mut payload = github::push(&third, &[]);
    payload["before"] = json!(second);
    pipeline.deliver("push", &payload).await;
    let loose = eventually(
        "the stack to be loose",
        harness::patience::PATIENCE,
        || ask(&pipeline, "loose", Value::Null),
        |loose| loose.as_array().is_some_and(|loose| loose.len() == 1),
    );
    assert_eq!(loose.await[0]["stack"], "shop");
    // It cannot run without code; the policies are asked whether what it made is destroyed, and as
    // none of them says so, it stays.
    let chain = pipeline.ended(&third).await;
    assert_eq!((chain.line.state, chain.line.reason.code), (ChainState::Denied, Code::StaysLoose));
    assert_eq!(pipeline.spacelift.runs("shop").len(), 1, "the one of the first push");
    pipeline.stop().await;
}
