//! What a program looks at, as its text tells: in doubt, it does.

use rego::paths;

/// What is there only once there is a plan.
const PLAN: [&str; 6] = [
    "terraform",
    "run.changes",
    "stackly.changes_more",
    "stackly.delta",
    "stackly.plans",
    "stackly.unread",
];
const LABELS: [&str; 1] = ["stack.labels"];
/// What shows the labels of all stacks.
const ALL_LABELS: [&str; 2] = ["stacks", "stackly.stacks"];
const REJECTIONS: [&str; 1] = ["reviews.current.rejections"];

/// Whose labels a program looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Labels {
    /// Nobody's.
    None,
    /// Those of the stack it is asked about.
    One,
    /// Those of all stacks of the question.
    All,
}

/// Whether it looks at what a plan changes.
pub(super) fn plan(text: &str) -> bool {
    any(text, &PLAN)
}

/// Whose labels it looks at.
pub(super) fn labels(text: &str) -> Labels {
    if any(text, &ALL_LABELS) {
        return Labels::All;
    }
    if any(text, &LABELS) { Labels::One } else { Labels::None }
}

/// Whether it looks at who said no.
pub(super) fn rejections(text: &str) -> bool {
    any(text, &REJECTIONS)
}

/// Whether it reads one of these, under `input` or `input.spacelift`, or hands on what one is in:
/// what becomes of `input.run`, nobody tells.
fn any(text: &str, wanted: &[&str]) -> bool {
    let of_input = |path: &rego::Path| !path.goes_on && path.parts[0] == "input";
    paths(text).into_iter().filter(of_input).any(|path| {
        let read = &path.parts[1..];
        let read = read.strip_prefix(&["spacelift".to_owned()]).unwrap_or(read);
        let is_in =
            |wanted: &&str| wanted.split('.').zip(read).all(|(wanted, read)| wanted == read);
        wanted.iter().any(is_in)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_where_it_is_named_and_where_what_has_it_is_handed_on() {
        for rule in [
            "deny[x] { x := input.terraform.resource_changes[_].address }",
            "deny[x] { x := input.spacelift.run.changes[_].entity.type }",
            "deny[x] { x := input[\"run\"][\"changes\"][_] }",
            "deny[x] { input.stackly.delta.deleted > 0; x := 1 }",
            "deny[x] { run := input.run; x := run.changes[_] }",
            "deny[x] { x := input[key][_] }",
            "import input.spacelift as s\ndeny[x] { x := s.run.changes[_] }",
        ] {
            assert!(plan(rule), "{rule}");
        }
        for rule in [
            "approve { input.run.state != \"UNCONFIRMED\" }",
            "warn[x] { x := input.spacelift.commit.author }",
            "warn[x] { x := input.spacelift.stack.labels[_] } # input.terraform",
            "track { input.push.branch == input.stack.branch; \"input.run\" != changes }",
            "deny[x] { x := input.stackly.files.paths[_] }",
        ] {
            assert!(!plan(rule), "{rule}");
        }
    }

    #[test]
    fn labels_are_looked_at_where_they_are_named_and_where_what_has_them_is_handed_on() {
        for (rule, whose) in [
            ("approve { input.spacelift.stack.labels[_] == \"sandbox\" }", Labels::One),
            ("approve { is_sandbox(input.stack) }", Labels::One),
            ("approve { input.stacks[_].labels[_] == \"sandbox\" }", Labels::All),
            ("approve { input.stackly.stacks[0].code_labels }", Labels::All),
            ("approve { is_sandbox(input) }", Labels::All),
            ("approve { input.stack.space.id == \"labels\" }", Labels::None),
        ] {
            assert_eq!(labels(rule), whose, "{rule}");
        }
    }

    #[test]
    fn who_said_no_is_looked_at_where_it_is_read() {
        assert!(rejections("approve { count(input.reviews.current.rejections) == 0 }"));
        assert!(rejections("said := input.reviews.current"));
        assert!(!rejections("approve { count(input.reviews.current.approvals) > 1 }"));
    }
}
