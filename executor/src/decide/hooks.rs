//! Hooks that nobody waits for: whoever subscribes to them does what is to be done.

use contracts::{
    chain::ChainKind,
    hook::{After, HookCalled},
};

use super::Moves;

impl Moves<'_> {
    /// A step has ended well. Calls the hooks its stack wants after what its run did: one without a
    /// run did nothing, and neither did one that is known to have had nothing to change.
    pub(super) fn call_hooks_after_run(&mut self, at: usize) {
        let Some(run) = &self.chain.steps[at].run else { return };
        let is_empty = run.delta.is_some_and(|delta| delta.is_empty());
        match self.chain.kind {
            ChainKind::Preview => self.call_hooks(at, After::PostPlan),
            ChainKind::Deploy if is_empty => {}
            ChainKind::Deploy if self.chain.course.action.destroys() => {
                self.call_hooks(at, After::PostDestroy);
            }
            ChainKind::Deploy => self.call_hooks(at, After::PostApply),
        }
    }

    /// Calls the hooks that a stack wants after something, in the order in which it names them.
    pub(super) fn call_hooks(&mut self, at: usize, after: After) {
        let step = &self.chain.steps[at];
        let called: Vec<HookCalled> = step
            .planned
            .labels
            .iter()
            .filter_map(|label| after.hook_of(label))
            .map(|hook| HookCalled {
                hook: hook.to_owned(),
                after,
                chain: self.chain.id,
                change: self.chain.change.clone(),
                step: step.summary(),
            })
            .collect();
        called.iter().for_each(|hook| self.send(hook));
    }
}
