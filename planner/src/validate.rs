//! Validation of the code that a pull request touches, before anything of it is planned: an effect
//! like the reading before it, so nothing of it happens inside a deciding transaction.
//!
//! It runs beside the turns at the mirror: a scanner may take minutes, and pushes go on meanwhile.
//! What would follow from the pull request travels with the call, and is decided upon with the
//! report.

pub(crate) mod reports;
mod scanner;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bus::Bus;
use chrono::Utc;
use contracts::{
    Code, Outgoing, Reason,
    chain::{ChainKind, ChainPlanned},
    subject,
    validation::{Annotation, Decision, Level, Stage},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use store::{Claim, Performed};
use tokio::sync::Semaphore;
use uuid::Uuid;
use validation::{Report, policies};

use crate::{
    command, config,
    decider::{Input, concluded},
    memory::{self, Memory, Waiting},
    mirror::{self, Mirrors, judge::Judged},
    plan::Plan,
    store as tables,
    under_way::UnderWay,
};

use reports::{Handed, Reports};
use scanner::Scanner;

/// The kind of the effect.
pub(crate) const KIND: &str = "code.validate";
/// For how long one attempt waits. What takes longer goes on, and a later attempt finds it.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// How soon it is looked again for what is handed in from outside, at the earliest and the latest.
const LOOKS_MIN: Duration = Duration::from_secs(1);
const LOOKS_MAX: Duration = Duration::from_secs(30);
/// How many validations run at once.
const AT_ONCE: usize = 4;

/// What is to be validated, and what would follow from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The commit.
    pub look: mirror::Call,
    /// The pull request as it waited.
    pub waiting: Waiting,
    /// What follows if nothing speaks against it.
    pub plan: Plan,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// What was validated.
    pub call: Call,
    /// What was found.
    pub report: Report,
}

impl Validated {
    /// What was found leads to something that can neither be stored nor told.
    pub(crate) fn undecidable(call: Call, why: &str) -> Self {
        let (kind, change) = (call.waiting.wish.kind(), call.waiting.wish.change());
        let plan = Plan::refused((kind, change), mirror::undecidable(change.commit.as_str(), why));
        Self { call: Call { plan, ..call }, report: Report::new(Vec::new(), Vec::new()) }
    }

    /// The answers to whoever waits for it, within their story.
    pub(crate) fn answers(&self, memory: &mut Memory) -> Vec<Outgoing> {
        let Waiting { event, correlation, trace, wish, .. } = &self.call.waiting;
        let (change, kind) = (wish.change(), wish.kind());
        let mut answers = vec![Outgoing::new(&self.report.event(change.clone()))];
        let (answer, (chain, reason)) = match self.refused(memory) {
            Some((answer, reason)) => (answer, (None, reason)),
            None => concluded(memory, (kind, change), self.call.plan.clone(), None),
        };
        answers.push(answer);
        if let Some(said) = wish.said() {
            let answer = command::answer(said, *event, chain, reason);
            answers.extend(answer.map(|answer| Outgoing::new(&answer)));
        }
        answers.into_iter().map(|answer| answer.within(*correlation, trace.clone())).collect()
    }

    /// Why what would follow does not.
    fn refused(&self, memory: &Memory) -> Option<(Outgoing, Reason)> {
        let wish = &self.call.waiting.wish;
        let (kind, change) = (wish.kind(), wish.change());
        let outdated = || outdated(memory, kind, change).filter(|_| wish.said().is_none());
        let gone = memory.closed(change).or_else(|| memory.retargeted(change));
        if let Some(reason) = gone.or_else(outdated) {
            return Some((Plan::ignored((kind, change), reason.clone()).told(), reason));
        }
        let is_planned = matches!(self.call.plan, Plan::Planned(_));
        if !is_planned || self.report.decision() == Decision::Deploy {
            return None;
        }
        let reason = self.report.reason();
        Some((Plan::refused((kind, change), reason.clone()).told(), reason))
    }
}

/// Why nothing follows from a head that was validated: it was planned, or replaced, meanwhile.
fn outdated(
    memory: &Memory,
    kind: ChainKind,
    change: &contracts::change::Change,
) -> Option<Reason> {
    if let Some(chain) = memory.planned_already(kind, change) {
        let commit = change.commit.short();
        let text = format!("{commit} is planned already, as {chain}");
        return Some(Reason::new(Code::AlreadyPlanned, text));
    }
    let open = memory.open(change.pull_request?)?;
    let newer = &open.change.commit;
    if *newer == change.commit {
        return None;
    }
    let text = format!(
        "{} was validated when {} took its place at the pull request",
        change.commit.short(),
        newer.short(),
    );
    Some(Reason::new(Code::Superseded, text))
}

/// Whoever validates. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Validator(Arc<Desk>);

struct Desk {
    mirrors: Arc<Mirrors>,
    bus: Bus,
    rules: mirror::judge::Library,
    scanners: Vec<Scanner>,
    reports: Arc<Reports>,
    pool: PgPool,
    slots: Semaphore,
    running: UnderWay<Arc<Validated>>,
}

impl Validator {
    /// Validates as configured. Rules that cannot be read are an error.
    pub(crate) fn new(
        options: config::Validation,
        reports: Arc<Reports>,
        mirrors: Arc<Mirrors>,
        (bus, pool): (Bus, PgPool),
    ) -> anyhow::Result<Self> {
        let rules = mirror::judge::Library::open(&options.rules)?;
        let scanner = |one| Scanner::new(one, options.patience);
        let scanners = options.scanners.into_iter().map(scanner).collect::<anyhow::Result<_>>()?;
        let (slots, running) = (Semaphore::new(AT_ONCE), UnderWay::default());
        Ok(Self(Arc::new(Desk { mirrors, bus, rules, scanners, reports, pool, slots, running })))
    }

    /// Carries out one effect.
    pub(crate) async fn perform(&self, claim: &Claim) -> Performed<Input> {
        let call: Call = match claim.read() {
            Ok(call) => call,
            Err(why) => return Performed::Later { after: PAUSE, why, uncertain: false },
        };
        if let Some((after, why)) = self.waits(claim.id, &call).await {
            return Performed::Later { after, why, uncertain: false };
        }
        let desk = self.0.clone();
        let validating = async move {
            let report = desk.report(&call).await;
            Arc::new(Validated { call, report })
        };
        let why = match self.0.running.wait((claim.id, ATTEMPT), validating).await {
            Some(Ok(validated)) => return Performed::Done(Input::Validated(validated)),
            Some(Err(_)) => Reason::new(Code::GitUnavailable, "validating panicked; trying again"),
            None => Reason::new(Code::WaitingForPlace, "the code is still being validated"),
        };
        Performed::Later { after: PAUSE, why, uncertain: false }
    }

    /// What is waited for from outside before anything is looked at, and when to look again. Nothing
    /// is held meanwhile.
    async fn waits(&self, id: Uuid, call: &Call) -> Option<(Duration, Reason)> {
        let desk = &self.0;
        let is_planned = matches!(call.plan, Plan::Planned(_));
        if desk.running.has(id) || !is_planned || !desk.reports.are_of(&call.look.repository) {
            return None;
        }
        let (since, now) = (call.waiting.since, Utc::now());
        match desk.handed(call).await {
            Ok(handed) => {
                let why = desk.reports.awaited(&call.look.repository, &handed, (since, now))?;
                let waited = (now - since).to_std().unwrap_or_default();
                Some(((waited / 10).clamp(LOOKS_MIN, LOOKS_MAX), why))
            }
            Err(error) => {
                let text = format!("the reports that were handed in cannot be read: {error}");
                Some((LOOKS_MIN, Reason::new(Code::ReportAwaited, text)))
            }
        }
    }
}

impl Desk {
    async fn report(self: Arc<Self>, call: &Call) -> Report {
        let _slot = self.slots.acquire().await.expect("it is never closed");
        let judged = self
            .mirrors
            .clone()
            .judge(call.look.clone(), (self.rules.current(), !self.scanners.is_empty()));
        let mut judged = match judged.await {
            Ok(judged) => judged,
            Err(error) => {
                let text = format!("the code could not be read to be validated: {error:#}");
                return Report::new(Vec::new(), vec![about_all(Stage::Syntax, "unread", text)]);
            }
        };
        let (scanned, asked) = tokio::join!(self.scan(&judged), self.ask(&call.plan, &judged));
        judged.annotations.extend(scanned);
        judged.annotations.extend(self.reported(call, &judged).await);
        judged.annotations.extend(asked);
        let names = judged.subjects.iter().map(|subject| subject.name.clone()).collect();
        Report::new(names, judged.annotations)
    }

    async fn scan(&self, judged: &Judged) -> Vec<Annotation> {
        let Some(checkout) = judged.checkout.as_ref().filter(|_| !judged.subjects.is_empty())
        else {
            return Vec::new();
        };
        let (folder, scope) = (checkout.path(), (&judged.scope, &judged.from_below));
        let scans = self.scanners.iter().map(|scanner| async move {
            let found = scanner.scan(folder, scope).await;
            found.unwrap_or_else(|error| vec![failed(&scanner.name, &error)])
        });
        futures::future::join_all(scans).await.into_iter().flatten().collect()
    }

    /// What was handed in about the commit.
    async fn handed(&self, call: &Call) -> Result<Vec<Handed>, sqlx::Error> {
        let key = memory::key(&call.look.repository);
        tables::reports(&self.pool, key, &call.waiting.wish.change().commit).await
    }

    /// What scanners found that ran elsewhere.
    async fn reported(&self, call: &Call, judged: &Judged) -> Vec<Annotation> {
        let repository = &call.look.repository;
        if judged.subjects.is_empty() || !self.reports.are_of(repository) {
            return Vec::new();
        }
        match self.handed(call).await {
            Ok(handed) => {
                let judged = (&judged.scope, &judged.from_below);
                self.reports.found(repository, &handed, judged)
            }
            Err(error) => vec![failed("reports", &error.into())],
        }
    }

    /// What the policies say; that they could not be asked is a finding, too.
    async fn ask(&self, plan: &Plan, judged: &Judged) -> Vec<Annotation> {
        if judged.subjects.is_empty() {
            return Vec::new();
        }
        match self.asked(plan).await {
            Ok(asked) => policies::check(&judged.subjects, &asked),
            Err(error) => {
                policies::unasked(&judged.subjects, &format!("{error:#}")).into_iter().collect()
            }
        }
    }

    async fn asked(&self, plan: &Plan) -> anyhow::Result<policies::Asked> {
        let all = self.question("policies", json!(null)).await?;
        let names = all["policies"].as_array().into_iter().flatten();
        let names = names.filter_map(|policy| policy["name"].as_str().map(str::to_owned)).collect();
        let Plan::Planned(planned) = plan else {
            return Ok(policies::Asked { names, gates: Vec::new() });
        };
        // What counts is what becomes of it once it is merged.
        let chain = ChainPlanned { kind: ChainKind::Deploy, ..planned.clone() };
        let answer = self.question("foresee", json!({ "chain": chain })).await?;
        let gates = serde_json::from_value(answer["gates"].clone()).context("their answer")?;
        Ok(policies::Asked { names, gates })
    }

    async fn question(&self, name: &str, body: Value) -> anyhow::Result<Value> {
        let answer = self.bus.request(&subject::question("policy", name), &body).await?;
        answer.map_err(|problem| anyhow::anyhow!("{}", problem.message))
    }
}

fn failed(scanner: &str, error: &anyhow::Error) -> Annotation {
    let text = format!(
        "scanner {scanner} gave no answer, and nothing passes what nobody can judge: {error:#}"
    );
    about_all(Stage::Scanner, &format!("{scanner}.failed"), text)
}

/// A finding about everything that was to be judged.
fn about_all(stage: Stage, rule: &str, message: String) -> Annotation {
    Annotation {
        file: code::stack_file::FILE_NAME.to_owned(),
        line: 1,
        end_line: None,
        level: Level::Failure,
        stage,
        rule: rule.to_owned(),
        message,
        stack: None,
    }
}

/// The effect that validates.
pub(crate) fn effect(key: Uuid, call: &Call) -> store::Effect {
    let Waiting { event, correlation, trace, .. } = &call.waiting;
    store::Effect {
        id: Uuid::new_v5(event, b"validate"),
        key,
        // Each by itself: those of other pull requests do not wait for it.
        lane: format!("validate/{event}"),
        kind: KIND,
        body: contracts::plain(call),
        correlation: *correlation,
        trace: trace.clone(),
    }
}

#[cfg(test)]
mod tests;
