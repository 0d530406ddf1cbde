//! Every other document spacectl sends, verbatim, and the sequence it starts with.

use serde_json::{Value, json};
use simulator::{
    Account, BlueprintSeed, DependencySeed, StackSeed, WorkerPoolSeed, sample_account,
};

use crate::client::{Client, account};

#[tokio::test]
async fn every_command_starts_with_the_same_questions() {
    let client = Client::start(sample_account()).await;

    let data = client.strictly("{debugInfo{selfHostedVersion}}", json!({})).await;
    assert_eq!(data["debugInfo"]["selfHostedVersion"], "");
    let data = client
        .strictly("query($id:ID!){stack(id: $id){id,name}}", json!({"id": "network-prod"}))
        .await;
    assert_eq!(data["stack"], json!({"id": "network-prod", "name": "network-prod"}));
    let run = client.trigger("network-prod", "PROPOSED").await;
    let data = client
        .strictly("query($runId:ID!){runStack(runId: $runId){id,name}}", json!({"runId": run}))
        .await;
    assert_eq!(data["runStack"]["id"], "network-prod");
}

#[tokio::test]
async fn a_run_nobody_knows_has_no_stack() {
    let client = Client::start(account(&["net"])).await;
    let document = "query($runId:ID!){runStack(runId: $runId){id,name}}";

    let answer = client.ask(document, json!({"runId": "01K7A0000000000000000000RN"})).await;

    assert_eq!(answer["data"], Value::Null);
    assert_eq!(answer["errors"][0]["message"], "not found");
    assert_eq!(answer["errors"][0]["path"], json!(["runStack"]));
}

#[tokio::test]
async fn inside_a_repository_stacks_are_found_by_repository_root_and_branch() {
    let client = Client::start(sample_account()).await;
    let predicate = |field: &str, values: Value| json!({"field": field, "constraint": {"stringMatches": values}, "exclude": null});

    let data = client
        .strictly(
            "query($input:SearchInput!){searchStacks(input: $input){edges{node{id,name}},pageInfo{\
             endCursor,hasNextPage,hasPreviousPage}}}",
            json!({"input": {"first": 50, "after": null, "fullTextSearch": null, "orderBy": null,
            "predicates": [
                predicate("repository", json!(["infra"])),
                predicate("projectRoot", json!(["stacks/network-prod", "stacks/network-prod/"])),
                predicate("branch", json!(["main"])),
            ]}}),
        )
        .await;

    let edges = data["searchStacks"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 1);
    assert_eq!(edges[0]["node"]["id"], "network-prod");
}

#[tokio::test]
async fn whoami_names_the_key() {
    let client = Client::start(account(&[])).await;

    let data = client.strictly("{viewer{id,name}}", json!({})).await;

    assert_eq!(data["viewer"]["id"], client.simulator.api_key().id);
}

#[tokio::test]
async fn dependencies_are_shown_in_both_directions() {
    let account = Account {
        dependencies: vec![DependencySeed {
            stack: "app".into(),
            depends_on: "net".into(),
            ..DependencySeed::default()
        }],
        ..account(&["app", "net"])
    };
    let client = Client::start(account).await;
    let document = "query($id:ID!){stack(id: $id){id,labels,space,name,dependsOn{stack{id,name},\
        dependsOnStack{id,name}},isDependedOnBy{stack{id,name},dependsOnStack{id,name}}}}";
    let edge = json!([{"stack": {"id": "app", "name": "app"},
        "dependsOnStack": {"id": "net", "name": "net"}}]);

    let data = client.strictly(document, json!({"id": "app"})).await;
    assert_eq!(
        (&data["stack"]["dependsOn"], &data["stack"]["isDependedOnBy"]),
        (&edge, &json!([]))
    );
    let data = client.strictly(document, json!({"id": "net"})).await;
    assert_eq!(
        (&data["stack"]["dependsOn"], &data["stack"]["isDependedOnBy"]),
        (&json!([]), &edge)
    );
}

#[tokio::test]
async fn the_audit_trail_lists_mutations_newest_first() {
    let client = Client::start(account(&["net"])).await;
    let run = client.trigger("net", "TRACKED").await;
    client.act("runConfirm", "net", &run).await;
    client.act("runConfirm", "net", &run).await;

    let data = client
        .strictly(
            "query($input:SearchInput!){searchAuditTrailEntries(input: $input){edges{node{id,action,\
             actor{run{id,stackId},username},affectedResource{resourceId,resourceType},body,\
             eventType,relatedResource{resourceId,resourceType},createdAt,updatedAt}},pageInfo{\
             endCursor,hasNextPage,hasPreviousPage}}}",
            json!({"input": {"first": 50, "after": null, "fullTextSearch": null,
                "predicates": null, "orderBy": {"field": "createdAt", "direction": "DESC"}}}),
        )
        .await;

    let edges = data["searchAuditTrailEntries"]["edges"].as_array().unwrap();
    let actions: Vec<&str> =
        edges.iter().map(|edge| edge["node"]["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["run.confirm", "run.trigger"], "the second confirmation was refused");
    assert_eq!(edges[0]["node"]["affectedResource"]["resourceId"], run.as_str());
}

#[tokio::test]
async fn worker_pools_and_their_workers_are_listed() {
    let pool =
        WorkerPoolSeed { id: "own".into(), name: "Own".into(), workers: 2, ..Default::default() };
    let seed = StackSeed { worker_pool: Some("own".into()), ..StackSeed::new("net") };
    let account = Account { stacks: vec![seed], worker_pools: vec![pool], ..Account::default() };
    let client = Client::start(account).await;
    let pace = simulator::Pace { planning_ms: 3_600_000, ..simulator::Pace::zero() };
    client.simulator.control().set_pace("net", pace).unwrap();
    client.trigger("net", "TRACKED").await;

    let data = client
        .strictly(
            "{workerPools{id,name,description,pendingRuns,busyWorkers,workers{id}}}",
            json!({}),
        )
        .await;
    assert_eq!(data["workerPools"][0]["busyWorkers"], 1);
    let data = client
        .strictly(
            "query($workerPool:ID!){workerPool(id: $workerPool){workers{id,busy,drained,metadata}}}",
            json!({"workerPool": "own"}),
        )
        .await;
    let workers = data["workerPool"]["workers"].as_array().unwrap();
    assert_eq!(workers.iter().filter(|worker| worker["busy"] == true).count(), 1);
}

#[tokio::test]
async fn the_queue_of_a_pool_is_listed_in_its_order() {
    let client = Client::start(account(&["a", "b"])).await;
    let pace = simulator::Pace { ready_ms: 3_600_000, ..simulator::Pace::zero() };
    client.simulator.control().set_account_pace(pace);
    client.trigger("b", "TRACKED").await;
    client.trigger("a", "TRACKED").await;

    let data = client
        .strictly(
            "query($input:SearchInput!){publicWorkerPool{searchSchedulableRuns(input: $input){edges{\
             node{stackId,run{id,createdAt,state,type,title},position}},pageInfo{endCursor,\
             hasNextPage,hasPreviousPage}}}}",
            json!({"input": {"first": 100, "after": null, "fullTextSearch": null,
                "predicates": null, "orderBy": {"field": "position", "direction": "ASC"}}}),
        )
        .await;

    let edges = data["publicWorkerPool"]["searchSchedulableRuns"]["edges"].as_array().unwrap();
    let stacks: Vec<&str> = edges.iter().map(|e| e["node"]["stackId"].as_str().unwrap()).collect();
    assert_eq!(stacks, ["b", "a"]);
}

#[tokio::test]
async fn a_blueprint_makes_a_stack() {
    let blueprint = BlueprintSeed {
        id: "service".into(),
        name: "Service".into(),
        name_input: "name".into(),
        stack: StackSeed { labels: vec!["made".into()], ..StackSeed::default() },
    };
    let account = Account { blueprints: vec![blueprint], ..Account::default() };
    let client = Client::start(account).await;

    let data = client
        .strictly(
            "mutation($id:ID!$input:BlueprintStackCreateInput!){blueprintCreateStack(id: $id, input: \
             $input){stackID}}",
            json!({"id": "service", "input": {"templateInputs": [{"id": "name", "value": "My Shop"}]}}),
        )
        .await;

    assert_eq!(data["blueprintCreateStack"]["stackID"], "my-shop");
    assert!(client.simulator.control().stack("my-shop").is_some());
}

#[tokio::test]
async fn the_schema_can_be_asked_for() {
    let mut client = Client::start(account(&[])).await;
    client.token = None;

    let data = client.data("{__schema{queryType{name} types{name}}}", json!({})).await;

    assert_eq!(data["__schema"]["queryType"]["name"], "Query");
}

#[tokio::test]
async fn a_field_nobody_knows_is_refused_in_spacelifts_words() {
    let client = Client::start(account(&["net"])).await;

    let error = client.error("{stack(id:\"net\"){nonsense}}", json!({})).await;

    assert!(error.starts_with("Cannot query field \"nonsense\" on type \"Stack\""), "{error}");
}
