//! Every document spacectl sends about runs, verbatim.

use serde_json::{Value, json};
use simulator::{Account, RunState, StackSeed, WorkerPoolSeed};

use crate::client::{Client, account};

const DEPLOY: &str = "mutation($forceApply:ForceApplyMode$runtimeConfig:RuntimeConfigInput$sha:String\
$stack:ID!$type:RunType){runTrigger(stack: $stack, commitSha: $sha, runType: $type, runtimeConfig: \
$runtimeConfig, forceApply: $forceApply){id}}";

fn one_of(mutation: &str) -> String {
    format!("mutation($run:ID!$stack:ID!){{{mutation}(stack: $stack, run: $run){{id}}}}")
}

#[tokio::test]
async fn deploy_sends_nulls_for_what_was_not_given() {
    let client = Client::start(account(&["net"])).await;

    let data = client
        .strictly(
            DEPLOY,
            json!({"stack": "net", "sha": null, "type": "TRACKED", "runtimeConfig": null,
                "forceApply": null}),
        )
        .await;

    let run = data["runTrigger"]["id"].as_str().unwrap();
    assert_eq!(run.len(), 26);
    assert_eq!(client.state(run), RunState::Unconfirmed);
}

#[tokio::test]
async fn deploy_takes_a_commit_a_runtime_config_and_a_force() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    control.set_plan("net", simulator::PlanResult::NoChanges).unwrap();
    let sha = "0ee3a3b7266daf5a1d44a193a0f48ce995fa75eb";

    let data = client
        .strictly(
            DEPLOY,
            json!({"stack": "net", "sha": sha, "type": "TRACKED", "forceApply": "SINGLE",
                "runtimeConfig": {"yaml": "environment: {}", "environment": [{"key": "A", "value": "1"}]}}),
        )
        .await;

    let run = control.run(data["runTrigger"]["id"].as_str().unwrap()).unwrap();
    assert_eq!(run.commit, sha);
    assert_eq!(run.inputs["A"], "1");
    assert!(run.history.iter().any(|entry| entry.state == RunState::Applying));
}

#[tokio::test]
async fn preview_is_a_proposed_run_and_never_applies() {
    let client = Client::start(account(&["net"])).await;
    let document = "mutation($runtimeConfig:RuntimeConfigInput$sha:String$stack:ID!$type:RunType){\
        runTrigger(stack: $stack, commitSha: $sha, runType: $type, runtimeConfig: $runtimeConfig){id}}";

    let data = client
        .strictly(
            document,
            json!({"stack": "net", "sha": null, "type": "PROPOSED", "runtimeConfig": null}),
        )
        .await;

    let run = data["runTrigger"]["id"].as_str().unwrap();
    let states = client.states(run);
    assert_eq!(states.last(), Some(&RunState::Finished));
    assert!(!states.contains(&RunState::Applying));
}

#[tokio::test]
async fn confirm_discard_cancel_retry_and_promote_take_a_stack_and_a_run() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    let go = |mutation: &str, run: &str| {
        let (document, variables) = (one_of(mutation), json!({"stack": "net", "run": run}));
        let client = &client;
        async move { client.strictly(&document, variables).await }
    };

    let run = client.trigger("net", "TRACKED").await;
    let data = go("runConfirm", &run).await;
    assert_eq!(data["runConfirm"]["id"], run.as_str());
    assert_eq!(client.state(&run), RunState::Finished);

    let run = client.trigger("net", "TRACKED").await;
    let waiting = client.trigger("net", "TRACKED").await;
    go("runCancel", &waiting).await;
    assert_eq!(client.state(&waiting), RunState::Canceled);
    go("runDiscard", &run).await;
    assert_eq!(client.state(&run), RunState::Discarded);

    control.plan_once("net", simulator::PlanResult::FailPlanning).unwrap();
    let failed = client.trigger("net", "TRACKED").await;
    let data = go("runRetry", &failed).await;
    let retried = data["runRetry"]["id"].as_str().unwrap();
    assert_ne!(retried, failed);
    assert_eq!(client.state(retried), RunState::Unconfirmed);

    let proposed = client.trigger("net", "PROPOSED").await;
    let data = go("runPromote", &proposed).await;
    let promoted = control.run(data["runPromote"]["id"].as_str().unwrap()).unwrap();
    assert_eq!(promoted.run_type, simulator::RunType::Tracked);
    assert_eq!(promoted.state, RunState::Queued);
}

#[tokio::test]
async fn stop_ends_a_run_that_is_being_planned() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    let pace = simulator::Pace { planning_ms: 3_600_000, ..simulator::Pace::zero() };
    control.set_pace("net", pace).unwrap();
    let run = client.trigger("net", "TRACKED").await;
    assert_eq!(client.state(&run), RunState::Planning);

    client
        .strictly(
            "mutation($note:String!$run:ID!$stack:ID!){runStop(stack: $stack, run: $run, note: \
             $note){id}}",
            json!({"stack": "net", "run": run, "note": "Stopped by spacectl"}),
        )
        .await;

    let last = control.run(&run).unwrap().history.pop().unwrap();
    assert_eq!(
        (last.state, last.note.as_deref()),
        (RunState::Stopped, Some("Stopped by spacectl"))
    );
}

#[tokio::test]
async fn approve_and_reject_send_a_review() {
    let client = Client::start(account(&["net"])).await;
    let run = client.trigger("net", "TRACKED").await;
    let document = "mutation($decision:RunReviewDecision!$note:String!$run:ID$stack:ID!){runReview(\
        stack: $stack, run: $run, decision: $decision, note: $note){id}}";

    let variables = json!({"stack": "net", "run": run, "decision": "APPROVE", "note": "fine"});
    client.strictly(document, variables).await;
    assert_eq!(client.state(&run), RunState::Unconfirmed);
    let variables = json!({"stack": "net", "run": null, "decision": "REJECT", "note": "no"});
    client.strictly(document, variables).await;
    assert_eq!(client.state(&run), RunState::Failed);
}

#[tokio::test]
async fn replan_plans_again_and_waits_again() {
    let client = Client::start(account(&["net"])).await;
    let run = client.trigger("net", "TRACKED").await;
    let changes = "query($run:ID!$stack:ID!){stack(id: $stack){run(id: $run){changesV3(input: {}){\
        resources{address,previousAddress,metadata{type}}}}}}";
    let data = client.strictly(changes, json!({"stack": "net", "run": run})).await;
    let address = &data["stack"]["run"]["changesV3"][0]["resources"][0]["address"];

    client
        .strictly(
            "mutation($run:ID!$stack:ID!$targets:[String!]!){runTargetedReplan(stack: $stack, run: \
             $run, targets: $targets){id}}",
            json!({"stack": "net", "run": run, "targets": [address]}),
        )
        .await;

    let states = client.states(&run);
    let tail = &states[states.len() - 4..];
    assert_eq!(
        tail,
        [
            RunState::ReplanRequested,
            RunState::PreparingReplan,
            RunState::Planning,
            RunState::Unconfirmed
        ]
    );
}

#[tokio::test]
async fn prioritize_moves_a_run_on_a_private_pool_to_the_front() {
    let seed = StackSeed { worker_pool: Some("own".into()), ..StackSeed::new("net") };
    let pool =
        WorkerPoolSeed { id: "own".into(), name: "Own".into(), workers: 2, ..Default::default() };
    let account = Account { stacks: vec![seed], worker_pools: vec![pool], ..Account::default() };
    let client = Client::start(account).await;
    let holder = client.trigger("net", "TRACKED").await;
    let second = client.trigger("net", "TRACKED").await;
    let third = client.trigger("net", "TRACKED").await;

    client
        .strictly(
            "mutation($prioritize:Boolean!$runId:ID!$stackId:ID!){runPrioritizeSet(stack: $stackId, \
             run: $runId, prioritize: $prioritize){id}}",
            json!({"stackId": "net", "runId": third, "prioritize": true}),
        )
        .await;
    client.act("runDiscard", "net", &holder).await;

    assert_eq!(client.state(&third), RunState::Unconfirmed);
    assert_eq!(client.state(&second), RunState::Queued);
}

#[tokio::test]
async fn run_list_is_read_as_a_table_as_json_and_for_previews() {
    let client = Client::start(account(&["net"])).await;
    let tracked = client.trigger("net", "TRACKED").await;
    let proposed = client.trigger("net", "PROPOSED").await;
    let table = "query($before:ID$stackId:ID!){stack(id: $stackId){runs(before: $before){id,state,\
        title,commit{authorName,hash},createdAt,triggeredBy,delta{addCount,changeCount,\
        deleteCount}}}}";
    let full = |runs: &str| {
        format!(
            "query($before:ID$stackId:ID!){{stack(id: $stackId){{{runs}(before: $before){{id,branch,\
            canRetry,comments{{body,createdAt,username}},commit{{authorLogin,authorName,hash}},\
            createdAt,delta{{addCount,changeCount,deleteCount,resources}},driftDetection,expired,\
            isMostRecent,needsApproval,state,title,triggeredBy}}}}}}"
        )
    };
    let newest = "query($before:ID$stackId:ID!){stack(id: $stackId){runs(before: $before){id}}}";

    let data = client.strictly(table, json!({"stackId": "net", "before": null})).await;
    let runs = data["stack"]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["id"], tracked.as_str());
    assert_eq!(runs[0]["delta"], json!({"addCount": 1, "changeCount": 0, "deleteCount": 0}));
    let data = client.strictly(table, json!({"stackId": "net", "before": tracked})).await;
    assert_eq!(data["stack"]["runs"], json!([]));

    let all = json!({"stackId": "net", "before": null});
    for (runs, id) in [("runs", &tracked), ("proposedRuns", &proposed)] {
        let data = client.strictly(&full(runs), all.clone()).await;
        assert_eq!(data["stack"][runs][0]["id"], id.as_str());
    }
    let data = client.strictly(newest, all).await;
    assert_eq!(data, json!({"stack": {"runs": [{"id": tracked}]}}));
}

#[tokio::test]
async fn tasks_are_created_and_listed() {
    let client = Client::start(account(&["net"])).await;
    let create = "mutation($command:String!$noinit:Boolean$stack:ID!){taskCreate(stack: $stack, \
        command: $command, skipInitialization: $noinit){id}}";
    let list = "query($before:ID$stackId:ID!){stack(id: $stackId){tasks(before: $before){id,command,\
        commit{hash,url},createdAt,state,triggeredBy,type}}}";

    let with = json!({"stack": "net", "command": "tofu output", "noinit": null});
    let with = client.strictly(create, with).await;
    let without = json!({"stack": "net", "command": "tofu show", "noinit": true});
    let without = client.strictly(create, without).await;

    let states = client.states(with["taskCreate"]["id"].as_str().unwrap());
    assert!(states.contains(&RunState::Initializing), "{states:?}");
    let states = client.states(without["taskCreate"]["id"].as_str().unwrap());
    assert!(!states.contains(&RunState::Initializing), "{states:?}");
    let data = client.strictly(list, json!({"stackId": "net", "before": null})).await;
    let tasks = data["stack"]["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    assert_eq!(tasks[0]["command"], "tofu show");
    assert_eq!(tasks[0]["type"], "TASK");
}

#[tokio::test]
async fn local_preview_uploads_a_workspace_and_plans_it() {
    let client = Client::start(account(&["net"])).await;
    let upload = "mutation($stack:ID!){uploadLocalWorkspace(stack: $stack){id,uploadUrl,\
        uploadHeaders{entries{key,value}}}}";
    let propose = "mutation($environmentVarsOverrides:[EnvironmentVariable!]!$stack:ID!$workspace:ID!)\
        {runProposeLocalWorkspace(stack: $stack, workspace: $workspace, environmentVarsOverrides: \
        $environmentVarsOverrides){id}}";
    let data = client.strictly(upload, json!({"stack": "net"})).await;
    let workspace = &data["uploadLocalWorkspace"];
    let variables = json!({"stack": "net", "workspace": workspace["id"],
        "environmentVarsOverrides": [{"key": "A", "value": "1"}]});

    let early = client.error(propose, variables.clone()).await;
    assert!(early.contains("has not been uploaded"), "{early}");
    let mut put = client.http.put(workspace["uploadUrl"].as_str().unwrap()).body("a tarball");
    for header in workspace["uploadHeaders"]["entries"].as_array().unwrap() {
        put = put.header(header["key"].as_str().unwrap(), header["value"].as_str().unwrap());
    }
    assert_eq!(put.send().await.unwrap().status(), 200);
    let data = client.strictly(propose, variables).await;

    let run = data["runProposeLocalWorkspace"]["id"].as_str().unwrap();
    let run = client.simulator.control().run(run).unwrap();
    assert_eq!((run.state, run.inputs["A"].as_str()), (RunState::Finished, "1"));
}

#[tokio::test]
async fn an_external_dependency_nobody_carries_is_a_phantom() {
    let client = Client::start(account(&["net"])).await;
    let document = "mutation($dependency:ID!$status:RunExternalDependencyStatus!){\
        runExternalDependencyMarkAsCompleted(dependency: $dependency, status: $status){phantom}}";

    let data =
        client.strictly(document, json!({"dependency": "build-1", "status": "FINISHED"})).await;

    assert_eq!(data["runExternalDependencyMarkAsCompleted"]["phantom"], Value::Bool(true));
}

#[tokio::test]
async fn comments_stand_under_the_run() {
    let client = Client::start(account(&["net"])).await;
    let run = client.trigger("net", "TRACKED").await;

    client
        .data(
            "mutation($run:ID!){runComment(stack:\"net\",run:$run,body:\"look\"){body createdAt \
             username}}",
            json!({"run": run}),
        )
        .await;

    let data = client
        .data(
            "query($run:ID!){stack(id:\"net\"){run(id:$run){comments{body}}}}",
            json!({"run": run}),
        )
        .await;
    assert_eq!(data["stack"]["run"]["comments"], json!([{"body": "look"}]));
}
