//! What would be decided about a chain that nobody has started: the question `foresee`. The same
//! functions answer that decide gates; nothing is asked, kept or told.

use chrono::{DateTime, Utc};
use contracts::{
    GateId, Reason, StackId,
    chain::{ChainKind, ChainPlanned, PlannedStep},
    gate::{GateRequested, GateStack, Moment, Outcome, StackPlan},
    run::Delta,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    evaluate::{Verdict, clearance, decide},
    model::PolicySet,
};

/// More than any limit allows.
const HUGE: i64 = 1_000_000_000;

/// One gate of a chain, as it would be decided now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// When it would be asked.
    pub moment: Moment,
    /// About which stack; about all of them before the chain, and before the apply of a chain that is
    /// planned as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackId>,
    /// What would become of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Another plan than one that changes nothing may be answered otherwise.
    #[serde(default)]
    pub depends_on_plan: bool,
}

/// The gates of a chain, in the order in which they would be asked.
pub fn foresee(set: &PolicySet, chain: &ChainPlanned, now: DateTime<Utc>) -> Vec<Foreseen> {
    let plans_all = chain.kind == ChainKind::Deploy && chain.options.plan_all;
    let conflict = chain.options.conflict(chain.steps.iter()).filter(|_| plans_all);
    if let Some(conflict) = conflict {
        // Nobody is asked: it would be denied before anything happens.
        return vec![Foreseen {
            moment: Moment::BeforeChain,
            stack: None,
            outcome: Outcome::Deny,
            reasons: vec![conflict],
            depends_on_plan: false,
        }];
    }
    let all = request((chain, now), Moment::BeforeChain, &chain.steps, None);
    let asked = clearance(&[set], &all, now).asked;
    let reads_plan = |about: &[PlannedStep]| {
        asked.iter().any(|it| it.reads_plan && about.iter().any(|step| step.stack == it.stack))
    };
    let gate = |moment, step: Option<&PlannedStep>, Verdict { outcome, reasons, .. }| Foreseen {
        moment,
        stack: step.map(|step| step.stack.clone()),
        outcome,
        reasons: reasons.into_iter().map(without_advice).collect(),
        depends_on_plan: false,
    };
    let apply = |about: &[PlannedStep], step| {
        let with = |delta| {
            let apply = request((chain, now), Moment::BeforeApply, about, Some(delta));
            decide(set, &apply, &[], now)
        };
        let (least, most) = (with(Delta::default()), with(huge()));
        let depends_on_plan = !least.outcome.is_like(&most.outcome) || reads_plan(about);
        Foreseen { depends_on_plan, ..gate(Moment::BeforeApply, step, least) }
    };
    let mut gates = vec![gate(Moment::BeforeChain, None, decide(set, &all, &[], now))];
    for step in &chain.steps {
        let about = std::slice::from_ref(step);
        let plan = request((chain, now), Moment::BeforePlan, about, None);
        gates.push(gate(Moment::BeforePlan, Some(step), decide(set, &plan, &[], now)));
        if !step.autodeploy && chain.kind == ChainKind::Deploy && !plans_all {
            gates.push(apply(about, Some(step)));
        }
    }
    if plans_all {
        gates.push(apply(&chain.steps, None));
    }
    gates
}

/// How to approve is of no use where there is nothing to approve yet.
fn without_advice(reason: Reason) -> Reason {
    let advice = format!("approve with: stackly approve {}", GateId(Uuid::nil()));
    Reason { text: reason.text.replace(&advice, "people must approve"), ..reason }
}

fn huge() -> Delta {
    Delta { added: HUGE, changed: HUGE, deleted: HUGE }
}

/// The question as it would be asked.
fn request(
    (chain, now): (&ChainPlanned, DateTime<Utc>),
    moment: Moment,
    about: &[PlannedStep],
    delta: Option<Delta>,
) -> GateRequested {
    GateRequested {
        gate: GateId(Uuid::nil()),
        chain: chain.chain,
        kind: chain.kind,
        moment,
        stacks: about.iter().map(GateStack::from).collect(),
        change: chain.change.clone(),
        run: None,
        delta,
        changes: delta.filter(|delta| *delta == Delta::default()).map(|_| Vec::new()),
        changes_more: 0,
        unread: None,
        files: chain.files.clone(),
        steps: Some(chain.steps.len()),
        plans: match (moment, chain.options.plan_all) {
            (Moment::BeforeApply, true) => about.iter().map(|step| plan(step, delta)).collect(),
            _ => Vec::new(),
        },
        differs: None,
        action: chain.action,
        planned_at: Some(now),
        failures: Vec::new(),
        again: 0,
    }
}

fn plan(step: &PlannedStep, delta: Option<Delta>) -> StackPlan {
    StackPlan { stack: step.stack.clone(), run: None, delta, unknown: None }
}

#[cfg(test)]
mod tests;
