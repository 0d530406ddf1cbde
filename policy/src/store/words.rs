//! What people said about commits.

use chrono::{DateTime, Utc};
use contracts::CommitSha;
use sqlx::{PgPool, Row, postgres::PgRow};

use crate::{
    commit_words::CommitWord,
    review::{Review, Word},
};

/// Keeps a word, once.
pub(crate) async fn keep_word(pool: &PgPool, word: &CommitWord) -> Result<(), sqlx::Error> {
    let name = match word.review.word {
        Word::Approve => "approve",
        Word::Reject => "reject",
        Word::Withdraw | Word::Override { .. } => "withdraw",
    };
    sqlx::query(
        "insert into commit_words (id, repository, pull_request, commit_hash, by, word, note, at,
             kept_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint commit_words_once do nothing",
    )
    .bind(word.review.id)
    .bind(word.repository.to_lowercase())
    .bind(i64::try_from(word.pull_request).unwrap_or(i64::MAX))
    .bind(word.commit.as_str())
    .bind(&word.review.by)
    .bind(name)
    .bind(&word.review.note)
    .bind(word.review.at)
    .bind(word.kept_at)
    .execute(pool)
    .await?;
    Ok(())
}

/// The words that were kept since.
pub(crate) async fn words_since(
    pool: &PgPool,
    since: DateTime<Utc>,
) -> Result<Vec<CommitWord>, sqlx::Error> {
    let rows = sqlx::query("select * from commit_words where kept_at >= $1 order by at, id")
        .bind(since)
        .fetch_all(pool)
        .await?;
    rows.iter().map(word).collect()
}

/// What a person said, of whom no issuer of identities tells groups.
fn said(row: &PgRow, word: Word) -> Result<Review, sqlx::Error> {
    Ok(Review {
        id: row.try_get("id")?,
        by: row.try_get("by")?,
        groups: Vec::new(),
        word,
        note: row.try_get("note")?,
        at: row.try_get("at")?,
    })
}

fn word(row: &PgRow) -> Result<CommitWord, sqlx::Error> {
    let word = match row.try_get::<&str, _>("word")? {
        "approve" => Word::Approve,
        "reject" => Word::Reject,
        _ => Word::Withdraw,
    };
    let review = said(row, word)?;
    Ok(CommitWord {
        repository: row.try_get("repository")?,
        pull_request: row.try_get::<i64, _>("pull_request")?.unsigned_abs(),
        commit: CommitSha::from(row.try_get::<String, _>("commit_hash")?),
        review,
        kept_at: row.try_get("kept_at")?,
    })
}
