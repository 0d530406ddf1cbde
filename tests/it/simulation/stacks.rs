//! What several chains have to do with the same stacks: what the executor's SQL asks about them.

use contracts::{
    StackId,
    chain::{ChainKind, ChainState},
    run::RunState,
    step::StepState,
};
use executor::{Chain, Step};

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
