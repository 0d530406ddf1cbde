//! The one comment at a pull request that follows what is planned for it, from head to head.
//!
//! It is a story of its own, of the pull request, so that it is one comment whatever its heads do at
//! once. That story keeps nothing but where the comment is and what it says; what it is to say is
//! read with it, from the newest story about a head ([`Story::pull_request`]).

use chrono::{DateTime, Utc};
use contracts::change::Change;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    comment::Comment,
    input::{OverviewResult, OverviewTold},
    notice,
    outlet::Outlet,
    story::{About, Story},
};

mod text;

/// The comment, as far as it is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overview {
    pub(crate) outlet: Outlet,
    /// What the host calls the comment; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    /// By which a comment of unknown outcome is found again. Nobody can know it before it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Uuid>,
}

/// The body of [`crate::call::GITHUB_OVERVIEW`], and of its like at other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OverviewCall {
    #[serde(flatten)]
    pub(crate) comment: Comment,
    /// The comment to change; none if it is to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
}

/// The story of a pull request.
pub(crate) fn key(repository: &str, number: u64) -> Uuid {
    let name = format!("overview/{repository}/{number}");
    Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
}

impl Story {
    /// The story of the pull request that this one says something about; none if it is about none, or
    /// has nothing to say there: then what an earlier head is told of stays.
    pub fn pull_request(&self) -> Option<Uuid> {
        let change = self.proposed()?;
        change.pull_request.map(|number| key(&change.repository, number))
    }

    /// The head that it has something to say about.
    pub(crate) fn proposed(&self) -> Option<&Change> {
        match &self.about {
            About::Chain(digest) if digest.is_delivery() => {
                digest.change.as_ref().filter(|change| notice::is_preview(change, digest.kind))
            }
            About::Notice(notice) if notice.is_preview && !self.chain_exists => {
                let tells = !notice.refusals().is_empty() || notice.worth_a_status().is_some();
                tells.then_some(&notice.change)
            }
            _ => None,
        }
    }
}

impl Overview {
    /// The comment that should stand there now, by the newest story about a head. None if there is
    /// nothing to say: that a change leads to nothing is said only where something was said before.
    pub(crate) fn call(
        &mut self,
        newest: &Story,
        key: Uuid,
        now: DateTime<Utc>,
    ) -> Option<OverviewCall> {
        let change = newest.proposed()?;
        let text = match &newest.about {
            About::Chain(digest) => text::chain(digest, change),
            About::Notice(notice) => {
                let is_idle = notice.refusals().is_empty() && self.comment.is_none();
                (!is_idle).then(|| text::notice(notice))?
            }
            _ => return None,
        };
        let made = || Uuid::new_v5(&key, now.timestamp_micros().to_string().as_bytes());
        let mark = format!("<!-- stackly:{} -->", self.mark.get_or_insert_with(made));
        let comment = Comment {
            repository: change.repository.clone(),
            pull_request: change.pull_request?,
            body: format!("{text}\n\n{mark}"),
            mark,
        };
        Some(OverviewCall { comment, at: self.comment.clone() })
    }

    /// What is kept of it; nothing of a story that is of no pull request.
    pub(crate) fn written(&self) -> Option<&Self> {
        (*self != Self::default()).then_some(self)
    }

    /// A call has concluded; the next one is made after a rest.
    pub(crate) fn concluded(&mut self, told: &OverviewTold, rests_until: DateTime<Utc>) {
        let well = matches!(told.result, OverviewResult::Said { .. });
        if !self.outlet.conclude(told.effect, well, rests_until) {
            return;
        }
        match &told.result {
            OverviewResult::Said { comment } => self.comment = Some(comment.clone()),
            // What is said next is a new comment, with a mark that the deleted one did not have.
            OverviewResult::Gone => {
                self.outlet.say_again();
                (self.comment, self.mark) = (None, None);
            }
            OverviewResult::Refused => {}
        }
    }
}
