//! Which states a batch is about, and the locks on them.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Engine, arrival::Origin, batch::Batch};
use crate::Decider;

/// Which state each input belongs to.
pub(super) async fn keys<D: Decider>(
    engine: &Engine<D>,
    connection: &mut PgConnection,
    batch: &Batch<'_, D>,
) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
    let inputs: Vec<_> = batch.iter().map(|arrival| &arrival.envelope.body).collect();
    let mut keys = engine.decider().keys(connection, &inputs).await?;
    keys.resize(batch.len(), None);
    for (key, arrival) in keys.iter_mut().zip(batch) {
        if let Origin::Wake(due) = arrival.origin {
            *key = Some(due.key);
        }
    }
    Ok(keys)
}

/// The states of a batch, each once, in one order for everybody.
pub(super) fn distinct(keys: &[Option<Uuid>]) -> Vec<Uuid> {
    let mut distinct: Vec<Uuid> = keys.iter().copied().flatten().collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

/// Begins a transaction and locks the states of a batch until it ends, in one order for everybody.
///
/// Advisory, so that states that do not exist yet are locked too. Nothing but numbers goes into the
/// text; what is read after it sees all that was committed before the locks were had.
pub(super) fn begin_with_locks(consumer: &str, keys: &[Option<Uuid>]) -> String {
    let salt = Uuid::new_v5(&contracts::id::NAMESPACE, consumer.as_bytes()).as_u64_pair().0;
    let mut numbers: Vec<i64> = keys
        .iter()
        .flatten()
        .map(|key| {
            let (high, low) = key.as_u64_pair();
            (high ^ low ^ salt).cast_signed()
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    let numbers = numbers.join(",");
    format!(
        "begin; select pg_advisory_xact_lock(number) from unnest('{{{numbers}}}'::bigint[]) as number"
    )
}
