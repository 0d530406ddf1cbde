//! What has to be done from time to time: forgetting what was decided long ago.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::PgPool;
use tracing::info;

use crate::store;

/// How often it is looked for.
pub(crate) const EVERY: Duration = Duration::from_secs(3600);
/// How many gates lead to what is forgotten in one transaction.
const PAGE: i64 = 256;

/// One round; what fails is done in the next.
pub(crate) async fn round(pool: PgPool, keep: TimeDelta) -> anyhow::Result<()> {
    let before = Utc::now() - keep;
    let gates = ::store::in_pages(|| store::forget_gates(&pool, before, PAGE)).await?;
    let words = store::forget_words(&pool, before).await?;
    let sets = store::forget_sets(&pool, before).await?;
    if gates + words + sets > 0 {
        info!(gates, words, sets, %before, "what was decided before is forgotten");
    }
    Ok(())
}
