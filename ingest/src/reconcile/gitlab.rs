//! GitLab's recent events: what it tried to deliver in the last seven days, with what it sent.
//!
//! The list holds each attempt whole, so nothing more need be asked; but it does not say when it was
//! made, and what was too large for GitLab to keep is a gap that only a person can close. Of what
//! happens while GitLab has switched a webhook off nothing is in the list, so that is told, too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use github::Asker;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use sqlx::PgPool;

use super::{
    api::{Answer, Api, Trouble},
    arrival,
    finder::Finder,
    heads::Heads,
    list::{List, TakenIn, Walks},
};
use crate::{config, gitlab::DELIVERY, http::Entry, page::Search, record::Arrival, source::Kind};

mod pings;

/// GitLab gives a hundred events a page at most. They hold whole bodies, so not as many are asked
/// for.
const PER_PAGE: usize = 50;
/// GitLab tells of seven days.
const BACK: TimeDelta = TimeDelta::days(7);

/// Looks for what never arrived from GitLab.
pub(crate) struct Recent {
    finder: Finder,
    pub(super) api: Api,
    hooks: Vec<String>,
    heads: Heads,
    pub(super) quota_reserve: u64,
    /// By the ids of events, which rise with time.
    walks: Walks<u64>,
    /// What each hook is missing that cannot be fetched.
    lost: Mutex<HashMap<String, Lost>>,
}

/// The ids of events, and when they were seen.
type Lost = HashMap<u64, DateTime<Utc>>;

/// One attempt to deliver.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    id: u64,
    request_headers: Map<String, Value>,
    request_data: Box<RawValue>,
}

impl Event {
    /// The id it was, or should have been, delivered under: the same for each attempt.
    fn delivery(&self) -> Option<&str> {
        DELIVERY.into_iter().find_map(|name| header_of(&self.request_headers, name))
    }

    /// Whether GitLab kept what it sent.
    fn is_whole(&self) -> bool {
        #[derive(Deserialize)]
        struct Kept {
            #[serde(default)]
            oversize: bool,
        }
        let kept = serde_json::from_str::<Kept>(self.request_data.get());
        !kept.is_ok_and(|kept| kept.oversize)
    }

    /// As if it had arrived.
    fn arrival(&self, now: DateTime<Utc>) -> Arrival {
        arrival(&self.request_headers, &self.request_data, now)
    }
}

/// A header of what was sent.
fn header_of<'h>(headers: &'h Map<String, Value>, wanted: &str) -> Option<&'h str> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?.1.as_str()
}

/// A webhook, as far as it is used.
#[derive(Debug, Deserialize)]
struct Webhook {
    #[serde(default)]
    url: String,
    #[serde(default)]
    alert_status: Option<String>,
    #[serde(default)]
    disabled_until: Option<DateTime<Utc>>,
}

impl Webhook {
    /// That GitLab does not deliver, if it does not.
    fn trouble(&self, hook: &str) -> Option<String> {
        let status = self.alert_status.as_deref().filter(|status| *status != "executable")?;
        let until = self.disabled_until.map_or(String::new(), |at| format!(" until {at}"));
        Some(format!(
            "{hook}: GitLab has switched this webhook off{until} ({status}), and what happens \
             meanwhile is in no list; send a test event from its page to switch it on"
        ))
    }
}

impl Recent {
    /// Nobody, if configuration names no token, or neither a hook nor a branch.
    pub(crate) fn new(
        options: &config::Reconcile,
        pool: &PgPool,
        entry: &Arc<Entry>,
    ) -> anyhow::Result<Option<Self>> {
        let token = &options.gitlab_token;
        let heads = Heads::read("reconcile.gitlab_branches", &options.gitlab_branches)?;
        let is_nothing = options.gitlab_hooks.is_empty() && heads.is_empty();
        if token.expose_secret().is_empty() || is_nothing {
            return Ok(None);
        }
        Ok(Some(Self {
            finder: Finder::new(Kind::Gitlab, pool, entry, options.period),
            api: Api::new("GitLab", &options.gitlab_api_base, Asker::Token(token.clone()), &[])?,
            hooks: options.gitlab_hooks.clone(),
            heads,
            quota_reserve: options.gitlab_quota_reserve,
            walks: Walks::default(),
            lost: Mutex::default(),
        }))
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Search {
        self.finder.standing()
    }

    /// Looks once at everything.
    pub(crate) async fn round(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        List::round(self, now).await;
        Ok(())
    }

    fn lost<T>(&self, hook: &str, act: impl FnOnce(&mut Lost) -> T) -> T {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        act(lost.entry(hook.to_owned()).or_default())
    }
}

impl List for Recent {
    type Place = u64;
    type Attempt = Event;

    fn looks(&self) -> (&[String], &Heads, &Finder) {
        (&self.hooks, &self.heads, &self.finder)
    }

    fn walks(&self) -> &Walks<u64> {
        &self.walks
    }

    fn newest(hook: &str) -> String {
        format!("{hook}/events?per_page={PER_PAGE}")
    }

    /// All that GitLab lists is young enough.
    fn floor(_: DateTime<Utc>) -> Option<u64> {
        None
    }

    async fn look(&self, hook: &str, now: DateTime<Utc>) -> Result<Vec<String>, Trouble> {
        let Answer { content: webhook, usage, .. } =
            self.api.ask::<Webhook>(&self.api.url(hook)).await?;
        self.api.spare(&usage, self.quota_reserve)?;
        let failed = self.read(hook, now).await?.map(|trouble| trouble.of(hook));
        Ok(failed.into_iter().chain(webhook.trouble(hook)).collect())
    }

    fn gone(&self, hook: &str, now: DateTime<Utc>) -> Option<String> {
        let lost = self.lost(hook, |lost| {
            lost.retain(|_, seen_at| now < *seen_at + BACK);
            lost.len()
        });
        (lost > 0).then(|| {
            format!(
                "{hook}: {lost} deliveries never arrived and were too large for GitLab to keep; \
                 their branches must be planned by hand"
            )
        })
    }

    /// Takes in what of a page never arrived, the oldest first; says of each event of the page
    /// whether it is in. What GitLab did not keep is noted, and not looked for any more.
    async fn take_in(
        &self,
        hook: &str,
        events: &[Event],
        now: DateTime<Utc>,
    ) -> Result<TakenIn<u64>, Trouble> {
        let ids: Vec<_> = events.iter().filter_map(Event::delivery).map(str::to_owned).collect();
        let mut known = self.finder.known(&ids).await?;
        let mut oldest_first: Vec<_> = events.iter().collect();
        oldest_first.sort_unstable_by_key(|event| event.id);
        for event in oldest_first {
            let (id, Some(delivery)) = (event.id, event.delivery()) else { continue };
            // One that was sent again is in the list once for each attempt.
            if known.contains(delivery) {
                self.lost(hook, |lost| lost.remove(&id));
            } else if !event.is_whole() {
                self.lost(hook, |lost| lost.insert(id, now));
            } else {
                let what = format!("{hook}/events/{id}");
                let taken = self.finder.take_in(event.arrival(now), &what).await;
                known.extend(taken.is_settled().then(|| delivery.to_owned()));
            }
        }
        let is_in = |event: &Event| {
            let known = event.delivery().is_none_or(|delivery| known.contains(delivery));
            (event.id, known || !event.is_whole())
        };
        Ok((events.iter().map(is_in).collect(), None))
    }
}

#[cfg(test)]
mod tests;
