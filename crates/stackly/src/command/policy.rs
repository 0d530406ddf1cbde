//! `stackly policy …`: check, test, explain, replay, trials and overrides.

use std::{fs, path::PathBuf};

use chrono::{TimeDelta, Utc};
use clap::{Args, Subcommand};
use contracts::gate::OverrideGate;
use policy::{
    PolicySet,
    page::{self, After, Explained, InForce, OnTrial, Records},
    replay::Difference,
};
use serde_json::{Value, json};

use super::{
    desk::{Desk, read},
    names::Who,
    review, validate,
    value::span,
};
use crate::{failure::Failure, output::policy as output, print::Terminal};

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Check a folder of policies as the policy service would read it; works offline
    Check(Folder),
    /// Show which policies are in force, from where, and why newer ones are not
    Status,
    /// Run the tests (*.test.hcl) in a folder of policies; asks nobody
    Test(Folder),
    /// Explain one decision, policy by policy
    Explain(Explain),
    /// Replay past decisions with a folder of policies, and print which would differ
    Replay(Replay),
    /// Show what the policies on trial would have decided differently
    Shadow(Since),
    /// List break-glass overrides: who, what, and why; or record the follow-up of one
    Overrides(Overrides),
}

/// Which folder.
#[derive(Debug, Args)]
pub struct Folder {
    /// The folder with the policies
    #[arg(default_value = "policies")]
    path: PathBuf,
}

/// Which decision.
#[derive(Debug, Args)]
pub struct Explain {
    /// A gate (`gate_…`), or a prefix of its id
    id: String,
}

/// Which policies, and which decisions.
#[derive(Debug, Args)]
pub struct Replay {
    /// The folder with the policies
    #[arg(default_value = "policies")]
    path: PathBuf,
    /// How far back: `24h`, `30d`
    #[arg(long, default_value = "30d", value_name = "SPAN", value_parser = span)]
    since: TimeDelta,
}

/// How far back.
#[derive(Debug, Args)]
pub struct Since {
    /// How far back: `24h`, `30d`
    #[arg(long, default_value = "30d", value_name = "SPAN", value_parser = span)]
    since: TimeDelta,
}

/// How far back, or which glass is followed up.
#[derive(Debug, Args)]
pub struct Overrides {
    #[command(flatten)]
    since: Since,
    /// Record that the override of this gate (`gate_…`) was followed up
    #[arg(long, value_name = "GATE", requires = "note")]
    done: Option<String>,
    /// The outcome, in your own words
    #[arg(long, value_name = "TEXT", requires = "done")]
    note: Option<String>,
    #[command(flatten)]
    who: Who,
}

impl Action {
    /// What needs nobody else is done here.
    pub(super) fn offline(&self, terminal: &mut Terminal<'_>) -> Option<Result<(), Failure>> {
        match self {
            Self::Check(folder) => Some(validate::check_policies(&folder.path, terminal)),
            Self::Test(folder) => Some(test(folder, terminal)),
            Self::Status
            | Self::Explain(_)
            | Self::Replay(_)
            | Self::Shadow(_)
            | Self::Overrides(_) => None,
        }
    }
}

pub(super) async fn run(
    action: &Action,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    match action {
        Action::Status => status(desk, terminal).await,
        Action::Explain(options) => explain(&options.id, desk, terminal).await,
        Action::Replay(options) => replay(options, desk, terminal).await,
        Action::Shadow(since) => shadow(since, desk, terminal).await,
        Action::Overrides(options) => overrides(options, desk, terminal).await,
        Action::Check(_) | Action::Test(_) => unreachable!("they talk to no running system"),
    }
}

fn test(folder: &Folder, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let shown = folder.path.display().to_string();
    fs::metadata(&folder.path).map_err(|error| Failure::unread(&folder.path, error))?;
    let ran = match policy::bench::run(&folder.path) {
        Ok(ran) => ran,
        Err(faults) => {
            terminal.answer(&json!({ "faults": faults }), |_| faults.to_string())?;
            return Err(Failure::Failed(anyhow::anyhow!("nothing in {shown} was tested")));
        }
    };
    if ran.is_empty() {
        return Err(Failure::NotFound(format!(
            "there are no tests in {shown}; write them into files called *.test.hcl \
             (docs/POLICIES.md shows how)"
        )));
    }
    let failed = ran.iter().filter(|ran| !ran.wrong.is_empty()).count();
    let document = json!({ "tests": ran, "failed": failed });
    terminal.answer(&document, |look| output::tests(&ran, look))?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Failed(anyhow::anyhow!("{failed} of {} tests failed", ran.len()))),
    }
}

async fn status(desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let answer = desk.ask("policy", "policies", Value::Null).await?;
    let found: InForce = read("policy", answer.clone())?;
    terminal.answer(&answer, |look| output::in_force(&found, look))
}

/// Explains what was decided at a gate.
pub(super) async fn explain(
    gate: &str,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let gate = review::any_gate(desk, gate.trim()).await?;
    let answer = desk.ask("policy", "explain", json!({ "gate": gate })).await?;
    let explained: Explained = read("policy", answer.clone())?;
    terminal.answer(&answer, |look| output::explained(&explained, look))
}

async fn replay(options: &Replay, desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    fs::metadata(&options.path).map_err(|error| Failure::unread(&options.path, error))?;
    let set: PolicySet = policy::validate(&options.path).map_err(|faults| {
        let shown = options.path.display();
        Failure::Failed(anyhow::anyhow!("the policies in {shown} are refused: {faults}"))
    })?;
    let since = Utc::now() - options.since;
    let (mut decided, mut differences) = (0, Vec::<Difference>::new());
    let mut after: Option<After> = None;
    let kept_from = loop {
        let question = json!({ "since": since, "after": after });
        let Records { records, next, kept_from } =
            read("policy", desk.ask("policy", "records", question).await?)?;
        decided += records.len();
        differences.extend(records.iter().filter_map(|record| record.differs(&set)));
        after = next;
        if after.is_none() {
            break kept_from;
        }
    };
    let document = json!({
        "digest": set.digest,
        "since": since,
        "kept_from": kept_from,
        "decided": decided,
        "differences": differences,
    });
    // Of what was before, nothing can be said.
    let late = kept_from.filter(|from| *from > since);
    terminal.answer(&document, |look| output::replayed(decided, &differences, late, look))
}

async fn shadow(since: &Since, desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let question = json!({ "since": Utc::now() - since.since });
    let answer = desk.ask("policy", "shadow", question).await?;
    let trial: OnTrial = read("policy", answer.clone())?;
    terminal.answer(&answer, |look| output::trial(&trial, look))
}

async fn overrides(
    options: &Overrides,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    if let (Some(done), Some(note)) = (&options.done, &options.note) {
        let by = options.who.name()?;
        let gate = review::any_gate(desk, done.trim()).await?;
        let (reason, seconds, chain) = (note.clone(), None, false);
        let order = OverrideGate { gate, by: by.clone(), reason, seconds, chain, done: true };
        let answer = desk.order(&order).await?;
        let text = format!("{by} followed up the broken glass of {gate}\n");
        return terminal.answer(&answer, |_| text);
    }
    let question = json!({ "since": Utc::now() - options.since.since });
    let answer: Value = desk.ask("policy", "overrides", question).await?;
    let found: page::Overrides = read("policy", answer.clone())?;
    terminal.answer(&answer, |look| output::overrides(&found, look))
}
