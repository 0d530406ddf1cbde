//! Who looks outside, where configuration says so: for what never arrived, and for what Spacelift
//! switched off.
//!
//! Of several processes one looks: the one that began last, or after its end another. What was seen is
//! in memory, and all of them together would spend the quota of the host.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use serde::de::DeserializeOwned;
use service::Frame;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    config,
    http::Entry,
    page::{Search, Watching},
    reach::{Reach, Secrets},
    reconcile::{Branches, Hooks, Recent, Reconciler, webhooks::Watch},
    store::lookouts,
};

/// For how long beyond two periods a turn is kept by who does not say otherwise.
const GRACE: Duration = Duration::from_secs(30);

/// Those who look.
#[derive(Clone)]
pub(crate) struct Lookouts {
    pool: PgPool,
    pub(crate) reconciler: Option<Arc<Reconciler>>,
    pub(crate) recent: Option<Arc<Recent>>,
    bitbucket: Option<Arc<Branches>>,
    bitbucket_server: Option<Arc<Branches>>,
    azure_devops: Option<Arc<Branches>>,
    pub(crate) watch: Option<Arc<Watch>>,
}

/// What a process asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) me: Uuid,
    pub(crate) lease: Duration,
    /// It has just begun: whoever had the turn before may have ended.
    pub(crate) is_new: bool,
}

/// One process among those that could look.
struct Candidate {
    pool: PgPool,
    what: &'static str,
    me: Uuid,
    lease: Duration,
    is_new: AtomicBool,
}

impl Candidate {
    fn new(pool: &PgPool, what: &'static str, period: Duration) -> Arc<Self> {
        Arc::new(Self {
            pool: pool.clone(),
            what,
            me: Uuid::new_v4(),
            lease: period * 2 + GRACE,
            is_new: AtomicBool::new(true),
        })
    }

    async fn leads(&self) -> Result<bool, sqlx::Error> {
        let is_new = self.is_new.load(Ordering::Relaxed);
        let turn = Turn { me: self.me, lease: self.lease, is_new };
        let leads = lookouts::take(&self.pool, self.what, turn).await?;
        self.is_new.store(false, Ordering::Relaxed);
        Ok(leads)
    }
}

/// Under which name the standing of each is kept.
const GITHUB: &str = "github";
const GITLAB: &str = "gitlab";
const BITBUCKET: &str = "bitbucket";
const BITBUCKET_SERVER: &str = "bitbucket_server";
const AZURE_DEVOPS: &str = "azure_devops";
const SPACELIFT: &str = "spacelift";

impl Lookouts {
    /// Has each look from time to time.
    pub(crate) fn begin(
        frame: &Frame,
        options: &config::Reconcile,
        pool: &PgPool,
        entry: &Arc<Entry>,
    ) -> anyhow::Result<Self> {
        macro_rules! look {
            ($name:expr, $what:literal, $who:expr) => {{
                let who = $who.map(Arc::new);
                if let Some(who) = who.clone() {
                    let candidate = Candidate::new(pool, $name, options.period);
                    frame.every(options.period, $what, move || {
                        let (who, candidate) = (who.clone(), candidate.clone());
                        async move {
                            if !candidate.leads().await? {
                                return Ok(());
                            }
                            who.round(Utc::now()).await?;
                            let Candidate { pool, what, me, .. } = &*candidate;
                            Ok(lookouts::tell(pool, what, *me, &who.standing()).await?)
                        }
                    });
                }
                who
            }};
        }
        Ok(Self {
            pool: pool.clone(),
            reconciler: look!(
                GITHUB,
                "missed deliveries of GitHub",
                Reconciler::new(options, pool, entry)?
            ),
            recent: look!(
                GITLAB,
                "missed deliveries of GitLab",
                Recent::new(options, pool, entry)?
            ),
            bitbucket: look!(
                BITBUCKET,
                "heads at Bitbucket",
                Branches::at_bitbucket(options, pool, entry)?
            ),
            bitbucket_server: look!(
                BITBUCKET_SERVER,
                "heads at Bitbucket Data Center",
                Branches::at_bitbucket_server(options, pool, entry)?
            ),
            azure_devops: look!(
                AZURE_DEVOPS,
                "heads at Azure DevOps",
                Branches::at_azure_devops(options, pool, entry)?
            ),
            watch: look!(SPACELIFT, "webhooks switched off", Watch::new(options, entry)?),
        })
    }

    /// Who finds out whether the addresses of what they look at lead here.
    pub(crate) fn reach(&self, secrets: Secrets, hooks: Vec<Hooks>) -> Reach {
        let Self { pool, reconciler, recent, watch, .. } = self.clone();
        Reach { pool, reconciler, recent, watch, hooks: Arc::new(hooks), secrets }
    }

    /// How the searches at GitHub, GitLab, both Bitbuckets and Azure DevOps stand; nothing of those
    /// that nobody configured.
    pub(crate) async fn searches(&self) -> Result<[Option<Search>; 5], sqlx::Error> {
        let Self { pool, reconciler, recent, bitbucket, bitbucket_server, azure_devops, .. } = self;
        let branches = |who: &Option<Arc<Branches>>| who.as_ref().map(|who| who.standing());
        Ok([
            latest(pool, GITHUB, reconciler.as_ref().map(|who| who.standing())).await?,
            latest(pool, GITLAB, recent.as_ref().map(|who| who.standing())).await?,
            latest(pool, BITBUCKET, branches(bitbucket)).await?,
            latest(pool, BITBUCKET_SERVER, branches(bitbucket_server)).await?,
            latest(pool, AZURE_DEVOPS, branches(azure_devops)).await?,
        ])
    }

    /// How the watch over Spacelift's webhooks stands, likewise.
    pub(crate) async fn watching(&self) -> Result<Option<Watching>, sqlx::Error> {
        latest(&self.pool, SPACELIFT, self.watch.as_ref().map(|who| who.standing())).await
    }
}

/// What whoever looks told of it last; what this process knows, if nobody did.
async fn latest<T: DeserializeOwned>(
    pool: &PgPool,
    what: &str,
    own: Option<T>,
) -> Result<Option<T>, sqlx::Error> {
    let Some(own) = own else { return Ok(None) };
    Ok(Some(lookouts::standing(pool, what).await?.unwrap_or(own)))
}

#[cfg(test)]
mod tests;
