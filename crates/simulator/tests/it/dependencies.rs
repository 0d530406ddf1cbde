//! Native dependencies, rule by rule.

use serde_json::json;
use simulator::{
    Account, CommitSeed, DependencySeed, OutputSeed, Pace, PlanResult, Push, ReferenceSeed,
    RunState, Settings, StackPatch, StackSeed,
};

use crate::client::Client;

pub(crate) type Reference = (&'static str, &'static str);

/// Stacks that deploy by themselves, each with an output `out` that changes with every run.
pub(crate) fn chained(edges: &[(&str, &str, &[Reference])]) -> Account {
    let mut ids: Vec<&str> = edges.iter().flat_map(|edge| [edge.0, edge.1]).collect();
    ids.sort_unstable();
    ids.dedup();
    let stacks = ids.into_iter().map(|id| StackSeed {
        autodeploy: true,
        outputs: [("out".to_owned(), OutputSeed::from("{run}"))].into(),
        ..StackSeed::new(id)
    });
    let dependencies = edges.iter().map(|(stack, depends_on, references)| DependencySeed {
        id: format!("{stack}-{depends_on}"),
        stack: (*stack).into(),
        depends_on: (*depends_on).into(),
        references: references.iter().map(|(o, i)| ReferenceSeed::new(o, i)).collect(),
        ..DependencySeed::default()
    });
    Account { stacks: stacks.collect(), dependencies: dependencies.collect(), ..Account::default() }
}

pub(crate) const BARE: &[Reference] = &[];
const OUT: &[Reference] = &[("out", "TF_VAR_x")];

fn note(client: &Client, stack: &str) -> String {
    client.newest(stack).history.pop().unwrap().note.unwrap_or_default()
}

#[tokio::test]
async fn rule_1_a_tracked_run_queues_one_run_for_every_stack_below_and_none_above() {
    let client = Client::start(chained(&[
        ("b", "a", BARE),
        ("c", "b", BARE),
        ("d", "b", BARE),
        ("d", "c", BARE),
    ]))
    .await;
    let control = client.simulator.control();
    control.pause();

    client.trigger("b", "TRACKED").await;

    assert!(control.runs("a").is_empty());
    for (stack, parent) in [("c", "b"), ("d", "b")] {
        let runs = control.runs(stack);
        assert_eq!(runs.len(), 1, "{stack}");
        assert_eq!(runs[0].state, RunState::Queued);
        assert_eq!(runs[0].triggered_by.as_deref(), Some(parent));
        assert_eq!(runs[0].run_type, simulator::RunType::Tracked);
    }
}

#[tokio::test]
async fn rule_1_proposed_runs_tasks_and_destroy_runs_ignore_the_graph() {
    let client = Client::start(chained(&[("b", "a", BARE)])).await;
    client.trigger("a", "PROPOSED").await;
    client.trigger("a", "DESTROY").await;
    client.data("mutation{taskCreate(stack:\"a\",command:\"ls\"){id}}", json!({})).await;
    assert!(client.simulator.control().runs("b").is_empty());
}

#[tokio::test]
async fn rule_2_a_push_that_hits_several_stacks_of_a_graph_is_one_pass() {
    let client =
        Client::start(chained(&[("b", "a", BARE), ("c", "b", BARE), ("d", "c", BARE)])).await;
    let control = client.simulator.control();
    let mut finished = Vec::new();
    for id in ["a", "b", "c", "d"] {
        control.set_pace(id, Pace { planning_ms: 5, ..Pace::zero() }).unwrap();
    }
    control.pause();
    let push = Push {
        repository: "acme/infra".into(),
        branch: "main".into(),
        commit: CommitSeed { hash: "c0ffee0".into(), message: "two".into(), ..Default::default() },
        ..Push::default()
    };

    let runs = control.push(push).unwrap();
    control.advance(1_000);

    assert_eq!(runs.len(), 4);
    for id in ["a", "b", "c", "d"] {
        let runs = control.runs(id);
        assert_eq!(runs.len(), 1, "{id} ran once");
        assert_eq!(runs[0].triggered_by, None);
        assert_eq!(runs[0].commit, "c0ffee0");
        finished.push(runs[0].history.last().unwrap().at_ms);
    }
    let mut ordered = finished.clone();
    ordered.sort_unstable();
    ordered.dedup();
    assert_eq!(finished, ordered, "each after its parent");
}

#[tokio::test]
async fn rule_3_a_child_waits_for_all_its_parents_in_the_pass_and_for_no_others() {
    let client = Client::start(chained(&[
        ("l", "top", BARE),
        ("r", "top", BARE),
        ("end", "l", BARE),
        ("end", "r", BARE),
        ("end", "elsewhere", BARE),
    ]))
    .await;
    let control = client.simulator.control();
    control.set_autodeploy("r", false).unwrap();

    client.trigger("top", "TRACKED").await;
    assert_eq!(client.newest("l").state, RunState::Finished);
    assert_eq!(client.newest("r").state, RunState::Unconfirmed);
    assert_eq!(client.newest("end").state, RunState::Queued);
    let run = client.newest("r").id;
    client.act("runConfirm", "r", &run).await;

    assert_eq!(client.newest("end").state, RunState::Finished);
    assert!(control.runs("elsewhere").is_empty());
}

#[tokio::test]
async fn rule_4_a_failed_parent_skips_its_child_and_leaves_its_siblings_alone() {
    for plan in
        [PlanResult::FailPlanning, PlanResult::FailApplying { add: 1, change: 0, delete: 0 }]
    {
        let client =
            Client::start(chained(&[("l", "top", BARE), ("r", "top", BARE), ("x", "l", BARE)]))
                .await;
        client.simulator.control().set_plan("l", plan).unwrap();
        client.trigger("top", "TRACKED").await;
        assert_eq!(client.newest("l").state, RunState::Failed);
        assert_eq!(client.newest("r").state, RunState::Finished);
        assert_eq!(client.newest("x").state, RunState::Skipped);
        assert_eq!(note(&client, "x"), "dependency l ended as FAILED");
    }
}

#[tokio::test]
async fn rule_4_a_discarded_and_a_canceled_parent_skip_their_children_too() {
    let client = Client::start(chained(&[("b", "a", BARE)])).await;
    let control = client.simulator.control();
    control.set_autodeploy("a", false).unwrap();
    let run = client.trigger("a", "TRACKED").await;
    let second = client.trigger("a", "TRACKED").await;
    client.act("runCancel", "a", &second).await;
    assert_eq!(client.newest("b").state, RunState::Skipped);
    client.act("runDiscard", "a", &run).await;
    assert!(control.runs("b").iter().all(|run| run.state == RunState::Skipped));
}

#[tokio::test]
async fn the_quirk_lets_the_grandchildren_of_a_failure_run_and_can_be_switched_off() {
    for quirk in [true, false] {
        let client = Client::start(chained(&[("b", "a", BARE), ("c", "b", BARE)])).await;
        let control = client.simulator.control();
        control.set_settings(Settings { skipped_parent_passes: quirk, ..Settings::default() });
        control.set_plan("a", PlanResult::FailPlanning).unwrap();
        client.trigger("a", "TRACKED").await;
        assert_eq!(client.newest("b").state, RunState::Skipped);
        let expected = if quirk { RunState::Finished } else { RunState::Skipped };
        assert_eq!(client.newest("c").state, expected);
    }
}

#[tokio::test]
async fn rule_5_an_edge_with_references_triggers_only_when_an_output_changed() {
    let client = Client::start(chained(&[("b", "a", OUT)])).await;
    let control = client.simulator.control();
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Finished, "the output was created");

    control.set_plan("a", PlanResult::NoChanges).unwrap();
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Skipped);
    assert_eq!(
        note(&client, "b"),
        "This run has dependency references (a.out) which have not changed since the last run"
    );

    let constant = [("out".to_owned(), OutputSeed::from("constant"))].into();
    control.set_outputs("a", constant).unwrap();
    control.set_plan("a", PlanResult::Changes { add: 1, change: 0, delete: 0 }).unwrap();
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Finished, "the output was changed");
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Skipped, "the same value again");
}

#[tokio::test]
async fn rule_5_an_edge_without_references_triggers_also_after_a_plan_without_changes() {
    let client = Client::start(chained(&[("b", "a", BARE)])).await;
    client.simulator.control().set_plan("a", PlanResult::NoChanges).unwrap();
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Finished);
}

#[tokio::test]
async fn rule_5_trigger_always_on_the_edge_or_the_reference_triggers_without_a_change() {
    for on_edge in [true, false] {
        let mut account = chained(&[("b", "a", OUT)]);
        account.stacks[0].outputs_published = true;
        account.dependencies[0].trigger_always = on_edge;
        account.dependencies[0].references[0].trigger_always = !on_edge;
        let client = Client::start(account).await;
        client.simulator.control().set_plan("a", PlanResult::NoChanges).unwrap();
        client.trigger("a", "TRACKED").await;
        assert_eq!(client.newest("b").state, RunState::Finished);
    }
}

#[tokio::test]
async fn rule_5_a_new_reference_forces_the_next_run_only() {
    let mut account = chained(&[("b", "a", OUT)]);
    let other = OutputSeed::from("constant");
    account.stacks[0].outputs =
        [("out".to_owned(), other.clone()), ("two".to_owned(), other)].into();
    account.stacks[0].outputs_published = true;
    let client = Client::start(account).await;
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Skipped);
    client
        .data(
            "mutation{stackDependenciesAddReference(stackDependencyID:\"b-a\",reference:{outputName:\
             \"two\",inputName:\"TF_VAR_two\",type:ENVIRONMENT_VARIABLE}){id}}",
            json!({}),
        )
        .await;

    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Finished);
    assert_eq!(client.newest("b").inputs["TF_VAR_two"], "constant");
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Skipped);
}

#[tokio::test]
async fn rule_6_referenced_outputs_become_inputs_from_the_last_apply() {
    let client = Client::start(chained(&[("b", "a", OUT)])).await;
    let applied = client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").inputs["TF_VAR_x"], applied);
    client.simulator.control().set_plan("a", PlanResult::NoChanges).unwrap();
    client.trigger("a", "TRACKED").await;
    client.trigger("b", "TRACKED").await;
    assert_eq!(client.newest("b").inputs["TF_VAR_x"], applied, "a plan alone publishes nothing");
}

#[tokio::test]
async fn rule_6_missing_inputs_fail_the_child_when_it_is_assigned() {
    let mut account = chained(&[("b", "a", &[("absent", "TF_VAR_X")])]);
    account.stacks[0].name = "Storage".into();
    account.dependencies[0].trigger_always = true;
    let client = Client::start(account).await;
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Failed);
    assert_eq!(
        note(&client, "b"),
        "job assignment failed: the following inputs are missing: Storage.absent => TF_VAR_X"
    );
    client.trigger("b", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Failed, "triggered by hand it fails as well");
}

#[tokio::test]
async fn rule_6_a_reference_less_edge_lets_missing_inputs_be_absent() {
    let account =
        chained(&[("b", "a", &[("absent", "TF_VAR_X")]), ("b", "c", BARE), ("c", "a", BARE)]);
    let client = Client::start(account).await;
    client.trigger("a", "TRACKED").await;
    let run = client.newest("b");
    assert_eq!((run.state, run.inputs.get("TF_VAR_X")), (RunState::Finished, None));
}

#[tokio::test]
async fn rule_7_retrying_a_failed_parent_does_not_start_the_children_again() {
    let client = Client::start(chained(&[("b", "a", BARE)])).await;
    let control = client.simulator.control();
    control.plan_once("a", PlanResult::FailPlanning).unwrap();
    let failed = client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Skipped);

    client.act("runRetry", "a", &failed).await;

    assert_eq!(client.newest("a").state, RunState::Finished);
    assert_eq!(control.runs("b").len(), 1);
}

#[tokio::test]
async fn rule_8_sensitive_outputs_travel_only_if_the_parent_uploads_them() {
    for upload in [false, true] {
        let mut account = chained(&[("b", "a", OUT)]);
        let secret = OutputSeed { value: "hush".into(), sensitive: true, description: None };
        account.stacks[0].outputs.insert("out".into(), secret);
        account.stacks[0].enable_sensitive_output_upload = upload;
        let client = Client::start(account).await;
        client.trigger("a", "TRACKED").await;
        let run = client.newest("b");
        if upload {
            assert_eq!(run.inputs["TF_VAR_x"], "hush");
        } else {
            assert_eq!(run.state, RunState::Failed);
        }
    }
}

#[tokio::test]
async fn rule_9_ansible_has_no_outputs_and_a_value_has_a_limit() {
    let mut account = chained(&[("b", "a", OUT)]);
    account.dependencies[0].trigger_always = true;
    let mut ansible = account.clone();
    ansible.stacks[0].vendor =
        simulator::VendorConfig::Ansible(simulator::StackConfigVendorAnsible::default());
    let client = Client::start(ansible).await;
    client.trigger("a", "TRACKED").await;
    assert!(note(&client, "b").contains("inputs are missing"));

    let long = OutputSeed::from("x".repeat(128 * 1024 + 1).as_str());
    account.stacks[0].outputs.insert("out".into(), long);
    let client = Client::start(account).await;
    client.trigger("a", "TRACKED").await;
    assert!(note(&client, "b").contains("TF_VAR_x is larger than 128 kB"));
}

#[tokio::test]
async fn rule_10_the_engine_can_be_switched_off() {
    let client = Client::start(chained(&[("b", "a", BARE)])).await;
    let control = client.simulator.control();
    control.set_settings(Settings { native_dependencies: false, ..Settings::default() });
    client.trigger("a", "TRACKED").await;
    assert!(control.runs("b").is_empty());
}

#[tokio::test]
async fn a_cascade_forces_every_apply_below() {
    let client = Client::start(chained(&[("b", "a", BARE), ("c", "b", BARE)])).await;
    let control = client.simulator.control();
    for (force, expected) in [("SINGLE", false), ("CASCADE", true)] {
        for stack in ["a", "b", "c"] {
            control.set_plan(stack, PlanResult::NoChanges).unwrap();
        }
        client
            .data(
                "mutation($force:ForceApplyMode){runTrigger(stack:\"a\",forceApply:$force){id}}",
                json!({"force": force}),
            )
            .await;
        let applied = |stack: &str| {
            client.newest(stack).history.iter().any(|entry| entry.state == RunState::Applying)
        };
        assert!(applied("a"));
        assert_eq!((applied("b"), applied("c")), (expected, expected), "{force}");
    }
}

#[tokio::test]
async fn removing_the_last_edge_above_lets_a_waiting_run_go() {
    let client = Client::start(chained(&[("b", "a", BARE)])).await;
    let control = client.simulator.control();
    control
        .patch_stack("a", StackPatch { autodeploy: Some(false), ..StackPatch::default() })
        .unwrap();
    client.trigger("a", "TRACKED").await;
    assert_eq!(client.newest("b").state, RunState::Queued);
    control.remove_dependency("b-a").unwrap();
    assert_eq!(client.newest("b").state, RunState::Finished);
}
