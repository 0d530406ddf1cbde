//! What has to be done from time to time: forgetting chains that ended long ago.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::PgPool;
use tracing::info;

use crate::store;

/// How often it is looked for.
pub(crate) const EVERY: Duration = Duration::from_secs(3600);
/// How many chains are forgotten in one transaction.
const PAGE: i64 = 64;

/// One round; what fails is done in the next.
pub(crate) async fn round(pool: PgPool, keep: TimeDelta) -> anyhow::Result<()> {
    let before = Utc::now() - keep;
    let chains = ::store::in_pages(|| store::forget(&pool, before, PAGE)).await?;
    if chains > 0 {
        info!(chains, %before, "chains that ended before are forgotten");
    }
    Ok(())
}
