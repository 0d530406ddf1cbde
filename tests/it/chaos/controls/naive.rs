//! An executor without any of what makes ours hold: no intent, no claim, no memory.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    Action, ChainId, Code, CommitSha, GateId, Reason, RunId, StackId,
    chain::{ChainKind, ChainState},
    change::Change,
    run::RunType,
    step::{StepState, StepSummary},
};
use executor::{ChainLine, ChainPage, StepPage};
use harness::{accounts::REPOSITORY, github};
use secrecy::SecretString;
use simulator::{Control, JournalEntry, JournalEvent, RunState, Simulator};
use spacelift::{Client, Error, Expected, Found, Trigger, look_for};
use uuid::Uuid;

/// The diamond, parents first.
const STEPS: [(&str, &[&str]); 4] = [("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it does about a trigger of unknown outcome, and about parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Asks Spacelift what became of it: as it should be.
    Looks,
    /// Triggers again.
    RepeatsBlindly,
    /// Takes the step for done.
    TakesItForDone,
    /// Triggers all steps at once.
    WaitsForNobody,
}

/// An executor that is a loop.
pub struct Naive {
    pub client: Client,
    control: Control,
    manners: Manners,
}

impl Naive {
    /// One for this account.
    pub fn new(simulator: &Simulator, manners: Manners) -> Self {
        let key = simulator.api_key();
        let options = spacelift::Options {
            endpoint: simulator.url(),
            api_key_id: key.id,
            api_key_secret: SecretString::from(key.secret),
            timeout: Duration::from_secs(5),
            requests_per_second: 10_000,
            requests_burst: 10_000,
            breaker_failures: 10,
            breaker_wait: Duration::from_secs(10),
        };
        let client = Client::new(&options).unwrap();
        Self { client, control: simulator.control(), manners }
    }

    /// Drives one chain through the diamond; gives it as an executor would show it.
    pub async fn drive(&self) -> ChainPage {
        let chain = ChainId(Uuid::new_v4());
        let mut steps = Vec::new();
        for (stack, parents) in STEPS {
            let run = self.start(chain, stack).await;
            if let Some(run) = &run
                && self.manners != Manners::WaitsForNobody
            {
                self.follow(run).await;
            }
            steps.push(step(stack, parents, run));
        }
        for run in steps.iter().filter_map(|step| step.summary.run.as_ref()) {
            self.follow(run).await;
        }
        page(chain, steps)
    }

    async fn start(&self, chain: ChainId, stack: &str) -> Option<RunId> {
        let since = Utc::now();
        let known: Vec<_> = self.control.runs(stack).into_iter().map(|run| RunId(run.id)).collect();
        loop {
            match trigger(&self.client, chain, stack).await {
                Ok(run) => return Some(run),
                Err(_) if self.manners == Manners::TakesItForDone => return None,
                Err(_) if self.manners == Manners::RepeatsBlindly => {}
                Err(_) => {
                    if let Some(run) = self.look(stack, since, &known).await {
                        return Some(run);
                    }
                }
            }
        }
    }

    async fn look(&self, stack: &str, since: DateTime<Utc>, known: &[RunId]) -> Option<RunId> {
        let expected = Expected {
            commit: None,
            run_type: RunType::Tracked,
            triggered_by: self.client.actor().to_owned(),
            since,
            known: known.to_vec(),
        };
        let stack = StackId::from(stack.to_owned());
        let runs = self.client.recent_runs(&stack, expected.horizon()).await.unwrap();
        match look_for(&runs, &expected) {
            Found::One(run) => Some(run.run),
            Found::None => None,
            Found::Several(runs) => panic!("{runs:#?}"),
        }
    }

    async fn follow(&self, run: &RunId) {
        let ended = |entry: &JournalEntry| match &entry.event {
            JournalEvent::Transition(it) => it.run == run.0 && it.to == RunState::Finished,
            JournalEvent::Mutation(_) => false,
        };
        self.control.wait_for_entry(0, PATIENCE, ended).await.unwrap();
    }
}

/// Triggers a step, marked with its chain as ours are.
pub async fn trigger(client: &Client, chain: ChainId, stack: &str) -> Result<RunId, Error> {
    let request = Trigger {
        stack: StackId::from(stack.to_owned()),
        commit: None,
        run_type: RunType::Tracked,
        mark: format!("stackly {chain} {}", Uuid::new_v4()),
    };
    client.trigger(&request).await.map(|facts| facts.run)
}

/// A step that ended well, by its own account.
pub fn step(stack: &str, parents: &[&str], run: Option<RunId>) -> StepPage {
    let reason = Reason::new(Code::Done, "it is done");
    StepPage {
        summary: StepSummary {
            stack: StackId::from(stack.to_owned()),
            state: StepState::Finished,
            reason: reason.clone(),
            run,
            run_url: None,
            delta: None,
            attempt: 1,
        },
        why: reason,
        needed: 0,
        parents: parents.iter().map(ToString::to_string).collect(),
        may_take: None,
        since: Utc::now(),
        gate: None,
        run_state: None,
        call: None,
        call_reason: None,
        keeps_stack: false,
        paused: None,
        reminded: None,
        wait: None,
    }
}

/// A chain of these steps that ended well, by its own account.
pub fn page(chain: ChainId, steps: Vec<StepPage>) -> ChainPage {
    let count = i64::try_from(steps.len()).unwrap();
    ChainPage {
        line: ChainLine {
            chain,
            kind: ChainKind::Deploy,
            action: Action::Deliver,
            state: ChainState::Finished,
            reason: Reason::new(Code::Done, "all is done"),
            change: Change {
                repository: REPOSITORY.into(),
                branch: "main".into(),
                commit: CommitSha::from(github::commit()),
                previous: None,
                author: "jane".into(),
                authors: Vec::new(),
                title: "Change".into(),
                url: None,
                pull_request: None,
            },
            steps: count,
            ended: count,
            began_at: Utc::now(),
            ended_at: Some(Utc::now()),
            first_open: None,
        },
        correlation: Uuid::new_v4(),
        gate: GateId::derived(&chain.0, "chain"),
        graph_version: 1,
        steps_in_order: steps,
        edges: Vec::new(),
        paused: None,
        waves: Vec::new(),
        left_out: None,
    }
}
