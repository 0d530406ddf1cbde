//! The clients of the channels; of the hosts of repositories, also what all but GitHub do alike.

use std::time::Duration;

use store::Claim;
use uuid::Uuid;

use crate::{
    call::StatusCall, comment::Comment, config::Config, findings::Findings, forge::Forge,
    http::Trouble, overview::OverviewCall, rest::Rest,
};

mod azure_devops;
mod bitbucket;
mod bitbucket_server;
pub(crate) mod github;
mod gitlab;
mod report;
pub(crate) mod slack;
pub(crate) mod webhook;

use azure_devops::AzureDevops;
use bitbucket::Bitbucket;
use bitbucket_server::BitbucketServer;
use gitlab::Gitlab;

/// How many comments a page has, and how many pages are looked through for one of ours.
const PAGE: usize = 100;
const PAGES_MAX: usize = 5;

/// What a host can do.
trait Host {
    /// Sets a status. To set it again is harmless.
    async fn set(&self, call: &StatusCall) -> Result<(), Trouble>;

    /// What the host calls the comment with this mark, if it stands at the pull request.
    async fn find(&self, comment: &Comment) -> Result<Option<String>, Trouble>;

    /// Writes a comment at a pull request; gives what the host calls it.
    async fn write(&self, comment: &Comment) -> Result<String, Trouble>;

    /// Changes that comment.
    async fn rewrite(&self, comment: &Comment, id: &str) -> Result<(), Trouble>;

    /// Brings what is shown of a validation up to what was found, in place of what was shown before.
    async fn list(&self, findings: &Findings, claim: &Claim) -> Result<(), Trouble>;
}

/// One of them.
pub(crate) enum Client {
    Gitlab(Gitlab),
    Bitbucket(Bitbucket),
    BitbucketServer(BitbucketServer),
    AzureDevops(AzureDevops),
}

macro_rules! each {
    ($client:expr, $host:ident => $done:expr) => {
        match $client {
            Client::Gitlab($host) => $done,
            Client::Bitbucket($host) => $done,
            Client::BitbucketServer($host) => $done,
            Client::AzureDevops($host) => $done,
        }
    };
}

impl Client {
    /// The clients of the hosts that are to be told.
    pub(crate) fn all(config: &Config) -> anyhow::Result<Vec<Self>> {
        let told = Forge::ALL.iter().filter_map(|forge| Some((*forge, config.host(*forge)?)));
        told.map(|(forge, options)| {
            let rest = Rest::new(forge, options, config.delivery.timeout)?;
            Ok(match forge {
                Forge::Gitlab => Self::Gitlab(Gitlab::new(rest)),
                Forge::Bitbucket => Self::Bitbucket(Bitbucket { rest }),
                Forge::BitbucketServer => Self::BitbucketServer(BitbucketServer { rest }),
                Forge::AzureDevops => Self::AzureDevops(AzureDevops::new(rest)),
            })
        })
        .collect()
    }

    fn rest(&self) -> &Rest {
        each!(self, host => &host.rest)
    }

    pub(crate) fn forge(&self) -> Forge {
        self.rest().forge
    }

    /// How long the host asked everybody to wait still.
    pub(crate) fn braked(&self, who: Uuid) -> Option<Duration> {
        self.rest().braked(who)
    }

    pub(crate) async fn set(&self, call: &StatusCall) -> Result<(), Trouble> {
        each!(self, host => host.set(call).await)
    }

    /// Answers at a pull request; looks first if an earlier attempt may have done so already.
    pub(crate) async fn comment(&self, comment: &Comment, claim: &Claim) -> Result<(), Trouble> {
        if claim.uncertain && each!(self, host => host.find(comment).await)?.is_some() {
            return Ok(());
        }
        each!(self, host => host.write(comment).await).map(drop)
    }

    /// Brings the comment that follows a pull request up to date; gives what the host calls it. Looks
    /// first if an earlier attempt may have written it already.
    pub(crate) async fn overview(
        &self,
        OverviewCall { comment, at }: &OverviewCall,
        claim: &Claim,
    ) -> Result<String, Trouble> {
        let id = match (at, claim.uncertain) {
            (Some(id), _) => Some(id.clone()),
            (None, true) => each!(self, host => host.find(comment).await)?,
            (None, false) => None,
        };
        match id {
            Some(id) => {
                let done = each!(self, host => host.rewrite(comment, &id).await);
                done.map_err(Trouble::gone).map(|()| id)
            }
            None => each!(self, host => host.write(comment).await),
        }
    }

    /// Sets the status of a validation, and shows what was found: also where no status can be, as at
    /// the head of a fork.
    pub(crate) async fn show(&self, findings: &Findings, claim: &Claim) -> Result<(), Trouble> {
        let set = self.set(&findings.call).await;
        if matches!(set, Ok(()) | Err(Trouble::Never { .. })) {
            each!(self, host => host.list(findings, claim).await)?;
        }
        set
    }
}
