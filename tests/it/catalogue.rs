//! The code of a repository says what follows from a push, and is known when it is gone.

use std::path::Path;

use contracts::{
    Code, Message,
    chain::{ChainState, EdgeOrigin},
    order::CancelChain,
    step::StepState,
};
use executor::ChainPage;
use futures::StreamExt;
use harness::{
    Pipeline, Setup, accounts, github,
    patience::{PATIENCE, eventually},
};
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

/// A pipeline that has read the code of both stacks of its account.
async fn with_code(mut setup: Setup, work: &Path, mirrors: &Path) -> Pipeline {
    for (name, folder) in [("PLANNER__GIT__FOLDER", mirrors), ("PLANNER__GIT__URL", work)] {
        setup.environment.push((name.to_owned(), folder.display().to_string()));
    }
    let pipeline = Pipeline::with(setup).await;
    let known = eventually(
        "the code to be read",
        PATIENCE,
        || ask(&pipeline, "status", Value::Null),
        |status| status["with_code"] == 2,
    );
    known.await;
    pipeline
}

/// Pushes a file; gives the commit.
async fn push(pipeline: &Pipeline, work: &Path, before: &str, file: &str) -> String {
    let commit = commit(work, &[(file, &format!("# after {before}\n"))]);
    let mut payload = github::push(&commit, &[]);
    payload["before"] = json!(before);
    pipeline.deliver("push", &payload).await;
    commit
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
    let account = accounts::account(&[("net", &[]), ("shop", &[])]);
    let setup = Setup { account, ..Setup::default() };
    let pipeline = with_code(setup, work.path(), mirrors.path()).await;

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
    assert_eq!(
        chain.edges[0].origins,
        [EdgeOrigin::Declared { file, line: 2, outputs: Vec::new() }]
    );
    pipeline.assert_all_well(&[chain]);

    let files = [("stacks/shop/main.tf", ""), ("stacks/shop/stackly.hcl", "")];
    let third = commit(work.path(), &files);
    let mut payload = github::push(&third, &[]);
    payload["before"] = json!(second);
    pipeline.deliver("push", &payload).await;
    let loose = eventually(
        "the stack to be loose",
        PATIENCE,
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

#[tokio::test(flavor = "multi_thread")]
async fn what_the_code_of_a_stack_says_of_runs_at_once_holds_for_others_with_its_label() {
    let (work, mirrors) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let says = "stack \"net\" {\n  labels = [\"team:net\"]\n  limits {\n    parallel = 1\n  }\n}\n";
    let files = [("stacks/net/main.tf", "# net\n"), ("stacks/net/stackly.hcl", says)];
    let first = commit(work.path(), &[&files[..], &[("stacks/shop/main.tf", "# shop\n")]].concat());
    let mut account = accounts::account(&[("net", &[]), ("shop", &[])]);
    account.stacks[0].autodeploy = false;
    account.stacks[1].labels = vec!["team:net".to_owned()];
    let setup = Setup { account, ..Setup::default() }.holding("net");
    let pipeline = with_code(setup, work.path(), mirrors.path()).await;
    let second = push(&pipeline, work.path(), &first, "stacks/net/main.tf").await;
    let state = |page: &ChainPage| page.steps_in_order[0].summary.state;
    let holds = |page: &ChainPage| state(page) == StepState::GatingApply;
    let net = pipeline.chain_when(&second, PATIENCE, holds).await.line.chain;

    let third = push(&pipeline, work.path(), &second, "stacks/shop/main.tf").await;
    let waits = |page: &ChainPage| state(page) == StepState::Queued;
    let page = pipeline.chain_when(&third, PATIENCE, waits).await;
    let reason = &page.steps_in_order[0].summary.reason;
    assert_eq!(reason.code, Code::WaitingForPlace);
    let full =
        "1 of 1 runs at once of label team:net, as the stackly.hcl of net says, are under way";
    assert!(reason.text.contains(&format!("{full}: net of {net};")), "{}", reason.text);

    let order = CancelChain { chain: net, stack: None, force: false, by: "bob".into(), note: None };
    let subject = contracts::subject::command(CancelChain::TYPE);
    pipeline.bus.request(&subject, &json!(order)).await.unwrap().unwrap();
    let shop = pipeline.ended(&third).await;
    pipeline.assert_all_well(&[shop]);
    pipeline.stop().await;
}

/// Does something to the account of the pipeline as a person does: over GraphQL.
async fn ask_spacelift(pipeline: &Pipeline, token: Option<&str>, query: &str) -> Value {
    let url = format!("{}/graphql", pipeline.installation.spacelift_url);
    let request = pipeline.client.post(url).json(&json!({ "query": query }));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer["errors"].is_null(), "{answer:#}");
    answer["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_does_to_a_stack_in_spacelift_is_told_as_its_audit_trail_says_so() {
    let account = accounts::account(&[("a", &[]), ("b", &[])]);
    let mut setup = Setup { account, ..Setup::default() };
    // So long that whatever is read again was asked for.
    setup.environment.push(("PLANNER__CATALOGUE__REFRESH".to_owned(), "1h".to_owned()));
    let pipeline = Pipeline::with(setup).await;
    let installation = &pipeline.installation;
    let (id, secret) = (&installation.api_key_id, &installation.api_key_secret);
    let login = format!("mutation {{ apiKeyUser(id: \"{id}\", secret: \"{secret}\") {{ jwt }} }}");
    let login = ask_spacelift(&pipeline, None, &login).await;
    let token = login["apiKeyUser"]["jwt"].as_str();
    let set = format!(
        "mutation {{ auditTrailSetWebhook(input: {{ enabled: true, includeRuns: false, \
         endpoint: \"http://{}/webhooks/spacelift\", secret: \"{}\" }}) {{ enabled }} }}",
        installation.ingest, installation.spacelift_secret
    );
    ask_spacelift(&pipeline, token, &set).await;
    let mut events = pipeline.bus.tail("stackly.evt.stack.updated.>").await.unwrap();
    pipeline.bus.flush().await.unwrap();

    ask_spacelift(&pipeline, token, "mutation { stackDisable(id: \"b\") { id } }").await;

    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap();
    assert_eq!(event.key, "b");
    let change = json!([{ "what": "disabled", "from": ["false"], "to": ["true"] }]);
    assert_eq!(event.body["changes"], change);
}
