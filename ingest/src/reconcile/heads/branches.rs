//! Branches of hosts that keep no list of deliveries: their heads are all there is to look at.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{Head, Heads, Host, Tracked, azure_devops, bitbucket, bitbucket_server};
use crate::{
    config,
    http::Entry,
    page::Search,
    reconcile::{
        api::{Answer, Api, Trouble},
        finder::Finder,
        hooks,
    },
    record::Arrival,
    source::Kind,
    store::heads::Seen,
};

/// Looks for the heads that no push of one host told of.
pub(crate) struct Branches {
    finder: Finder,
    api: Api,
    heads: Heads,
}

impl Branches {
    /// At Bitbucket Cloud; nobody, if configuration names no token or no branch.
    pub(crate) fn at_bitbucket(
        options: &config::Reconcile,
        pool: &PgPool,
        entry: &Arc<Entry>,
    ) -> anyhow::Result<Option<Self>> {
        let heads = Heads::read("reconcile.bitbucket_branches", &options.bitbucket_branches)?;
        let finder = Finder::new(Kind::Bitbucket, pool, entry, options.period);
        Self::new(options, heads, finder)
    }

    /// At Bitbucket Data Center; nobody, if configuration names no token or no branch.
    pub(crate) fn at_bitbucket_server(
        options: &config::Reconcile,
        pool: &PgPool,
        entry: &Arc<Entry>,
    ) -> anyhow::Result<Option<Self>> {
        let branches = &options.bitbucket_server_branches;
        let heads = Heads::read("reconcile.bitbucket_server_branches", branches)?;
        let finder = Finder::new(Kind::BitbucketServer, pool, entry, options.period);
        Self::new(options, heads, finder)
    }

    /// At Azure DevOps; nobody, if configuration names no token or no branch.
    pub(crate) fn at_azure_devops(
        options: &config::Reconcile,
        pool: &PgPool,
        entry: &Arc<Entry>,
    ) -> anyhow::Result<Option<Self>> {
        let heads = Heads::read("reconcile.azure_devops_branches", &options.azure_devops_branches)?;
        let finder = Finder::new(Kind::AzureDevops, pool, entry, options.period);
        Self::new(options, heads, finder)
    }

    fn new(
        options: &config::Reconcile,
        heads: Heads,
        finder: Finder,
    ) -> anyhow::Result<Option<Self>> {
        let api = hooks::api(finder.kind, options)?.filter(|_| !heads.is_empty());
        Ok(api.map(|api| Self { finder, api, heads }))
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Search {
        self.finder.standing()
    }

    /// Looks once at every branch.
    pub(crate) async fn round(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        self.finder.round(now, self.heads.look(self, &self.finder, now)).await;
        Ok(())
    }
}

impl Host for Branches {
    /// None of these hosts tells of a quota that could be left to others.
    fn api(&self) -> (&Api, u64) {
        (&self.api, 0)
    }

    async fn head(
        &self,
        tracked: &Tracked,
        etag: Option<&str>,
    ) -> Result<Option<Answer<Head>>, Trouble> {
        match self.finder.kind {
            Kind::AzureDevops => azure_devops::head(&self.api, tracked, etag).await,
            Kind::BitbucketServer => bitbucket_server::head(&self.api, tracked).await,
            _ => bitbucket::head(&self.api, tracked, etag).await,
        }
    }

    async fn push(
        &self,
        tracked: &Tracked,
        moved: (&Head, &Seen),
        now: DateTime<Utc>,
    ) -> Result<Arrival, Trouble> {
        match self.finder.kind {
            Kind::AzureDevops => azure_devops::push(&self.api, tracked, moved, now).await,
            Kind::BitbucketServer => bitbucket_server::push(&self.api, tracked, moved, now).await,
            _ => bitbucket::push(&self.api, tracked, moved, now).await,
        }
    }
}

#[cfg(test)]
mod tests;
