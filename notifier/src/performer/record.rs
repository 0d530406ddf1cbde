//! The record of each attempt: in the database for people who ask, and as a count.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use opentelemetry::{KeyValue, metrics::Counter};
use sqlx::PgPool;
use store::Claim;
use tracing::warn;

use crate::{
    slack::text::clip,
    store::{self as tables, Attempt, Standing},
};

/// Characters of what was said and of an error that a record keeps.
const RECORD_CHARS_MAX: usize = 300;

/// Writes records.
pub(super) struct Recorder {
    pool: PgPool,
    deliveries: Counter<u64>,
}

/// What is known about a call, for its record.
pub(super) struct Note<'a> {
    pub(super) claim: &'a Claim,
    pub(super) target: String,
    about: String,
}

impl Recorder {
    pub(super) fn new(pool: PgPool) -> Self {
        let deliveries = opentelemetry::global::meter("notifier")
            .u64_counter("stackly_deliveries")
            .with_description("Attempts to tell people, by kind of call and how it stands then")
            .build();
        Self { pool, deliveries }
    }

    /// How many calls were made before: of the claims, some found no room, or were asked to wait.
    pub(super) async fn before(&self, claim: &Claim) -> u32 {
        tables::attempts(&self.pool, claim.id).await.unwrap_or_else(|error| {
            warn!(%error, "cannot read the delivery record");
            u32::try_from(claim.attempt).unwrap_or(1).saturating_sub(1)
        })
    }

    /// The other side took it.
    pub(super) async fn delivered(&self, note: &Note<'_>, status: Option<u16>) {
        self.write(note, Standing::Delivered, status, None).await;
    }

    /// It is not tried again.
    pub(super) async fn given_up(&self, note: &Note<'_>, status: Option<u16>, why: &str) {
        self.write(note, Standing::GivenUp, status, Some((why, None))).await;
    }

    /// It is tried again.
    pub(super) async fn waiting(
        &self,
        note: &Note<'_>,
        status: Option<u16>,
        why: &str,
        after: Duration,
    ) {
        self.write(note, Standing::Waiting, status, Some((why, Some(after)))).await;
    }

    /// A record that cannot be written must not make a call be repeated.
    async fn write(
        &self,
        note: &Note<'_>,
        standing: Standing,
        status: Option<u16>,
        trouble: Option<(&str, Option<Duration>)>,
    ) {
        let (error, after) = trouble.unzip();
        let after = after.flatten();
        let now = Utc::now();
        let error = error.map(|error| clip(error, RECORD_CHARS_MAX));
        let attempt = Attempt {
            effect: note.claim.id,
            story: note.claim.key,
            kind: &note.claim.kind,
            target: &note.target,
            about: &note.about,
            standing,
            status,
            error: error.as_deref(),
            at: now,
            next_at: after
                .and_then(|after| TimeDelta::from_std(after).ok())
                .and_then(|after| now.checked_add_signed(after)),
        };
        self.deliveries.add(
            1,
            &[
                KeyValue::new("kind", note.claim.kind.clone()),
                KeyValue::new("standing", standing.as_str()),
            ],
        );
        if let Err(error) = tables::record(&self.pool, &attempt).await {
            warn!(%error, "an attempt is not recorded");
        }
    }
}

impl<'a> Note<'a> {
    pub(super) fn new(claim: &'a Claim, target: String, about: &str) -> Self {
        Self { claim, target, about: clip(about, RECORD_CHARS_MAX) }
    }
}
