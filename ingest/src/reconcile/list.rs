//! The list that a host keeps of what it delivered, looked at in the same steps whoever keeps it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::{
    api::{Answer, Trouble},
    finder::Finder,
    heads::{Heads, Host},
    walk::{Seen, Step, Walk},
};

/// How many pages of a list are read in one round; the next round goes on.
const PAGES_MAX: usize = 20;

/// How far the list of each webhook has been looked at.
pub(super) type Walks<K> = Mutex<HashMap<String, Walk<K>>>;

/// What of a page is in, by its place, and why some of it could not be fetched.
pub(super) type TakenIn<K> = (Vec<(K, bool)>, Option<Trouble>);

/// A host that keeps a list of the deliveries of each webhook, the newest first.
pub(super) trait List: Host + Sized {
    /// What says where in the list a delivery is, the newest highest.
    type Place: Copy + Ord;
    /// One attempt to deliver.
    type Attempt: DeserializeOwned;

    /// The webhooks and branches that are looked at, and who takes in what is found.
    fn looks(&self) -> (&[String], &Heads, &Finder);

    fn walks(&self) -> &Walks<Self::Place>;

    /// The path of the newest page.
    fn newest(hook: &str) -> String;

    /// Nothing below is looked for.
    fn floor(now: DateTime<Utc>) -> Option<Self::Place>;

    /// Takes in those of a page that never arrived, the oldest first.
    async fn take_in(
        &self,
        hook: &str,
        page: &[Self::Attempt],
        now: DateTime<Utc>,
    ) -> Result<TakenIn<Self::Place>, Trouble>;

    /// Looks once at one webhook; gives what people should know.
    async fn look(&self, hook: &str, now: DateTime<Utc>) -> Result<Vec<String>, Trouble>;

    /// That deliveries of a webhook are lost for good, if some are.
    fn gone(&self, hook: &str, now: DateTime<Utc>) -> Option<String>;

    /// Looks once at every webhook, then at every branch: what was delivered and is fetched is no head
    /// that nobody told of.
    async fn round(&self, now: DateTime<Utc>) {
        let (hooks, heads, finder) = self.looks();
        let looking = async {
            let mut troubles = Vec::new();
            for hook in hooks {
                match self.look(hook, now).await {
                    Ok(told) => troubles.extend(told),
                    Err(Trouble::Held(hold)) => {
                        troubles.push(finder.held(hold));
                        return troubles;
                    }
                    Err(other) => troubles.push(other.of(hook)),
                }
                troubles.extend(self.gone(hook, now));
            }
            troubles.extend(heads.look(self, finder, now).await);
            troubles
        };
        finder.round(now, looking).await;
    }

    /// Reads the list of one webhook as far as it has to be; gives why some of it could not be fetched.
    async fn read(&self, hook: &str, now: DateTime<Utc>) -> Result<Option<Trouble>, Trouble> {
        // A page may be gone after a while.
        let give_up = |trouble: &Trouble| {
            if !matches!(trouble, Trouble::Held(_)) {
                self.walk(hook, Walk::give_up);
            }
        };
        let (api, reserve) = self.api();
        let mut page: Answer<Vec<Self::Attempt>> = match self.walk(hook, |walk| walk.step()) {
            Step::Newest { unless } => {
                let newest = api.url(&Self::newest(hook.trim_matches('/')));
                let Some(page) = api.changed(&newest, unless.as_deref()).await? else {
                    return Ok(None);
                };
                page
            }
            Step::On(url) => api.ask(&url).await.inspect_err(give_up)?,
        };
        let mut failed = None;
        for read in 1.. {
            api.spare(&page.usage, reserve)?;
            let (deliveries, trouble) = self.take_in(hook, &page.content, now).await?;
            failed = trouble.or(failed);
            let (next, etag) = (page.next.take(), page.usage.etag.take());
            let seen = Seen { deliveries, next, etag };
            let next = self.walk(hook, |walk| walk.note(seen, Self::floor(now)));
            match next.filter(|_| read < PAGES_MAX) {
                Some(next) => page = api.ask(&next).await?,
                None => break,
            }
        }
        Ok(failed)
    }

    fn walk<T>(&self, hook: &str, act: impl FnOnce(&mut Walk<Self::Place>) -> T) -> T {
        let mut walks = self.walks().lock().unwrap_or_else(PoisonError::into_inner);
        act(walks.entry(hook.to_owned()).or_default())
    }
}
