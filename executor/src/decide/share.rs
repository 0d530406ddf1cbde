//! Runs that do the work of several chains: which a run does it for, and who need not run for it.

use contracts::{Code, Reason, chain::ChainKind, step::StepState};

use super::Moves;
use crate::{join::Join, machine::StepEvent, share::Waiting};

/// The most chains whose work one run does; the others run as ever.
const MOST: usize = 256;

impl Moves<'_> {
    /// Notes whose work the run does that is asked for now. One that Spacelift made by itself, which
    /// would be taken over, may have begun earlier.
    pub(super) fn share_run(&mut self, at: usize) {
        let chain = &*self.chain;
        let is_ours = chain.runs_as() == ChainKind::Deploy
            && chain.course.action.is_deliver()
            && chain.shape.native_parents(at).is_empty();
        let waiting = chain.shares.waiting.get(chain.stack(at)).filter(|_| is_ours);
        let served = waiting.into_iter().flatten().filter(|other| self.has_served(other));
        let serves = served.take(MOST).map(|other| (other.chain.0, other.open.clone())).collect();
        self.chain.steps[at].course.serves = serves;
    }

    /// Whether what has not ended yet before a step of another chain is as good as that, because of
    /// runs of this one.
    fn has_served(&self, other: &Waiting) -> bool {
        other.open.iter().all(|stack| {
            let step = self.chain.place(stack).map(|at| &self.chain.steps[at]);
            step.is_some_and(|step| {
                step.state == StepState::Finished && step.course.serves.contains_key(&other.chain.0)
            })
        })
    }

    /// Ends a step that could run now and need not, because a run of another chain has done its work.
    pub(super) fn ends_as_shared(&mut self, at: usize) -> bool {
        let Some(reason) = self.shared(at) else { return false };
        self.end(at, StepEvent::RunShared, reason);
        true
    }

    /// By which run. What begins anew is not what that run was asked for.
    fn shared(&self, at: usize) -> Option<Reason> {
        let (chain, stack) = (&*self.chain, self.chain.stack(at));
        let shared = chain.shares.done.get(stack)?;
        let parents = chain.shape.parents(at);
        let has_ended = |&parent: &usize| {
            let step = &chain.steps[parent];
            let must_share = shared.through.contains(&step.planned.stack);
            step.state == StepState::Finished
                && step.course.attempt == 1
                && (!must_share || step.reason.code == Code::RunShared)
        };
        let is_plain = chain.only_follows(at)
            && chain.runs_as() == ChainKind::Deploy
            && !chain.plans_all()
            && chain.course.action.is_deliver()
            && chain.shape.native_parents(at).is_empty()
            && chain.conditions(at).is_usual()
            && chain.join(at) == Join::All;
        let is_alike = chain.steps[at].planned.labels.iter().eq(&shared.labels);
        let is_done = is_plain && is_alike && !parents.is_empty() && parents.iter().all(has_ended);
        is_done.then(|| {
            let text = format!(
                "not run: run {} of {} was asked for after everything before {stack} had ended, so \
                 it has read what changed here, too; `stackly retry {}/{stack}` runs it all the same",
                shared.run, shared.chain, chain.id,
            );
            Reason::new(Code::RunShared, text)
        })
    }
}
