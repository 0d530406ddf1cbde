//! What changes in the account alone, and how little is read for it.

use simulator::StackPatch;

use super::{
    git::{CODE, repository, silent},
    *,
};

impl Running {
    /// Has the audit trail tell that something was done to a stack.
    async fn audit(&self, action: &str, entity: &str) {
        self.publish(&audited(action, Some(entity))).await;
    }

    /// How often the account was read, and how often stacks by their ids.
    fn readings(&self) -> (u64, u64) {
        let calls = self.simulator.control().calls();
        let of = |name: &str| calls.get(name).copied().unwrap_or_default();
        (of("searchStacks"), of("stack"))
    }
}

/// Kind, stack and what changed.
fn essence(event: &Envelope) -> (&str, &str, Vec<&str>) {
    let changes = event.body["changes"].as_array().into_iter().flatten();
    (&event.kind, &event.key, changes.map(|change| change["what"].as_str().unwrap()).collect())
}

#[tokio::test]
async fn what_changes_in_the_account_alone_is_told_once_and_what_was_there_at_first_is_not() {
    let mut running = Running::prepare(account()).await;
    let mut events = running.bus.tail("stackly.evt.stack.>").await.unwrap();
    running.bus.flush().await.unwrap();
    running.spawn();
    running.until("as_of is known", |status| !status["as_of"].is_null()).await;
    let control = running.simulator.control();

    let patch = StackPatch {
        name: Some("DNS".to_owned()),
        space: Some("prod-01".to_owned()),
        labels: Some(vec!["env:prod".to_owned()]),
        branch: Some("release".to_owned()),
        ..StackPatch::default()
    };
    control.patch_stack("dns", patch).unwrap();
    running.audit("stack.update", "dns").await;
    let updated = next(&mut events).await;
    let what = vec!["name", "space", "labels", "branch"];
    assert_eq!(essence(&updated), (StackUpdated::TYPE, "dns", what));
    assert_eq!(
        updated.body["changes"][1],
        json!({ "what": "space", "from": ["root"], "to": ["prod-01"] })
    );
    assert_eq!(updated.body["reason"]["code"], "account_changed");
    let text = updated.body["reason"]["text"].as_str().unwrap();
    assert!(text.starts_with("changed in Spacelift: its name from dns to DNS, "), "{text}");

    control.add_stack(seed("late")).unwrap();
    running.audit("stack.create", "late").await;
    let found = next(&mut events).await;
    assert_eq!(essence(&found), (StackRegistered::TYPE, "late", vec![]));
    control.remove_stack("late").unwrap();
    running.audit("stack.delete", "late").await;
    let gone = next(&mut events).await;
    assert_eq!(essence(&gone), (StackRetired::TYPE, "late", vec![]));
    assert_eq!(gone.body["reason"]["code"], "stack_gone");

    // Neither another process nor another look at the same tells it again.
    running.stop().await;
    running.spawn();
    running.audit("stack_dependency.create", "").await;
    control.add_stack(seed("last")).unwrap();
    running.audit("stack.create", "last").await;
    let told = [updated.id, found.id, gone.id];
    let news = async {
        loop {
            let event = next(&mut events).await;
            if !told.contains(&event.id) {
                return event;
            }
        }
    };
    assert_eq!(essence(&news.await), (StackRegistered::TYPE, "last", vec![]));
    running.stop().await;
}

#[tokio::test]
async fn many_entries_about_some_stacks_have_these_read_once_and_nothing_else() {
    let mut running = Running::prepare(account()).await;
    // Long enough for all of them to come in between two readings.
    running.config.catalogue.pause = Duration::from_secs(2);
    running.spawn();
    running.until("as_of is known", |status| !status["as_of"].is_null()).await;
    let control = running.simulator.control();
    let before = running.readings();
    for n in 0..20 {
        let labels = Some(vec![format!("round:{n}")]);
        for stack in ["app", "dns"] {
            let patch = StackPatch { labels: labels.clone(), ..StackPatch::default() };
            control.patch_stack(stack, patch).unwrap();
            running.audit("stack.update", stack).await;
        }
    }

    let last = async || running.ask("stacks", json!({ "query": "label:round:19" })).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    let both = async {
        while last().await["stacks"].as_array().unwrap().len() < 2 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.unwrap();

    let (whole, some) = running.readings();
    assert_eq!(whole, before.0, "the account was not read again");
    assert!((1..=4).contains(&(some - before.1)), "{some} readings for forty entries");
    running.stop().await;
}

#[tokio::test]
async fn an_entry_that_names_no_stack_has_the_account_read() {
    let mut running = Running::start(account()).await;
    let control = running.simulator.control();
    let before = running.readings();
    control.add_stack(seed("late")).unwrap();

    running.audit("stack.create", "01K7NOBODY").await;

    running.until("there are four stacks", |status| status["stacks"] == 4).await;
    let after = running.readings();
    assert!(after.0 > before.0 && after.1 > before.1, "{before:?} {after:?}");
    running.stop().await;
}

#[tokio::test]
async fn code_changes_the_graph_while_the_account_is_read() {
    let ((work, first), folder) = (repository(), tempfile::tempdir().unwrap());
    let mut running = Running::prepare(account()).await;
    running.mirrors(&work, &folder);
    running.config.spacelift.timeout = PATIENCE * 10;
    running.spawn();
    running.until("the code is known", |status| status["with_code"] == 3).await;
    let mut events = running.stack_events().await;
    let before = running.readings();
    let slow = FaultKind::Slow { delay_ms: 10 * 60 * 1_000 };
    running.simulator.control().add_fault(Fault::always(slow).on("searchStacks"));
    running.audit("stack_dependency.create", "").await;
    running.until("it is read again", |_| running.readings().0 > before.0).await;

    let second = work.commit(&[("dns/stackly.hcl", "stack \"dns\" {}\n"), ("dns/new.tf", CODE)]);
    running.publish(&silent(&first, &second)).await;

    let updated = next(&mut events).await;
    assert_eq!((updated.kind.as_str(), updated.key.as_str()), (StackUpdated::TYPE, "dns"));
    running.stop().await;
}

#[tokio::test]
async fn where_the_audit_trail_tells_what_changes_the_account_is_not_read_for_it() {
    let mut running = Running::prepare(account()).await;
    running.config.catalogue.refresh = Duration::from_millis(200);
    running.config.catalogue.whole = Duration::from_secs(3_600);
    let ours = spacelift::Client::new(&running.config.spacelift).unwrap();
    running.spawn();
    running.until("as_of is known", |status| !status["as_of"].is_null()).await;
    let control = running.simulator.control();
    let looks = || control.calls().get("searchAuditTrailEntries").copied().unwrap_or_default();
    let before = (running.readings(), looks());
    running.until("the trail is looked at", |_| looks() > before.1 + 2).await;
    assert_eq!(running.readings(), before.0, "nothing was changed");

    // What an API key does is in the trail; what the simulator is told to be is not.
    let label =
        |label: &str| StackPatch { labels: Some(vec![label.to_owned()]), ..StackPatch::default() };
    control.patch_stack("dns", label("round:1")).unwrap();
    ours.lock(&"dns".into(), "mine").await.unwrap();
    let found = async || running.ask("stacks", json!({ "query": "label:round:1" })).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    let seen = async {
        while found().await["stacks"].as_array().unwrap().is_empty() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
    let after = running.readings();
    assert_eq!(after.0, before.0.0, "the account was not read again");
    assert!(after.1 > before.0.1);

    // A key that may not read the trail any more reads the account, as ever.
    control.add_fault(Fault::always(FaultKind::ExpiredToken).on("searchAuditTrailEntries"));
    running.until("the account is read again", |_| running.readings().0 > after.0 + 2).await;
    control.patch_stack("dns", label("round:2")).unwrap();
    running.until("without it", |status| status["trouble"].is_null()).await;
    running.stop().await;
}

#[tokio::test]
async fn with_the_key_of_a_machine_everything_is_planned_as_with_any_other() {
    let mut running = Running::prepare(account()).await;
    running.simulator.control().add_fault(Fault::always(FaultKind::MachineSession));
    running.spawn();
    let status = running.until("the account is known", |status| status["stacks"] == 3).await;
    assert_eq!(status["edges"], 2);
    assert!(status["trouble"].is_null(), "{status:#}");
    // Stacks by their ids, too.
    running.simulator.control().add_stack(seed("late")).unwrap();
    running.audit("stack.create", "late").await;
    running.until("the stack is known", |status| status["stacks"] == 4).await;

    let mut answers = running.answers().await;
    running.publish(&push("acme/infra", &"a".repeat(40), "network/main.tf")).await;

    assert_eq!(stacks(&next(&mut answers).await), ["network", "dns", "app"]);
    running.stop().await;
}
