//! Pages of fifty, however many are asked for.

use serde_json::{Value, json};
use simulator::{Account, PlanResult, RunState, StackSeed};

use crate::client::{Client, account};

fn many(count: usize) -> Account {
    Account {
        stacks: (0..count).map(|n| StackSeed::new(&format!("stack-{n:03}"))).collect(),
        ..Account::default()
    }
}

#[tokio::test]
async fn stacks_come_fifty_at_a_time_each_once() {
    let client = Client::start(many(120)).await;
    let mut found: Vec<String> = Vec::new();
    let mut sizes = Vec::new();
    let mut after = Value::Null;
    loop {
        let data = client
            .data(
                "query($input:SearchInput!){searchStacks(input:$input){edges{cursor node{id}} \
                 pageInfo{endCursor hasNextPage}}}",
                json!({"input": {"first": 100, "after": after}}),
            )
            .await;
        let edges = data["searchStacks"]["edges"].as_array().unwrap();
        sizes.push(edges.len());
        found.extend(edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned()));
        let info = &data["searchStacks"]["pageInfo"];
        if info["hasNextPage"] == false {
            break;
        }
        after = info["endCursor"].clone();
    }
    assert_eq!(sizes, [50, 50, 20]);
    let mut distinct = found.clone();
    distinct.dedup();
    assert_eq!((distinct.len(), distinct), (120, found));
}

#[tokio::test]
async fn runs_of_a_stack_come_fifty_at_a_time_newest_first_until_an_empty_page() {
    let client = Client::start(account(&["net"])).await;
    client.simulator.control().set_plan("net", PlanResult::NoChanges).unwrap();
    let mut triggered = Vec::new();
    for _ in 0..103 {
        triggered.push(client.trigger("net", "TRACKED").await);
    }
    triggered.reverse();

    let (mut found, mut sizes, mut before) = (Vec::new(), Vec::new(), Value::Null);
    loop {
        let data = client
            .data(
                "query($before:ID){stack(id:\"net\"){runs(before:$before){id}}}",
                json!({"before": before}),
            )
            .await;
        let page = data["stack"]["runs"].as_array().unwrap();
        sizes.push(page.len());
        let Some(last) = page.last() else { break };
        before = last["id"].clone();
        found.extend(page.iter().map(|run| run["id"].as_str().unwrap().to_owned()));
    }

    assert_eq!(sizes, [50, 50, 3, 0]);
    assert_eq!(found, triggered);
}

#[tokio::test]
async fn runs_of_the_account_are_found_by_their_state_newest_first() {
    let client = Client::start(many(60)).await;
    for n in 0..60 {
        client.trigger(&format!("stack-{n:03}"), "TRACKED").await;
    }
    client.act("runConfirm", "stack-059", &client.newest("stack-059").id).await;
    let document = "query($input:SearchInput!){searchRuns(input:$input){edges{cursor node{run{id state} \
        stack{id} isModule}} pageInfo{endCursor hasNextPage hasPreviousPage}}}";
    let unconfirmed = json!([{"field": "state", "constraint": {"enumEquals": ["UNCONFIRMED"]}}]);
    let order = json!([{"field": "createdAt", "direction": "DESC"}]);

    let data = client
        .strictly(
            document,
            json!({"input": {"first": 100, "predicates": unconfirmed, "orderBy": order}}),
        )
        .await;
    let first = &data["searchRuns"];
    assert_eq!(first["edges"].as_array().unwrap().len(), 50);
    assert_eq!(first["edges"][0]["node"]["stack"]["id"], "stack-058");
    let after = &first["pageInfo"]["endCursor"];
    let data = client
        .strictly(
            document,
            json!({"input": {"after": after, "predicates": unconfirmed, "orderBy": order}}),
        )
        .await;
    let second = &data["searchRuns"];
    assert_eq!(second["edges"].as_array().unwrap().len(), 9);
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
    assert_eq!(second["edges"][8]["node"]["stack"]["id"], "stack-000");

    let finished = json!([{"field": "state", "constraint": {"enumEquals": ["FINISHED"]}}]);
    let data = client.data(document, json!({"input": {"predicates": finished}})).await;
    assert_eq!(data["searchRuns"]["edges"].as_array().unwrap().len(), 1);
    assert_eq!(client.newest("stack-059").state, RunState::Finished);
}

#[tokio::test]
async fn predicates_are_joined_by_and_and_their_values_by_or() {
    let client = Client::start(simulator::sample_account()).await;
    let search = |predicates: Value| {
        let client = &client;
        async move {
            let data = client
                .data(
                    "query($input:SearchInput!){searchStacks(input:$input){edges{node{id}}}}",
                    json!({"input": {"predicates": predicates}}),
                )
                .await;
            let edges = data["searchStacks"]["edges"].as_array().unwrap();
            edges.iter().map(|e| e["node"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    };
    let label = |values: Value, exclude: bool| json!({"field": "label", "constraint": {"stringMatches": values}, "exclude": exclude});

    let found = search(json!([
        label(json!(["team:shop", "team:data"]), false),
        label(json!(["env:prod"]), false)
    ]))
    .await;
    assert_eq!(found, ["database-prod", "shop-prod"]);
    let found = search(json!([label(json!(["env:prod", "env:dev"]), true)])).await;
    assert_eq!(found, ["dns", "org", "spacelift-admin"]);
    let found = search(json!([
        {"field": "administrative", "constraint": {"booleanEquals": [true]}}]))
    .await;
    assert_eq!(found, ["spacelift-admin"]);
    let error = client
        .error(
            "{searchStacks(input:{predicates:[{field:\"space\",constraint:{stringMatches:[\"root\"]}}]})\
             {edges{node{id}}}}",
            json!({}),
        )
        .await;
    assert!(error.contains("unknown predicate field"), "{error}");
}

#[tokio::test]
async fn many_stacks_can_be_asked_for_in_one_document_by_aliases() {
    let client = Client::start(account(&["a", "b"])).await;
    let data = client
        .data("{x: stack(id:\"a\"){id} y: stack(id:\"b\"){id} z: stack(id:\"c\"){id}}", json!({}))
        .await;
    assert_eq!(data, json!({"x": {"id": "a"}, "y": {"id": "b"}, "z": null}));
}
