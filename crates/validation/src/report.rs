//! The decision, with everything that led to it.

use std::collections::BTreeSet;

use contracts::{
    Code, Reason,
    change::Change,
    phrase::count,
    validation::{Annotation, ChangeValidated, Counts, Decision},
};
use serde::{Deserialize, Serialize};

/// How long a message may be, and the name of a rule.
const MESSAGE_CHARS_MAX: usize = 600;
const RULE_CHARS_MAX: usize = 200;

/// What was found in the code of some stacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The stacks that were looked at.
    pub stacks: Vec<String>,
    /// How much was found.
    pub counts: Counts,
    /// What was found, the weightiest first, each once.
    pub annotations: Vec<Annotation>,
}

impl Report {
    /// Everything that was found in these stacks.
    pub fn new(stacks: Vec<String>, mut annotations: Vec<Annotation>) -> Self {
        annotations.sort_by(|one, other| {
            let order = |it: &Annotation| (it.file.clone(), it.line, it.rule.clone());
            other.level.cmp(&one.level).then_with(|| order(one).cmp(&order(other)))
        });
        let mut seen = BTreeSet::new();
        annotations.retain(|it| {
            seen.insert((it.file.clone(), it.line, it.rule.clone(), it.message.clone()))
        });
        for annotation in &mut annotations {
            annotation.rule = annotation.rule.chars().take(RULE_CHARS_MAX).collect();
            annotation.message = plain(&annotation.message);
            if annotation.message.is_empty() {
                annotation.message.clone_from(&annotation.rule);
            }
        }
        Self { stacks, counts: Counts::of(&annotations), annotations }
    }

    /// What follows.
    pub fn decision(&self) -> Decision {
        self.counts.decision()
    }

    /// The decision in a sentence.
    pub fn reason(&self) -> Reason {
        let stacks = count(self.stacks.len(), "stack");
        let Counts { failures, warnings, notices } = self.counts;
        let Some(first) = self.annotations.first().filter(|_| failures > 0) else {
            let found = [(warnings, "warning"), (notices, "notice")];
            let found: Vec<String> = found
                .into_iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, noun)| count(number, noun))
                .collect();
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(" and ") };
            let text = match self.stacks.len() {
                0 if self.annotations.is_empty() => "no stack code is touched".to_owned(),
                _ => format!("{found} found in {stacks}"),
            };
            return Reason::new(Code::ValidationPassed, text);
        };
        let text = format!(
            "{} in {stacks}; the first: {}:{}: {} ({})",
            count(failures, "failure"),
            first.file,
            first.line,
            first.message,
            first.rule
        );
        Reason::new(Code::ValidationRejected, text)
    }

    /// The event that tells of it; what does not fit into it is counted.
    pub fn event(&self, change: Change) -> ChangeValidated {
        let listed = self.annotations.iter().take(ChangeValidated::MOST).cloned().collect();
        ChangeValidated {
            change,
            decision: self.decision(),
            reason: self.reason(),
            stacks: self.stacks.iter().take(ChangeValidated::MOST).cloned().collect(),
            counts: self.counts,
            annotations: listed,
            more: self.annotations.len().saturating_sub(ChangeValidated::MOST),
        }
    }
}

/// One paragraph of bounded length.
fn plain(message: &str) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    message.chars().take(MESSAGE_CHARS_MAX).map(line).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use contracts::validation::{Level, Stage};

    use super::*;

    fn found(line: usize, level: Level, message: &str) -> Annotation {
        Annotation {
            file: "a.tf".to_owned(),
            line,
            end_line: None,
            level,
            stage: Stage::Security,
            rule: "r".to_owned(),
            message: message.to_owned(),
            stack: None,
        }
    }

    #[test]
    fn any_failure_rejects_and_the_weightiest_is_told_first_and_once() {
        let report = Report::new(
            vec!["net".to_owned()],
            vec![
                found(1, Level::Warning, "w"),
                found(9, Level::Failure, "it is\nopen"),
                found(9, Level::Failure, "it is\nopen"),
            ],
        );
        assert_eq!(report.decision(), Decision::Reject);
        assert_eq!(report.annotations.len(), 2);
        let text = "1 failure in 1 stack; the first: a.tf:9: it is open (r)";
        assert_eq!(report.reason(), Reason::new(Code::ValidationRejected, text));
    }

    #[test]
    fn warnings_and_nothing_at_all_deploy() {
        let report = Report::new(vec!["net".to_owned()], vec![found(1, Level::Warning, "w")]);
        assert_eq!(report.decision(), Decision::Deploy);
        assert_eq!(report.reason().text, "1 warning found in 1 stack");
        let nothing = Report::new(Vec::new(), Vec::new());
        assert_eq!(nothing.reason().text, "no stack code is touched");
    }
}
