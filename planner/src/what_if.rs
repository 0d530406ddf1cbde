//! What would follow from a commit: the question `plan`. Nothing is started, stored or told; the
//! answer is made by the same functions that plan a push.

use std::{collections::BTreeMap, sync::Arc};

use bus::{Problem, ProblemKind, read_as};
use contracts::{
    ChainId, Code, CommitSha, Envelope, Message, Reason,
    chain::{ChainIgnored, ChainKind, ChainPlanned, ChainRefused, EdgeOrigin},
    change::{Change, ChangePushed, Paths},
    plain,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    decider::farewells,
    known::{Known, Shelf},
    memory::{Before, Wish},
    mirror::{Call, Mirrors, Reading, Unpushed, unreadable},
    plan::{self, Plan},
    question::known,
};

/// What is asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhatIf {
    /// The repository; may be left out if stacks are made from only one.
    repository: Option<String>,
    /// The branch; may be left out if stacks of the repository track only one.
    branch: Option<String>,
    /// The commit that would be pushed; with `paths`, the one that they would be changed on top of.
    /// Needs a mirror.
    commit: Option<CommitSha>,
    /// The head it would be pushed on top of; the branch's own, if left out.
    since: Option<CommitSha>,
    /// The files that would change.
    paths: Option<Vec<String>>,
    /// What would be in them, as far as it is told; nothing in those that would be deleted.
    files: BTreeMap<String, Option<String>>,
    /// Files that would be renamed, old to new.
    renamed: Vec<(String, String)>,
    /// The tag that would be pushed, instead of all these.
    tag: Option<String>,
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

/// Everything that would follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// From the change itself.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Besides: what would become of stacks whose code it takes away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Outcome>,
}

impl Outcome {
    /// The one that an event tells of, if it tells of one.
    pub(crate) fn told(event: &Envelope) -> Option<Self> {
        let body = event.body.clone();
        let ignored = |it: ChainIgnored| Self::Ignored { reason: it.reason };
        let refused = |it: ChainRefused| Self::Refused { reason: it.reason };
        match event.kind.as_str() {
            ChainPlanned::TYPE => serde_json::from_value(body).ok().map(Self::Planned),
            ChainIgnored::TYPE => serde_json::from_value(body).ok().map(ignored),
            ChainRefused::TYPE => serde_json::from_value(body).ok().map(refused),
            _ => None,
        }
    }
}

impl From<Plan> for Outcome {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Planned(planned) => Self::Planned(Box::new(planned)),
            Plan::Ignored(ignored) => Self::Ignored { reason: ignored.reason },
            Plan::Refused(refused) => Self::Refused { reason: refused.reason },
        }
    }
}

/// Answers the question.
pub async fn plan(mirrors: Arc<Mirrors>, shelf: Arc<Shelf>, body: Value) -> Result<Value, Problem> {
    let question: WhatIf = read_as("the question is about `commit` or `paths`", body)?;
    let known = known(&shelf)?.known;
    let (repository, branch) = question.place(&known)?;
    let commit = question.commit.clone().unwrap_or_else(nothing_pushed);
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
    if question.tag.is_some() {
        // Its name alone says whom it delivers.
        let pushed = ChangePushed { tag: true, ..pushed(change, Paths::Unknown) };
        return Ok(plain(&as_told(&known, &Wish::Pushed(pushed))));
    }
    if question.commit.is_none() && question.paths.is_none() {
        let text = "name a commit with `commit`, files with `paths`, or a `tag`";
        return Err(Problem::malformed(text));
    }
    let call = call(&change, question.commit.clone());
    let answer = match question.paths {
        Some(paths) => {
            let (files, renamed) = (question.files, question.renamed);
            let unpushed = Unpushed { paths, files, renamed };
            of_paths(mirrors, &known, (change, call), unpushed).await
        }
        None => of_commit(mirrors, &known, (change, call)).await?,
    };
    Ok(plain(&answer))
}

/// What would follow from files that change. Who has no mirror reckons without their code.
async fn of_paths(
    mirrors: Arc<Mirrors>,
    known: &Arc<Known>,
    (change, call): (Change, Call),
    unpushed: Unpushed,
) -> Answer {
    let pushed = Wish::Pushed(pushed(change, Paths::All(unpushed.paths.clone())));
    if mirrors.folder().is_none() {
        return as_told(known, &pushed);
    }
    let reading = mirrors.what_if(call.clone(), Some(unpushed)).await;
    answer(&reading.unwrap_or_else(|error| unread(call, &error)), known, pushed)
}

/// What would follow from a change that was told, whoever can read its code or not.
pub(crate) async fn of_wish(mirrors: Arc<Mirrors>, known: &Arc<Known>, wish: Wish) -> Answer {
    let change = wish.change();
    let is_read = mirrors.folder().is_some() && plan::is_tracked(known, change);
    if wish.is_tag() || !is_read {
        return as_told(known, &wish);
    }
    let is_preview = wish.kind() == ChainKind::Preview;
    let call = Call {
        pull_request: change.pull_request,
        on_head: !is_preview,
        speculative: is_preview,
        ..call(change, Some(change.commit.clone()))
    };
    let reading = look(mirrors, change, call.clone()).await;
    answer(&reading.unwrap_or_else(|error| unread(call, &error)), known, wish)
}

/// Looks at a commit as it would be, or was, looked at when it is pushed.
async fn look(mirrors: Arc<Mirrors>, change: &Change, call: Call) -> anyhow::Result<Reading> {
    let kind = if call.is_proposal() { ChainKind::Preview } else { ChainKind::Deploy };
    let before = mirrors.before(kind, change).await?;
    mirrors.what_if(Call { before, ..call }, None).await
}

/// What would follow by what is told of a change alone.
fn as_told(known: &Known, wish: &Wish) -> Answer {
    let request = wish.request(name());
    let plan = match wish.is_tag() {
        true => plan::tag::propose(known, &request),
        false => plan::propose(known, &request),
    };
    Answer { outcome: plan.into(), also: Vec::new() }
}

/// The commit of what was never pushed.
pub(crate) fn nothing_pushed() -> CommitSha {
    CommitSha::from("0".repeat(40))
}

/// What is looked for in a mirror.
fn call(change: &Change, commit: Option<CommitSha>) -> Call {
    Call {
        repository: change.repository.clone(),
        branch: change.branch.clone(),
        commit,
        previous: change.previous.clone(),
        pull_request: None,
        on_head: true,
        before: Before::default(),
        speculative: false,
    }
}

fn unread(call: Call, error: &anyhow::Error) -> Reading {
    let text = format!("the mirror cannot give its code: {error:#}");
    Reading::failed(call, Reason::new(Code::GitUnavailable, text))
}

async fn of_commit(
    mirrors: Arc<Mirrors>,
    known: &Arc<Known>,
    (change, call): (Change, Call),
) -> Result<Answer, Problem> {
    let reading = look(mirrors, &change, call)
        .await
        .map_err(|error| unreadable(error, "push it first, or use --working-tree"))?;
    if reading.known.is_none() {
        return Err(Problem::new(
            ProblemKind::Unavailable,
            "git_unavailable",
            "the mirror gave nothing",
        ));
    }
    let change = Change { title: reading.title.clone().unwrap_or(change.title), ..change };
    Ok(answer(&reading, known, Wish::Pushed(pushed(change, Paths::Unknown))))
}

fn pushed(change: Change, paths: Paths) -> ChangePushed {
    ChangePushed { change, paths, deleted: false, tag: false, forced: false }
}

/// What follows from a change, by what was read and what was `known` before.
fn answer(reading: &Reading, known: &Arc<Known>, wish: Wish) -> Answer {
    let also = farewells(reading, (wish.change(), Uuid::nil()));
    let now = reading.known.as_ref().unwrap_or(known);
    let plan = reading.plan(now, (name(), wish.kind()), &wish);
    Answer { outcome: plan.into(), also: also.into_iter().map(Outcome::from).collect() }
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
        let mut places: Vec<(&str, &str)> = tracked.iter().filter(wanted).copied().collect();
        if let Some(tag) = &self.tag {
            // It is of no branch.
            places.iter_mut().for_each(|place| place.1 = tag);
            places.dedup();
        }
        match places[..] {
            [(repository, branch)] => Ok((repository.to_owned(), branch.to_owned())),
            [] => {
                let what = match (&self.repository, &self.branch) {
                    (Some(repository), Some(branch)) => format!("{branch} of {repository}"),
                    (Some(repository), None) => repository.clone(),
                    (None, Some(branch)) => format!("a branch {branch}"),
                    (None, None) => "any repository".to_owned(),
                };
                let text = format!(
                    "no stack tracks {what}; `stackly stacks repository:NAME` lists what is tracked"
                );
                Err(Problem::not_found(text))
            }
            _ => {
                let names: Vec<String> = places
                    .iter()
                    .take(10)
                    .map(|(repository, branch)| format!("{repository} {branch}"))
                    .collect();
                let text = format!("say which `repository` and `branch`: {}", names.join(", "));
                Err(Problem::new(ProblemKind::Malformed, "ambiguous", text))
            }
        }
    }
}

/// The edge of an origin in words, for those who print plans.
pub fn because(origins: &[EdgeOrigin]) -> String {
    origins.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
pub(crate) mod tests;
