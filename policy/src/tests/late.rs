//! Words that come after what the same person said later.

use chrono::{DateTime, TimeDelta};

use super::*;

const ONE: &str = "policy \"people\" {\n approval { min_approvers = 1 }\n}";

fn said(word: &str, seconds_ago: i64) -> Value {
    json!({
        "id": Uuid::new_v4(),
        "gate": prod(Moment::BeforeApply).gate,
        "approve": word == "approve",
        "withdraw": word == "withdraw",
        "by": "grace",
        "said_at": Utc::now() - TimeDelta::seconds(seconds_ago),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_was_taken_back_before_it_came_does_not_count() {
    let mut running = Running::start(ONE).await;
    let mut decisions = running.decisions().await;
    running.request(&prod(Moment::BeforeApply)).await;
    next(&mut decisions).await;

    let back = said("withdraw", 5);
    for _ in 0..2 {
        let nothing = running.review(back.clone()).await.unwrap_err();
        assert_eq!(nothing.code, "nothing_said", "she hears that nothing came of it: {nothing}");
    }
    let late = running.review(said("approve", 10)).await.unwrap_err();
    assert_eq!(late.code, "said_since", "{late}");
    let held = running.ask("gates", json!({ "open_only": true })).await.unwrap();
    assert_eq!(held["gates"][0]["approvals"][0]["given"], json!([]));

    // A clock that is ahead makes nothing later than now.
    let passed = running.review(said("approve", -3_600)).await.unwrap();
    assert_eq!(passed["outcome"], "pass");
    let taken = passed["reviews"].as_array().unwrap().last().unwrap();
    assert!(serde_json::from_value::<DateTime<Utc>>(taken["at"].clone()).unwrap() <= Utc::now());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_about_a_commit_that_was_taken_back_before_it_came_does_not_count() {
    let mut running = Running::start(ONE).await;
    let mut decisions = running.decisions().await;
    // Its stack applies by itself, so that the code is approved with the plan.
    let mut asked = prod(Moment::BeforePlan);
    asked.stacks[0].autodeploy = true;
    for (word, seconds_ago) in [("withdraw", 5), ("approve", 10)] {
        let mut said = said(word, seconds_ago);
        said["repository"] = json!(asked.change.repository);
        said["pull_request"] = json!(7);
        said["commit"] = json!(asked.change.commit);
        let kept = running.bus.request(&subject::command("commit.review"), &said).await.unwrap();
        kept.unwrap();
    }
    running.request(&asked).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    running.stop().await;
}
