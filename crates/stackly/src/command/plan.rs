//! `stackly plan`: what would follow.

mod check;
mod working_tree;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args};
use contracts::chain::ChainPlanned;
use planner::what_if::Outcome;
use policy::{foresee::Foreseen, page::Foresight};
use serde_json::{Value, json};

use super::{
    desk::{Desk, read},
    value::{commit, path, when},
};
use crate::{
    failure::Failure,
    output::plan::{self, WhatIf},
    print::Terminal,
};
use working_tree::WorkingTree;

/// What would be pushed.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("what").required(true).args(["commit", "paths", "working_tree", "tag", "check"])))]
pub struct Options {
    /// A commit, in full; the planner must have a mirror of its repository
    #[arg(long, value_name = "SHA", value_parser = commit)]
    commit: Option<String>,
    /// A file that would change, as a path from the root of the repository; can be repeated
    #[arg(long = "path", value_name = "FILE", value_parser = path)]
    paths: Vec<String>,
    /// The changes in a working tree, here or in a folder, committed or not
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".")]
    working_tree: Option<PathBuf>,
    /// A tag that would be pushed; its name says what it deploys
    #[arg(long, value_name = "NAME", conflicts_with_all = ["since", "branch"])]
    tag: Option<String>,
    /// Instead, compare what is predicted now with what was decided then, for every push and pull
    /// request since (a time, or how long ago) [default: 7d]
    #[arg(long, value_name = "WHEN", num_args = 0..=1, default_missing_value = "7d",
        value_parser = when, conflicts_with_all = ["since", "branch", "author"])]
    check: Option<DateTime<Utc>>,
    /// What the commit would be pushed on top of [default: the head of the branch; for a commit that
    /// is on the branch already, its parent]; what a working tree is compared with [default: where
    /// it left its upstream, else HEAD]
    #[arg(long, value_name = "SHA", conflicts_with = "paths")]
    since: Option<String>,
    /// The repository, `owner/name`; needed if stacks are made from several
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,
    /// The branch; needed if stacks of the repository track several
    #[arg(long)]
    branch: Option<String>,
    /// Who would push it, as policies see it
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

impl Options {
    fn question(&self, found: Option<&WorkingTree>) -> Value {
        let mut question = json!({
            "repository": self.repository,
            "branch": self.branch,
            "author": self.author,
            "commit": self.commit,
            "since": self.since,
        });
        if let Some(tag) = &self.tag {
            question["tag"] = json!(tag);
        }
        if !self.paths.is_empty() {
            question["paths"] = json!(self.paths);
        }
        if let Some(WorkingTree { base, repository, paths, files, renamed, .. }) = found {
            question["repository"] = json!(self.repository.as_ref().or(repository.as_ref()));
            question["commit"] = json!(base);
            question["since"] = Value::Null;
            question["paths"] = json!(paths);
            question["files"] = json!(files);
            question["renamed"] = json!(renamed);
        }
        question
    }
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    if let Some(since) = options.check {
        return check::run(since, options.repository.as_deref(), desk, terminal).await;
    }
    let found = match &options.working_tree {
        Some(folder) => {
            let beside = (options.since.as_deref(), options.branch.as_deref());
            Some(WorkingTree::look(folder, beside).await?)
        }
        None => None,
    };
    let answer = desk.ask("planner", "plan", options.question(found.as_ref())).await?;
    let planner::what_if::Answer { outcome, also } = read("planner", answer)?;
    let (gates, gates_unknown) = match &outcome {
        Outcome::Planned(chain) => match gates(chain, desk).await {
            Ok(gates) => (gates, None),
            Err(failure) => (Vec::new(), Some(failure.text())),
        },
        Outcome::Ignored { .. } | Outcome::Refused { .. } => (Vec::new(), None),
    };
    let is_named = options.repository.is_some();
    let unseen = found.map(|found| found.unseen(is_named)).unwrap_or_default();
    let what_if = WhatIf { outcome, also, gates, gates_unknown, unseen };
    terminal.answer(&what_if, |look| plan::render(&what_if, look))
}

/// What the policies would say of a chain; they are asked like anybody who only looks.
async fn gates(chain: &ChainPlanned, desk: &Desk) -> Result<Vec<Foreseen>, Failure> {
    let answer = desk.ask("policy", "foresee", json!({ "chain": chain })).await?;
    let Foresight { gates, .. } = read("policy", answer)?;
    Ok(gates)
}
