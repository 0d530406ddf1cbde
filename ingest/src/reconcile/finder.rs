//! What every search for lost deliveries does alike: it waits while it must, asks what is known,
//! takes in what is not, and says how it stands.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use opentelemetry::metrics::Counter;
use sqlx::PgPool;
use tokio::time::timeout;
use tracing::{info, warn};

use super::api::{Hold, Trouble};
use crate::{
    http::{Entry, Found},
    intake::Kept,
    page::Search,
    record::Arrival,
    source::Kind,
    store::read,
};

/// Looks for what one kind of sender could not deliver.
pub(super) struct Finder {
    pub(super) pool: PgPool,
    entry: Arc<Entry>,
    pub(super) kind: Kind,
    patience: Duration,
    standing: Mutex<Search>,
    found: Counter<u64>,
}

/// What became of what was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is in.
    In,
    /// It is kept, and nothing can follow from it; why.
    Unusable(String),
    /// Not yet.
    Not,
}

impl Taken {
    /// Whether it need not be looked for again.
    pub(super) fn is_settled(&self) -> bool {
        *self != Self::Not
    }
}

impl Finder {
    /// A round takes no longer than two periods: for half a minute more it is this process's turn.
    pub(super) fn new(kind: Kind, pool: &PgPool, entry: &Arc<Entry>, period: Duration) -> Self {
        let found = opentelemetry::global::meter("ingest")
            .u64_counter("stackly_deliveries_found")
            .with_description("Deliveries that never arrived and were fetched.")
            .build();
        let (pool, entry, patience) = (pool.clone(), entry.clone(), period * 2);
        Self { pool, entry, kind, patience, standing: Mutex::default(), found }
    }

    /// How it stands.
    pub(super) fn standing(&self) -> Search {
        self.with(|standing| standing.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Search) -> T) -> T {
        act(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks once, unless it waits; `looking` gives what people should know.
    pub(super) async fn round(
        &self,
        now: DateTime<Utc>,
        looking: impl Future<Output = Vec<String>>,
    ) {
        if !self.begin(now) {
            return;
        }
        let troubles = timeout(self.patience, looking).await;
        let troubles = troubles.unwrap_or_else(|_| {
            let seconds = self.patience.as_secs();
            vec![format!("there was more to look at than in {seconds} s; the next round goes on")]
        });
        self.end(now, (!troubles.is_empty()).then(|| troubles.join("; ")));
    }

    /// Whether it may look now.
    fn begin(&self, now: DateTime<Utc>) -> bool {
        self.with(|standing| {
            let is_held = standing.held_until.is_some_and(|until| now < until);
            if !is_held {
                (standing.held_until, standing.code) = (None, None);
            }
            !is_held
        })
    }

    /// It has looked, or it could not.
    fn end(&self, now: DateTime<Utc>, trouble: Option<String>) {
        self.with(|standing| {
            standing.looked_at = Some(now);
            standing.trouble = trouble;
        });
    }

    /// Waits, because the host wants it; gives the reason.
    pub(super) fn held(&self, hold: Hold) -> String {
        let Hold { until, code, text } = hold;
        warn!(%until, code, text, "the host is left alone; waiting");
        self.with(|standing| {
            (standing.held_until, standing.code) = (Some(until), Some(code.to_owned()))
        });
        text
    }

    /// Which of these arrived, or were found before.
    pub(super) async fn known(&self, ids: &[String]) -> Result<HashSet<String>, Trouble> {
        let known = read::known(&self.pool, self.kind.as_str(), ids).await;
        Ok(known.map_err(|error| Trouble::Failed(error.into()))?.into_iter().collect())
    }

    /// Takes in what never arrived, as if it had.
    pub(super) async fn take_in(&self, arrival: Arrival, what: &str) -> Taken {
        let Some(Found { kept, malformed }) = self.entry.found(self.kind, arrival).await else {
            return Taken::Not;
        };
        match (kept, malformed) {
            (Kept::Not | Kept::Returned(_), _) => Taken::Not,
            (Kept::Never, _) => Taken::Unusable("the database will not have it".to_owned()),
            (Kept::Now | Kept::Before(_), Some(malformed)) => Taken::Unusable(malformed),
            (Kept::Before(_), None) => Taken::In,
            (Kept::Now, None) => {
                info!(source = self.kind.as_str(), what, "took in what never arrived");
                self.found.add(1, &[]);
                self.with(|standing| standing.found += 1);
                Taken::In
            }
        }
    }
}
