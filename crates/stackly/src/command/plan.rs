//! `stackly plan`: what would follow.

use clap::{ArgGroup, Args};
use contracts::chain::ChainPlanned;
use planner::what_if::Outcome;
use policy::foresee::Foreseen;
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::{Desk, read};
use crate::{
    failure::Failure,
    output::plan::{self, WhatIf},
    print::Terminal,
};

/// What would be pushed.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("what").required(true).args(["commit", "paths"])))]
pub struct Options {
    /// A commit, in full; the planner must have a mirror of its repository
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,
    /// A file that would change; may be given more than once
    #[arg(long = "path", value_name = "FILE")]
    paths: Vec<String>,
    /// What the commit would be pushed on top of [default: the head of the branch]
    #[arg(long, value_name = "SHA", requires = "commit")]
    since: Option<String>,
    /// The repository, `owner/name`; needed if stacks are made from several
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,
    /// The branch; needed if stacks of the repository track several
    #[arg(long)]
    branch: Option<String>,
    /// Who would push it; policies may look at it
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

impl Options {
    fn question(&self) -> Value {
        let mut question = json!({
            "repository": self.repository,
            "branch": self.branch,
            "author": self.author,
            "commit": self.commit,
            "since": self.since,
        });
        if !self.paths.is_empty() {
            question["paths"] = json!(self.paths);
        }
        question
    }
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let answer = desk.ask("planner", "plan", options.question()).await?;
    let outcome: Outcome = read("planner", answer)?;
    let (gates, gates_unknown) = match &outcome {
        Outcome::Planned(chain) => match gates(chain, desk).await {
            Ok(gates) => (gates, None),
            Err(failure) => (Vec::new(), Some(failure.text())),
        },
        Outcome::Ignored { .. } | Outcome::Refused { .. } => (Vec::new(), None),
    };
    let what_if = WhatIf { outcome, gates, gates_unknown };
    terminal.answer(&what_if, |look| plan::render(&what_if, look))
}

/// What the policies would say of a chain; they are asked like anybody who only looks.
async fn gates(chain: &ChainPlanned, desk: &Desk) -> Result<Vec<Foreseen>, Failure> {
    let answer = desk.ask("policy", "foresee", json!({ "chain": chain })).await?;
    let Answer { gates } = read("policy", answer)?;
    Ok(gates)
}

#[derive(Deserialize)]
struct Answer {
    gates: Vec<Foreseen>,
}
