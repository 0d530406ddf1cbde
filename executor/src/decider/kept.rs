//! Chains as this process wrote them last, so that the next message about one need not read it again.
//!
//! Nothing is taken for granted: a chain that is kept has the version it was written in, and is
//! decided upon only if Postgres, asked under the chain's lock, still knows it in that version.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use contracts::RunId;
use uuid::Uuid;

use crate::chain::Chain;

/// How many steps all chains that are kept may have together: some 20 MB.
const STEPS_MAX: usize = 20_000;

/// How many runs are noted with the chain that follows them: those that a decision took from their
/// step are never found to be over, so that now and then all are forgotten.
const RUNS_MAX: usize = 2 * STEPS_MAX;

/// The version of what is not kept; none is ever written in it.
pub(crate) const NOT_CACHED: i64 = -1;

/// Chains, each in the version it was written in.
#[derive(Debug, Default)]
pub(crate) struct ChainCache(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    chains: HashMap<Uuid, Chain>,
    /// The runs that the steps of these chains follow. A run is never another chain's later, so
    /// what is found here need not be checked: at worst it is no news to the chain.
    runs: HashMap<RunId, Uuid>,
    steps: usize,
}

impl ChainCache {
    /// Takes what is kept under these keys.
    pub(crate) fn take(&self, keys: &[Uuid]) -> HashMap<Uuid, Chain> {
        let mut inner = self.inner();
        let taken: HashMap<_, _> =
            keys.iter().filter_map(|key| Some((*key, inner.chains.remove(key)?))).collect();
        inner.steps -= taken.values().map(|chain| chain.steps.len()).sum::<usize>();
        taken
    }

    /// The chains that follow these runs, as far as they are kept.
    pub(crate) fn followers<'r>(
        &self,
        runs: impl IntoIterator<Item = &'r RunId>,
    ) -> HashMap<String, Option<Uuid>> {
        let inner = self.inner();
        let found = |run: &RunId| Some((run.to_string(), Some(*inner.runs.get(run)?)));
        runs.into_iter().filter_map(found).collect()
    }

    /// Keeps a chain that is committed. Ended ones are seldom asked for again.
    pub(crate) fn keep(&self, key: Uuid, mut chain: Chain, is_written: bool) {
        let mut inner = self.inner();
        chain.version += i64::from(is_written);
        let size = chain.steps.len();
        inner.note_runs(key, &chain);
        if chain.state.is_terminal() || size > STEPS_MAX {
            return;
        }
        if inner.steps + size > STEPS_MAX {
            inner.chains.clear();
            inner.runs.clear();
            inner.steps = 0;
        }
        chain.forget_what_was_read_with_it();
        inner.steps += size;
        if let Some(replaced) = inner.chains.insert(key, chain) {
            inner.steps -= replaced.steps.len();
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no holder panics")
    }
}

impl Inner {
    /// Of a chain that has ended no step follows its run any more.
    fn note_runs(&mut self, key: Uuid, chain: &Chain) {
        if self.runs.len() >= RUNS_MAX {
            self.runs.clear();
        }
        for step in &chain.steps {
            let Some(run) = &step.run else { continue };
            match step.state.holds_stack() {
                true => self.runs.insert(run.id.clone(), key),
                false => self.runs.remove(&run.id),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::step::StepState;

    use super::*;
    use crate::fixtures::ChainFixture;

    #[test]
    fn runs_that_were_taken_from_their_steps_are_not_noted_for_ever() {
        let chain = ChainFixture::single().running().with("a", StepState::Planning);
        let mut chain = chain.chain().clone();
        let kept = ChainCache::default();
        let runs: Vec<RunId> = (0..=RUNS_MAX).map(|run| RunId(run.to_string())).collect();
        for run in &runs {
            chain.steps[0].run.as_mut().unwrap().id = run.clone();
            kept.keep(Uuid::nil(), chain.clone(), true);
        }
        assert_eq!(kept.followers(&runs).len(), 1);
        assert_eq!(kept.followers(runs.last()).len(), 1);
    }
}
