use std::collections::BTreeMap;

use contracts::{
    Code, Reason,
    chain::{ChainPlanned, EdgeOrigin},
    gate::{Moment, Outcome},
    step::StepState,
};
use simulator::OutputSeed;

use super::running::{Running, account, step};
use crate::{ChainPage, fixtures};

/// `a`, which hands its network to `net` and its zone to `dns`.
fn planned() -> ChainPlanned {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("net", &["a"]), ("dns", &["a"])];
    let mut planned = fixtures::planned(uuid::Uuid::new_v4().as_u128(), stacks);
    fixtures::alter_edges(&mut planned, |edge| {
        let output = if edge.child.as_str() == "net" { "vpc_id" } else { "zone" };
        let (file, outputs) = ("stackly.hcl".to_owned(), vec![output.to_owned()]);
        edge.origins = vec![EdgeOrigin::Declared { file, line: 3, outputs }].into();
    });
    for step in &mut planned.steps[1..] {
        step.why = Reason::new(Code::DependsOn, "depends on a");
    }
    planned
}

fn outputs(vpc: &str, zone: &str) -> BTreeMap<String, OutputSeed> {
    let token = OutputSeed { value: "{run}".into(), sensitive: true, description: None };
    [("vpc_id", vpc.into()), ("zone", zone.into()), ("token", token)]
        .map(|(name, seed)| (name.to_owned(), seed))
        .into()
}

/// A chain has run everything once, and `a` has shown these outputs.
async fn running() -> Running {
    let mut account = account(&["a", "net", "dns"]);
    account.stacks[0].outputs = outputs("\"vpc-1\"", "\"x\"");
    let running = Running::start(account).await;
    let first = running.planned(planned()).await;
    running.finished(first).await;
    running
}

fn runs(running: &Running) -> [usize; 3] {
    ["a", "net", "dns"].map(|stack| running.runs(stack))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_an_apply_that_left_the_outputs_it_reads_does_not_run() {
    let running = running().await;
    let chain = running.planned(planned()).await;
    let page = running.finished(chain).await;

    assert_eq!(runs(&running), [2, 1, 1]);
    let reason = &step(&page, "net").summary.reason;
    assert_eq!(reason.code, Code::InputsUnchanged);
    assert!(reason.text.contains("that net reads did not change: vpc_id"), "{}", reason.text);

    running.spacelift.set_outputs("a", outputs("\"vpc-1\"", "\"y\"")).unwrap();
    let chain = running.planned(planned()).await;
    running.finished(chain).await;
    assert_eq!(runs(&running), [3, 1, 2], "only who reads what changed");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_the_apply_and_the_look_at_its_outputs_spares_and_forgets_nobody() {
    let mut running = running().await;
    let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
    running.policies_say(Moment::BeforeApply, "a", hold);
    running.spacelift.set_outputs("a", outputs("\"vpc-2\"", "\"x\"")).unwrap();
    let chain = running.planned(planned()).await;
    running.until(chain, "it is held", |page| step(page, "a").summary.run.is_some()).await;
    running.policies_say(Moment::BeforeApply, "a", Outcome::Pass);
    let applies = |page: &ChainPage| {
        matches!(step(page, "a").summary.state, StepState::Applying | StepState::Finished)
    };
    running.until(chain, "it applies", applies).await;
    running.stop_service().await;
    running.spawn();

    let page = running.finished(chain).await;
    assert!(step(&page, "net").summary.run.is_some(), "its network is another");
    running.stop().await;
}
