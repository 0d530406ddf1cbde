//! The runs that Spacelift's own dependencies made for a step: which of them is the step's, and which
//! are in its way.
//!
//! Each tracked run brings one of every stack below it, which waits for what came with the same run,
//! and for nothing else. So a step may get several, and one may have planned while something that the
//! chain has before it was still at work.

use contracts::{
    StackId,
    run::{RunState, RunType},
};
use spacelift::RunFacts;

use crate::{call::Call, decide::says_unchanged};

/// What a step does about the runs that Spacelift made for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// These are ended first; each would keep the stack, or go on unasked.
    pub ends: Vec<RunFacts>,
    /// What then.
    pub then: Native,
}

/// Which run a step goes on with.
#[derive(Debug, Clone, PartialEq)]
pub enum Native {
    /// One that is asked for.
    Ours,
    /// This one of Spacelift's.
    Theirs(RunFacts),
    /// None, as long as this one applies: what applies is never ended.
    Awaits(RunFacts),
    /// None: this one has applied before everything before the step had ended.
    TooEarly(RunFacts),
}

/// Weighs the runs that came with those of the parents, the newest first.
pub fn weigh(own: Vec<RunFacts>, call: &Call) -> Weighed {
    // Spacelift judges it when its parents end, which is before we hear of that. By each it judges
    // what came with the same run alone.
    if let Some(newest) = own.first().filter(|_| call.spared && own.iter().all(is_spared)) {
        return Weighed { ends: Vec::new(), then: Native::Theirs(newest.clone()) };
    }
    let is_only = own.len() == 1;
    // It may yet be skipped because of what came with one of them, whatever the others bring.
    let is_judged = |run: &RunFacts| is_only || run.state != RunState::Queued;
    let fits = |run: &RunFacts| brings(run, call) && !is_early(run, call) && is_judged(run);
    let mut standing: Vec<RunFacts> = own.into_iter().filter(|run| !is_void(&run.state)).collect();
    let applies = |run: &RunFacts| run.applied && !run.finished;
    let theirs = standing
        .iter()
        .position(|run| fits(run) && applies(run))
        .or_else(|| standing.iter().position(fits))
        .map(|at| standing.remove(at));
    if let Some(run) = standing.iter().find(|run| applies(run)) {
        return Weighed { ends: Vec::new(), then: Native::Awaits(run.clone()) };
    }
    let is_too_early = |run: &&RunFacts| run.applied && brings(run, call) && is_early(run, call);
    let too_early = standing.iter().find(is_too_early).cloned();
    standing.retain(|run| !run.finished);
    let then = match (theirs, too_early) {
        (Some(run), _) => Native::Theirs(run),
        (None, Some(run)) => Native::TooEarly(run),
        (None, None) => Native::Ours,
    };
    Weighed { ends: standing, then }
}

/// Of the runs of a step, those that came with the runs of its parents, the newest first.
///
/// Run ids sort by time. So what came with the run of a parent is the oldest that names this parent and
/// is newer than its run: a later one came with a later run of the parent, which is somebody else's, as
/// is all that names a parent which has no run in the chain.
pub fn came_with(runs: &[RunFacts], call: &Call) -> Vec<RunFacts> {
    let with = |parent: &StackId| {
        let run = call.parent_runs.get(parent)?;
        let is_meant = |it: &&RunFacts| {
            it.triggered_by.as_deref() == Some(parent.as_str()) && it.run.as_str() > run.as_str()
        };
        runs.iter().filter(is_meant).min_by_key(|it| it.run.as_str()).cloned()
    };
    let mut own: Vec<RunFacts> = call.native_parents.iter().filter_map(with).collect();
    own.sort_by(|a, b| b.run.as_str().cmp(a.run.as_str()));
    own
}

/// The run with which one came that Spacelift made, of the runs of the stack which it names: the newest
/// that was there before it.
pub(crate) fn origin_of<'r>(run: &RunFacts, of_parent: &'r [RunFacts]) -> Option<&'r RunFacts> {
    let is_before =
        |it: &&RunFacts| it.run_type == RunType::Tracked && it.run.as_str() < run.run.as_str();
    of_parent.iter().filter(is_before).max_by_key(|it| it.run.as_str())
}

/// Skipped or ended before it did anything, by Spacelift's own rules, by us or by a person: no run
/// to be followed.
pub fn is_void(state: &RunState) -> bool {
    matches!(
        state,
        RunState::Skipped | RunState::Canceled | RunState::Discarded | RunState::Stopped
    )
}

/// Whether Spacelift skipped a run because nothing it reads has changed.
fn is_spared(run: &RunFacts) -> bool {
    run.state == RunState::Skipped && run.note.as_deref().is_some_and(says_unchanged)
}

/// Whether it brings the change: it was given nothing but what Spacelift hands on by itself.
fn brings(run: &RunFacts, call: &Call) -> bool {
    call.carried.is_empty()
        && (!call.touched || call.commit.as_ref().is_none_or(|it| *it == run.commit))
}

/// Whether it went to work before the step's turn came. Spacelift cuts its times to whole seconds.
fn is_early(run: &RunFacts, call: &Call) -> bool {
    let times = run.began_at.zip(call.not_before);
    times.is_some_and(|(began, not_before)| began.timestamp() < not_before.timestamp())
}

#[cfg(test)]
mod tests;
