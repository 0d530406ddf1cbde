//! Which policies are in force where they are read.

use bus::Answers;
use chrono::{DateTime, Utc};
use contracts::{CommitSha, Outgoing, envelope::Cause};
use sqlx::{PgPool, Row, types::Json};
use store::Remembered;
use uuid::Uuid;

use crate::{document::File, library::StoredSet, line};

/// Under which name what is told of policies is remembered.
const CONSUMER: &str = "policy-sources";

/// What is in force of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Where it is read.
    pub source: String,
    /// The newest commit that was read.
    pub head: Option<CommitSha>,
    /// The commit of the set in force.
    pub commit: Option<CommitSha>,
    /// The digest of the set in force; empty where none was ever read.
    pub digest: String,
    /// Why what is there now is not in force.
    pub refused: Option<String>,
}

/// What stood before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// The digest; none if nothing was known.
    pub digest: Option<String>,
    /// What was refused.
    pub refused: Option<String>,
    /// The newest commit that had been read.
    pub head: Option<CommitSha>,
}

/// Notes what is in force, and what is to be told about it, unless another replica has.
pub(crate) async fn note(
    pool: &PgPool,
    standing: &Standing,
    told: impl FnOnce(&Before) -> Vec<Outgoing>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let row = sqlx::query(
        "with before as (select head, digest, refused from policy_sources where source = $1)
         insert into policy_sources (source, head, commit_hash, digest, refused, changed_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint policy_sources_once do update set
             head = excluded.head, commit_hash = excluded.commit_hash,
             digest = excluded.digest, refused = excluded.refused, changed_at = excluded.changed_at
         where (policy_sources.head, policy_sources.commit_hash, policy_sources.digest,
                policy_sources.refused)
             is distinct from
               (excluded.head, excluded.commit_hash, excluded.digest, excluded.refused)
         returning (select digest from before) as digest_before,
             (select refused from before) as refused_before,
             (select head from before) as head_before",
    )
    .bind(&standing.source)
    .bind(standing.head.as_ref().map(CommitSha::as_str))
    .bind(standing.commit.as_ref().map(CommitSha::as_str))
    .bind(&standing.digest)
    .bind(&standing.refused)
    .bind(now)
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(row) = row {
        let before = Before {
            digest: row.try_get("digest_before")?,
            refused: row.try_get("refused_before")?,
            head: row.try_get::<Option<String>, _>("head_before")?.map(CommitSha::from),
        };
        tell(&mut transaction, told(&before), now).await?;
    }
    transaction.commit().await
}

/// Writes what is to be told; whoever publishes what stands nowhere yet tells it.
async fn tell(
    connection: &mut sqlx::PgConnection,
    told: Vec<Outgoing>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let id = Uuid::new_v4();
    let cause = Cause { id, correlation: id, trace: None, consumer: CONSUMER, now };
    let told = told.into_iter().enumerate().map(|(ordinal, it)| it.answer(&cause, ordinal));
    let answers = Answers::new(told.collect());
    let Some(first) = answers.first() else { return Ok(()) };
    let row = Remembered {
        consumer: CONSUMER,
        event_id: id,
        event_type: "policies.looked_at".to_owned(),
        event_key: first.key.clone(),
        correlation: first.correlation,
        event_at: now,
        answered_at: now,
        answers: answers.clone(),
    };
    store::remember(connection, &[row]).await
}

/// The newest commit that any replica has read.
pub(crate) async fn head_of(pool: &PgPool, source: &str) -> Result<Option<CommitSha>, sqlx::Error> {
    let head = sqlx::query_scalar("select head from policy_sources where source = $1");
    let head: Option<Option<String>> = head.bind(source).fetch_optional(pool).await?;
    Ok(head.flatten().map(CommitSha::from))
}

/// The set of a source that was in force last, without what people stopped by hand then: what is
/// stopped now is read apart from it.
pub(crate) async fn in_force(
    pool: &PgPool,
    source: &str,
) -> Result<Option<StoredSet>, sqlx::Error> {
    let row = sqlx::query(
        "select commit_hash, files from policy_sources
         join policy_sets on policy_sets.digest = policy_sources.digest
         where source = $1",
    )
    .bind(source)
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let Json(mut files): Json<Vec<File>> = row.try_get("files")?;
        files.retain(|file| file.name != line::FILE);
        let commit = row.try_get::<Option<String>, _>("commit_hash")?.map(CommitSha::from);
        Ok(StoredSet { commit, files })
    })
    .transpose()
}
