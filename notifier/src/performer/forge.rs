//! What is told at a host of repositories other than GitHub.

use contracts::Reason;
use store::{Claim, Performed};

use super::{Caller, github_told, later, record::Note};
use crate::{
    call::StatusCall,
    comment::Comment,
    findings::Findings,
    forge::{Forge, What},
    input::Input,
};

/// What it is told.
pub(super) enum Told {
    Status(StatusCall),
    Comment(Comment),
    Findings(Findings),
}

impl Told {
    pub(super) fn read(claim: &Claim, what: What) -> Result<Self, Reason> {
        match what {
            What::Status => claim.read().map(Self::Status),
            What::Comment => claim.read().map(Self::Comment),
            What::Findings => claim.read().map(Self::Findings),
        }
    }

    fn note<'a>(&self, claim: &'a Claim) -> Note<'a> {
        let (target, about) = match self {
            Self::Status(call) => (call.status.target(), &call.status.description),
            Self::Comment(comment) => {
                (format!("{}!{}", comment.repository, comment.pull_request), &comment.body)
            }
            Self::Findings(found) => (found.call.status.target(), &found.call.status.description),
        };
        Note::new(claim, target, about)
    }
}

impl Caller {
    pub(super) async fn forge(&self, claim: &Claim, forge: Forge, told: Told) -> Performed<Input> {
        let note = told.note(claim);
        let Some(client) = self.forges.iter().find(|client| client.forge() == forge) else {
            let why = format!("{} is not configured any more", forge.name());
            self.record.given_up(&note, None, &why).await;
            return github_told(claim, false);
        };
        if let Some(left) = client.braked(claim.id) {
            return later(left, format!("{} asked us to wait", forge.name()), claim.uncertain);
        }
        let answer = match &told {
            Told::Status(call) if self.is_outdated(claim, call).await => {
                return self.outdated(&note).await;
            }
            Told::Status(call) => client.set(call).await,
            Told::Comment(comment) => client.comment(comment, claim).await,
            Told::Findings(findings) => client.show(findings, claim).await,
        };
        self.answered(forge.channel(), &note, answer).await
    }
}
