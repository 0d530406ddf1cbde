//! What programs may read that is never there: Spacelift knows it, and we are not told.
//!
//! A rule that needs it does not hold, and what should deny says nothing, so whoever wrote it should
//! know before they rely on it.

use std::ops::Range;

use rego::{Path, paths};

/// Where it would be, under `input` or `input.spacelift`, and why it is not.
const NEVER: [(&str, &str); 34] = [
    ("third_party_metadata", "what other tools found is not read"),
    ("session", "who is logged in is not known"),
    ("previous_run", "runs before this one are not read"),
    ("in_progress", "other runs of the stack are not read"),
    ("workflow", "other runs of the chain are not shown"),
    ("vcs_integration", "how the account is tied to its host is not read"),
    ("request.remote_ip", "from where somebody asks is not known"),
    ("run.command", "only plans and applies are asked about, no tasks"),
    ("run.triggered_by", "runs are triggered by their chain"),
    ("run.flags", "flags of runs are not read"),
    ("run.user_provided_metadata", "it is not read"),
    ("run.creator_session", "who is logged in is not known"),
    ("run.runtime_config", "it is not read"),
    ("run.states_history", "it is not read"),
    ("stack.worker_pool.labels", "labels of worker pools are not read"),
    ("stack.roles", "roles of stacks are not read"),
    ("stack.contexts", "contexts are not read"),
    ("stack.terraform_version", "it is not read"),
    ("stack.terraform_workflow_tool", "it is not read"),
    ("stack.additional_project_globs", "they are not read"),
    ("pull_request.labels", "labels of pull requests are not read"),
    ("pull_request.comment", "comments of pull requests are no question to policies here"),
    ("pull_request.approved", "reviews count as words about the commit"),
    ("pull_request.mergeable", "it is not read"),
    ("pull_request.undiverged", "it is not read"),
    ("pull_request.head_owner", "forks are not told apart"),
    ("pull_request.action_initiator", "it is not read"),
    ("terraform.terraform_version", "of a plan its changes alone are read"),
    ("terraform.configuration", "of a plan its changes alone are read"),
    ("terraform.planned_values", "of a plan its changes alone are read"),
    ("terraform.prior_state", "of a plan its changes alone are read"),
    ("ansible", "of a plan its changes alone are read"),
    ("kubernetes", "of a plan its changes alone are read"),
    ("pulumi", "of a plan its changes alone are read"),
];
/// Whatever it is read of.
const NEVER_ANYWHERE: [(&str, &str); 6] = [
    ("change.after", "values of resources are not read"),
    ("change.before", "values of resources are not read"),
    ("change.after_unknown", "values of resources are not read"),
    ("entity.data", "values of resources are not read"),
    ("author_roles", "roles are not known; `session.teams` has the groups of who said it"),
    ("provider_name", "providers are not read; the type of a resource begins with one"),
];

/// What is the same for everybody, and why.
const ALWAYS: [(&str, &str, &str); 11] = [
    ("pull_request.action", "`synchronize`", "what happened to it last is not told apart"),
    ("pull_request.closed", "false", "only open ones are planned"),
    ("pull_request.draft", "false", "drafts are not told apart"),
    ("pull_request.head.branch", "`pull/7`", "what its branch is called is not read"),
    ("reviews.older", "empty", "another plan is another gate, with reviews of its own"),
    ("stack.administrative", "false", "it is not read"),
    ("stack.locked_by", "null", "who locked a stack is not read; a run of it waits at Spacelift"),
    ("stack.space.labels", "empty", "labels of spaces are not read"),
    ("stack.state", "`UNCONFIRMED`", "what a stack does else is not read"),
    ("stack.tracked_commit", "that of the change", "what a stack had before is not read"),
    ("run.based_on_local_workspace", "false", "only commits are planned"),
];

/// What a program reads that is never filled, or always in the same way: where, and what that means.
pub(crate) fn unfilled(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for path in paths(text) {
        let missing = missing(&path).map(|(name, why)| {
            let means = "what needs it never holds, and `not` of it always does";
            (name, format!("`{name}` is never filled: {why}; {means}"))
        });
        let Some((name, what)) = missing.or_else(|| constant(&path)) else { continue };
        // Once for each: the second time is known by then.
        if !told.contains(&name) {
            told.push(name);
            found.push((path.span, what));
        }
    }
    found
}

fn constant(path: &Path) -> Option<(&'static str, String)> {
    let read = of_input(path)?;
    let (name, value, why) = ALWAYS.into_iter().find(|(name, ..)| begins(&read, name))?;
    Some((name, format!("`{name}` is always {value} here: {why}")))
}

/// What is read of `input` or of `input.spacelift`.
fn of_input(path: &Path) -> Option<String> {
    let joined = path.parts.join(".");
    let read = joined.strip_prefix("input.").filter(|_| !path.goes_on)?;
    Some(read.strip_prefix("spacelift.").unwrap_or(read).to_owned())
}

fn begins(read: &str, name: &str) -> bool {
    read.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn missing(path: &Path) -> Option<(&'static str, &'static str)> {
    let (joined, read) = (path.parts.join("."), of_input(path));
    let within = |name: &str| format!(".{joined}.").contains(&format!(".{name}."));
    let known = read.and_then(|read| NEVER.iter().find(|(name, _)| begins(&read, name)));
    known.or_else(|| NEVER_ANYWHERE.iter().find(|(name, _)| within(name))).copied()
}

/// Whether a program looks at what a run before led to: at Spacelift that is the run that ended, here
/// it would be the one that is about to begin.
pub(crate) fn wants_ended_run(text: &str) -> Option<Range<usize>> {
    let of_run = |path: &Path| {
        path.parts.first().is_some_and(|root| root == "input")
            && path.parts.get(1).is_some_and(|part| part == "run" || part == "workflow")
    };
    paths(text).into_iter().find(|path| !path.goes_on && of_run(path)).map(|path| path.span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rule: &str) -> Vec<String> {
        unfilled(&format!("package spacelift\n{rule}\n")).into_iter().map(|(_, it)| it).collect()
    }

    #[test]
    fn what_is_never_there_is_told_once_with_what_it_means() {
        let [one] = told("deny[x] { x := input.spacelift.stack.roles[_]; input.stack.roles }")
            .try_into()
            .unwrap();
        assert_eq!(
            one,
            "`stack.roles` is never filled: roles of stacks are not read; what needs it never holds, \
             and `not` of it always does"
        );
        let [values] = told(
            "deny[x] { r := input.terraform.resource_changes[_]; x := r.change.after.tags[_] }",
        )
        .try_into()
        .unwrap();
        assert!(values.starts_with("`change.after` "), "{values}");
        for rule in [
            "deny[x] { x := input.run.changes[_].entity.data.password }",
            "deny[x] { x := input[\"third_party_metadata\"].custom }",
            "approve { input.reviews.current.approvals[_].author_roles[_] == \"x\" }",
        ] {
            assert_eq!(told(rule).len(), 1, "{rule}");
        }
    }

    #[test]
    fn what_is_the_same_for_everybody_is_told_with_what_it_is() {
        for (rule, name) in [
            ("track { input.stack.locked_by == null }", "`stack.locked_by` is always null here: "),
            ("propose { not input.pull_request.draft }", "`pull_request.draft` is always false"),
            ("deny[x] { x := input.spacelift.stack.space.labels[_] }", "`stack.space.labels` is"),
            ("track { input.stack.tracked_commit.hash }", "`stack.tracked_commit` is always that"),
            ("approve { input.reviews.older.approvals[_] }", "`reviews.older` is always empty"),
        ] {
            let [told] = told(rule).try_into().unwrap();
            assert!(told.starts_with(name), "{told}");
        }
    }

    #[test]
    fn what_is_there_is_not_told() {
        for rule in [
            "deny[x] { x := input.run.changes[_].entity.type; input.stack.labels }",
            "track { input.push.branch == input.stack.branch; input.push.affected_files }",
            "deny[x] { x := \"input.session\" } # input.session",
            "deny[x] { input.session_of; input.sessions; session; input.pull_request.head.hash }",
            "deny[x] { x := input.terraform.resource_changes[_].module_address }",
        ] {
            assert_eq!(told(rule), Vec::<String>::new(), "{rule}");
        }
        assert!(wants_ended_run("trigger[x] { x := input.stacks[_].id }").is_none());
        assert!(wants_ended_run("trigger[x] { input.run.state == \"FINISHED\" }").is_some());
    }
}
