//! Carrying out orders: the commands `gate.review`, `chain.retry`, `chain.resume` and
//! `chain.cancel`, as `stackly approve`, `stackly retry` and their like send them.
//!
//! Whoever committed an order carries it out at once; a sweep takes over what was left. The review
//! has the order's id, so twice is once.

mod answer;
mod repository;

use std::{sync::Arc, time::Duration};

use bus::{Bus, Problem, ProblemKind};
use chrono::{TimeDelta, Utc};
use contracts::{
    GateId, StackId,
    gate::ReviewGate,
    order::{CancelChain, ResumeChain, RetryChain},
    subject,
};
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    order::{self, Act, ChainOrder, GateSeen, GatesSeen, Order, Target, Word, newest, pick},
    store::orders::{self, Open},
};

/// How often orders are looked for that nobody is at.
pub(crate) const SWEEP: Duration = Duration::from_secs(5);
/// How many are taken at once.
const BATCH: usize = 50;
/// An order that could not be carried out for so long is given up: nobody means it any more.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(1);
/// Among how many chains the one of a pull request is looked for.
const CHAINS_MAX: usize = 200;
/// The code of an answer that cannot be read.
const GARBLED: &str = "garbled";
/// How long Slack may take to be told.
const TELL_PATIENCE: Duration = Duration::from_secs(5);

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// For machines.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
    /// What can be done about it; none if there is nothing wrong.
    pub(crate) problem: Option<ProblemKind>,
}

impl Outcome {
    fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), problem: None }
    }

    /// A service answered in a way this build cannot read: nothing is known, and nothing was done.
    fn garbled(service: &str) -> Self {
        let text = format!("the {service} service answered something unexpected");
        Problem::new(ProblemKind::Unavailable, GARBLED, text).into()
    }

    /// Whether a service said that it cannot do it now: its database restarts, or it does. What it
    /// says in a way that cannot be read, it says again.
    fn is_for_later(&self) -> bool {
        self.problem == Some(ProblemKind::Unavailable) && self.code != GARBLED
    }
}

impl From<Problem> for Outcome {
    fn from(Problem { kind, code, message }: Problem) -> Self {
        Self { code, message, problem: Some(kind) }
    }
}

/// Somebody who carries out orders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Carrier(Arc<Carriage>);

struct Carriage {
    pool: PgPool,
    bus: Bus,
    client: reqwest::Client,
    /// What an address must begin with to be told something.
    response_base: String,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Carrier {
    pub(crate) fn new(
        pool: PgPool,
        bus: Bus,
        response_base: &str,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TELL_PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let response_base = response_base.to_owned();
        let tasks = TaskTracker::new();
        Ok(Self(Arc::new(Carriage { pool, bus, client, response_base, tasks, shutdown })))
    }

    /// Carries out an order that is committed. Who does not wait for what comes of it is told at
    /// the address the order names.
    pub(crate) fn carry(&self, open: Open) -> oneshot::Receiver<Outcome> {
        let (told, outcome) = oneshot::channel();
        let carriage = self.0.clone();
        self.0.tasks.spawn(async move {
            let Some(outcome) = carriage.carry(&open).await else { return };
            if let Err(outcome) = told.send(outcome) {
                carriage.tell(&open.order, &outcome).await;
            }
        });
        outcome
    }

    /// Carries out what somebody waits for who will say it again if it cannot be done now.
    pub(crate) async fn say(&self, id: Uuid, order: Order) -> Result<Outcome, bus::BusError> {
        self.0.follow(&Open::new(id, order, Utc::now())).await
    }

    /// Carries out what nobody is at.
    pub(crate) async fn sweep(&self) -> anyhow::Result<()> {
        for open in orders::take(&self.0.pool, Utc::now(), BATCH).await? {
            if self.0.shutdown.is_cancelled() {
                break;
            }
            if let Some(outcome) = self.0.carry(&open).await {
                self.0.tell(&open.order, &outcome).await;
            }
        }
        Ok(())
    }

    /// Waits until nothing is carried any more.
    pub(crate) async fn settle(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Carriage {
    /// What came of it; nothing if it must be tried again.
    async fn carry(&self, open: &Open) -> Option<Outcome> {
        let now = Utc::now();
        let followed = match self.follow(open).await {
            Ok(outcome) if outcome.is_for_later() => Err(outcome.message),
            Ok(outcome) => Ok(outcome),
            Err(error) => Err(error.to_string()),
        };
        let outcome = match followed {
            Ok(outcome) => outcome,
            Err(reason) if now - open.ordered_at < GIVE_UP_AFTER => {
                warn!(reason, order = %open.id, "an order is not carried out yet; trying again");
                return None;
            }
            Err(reason) => {
                let text = format!("it could not be done in time: {reason}");
                Problem::new(ProblemKind::Unavailable, "given_up", text).into()
            }
        };
        let said = (outcome.code.as_str(), outcome.message.as_str());
        let answer = answer::at_pull_request(open, &outcome);
        bus::failpoint("order.before_finish");
        if let Err(error) = orders::finish(&self.pool, open.id, said, (answer, now)).await {
            warn!(%error, order = %open.id, "carried out, but not noted; it is carried out again");
        }
        info!(order = %open.id, code = outcome.code, "carried out an order");
        Some(outcome)
    }

    async fn follow(&self, open: &Open) -> Result<Outcome, bus::BusError> {
        if let Err(refused) = self.is_of_its_repository(&open.order).await? {
            return Ok(refused);
        }
        match open.order.act {
            Act::Review(word) => self.review(open, word).await,
            Act::Chain(wanted) => self.order_chain(open, wanted).await,
        }
    }

    async fn review(&self, open: &Open, word: Word) -> Result<Outcome, bus::BusError> {
        // Before the word about the commit is heard: it may open them at once, and whoever said it is
        // told of those all the same.
        let meant = match &open.gates {
            Some(gates) => Ok(gates.clone()),
            None => self.meant(open).await?,
        };
        if let Err(outcome) = &meant
            && outcome.is_for_later()
        {
            return Ok(outcome.clone());
        }
        // Gates of the commit that are asked from now on find it.
        if let Some(review) = order::about_commit(&open.order, open.said_at()) {
            if let (Ok(gates), None) = (&meant, &open.gates)
                && let Err(error) = orders::meant(&self.pool, open.id, gates).await
            {
                warn!(%error, order = %open.id, "its gates are not noted, but looked for again");
            }
            if let Err(problem) = self.bus.command(open.id, &review).await? {
                return Ok(problem.into());
            }
        }
        let gates = match meant {
            Ok(gates) => gates,
            Err(outcome) => return Ok(outcome),
        };
        let order = &open.order;
        let mut outcomes = Vec::with_capacity(gates.len());
        for gate in gates {
            let review = ReviewGate {
                gate,
                approve: word == Word::Approve,
                by: order.by.clone(),
                groups: order.groups.clone(),
                note: order.note.clone(),
                withdraw: word == Word::Withdraw,
                said_at: Some(open.said_at()),
            };
            let outcome = match self.bus.command(open.id, &review).await? {
                Ok(shown) => answer::reviewed(word, &order.by, &shown),
                Err(problem) => problem.into(),
            };
            // All of them again: twice is once.
            if outcome.is_for_later() {
                return Ok(outcome);
            }
            outcomes.push(outcome);
        }
        Ok(answer::together(outcomes))
    }

    /// The gates that are meant, or what to tell the person.
    async fn meant(&self, open: &Open) -> Result<Result<Vec<GateId>, Outcome>, bus::BusError> {
        if let Target::Gate(gate) = open.order.target {
            return Ok(Ok(vec![gate]));
        }
        let target = match self.bound(open).await? {
            Ok(target) => target,
            Err(outcome) => return Ok(Err(outcome)),
        };
        let order = Order { target, ..open.order.clone() };
        let seen = match self.open_gates(&order.target).await? {
            Ok(seen) => seen,
            Err(outcome) => return Ok(Err(outcome)),
        };
        if order.is_review {
            let gates = order::reviewed(&order, open.said_at(), &seen);
            let text = "nothing of this commit waits for people now; it is kept for what is asked \
                        later";
            let none = || Outcome::new("kept", text);
            return Ok(if gates.is_empty() { Err(none()) } else { Ok(gates) });
        }
        let picked = pick(&order, open.said_at(), &seen).map(|gate| vec![gate]);
        Ok(picked.map_err(Outcome::from))
    }

    /// What is meant, bound to one commit: what was said about a pull request is said about its
    /// head at the time, and once it is merged, about the commit that merged it.
    async fn bound(&self, open: &Open) -> Result<Result<Target, Outcome>, bus::BusError> {
        let target = &open.order.target;
        let Target::PullRequest { repository, number, commit, .. } = target else {
            return Ok(Ok(target.clone()));
        };
        if commit.as_ref().is_some_and(|commit| commit.as_str().len() >= 40) {
            return Ok(Ok(target.clone()));
        }
        let question = json!({ "repository": repository, "pull_request": number });
        let subject = subject::question("planner", "proposal");
        let known = match self.bus.request(&subject, &question).await? {
            Ok(known) => serde_json::from_value(known),
            Err(problem) => return Ok(Err(problem.into())),
        };
        let Ok(known) = known else { return Ok(Err(Outcome::garbled("planner"))) };
        let bound = order::bind(*number, commit.as_ref(), &known, open.said_at());
        Ok(bound.map(|commit| target.of_commit(commit)).map_err(Outcome::from))
    }

    async fn order_chain(&self, open: &Open, wanted: ChainOrder) -> Result<Outcome, bus::BusError> {
        let order = &open.order;
        let (chain, stack) = match &order.target {
            Target::Chain(chain, stack) => (*chain, stack.clone()),
            Target::Gate(_) => {
                let text = format!("`{}` is about a chain, not about a gate", wanted.as_str());
                return Ok(Problem::new(ProblemKind::Malformed, "target_unknown", text).into());
            }
            Target::PullRequest { commit, .. } => {
                let order = match commit {
                    None => order.clone(),
                    Some(_) => match self.bound(open).await? {
                        Ok(target) => Order { target, ..order.clone() },
                        Err(outcome) => return Ok(outcome),
                    },
                };
                let question = json!({ "limit": CHAINS_MAX });
                let subject = subject::question("executor", "chains");
                let chains = match self.bus.request(&subject, &question).await? {
                    Ok(chains) => serde_json::from_value::<Vec<_>>(chains),
                    Err(problem) => return Ok(problem.into()),
                };
                let Ok(chains) = chains else { return Ok(Outcome::garbled("executor")) };
                match newest(&order, open.said_at(), &chains) {
                    Ok(chain) => (chain, None),
                    Err(problem) => return Ok(problem.into()),
                }
            }
        };
        let what = match &stack {
            Some(stack) => format!("{chain}/{stack}"),
            None => chain.to_string(),
        };
        let (stack, force) = (stack.map(StackId::from), false);
        let (by, note) = (order.by.clone(), order.note.clone());
        // Nothing that may do harm is said here: that takes a person with the command line.
        let (answered, code, done) = match wanted {
            ChainOrder::Resume => {
                let command = ResumeChain { chain, stack, by, note };
                (self.bus.command(open.id, &command).await?, "resumed", "goes on")
            }
            ChainOrder::Cancel => {
                let command = CancelChain { chain, stack, force, by, note };
                (self.bus.command(open.id, &command).await?, "canceled", "is canceled")
            }
            ChainOrder::Retry => {
                let command = RetryChain { chain, stack, force, all: false, by, note };
                (self.bus.command(open.id, &command).await?, "retried", "is tried again")
            }
        };
        Ok(match answered {
            Ok(_) => Outcome::new(code, format!("{what} {done}, as {} says", order.by)),
            Err(problem) => problem.into(),
        })
    }

    /// What is open of the chain or the commit that is meant, however much it is.
    async fn open_gates(
        &self,
        target: &Target,
    ) -> Result<Result<Vec<GateSeen>, Outcome>, bus::BusError> {
        let (chain, commit) = match target {
            Target::Chain(chain, _) => (Some(chain), None),
            Target::PullRequest { commit, .. } => (None, commit.as_ref()),
            Target::Gate(_) => (None, None),
        };
        let mut question = json!({ "open_only": true, "chain": chain, "commit": commit });
        let mut open = Vec::new();
        loop {
            let subject = subject::question("policy", "gates");
            let page = match self.bus.request(&subject, &question).await? {
                Ok(page) => serde_json::from_value(page),
                Err(problem) => return Ok(Err(problem.into())),
            };
            let Ok(GatesSeen { gates, next }) = page else {
                return Ok(Err(Outcome::garbled("policy")));
            };
            open.extend(gates);
            match next {
                Some(next) => question["after"] = next,
                None => return Ok(Ok(open)),
            }
        }
    }

    /// Tells a person in Slack; nobody else's address is ever called.
    async fn tell(&self, order: &Order, outcome: &Outcome) {
        let Some(address) = &order.answer_to else { return };
        if !address.starts_with(&self.response_base) {
            warn!("a request names an address to answer to that is not Slack's; not answered");
            return;
        }
        let body = json!({
            "response_type": "ephemeral",
            "replace_original": false,
            "text": outcome.message,
        });
        let told = self.client.post(address).json(&body).send().await;
        if let Err(error) = told.and_then(reqwest::Response::error_for_status) {
            let error = error.without_url();
            warn!(%error, "Slack could not be told what came of an order");
        }
    }
}
