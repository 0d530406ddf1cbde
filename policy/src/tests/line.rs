//! The line, stopped by hand and let go on.

use contracts::policies::{PoliciesReplaced, SwitchLine};

use super::*;

impl Running {
    async fn switch(&self, body: Value) -> Result<Value, Problem> {
        self.bus.request(&subject::command(SwitchLine::TYPE), &body).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_the_line_holds_everything_until_it_goes_on_and_everyone_is_told() {
    let mut running = Running::start("").await;
    let mut decisions = running.decisions().await;
    let told = running.bus.tail(&subject::events_of(PoliciesReplaced::TYPE)).await;
    let mut told = told.unwrap();
    running.bus.flush().await.unwrap();
    let stop = json!({
        "id": Uuid::new_v4(), "stop": true, "labels": ["env:prod"], "by": "ann", "reason": "4711",
    });
    let stopped = running.switch(stop.clone()).await.unwrap();
    assert_eq!(stopped["stopped"][0]["by"], "ann");
    // The same one again is the same one.
    assert_eq!(running.switch(stop).await.unwrap()["stopped"].as_array().unwrap().len(), 1);
    let news = tokio::time::timeout(Duration::from_secs(20), told.next()).await.unwrap().unwrap();
    let news: PoliciesReplaced = serde_json::from_value(news.body).unwrap();
    assert_eq!(news.reason.text, "ann stopped the line for what is labelled env:prod: 4711");

    running.request(&prod(Moment::BeforeApply)).await;
    let held = next(&mut decisions).await;
    assert!(matches!(held.outcome, Outcome::HoldUntil { .. }), "{held:?}");
    assert_eq!(held.reasons[0].code, Code::LineStopped);
    assert!(held.reasons[0].text.contains("4711 (ann, since "), "{:?}", held.reasons);

    // It is stopped also after the service has started anew, and nobody is told again.
    running.stop().await;
    running.start_again().await;
    let policies = running.ask("policies", json!(null)).await.unwrap();
    assert_eq!(policies["policies"][0]["kind"], "stop", "{policies}");

    let other = running.switch(json!({ "stop": false, "by": "ben" })).await.unwrap_err();
    assert_eq!(other.code, "not_stopped");
    let go = json!({ "stop": false, "labels": ["env:prod"], "by": "ben", "reason": "known" });
    let gone = running.switch(go).await.unwrap();
    assert_eq!(
        (gone["stopped"].as_array().map(Vec::len), &gone["ended"][0]["ended"]["by"]),
        (Some(0), &json!("ben"))
    );
    assert_eq!(next(&mut decisions).await.outcome, Outcome::Pass);
    let news = tokio::time::timeout(Duration::from_secs(20), told.next()).await.unwrap().unwrap();
    let news: PoliciesReplaced = serde_json::from_value(news.body).unwrap();
    let wanted =
        "ben let the line go on for what is labelled env:prod: known; ann had stopped it (4711)";
    assert_eq!(news.reason.text, wanted);

    for (body, code) in [
        (json!({ "stop": true, "by": "ann" }), "reason_missing"),
        (json!({ "stop": true, "by": " ", "reason": "x" }), "reviewer_missing"),
        (json!({ "stop": 1 }), "malformed"),
    ] {
        assert_eq!(running.switch(body).await.unwrap_err().code, code);
    }
    running.stop().await;
}
