//! The commit status of a story. Rendering only; calls are made in [`crate::client`].

use chrono::SecondsFormat;
use contracts::{
    Code, CommitSha, chain::ChainState, change::Change, gate::Outcome, step::StepState,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    digest::{Digest, Ending, Wait},
    notice::Notice,
    routes::HostRoute,
    slack::text::{clip, took},
};

#[cfg(test)]
mod tests;

/// GitHub refuses longer ones.
const DESCRIPTION_CHARS_MAX: usize = 140;

/// Nor longer names.
const NAME_CHARS_MAX: usize = 200;

/// The states of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Running,
    Success,
    Failure,
    Error,
}

impl State {
    /// The same in GitHub's four words.
    pub(crate) const fn at_github(self) -> Self {
        match self {
            Self::Running => Self::Pending,
            other => other,
        }
    }

    /// The same in GitLab's words.
    pub(crate) const fn at_gitlab(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure | Self::Error => "failed",
        }
    }

    /// The same in Bitbucket's words.
    pub(crate) const fn at_bitbucket(self) -> &'static str {
        match self {
            Self::Pending | Self::Running => "INPROGRESS",
            Self::Success => "SUCCESSFUL",
            Self::Failure | Self::Error => "FAILED",
        }
    }

    /// The same in Azure's words.
    pub(crate) const fn at_azure_devops(self) -> &'static str {
        match self {
            Self::Pending | Self::Running => "pending",
            Self::Success => "succeeded",
            Self::Failure => "failed",
            Self::Error => "error",
        }
    }
}

/// One status of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) repository: String,
    pub(crate) commit: CommitSha,
    pub(crate) state: State,
    pub(crate) description: String,
    pub(crate) target_url: Option<String>,
    /// The pull request it is about, where hosts have statuses of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pull_request: Option<u64>,
}

impl Status {
    pub(crate) fn new(
        change: &Change,
        state: State,
        description: &str,
        target_url: Option<&str>,
    ) -> Self {
        let one_line: String =
            description.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self {
            repository: change.repository.clone(),
            commit: change.commit.clone(),
            state,
            description: clip(&one_line, DESCRIPTION_CHARS_MAX),
            target_url: target_url.map(str::to_owned),
            pull_request: change.pull_request,
        }
    }

    /// Equal for statuses that look the same.
    pub(crate) fn fingerprint(&self) -> Uuid {
        let looks = serde_json::to_vec(self).expect("a status is plain data");
        Uuid::new_v5(&contracts::id::NAMESPACE, &looks)
    }

    /// Where it is set: `repos/{owner}/{name}/statuses/{sha}`. None if the repository or the
    /// commit are not what GitHub calls so: nothing from a push may choose another path.
    pub(crate) fn path(&self) -> Option<String> {
        let repository = repository_path(&self.repository)?;
        self.commit.is_whole().then(|| format!("{repository}/statuses/{}", self.commit))
    }

    /// Where it is set, for people.
    pub(crate) fn target(&self) -> String {
        format!("{}@{}", self.repository, self.commit)
    }
}

/// `repos/{owner}/{name}`; none if it is not what GitHub calls a repository.
pub(crate) fn repository_path(repository: &str) -> Option<String> {
    let (owner, name) = repository.split_once('/')?;
    (is_plain(owner) && is_plain(name)).then(|| format!("repos/{owner}/{name}"))
}

/// Whether a part of a repository's name leads nowhere else in an address.
pub(crate) fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && part.chars().any(|c| c != '.')
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The name under which the status of a change is shown. A commit may be on several branches and at
/// a pull request, each with a chain of its own: none of them may hide what became of another.
pub(crate) fn name(route: &HostRoute, change: &Change, is_preview: bool) -> String {
    let name = match is_preview {
        true => format!("{}/plan", route.context),
        false => route.context.clone(),
    };
    if route.default_branches.contains(&change.branch) {
        return name;
    }
    let branch: String = change.branch.chars().filter(|c| !c.is_control()).collect();
    clip(&format!("{name} ({branch})"), NAME_CHARS_MAX)
}

/// The status of a chain; none before it is known what set it off.
///
/// It changes when a chain is planned, waits for people or for a time, goes on, and ends, but not
/// with each step: GitHub keeps at most 1,000 statuses of one commit.
pub(crate) fn chain(digest: &Digest) -> Option<Status> {
    let change = digest.change.as_ref()?;
    if let Some(ending) = digest.ending() {
        return Some(ended(digest, change, ending));
    }
    let waits = digest.waits();
    if let Some(first) = waits.first() {
        let text = waiting(first, waits.len() - 1);
        return Some(Status::new(change, State::Pending, &text, first.run_url));
    }
    let stacks = stacks(digest.counts().total);
    let (state, text) = match (digest.state(), stacks) {
        (ChainState::Gating, Some(stacks)) => {
            (State::Pending, format!("Planned {stacks}; asking the policies"))
        }
        (ChainState::Gating, None) => (State::Pending, "Planned; asking the policies".to_owned()),
        (_, Some(stacks)) => (State::Running, format!("Running {stacks}")),
        (_, None) => (State::Running, "Running".to_owned()),
    };
    Some(Status::new(change, state, &text, None))
}

/// The status of a change that leads to no chain; none where nobody would look for it, or where a
/// chain of the same commit has more to say.
pub(crate) fn notice(notice: &Notice, chain_exists: bool) -> Option<Status> {
    let change = &notice.change;
    if let Some(refusal) = notice.refusals().first() {
        let what = match refusal.code {
            Code::PoliciesRefused => "Refused",
            _ => "Cannot be planned",
        };
        let text = format!("{what}: {}", refusal.text);
        return Some(Status::new(change, State::Error, &text, None));
    }
    let reason = notice.worth_a_status().filter(|_| !chain_exists)?;
    Some(Status::new(change, State::Success, &format!("Nothing to do: {}", reason.text), None))
}

fn ended(digest: &Digest, change: &Change, ending: &Ending) -> Status {
    let counts = digest.counts();
    let lines = digest.lines();
    let culprit = lines.iter().find(|line| {
        matches!(line.state, StepState::Failed | StepState::Denied | StepState::Unknown)
    });
    let url = culprit.and_then(|line| line.run_url);
    let (state, text) = match ending.state {
        ChainState::Finished => {
            let stacks = stacks(counts.total).unwrap_or_else(|| "Everything".to_owned());
            let duration = took(ending.ended_at - ending.began_at);
            (State::Success, format!("{stacks} finished in {duration}"))
        }
        ChainState::Denied => (State::Failure, format!("Denied: {}", ending.reason.text)),
        // Nothing would clear it: what took its place stands under the name of the other branch.
        ChainState::Canceled if digest.is_retargeted() => {
            (State::Success, format!("Not needed: {}", ending.reason.text))
        }
        ChainState::Canceled => (State::Failure, format!("Cancelled: {}", ending.reason.text)),
        ChainState::Failed
        | ChainState::Gating
        | ChainState::Planning
        | ChainState::Running
        | ChainState::Paused => {
            let why = culprit
                .and_then(|line| {
                    line.reason.map(|reason| format!("{}: {}", line.name, reason.text))
                })
                .unwrap_or_else(|| ending.reason.text.clone());
            let skipped = match counts.skipped {
                0 => String::new(),
                skipped => format!(", {skipped} not run"),
            };
            (State::Failure, format!("{} of {} failed{skipped}: {why}", counts.bad, counts.total))
        }
    };
    Status::new(change, state, &text, url)
}

fn waiting(wait: &Wait<'_>, others: usize) -> String {
    let who = wait.name.map(|name| format!(" of {name}")).unwrap_or_default();
    let more = match others {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    match wait.outcome {
        Outcome::HoldForApprovals { given, needed } => {
            format!("Waiting for approval{who} ({given} of {needed}){more}")
        }
        Outcome::HoldUntil { until } => {
            let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
            let who = wait.name.map(|name| format!(": {name}")).unwrap_or_default();
            format!("Held until {until}{who}{more}")
        }
        Outcome::Pass | Outcome::Deny => format!("Waiting{who}{more}"),
    }
}

fn stacks(total: usize) -> Option<String> {
    match total {
        0 => None,
        1 => Some("1 stack".to_owned()),
        total => Some(format!("{total} stacks")),
    }
}
