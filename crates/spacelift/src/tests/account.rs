//! Reading a simulated account, and keeping a token for it.

use std::collections::HashSet;

use contracts::{CommitSha, SpaceId, StackId, chain::WorkerPool, run::RunState};
use serde_json::json;
use simulator::{
    Account, CommitSeed, Control, DependencySeed, Fault, FaultKind, JournalEvent, ReferenceSeed,
    Settings, Simulator, SpaceSeed, StackSeed, WorkerPoolSeed,
};

use super::{
    listener::{Listener, Reply, token},
    options_for, simulated,
};
use crate::{Client, Dependency, Error, Options, PolicyShape, Reference, Stack, TriggerPolicy};

fn many_stacks(count: usize) -> Vec<StackSeed> {
    (0..count).map(|number| StackSeed::new(&format!("stack-{number:03}"))).collect()
}

fn exchanges(control: &Control) -> usize {
    let journal = control.journal(0);
    journal
        .iter()
        .filter(|entry| match &entry.event {
            JournalEvent::Mutation(mutation) => mutation.name == "apiKeyUser",
            JournalEvent::Transition(_) => false,
        })
        .count()
}

#[tokio::test]
async fn all_stacks_are_read_however_many_pages_they_fill() {
    let (_simulator, client) = simulated(many_stacks(120)).await;
    let stacks = client.stacks().await.unwrap();
    let ids: HashSet<_> = stacks.iter().map(|stack| stack.id.as_str()).collect();
    assert_eq!((stacks.len(), ids.len()), (120, 120));
}

#[tokio::test]
async fn stacks_are_read_by_their_ids_with_one_request_for_each_page() {
    let (simulator, client) = simulated(many_stacks(120)).await;
    let all = client.stacks().await.unwrap();
    simulator.control().add_fault(Fault::always(FaultKind::MachineSession));
    let ids: Vec<StackId> = all.iter().map(|stack| stack.id.clone()).take(60).collect();
    let asked: Vec<StackId> = ids.iter().cloned().chain(["gone".into()]).collect();

    let mut found = client.stacks_of(&asked).await.unwrap();

    found.sort_by(|a, b| a.id.cmp(&b.id));
    let wanted = all.into_iter().take(60).map(|stack| Stack { state: None, ..stack });
    assert_eq!(found, wanted.collect::<Vec<_>>());
    // The first is asked for once more, without what is closed to machines.
    assert_eq!(simulator.control().calls()["stack"], 3);
    assert!(client.stacks_of(&["gone".into()]).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_audit_trail_is_read_from_its_newest_entry_back() {
    let (_simulator, client) = simulated(many_stacks(2)).await;
    let stack = |number: usize| StackId::from(format!("stack-{number:03}"));
    for number in (0..60).map(|number| number % 2) {
        client.lock(&stack(number), "mine").await.unwrap();
        client.unlock(&stack(number)).await.unwrap();
    }
    let newest = client.trail(None).await.unwrap();
    let said: Vec<_> =
        newest.entries.iter().take(3).map(|it| (&*it.action, it.entity.as_deref())).collect();
    let (one, other) = (Some("stack-001"), Some("stack-000"));
    assert_eq!(said, [("stack.unlock", one), ("stack.lock", one), ("stack.unlock", other)]);
    assert!(newest.entries.is_sorted_by(|a, b| a.at >= b.at));
    let (mut all, mut older) = (newest.entries.len(), newest.older);
    while let Some(before) = older.take() {
        let page = client.trail(Some(before)).await.unwrap();
        (all, older) = (all + page.entries.len(), page.older);
    }
    assert!(all >= 120, "{all}");
}

#[tokio::test]
async fn an_account_without_stacks_has_none() {
    let (_simulator, client) = simulated(Vec::new()).await;
    assert!(client.stacks().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stack_comes_with_what_it_depends_on() {
    let app = StackSeed {
        name: "App".into(),
        space: "prod-01".into(),
        labels: vec!["env:prod".into()],
        namespace: "acme".into(),
        repository: "infra".into(),
        branch: "trunk".into(),
        project_root: Some("stacks/app".into()),
        additional_project_globs: vec!["modules/**".into()],
        autodeploy: true,
        tracked_commit: Some(CommitSeed { hash: "a".repeat(40), ..CommitSeed::default() }),
        ..StackSeed::new("app")
    };
    let account = Account {
        spaces: vec![SpaceSeed {
            id: "prod-01".into(),
            name: "Production".into(),
            inherit_entities: true,
            labels: vec!["tier:1".into()],
            ..SpaceSeed::default()
        }],
        stacks: vec![StackSeed::new("net"), app],
        dependencies: vec![DependencySeed {
            stack: "app".into(),
            depends_on: "net".into(),
            references: vec![ReferenceSeed::new("vpc_id", "TF_VAR_vpc_id")],
            ..DependencySeed::default()
        }],
        ..Account::default()
    };
    let simulator = Simulator::start(simulator::Options::new(account)).await.unwrap();
    let client = Client::new(&options_for(&simulator)).unwrap();

    let stacks = client.stacks().await.unwrap();
    let app = stacks.iter().find(|stack| stack.id.as_str() == "app").unwrap();
    assert_eq!((app.name.as_str(), app.space.as_str()), ("App", "prod-01"));
    assert_eq!(app.full_repository(), "acme/infra");
    assert_eq!(app.branch, "trunk");
    assert_eq!(app.project_root.as_deref(), Some("stacks/app"));
    assert_eq!(app.provider, "GITHUB");
    assert_eq!(app.additional_project_globs, ["modules/**"]);
    assert_eq!(app.labels, ["env:prod"]);
    assert_eq!(app.tracked_commit, Some(CommitSha("a".repeat(40))));
    assert!(app.autodeploy && !app.is_disabled && !app.administrative);
    assert_eq!((&app.locked_by, &app.state), (&None, &Some(RunState::None)));
    let reference =
        Reference { output: "vpc_id".into(), input: "TF_VAR_vpc_id".into(), trigger_always: false };
    assert_eq!(
        app.depends_on,
        [Dependency { on: "net".into(), trigger_always: false, references: vec![reference] }]
    );
    let net = stacks.iter().find(|stack| stack.id.as_str() == "net").unwrap();
    assert!(net.depends_on.is_empty() && net.project_root.is_none());

    let spaces = client.spaces().await.unwrap();
    let production = spaces.iter().find(|space| space.id.as_str() == "prod-01").unwrap();
    assert_eq!(production.name, "Production");
    assert_eq!(production.parent, Some(SpaceId::from("root")));
    assert!(production.inherits);
    assert_eq!(production.labels, ["tier:1"]);
    assert!(spaces.iter().any(|space| space.id.as_str() == "root" && space.parent.is_none()));
}

#[tokio::test]
async fn a_machine_key_reads_the_stacks_without_their_states() {
    let (simulator, client) = simulated(many_stacks(60)).await;
    simulator.control().add_fault(Fault::always(FaultKind::MachineSession));
    let stacks = client.stacks().await.unwrap();
    assert_eq!(stacks.len(), 60);
    assert!(stacks.iter().all(|stack| stack.state.is_none()));
}

#[tokio::test]
async fn a_stack_comes_with_its_worker_pool_and_what_gives_it_its_rights() {
    let app = StackSeed {
        worker_pool: Some("01POOL".into()),
        aws_integrations: vec!["production".into()],
        ..StackSeed::new("app")
    };
    let pool = WorkerPoolSeed { id: "01POOL".into(), name: "EU".into(), ..Default::default() };
    let stacks = vec![app, StackSeed::new("net")];
    let account = Account { stacks, worker_pools: vec![pool], ..Account::default() };
    let simulator = Simulator::start(simulator::Options::new(account)).await.unwrap();
    let client = Client::new(&options_for(&simulator)).unwrap();

    let stacks = client.stacks().await.unwrap();
    let of = |id: &str| stacks.iter().find(|stack| stack.id.as_str() == id).unwrap();
    let own = WorkerPool { id: "01POOL".into(), name: "EU".into() };
    assert_eq!((&of("app").worker_pool, &of("net").worker_pool), (&own, &WorkerPool::public()));
    assert_eq!(of("app").cloud_integrations, ["production"]);
    assert!(of("net").cloud_integrations.is_empty());
}

#[tokio::test]
async fn who_may_not_see_integrations_sees_the_stacks_all_the_same_and_asks_no_more() {
    let closed = Reply::Text(
        r#"{"data": {"searchStacks": null}, "errors": [{"message": "unauthorized",
            "path": ["searchStacks", "edges", 0, "node", "attachedAwsIntegrations"]}]}"#,
    );
    let unknown = Reply::Error("Cannot query field \"attachedAwsIntegrations\" on type \"Stack\".");
    for refused in [closed, unknown] {
        let listener = Listener::start(move |request, _| match request.operation.as_str() {
            "ExchangeApiKey" => token("jwt"),
            _ if request.variables["withIntegrations"] == true => refused.clone(),
            _ => Reply::Data(json!({ "searchStacks": {
                "edges": [], "pageInfo": { "endCursor": null, "hasNextPage": false },
            } })),
        })
        .await;
        let client = super::client(&listener.address);
        for _ in 0..2 {
            assert!(client.stacks().await.unwrap().is_empty());
        }
        let asked = listener.requests().into_iter().filter(|it| it.operation == "ListStacks");
        let with: Vec<bool> = asked.map(|it| it.variables["withIntegrations"] == true).collect();
        assert_eq!(with, [true, false, false]);
    }
}

#[tokio::test]
async fn we_know_who_we_are() {
    let (simulator, client) = simulated(Vec::new()).await;
    let id = simulator.api_key().id;
    assert_eq!(client.who_am_i().await.unwrap().id, id);
    assert_eq!(client.actor(), format!("api::{id}"));
}

#[tokio::test]
async fn a_wrong_secret_is_unauthorized() {
    let (simulator, _) = simulated(Vec::new()).await;
    let options = Options { api_key_secret: "wrong".into(), ..options_for(&simulator) };
    let client = Client::new(&options).unwrap();
    assert!(matches!(client.who_am_i().await, Err(Error::Unauthorized)));
    assert!(matches!(client.stacks().await, Err(Error::Unauthorized)));
}

#[tokio::test]
async fn a_crowd_shares_a_token_and_when_it_expires_the_next_one() {
    let (simulator, client) = simulated(Vec::new()).await;
    let control = simulator.control();
    for expected in [1, 2, 3] {
        let crowd = (0..40).map(|_| client.spaces());
        for spaces in futures::future::join_all(crowd).await {
            assert_eq!(spaces.unwrap().len(), 1);
        }
        assert_eq!(exchanges(&control), expected);
        control.expire_tokens();
    }
}

#[tokio::test]
async fn a_token_that_ends_soon_is_replaced_before_it_ends() {
    let (simulator, client) = simulated(Vec::new()).await;
    let control = simulator.control();
    control.set_settings(Settings { token_lifetime_s: 20, ..control.settings() });
    client.spaces().await.unwrap();
    control.set_settings(Settings { token_lifetime_s: 3_600, ..control.settings() });
    client.spaces().await.unwrap();
    client.spaces().await.unwrap();
    assert_eq!(exchanges(&control), 2);
}

#[tokio::test]
async fn policies_that_trigger_runs_are_found_with_the_stacks_they_are_attached_to() {
    let mut stacks = many_stacks(60);
    stacks[3].labels.push("follow".to_owned());
    stacks[57].labels.push("follow".to_owned());
    let (_simulator, client) = simulated(stacks).await;
    assert_eq!(client.trigger_policies().await.unwrap(), []);
    for kind in ["TRIGGER", "PLAN"] {
        let shape = PolicyShape {
            name: format!("after {kind}"),
            kind: kind.to_owned(),
            body: "package spacelift".to_owned(),
            labels: vec!["autoattach:follow".to_owned()],
            space: "root".into(),
            description: String::new(),
        };
        client.create_policy(&shape).await.unwrap();
    }
    let stacks = vec!["stack-003".into(), "stack-057".into()];
    let found = TriggerPolicy { name: "after TRIGGER".to_owned(), stacks };
    assert_eq!(client.trigger_policies().await.unwrap(), [found]);
}

#[tokio::test]
async fn policies_that_trigger_runs_are_not_said_to_be_all_where_the_next_page_is_not_named() {
    let listener = Listener::start(|request, _| match request.operation.as_str() {
        "ExchangeApiKey" => token("jwt"),
        "ListPolicies" => Reply::Data(json!({ "policies": [{
            "id": "after", "name": "after", "type": "TRIGGER", "body": "", "labels": [],
            "description": null, "space": "root",
        }] })),
        _ => Reply::Data(json!({ "searchStacks": {
            "edges": [], "pageInfo": { "endCursor": null, "hasNextPage": true },
        } })),
    })
    .await;
    let found = super::client(&listener.address).trigger_policies().await;
    assert!(matches!(found, Err(Error::Garbled { .. })), "{found:?}");
}

#[tokio::test]
async fn what_else_is_chosen_for_a_stack_comes_with_it() {
    let pulumi = simulator::VendorConfig::Pulumi(simulator::StackConfigVendorPulumi::default());
    let terragrunt = simulator::StackConfigVendorTerragrunt {
        terragrunt_version: Some("0.80.2".into()),
        ..simulator::StackConfigVendorTerragrunt::default()
    };
    let described = StackSeed {
        description: Some("The network".into()),
        protect_from_deletion: true,
        runner_image: Some("acme/runner".into()),
        vendor: simulator::VendorConfig::Terragrunt(terragrunt),
        ..StackSeed::new("net")
    };
    let (_simulator, client) =
        simulated(vec![described, StackSeed { vendor: pulumi, ..StackSeed::new("other") }]).await;
    let stacks = client.stacks().await.unwrap();
    let settings = stacks.iter().map(|stack| stack.settings.clone().unwrap());
    let wanted = [
        crate::StackSettings {
            description: Some("The network".into()),
            protect_from_deletion: true,
            runner_image: Some("acme/runner".into()),
            tool: Some("terragrunt"),
            tool_version: Some("0.80.2".into()),
        },
        crate::StackSettings::default(),
    ];
    assert_eq!(settings.collect::<Vec<_>>(), wanted);
}
