//! Dependencies made, changed and removed over GraphQL.

use serde_json::{Value, json};

use crate::client::{Client, account};

const CREATE: &str = "mutation($input:StackDependencyInput!){stackDependencyCreate(input:$input){id \
referenceCount triggerAlways stack{id name space{id name accessLevel}} dependsOnStack{id}}}";

async fn create(client: &Client, stack: &str, depends_on: &str) -> Value {
    client.ask(CREATE, json!({"input": {"stackId": stack, "dependsOnStackId": depends_on}})).await
}

#[tokio::test]
async fn edges_are_created_updated_and_deleted() {
    let client = Client::start(account(&["a", "b"])).await;
    let made = create(&client, "b", "a").await;
    let edge = &made["data"]["stackDependencyCreate"];
    assert_eq!(
        edge["stack"]["space"],
        json!({"id": "root", "name": "root", "accessLevel": "ADMIN"})
    );
    assert_eq!((&edge["referenceCount"], &edge["triggerAlways"]), (&json!(0), &json!(false)));

    let data = client
        .data(
            "mutation($input:StackDependencyUpdateInput!){stackDependencyUpdate(input:$input){\
             triggerAlways}}",
            json!({"input": {"id": edge["id"], "triggerAlways": true}}),
        )
        .await;
    assert_eq!(data["stackDependencyUpdate"]["triggerAlways"], true);

    let delete = "mutation($id:ID!){stackDependencyDelete(id:$id){id}}";
    client.data(delete, json!({"id": edge["id"]})).await;
    let error = client.error(delete, json!({"id": edge["id"]})).await;
    assert!(error.ends_with("not found"), "{error}");
}

#[tokio::test]
async fn cycles_doubles_and_unknown_stacks_are_refused() {
    let client = Client::start(account(&["a", "b"])).await;
    create(&client, "b", "a").await;
    let message = |answer: Value| answer["errors"][0]["message"].as_str().unwrap().to_owned();
    let cycle = message(create(&client, "a", "b").await);
    assert!(cycle.contains("cycle a -> b -> a"), "{cycle}");
    let double = message(create(&client, "b", "a").await);
    assert_eq!(double, "stack b already depends on stack a");
    let unknown = message(create(&client, "a", "x").await);
    assert_eq!(
        unknown,
        "could not create stack dependency: dependency stack x not found: stack x not found"
    );
}

#[tokio::test]
async fn a_batch_is_created_whole_or_not_at_all() {
    let client = Client::start(account(&["a", "b", "c"])).await;
    let batch = "mutation($input:StackDependencyBatchInput!){stackDependenciesCreateInBatch(input:\
        $input){id dependsOnStackId}}";
    client.error(batch, json!({"input": {"stackID": "c", "dependsOnStackIDs": ["a", "x"]}})).await;
    let data = client.data("{stack(id:\"c\"){dependsOn{id}}}", json!({})).await;
    assert_eq!(data["stack"]["dependsOn"], json!([]));
    let data = client
        .data(batch, json!({"input": {"stackID": "c", "dependsOnStackIDs": ["a", "b"]}}))
        .await;
    let parents: Vec<&Value> = data["stackDependenciesCreateInBatch"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| &edge["dependsOnStackId"])
        .collect();
    assert_eq!(parents, ["a", "b"]);
}

#[tokio::test]
async fn references_are_added_changed_found_and_removed() {
    let client = Client::start(account(&["a", "b"])).await;
    let made = create(&client, "b", "a").await;
    let edge = &made["data"]["stackDependencyCreate"]["id"];
    let reference = |output: &str, input: &str| {
        json!({"outputName": output, "inputName": input, "type": "ENVIRONMENT_VARIABLE",
            "triggerAlways": false})
    };
    let add = "mutation($edge:ID!$references:[StackDependencyReferenceInput!]!){\
        stackDependenciesAddReferences(stackDependencyID:$edge,references:$references){id inputName \
        outputName type triggerAlways}}";

    let data = client
        .data(add, json!({"edge": edge, "references": [reference("x", "X"), reference("y", "Y")]}))
        .await;
    let added = &data["stackDependenciesAddReferences"];
    assert_eq!(added[1]["type"], "ENVIRONMENT_VARIABLE");
    let double =
        client.error(add, json!({"edge": edge, "references": [reference("z", "X")]})).await;
    assert_eq!(double, "input X is already referenced");

    client
        .data(
            "mutation($reference:StackDependencyReferenceUpdateInput!){\
             stackDependenciesUpdateReference(reference:$reference){id}}",
            json!({"reference": {"id": added[0]["id"], "outputName": "new", "inputName": "X",
                "triggerAlways": true}}),
        )
        .await;
    client
        .data(
            "mutation($ids:[ID!]!){stackDependenciesDeleteReferences(ids:$ids){id}}",
            json!({"ids": [added[1]["id"]]}),
        )
        .await;
    let data = client
        .data(
            "{stack(id:\"b\"){dependency(dependsOnStackId:\"a\"){referenceCount reference(inputName:\
             \"X\"){outputName triggerAlways}}}}",
            json!({}),
        )
        .await;
    assert_eq!(
        data["stack"]["dependency"],
        json!({"referenceCount": 1, "reference": {"outputName": "new", "triggerAlways": true}})
    );
}

#[tokio::test]
async fn a_stack_others_depend_on_cannot_be_deleted() {
    let client = Client::start(account(&["a", "b"])).await;
    create(&client, "b", "a").await;
    let delete = "mutation($id:ID!){stackDelete(id:$id){id}}";
    assert_eq!(
        client.error(delete, json!({"id": "a"})).await,
        "can't delete stack when it has dependencies; please delete them first"
    );
    client.data(delete, json!({"id": "b"})).await;
    client.data(delete, json!({"id": "a"})).await;
}
