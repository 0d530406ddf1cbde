//! How runs share a stack, and how fast and in what order they move.

use serde_json::json;
use simulator::{
    Account, JournalEvent, Options, Pace, PlanResult, RunState, StackPatch, StackSeed,
};

use crate::client::{Client, account};

#[tokio::test]
async fn a_run_with_zero_pace_is_over_when_its_trigger_is_answered() {
    let seed = StackSeed { autodeploy: true, ..StackSeed::new("net") };
    let client = Client::start(Account { stacks: vec![seed], ..Account::default() }).await;

    let data = client.data("mutation{runTrigger(stack:\"net\"){id state}}", json!({})).await;

    assert_eq!(data["runTrigger"]["state"], "QUEUED", "the answer shows the run as it was made");
    let run = data["runTrigger"]["id"].as_str().unwrap();
    assert_eq!(
        client.states(run),
        [
            RunState::Queued,
            RunState::Ready,
            RunState::Preparing,
            RunState::Initializing,
            RunState::Planning,
            RunState::Applying,
            RunState::Finished
        ]
    );
}

#[tokio::test]
async fn a_run_with_a_pace_takes_its_time() {
    let mut options = Options::new(account(&["net"]));
    options.pace = Pace::uniform(30);
    let client = Client::with(options).await;
    let control = client.simulator.control();

    let run = client.trigger("net", "TRACKED").await;
    client.reaches(&run, RunState::Unconfirmed).await;

    let history = control.run(&run).unwrap().history;
    let spans: Vec<i64> = history.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
    assert_eq!(spans, [0, 30, 30, 30, 30]);
}

#[tokio::test]
async fn an_unconfirmed_run_holds_the_stack_until_it_is_decided() {
    let client = Client::start(account(&["net"])).await;
    let first = client.trigger("net", "TRACKED").await;
    let second = client.trigger("net", "TRACKED").await;
    let task =
        client.data("mutation{taskCreate(stack:\"net\",command:\"ls\"){id}}", json!({})).await;
    let task = task["taskCreate"]["id"].as_str().unwrap();
    assert_eq!(client.state(&second), RunState::Queued);
    assert_eq!(client.state(task), RunState::Queued);
    let data = client.data("{stack(id:\"net\"){blocked blocker{id state type}}}", json!({})).await;
    assert_eq!(
        data["stack"],
        json!({"blocked": true,
            "blocker": {"id": first, "state": "UNCONFIRMED", "type": "TRACKED"}})
    );

    client.act("runDiscard", "net", &first).await;
    assert_eq!(client.state(&second), RunState::Unconfirmed);
    assert_eq!(client.state(task), RunState::Queued);
    client.act("runConfirm", "net", &second).await;
    assert_eq!(client.state(task), RunState::Finished);
}

#[tokio::test]
async fn proposed_runs_do_not_wait_for_the_stack() {
    let client = Client::start(account(&["net"])).await;
    client.trigger("net", "TRACKED").await;
    let proposed = client.trigger("net", "PROPOSED").await;
    assert_eq!(client.state(&proposed), RunState::Finished);
}

#[tokio::test]
async fn at_most_one_blocking_run_is_ever_at_work_on_a_stack() {
    let mut options = Options::new(account(&["net"]));
    options.pace = Pace::uniform(1);
    options.account.stacks[0].autodeploy = true;
    let client = Client::with(options).await;
    let mut last = String::new();
    for _ in 0..20 {
        last = client.trigger("net", "TRACKED").await;
    }
    client.reaches(&last, RunState::Finished).await;

    let mut at_work: Option<String> = None;
    for entry in client.simulator.control().journal(0) {
        let JournalEvent::Transition(step) = entry.event else { continue };
        if step.to == RunState::Ready {
            assert_eq!(at_work, None, "{} started beside another", step.run);
            at_work = Some(step.run);
        } else if step.to.terminal() {
            assert_eq!(at_work.take(), Some(step.run));
        }
    }
}

#[tokio::test]
async fn confirming_without_a_run_means_the_one_that_holds_the_stack() {
    let client = Client::start(account(&["net"])).await;
    let confirm = "mutation{runConfirm(stack:\"net\",note:\"go\"){id}}";
    assert_eq!(client.error(confirm, json!({})).await, "stack net has no blocking run");
    let run = client.trigger("net", "TRACKED").await;
    client.data(confirm, json!({})).await;
    assert_eq!(client.state(&run), RunState::Finished);
    let again = client.act("runConfirm", "net", &run).await;
    assert_eq!(
        again["errors"][0]["message"],
        "run in state FINISHED cannot be confirmed: only UNCONFIRMED runs can be"
    );
}

#[tokio::test]
async fn everything_that_can_be_is_discarded_at_once() {
    let client = Client::start(account(&["net"])).await;
    let first = client.trigger("net", "TRACKED").await;
    let second = client.trigger("net", "TRACKED").await;
    let third = client.trigger("net", "TRACKED").await;

    let data = client
        .data(
            "mutation{runDiscardAll(stack:\"net\",note:\"no\"){discardedRuns{id state} \
             failedDiscarding}}",
            json!({}),
        )
        .await;

    assert_eq!(data["runDiscardAll"]["discardedRuns"].as_array().unwrap().len(), 3);
    assert_eq!(data["runDiscardAll"]["failedDiscarding"], json!([]));
    for run in [first, second, third] {
        assert_eq!(client.state(&run), RunState::Discarded);
    }
}

#[tokio::test]
async fn a_kill_needs_a_stop_before_it() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    let pace = Pace { applying_ms: 3_600_000, ..Pace::zero() };
    control
        .patch_stack(
            "net",
            StackPatch { pace: Some(pace), autodeploy: Some(true), ..Default::default() },
        )
        .unwrap();
    let run = client.trigger("net", "TRACKED").await;
    let early = client.act("runKill", "net", &run).await;
    assert_eq!(early["errors"][0]["message"], "run cannot be killed before it was asked to stop");
    let stop = client.act("runStop", "net", &run).await;
    assert!(stop["errors"][0]["message"].as_str().unwrap().contains("cannot be stopped"));
    client.act("runKill", "net", &run).await;
    assert_eq!(client.state(&run), RunState::Failed);
    assert_eq!(control.stack("net").unwrap().blocker, None);
}

#[tokio::test]
async fn a_locked_stack_runs_only_for_its_holder_and_does_not_deploy_by_itself() {
    let seed = StackSeed { autodeploy: true, ..StackSeed::new("net") };
    let client = Client::start(Account { stacks: vec![seed], ..Account::default() }).await;
    client.data("mutation{stackLock(id:\"net\"){id}}", json!({})).await;
    let run = client.trigger("net", "TRACKED").await;
    assert_eq!(client.state(&run), RunState::Unconfirmed);
}

#[tokio::test]
async fn the_state_of_a_stack_is_that_of_its_newest_tracked_run() {
    let client = Client::start(account(&["net"])).await;
    let state = "{stack(id:\"net\"){state}}";
    assert_eq!(client.data(state, json!({})).await["stack"]["state"], "NONE");
    let run = client.trigger("net", "TRACKED").await;
    client.trigger("net", "PROPOSED").await;
    assert_eq!(client.data(state, json!({})).await["stack"]["state"], "UNCONFIRMED");
    client.trigger("net", "TRACKED").await;
    assert_eq!(client.data(state, json!({})).await["stack"]["state"], "QUEUED");
    client.act("runConfirm", "net", &run).await;
    assert_eq!(client.data(state, json!({})).await["stack"]["state"], "UNCONFIRMED");
}

#[tokio::test]
async fn one_result_can_be_set_for_the_next_tracked_run_only() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    control.plan_once("net", PlanResult::FailApplying { add: 0, change: 2, delete: 0 }).unwrap();

    let proposed = client.trigger("net", "PROPOSED").await;
    assert_eq!(client.state(&proposed), RunState::Finished);
    let run = client.trigger("net", "TRACKED").await;
    client.act("runConfirm", "net", &run).await;
    assert_eq!(client.state(&run), RunState::Failed);
    let run = client.trigger("net", "TRACKED").await;
    client.act("runConfirm", "net", &run).await;
    assert_eq!(client.state(&run), RunState::Finished);
}

#[tokio::test]
async fn history_is_newest_first_and_its_versions_rise() {
    let client = Client::start(account(&["net"])).await;
    let run = client.trigger("net", "TRACKED").await;
    let data = client
        .data(
            "query($run:ID!){stack(id:\"net\"){run(id:$run){history{state stateVersion terminal}} \
             runResourceState(id:$run){id state finished}}}",
            json!({"run": run}),
        )
        .await;
    let history = data["stack"]["run"]["history"].as_array().unwrap();
    let versions: Vec<i64> = history.iter().map(|t| t["stateVersion"].as_i64().unwrap()).collect();
    assert_eq!(versions, [6, 5, 4, 3, 2, 1]);
    assert_eq!(history[5]["state"], "QUEUED");
    assert_eq!(
        data["stack"]["runResourceState"],
        json!({"id": run, "state": "UNCONFIRMED", "finished": false})
    );
}

#[tokio::test]
async fn metadata_is_kept_on_the_run_and_shown_by_no_field() {
    let client = Client::start(account(&["net"])).await;
    let header = "Spacelift-User-Provided-Run-Metadata";
    let trigger = client
        .request("mutation{runTrigger(stack:\"net\"){id}}", &json!({}))
        .header(header, "chain-1");
    let answer: serde_json::Value = trigger.send().await.unwrap().json().await.unwrap();
    let run = answer["data"]["runTrigger"]["id"].as_str().unwrap();
    let confirm = client
        .request("mutation{runConfirm(stack:\"net\"){id}}", &json!({}))
        .header(header, "chain-1-apply");
    confirm.send().await.unwrap();

    let view = client.simulator.control().run(run).unwrap();
    assert_eq!(view.metadata, ["chain-1", "chain-1-apply"]);
    let journal = client.simulator.control().journal(0);
    let told = journal.iter().any(|entry| match &entry.event {
        JournalEvent::Transition(step) => step.metadata.as_deref() == Some("chain-1"),
        JournalEvent::Mutation(_) => false,
    });
    assert!(told);
    let sdl = simulator::sdl().to_lowercase();
    assert!(!sdl.contains("userprovided"), "no field shows it, as in reality");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let client = Client::start(account(&["net"])).await;
        let run = client.trigger("net", "TRACKED").await;
        // The first ten characters of a ULID are its time; the rest comes from the seed.
        ids.push(run[10..].to_owned());
    }
    assert_eq!(ids[0], ids[1]);
}
