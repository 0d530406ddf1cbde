//! What never arrived: GitHub delivers once, and does not try again by itself.
//!
//! It keeps a list of its deliveries for three days. What of it is not known here is fetched and
//! taken in as if it had come, marked as found. The signature is not judged: what is fetched comes
//! from GitHub itself, over TLS, under our token.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry::metrics::Counter;
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::PgPool;
use tracing::{info, warn};

use crate::{config, http::Gate, intake::Kept, record::Arrival, source::Kind, store::read};

mod github;
mod heads;
pub(crate) mod webhooks;

use github::{Github, Page, Trouble};
use heads::Tracked;

/// What GitHub is about to deliver is not missed yet.
const GRACE: TimeDelta = TimeDelta::seconds(30);
/// GitHub tells of three days.
const BACK: TimeDelta = TimeDelta::days(3);
/// A hundred deliveries each: more than a busy organisation has between two rounds.
const PAGES_MAX: usize = 20;

/// Looks for what never arrived.
pub(crate) struct Reconciler {
    pool: PgPool,
    gate: Arc<Gate>,
    github: Github,
    hooks: Vec<String>,
    branches: Vec<Tracked>,
    quota_reserve: u64,
    state: Mutex<State>,
    found: Counter<u64>,
}

#[derive(Debug, Default)]
struct State {
    standing: Standing,
    /// What the newest page of each hook was like: if it is still the same, it costs no quota.
    etags: HashMap<String, String>,
    /// The hooks of which everything that GitHub still tells was looked at once.
    walked: HashSet<String>,
    /// Heads that no push has told of, and since when they are known.
    unheard: HashMap<String, (String, DateTime<Utc>)>,
}

/// How it stands, as people see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Standing {
    /// When it looked last.
    pub(crate) looked_at: Option<DateTime<Utc>>,
    /// How many it has found since the process began.
    pub(crate) found: u64,
    /// Until when it waits, if it does.
    pub(crate) held_until: Option<DateTime<Utc>>,
    /// Why it waits, or why it could not look.
    pub(crate) trouble: Option<String>,
}

impl Reconciler {
    /// Nobody, if configuration names no token or no hook.
    pub(crate) fn new(
        options: &config::Reconcile,
        pool: &PgPool,
        gate: &Arc<Gate>,
    ) -> anyhow::Result<Option<Self>> {
        let branches = options.github_branches.iter().map(|text| Tracked::read(text));
        let branches = branches.collect::<anyhow::Result<Vec<_>>>()?;
        let is_nothing = options.github_hooks.is_empty() && branches.is_empty();
        if options.github_token.expose_secret().is_empty() || is_nothing {
            return Ok(None);
        }
        let found = opentelemetry::global::meter("ingest")
            .u64_counter("stackly_deliveries_found")
            .with_description("Deliveries that never arrived and were fetched.")
            .build();
        Ok(Some(Self {
            pool: pool.clone(),
            gate: gate.clone(),
            github: Github::new(&options.github_api_base, &options.github_token)?,
            hooks: options.github_hooks.clone(),
            branches,
            quota_reserve: options.quota_reserve,
            state: Mutex::default(),
            found,
        }))
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        self.with(|state| state.standing.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks once at every hook, then at every branch: what was delivered and is fetched is no
    /// head that nobody told of.
    pub(crate) async fn round(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        if self.with(|state| state.standing.held_until.is_some_and(|until| now < until)) {
            return Ok(());
        }
        self.with(|state| state.standing.held_until = None);
        let trouble = self.look_at_all(now).await;
        self.with(|state| {
            state.standing.looked_at = Some(now);
            state.standing.trouble = trouble;
        });
        Ok(())
    }

    async fn look_at_all(&self, now: DateTime<Utc>) -> Option<String> {
        let mut trouble = None;
        for hook in &self.hooks {
            match self.look(hook, now).await {
                Ok(()) => {}
                Err(Trouble::Held { until, text }) => return Some(self.held(until, text)),
                Err(other) => trouble = Some(other.of(hook)),
            }
        }
        for branch in &self.branches {
            match self.look_at_branch(branch, now).await {
                Ok(()) => {}
                Err(Trouble::Held { until, text }) => return Some(self.held(until, text)),
                Err(other) => trouble = Some(other.of(&branch.page())),
            }
        }
        trouble
    }

    fn held(&self, until: DateTime<Utc>, text: String) -> String {
        warn!(%until, text, "GitHub's quota is spent; waiting");
        self.with(|state| state.standing.held_until = Some(until));
        text
    }

    async fn look(&self, hook: &str, now: DateTime<Utc>) -> Result<(), Trouble> {
        let (etag, is_first) =
            self.with(|state| (state.etags.get(hook).cloned(), !state.walked.contains(hook)));
        let Some(mut page) = self.github.newest(hook, etag.as_deref()).await? else {
            return Ok(());
        };
        // Remembered when all of it is taken in: what failed half-way is looked at again.
        let etag = page.usage.etag.clone();
        let mut is_whole = true;
        for _ in 0..PAGES_MAX {
            self.spare(&page.usage)?;
            let missing = self.missing(&page, now).await?;
            is_whole &= page.deliveries.iter().all(|one| one.delivered_at <= now - GRACE);
            for delivery in &missing {
                is_whole &= self.fetch(hook, *delivery, now).await?;
            }
            let is_old = page.deliveries.iter().any(|one| one.delivered_at < now - BACK);
            // After a start everything is looked at; later what is older than something known is.
            let goes_on = !is_old && (is_first || !missing.is_empty());
            match page.next.take().filter(|_| goes_on) {
                Some(next) => page = self.github.page(&next).await?,
                None => break,
            }
        }
        self.with(|state| {
            state.walked.insert(hook.to_owned());
            if let Some(etag) = etag.filter(|_| is_whole) {
                state.etags.insert(hook.to_owned(), etag);
            }
        });
        Ok(())
    }

    /// Those of a page that never arrived, the oldest first.
    async fn missing(&self, page: &Page, now: DateTime<Utc>) -> Result<Vec<u64>, Trouble> {
        let ids: Vec<_> = page.deliveries.iter().map(|one| one.guid.clone()).collect();
        let known = read::known(&self.pool, Kind::Github.as_str(), &ids, now).await;
        let known = known.map_err(|error| Trouble::Failed(error.into()))?;
        let mut missing: Vec<_> = page
            .deliveries
            .iter()
            .filter(|one| one.delivered_at <= now - GRACE && !known.contains(&one.guid))
            .map(|one| (one.guid.as_str(), one.id))
            .collect();
        // A delivery that GitHub was asked to repeat is in the list once for each attempt.
        missing.sort_unstable();
        missing.dedup_by_key(|(guid, _)| *guid);
        let mut ids: Vec<_> = missing.into_iter().map(|(_, id)| id).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Fetches one and takes it in; whether it is in.
    async fn fetch(&self, hook: &str, id: u64, now: DateTime<Utc>) -> Result<bool, Trouble> {
        let request = self.github.delivery(hook, id).await?;
        let headers = request.headers.iter().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.as_str()?).ok()?))
        });
        let mut headers: HeaderMap = headers.collect();
        // What is fetched is JSON, however it was delivered.
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let body = Bytes::from(request.payload.get().to_owned());
        let arrival = Arrival { headers, body, received_at: now, trace: None };
        let kept = self.gate.found(Kind::Github, arrival).await;
        match kept {
            Some(Kept::Now) => {
                info!(hook, delivery = id, "took in a delivery that never arrived");
                self.found.add(1, &[]);
                self.with(|state| state.standing.found += 1);
                Ok(true)
            }
            Some(Kept::Before(_) | Kept::Never) => Ok(true),
            Some(Kept::Not) | None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
