//! A sign of life: others see at once that this process is gone, and need not wait for its leases.
//!
//! It is an advisory lock of a session that does nothing else. When a process dies its sessions end
//! with it, and Postgres gives the lock up. The process for its part asks that session every [`BEAT`]
//! whether it still stands; without an answer for [`SILENCE`] it breaks off the calls it is at and
//! begins none. So whoever finds the lock free knows that after [`SILENCE`] nobody calls any more, and
//! need only wait until the effect of a call that was broken off must show. What went to that process
//! and was not answered is not known: its messages come again only later.
//!
//! A process that is frozen keeps its session: of it, only the end of its lease tells. So it is, too,
//! of one that has no sign of life, such as behind a pooler that lends sessions out by transaction.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::{
    sync::watch,
    time::{Instant, interval_at, timeout_at},
};
use tracing::{info, warn};
use uuid::Uuid;

/// The room of the locks, apart from those that are known by one number.
pub(crate) const ROOM: i32 = 0x5374_636b;
/// How often a process asks for its own sign of life.
const BEAT: Duration = Duration::from_millis(250);
/// For how long a process takes itself for alive without an answer. A busy machine must not make it
/// break off its calls.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// The sign of life of one process, and what it saw of others.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    sign: watch::Sender<Option<Sign>>,
    missed_at: Mutex<Option<DateTime<Utc>>>,
    /// How many processes had said that they are there when that was asked last.
    there: AtomicU32,
}

/// Others see that the process is there, at least until then.
#[derive(Debug, Clone, Copy)]
struct Sign {
    number: i32,
    until: Instant,
}

impl Presence {
    /// The number under which others look whether this process is there; none while they cannot.
    pub(crate) fn number(&self) -> Option<i32> {
        let sign = *self.sign.borrow();
        sign.filter(|sign| Instant::now() < sign.until).map(|sign| sign.number)
    }

    /// Ends when others may take this process for gone.
    pub(crate) async fn lost(&self, number: i32) {
        let mut signs = self.sign.subscribe();
        loop {
            let sign = *signs.borrow_and_update();
            let Some(sign) = sign.filter(|sign| sign.number == number) else { return };
            if timeout_at(sign.until, signs.changed()).await.is_err() {
                return;
            }
        }
    }

    /// When this process last found another one gone.
    pub(crate) fn missed_at(&self) -> Option<DateTime<Utc>> {
        *self.missed_at.lock().expect("no holder panics")
    }

    /// How many processes are there, this one among them. One that died counts until another has found
    /// it gone; one without a sign of life does not count, and counts nobody but itself.
    pub(crate) fn there(&self) -> u32 {
        self.there.load(Ordering::Relaxed).max(1)
    }

    /// Notes that another process is gone.
    pub(crate) fn miss(&self, at: DateTime<Utc>) {
        *self.missed_at.lock().expect("no holder panics") = Some(at);
    }

    /// Gives the sign for as long as it is polled.
    pub(crate) async fn keep(&self, pool: &PgPool) {
        let _end = End(&self.sign);
        let mut ticks = tokio::time::interval(BEAT);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.live(pool, &mut ticks).await {
                info!(%error, "no sign of life; others wait for the leases of this process");
            }
            // What is being called has until then to end well.
            let sign = *self.sign.borrow();
            if let Some(sign) = sign {
                interval_at(sign.until, BEAT).tick().await;
            }
        }
    }

    /// One session, until it ends or another answers in its place.
    async fn live(
        &self,
        pool: &PgPool,
        ticks: &mut tokio::time::Interval,
    ) -> Result<(), sqlx::Error> {
        let options = pool.connect_options();
        let mut session = PgConnection::connect_with(&options).await?;
        let [a, b, c, d, ..] = *Uuid::new_v4().as_bytes();
        let number = i32::from_be_bytes([a, b, c, d]);
        let mut asked = Instant::now();
        let taken = "select pg_try_advisory_lock($1, $2), pg_backend_pid()";
        let (taken, of): (bool, i32) =
            sqlx::query_as(taken).bind(ROOM).bind(number).fetch_one(&mut session).await?;
        if !taken {
            return Ok(());
        }
        let said = "insert into present (number) values ($1)";
        sqlx::query(said).bind(number).execute(&mut session).await?;
        loop {
            self.sign.send_replace(Some(Sign { number, until: asked + SILENCE }));
            ticks.tick().await;
            asked = Instant::now();
            let who = "select pg_backend_pid(), (select count(*) from present)";
            let (answers, there): (i32, i64) = sqlx::query_as(who).fetch_one(&mut session).await?;
            if answers != of {
                warn!("sessions of Postgres are lent out by transaction: there is no sign of life");
                self.there.store(1, Ordering::Relaxed);
                return Ok(());
            }
            self.there.store(u32::try_from(there).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }
}

/// Nobody answers for the sign any more.
struct End<'a>(&'a watch::Sender<Option<Sign>>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}
