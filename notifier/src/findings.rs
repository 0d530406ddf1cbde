//! What the validation of a pull request found, for hosts without check runs: a status at its head, and
//! either one comment that lists it, or annotations. Rendering only; calls are made in
//! [`crate::client`].

use contracts::{
    phrase::count,
    validation::{Annotation, ChangeValidated, Level},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{call::StatusCall, check, slack::text::clip};

/// How many findings the note lists.
const LISTED_MAX: usize = 100;
/// How much of one is shown.
const MESSAGE_CHARS_MAX: usize = 500;

/// What the comment ends with, and the time it is of; nobody sees it.
const MARK: &str = "<!-- stackly:validation ";

/// The status, and what is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) call: StatusCall,
    /// Where the comment is; none if nobody proposed the change.
    pub(crate) merge_request: Option<u64>,
    pub(crate) note: String,
    /// What is shown at its lines; empty where the note lists it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) annotations: Vec<Annotation>,
    /// There is nothing to list: then no note is begun, but one that is there says so.
    pub(crate) is_empty: bool,
}

/// What is shown of a validation, at the lines themselves where the host `annotates`.
pub(crate) fn findings(event: &ChangeValidated, context: &str, annotates: bool) -> Findings {
    let (status, context) = (check::status(event), check::name(context));
    let (note, annotations) = match annotates {
        true => {
            let note = format!("{}. {}", check::title(event), check::summary(event));
            (note, event.annotations.clone())
        }
        false => (listed(event), Vec::new()),
    };
    Findings {
        call: StatusCall { status, context, is_called_off: false },
        merge_request: event.change.pull_request,
        note,
        annotations,
        is_empty: event.annotations.is_empty(),
    }
}

fn listed(event: &ChangeValidated) -> String {
    let commit = event.change.commit.short();
    // In one line: GitLab takes a line that begins with a slash for an order.
    let (title, summary) = (check::title(event), shown(&check::summary(event)));
    let mut note = format!("**{title}** at `{commit}`: {summary}\n");
    if !event.annotations.is_empty() {
        note.push_str("\n| | Where | What |\n|---|---|---|\n");
        event.annotations.iter().take(LISTED_MAX).for_each(|found| note.push_str(&row(found)));
    }
    let more = event.annotations.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        note.push_str(&format!("\n{} not listed here.\n", count(more, "more finding")));
    }
    note
}

fn row(found: &Annotation) -> String {
    let level = match found.level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Failure => "**failure**",
    };
    let cell = |text: &str| check::quiet(&clip(text, MESSAGE_CHARS_MAX)).replace('|', "\\|");
    let (file, rule, message) =
        (cell(&found.file), cell(&found.rule), shown(&cell(&found.message)));
    format!("| {level} | `{file}:{}` | `{rule}`: {message} |\n", found.line)
}

/// Text from outside that hides nothing of what stands around it.
fn shown(text: &str) -> String {
    text.replace('<', "&lt;")
}

impl Findings {
    /// The note with our mark, and the time of the validation.
    pub(crate) fn marked(&self, at: i64) -> String {
        format!("{}\n{MARK}{at} -->", self.note)
    }

    /// The time that a comment with our mark is of.
    pub(crate) fn time_of(text: &str) -> Option<i64> {
        text.rsplit_once(MARK)?.1.split_once(' ')?.0.parse().ok()
    }

    /// Equal for what looks the same.
    pub(crate) fn fingerprint(&self) -> Uuid {
        let looks = serde_json::to_vec(self).expect("findings are plain data");
        Uuid::new_v5(&contracts::id::NAMESPACE, &looks)
    }
}

#[cfg(test)]
mod tests {
    use contracts::{
        Code, CommitSha, Reason,
        change::Change,
        validation::{Counts, Stage},
    };

    use super::*;

    #[test]
    fn what_is_found_orders_nothing_wakes_nobody_and_hides_nothing() {
        let change = Change { pull_request: Some(7), ..crate::sample::change() };
        let found = Annotation {
            file: "net/main.tf".to_owned(),
            line: 3,
            end_line: None,
            level: Level::Failure,
            stage: Stage::Security,
            rule: "security.open".to_owned(),
            message: "/merge\n<!-- @everyone | `x".to_owned(),
            stack: None,
        };
        let counts = Counts::of(std::slice::from_ref(&found));
        let event = ChangeValidated {
            change: Change { commit: CommitSha::from("a".repeat(40)), ..change },
            decision: counts.decision(),
            reason: Reason::new(Code::ValidationRejected, "/approve <!-- this"),
            stacks: vec!["net".to_owned()],
            counts,
            annotations: vec![found],
            more: 0,
        };
        let note = findings(&event, "stackly", false).note;
        assert!(note.lines().all(|line| !line.starts_with('/')), "{note}");
        assert!(!note.contains("<!--") && !note.contains("@everyone"), "{note}");
        let row = "| **failure** | `net/main.tf:3` | `security.open`: /merge &lt;!-- @\u{200b}everyone \\|  x |";
        assert!(note.contains(row), "{note}");
    }
}
