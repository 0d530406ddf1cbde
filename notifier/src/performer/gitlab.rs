//! What is told at GitLab.

use store::{Claim, Performed};
use tracing::error;

use super::{Caller, github_told, later, read, record::Note};
use crate::{
    call::{GITLAB_COMMENT, GITLAB_FINDINGS, GITLAB_STATUS, StatusCall},
    comment::Comment,
    findings::Findings,
    input::Input,
};

/// What GitLab is told.
enum Told {
    Status(StatusCall),
    Comment(Comment),
    Findings(Findings),
}

impl Told {
    fn read(claim: &Claim) -> Option<Self> {
        match claim.kind.as_str() {
            GITLAB_STATUS => read(claim).map(Self::Status),
            GITLAB_COMMENT => read(claim).map(Self::Comment),
            GITLAB_FINDINGS => read(claim).map(Self::Findings),
            unknown => {
                error!(kind = unknown, "this build does not know such a call; it is dropped");
                None
            }
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
    pub(super) async fn gitlab(&self, claim: &Claim) -> Performed<Input> {
        let Some(told) = Told::read(claim) else { return github_told(claim, false) };
        let note = told.note(claim);
        let Some(client) = &self.gitlab else {
            self.record.given_up(&note, None, "GitLab is not configured any more").await;
            return github_told(claim, false);
        };
        if let Some(left) = client.braked(claim.id) {
            return later(left, "GitLab asked us to wait".to_owned(), claim.uncertain);
        }
        let answer = match &told {
            Told::Status(call) if self.is_outdated(claim, call).await => {
                return self.outdated(&note).await;
            }
            Told::Status(call) => client.set(call).await,
            Told::Comment(comment) => client.comment(comment, claim).await,
            Told::Findings(findings) => client.show(findings, claim).await,
        };
        self.answered("gitlab", &note, answer).await
    }
}
