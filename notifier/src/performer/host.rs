//! What is told at a host of repositories.

use std::time::Duration;

use chrono::Utc;
use contracts::{Code, Reason};
use store::{Claim, Performed};
use tracing::warn;
use uuid::Uuid;

use super::{Caller, later, record::Note};
use crate::{
    call::{GITHUB_CHECK, GITHUB_COMMENT, GITHUB_OVERVIEW, GITHUB_STATUS, StatusCall},
    check::Check,
    client::{Client, github::GithubClient},
    comment::Comment,
    findings::Findings,
    forge::{Forge, What},
    http::Trouble,
    input::{HostTold, Input, OverviewResult, OverviewTold},
    overview::OverviewCall,
    status::State,
    store as tables,
};

/// What it is told.
pub(super) enum Told {
    Status(StatusCall),
    Comment(Comment),
    /// At GitHub alone.
    Check(Check),
    /// Everywhere else.
    Findings(Findings),
    Overview(OverviewCall),
}

/// Who is told.
enum Host<'a> {
    Github(&'a GithubClient),
    Forge(&'a Client),
}

impl Told {
    /// Reads a call, with who is to be told; none for GitHub.
    pub(super) fn read(claim: &Claim) -> Result<(Option<Forge>, Self), Reason> {
        Ok(match claim.kind.as_str() {
            GITHUB_STATUS => (None, claim.read().map(Self::Status)?),
            GITHUB_COMMENT => (None, claim.read().map(Self::Comment)?),
            GITHUB_CHECK => (None, claim.read().map(Self::Check)?),
            GITHUB_OVERVIEW => (None, claim.read().map(Self::Overview)?),
            other => match Forge::of(other) {
                Some((forge, What::Status)) => (Some(forge), claim.read().map(Self::Status)?),
                Some((forge, What::Comment)) => (Some(forge), claim.read().map(Self::Comment)?),
                Some((forge, What::Findings)) => (Some(forge), claim.read().map(Self::Findings)?),
                Some((forge, What::Overview)) => (Some(forge), claim.read().map(Self::Overview)?),
                None => {
                    let text = format!("this build knows no call {other}");
                    return Err(Reason::new(Code::Unreadable, text));
                }
            },
        })
    }

    fn refused(&self, claim: &Claim) -> Performed<Input> {
        match self {
            Self::Overview(_) => overview_told(claim, OverviewResult::Refused),
            _ => host_told(claim, false),
        }
    }

    fn note<'a>(&self, claim: &'a Claim, forge: Option<Forge>) -> Note<'a> {
        let (target, about) = match self {
            Self::Status(call) => (call.status.target(), &call.status.description),
            Self::Comment(comment) | Self::Overview(OverviewCall { comment, .. }) => {
                let mark = if forge.is_some() { '!' } else { '#' };
                (format!("{}{mark}{}", comment.repository, comment.pull_request), &comment.body)
            }
            Self::Check(check) => (format!("{}@{}", check.repository, check.commit), &check.title),
            Self::Findings(found) => (found.call.status.target(), &found.call.status.description),
        };
        Note::new(claim, target, about)
    }
}

impl Host<'_> {
    fn braked(&self, who: Uuid) -> Option<Duration> {
        match self {
            Self::Github(client) => client.braked(who),
            Self::Forge(client) => client.braked(who),
        }
    }

    /// Makes the call; of a comment that follows a pull request, gives what the host calls it.
    async fn tell(&self, told: &Told, claim: &Claim) -> Result<Option<String>, Trouble> {
        let now = Utc::now();
        let done = match (self, told) {
            (Self::Github(client), Told::Overview(call)) => {
                return client.overview(call, claim, now).await.map(Some);
            }
            (Self::Forge(client), Told::Overview(call)) => {
                return client.overview(call, claim).await.map(Some);
            }
            (Self::Github(client), Told::Status(call)) => client.set(call, now).await,
            (Self::Github(client), Told::Comment(it)) => client.comment(it, claim, now).await,
            (Self::Github(client), Told::Check(check)) => client.check(check, claim, now).await,
            (Self::Forge(client), Told::Status(call)) => client.set(call).await,
            (Self::Forge(client), Told::Comment(comment)) => client.comment(comment, claim).await,
            (Self::Forge(client), Told::Findings(findings)) => client.show(findings, claim).await,
            (Self::Github(_), Told::Findings(_)) | (Self::Forge(_), Told::Check(_)) => {
                Err(Trouble::never("this host is not told that".to_owned()))
            }
        };
        done.map(|()| None)
    }
}

impl Caller {
    /// Tells GitHub, or another host.
    pub(super) async fn host(
        &self,
        claim: &Claim,
        forge: Option<Forge>,
        told: Told,
    ) -> Performed<Input> {
        let note = told.note(claim, forge);
        let (name, channel) =
            forge.map_or(("GitHub", "github"), |forge| (forge.name(), forge.channel()));
        let host = match forge {
            None => self.github.as_ref().map(Host::Github),
            Some(forge) => {
                let client = self.forges.iter().find(|client| client.forge() == forge);
                client.map(Host::Forge)
            }
        };
        let Some(host) = host else {
            let why = format!("{name} is not configured any more");
            self.record.given_up(&note, None, &why).await;
            return told.refused(claim);
        };
        if let Some(left) = host.braked(claim.id) {
            return later(left, format!("{name} asked us to wait"), claim.uncertain);
        }
        if self.is_outdated(claim, &told).await {
            let why = "a chain of the same commit has the status of that name";
            self.record.given_up(&note, None, why).await;
            return told.refused(claim);
        }
        let answer = host.tell(&told, claim).await;
        self.heed(channel, answer.as_ref().err());
        match answer {
            Ok(comment) => {
                self.record.delivered(&note, Some(201)).await;
                taken(claim, comment)
            }
            Err(Trouble::Gone { text }) => {
                self.record.given_up(&note, None, &format!("{text}; it is written anew")).await;
                overview_told(claim, OverviewResult::Gone)
            }
            Err(trouble) => match self.again(&note, trouble).await {
                Some(later) => later,
                None => told.refused(claim),
            },
        }
    }

    /// That a chain was called off must not cover the status of the one that took its place, if that
    /// was told before; its own it must, or it would say for ever that the chain goes on. Nor does
    /// "Nothing to do" cover any chain.
    async fn is_outdated(&self, claim: &Claim, told: &Told) -> bool {
        let Told::Status(StatusCall { status, is_called_off, .. }) = told else { return false };
        let yields = (*is_called_off, status.state == State::Success);
        tables::is_outdated(&self.pool, claim.key, yields).await.unwrap_or_else(|error| {
            warn!(%error, "cannot look for a chain in the same place");
            false
        })
    }
}

/// The host took it; what it calls the comment that follows a pull request, if it was that.
fn taken(claim: &Claim, comment: Option<String>) -> Performed<Input> {
    match comment {
        Some(comment) => overview_told(claim, OverviewResult::Said { comment }),
        None => host_told(claim, true),
    }
}

fn overview_told(claim: &Claim, result: OverviewResult) -> Performed<Input> {
    let (key, effect) = (claim.key, claim.id);
    Performed::Done(Input::Overview(OverviewTold { key, effect, result }))
}

fn host_told(claim: &Claim, accepted: bool) -> Performed<Input> {
    Performed::Done(Input::Host(HostTold { key: claim.key, effect: claim.id, accepted }))
}
