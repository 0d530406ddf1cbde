//! The comment at a pull request that answers what somebody asked for there. Rendering only; calls
//! are made in [`crate::client`].

use contracts::change::ChangeAnswered;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{slack::text::clip, status};

/// GitHub takes more; nobody reads more.
const TEXT_CHARS_MAX: usize = 2_000;

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Comment {
    pub(crate) repository: String,
    pub(crate) pull_request: u64,
    pub(crate) body: String,
    /// By which a comment of unknown outcome is found again; nobody sees it.
    pub(crate) mark: String,
}

/// The story an answer belongs to.
pub(crate) fn key(event: &ChangeAnswered) -> Uuid {
    Uuid::new_v5(&contracts::id::NAMESPACE, format!("answer/{}", event.event).as_bytes())
}

/// The comment that answers.
pub(crate) fn answer(event: &ChangeAnswered) -> Comment {
    let mark = format!("<!-- stackly:{} -->", key(event));
    let text = quiet(&clip(&event.reason.text, TEXT_CHARS_MAX));
    let asked = format!("`stackly {}`", event.command);
    let body = format!("{asked}, asked for by {}: {text}\n\n{mark}", quiet(&event.by));
    Comment { repository: event.repository.clone(), pull_request: event.pull_request, body, mark }
}

/// Text from outside that wakes nobody and hides nothing.
fn quiet(text: &str) -> String {
    text.replace('@', "@\u{200b}").replace("<!--", "&lt;!--").replace(['\n', '\r'], " ")
}

impl Comment {
    /// Equal for comments that look the same.
    pub(crate) fn fingerprint(&self) -> Uuid {
        Uuid::new_v5(&contracts::id::NAMESPACE, self.body.as_bytes())
    }

    /// The same where HTML is shown as it is written: the mark defines a link that is nowhere.
    pub(crate) fn without_html(&self) -> Self {
        let mark = self.mark.replace("<!-- ", "[//]: # (").replace(" -->", ")");
        Self { body: self.body.replace(&self.mark, &mark), mark, ..self.clone() }
    }

    /// Where comments of the pull request are; none if the repository is not what GitHub calls so.
    pub(crate) fn path(&self) -> Option<String> {
        let repository = status::repository_path(&self.repository)?;
        Some(format!("{repository}/issues/{}/comments", self.pull_request))
    }
}

#[cfg(test)]
mod tests {
    use contracts::{Code, Reason, change::Command};

    use super::*;

    fn answered(text: &str) -> ChangeAnswered {
        ChangeAnswered {
            repository: "acme/infra".to_owned(),
            pull_request: 7,
            command: Command::Apply,
            by: "grace".to_owned(),
            event: "e1".to_owned(),
            chain: None,
            reason: Reason::new(Code::CommandRefused, text),
        }
    }

    #[test]
    fn an_answer_wakes_nobody_and_cannot_forge_a_mark() {
        let comment = answer(&answered("@everyone <!-- stackly:x --> no\nreally"));
        assert!(!comment.body.contains("@everyone"));
        assert_eq!(comment.body.matches("<!-- stackly:").count(), 1);
        assert_eq!(comment.path().as_deref(), Some("repos/acme/infra/issues/7/comments"));
        let plain = comment.without_html();
        let mark = plain.body.lines().next_back().unwrap();
        assert!(mark == plain.mark && mark.starts_with("[//]: # (stackly:"), "{mark}");
    }

    #[test]
    fn nothing_from_outside_chooses_another_path() {
        for repository in ["acme", "acme/../x", "acme/..", "a b/c", "acme/infra/issues"] {
            let event = ChangeAnswered { repository: repository.to_owned(), ..answered("no") };
            assert_eq!(answer(&event).path(), None, "{repository}");
        }
    }
}
