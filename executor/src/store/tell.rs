//! What is told of the account as a whole: it belongs to no chain.

use bus::Answers;
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use store::Remembered;
use uuid::Uuid;

/// Writes what is to be told; whoever publishes what stands nowhere yet tells it.
pub(crate) async fn tell(
    pool: &PgPool,
    consumer: &'static str,
    id: Uuid,
    answers: &Answers,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let Some(first) = answers.first() else { return Ok(()) };
    let row = Remembered {
        consumer,
        event_id: id,
        event_type: "account.rest".to_owned(),
        event_key: first.key.clone(),
        correlation: first.correlation,
        event_at: now,
        answered_at: now,
        answers: answers.clone(),
    };
    let mut transaction = pool.begin().await?;
    store::remember(&mut transaction, &[row]).await?;
    transaction.commit().await
}
