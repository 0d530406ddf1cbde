//! What has to be done from time to time: months of bodies made and dropped, uses of secrets noted,
//! addresses forgotten.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::{
    http::Gate,
    store::{
        contents,
        secrets::{self, Used},
    },
};

/// How many uses of each secret are noted already.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<HashMap<(usize, usize), u64>>);

/// One round; what fails is done in the next.
pub(crate) async fn round(pool: PgPool, gate: Arc<Gate>, bodies: TimeDelta) -> anyhow::Result<()> {
    gate.forget();
    note_uses(&pool, &gate).await?;
    let now = Utc::now();
    contents::turn(&pool, now, now - bodies).await?;
    Ok(())
}

async fn note_uses(pool: &PgPool, gate: &Gate) -> Result<(), sqlx::Error> {
    let mut uses = Vec::new();
    let mut counts = Vec::new();
    {
        let noted = gate.noted().0.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, door) in gate.doors().iter().enumerate() {
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
    let mut noted = gate.noted().0.lock().unwrap_or_else(PoisonError::into_inner);
    noted.extend(counts);
    Ok(())
}
