//! Chains for tests, said in a sentence: `ChainFixture::diamond().running().with("b", Planning)`.
//! Every state is reached by the inputs that lead there, none is set by hand.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ChainId, Code, CommitSha, Envelope, GateId, List, Reason, RunId, StackId,
    chain::{
        ChainKind, ChainOptions, ChainPlanned, EdgeOrigin, OnFailure, PlannedEdge, PlannedStep,
    },
    change::{Change, TouchedFiles},
    gate::{AskedGates, Clearance, Moment, Outcome},
    order::OrderKind,
    run::{Delta, RunReported, RunState, RunType},
    step::StepState,
};
use store::Decision;
use uuid::Uuid;

use crate::{Chain, Found, Hold, Holder, Input, Seen, Step, decide_chain, waves::Rules};

mod inputs;
mod lines;
mod native;

pub(crate) use lines::{call, health, lines, reminders, run_facts};

/// Our commit.
pub(crate) const COMMIT: &str = "c0ffee5eedc0ffee5eedc0ffee5eedc0ffee5eed";

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + seconds)
}

pub(crate) fn change() -> Change {
    Change {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: COMMIT.into(),
        previous: None,
        author: "dora".to_owned(),
        authors: Vec::new(),
        title: "Widen the network".to_owned(),
        url: None,
        pull_request: None,
    }
}

pub(crate) fn step(stack: &str) -> PlannedStep {
    PlannedStep {
        stack: stack.into(),
        name: stack.into(),
        space: "root".into(),
        labels: vec![format!("name:{stack}").into()].into(),
        by_code: contracts::chain::CodeLabels::default(),
        autodeploy: false,
        on_commit: true,
        why: Reason::new(Code::Touched, "its files changed"),
        path: Some(format!("stacks/{stack}").into()),
        uses: contracts::chain::Uses::default(),
        limits: List::default(),
        owners: List::default(),
    }
}

pub(crate) fn edge(parent: &str, child: &str) -> PlannedEdge {
    let origins = vec![EdgeOrigin::Label { label: format!("depends-on:{parent}") }].into();
    PlannedEdge { parent: parent.into(), child: child.into(), origins }
}

/// Alters the edges of what the planner would send.
pub(crate) fn alter_edges(planned: &mut ChainPlanned, alter: impl FnMut(&mut PlannedEdge)) {
    let mut edges = planned.edges.to_vec();
    edges.iter_mut().for_each(alter);
    planned.edges = edges.into();
}

/// What the planner would send: stacks with their parents.
pub(crate) fn planned(id: u128, stacks: &[(&str, &[&str])]) -> ChainPlanned {
    let edges = stacks
        .iter()
        .flat_map(|(child, parents)| parents.iter().map(|parent| edge(parent, child)))
        .collect();
    ChainPlanned {
        chain: ChainId(Uuid::from_u128(id)),
        kind: ChainKind::Deploy,
        change: change(),
        steps: stacks.iter().map(|(stack, _)| step(stack)).collect(),
        edges,
        graph_version: 7,
        options: ChainOptions::default(),
        action: contracts::Action::default(),
        files: Some(TouchedFiles::of(["stacks/a/main.tf"])),
    }
}

/// The run of a stack in these tests.
pub(crate) fn run_of(stack: &str) -> RunId {
    RunId(format!("run-{stack}"))
}

/// A report about the run of a stack: +1 ~0 -0 once it has planned.
pub(crate) fn report(stack: &str, state: RunState, version: i64) -> RunReported {
    let early = matches!(state, RunState::Queued | RunState::Ready | RunState::Planning);
    RunReported {
        stack: stack.into(),
        run: run_of(stack),
        run_type: RunType::Tracked,
        state,
        state_version: version,
        at: at(version),
        commit: CommitSha::from(COMMIT),
        triggered_by: Some("api::stackly".to_owned()),
        delta: (!early).then_some(Delta { added: 1, changed: 0, deleted: 0 }),
        note: None,
        url: None,
    }
}

/// The same, seen over the API; whether it had begun to apply is left to the report.
pub(crate) fn seen(report: RunReported) -> Seen {
    Seen { finished: report.state.is_terminal(), asked: true, applied: None, report }
}

pub(crate) fn envelope(number: u64, correlation: Uuid, body: Input) -> Envelope<Input> {
    let id = Uuid::from_u64_pair(7, number);
    Envelope::first("test", id, ("test", "key"), at(0), body).within(correlation, None)
}

/// A chain in the middle of its life.
#[derive(Debug, Clone)]
pub(crate) struct ChainFixture {
    pub(crate) state: Option<Chain>,
    pub(crate) planned: ChainPlanned,
    pub(crate) inputs: u64,
}

impl ChainFixture {
    pub(crate) fn of(stacks: &[(&str, &[&str])]) -> Self {
        Self::planned_as(planned(1, stacks))
    }

    pub(crate) fn planned_as(planned: ChainPlanned) -> Self {
        Self { state: None, planned, inputs: 0 }
    }

    /// `a` before `b` and `c`, both before `d`.
    pub(crate) fn diamond() -> Self {
        Self::of(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])])
    }

    /// One stack, `a`.
    pub(crate) fn single() -> Self {
        Self::of(&[("a", &[])])
    }

    /// Plan only.
    pub(crate) fn preview(mut self) -> Self {
        self.planned.kind = ChainKind::Preview;
        self
    }

    /// It gives way to a newer one.
    pub(crate) fn giving_way(mut self) -> Self {
        self.planned.options.supersede = true;
        self
    }

    /// A stack with a label more.
    pub(crate) fn labelled(mut self, stack: &str, label: &str) -> Self {
        let step = self.planned.steps.iter_mut().find(|step| step.stack.as_str() == stack);
        step.unwrap().labels.push(label.into());
        self
    }

    /// What must be so between its waves.
    pub(crate) fn ruled(mut self, rules: Rules) -> Self {
        self.state.as_mut().unwrap().rules = Arc::new(rules);
        self
    }

    /// Time passes.
    pub(crate) fn later(&mut self, seconds: u64) -> Vec<String> {
        self.inputs += seconds;
        self.tell(Input::Woken(self.planned.chain))
    }

    /// Every edge names the outputs that are read over it.
    pub(crate) fn reading(mut self, outputs: &[&str]) -> Self {
        alter_edges(&mut self.planned, |edge| {
            let outputs = outputs.iter().map(|it| (*it).to_owned()).collect();
            let file = "stackly.hcl".to_owned();
            edge.origins = vec![EdgeOrigin::Declared { file, line: 2, outputs }].into();
        });
        self
    }

    /// Every stack with parents is there only because of them.
    pub(crate) fn following(mut self) -> Self {
        let has_parents = |stack: &StackId| self.planned.edges.iter().any(|it| it.child == stack);
        for step in self.planned.steps.iter_mut().filter(|step| has_parents(&step.stack)) {
            step.why = Reason::new(Code::DependsOn, "depends on others");
        }
        self
    }

    /// Every step is planned before any is applied.
    pub(crate) fn planning_all(mut self) -> Self {
        self.planned.options.plan_all = true;
        self
    }

    /// What follows runs whether or not something changed.
    pub(crate) fn running_always(mut self) -> Self {
        self.planned.options.run_always = true;
        self
    }

    /// Planned, and these ended well when they ran last.
    pub(crate) fn settled(self, stacks: &[&str]) -> Self {
        let mut chain = self.gating();
        chain.state.as_mut().unwrap().settled = stacks.iter().map(|it| (*it).into()).collect();
        chain
    }

    /// The gate before it says yes.
    pub(crate) fn admitted(mut self) -> Self {
        let gate = self.chain().gate.id;
        self.tell(self.decided(gate, 1, Outcome::Pass));
        self
    }

    /// The run of a stack plans, and finds nothing to change.
    pub(crate) fn finds_nothing(&mut self, stack: &str) -> Vec<String> {
        self.bring(stack, StepState::Planning);
        self.tell(self.reported(stack, RunState::Planning, 4));
        let report = self.report(stack, RunState::Finished, 5);
        self.tell(Input::Reported(RunReported { delta: Some(Delta::default()), ..report }))
    }

    /// It stops at its first failure.
    pub(crate) fn failing_fast(mut self) -> Self {
        self.planned.options.on_failure = OnFailure::Stop;
        self
    }

    /// A stack that applies by itself.
    pub(crate) fn autodeploying(mut self, stack: &str) -> Self {
        let step = self.planned.steps.iter_mut().find(|step| step.stack.as_str() == stack);
        step.unwrap().autodeploy = true;
        self
    }

    /// Planned; the gate before it has not answered.
    pub(crate) fn gating(mut self) -> Self {
        let planned = self.planned.clone();
        self.tell(Input::Planned(planned));
        self
    }

    /// The gate before it is open.
    pub(crate) fn running(self) -> Self {
        self.gating().admitted()
    }

    /// The gate before it is open, and its steps need not ask, save at these gates. Nobody else has
    /// anything to do with its stacks.
    pub(crate) fn cleared_but(self, asked: &[(&str, Moment)]) -> Self {
        let mut chain = self.gating();
        let stacks: Vec<_> =
            chain.chain().steps.iter().map(|step| step.planned.stack.clone()).collect();
        chain.state.as_mut().unwrap().busy = stacks.into_iter().map(|it| (it, None)).collect();
        chain.clear_but(1, asked);
        chain
    }

    /// The next answer about the gate before the chain.
    pub(crate) fn clear_but(&mut self, revision: i64, asked: &[(&str, Moment)]) -> Vec<String> {
        let gate = self.chain().gate.id;
        let Input::Decided(mut decided) = self.decided(gate, revision, Outcome::Pass) else {
            unreachable!("it is a decision")
        };
        let one = |(stack, moment): &(&str, Moment)| AskedGates {
            stack: StackId::from(*stack),
            moments: vec![*moment],
            reads_plan: false,
        };
        let asked = asked.iter().map(one).collect();
        decided.clearance = Some(Clearance { until: at(1_000), asked, looks_back: None });
        self.tell(Input::Decided(decided))
    }

    /// A step is in a state, its parents done, and nothing else moved.
    pub(crate) fn with(mut self, stack: &str, wanted: StepState) -> Self {
        self.bring(stack, wanted);
        self
    }

    /// Another chain has something to do with a stack.
    pub(crate) fn held_by(mut self, stack: &str, owner: u128, hold: Hold) -> Self {
        let holder = Holder { chain: ChainId(Uuid::from_u128(owner)), hold };
        self.state.as_mut().unwrap().busy.insert(stack.into(), Some(holder));
        self
    }

    pub(crate) fn chain(&self) -> &Chain {
        self.state.as_ref().unwrap()
    }

    pub(crate) fn step(&self, stack: &str) -> &Step {
        let at = self.chain().place(&StackId::from(stack)).unwrap();
        &self.chain().steps[at]
    }

    pub(crate) fn gate(&self, stack: &str) -> GateId {
        self.step(stack).gate.unwrap().id
    }

    /// `a finished, b planning, …`
    pub(crate) fn states(&self) -> String {
        let said = |step: &Step| format!("{} {}", step.planned.stack, step.state);
        self.chain().steps.iter().map(said).collect::<Vec<_>>().join(", ")
    }

    /// Something happens; gives what is to be done, a line each.
    pub(crate) fn tell(&mut self, input: Input) -> Vec<String> {
        lines(&self.decide(input))
    }

    pub(crate) fn decide(&mut self, input: Input) -> Decision {
        self.inputs += 1;
        let envelope = envelope(self.inputs, Uuid::from_u128(99), input);
        if let Some(chain) = &mut self.state {
            // As if it had been written and read again.
            chain.changes = crate::Changes::default();
        }
        let now = at(i64::try_from(self.inputs).unwrap());
        let before = self.state.clone();
        let decision = decide_chain(&mut self.state, &envelope, now).unwrap();
        assert!(!decision.is_no_news() || self.state == before, "it is not written");
        decision
    }

    /// Brings a step to a state by the inputs that lead there.
    pub(crate) fn bring(&mut self, stack: &str, wanted: StepState) {
        use StepState as S;
        if self.step(stack).state == wanted {
            return;
        }
        for parent in self.step(stack).parents.clone() {
            if self.step(parent.as_str()).state != S::Finished {
                self.bring(parent.as_str(), S::Finished);
            }
        }
        // Ends where it is told to; each line goes on from the one before.
        let before = match wanted {
            S::Waiting | S::GatingPlan => return,
            S::Queued | S::Triggering | S::Denied => S::GatingPlan,
            S::Planning => S::Triggering,
            S::GatingApply | S::Failed => S::Planning,
            S::Confirming | S::Discarding => S::GatingApply,
            S::Canceling | S::Retrying => S::Planning,
            S::Canceled => S::GatingPlan,
            S::Applying => S::Confirming,
            S::Finished | S::Unknown => S::Applying,
            S::Skipped => panic!("fail a parent instead"),
        };
        self.bring(stack, before);
        match wanted {
            S::Queued => *self = self.clone().held_by(stack, 2, Hold::Runs),
            S::Unknown => {
                self.tell(self.polled(stack, Found::NoStack));
                self.tell(self.polled(stack, Found::NoStack));
            }
            _ => {}
        }
        let input = match wanted {
            S::Queued | S::Triggering | S::Confirming => self.gate_says(stack, Outcome::Pass),
            S::Denied | S::Discarding => self.gate_says(stack, Outcome::Deny),
            S::Planning => self.triggered(stack),
            S::GatingApply => self.reported(stack, RunState::Unconfirmed, 5),
            S::Applying => self.reported(stack, RunState::Confirmed, 6),
            S::Finished => self.reported(stack, RunState::Finished, 9),
            S::Failed => self.reported(stack, RunState::Failed, 9),
            S::Canceling | S::Canceled => self.order(OrderKind::Cancel, Some(stack), false),
            S::Retrying => self.failed_by(stack, "read: connection reset by peer"),
            _ => self.polled(stack, Found::NoStack),
        };
        self.tell(input);
        assert_eq!(self.step(stack).state, wanted, "{stack} was to be brought there");
    }
}
