//! The check run at a commit that shows what the validation of its code found. Rendering only;
//! calls are made in [`crate::client::github`].

use contracts::{
    CommitSha,
    change::Change,
    phrase::count,
    validation::{Annotation, ChangeValidated, Counts, Decision, Level},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    slack::text::clip,
    status::{self, State, Status},
};

/// GitHub takes no more annotations at a time.
pub(crate) const AT_A_TIME: usize = 50;
/// How much of a title is shown in a list.
const TITLE_CHARS_MAX: usize = 120;
/// How many stacks are named.
const STACKS_MAX: usize = 50;

/// One check run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) repository: String,
    pub(crate) commit: CommitSha,
    /// The name under which it is shown.
    pub(crate) name: String,
    /// `success`, `neutral` or `failure`.
    pub(crate) conclusion: String,
    pub(crate) title: String,
    pub(crate) summary: String,
    /// As GitHub wants them.
    pub(crate) annotations: Vec<Value>,
}

/// The story of the validations of a commit.
pub(crate) fn key(event: &ChangeValidated) -> Uuid {
    let Change { repository, commit, pull_request, .. } = &event.change;
    let number = pull_request.unwrap_or_default();
    let name = format!("validation/{repository}@{commit}/{number}");
    Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
}

/// The check run that shows a validation.
pub(crate) fn check(event: &ChangeValidated, context: &str) -> Check {
    let conclusion = match (event.decision, event.counts.warnings) {
        (Decision::Reject, _) => "failure",
        (Decision::Deploy, 0) => "success",
        (Decision::Deploy, _) => "neutral",
    };
    Check {
        repository: event.change.repository.clone(),
        commit: event.change.commit.clone(),
        name: name(context),
        conclusion: conclusion.to_owned(),
        title: clip(&title(event), TITLE_CHARS_MAX),
        summary: summary(event),
        annotations: event.annotations.iter().map(annotation).collect(),
    }
}

/// The same as a commit status, for those whose token may write no check runs.
pub(crate) fn status(event: &ChangeValidated) -> Status {
    let (state, text) = match event.decision {
        Decision::Deploy => (State::Success, format!("Valid: {}", event.reason.text)),
        Decision::Reject => (State::Failure, format!("Rejected: {}", event.reason.text)),
    };
    Status::new(&event.change, state, &text, event.change.url.as_deref())
}

/// The name under which validations are shown, beside that of chains.
pub(crate) fn name(context: &str) -> String {
    format!("{context}/validation")
}

pub(crate) fn title(event: &ChangeValidated) -> String {
    let Counts { failures, warnings, notices } = event.counts;
    let found = [(failures, "failure"), (warnings, "warning"), (notices, "notice")];
    let found: Vec<String> = found
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| count(number, noun))
        .collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    match event.decision {
        Decision::Deploy => format!("Deploy: {found} found"),
        Decision::Reject => format!("Reject: {found} found"),
    }
}

pub(crate) fn summary(event: &ChangeValidated) -> String {
    let named: Vec<String> =
        event.stacks.iter().take(STACKS_MAX).map(|name| format!("`{}`", quiet(name))).collect();
    let more = event.stacks.len().saturating_sub(STACKS_MAX);
    let stacks = match (named.len(), more) {
        (0, _) => "No stack is touched.".to_owned(),
        (_, 0) => format!("Looked at {}.", named.join(", ")),
        _ => format!("Looked at {} and {more} more.", named.join(", ")),
    };
    let rest = match event.more {
        0 => String::new(),
        more => format!("\n\n{} not shown here.", count(more, "more finding")),
    };
    format!("{}\n\n{stacks}{rest}", quiet(&event.reason.text))
}

fn annotation(found: &Annotation) -> Value {
    let level = match found.level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Failure => "failure",
    };
    json!({
        "path": found.file,
        "start_line": found.line,
        "end_line": found.end_line.unwrap_or(found.line).max(found.line),
        "annotation_level": level,
        "title": found.rule,
        "message": found.message,
    })
}

/// Text from outside that wakes nobody.
pub(crate) fn quiet(text: &str) -> String {
    text.replace('@', "@\u{200b}").replace(['\n', '\r', '`'], " ")
}

impl Check {
    /// Equal for check runs that look the same.
    pub(crate) fn fingerprint(&self) -> Uuid {
        let looks = serde_json::to_vec(self).expect("a check run is plain data");
        Uuid::new_v5(&contracts::id::NAMESPACE, &looks)
    }

    /// `repos/{owner}/{name}`; none if repository or commit are not what GitHub calls so.
    pub(crate) fn path(&self) -> Option<String> {
        status::repository_path(&self.repository).filter(|_| self.commit.is_whole())
    }

    /// What is shown, with the annotations from `sent` on, as many as fit.
    pub(crate) fn output(&self, sent: usize) -> Value {
        let next: Vec<&Value> = self.annotations.iter().skip(sent).take(AT_A_TIME).collect();
        json!({ "title": self.title, "summary": self.summary, "annotations": next })
    }
}

#[cfg(test)]
mod tests {
    use contracts::{Code, Reason, validation::Stage};

    use super::*;

    fn validated(failures: usize) -> ChangeValidated {
        let found = |line| Annotation {
            file: "net/main.tf".to_owned(),
            line,
            end_line: None,
            level: Level::Failure,
            stage: Stage::Security,
            rule: "security.open".to_owned(),
            message: "open to @everyone".to_owned(),
            stack: None,
        };
        let annotations: Vec<Annotation> = (1..=failures).map(found).collect();
        let counts = Counts::of(&annotations);
        ChangeValidated {
            change: Change {
                repository: "acme/infra".to_owned(),
                branch: "main".to_owned(),
                commit: CommitSha::from("a".repeat(40)),
                previous: None,
                author: "ada".to_owned(),
                authors: Vec::new(),
                title: String::new(),
                url: None,
                pull_request: Some(7),
            },
            decision: counts.decision(),
            reason: Reason::new(Code::ValidationRejected, "open to @everyone `here`"),
            stacks: vec!["net".to_owned()],
            counts,
            annotations,
            more: 0,
        }
    }

    #[test]
    fn a_rejected_change_fails_its_check_and_annotations_go_out_fifty_at_a_time() {
        let check = check(&validated(120), "stackly");
        assert_eq!(
            (check.name.as_str(), check.conclusion.as_str()),
            ("stackly/validation", "failure")
        );
        assert_eq!(check.title, "Reject: 120 failures found");
        assert!(!check.summary.contains("@everyone"), "{}", check.summary);
        let sizes: Vec<usize> = [0, 50, 100]
            .map(|sent| check.output(sent)["annotations"].as_array().unwrap().len())
            .into();
        assert_eq!(sizes, [50, 50, 20]);
        assert_eq!(check.output(50)["annotations"][0]["start_line"], 51);
    }

    #[test]
    fn nothing_from_outside_chooses_another_path() {
        let sound = check(&validated(0), "stackly");
        assert_eq!(
            (sound.conclusion.as_str(), sound.path().as_deref()),
            ("success", Some("repos/acme/infra"))
        );
        let mut odd = validated(0);
        odd.change.commit = CommitSha::from("../../x");
        assert_eq!(check(&odd, "stackly").path(), None);
    }
}
