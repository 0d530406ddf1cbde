//! What is told at a host of repositories other than GitHub.

use store::{Claim, Performed};

use super::{Caller, github_told, later, read, record::Note};
use crate::{
    call::StatusCall,
    comment::Comment,
    findings::Findings,
    forge::{Forge, What},
    input::Input,
};

/// What it is told.
enum Told {
    Status(StatusCall),
    Comment(Comment),
    Findings(Findings),
}

impl Told {
    fn read(claim: &Claim, what: What) -> Option<Self> {
        match what {
            What::Status => read(claim).map(Self::Status),
            What::Comment => read(claim).map(Self::Comment),
            What::Findings => read(claim).map(Self::Findings),
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
    pub(super) async fn forge(&self, claim: &Claim, forge: Forge, what: What) -> Performed<Input> {
        let Some(told) = Told::read(claim, what) else { return github_told(claim, false) };
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
