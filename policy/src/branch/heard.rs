//! A commit that was heard of and is not here yet, and when the origin is asked.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use contracts::CommitSha;
use tokio::time::Instant;

/// How often a commit that was heard of is fetched for: an origin may tell of it before it gives it.
const TRIES: u32 = 10;

/// What was heard of a branch.
#[derive(Debug, Default)]
pub struct Heard(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    commit: Option<(CommitSha, u32)>,
    /// When the origin was asked last.
    asked: Option<Instant>,
}

impl Heard {
    /// Somebody told of a commit.
    pub fn of(&self, commit: &CommitSha) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.commit.as_ref().is_none_or(|(known, _)| known != commit) {
            state.commit = Some((commit.clone(), TRIES));
        }
    }

    /// The origin was asked.
    pub fn asked(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked = Some(Instant::now());
    }

    /// Whether the origin is to be asked: it is time to, or a commit was heard of, which counts as
    /// a try.
    pub fn take_turn(&self, every: Duration) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = state.asked.is_none_or(|last| last.elapsed() >= every);
        let is_heard = match &mut state.commit {
            Some((_, tries)) if *tries > 0 => {
                *tries -= 1;
                true
            }
            _ => false,
        };
        if is_heard || is_due {
            state.asked = Some(Instant::now());
        }
        is_heard || is_due
    }

    /// Forgets the commit if it is here.
    pub fn settle(&self, is_here: impl Fn(&CommitSha) -> bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.commit.as_ref().is_some_and(|(commit, _)| is_here(commit)) {
            state.commit = None;
        }
    }
}
