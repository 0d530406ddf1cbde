//! What several chains have to do with the same stacks: what the executor's SQL asks about them.

use std::collections::BTreeSet;

use contracts::{
    StackId,
    chain::{ChainKind, ChainState},
    run::RunState,
    step::StepState,
};
use executor::{Chain, Shared, Shares, Step, Waiting};

use super::rigs::States;

pub fn steps(chains: &States<Option<Chain>>) -> impl Iterator<Item = (&Chain, &Step)> {
    chains.values().flatten().flat_map(|chain| chain.steps.iter().map(move |step| (chain, step)))
}

/// The steps of deploying chains that hold their stack.
pub fn holders(chains: &States<Option<Chain>>) -> impl Iterator<Item = (&Chain, &Step)> {
    steps(chains)
        .filter(|(chain, step)| chain.kind == ChainKind::Deploy && step.state.holds_stack())
}

/// The followers of a new chain that ended well when they ran last, and are owed nothing since.
pub fn settled(chains: &States<Option<Chain>>, chain: &Chain) -> Vec<StackId> {
    if chain.state != ChainState::Gating {
        return Vec::new();
    }
    let is_settled = |stack: &StackId| {
        let others = || {
            steps(chains).filter(|(other, step)| {
                let same = other.id != chain.id && step.planned.stack == *stack;
                same && other.kind == ChainKind::Deploy
            })
        };
        let ran =
            |step: &&Step| step.run.as_ref().is_some_and(|run| run.state != RunState::Skipped);
        let last = others().map(|(_, step)| step).filter(ran).max_by_key(|step| step.since);
        let owed = |since| {
            others().any(|(_, step)| {
                let missed = matches!(
                    step.state,
                    StepState::Denied | StepState::Skipped | StepState::Canceled
                );
                missed && step.run.is_none() && step.since >= since
            })
        };
        last.is_some_and(|last| last.state == StepState::Finished && !owed(last.since))
    };
    let follows = (0..chain.steps.len()).filter(|&at| chain.only_follows(at));
    let stacks = follows.map(|at| chain.steps[at].planned.stack.clone());
    stacks.filter(is_settled).collect()
}

/// What is one run's work with other chains.
pub fn shares(chains: &States<Option<Chain>>, chain: &Chain) -> Shares {
    let mut shares = Shares::default();
    for at in (0..chain.steps.len()).filter(|&at| chain.could_start(at)) {
        let stack = &chain.steps[at].planned.stack;
        let others = || {
            steps(chains).filter(|(other, step)| {
                let same = other.id != chain.id && step.planned.stack == *stack;
                same && other.kind == ChainKind::Deploy
            })
        };
        let is_served = |other: &Chain| {
            let mut above =
                chain.steps.iter().filter(|it| chain.steps[at].parents.contains(&it.planned.stack));
            above.any(|parent| parent.course.serves.contains_key(&other.id.0))
        };
        let waiting = others().filter_map(|(other, step)| {
            let open = match step.state {
                StepState::Queued => BTreeSet::new(),
                StepState::Waiting | StepState::GatingPlan if is_served(other) => {
                    let parents =
                        other.steps.iter().filter(|it| step.parents.contains(&it.planned.stack));
                    let open = parents.filter(|parent| parent.state != StepState::Finished);
                    open.map(|parent| parent.planned.stack.clone()).collect()
                }
                _ => return None,
            };
            Some(Waiting { chain: other.id, open })
        });
        shares.waiting.insert(stack.clone(), waiting.collect());
        let done = others().find_map(|(other, step)| {
            let through = step.course.serves.get(&chain.id.0)?;
            let run = step.run.as_ref().filter(|run| run.state == RunState::Finished)?;
            let labels = step.planned.labels.iter().cloned().collect();
            let (run, through) = (run.id.clone(), through.clone());
            (step.state == StepState::Finished).then_some(Shared {
                chain: other.id,
                run,
                through,
                labels,
            })
        });
        let may_share = chain.only_follows(at);
        shares.done.extend(done.filter(|_| may_share).map(|done| (stack.clone(), done)));
    }
    shares
}
