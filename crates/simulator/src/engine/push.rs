//! A push as the VCS would tell of it: the way runs start without anybody asking.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::{
    account::CommitSeed,
    engine::NewRun,
    policy::{self, Decision, Policy, PolicyType},
    run::Refusal,
    stack::Stack,
    states::RunType,
    world::World,
};

/// A push to a branch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// `owner/name`.
    pub repository: String,
    /// The branch that moved.
    pub branch: String,
    /// Where it is now.
    pub commit: CommitSeed,
    /// The files that changed; none given means that every stack of the repository is concerned.
    pub paths: Vec<String>,
    /// Names that hold the new runs until each is marked as completed.
    pub external_dependencies: BTreeSet<String>,
    /// Only move the branch, as if a push policy ignored the push.
    pub without_runs: bool,
}

impl World {
    /// Moves the branch and starts a run on every stack that is concerned: tracked where the
    /// stack tracks the branch, proposed elsewhere.
    pub(crate) fn push(&mut self, push: Push) -> Result<Vec<Ulid>, Refusal> {
        let (namespace, repository) = push
            .repository
            .split_once('/')
            .ok_or_else(|| Refusal::new("a repository is written owner/name"))?;
        let hit: Vec<Arc<Stack>> = self
            .stacks
            .values()
            .filter(|s| s.seed.namespace == namespace && s.seed.repository == repository)
            .cloned()
            .collect();
        let Some(any) = hit.first() else { return Ok(Vec::new()) };
        let commit = self.learn_commit(&any.seed.clone(), push.commit.clone());
        self.heads.insert((push.repository.clone(), push.branch.clone()), commit.clone());
        let (mut tracked, mut proposed) = (Vec::new(), Vec::new());
        for stack in hit {
            let decision = self.decision(&push, &stack);
            if stack.seed.branch == push.branch {
                self.stack_mut(&stack.id)?.head = Some(commit.clone());
            }
            if decision.tracks() {
                self.stack_mut(&stack.id)?.tracked = Some(commit.clone());
            }
            let kind = match decision {
                _ if stack.disabled => continue,
                it if it.starts_tracked() => RunType::Tracked,
                it if it.starts_proposed() => RunType::Proposed,
                _ => continue,
            };
            let new = NewRun {
                stack: stack.id.clone(),
                kind,
                branch: push.branch.as_str().into(),
                commit: commit.clone(),
                triggered_by: None,
                command: None,
                skip_initialization: false,
                force_apply: false,
                cascade: false,
                metadata: None,
                external: push.external_dependencies.clone(),
                environment: BTreeMap::new(),
                pass: None,
                awaits_parents: false,
            };
            if kind == RunType::Tracked { tracked.push(new) } else { proposed.push(new) }
        }
        let mut created = if tracked.is_empty() { Vec::new() } else { self.create_pass(tracked) };
        created.extend(proposed.into_iter().map(|new| self.create_run(new).id));
        Ok(created)
    }

    /// What the push policies attached to a stack say; without any, what Spacelift does by default.
    fn decision(&self, push: &Push, stack: &Stack) -> Decision {
        if push.without_runs {
            return Decision { ignore: true, ..Decision::default() };
        }
        let attached = |policy: &&Policy| {
            policy.kind == PolicyType::GitPush
                && policy.attaches_to(&stack.seed.labels)
                && self.space_within(&stack.seed.space, &policy.space)
        };
        let mut attached = self.policies.values().filter(attached).peekable();
        if attached.peek().is_some() {
            let input = policy::push(self, push, stack);
            return attached
                .fold(Decision::default(), |said, policy| policy.program.decide(&input, said));
        }
        let concerned = concerns(stack, &push.paths);
        let on_branch = stack.seed.branch == push.branch;
        Decision {
            track: concerned && on_branch,
            propose: concerned && !on_branch,
            ..Decision::default()
        }
    }
}

/// Whether one of the changed files lies in the stack's folder or under one of its globs.
fn concerns(stack: &Stack, paths: &[String]) -> bool {
    let root = stack.seed.project_root.as_deref().unwrap_or("").trim_matches('/');
    let inside = |path: &str| {
        root.is_empty() || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
    };
    paths.is_empty()
        || paths.iter().any(|path| {
            inside(path)
                || stack.seed.additional_project_globs.iter().any(|glob| matches(glob, path))
        })
}

/// Globs as Spacelift documents them: `*` within a folder, `**` over folders, `?` one character.
fn matches(glob: &str, path: &str) -> bool {
    fn at(glob: &[u8], path: &[u8]) -> bool {
        match glob {
            [] => path.is_empty(),
            [b'*', b'*', b'/', rest @ ..] => {
                at(rest, path)
                    || path.iter().enumerate().any(|(i, b)| *b == b'/' && at(rest, &path[i + 1..]))
            }
            [b'*', b'*', rest @ ..] => (0..=path.len()).any(|i| at(rest, &path[i..])),
            [b'*', rest @ ..] => {
                let end = path.iter().position(|b| *b == b'/').unwrap_or(path.len());
                (0..=end).any(|i| at(rest, &path[i..]))
            }
            [b'?', rest @ ..] => path.first().is_some_and(|b| *b != b'/') && at(rest, &path[1..]),
            [byte, rest @ ..] => path.first() == Some(byte) && at(rest, &path[1..]),
        }
    }
    at(glob.as_bytes(), path.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs_follow_the_documented_rules() {
        for (glob, path, expected) in [
            ("modules/**/*.tf", "modules/net/main.tf", true),
            ("modules/**/*.tf", "modules/main.tf", true),
            ("modules/**", "modules/a/b/c.json", true),
            ("modules/*.tf", "modules/net/main.tf", false),
            ("shared/?.tf", "shared/a.tf", true),
            ("shared/?.tf", "shared/ab.tf", false),
        ] {
            assert_eq!(matches(glob, path), expected, "{glob} on {path}");
        }
    }
}
