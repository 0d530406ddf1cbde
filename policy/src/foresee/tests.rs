//! What is foreseen is what is decided.

use contracts::{
    ChainId, Code, List,
    chain::{ChainKind, ChainPlanned, PlannedEdges, PlannedStep},
    gate::{Moment, Outcome},
    run::Delta,
};
use uuid::Uuid;

use super::foresee;
use crate::{
    evaluate::decide,
    fixtures::{at, noon, policies, prod},
};

const POLICIES: &str = r#"
policy "prod" {
  match { environment = "prod" }
  approval { min_approvers = 2 }
  limits { max_deleted = 5 }
}
freeze "christmas" {
  match { environment = "prod" }
  dates    = ["12-20..01-02"]
  timezone = "Europe/Berlin"
  reason   = "nobody is there"
}
"#;

fn chain() -> ChainPlanned {
    let step = |name: &str, env: &str, autodeploy| PlannedStep {
        stack: name.into(),
        name: name.into(),
        space: "root".into(),
        labels: vec![format!("env:{env}").into()].into(),
        by_code: contracts::chain::CodeLabels::default(),
        autodeploy,
        on_commit: true,
        why: contracts::Reason::new(Code::Touched, "main.tf changed"),
        path: None,
        uses: contracts::chain::Uses::default(),
        limits: List::default(),
        owners: List::default(),
    };
    ChainPlanned {
        chain: ChainId(Uuid::nil()),
        kind: ChainKind::Deploy,
        change: prod(Moment::BeforeChain).change,
        steps: vec![
            step("net-dev", "dev", false),
            step("net-prod", "prod", false),
            step("app-prod", "prod", true),
        ],
        edges: PlannedEdges::default(),
        graph_version: 1,
        options: contracts::chain::ChainOptions::default(),
        action: contracts::Action::default(),
        files: None,
    }
}

#[test]
fn every_gate_of_a_chain_is_foreseen_with_its_reason() {
    let set = policies(POLICIES);
    let gates = foresee(&set, &chain(), noon());
    let told: Vec<_> = gates
        .iter()
        .map(|gate| {
            let stack = gate.stack.as_ref().map_or("all", |stack| stack.as_str());
            let passes = gate.outcome == Outcome::Pass;
            (gate.moment, stack, passes, gate.depends_on_plan)
        })
        .collect();
    use Moment::{BeforeApply, BeforeChain, BeforePlan};
    assert_eq!(
        told,
        [
            (BeforeChain, "all", true, false),
            (BeforePlan, "net-dev", true, false),
            (BeforeApply, "net-dev", true, false),
            (BeforePlan, "net-prod", true, false),
            (BeforeApply, "net-prod", false, true),
            // What would be asked before its apply is asked before its plan, which is the last.
            (BeforePlan, "app-prod", false, false),
        ]
    );
    let held = &gates[4];
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    let frozen = foresee(&set, &chain(), at("2026-12-24T12:00:00Z"));
    assert_eq!(frozen[4].outcome, Outcome::HoldUntil { until: at("2027-01-02T23:00:00Z") });
    assert!(frozen[4].reasons[0].text.contains("nobody is there"), "{}", frozen[4].reasons[0]);
    assert_eq!(frozen[2].outcome, Outcome::Pass);
}

#[test]
fn what_is_foreseen_of_an_apply_is_what_is_decided_about_a_small_plan() {
    let set = policies(POLICIES);
    let foreseen = foresee(&set, &chain(), noon());
    let mut asked = prod(Moment::BeforeApply);
    asked.delta = Some(Delta { changed: 1, ..Delta::default() });
    let decided = decide(&set, &asked, &[], noon());
    assert_eq!(decided.outcome, foreseen[4].outcome);
    let (said, told) = (&decided.reasons[0].text, &foreseen[4].reasons[0].text);
    assert_eq!(said.split("; approve").next(), told.split("; people").next());
    assert!(!told.contains("gate_"), "there is no gate yet: {told}");
}

#[test]
fn a_chain_that_is_planned_as_a_whole_is_asked_once_about_all_its_plans() {
    let set = policies(POLICIES);
    let mut whole = chain();
    whole.options.plan_all = true;
    let denied = foresee(&set, &whole, noon());
    assert_eq!(denied.len(), 1, "what applies by itself cannot be held to a plan");
    assert_eq!((denied[0].moment, &denied[0].outcome), (Moment::BeforeChain, &Outcome::Deny));
    assert_eq!(denied[0].reasons[0].code, Code::AutodeployConflict);
    assert!(denied[0].reasons[0].text.contains("app-prod"), "{}", denied[0].reasons[0]);

    whole.steps.iter_mut().for_each(|step| step.autodeploy = false);
    let gates = foresee(&set, &whole, noon());
    let applies: Vec<_> = gates.iter().filter(|it| it.moment == Moment::BeforeApply).collect();
    let [all] = applies[..] else { panic!("{applies:?}") };
    assert_eq!((&all.stack, all.depends_on_plan), (&None, true));
    assert_eq!(all.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    let plans = gates.iter().filter(|it| it.moment == Moment::BeforePlan);
    assert_eq!(plans.count(), 3, "each plan is asked about by itself");
    let preview = ChainPlanned { kind: ChainKind::Preview, ..whole };
    assert!(foresee(&set, &preview, noon()).iter().all(|it| it.moment != Moment::BeforeApply));
}

#[test]
fn a_preview_is_never_asked_about_an_apply() {
    let preview = ChainPlanned { kind: ChainKind::Preview, ..chain() };
    let gates = foresee(&policies(POLICIES), &preview, noon());
    assert!(gates.iter().all(|gate| gate.moment != Moment::BeforeApply));
    assert_eq!(gates.len(), 4);
}
