//! A connection that a worker keeps from one transaction to the next.
//!
//! A pool asks the database each time whether what is given back is still of use, and hands out what
//! has rested longest: a round trip more for each transaction, and another process of Postgres that
//! wakes up for it.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::time::Instant;

/// How long a connection is kept before the pool has it back: it knows how old one may get, and
/// whether it is still there.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Lends connections of a pool to one worker, and keeps the one it has done with.
#[derive(Debug)]
pub struct Lender {
    pool: PgPool,
    desk: Mutex<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    kept: Option<Kept>,
    is_closed: bool,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    /// When the pool gave it.
    since: Instant,
}

/// A connection that is lent. Dropped, it goes back to the pool, as one must whose transaction failed
/// or was broken off.
#[derive(Debug)]
pub struct Lent<'a> {
    lender: &'a Lender,
    kept: Kept,
}

impl Lender {
    /// A lender that keeps nothing yet.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, desk: Mutex::default() }
    }

    /// The connection that is kept, or one of the pool's.
    pub async fn lend(&self) -> Result<Lent<'_>, sqlx::Error> {
        let kept = self.desk().kept.take().filter(|kept| kept.since.elapsed() < KEPT_FOR);
        let kept = match kept {
            Some(kept) => kept,
            None => Kept { connection: self.pool.acquire().await?, since: Instant::now() },
        };
        Ok(Lent { lender: self, kept })
    }

    /// Keeps nothing from now on, so that the pool can be closed.
    pub fn close(&self) {
        *self.desk() = Desk { kept: None, is_closed: true };
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("no holder panics")
    }
}

impl Lent<'_> {
    /// Gives the connection back after a transaction that ended well.
    pub fn keep(self) {
        let Self { lender, kept } = self;
        let mut desk = lender.desk();
        if !desk.is_closed {
            desk.kept = Some(kept);
        }
    }
}

impl Deref for Lent<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.kept.connection
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.kept.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Store};

    async fn pool(name: &'static str) -> PgPool {
        let postgres = embedded::shared_postgres().await;
        postgres.create_database(name).await.unwrap();
        let store = Store::connect(&Options::at(postgres.url(name)), name).await.unwrap();
        store.pool().clone()
    }

    async fn process(connection: &mut PgConnection) -> i32 {
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn a_worker_stays_with_the_process_it_had_as_long_as_that_is_there() {
        let pool = pool("lent").await;
        // The pool has others that have rested for longer.
        drop((pool.acquire().await.unwrap(), pool.acquire().await.unwrap()));
        let lender = Lender::new(pool.clone());
        let mut lent = lender.lend().await.unwrap();
        let first = process(&mut lent).await;
        lent.keep();
        for _ in 0..3 {
            let mut lent = lender.lend().await.unwrap();
            assert_eq!(process(&mut lent).await, first, "it is the one that was kept");
            lent.keep();
        }

        sqlx::query("select pg_terminate_backend($1)").bind(first).execute(&pool).await.unwrap();

        let mut lent = lender.lend().await.unwrap();
        let broken = sqlx::query("select 1").execute(&mut *lent).await;
        assert!(broken.is_err(), "its process is gone");
        drop(lent);
        let mut lent = lender.lend().await.unwrap();
        assert_ne!(process(&mut lent).await, first, "what failed was not kept");
    }

    #[tokio::test]
    async fn a_lender_that_is_closed_does_not_hold_up_its_pool() {
        let pool = pool("closed").await;
        let lender = Lender::new(pool.clone());
        let late = lender.lend().await.unwrap();
        lender.lend().await.unwrap().keep();

        lender.close();
        late.keep();

        let closed = tokio::time::timeout(Duration::from_secs(20), pool.close()).await;
        assert!(closed.is_ok(), "a connection is still kept");
    }
}
