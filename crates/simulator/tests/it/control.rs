//! The control endpoints, the clock and the journal.

use serde_json::{Value, json};
use simulator::{JournalEvent, Pace, RunState, Simulator, StackSeed};

use crate::client::{Client, PATIENCE, account};

async fn call(client: &Client, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/control{path}", client.simulator.url());
    let response = client.http.request(method, url).json(&body).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[tokio::test]
async fn the_journal_tells_a_mutation_before_what_follows_from_it() {
    let client = Client::start(account(&["net"])).await;
    let start = client.simulator.control().journal(0).last().unwrap().number;
    let run = client.trigger("net", "TRACKED").await;

    let url = format!("/journal?after={start}&limit=3");
    let (_, page) = call(&client, reqwest::Method::GET, &url, json!({})).await;

    let entries = page["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(page["last"], start + 3);
    assert_eq!(entries[0]["kind"], "mutation");
    assert_eq!(entries[0]["name"], "runTrigger");
    assert_eq!(entries[0]["args"]["stack"], "net");
    assert_eq!(entries[0]["accepted"], true);
    assert_eq!(entries[0]["answered"], true);
    assert_eq!(entries[0]["run"], run.as_str());
    let steps: Vec<(&Value, &Value)> =
        entries[1..].iter().map(|e| (&e["from"], &e["to"])).collect();
    assert_eq!(steps, [(&Value::Null, &json!("QUEUED")), (&json!("QUEUED"), &json!("READY"))]);
    assert_eq!(entries[1]["triggered_by"], format!("api::{}", client.simulator.api_key().id));
}

#[tokio::test]
async fn requests_are_counted_by_what_each_asks_first() {
    let client = Client::start(account(&["net"])).await;
    client.trigger("net", "TRACKED").await;
    client.error("mutation{runTrigger(stack:\"nowhere\"){id}}", json!({})).await;

    let (_, calls) = call(&client, reqwest::Method::GET, "/calls", json!({})).await;

    assert_eq!(calls["runTrigger"], 2);
    assert_eq!(client.simulator.control().calls()["apiKeyUser"], 1);
}

#[tokio::test]
async fn a_refused_mutation_is_in_the_journal_with_its_reason() {
    let client = Client::start(account(&["net"])).await;
    client.error("mutation{runTrigger(stack:\"nowhere\"){id}}", json!({})).await;
    let JournalEvent::Mutation(record) = client.simulator.control().journal(0).pop().unwrap().event
    else {
        panic!("the last line is the mutation");
    };
    assert_eq!(
        (record.accepted, record.error.as_deref()),
        (false, Some("stack nowhere not found"))
    );
}

#[tokio::test]
async fn secrets_are_in_no_line_of_the_journal() {
    let client = Client::start(account(&["net"])).await;
    let config = json!({"config": {"id": "A", "type": "ENVIRONMENT_VARIABLE", "value": "hush-hush",
        "writeOnly": true}});
    client
        .data(
            "mutation($config:ConfigInput!){stackConfigAdd(stack:\"net\",config:$config){id}}",
            config,
        )
        .await;
    let journal = serde_json::to_string(&client.simulator.control().journal(0)).unwrap();
    assert!(journal.contains("apiKeyUser"));
    assert!(!journal.contains(&client.simulator.api_key().secret));
    assert!(!journal.contains("hush-hush"));
}

#[tokio::test]
async fn a_reset_forgets_lines_and_keeps_counting() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    client.trigger("net", "TRACKED").await;
    let last = control.journal(0).last().unwrap().number;
    let (status, _) = call(&client, reqwest::Method::DELETE, "/journal", json!({})).await;
    assert_eq!((status, control.journal(0).len()), (204, 0));
    client.trigger("net", "PROPOSED").await;
    assert_eq!(control.journal(0)[0].number, last + 1);
    assert_eq!(control.journal(last).len(), control.journal(0).len());
}

#[tokio::test]
async fn time_stands_still_until_it_is_pushed_on() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    control.set_account_pace(Pace { planning_ms: 60_000, ..Pace::zero() });
    call(&client, reqwest::Method::POST, "/time", json!({"paused": true})).await;
    let run = client.trigger("net", "TRACKED").await;
    assert_eq!(client.state(&run), RunState::Queued);

    call(&client, reqwest::Method::POST, "/time", json!({"advance_ms": 59_999})).await;
    assert_eq!(client.state(&run), RunState::Planning);
    call(&client, reqwest::Method::POST, "/time", json!({"advance_ms": 1})).await;
    assert_eq!(client.state(&run), RunState::Unconfirmed);

    call(&client, reqwest::Method::POST, "/time", json!({"paused": false})).await;
    control.set_account_pace(Pace::zero());
    let proposed = client.trigger("net", "PROPOSED").await;
    assert_eq!(client.state(&proposed), RunState::Finished);
}

#[tokio::test]
async fn stacks_dependencies_and_runs_come_and_go() {
    let client = Client::start(account(&["net"])).await;
    let (status, _) =
        call(&client, reqwest::Method::POST, "/stacks", json!({"id": "app", "autodeploy": true}))
            .await;
    assert_eq!(status, 201);
    let edge = json!({"stack": "app", "depends_on": "net"});
    let (status, made) = call(&client, reqwest::Method::POST, "/dependencies", edge.clone()).await;
    assert_eq!(status, 201);
    let (status, refused) = call(&client, reqwest::Method::POST, "/dependencies", edge).await;
    assert_eq!((status, &refused["code"]), (409, &json!("refused")));
    let (status, _) = call(&client, reqwest::Method::DELETE, "/stacks/net", json!({})).await;
    assert_eq!(status, 409, "somebody depends on it");

    let run = client.trigger("app", "TRACKED").await;
    let (_, view) = call(&client, reqwest::Method::GET, &format!("/runs/{run}"), json!({})).await;
    assert_eq!(view["state"], "FINISHED");
    call(&client, reqwest::Method::DELETE, &format!("/runs/{run}"), json!({})).await;
    let (status, _) = call(&client, reqwest::Method::GET, &format!("/runs/{run}"), json!({})).await;
    assert_eq!(status, 404);

    let path = format!("/dependencies/{}", made["id"].as_str().unwrap());
    assert_eq!(call(&client, reqwest::Method::DELETE, &path, json!({})).await.0, 204);
    for stack in ["app", "net"] {
        let path = format!("/stacks/{stack}");
        assert_eq!(call(&client, reqwest::Method::DELETE, &path, json!({})).await.0, 204);
        assert_eq!(call(&client, reqwest::Method::GET, &path, json!({})).await.0, 404);
    }
}

#[tokio::test]
async fn deleting_the_run_that_holds_a_stack_frees_it() {
    let client = Client::start(account(&["net"])).await;
    let first = client.trigger("net", "TRACKED").await;
    let second = client.trigger("net", "TRACKED").await;
    client.simulator.control().delete_run(&first).unwrap();
    assert_eq!(client.state(&second), RunState::Unconfirmed);
}

#[tokio::test]
async fn a_stack_is_patched_over_http() {
    let client = Client::start(account(&["net"])).await;
    let patch = json!({"plan": {"result": "fail_planning"}, "autodeploy": true,
        "pace": {"planning_ms": 5}, "approvals": {"queued": 1}});
    assert_eq!(call(&client, reqwest::Method::PATCH, "/stacks/net", patch).await.0, 204);
    let (_, view) = call(&client, reqwest::Method::GET, "/stacks/net", json!({})).await;
    assert_eq!(view["behaviour"]["plan"], json!({"result": "fail_planning"}));
    assert_eq!(view["behaviour"]["pace"]["planning_ms"], 5);
    assert_eq!(view["autodeploy"], true);
    let wrong = json!({"plann": {}});
    assert_eq!(call(&client, reqwest::Method::PATCH, "/stacks/net", wrong).await.0, 422);
}

#[tokio::test]
async fn settings_are_read_and_written() {
    let client = Client::start(account(&[])).await;
    let (_, settings) = call(&client, reqwest::Method::GET, "/settings", json!({})).await;
    assert_eq!(settings["skipped_parent_passes"], true);
    call(&client, reqwest::Method::POST, "/settings", json!({"skipped_parent_passes": false}))
        .await;
    assert!(!client.simulator.control().settings().skipped_parent_passes);
}

#[tokio::test]
async fn waiting_in_vain_says_what_came_last() {
    let client = Client::start(account(&["net"])).await;
    client.trigger("net", "TRACKED").await;
    let patience = std::time::Duration::from_millis(30);
    let waiting = client.simulator.control();
    let error = waiting.wait_for_entry(0, patience, |_| false).await.unwrap_err();
    assert!(error.to_string().contains("UNCONFIRMED"), "{error}");
}

#[tokio::test]
async fn a_stopped_simulator_answers_nobody_and_frees_its_port() {
    let client = Client::start(account(&["net"])).await;
    let url = client.simulator.url();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    client.data("{viewer{id}}", json!({})).await;
    let http = client.http.clone();

    tokio::time::timeout(PATIENCE, client.simulator.stop()).await.unwrap();

    assert!(http.get(&url).send().await.is_err());
    let mut options = simulator::Options::new(account(&["other"]));
    options.listen = address;
    let again = Simulator::start(options).await.unwrap();
    assert!(again.control().stack("other").is_some());
}

#[tokio::test]
async fn tokens_and_links_are_for_the_public_url() {
    let mut options = simulator::Options::new(account(&["net"]));
    options.listen = "127.0.0.1:0".parse().unwrap();
    options.public_url = Some("https://spacelift.example/".into());
    let simulator = Simulator::start(options).await.unwrap();
    assert_eq!(simulator.url(), "https://spacelift.example");
}

#[tokio::test]
async fn an_account_that_contradicts_itself_does_not_start() {
    let mut wrong = account(&["net", "net"]);
    let error = Simulator::start(simulator::Options::new(wrong.clone())).await.unwrap_err();
    assert_eq!(error.to_string(), "the account is not consistent: stack net already exists");
    wrong.stacks = vec![StackSeed { space: "nowhere".into(), ..StackSeed::new("net") }];
    let error = Simulator::start(simulator::Options::new(wrong)).await.unwrap_err();
    assert_eq!(error.to_string(), "the account is not consistent: space nowhere not found");
}

#[tokio::test]
async fn an_account_is_seeded_from_json() {
    let seed = json!({
        "name": "acme",
        "spaces": [{"id": "apps-1", "name": "apps"}],
        "stacks": [{"id": "net", "outputs": {"vpc": {"value": "vpc-1"}}},
            {"id": "app", "space": "apps-1", "vendor": {"vendor": "ansible", "playbook": "site.yml"}}],
        "dependencies": [{"stack": "app", "depends_on": "net",
            "references": [{"output": "vpc", "input": "TF_VAR_vpc"}]}],
    });
    let client = Client::start(serde_json::from_value(seed).unwrap()).await;
    let data = client
        .data("{stack(id:\"app\"){vendorConfig{__typename} dependsOn{referenceCount}}}", json!({}))
        .await;
    assert_eq!(
        data["stack"],
        json!({"vendorConfig": {"__typename": "StackConfigVendorAnsible"},
            "dependsOn": [{"referenceCount": 1}]})
    );
}

#[tokio::test]
async fn what_is_no_json_and_what_is_no_graphql_gets_an_answer() {
    let client = Client::start(account(&[])).await;
    let url = format!("{}/graphql", client.simulator.url());
    let answer = client.http.post(&url).body("not json").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let answer = client.ask("query {", json!({})).await;
    assert!(answer["errors"][0]["message"].is_string(), "{answer}");
}
