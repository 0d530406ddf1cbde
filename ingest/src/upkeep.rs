//! What has to be done from time to time: months of bodies made and dropped, old deliveries forgotten,
//! uses of secrets noted, addresses forgotten.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::{
    http::Entry,
    store::{
        contents, old,
        secrets::{self, Used},
    },
};

/// How many uses of each secret are noted already.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<HashMap<(usize, usize), u64>>);

/// How many small batches of old deliveries are forgotten in one round: a thousand a second, if there is
/// one a minute.
const BATCHES_MAX: usize = 60;

/// One round; what fails is done in the next. Bodies are kept for the first of the two times, deliveries
/// for the second, or for ever.
pub(crate) async fn round(
    pool: PgPool,
    entry: Arc<Entry>,
    (bodies, deliveries): (TimeDelta, Option<TimeDelta>),
) -> anyhow::Result<()> {
    entry.forget();
    note_uses(&pool, &entry).await?;
    let now = Utc::now();
    contents::turn(&pool, now, now - bodies).await?;
    if let Some(deliveries) = deliveries {
        forget(&pool, now - deliveries).await?;
    }
    Ok(())
}

/// Forgets what came before a time, in batches so small that nothing waits for one of them.
pub(crate) async fn forget(pool: &PgPool, before: DateTime<Utc>) -> Result<(), sqlx::Error> {
    for _ in 0..BATCHES_MAX {
        if old::forget(pool, before).await? < old::BATCH {
            break;
        }
    }
    Ok(())
}

async fn note_uses(pool: &PgPool, entry: &Entry) -> Result<(), sqlx::Error> {
    let mut uses = Vec::new();
    let mut counts = Vec::new();
    {
        let noted = entry.noted().0.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, door) in entry.doors().iter().enumerate() {
            for (number, usage) in door.keys.usage().into_iter().enumerate() {
                let before = noted.get(&(place, number)).copied().unwrap_or_default();
                let last_at = DateTime::from_timestamp(usage.used_at, 0);
                let Some(last_at) = last_at.filter(|_| usage.uses > before) else { continue };
                counts.push(((place, number), usage.uses));
                uses.push(Used {
                    source: door.source.name.to_string(),
                    fingerprint: usage.fingerprint,
                    last_at,
                    uses: i64::try_from(usage.uses - before).unwrap_or(i64::MAX),
                });
            }
        }
    }
    secrets::add(pool, &uses).await?;
    let mut noted = entry.noted().0.lock().unwrap_or_else(PoisonError::into_inner);
    noted.extend(counts);
    Ok(())
}
