//! What scanners found that ran elsewhere, handed in as SARIF by whoever ran them.
//!
//! It comes in at ingest like anything else that is signed, and is about one commit. Which sender may
//! hand in what, and for how long a pull request waits for it, is the operator's to say.

use std::{collections::HashSet, time::Duration};

use anyhow::bail;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Code, CommitSha, Reason,
    hook::HookReceived,
    validation::{Annotation, Level, Stage},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validation::{
    Scope,
    sarif::{self, Findings, Place},
};

use super::about_all;
use crate::{catalogue::repository_key, config};

/// The field that tells a report from whatever else a sender says.
const SARIF: &str = "sarif";

/// A report that was handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Handed {
    /// What it is called.
    pub name: String,
    /// Who handed it in.
    pub sender: String,
    /// What it is about.
    pub commit: CommitSha,
    /// What was found.
    pub found: Found,
    /// When it came.
    pub at: DateTime<Utc>,
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// This.
    Annotations(Vec<Annotation>),
    /// Nothing that can be read, and why.
    Fault(String),
}

/// What a sender says.
#[derive(Debug, Deserialize)]
struct Said {
    name: String,
    repository: String,
    commit: String,
    /// The folder the repository was in; paths are told from there on.
    #[serde(default)]
    folder: String,
    sarif: Value,
}

/// The reports there are to be.
#[derive(Debug, Clone, Default)]
pub struct Reports(Vec<config::Report>);

impl config::Report {
    fn is_of(&self, repository: &str) -> bool {
        let key = repository_key(repository);
        self.repositories.is_empty()
            || self.repositories.iter().any(|one| repository_key(one) == key)
    }
}

impl Reports {
    /// Those of the configuration.
    pub fn new(options: Vec<config::Report>) -> anyhow::Result<Self> {
        for report in &options {
            let is_sender =
                ["standard/", "custom/"].iter().any(|kind| report.sender.starts_with(kind));
            if report.name.trim().is_empty() || !is_sender {
                bail!(
                    "a table [[validation.reports]] needs a `name` and a `sender`, which is \
                     `standard/<name>` or `custom/<name>` as in its path at ingest"
                );
            }
        }
        Ok(Self(options))
    }

    /// The repository of which a sender hands in a report; none if it says something else.
    pub fn about<'h>(&self, hook: &'h HookReceived) -> Option<&'h str> {
        let is_known = self.0.iter().any(|report| report.sender == hook.source);
        let is_report = is_known && hook.data.get(SARIF).is_some();
        is_report.then(|| hook.data["repository"].as_str().unwrap_or_default())
    }

    /// The report that is handed in, or why it is none.
    pub fn heard(&self, hook: &HookReceived, now: DateTime<Utc>) -> Result<Handed, String> {
        let said: Said = serde_json::from_value(hook.data.clone()).map_err(|error| {
            format!(
                "what {} hands in is not a report, which has `name`, `repository`, `commit` and \
                 `sarif`: {error}",
                hook.source
            )
        })?;
        let fits = |report: &config::Report| {
            report.sender == hook.source
                && report.name == said.name
                && report.is_of(&said.repository)
        };
        if !self.0.iter().any(fits) {
            return Err(format!(
                "no table [[validation.reports]] of the planner lets {} hand in `{}` about {}",
                hook.source, said.name, said.repository
            ));
        }
        let commit = CommitSha(said.commit.trim().to_ascii_lowercase());
        if !commit.is_whole() {
            return Err(format!("`commit` of {} is not a whole commit id", hook.source));
        }
        let found = match sarif::read(&said.sarif.to_string(), &|path| within(&said.folder, path)) {
            Ok(findings) => Found::Annotations(findings.with_unplaced(&said.name)),
            Err(fault) => Found::Fault(fault),
        };
        let (name, sender) = (said.name, hook.source.clone());
        Ok(Handed { name, sender, commit, found, at: now })
    }

    /// Those that a repository is to have.
    fn of(&self, repository: &str) -> impl Iterator<Item = &config::Report> {
        self.0.iter().filter(move |report| report.is_of(repository))
    }

    /// Whether a repository is to have any.
    pub fn are_of(&self, repository: &str) -> bool {
        self.of(repository).next().is_some()
    }

    /// For what a change that came at `since` waits, if it does.
    pub fn awaited(
        &self,
        repository: &str,
        handed: &[Handed],
        (since, now): (DateTime<Utc>, DateTime<Utc>),
    ) -> Option<Reason> {
        let until = |report: &config::Report| since.checked_add_signed(span(report.wait));
        let is_awaited = |report: &&config::Report| {
            let is_there = handed.iter().any(|one| is(report, one));
            !is_there && until(report).is_none_or(|until| now < until)
        };
        let report = self.of(repository).find(is_awaited)?;
        let until = until(report).map_or_else(String::new, |until| {
            format!(" until {}", until.format("%Y-%m-%d %H:%M:%S UTC"))
        });
        let text = format!(
            "the report of {} is waited for, which {} hands in{until}",
            report.name, report.sender
        );
        Some(Reason::new(Code::ReportAwaited, text))
    }

    /// What those found that were handed in, in the files that are looked at; and which are lacking
    /// although they were waited for. What is called `from_below` lies in a file that is looked at, told
    /// from another folder than the report names, and nobody can tell from which.
    pub fn found(
        &self,
        repository: &str,
        handed: &[Handed],
        (scope, from_below): (&Scope, &HashSet<String>),
    ) -> Vec<Annotation> {
        let one = |report: &config::Report| match handed.iter().find(|one| is(report, one)) {
            Some(Handed { found: Found::Annotations(all), .. }) => {
                let unplaced = sarif::unplaced_rule(&report.name);
                let counts = |one: &&Annotation| scope.has(&one.file) || one.rule == unplaced;
                let is_untold = |one: &&Annotation| {
                    !counts(one) && one.level == Level::Failure && from_below.contains(&one.file)
                };
                let annotations = all.iter().filter(counts).cloned().collect();
                let unplaced = all.iter().filter(is_untold).count();
                Findings { annotations, unplaced }.with_unplaced(&report.name)
            }
            Some(Handed { found: Found::Fault(fault), .. }) => {
                let text = format!("the report of {} cannot be read: {fault}", report.name);
                vec![about_all(Stage::Scanner, &format!("{}.unread", report.name), text)]
            }
            None if report.wait.is_zero() => Vec::new(),
            None => {
                let text = format!(
                    "no report of {} was handed in within {}, and nothing passes what nobody can \
                     judge; hand it in and say `stackly plan`",
                    report.name,
                    humantime_serde::re::humantime::format_duration(report.wait),
                );
                vec![about_all(Stage::Scanner, &format!("{}.missing", report.name), text)]
            }
        };
        self.of(repository).flat_map(one).collect()
    }
}

/// Whether what was handed in is this report: of this name, by whoever may.
fn is(report: &config::Report, handed: &Handed) -> bool {
    report.name == handed.name && report.sender == handed.sender
}

/// A path from the root of the repository, which was in this folder.
fn within(folder: &str, path: &str) -> Place {
    let folder = folder.trim_end_matches('/');
    let inner = match path.strip_prefix(folder).filter(|_| !folder.is_empty()) {
        Some(rest) => rest.strip_prefix('/'),
        None => Some(path).filter(|path| !path.starts_with('/')),
    };
    inner.and_then(|inner| code::path::join("", inner).ok()).map_or(Place::Untold, Place::At)
}

fn span(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests;
