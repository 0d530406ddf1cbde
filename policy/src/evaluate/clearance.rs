//! Which steps of a chain no policy speaks about: they need not ask.
//!
//! What time or a plan could change is taken for something that speaks: a policy from tomorrow on,
//! a limit on what a plan deletes. What is left depends on nothing but the set of policies and what
//! the chain was planned from, so that the answer holds for as long as the set does.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::gate::{AskedGates, Clearance, GateRequested, Moment};

use super::{Case, facts::Facts, scope};
use crate::model::{Policy, PolicySet, Rule};

/// For how long it holds: a chain that lives longer asks again.
const HOLDS_FOR: TimeDelta = TimeDelta::days(1);
/// The gates of a step.
const MOMENTS: [Moment; 2] = [Moment::BeforePlan, Moment::BeforeApply];

/// Which gates of the steps of a chain need not be asked for, as far as these sets go.
pub fn clearance(sets: &[&PolicySet], request: &GateRequested, now: DateTime<Utc>) -> Clearance {
    let case = Case::new(request, now);
    let facts = Facts::of(&case);
    let policies = sets.iter().flat_map(|set| set.policies.iter().map(move |it| (&set.people, it)));
    let rules: Vec<(&Policy, &Rule)> = policies
        .filter(|(people, policy)| policy.scope.fits_origin(people, &facts).is_ok())
        .filter(|(_, policy)| policy.scope.touches(&facts) != Some(false))
        .flat_map(|(_, policy)| policy.rules.iter().map(move |rule| (policy, rule)))
        .filter(|(policy, rule)| scope::kinds(&policy.scope, rule).contains(&request.kind))
        .collect();
    let looks_back = rules.iter().filter_map(|(_, rule)| rule.looks_back()).max();
    let speaking: Vec<(&Policy, &Rule, &[Moment])> = rules
        .into_iter()
        .map(|(policy, rule)| (policy, rule, scope::moments(&policy.scope, rule)))
        .collect();
    let asked = facts.stacks.iter().filter_map(|stack| {
        let heard = |moment: &Moment| {
            speaking.iter().any(|(policy, rule, moments)| {
                speaks_at(moments, *moment, stack.plan_is_last) && scope::fits(policy, rule, stack)
            })
        };
        let moments: Vec<Moment> = MOMENTS.into_iter().filter(heard).collect();
        let reads_plan = speaking.iter().any(|(policy, rule, moments)| {
            rule.reads_plan()
                && moments.contains(&Moment::BeforeApply)
                && scope::fits(policy, rule, stack)
        });
        let stack = stack.id.clone();
        (!moments.is_empty()).then_some(AskedGates { stack, moments, reads_plan })
    });
    Clearance { until: now + HOLDS_FOR, asked: asked.collect(), looks_back }
}

/// Whether a rule that speaks at these moments speaks at that one: where the plan is the last that
/// is asked about, it stands for the apply.
fn speaks_at(moments: &[Moment], moment: Moment, plan_is_last: bool) -> bool {
    let early = moment == Moment::BeforePlan && moments.contains(&Moment::BeforeApply);
    moments.contains(&moment) || (early && plan_is_last)
}
