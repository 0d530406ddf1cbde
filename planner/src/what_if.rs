//! What would follow from a commit: the question `plan`. Nothing is started, stored or told; the
//! answer is made by the same functions that plan a push.

use std::sync::Arc;

use bus::Problem;
use contracts::{
    ChainId, CommitSha, Reason,
    chain::{ChainPlanned, EdgeOrigin},
    change::{Change, ChangePushed, Paths},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    known::{Known, Shelf},
    memory::{Before, Wish},
    mirror::{Call, Mirrors},
    plan::{self, Plan, Request},
    question::{known, value},
};

/// What is asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhatIf {
    /// The repository; may be left out if stacks are made from only one.
    repository: Option<String>,
    /// The branch; may be left out if stacks of the repository track only one.
    branch: Option<String>,
    /// The commit that would be pushed. Needs a mirror.
    commit: Option<CommitSha>,
    /// The head it would be pushed on top of; the branch's own, if left out.
    since: Option<CommitSha>,
    /// Instead of a commit: the files that would change.
    paths: Option<Vec<String>>,
    /// Who would push it, as the host calls them; policies may look at it.
    author: Option<String>,
}

/// What would follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// These runs, in this order.
    Planned(Box<ChainPlanned>),
    /// Nothing.
    Ignored {
        /// Why.
        reason: Reason,
    },
    /// People must mend something first.
    Refused {
        /// What.
        reason: Reason,
    },
}

/// Answers the question.
pub async fn plan(mirrors: Arc<Mirrors>, shelf: Arc<Shelf>, body: Value) -> Result<Value, Problem> {
    let question: WhatIf = serde_json::from_value(body).map_err(|error| {
        Problem::new("malformed", format!("the question is about `commit` or `paths`: {error}"))
    })?;
    let known = known(&shelf)?.known;
    let (repository, branch) = question.place(&known)?;
    let commit = question.commit.clone().unwrap_or_else(|| CommitSha::from("0".repeat(40)));
    let change = Change {
        repository,
        branch,
        commit,
        previous: question.since.clone(),
        author: question.author.clone().unwrap_or_else(|| "nobody".to_owned()),
        authors: Vec::new(),
        title: "what if".to_owned(),
        url: None,
        pull_request: None,
    };
    let plan = match question.paths {
        Some(paths) => {
            let (chain, kind) = (name(), contracts::chain::ChainKind::Deploy);
            let (paths, change) = (&Paths::All(paths), &change);
            let (by_code, gone) = (&[][..], &[][..]);
            plan::propose(&known, &Request { chain, kind, change, paths, by_code, gone })
        }
        None if question.commit.is_some() => of_commit(mirrors, change).await?,
        None => {
            let text = "name a commit with `commit`, or files with `paths`";
            return Err(Problem::new("malformed", text));
        }
    };
    value(&match plan {
        Plan::Planned(planned) => Outcome::Planned(Box::new(planned)),
        Plan::Ignored(ignored) => Outcome::Ignored { reason: ignored.reason },
        Plan::Refused(refused) => Outcome::Refused { reason: refused.reason },
    })
}

async fn of_commit(mirrors: Arc<Mirrors>, change: Change) -> Result<Plan, Problem> {
    let call = Call {
        repository: change.repository.clone(),
        branch: change.branch.clone(),
        commit: Some(change.commit.clone()),
        previous: change.previous.clone(),
        pull_request: None,
        on_head: true,
        before: Before::default(),
    };
    let unreadable = |error: anyhow::Error| Problem::new("git_unavailable", format!("{error:#}"));
    let reading = mirrors.what_if(call).await.map_err(unreadable)?;
    let Some(known) = reading.known.clone() else {
        return Err(Problem::new("git_unavailable", "the mirror gave nothing"));
    };
    let change = Change { title: reading.title.clone().unwrap_or(change.title), ..change };
    let pushed =
        ChangePushed { change, paths: Paths::Unknown, deleted: false, tag: false, forced: false };
    Ok(reading.plan(&known, (name(), contracts::chain::ChainKind::Deploy), &Wish::Pushed(pushed)))
}

/// A chain that never will be.
fn name() -> ChainId {
    ChainId(Uuid::nil())
}

impl WhatIf {
    fn place(&self, known: &Known) -> Result<(String, String), Problem> {
        let tracked = known.catalogue.tracked();
        let wanted = |place: &&(&str, &str)| {
            self.repository.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(place.0))
                && self.branch.as_ref().is_none_or(|branch| branch == place.1)
        };
        let places: Vec<&(&str, &str)> = tracked.iter().filter(wanted).collect();
        match places[..] {
            [(repository, branch)] => Ok(((*repository).to_owned(), (*branch).to_owned())),
            [] => Err(Problem::new("not_found", "no stack tracks this repository and branch")),
            _ => {
                let names: Vec<String> = places
                    .iter()
                    .take(10)
                    .map(|(repository, branch)| format!("{repository} {branch}"))
                    .collect();
                let text = format!("say which `repository` and `branch`: {}", names.join(", "));
                Err(Problem::new("ambiguous", text))
            }
        }
    }
}

/// The edge of an origin in words, for those who print plans.
pub fn because(origins: &[EdgeOrigin]) -> String {
    origins.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
