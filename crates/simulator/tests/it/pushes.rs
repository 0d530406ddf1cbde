//! Pushes: whom they concern, and what holds the runs they start.

use serde_json::json;
use simulator::{CommitSeed, Push, RunState};

use crate::{
    client::Client,
    dependencies::{BARE, chained},
};

#[tokio::test]
async fn external_dependencies_hold_pushed_runs_until_each_is_marked() {
    let document = "mutation($status:RunExternalDependencyStatus!){\
        runExternalDependencyMarkAsCompleted(dependency:\"build\",status:$status){phantom status}}";
    for (status, expected) in [
        ("FINISHED", RunState::Finished),
        ("SKIPPED", RunState::Finished),
        ("FAILED", RunState::Failed),
    ] {
        let client = Client::start(chained(&[("b", "a", BARE)])).await;
        let control = client.simulator.control();
        let push = Push {
            repository: "acme/infra".into(),
            branch: "main".into(),
            commit: CommitSeed { hash: "c0ffee0".into(), ..CommitSeed::default() },
            external_dependencies: ["build".to_owned()].into(),
            ..Push::default()
        };
        control.push(push).unwrap();
        assert_eq!(client.newest("a").state, RunState::Queued);
        let by_api = client.trigger("a", "PROPOSED").await;
        assert_eq!(client.state(&by_api), RunState::Finished, "only pushes carry the name");

        let data = client.data(document, json!({"status": status})).await;
        assert_eq!(data["runExternalDependencyMarkAsCompleted"]["phantom"], false);
        let tracked = control.runs("a").into_iter().find(|r| r.triggered_by.is_none()).unwrap();
        assert_eq!(tracked.state, expected, "{status}");
    }
}

#[tokio::test]
async fn a_push_concerns_stacks_by_folder_glob_and_branch() {
    let account = simulator::sample_account();
    let client = Client::start(account).await;
    let control = client.simulator.control();
    control.pause();
    let push = |branch: &str, path: &str| Push {
        repository: "acme/infra".into(),
        branch: branch.into(),
        commit: CommitSeed { hash: "c0ffee0".into(), ..CommitSeed::default() },
        paths: vec![path.into()],
        ..Push::default()
    };

    assert_eq!(control.push(push("main", "stacks/shop-dev/main.tf")).unwrap().len(), 1);
    let hit = control.push(push("topic", "modules/cluster/main.tf")).unwrap();
    assert_eq!(hit.len(), 2);
    for stack in ["cluster-prod", "cluster-dev"] {
        assert_eq!(client.newest(stack).run_type, simulator::RunType::Proposed);
    }
    assert!(control.push(push("main", "README.md")).unwrap().is_empty());
    assert_eq!(control.stack("shop-dev").unwrap().tracked_commit.as_deref(), Some("c0ffee0"));
}
