//! What never arrived: GitHub and GitLab deliver once, and do not try again by themselves.
//!
//! GitHub keeps a list of its deliveries for three days, GitLab for seven ([`gitlab`]). What of it is
//! not known here is fetched and taken in as if it had come, marked as found. The signature is not
//! judged: what is fetched comes from the host itself, over TLS, under our token.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ::github::Asker;
use anyhow::Context;
use axum::http::{HeaderName, HeaderValue};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, value::RawValue};
use sqlx::PgPool;

use crate::{config, http::Entry, page::Search, record::Arrival, source::Kind};

mod api;
mod finder;
mod github;
mod gitlab;
mod heads;
mod hooks;
mod list;
mod pings;
mod walk;
pub(crate) mod webhooks;

use api::{Answer, Api, Trouble};
use finder::Finder;
pub(crate) use gitlab::Recent;
pub(crate) use heads::Branches;
use heads::Heads;
pub(crate) use hooks::{Hook, Hooks};
use list::{List, TakenIn, Walks};
pub(crate) use pings::{Sent, Tried};

/// What GitHub is about to deliver is not missed yet.
const GRACE: TimeDelta = TimeDelta::seconds(30);
/// GitHub tells of three days.
const BACK: TimeDelta = TimeDelta::days(3);
/// After so many in a row that could not be fetched for the first time, it is not for their sake.
const FAILURES_MAX: usize = 3;

/// Looks for what never arrived from GitHub.
pub(crate) struct Reconciler {
    finder: Finder,
    github: Api,
    hooks: Vec<String>,
    heads: Heads,
    quota_reserve: u64,
    walks: Walks<DateTime<Utc>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What each hook is missing that GitHub does not show any more, and when that was seen.
    lost: HashMap<String, Lost>,
    /// What of each hook could not be fetched, and when that was tried last.
    failed: HashMap<String, Failed>,
}

/// By the number of the attempt: what it was to deliver, and when it was seen to be lost.
type Lost = HashMap<u64, (String, DateTime<Utc>)>;

/// By the number of the attempt.
type Failed = HashMap<u64, DateTime<Utc>>;

impl Reconciler {
    /// Nobody, if configuration names no token or no hook.
    pub(crate) fn new(
        options: &config::Reconcile,
        pool: &PgPool,
        entry: &Arc<Entry>,
    ) -> anyhow::Result<Option<Self>> {
        let heads = Heads::read("reconcile.github_branches", &options.github_branches)?;
        let is_nothing = options.github_hooks.is_empty() && heads.is_empty();
        let config::Reconcile { github_api_base: base, github_token, github_app, .. } = options;
        let asker = Asker::new(github_app, github_token, base).context("reconcile.github_app")?;
        let Some(asker) = asker.filter(|_| !is_nothing) else { return Ok(None) };
        Ok(Some(Self {
            finder: Finder::new(Kind::Github, pool, entry, options.period),
            github: Api::new("GitHub", base, asker, ::github::HEADERS)?,
            hooks: options.github_hooks.clone(),
            heads,
            quota_reserve: options.quota_reserve,
            walks: Walks::default(),
            state: Mutex::default(),
        }))
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Search {
        self.finder.standing()
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks once at everything.
    pub(crate) async fn round(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        List::round(self, now).await;
        Ok(())
    }

    fn failed<T>(&self, hook: &str, act: impl FnOnce(&mut Failed) -> T) -> T {
        self.with(|state| act(state.failed.entry(hook.to_owned()).or_default()))
    }

    fn lost<T>(&self, hook: &str, act: impl FnOnce(&mut Lost) -> T) -> T {
        self.with(|state| act(state.lost.entry(hook.to_owned()).or_default()))
    }

    /// Fetches one and takes it in; whether it is in.
    async fn fetch(&self, hook: &str, id: u64, now: DateTime<Utc>) -> Result<bool, Trouble> {
        let Answer { content: request, usage, .. } =
            github::delivery(&self.github, hook, id).await?;
        let arrival = arrival(&request.headers, &request.payload, now);
        let taken = self.finder.take_in(arrival, &format!("{hook}/deliveries/{id}")).await;
        // Each costs a request: a page of them could spend the share of others.
        self.github.spare(&usage, self.quota_reserve)?;
        Ok(taken.is_settled())
    }
}

impl List for Reconciler {
    type Place = DateTime<Utc>;
    type Attempt = github::Delivery;

    fn looks(&self) -> (&[String], &Heads, &Finder) {
        (&self.hooks, &self.heads, &self.finder)
    }

    fn walks(&self) -> &Walks<DateTime<Utc>> {
        &self.walks
    }

    fn newest(hook: &str) -> String {
        format!("{hook}/deliveries?per_page=100")
    }

    fn floor(now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(now - BACK)
    }

    async fn look(&self, hook: &str, now: DateTime<Utc>) -> Result<Vec<String>, Trouble> {
        let failed = self.read(hook, now).await?;
        Ok(failed.map(|trouble| trouble.of(hook)).into_iter().collect())
    }

    fn gone(&self, hook: &str, now: DateTime<Utc>) -> Option<String> {
        let lost = self.lost(hook, |lost| {
            lost.retain(|_, (_, seen_at)| now < *seen_at + BACK);
            lost.len()
        });
        (lost > 0).then(|| {
            format!(
                "{hook}: {lost} deliveries never arrived and GitHub does not show what they were; \
                 their branches must be planned by hand"
            )
        })
    }

    /// Takes in those of a page that never arrived, the oldest first, but last what could not be fetched
    /// before, which may be for its own sake: it keeps nothing else out, and no page below. Says of each
    /// delivery of the page whether it is in, or lost, and why some could not be fetched.
    async fn take_in(
        &self,
        hook: &str,
        page: &[github::Delivery],
        now: DateTime<Utc>,
    ) -> Result<TakenIn<DateTime<Utc>>, Trouble> {
        let ids: Vec<_> = page.iter().map(|one| one.guid.clone()).collect();
        let mut known = self.finder.known(&ids).await?;
        let due = |one: &&github::Delivery| one.delivered_at <= now - GRACE;
        let mut missing: Vec<_> = page.iter().filter(due).collect();
        let before = self.failed(hook, |failed| {
            failed.retain(|_, tried_at| now < *tried_at + BACK);
            failed.clone()
        });
        missing.sort_unstable_by_key(|one| (before.get(&one.id), one.id));
        let lost = self.lost(hook, |lost| lost.clone());
        let (mut failed, mut failures) = (None, 0);
        for one in missing {
            // A delivery that GitHub was asked to repeat is in the list once for each attempt.
            if known.contains(&one.guid) || lost.contains_key(&one.id) {
                continue;
            }
            match self.fetch(hook, one.id, now).await {
                Ok(is_in) => {
                    failures = 0;
                    self.failed(hook, |failed| failed.remove(&one.id));
                    known.extend(is_in.then(|| one.guid.clone()));
                }
                Err(Trouble::NotFound { .. } | Trouble::Unreadable(_)) => {
                    self.lost(hook, |lost| lost.insert(one.id, (one.guid.clone(), now)));
                }
                Err(Trouble::Failed(error)) => {
                    failures += 1;
                    self.failed(hook, |failed| failed.insert(one.id, now));
                    match (failures < FAILURES_MAX, before.contains_key(&one.id)) {
                        (true, _) => failed = Some(Trouble::Failed(error)),
                        (false, true) => {
                            failed = Some(Trouble::Failed(error));
                            break;
                        }
                        (false, false) => return Err(Trouble::Failed(error)),
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let lost = self.lost(hook, |lost| {
            lost.retain(|_, (guid, _)| !known.contains(guid));
            lost.clone()
        });
        let is_in = |one: &github::Delivery| {
            (one.delivered_at, known.contains(&one.guid) || lost.contains_key(&one.id))
        };
        Ok((page.iter().map(is_in).collect(), failed))
    }
}

/// What a host says it sent, as if it had arrived.
fn arrival(headers: &Map<String, Value>, body: &RawValue, now: DateTime<Utc>) -> Arrival {
    let said = headers.iter().filter_map(|(name, value)| header(name, value.as_str()?));
    Arrival::found(said.collect(), body.get().to_owned(), now)
}

/// A header as a host tells of it, if it is one.
fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}

#[cfg(test)]
mod tests;
