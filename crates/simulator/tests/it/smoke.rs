//! One run from its trigger to its end.

use serde_json::json;
use simulator::RunState;

use crate::client::{Client, account};

#[tokio::test]
async fn a_run_goes_from_its_trigger_over_its_confirmation_to_its_end() {
    let client = Client::start(account(&["net"])).await;

    let run = client.trigger("net", "TRACKED").await;
    assert_eq!(client.state(&run), RunState::Unconfirmed);
    client.act("runConfirm", "net", &run).await;

    assert_eq!(client.state(&run), RunState::Finished);
    let data = client
        .data(
            "query($run:ID!$stack:ID!){stack(id: $stack){state run(id: $run){state finished \
             history{state stateVersion}}}}",
            json!({"stack": "net", "run": run}),
        )
        .await;
    assert_eq!(data["stack"]["state"], "FINISHED");
    assert_eq!(data["stack"]["run"]["history"][0]["state"], "FINISHED");
    client.simulator.stop().await;
}
