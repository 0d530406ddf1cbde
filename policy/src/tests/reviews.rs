//! What is said at a host about a commit, and then about each of its open gates, under one id.

use super::*;

const COUNTED: &str = r#"
rego "count" {
  file  = "count.rego"
  match { moment = "before_apply" }
}
"#;
const COUNT: &str = "package spacelift\nimport rego.v1\n\
                     approve if count(input.reviews.current.approvals) > 0\n\
                     reject if count(input.reviews.current.rejections) > 1\n";

impl Running {
    /// Says something as ingest does it: about the commit, and then about the gate.
    async fn says(&self, asked: &GateRequested, by: &str, word: Value, until: &str) -> Value {
        let id = Uuid::new_v4();
        let mut said = json!({
            "id": id, "repository": "acme/infra", "pull_request": 7, "by": by,
            "commit": asked.change.commit, "approve": false,
        });
        said.as_object_mut().unwrap().extend(word.as_object().unwrap().clone());
        self.bus.request(&subject::command("commit.review"), &said).await.unwrap().unwrap();
        self.until_heard(asked.gate, by, until).await;
        said["gate"] = json!(asked.gate);
        self.review(said).await.unwrap()
    }

    async fn until_heard(&self, gate: GateId, by: &str, word: &str) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let heard = async {
            loop {
                let found = self.ask("gates", json!({ "gate": gate })).await.unwrap();
                let reviews = found["gates"][0]["reviews"].as_array().unwrap().clone();
                if reviews.iter().any(|it| it["by"] == by && it["word"] == word) {
                    return;
                }
                ticks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), heard).await.expect("it is heard");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_for_changes_and_approves_then_counts_at_a_gate_that_shows_a_plan() {
    let mut running = Running::start("").await;
    running.stop().await;
    fs::write(running.folder.path().join("count.rego"), COUNT).unwrap();
    fs::write(running.folder.path().join("a.hcl"), COUNTED).unwrap();
    running.start_again().await;
    let mut decisions = running.decisions().await;
    let asked = prod(Moment::BeforeApply);
    running.request(&asked).await;
    let held = next(&mut decisions).await;
    assert!(matches!(held.outcome, Outcome::HoldForApprovals { .. }), "{held:?}");
    running.says(&asked, "ben", json!({}), "reject").await;
    let shown = running.says(&asked, "ben", json!({ "withdraw": true }), "withdraw").await;
    assert_eq!(shown["reviews"].as_array().unwrap().len(), 2, "taken back once: {shown:#}");
    let shown = running.says(&asked, "ann", json!({}), "reject").await;
    assert_eq!(shown["outcome"], "hold_for_approvals", "{shown:#}");
    let shown = running.says(&asked, "ann", json!({ "approve": true }), "withdraw").await;
    assert_eq!(shown["outcome"], "pass", "{shown:#}");
    running.stop().await;
}
