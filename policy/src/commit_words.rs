//! What people said about commits before gates of theirs were asked.
//!
//! Every replica has what was said of late in memory, so that no gate costs a question more; a word
//! that comes while a gate is being opened wakes it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    CommitSha,
    gate::{GateRequested, Moment},
};
use uuid::Uuid;

use crate::{
    people::People,
    review::{Review, Word, newest},
};

/// To how many digits some hosts cut a commit short; fewer mean none.
const CUT_TO: usize = 12;
/// For how long a word about a commit is looked for.
pub(crate) const REMEMBERED: TimeDelta = TimeDelta::days(30);

/// A person said something about a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitWord {
    /// The repository, without capitals.
    pub repository: String,
    /// The pull request at which it was said.
    pub pull_request: u64,
    /// The commit.
    pub commit: CommitSha,
    /// Who, what, why and when.
    pub review: Review,
    /// When it was kept.
    pub kept_at: DateTime<Utc>,
}

/// What was said of late.
#[derive(Debug, Default)]
pub struct CommitWords(RwLock<Arc<Words>>);

/// By what every host says of a commit.
type Words = HashMap<String, Vec<CommitWord>>;

fn beginning(commit: &CommitSha) -> &str {
    let commit = commit.as_str();
    commit.get(..CUT_TO).unwrap_or(commit)
}

impl CommitWord {
    /// Whether this commit is meant.
    pub fn is_of(&self, commit: &CommitSha) -> bool {
        let meant = self.commit.as_str();
        self.commit == *commit || (meant.len() >= CUT_TO && commit.as_str().starts_with(meant))
    }

    fn is_about(&self, request: &GateRequested) -> bool {
        let change = &request.change;
        self.is_of(&change.commit)
            && self.repository.eq_ignore_ascii_case(&change.repository)
            && change.pull_request.is_none_or(|number| number == self.pull_request)
    }
}

impl CommitWords {
    /// Notes words. Returns the commits of those that are news.
    pub fn note(&self, words: Vec<CommitWord>, now: DateTime<Utc>) -> Vec<CommitSha> {
        let known = self.known();
        let is_news = |word: &CommitWord| {
            let same = known.get(beginning(&word.commit)).into_iter().flatten();
            !same.into_iter().any(|other| other.review.id == word.review.id)
        };
        let news: Vec<CommitWord> = words.into_iter().filter(is_news).collect();
        if news.is_empty() {
            return Vec::new();
        }
        let mut all: Words = (*known).clone();
        all.retain(|_, words| words.iter().any(|word| now - word.kept_at < REMEMBERED));
        let mut commits: Vec<CommitSha> = news.iter().map(|word| word.commit.clone()).collect();
        for word in news {
            let words = all.entry(beginning(&word.commit).to_owned()).or_default();
            words.push(word);
            words.sort_by_key(|word| (word.review.at, word.kept_at, word.review.id));
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        commits.sort_unstable();
        commits.dedup();
        commits
    }

    /// When the newest of them was kept.
    pub fn newest(&self) -> Option<DateTime<Utc>> {
        self.known().values().flatten().map(|word| word.kept_at).max()
    }

    /// The newest word of each person about this gate, as a review of it, in the order in which they
    /// were said. `said` is what people said about the gate so far.
    ///
    /// A plan that nobody had seen is not approved by a word about the code, nor is what a person asked
    /// for since, such as to destroy something; who says no to the code says no to all of it. Who says
    /// something else then takes that no back, and no more.
    pub fn about(&self, request: &GateRequested, people: &People, said: &[Review]) -> Vec<Review> {
        let known = self.known();
        let words = known.get(beginning(&request.change.commit)).into_iter().flatten();
        let words: Vec<&Review> =
            words.filter(|word| word.is_about(request)).map(|word| &word.review).collect();
        let shows_plan = request.moment == Moment::BeforeApply || !request.plans.is_empty();
        let is_of_code = !shows_plan && request.action.is_deliver();
        let of_gate = |review: &Review| Uuid::new_v5(&request.gate.0, review.id.as_bytes());
        let is_to_go = |by: &str| {
            let said = newest(people, said).into_iter().find(|said| people.same(&said.by, by));
            said.is_some_and(|said| {
                let is_of_code = words.iter().any(|word| of_gate(word) == said.id);
                said.word == Word::Reject && is_of_code
            })
        };
        let counts = |(index, review): (usize, &&Review)| {
            let later = &words[index + 1..];
            let is_newest = !later.iter().any(|other| people.same(&other.by, &review.by));
            let word = match review.word {
                word if is_of_code || word == Word::Reject => word,
                _ if is_newest && is_to_go(&review.by) => Word::Withdraw,
                _ => return None,
            };
            // Who says yes to the code takes a no back, and may say yes to the gate itself under its id.
            let id = match word == review.word {
                true => of_gate(review),
                false => Uuid::new_v5(&of_gate(review), b"taken back"),
            };
            is_newest.then(|| Review { id, word, ..(*review).clone() })
        };
        words.iter().enumerate().filter_map(counts).collect()
    }

    fn known(&self) -> Arc<Words> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
