//! What people say about commits.

use bus::{Command, Problem, read};
use chrono::Utc;
use contracts::{CommitSha, gate::ReviewCommit, plain};
use serde::Deserialize;
use serde_json::Value;

use super::{Desk, unavailable};
use crate::{
    commit_words::{CommitWord, REMEMBERED},
    news::News,
    page::{KeptWord, Said, Words},
    review::{Review, ReviewRefused, Word},
    store as tables,
};

/// About what.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WordsRequest {
    commit: Option<CommitSha>,
}

impl Desk {
    /// `words`: what was said about commits of late, or about one.
    pub(crate) async fn words(&self, body: Value) -> Result<Value, Problem> {
        let request: WordsRequest = read(body)?;
        let since = Utc::now() - REMEMBERED;
        let words = tables::words_since(&self.pool, since).await;
        let words = words.map_err(|error| unavailable(&error))?.into_iter();
        let meant = words.filter(|word| request.commit.as_ref().is_none_or(|it| word.is_of(it)));
        Ok(plain(&Words { since, words: meant.map(Said::from).collect() }))
    }

    /// `commit.review`: a person says yes or no to a commit. Kept before it is answered; whether it
    /// counts is judged with each gate.
    pub(crate) async fn review_commit(&self, body: Value) -> Result<Value, Problem> {
        let Command { id, command } = read::<Command<ReviewCommit>>(body)?;
        let ReviewCommit { repository, pull_request, commit, approve, withdraw, by, note, said_at } =
            command;
        let by = by.trim().to_owned();
        if by.is_empty() {
            return Err(ReviewRefused::Nameless.into());
        }
        let now = Utc::now();
        let review = Review {
            id,
            by,
            groups: Vec::new(),
            word: if withdraw { Word::Withdraw } else { Word::of(approve) },
            note: note.filter(|note| !note.trim().is_empty()),
            at: Review::counts_from(said_at, now),
        };
        let word = CommitWord { repository, pull_request, commit, review, kept_at: now };
        tables::keep_word(&self.pool, &word).await.map_err(|error| unavailable(&error))?;
        let answer = plain(&KeptWord { kept: word.review.id, commit: word.commit.clone() });
        // This replica knows it at once, the others a moment later.
        let commits = self.engine.decider().commit_words.note(vec![word], now);
        let news: Vec<News> = commits.into_iter().map(News::Word).collect();
        self.tell(&news).await.map_err(|error| unavailable(&error))?;
        Ok(answer)
    }
}

impl From<CommitWord> for Said {
    fn from(word: CommitWord) -> Self {
        let CommitWord { repository, pull_request, commit, review: said, .. } = word;
        Self { repository, pull_request, commit, said }
    }
}
