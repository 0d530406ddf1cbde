//! What gates that wait are woken for, and for how long.
//!
//! A gate that was being decided when something was said is committed a moment after: whoever looked
//! for it then did not see it. So it is looked for again, for a few looks.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use contracts::{ChainId, CommitSha};

/// For how many looks something is news.
const ROUNDS: u32 = 10;

/// Something that may decide gates that wait.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum News {
    /// Other policies are in force.
    Policies,
    /// Somebody broke the glass of a chain, or took that back.
    Glass(ChainId),
    /// Somebody said something about a commit.
    Word(CommitSha),
}

/// What is news, and for how many looks it still is.
#[derive(Debug, Default)]
pub struct Rounds(Mutex<HashMap<News, u32>>);

impl Rounds {
    /// Something is news from now on.
    pub fn begin(&self, news: impl IntoIterator<Item = News>) {
        self.left().extend(news.into_iter().map(|one| (one, ROUNDS)));
    }

    /// What is news.
    pub fn due(&self) -> Vec<News> {
        self.left().keys().cloned().collect()
    }

    /// Everybody whom these concern was woken once more.
    pub fn done(&self, news: &[News]) {
        self.left().retain(|one, left| {
            *left -= u32::from(news.contains(one));
            *left > 0
        });
    }

    fn left(&self) -> MutexGuard<'_, HashMap<News, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
