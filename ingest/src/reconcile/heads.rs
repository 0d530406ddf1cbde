//! Heads of tracked branches: where a branch has moved and no push told of it, the push is taken in
//! as its host would have sent it, marked as found.
//!
//! A branch that is looked at for the first time is only noted: nobody missed what was there
//! before.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use anyhow::anyhow;
use axum::http::{HeaderMap, HeaderValue};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::id::NAMESPACE;
use serde_json::Value;
use uuid::Uuid;

use super::{
    GRACE,
    api::{Answer, Api, Trouble},
    finder::{Finder, Taken},
};
use crate::{
    record::Arrival,
    store::heads::{self, Move, Place, Seen},
};

mod azure_devops;
mod bitbucket;
mod bitbucket_server;
mod branches;
mod github;
mod gitlab;

pub(crate) use branches::Branches;

/// For how long what arrives may be looked through for moves of one branch.
const LOOKED_THROUGH: TimeDelta = TimeDelta::minutes(10);

/// A branch as configuration names it: `owner/name@branch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Tracked {
    repository: String,
    branch: String,
}

impl Tracked {
    fn read(setting: &str, text: &str) -> anyhow::Result<Self> {
        match text.split_once('@') {
            Some((repository, branch)) if repository.contains('/') && !branch.is_empty() => {
                Ok(Self { repository: repository.to_owned(), branch: branch.to_owned() })
            }
            _ => anyhow::bail!("{setting}: `{text}` is not a branch; write `owner/name@branch`"),
        }
    }

    fn place<'a>(&'a self, finder: &Finder) -> Place<'a> {
        let source = finder.kind.as_str();
        Place { source, repository: &self.repository, branch: &self.branch }
    }

    /// What its page is remembered by.
    fn page(&self) -> String {
        format!("{}@{}", self.repository, self.branch)
    }

    /// The id of the push that brought it to this head, short and plain whatever the branch is called.
    /// From where and since when are part of it: a branch can come back to a head it had.
    fn delivery(&self, (head, seen): (&Head, &Seen)) -> String {
        let (page, since) = (self.page(), seen.at.timestamp_micros());
        let moved = format!("{page}/{since}/{}/{}", seen.head, head.sha);
        format!("head/{}", Uuid::new_v5(&NAMESPACE, moved.as_bytes()))
    }

    /// A push that moved it, as if its host had delivered it: with the header that names the event,
    /// and an id in another.
    fn told(
        &self,
        moved: (&Head, &Seen),
        ((event, name), id): ((&'static str, &'static str), &'static str),
        body: &Value,
        now: DateTime<Utc>,
    ) -> Arrival {
        let delivery = HeaderValue::try_from(self.delivery(moved)).expect("an id is plain");
        let mut headers = HeaderMap::new();
        headers.insert(event, HeaderValue::from_static(name));
        headers.insert(id, delivery);
        Arrival::found(headers, body.to_string(), now)
    }
}

/// Where a branch is, as its host tells.
pub(super) struct Head {
    sha: String,
    message: String,
    url: Option<String>,
    /// Who wrote it: a login or an address, as the host has it.
    author: Option<String>,
}

/// A host that is asked where branches are.
pub(super) trait Host {
    /// Its API, and how much of the quota is left to others.
    fn api(&self) -> (&Api, u64);

    /// Where a branch is; nothing if it is where it was when this was the answer.
    async fn head(
        &self,
        tracked: &Tracked,
        etag: Option<&str>,
    ) -> Result<Option<Answer<Head>>, Trouble>;

    /// The push that moved a branch to its head from where it was seen, as this host would have told.
    async fn push(
        &self,
        tracked: &Tracked,
        moved: (&Head, &Seen),
        now: DateTime<Utc>,
    ) -> Result<Arrival, Trouble>;
}

/// The branches of one host that are looked at.
#[derive(Debug)]
pub(super) struct Heads {
    branches: Vec<Tracked>,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    /// What the answer about each branch was like: if it is still the same, it costs no quota.
    etags: HashMap<String, String>,
    /// Heads that no push has told of, and since when they are known.
    unheard: HashMap<String, (String, DateTime<Utc>)>,
    /// The branch that the next round begins with: one that is cut short gets no further.
    next: usize,
}

impl Heads {
    /// The branches of a setting.
    pub(super) fn read(setting: &str, texts: &[String]) -> anyhow::Result<Self> {
        let branches = texts.iter().map(|text| Tracked::read(setting, text));
        Ok(Self { branches: branches.collect::<anyhow::Result<_>>()?, marks: Mutex::default() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Marks) -> T) -> T {
        act(&mut self.marks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks once at every branch, at first at those that the last round did not get to; gives what
    /// people should know. A hold ends the round.
    pub(super) async fn look<H: Host>(
        &self,
        host: &H,
        finder: &Finder,
        now: DateTime<Utc>,
    ) -> Vec<String> {
        let mut troubles = Vec::new();
        let (before, after) = self.branches.split_at(self.with(|marks| marks.next));
        for branch in after.iter().chain(before) {
            // Also where it is the branch itself that takes too long: the others come first then.
            self.with(|marks| marks.next = (marks.next + 1) % self.branches.len());
            match self.look_at(branch, (host, finder), now).await {
                Ok(()) => {}
                Err(Trouble::Held(hold)) => {
                    troubles.push(finder.held(hold));
                    break;
                }
                Err(other) => troubles.push(other.of(&branch.page())),
            }
        }
        troubles
    }

    async fn look_at<H: Host>(
        &self,
        tracked: &Tracked,
        (host, finder): (&H, &Finder),
        now: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        let page = tracked.page();
        let place = tracked.place(finder);
        let failed = |error: sqlx::Error| Trouble::Failed(error.into());
        let seen = heads::seen(&finder.pool, place).await.map_err(failed)?;
        let told = match &seen {
            Some(seen) => heads::told(&finder.pool, place, seen.at).await.map_err(failed)?,
            None => Vec::new(),
        };
        let ends_elsewhere =
            seen.as_ref().is_some_and(|seen| untold(&told, seen, &seen.head).is_some());
        let etag = self.with(|marks| marks.etags.get(&page).cloned());
        let etag = etag.filter(|_| !ends_elsewhere);
        let asked = host.head(tracked, etag.as_deref()).await?;
        let Some(Answer { content: head, usage, .. }) = asked else {
            self.settle(&page, None);
            return self.note((finder, place), seen.as_ref(), None, now).await;
        };
        let (api, reserve) = host.api();
        api.spare(&usage, reserve)?;
        let missed = seen.as_ref().and_then(|seen| {
            untold(&told, seen, &head.sha).map(|from| Seen { head: from, at: seen.at })
        });
        let is_settled = match missed {
            None => true,
            Some(from) => self.missed(tracked, (host, finder), (&head, &from), now).await?,
        };
        if is_settled {
            self.note((finder, place), seen.as_ref(), Some(&head.sha), now).await?;
            self.settle(&page, usage.etag);
        }
        Ok(())
    }

    /// Notes where a branch is, if that is news, or was noted so long ago that too much has arrived since
    /// to be looked through each time.
    async fn note(
        &self,
        (finder, place): (&Finder, Place<'_>),
        seen: Option<&Seen>,
        head: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        let Some(head) = head.or_else(|| seen.map(|seen| seen.head.as_str())) else {
            return Ok(());
        };
        if seen.is_some_and(|seen| seen.head == head && now < seen.at + LOOKED_THROUGH) {
            return Ok(());
        }
        // What arrives now may be committed a moment later.
        let seen = Seen { head: head.to_owned(), at: now - GRACE };
        let noted = heads::note(&finder.pool, place, &seen).await;
        noted.map_err(|error| Trouble::Failed(error.into()))
    }

    /// From now on the same page costs no quota.
    fn settle(&self, page: &str, etag: Option<String>) {
        self.with(|marks| {
            marks.unheard.remove(page);
            if let Some(etag) = etag {
                marks.etags.insert(page.to_owned(), etag);
            }
        });
    }

    /// Takes in a push that nobody told of; whether it is in. What the host is about to deliver is
    /// not missed yet.
    async fn missed<H: Host>(
        &self,
        tracked: &Tracked,
        (host, finder): (&H, &Finder),
        (head, seen): (&Head, &Seen),
        now: DateTime<Utc>,
    ) -> Result<bool, Trouble> {
        let first = self.with(|marks| {
            let unheard =
                marks.unheard.entry(tracked.page()).or_insert_with(|| (head.sha.clone(), now));
            if unheard.0 != head.sha {
                *unheard = (head.sha.clone(), now);
            }
            unheard.1
        });
        if now < first + GRACE {
            return Ok(false);
        }
        let written = heads::written(&finder.pool, tracked.place(finder), now).await;
        let written = written.map_err(|error| Trouble::Failed(error.into()))?;
        let repository = written.unwrap_or_else(|| tracked.repository.clone());
        let as_told = Tracked { repository, branch: tracked.branch.clone() };
        let arrival = host.push(&as_told, (head, seen), now).await?;
        let what = format!("{} at {}", tracked.page(), head.sha);
        match finder.take_in(arrival, &what).await {
            Taken::In => Ok(true),
            Taken::Not => Ok(false),
            Taken::Unusable(why) => {
                let text = format!("the push to {} that nobody told of cannot be used", head.sha);
                Err(Trouble::Unreadable(anyhow!(why).context(text)))
            }
        }
    }
}

/// From where a branch came to its head without anybody telling, if it did. It does not matter where it
/// was seen in between: what counts is where the moves that were told of end, because that is what
/// was followed.
fn untold(told: &[Move], seen: &Seen, head: &str) -> Option<String> {
    let last_elsewhere = told.iter().rposition(|one| one.after != head);
    let is_of_it = |(place, one): (usize, &Move)| {
        let after_that = |last: usize| place > last || one.before == told[last].after;
        one.after == head && last_elsewhere.is_none_or(after_that)
    };
    if told.iter().enumerate().any(is_of_it) {
        return None;
    }
    match last_elsewhere {
        Some(last) => Some(told[last].after.clone()),
        None => (seen.head != head).then(|| seen.head.clone()),
    }
}

/// A name as one segment of a path.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
