//! What happens to a chain when something happens: the executor's one decision.
//!
//! Read [`decide`] first: one line for each input. Every transition goes through
//! [`Moves::enter`] or [`Moves::chain_enters`], which also write the history.

use chrono::{DateTime, Utc};
use contracts::{
    Code, Envelope, GateId, Message, Outgoing, Reason,
    chain::{ChainFinished, ChainKind, ChainPlanned, ChainStarted, ChainState},
    gate::{GateDecided, GateRequested, GateStack, Moment, Outcome},
    run::RunReported,
    step::{StepApplying, StepFinished, StepPlanned, StepStarted, StepState},
};
use store::{Decision, Effect};
use uuid::Uuid;

use crate::{
    chain::{Chain, Gate, Operation, Run, Step},
    follow::{Follow, follow},
    input::{Call, CallKind, CallResult, Concluded, Input},
};

/// Decides. `None` is a chain nobody has planned yet.
pub fn decide(chain: &mut Option<Chain>, input: &Envelope<Input>, now: DateTime<Utc>) -> Decision {
    if let Input::Planned(planned) = &input.body {
        return match chain {
            // Planned twice is planned once.
            Some(_) => Decision::none(),
            None => plan(chain, planned, input, now),
        };
    }
    let Some(chain) = chain else { return Decision::none() };
    if chain.state.is_terminal() {
        return Decision::none();
    }
    let mut moves = Moves::new(chain, input, now);
    match &input.body {
        Input::Planned(_) => {}
        Input::Decided(decided) => moves.gate_decided(decided),
        Input::Reported(report) => moves.run_reported(report),
        Input::Concluded(concluded) => moves.call_concluded(concluded),
        Input::Woken(_) => moves.start_queued(),
    }
    moves.finish_chain();
    moves.decision
}

fn plan(
    chain: &mut Option<Chain>,
    planned: &ChainPlanned,
    input: &Envelope<Input>,
    now: DateTime<Utc>,
) -> Decision {
    let chain =
        chain.insert(Chain::new(planned.clone(), input.correlation, input.trace.clone(), now));
    let mut moves = Moves::new(chain, input, now);
    let gate = moves.chain.gate.id;
    let every: Vec<usize> = (0..moves.chain.steps.len()).collect();
    moves.ask(gate, Moment::BeforeChain, &every);
    moves.decision
}

/// A chain being changed, and what is to be done because of it.
struct Moves<'a> {
    chain: &'a mut Chain,
    decision: Decision,
    now: DateTime<Utc>,
    cause: Uuid,
    /// The input began a story of its own (a webhook); what follows belongs to the chain's.
    foreign: bool,
}

impl<'a> Moves<'a> {
    fn new(chain: &'a mut Chain, input: &Envelope<Input>, now: DateTime<Utc>) -> Self {
        let foreign = input.correlation != chain.correlation;
        Self { chain, decision: Decision::none(), now, cause: input.id, foreign }
    }

    // The gates.

    fn gate_decided(&mut self, decided: &GateDecided) {
        if decided.gate == self.chain.gate.id {
            return self.chain_gate_decided(decided);
        }
        let at = self.chain.steps.iter().position(|step| {
            step.gate
                .is_some_and(|gate| gate.id == decided.gate && decided.revision > gate.revision)
        });
        let Some(at) = at else { return };
        let gate = Gate { id: decided.gate, revision: decided.revision };
        self.chain.steps[at].gate = Some(gate);
        self.touch(at);
        let reason = first_reason(decided);
        match (self.chain.steps[at].state, &decided.outcome) {
            (StepState::GatingPlan, Outcome::Pass) => self.start_run(at),
            (StepState::GatingPlan, Outcome::Deny) => {
                self.withdraw(at, &reason);
                self.end(at, StepState::Denied, reason);
            }
            (StepState::GatingApply, Outcome::Pass) => self.confirm(at, &reason),
            (StepState::GatingApply, Outcome::Deny) => self.discard(at, reason),
            // Held: why is what people want to know.
            (StepState::GatingPlan | StepState::GatingApply, _) => {
                self.chain.steps[at].reason = reason;
            }
            // Somebody acted in Spacelift meanwhile; the gate has nothing left to hold.
            _ => {}
        }
    }

    fn chain_gate_decided(&mut self, decided: &GateDecided) {
        if self.chain.state != ChainState::Gating || decided.revision <= self.chain.gate.revision {
            return;
        }
        self.chain.gate.revision = decided.revision;
        self.chain.changes.chain = true;
        let reason = first_reason(decided);
        match decided.outcome {
            Outcome::Pass => {
                self.chain_enters(ChainState::Running, reason);
                self.send(&ChainStarted {
                    chain: self.chain.id,
                    change: self.chain.change.clone(),
                    steps: self.chain.steps.len(),
                });
                for at in 0..self.chain.steps.len() {
                    self.start_if_ready(at);
                }
            }
            Outcome::Deny => {
                for at in 0..self.chain.steps.len() {
                    self.enter(at, StepState::Denied, reason.clone());
                }
                self.chain.reason = reason;
            }
            Outcome::HoldUntil { .. } | Outcome::HoldForApprovals { .. } => {
                self.chain.reason = reason;
            }
        }
    }

    /// Asks the policies. Before a chain about all of its steps, otherwise about one.
    fn ask(&mut self, gate: GateId, moment: Moment, about: &[usize]) {
        let stacks = about.iter().map(|&at| {
            let planned = &self.chain.steps[at].planned;
            GateStack {
                stack: planned.stack.clone(),
                space: planned.space.clone(),
                labels: planned.labels.clone(),
                autodeploy: planned.autodeploy,
            }
        });
        let run = match (moment, about) {
            (Moment::BeforeApply, [at]) => self.chain.steps[*at].run.clone(),
            _ => None,
        };
        let requested = GateRequested {
            gate,
            chain: self.chain.id,
            kind: self.chain.kind,
            moment,
            stacks: stacks.collect(),
            change: self.chain.change.clone(),
            delta: run.as_ref().and_then(|run| run.delta),
            run: run.map(|run| run.id),
        };
        self.send(&requested);
    }

    // The runs.

    /// A step whose parents are done asks for its plan. There is no barrier between levels.
    fn start_if_ready(&mut self, at: usize) {
        let step = &self.chain.steps[at];
        if step.state != StepState::Waiting {
            return;
        }
        if !self.chain.parents_finished(step) {
            let reason = waits_for_parents(self.chain, step);
            if self.chain.steps[at].reason != reason {
                self.chain.steps[at].reason = reason;
                self.touch(at);
            }
            return;
        }
        let name = format!("{}/before_plan", step.planned.stack);
        let gate = GateId::derived(&self.chain.id.0, &name);
        self.chain.steps[at].gate = Some(Gate::new(gate));
        let asked = Reason::new(Code::WaitingForGate, "the policies are asked about the plan");
        self.enter(at, StepState::GatingPlan, asked);
        self.ask(gate, Moment::BeforePlan, &[at]);
    }

    fn start_queued(&mut self) {
        for at in 0..self.chain.steps.len() {
            if self.chain.steps[at].state == StepState::Queued {
                self.start_run(at);
            }
        }
    }

    /// Triggers the run, or queues behind the chain that holds the stack.
    fn start_run(&mut self, at: usize) {
        let step = &self.chain.steps[at];
        let stack = step.planned.stack.clone();
        let preview = self.chain.kind == ChainKind::Preview;
        if !preview && let Some(owner) = self.chain.busy.get(&stack) {
            let text = format!("{owner} has a run on {stack}; this step follows when it has ended");
            return self.enter(at, StepState::Queued, Reason::new(Code::StackBusy, text));
        }
        let commit = step.planned.on_commit.then(|| self.chain.change.commit.clone());
        let note = format!("{} for {}", self.chain.id, self.chain.change.title);
        let reason = Reason::new(Code::Triggering, format!("Spacelift is asked to run {stack}"));
        self.enter(at, StepState::Triggering, reason);
        let call = self.new_call(at, CallKind::Trigger, note);
        self.call(at, Call { commit, preview, run: None, ..call });
    }

    fn confirm(&mut self, at: usize, why: &Reason) {
        let reason = Reason::new(why.code, format!("the apply is being confirmed: {}", why.text));
        self.enter(at, StepState::Confirming, reason);
        let note = format!("Confirmed by Stackly, {}: {}", self.chain.id, why.text);
        self.call_on_run(at, CallKind::Confirm, note);
    }

    fn discard(&mut self, at: usize, why: Reason) {
        let note = format!("Discarded by Stackly, {}: {}", self.chain.id, why.text);
        self.enter(at, StepState::Discarding, why);
        self.call_on_run(at, CallKind::Discard, note);
    }

    fn call_on_run(&mut self, at: usize, call: CallKind, note: String) {
        let call = self.new_call(at, call, note);
        self.call(at, call);
    }

    /// A step that must not run may have a run all the same: Spacelift's own dependencies make one
    /// as soon as a parent runs.
    fn withdraw(&mut self, at: usize, why: &Reason) {
        let note = format!("Withdrawn by Stackly, {}: {}", self.chain.id, why.text);
        let call = self.new_call(at, CallKind::Withdraw, note);
        if !call.native_parents.is_empty() {
            self.call(at, call);
        }
    }

    fn new_call(&self, at: usize, call: CallKind, note: String) -> Call {
        let step = &self.chain.steps[at];
        Call {
            call,
            chain: self.chain.id,
            stack: step.planned.stack.clone(),
            commit: None,
            preview: false,
            run: step.run.as_ref().map(|run| run.id.clone()),
            note,
            native_parents: self.chain.native_parents(&step.planned.stack),
            since: self.chain.began_at,
        }
    }

    /// The intent of a call: one row per logical effect, at most one in flight per stack.
    fn call(&mut self, at: usize, call: Call) {
        let step = &self.chain.steps[at];
        let of = step.gate.map(|gate| gate.id.to_string()).unwrap_or_default();
        let name = format!("{}/{}/{of}", call.stack, call.call.as_str());
        let lane = match (call.call, call.preview) {
            (CallKind::Withdraw, _) => format!("withdraw/{}/{}", self.chain.id, call.stack),
            (_, true) => format!("preview/{}/{}", self.chain.id, call.stack),
            (_, false) => format!("stack/{}", call.stack),
        };
        self.decision.effect(Effect {
            id: Uuid::new_v5(&self.chain.id.0, name.as_bytes()),
            key: self.chain.id.0,
            lane,
            kind: call.call.as_str(),
            body: serde_json::to_value(&call).expect("a call is plain data"),
            correlation: self.chain.correlation,
            trace: self.foreign.then(|| self.chain.trace.clone()).flatten(),
        });
    }

    fn call_concluded(&mut self, concluded: &Concluded) {
        let Some(at) = self.chain.place(&concluded.stack) else { return };
        match &concluded.result {
            CallResult::Run(report) if self.chain.steps[at].state == StepState::Triggering => {
                self.run_exists(at, report);
            }
            CallResult::Run(report) => self.hear(at, report),
            // The run may have gone on without us (a person was quicker); its reports decide then.
            CallResult::Refused(reason) if !self.chain.steps[at].state.is_terminal() => {
                self.end(at, StepState::Failed, reason.clone());
            }
            CallResult::Unknown(reason) if !self.chain.steps[at].state.is_terminal() => {
                self.end(at, StepState::Unknown, reason.clone());
            }
            CallResult::Refused(_) | CallResult::Unknown(_) => {}
        }
    }

    /// Our run is known by its id: what was heard about it before counts now.
    fn run_exists(&mut self, at: usize, report: &RunReported) {
        let step = &mut self.chain.steps[at];
        let early =
            step.early.drain(..).filter(|early| early.run == report.run).collect::<Vec<_>>();
        step.run = Some(Run {
            id: report.run.clone(),
            url: report.url.clone(),
            state: report.state.clone(),
            version: -1,
            delta: report.delta,
        });
        let reason =
            Reason::new(Code::RunInFlight, format!("run {} is {}", report.run, report.state));
        self.enter(at, StepState::Planning, reason);
        let summary = self.chain.steps[at].summary();
        self.send(&StepStarted { chain: self.chain.id, step: summary });
        for report in std::iter::once(report).chain(&early) {
            self.hear(at, report);
        }
    }

    fn run_reported(&mut self, report: &RunReported) {
        let Some(at) = self.chain.place(&report.stack) else { return };
        let step = &mut self.chain.steps[at];
        match &step.run {
            Some(run) if run.id == report.run => self.hear(at, report),
            // Ours is not known yet, and this may be it: kept until the call is concluded.
            None if step.state == StepState::Triggering => {
                step.keep_early(report);
                self.touch(at);
            }
            _ => {}
        }
    }

    /// Follows a report about the step's own run.
    fn hear(&mut self, at: usize, report: &RunReported) {
        let (kind, now) = (self.chain.kind, self.now);
        let step = &mut self.chain.steps[at];
        let followed = follow(step, report, kind, now);
        self.touch(at);
        match followed {
            Follow::Nothing => {}
            Follow::Goes(reason) => self.chain.steps[at].reason = reason,
            Follow::Planned(reason) => self.gate_apply(at, reason),
            Follow::Applies(reason) => {
                self.enter(at, StepState::Applying, reason);
                let summary = self.chain.steps[at].summary();
                self.send(&StepApplying { chain: self.chain.id, step: summary });
            }
            Follow::Ends(state, reason) => self.end(at, state, reason),
        }
    }

    /// The plan is known: asks whether just this plan may be applied.
    fn gate_apply(&mut self, at: usize, reason: Reason) {
        let step = &self.chain.steps[at];
        let run = step.run.as_ref().expect("a plan belongs to a run");
        let delta = run.delta.unwrap_or_default();
        let name = format!("{}/before_apply/{}/{delta}", step.planned.stack, run.id);
        let gate = GateId::derived(&self.chain.id.0, &name);
        self.chain.steps[at].gate = Some(Gate::new(gate));
        self.enter(at, StepState::GatingApply, reason);
        let summary = self.chain.steps[at].summary();
        self.send(&StepPlanned { chain: self.chain.id, step: summary });
        self.ask(gate, Moment::BeforeApply, &[at]);
    }

    // The ends.

    /// Ends a step: its children start, or its whole downstream cone never does.
    fn end(&mut self, at: usize, state: StepState, reason: Reason) {
        let stack = self.chain.steps[at].planned.stack.clone();
        self.enter(at, state, reason);
        let summary = self.chain.steps[at].summary();
        self.send(&StepFinished { chain: self.chain.id, step: summary });
        let below = self.chain.cone_below(&stack);
        for child in below {
            if state == StepState::Finished {
                self.start_if_ready(child);
            } else if !self.chain.steps[child].state.is_terminal() {
                let text = format!("{stack}, which it depends on, ended as {state}");
                let reason = Reason::new(Code::ParentFailed, text);
                self.withdraw(child, &reason);
                self.enter(child, StepState::Skipped, reason);
                let summary = self.chain.steps[child].summary();
                self.send(&StepFinished { chain: self.chain.id, step: summary });
            }
        }
    }

    /// A chain ends with its last step.
    fn finish_chain(&mut self) {
        if !self.chain.steps.iter().all(|step| step.state.is_terminal()) {
            return;
        }
        let (state, reason) = outcome(self.chain);
        self.chain.ended_at = Some(self.now);
        self.chain_enters(state, reason.clone());
        self.send(&ChainFinished {
            chain: self.chain.id,
            change: self.chain.change.clone(),
            state,
            reason,
            steps: self.chain.summaries(),
            began_at: self.chain.began_at,
            ended_at: self.now,
        });
    }

    // What everything above is made of.

    fn enter(&mut self, at: usize, state: StepState, reason: Reason) {
        let step = &mut self.chain.steps[at];
        let operation = Operation {
            stack: Some(step.planned.stack.clone()),
            from: step.state.as_str(),
            to: state.as_str(),
            reason: reason.clone(),
            cause: self.cause,
            at: self.now,
        };
        (step.state, step.reason, step.since) = (state, reason, self.now);
        self.chain.changes.operations.push(operation);
        self.touch(at);
    }

    fn chain_enters(&mut self, state: ChainState, reason: Reason) {
        self.chain.changes.operations.push(Operation {
            stack: None,
            from: self.chain.state.as_str(),
            to: state.as_str(),
            reason: reason.clone(),
            cause: self.cause,
            at: self.now,
        });
        (self.chain.state, self.chain.reason) = (state, reason);
        self.chain.changes.chain = true;
    }

    fn touch(&mut self, at: usize) {
        if !self.chain.changes.steps.contains(&at) {
            self.chain.changes.steps.push(at);
        }
    }

    fn send<M: Message>(&mut self, message: &M) {
        let mut outgoing = Outgoing::new(message);
        if self.foreign {
            outgoing = outgoing.within(self.chain.correlation, self.chain.trace.clone());
        }
        self.decision.answers.push(outgoing);
    }
}

fn first_reason(decided: &GateDecided) -> Reason {
    let nothing = || Reason::new(Code::Allowed, "the policies gave no reason");
    decided.reasons.first().cloned().unwrap_or_else(nothing)
}

fn waits_for_parents(chain: &Chain, step: &Step) -> Reason {
    let waits: Vec<_> = step
        .parents
        .iter()
        .filter(|parent| {
            chain.place(parent).is_some_and(|at| chain.steps[at].state != StepState::Finished)
        })
        .map(ToString::to_string)
        .collect();
    Reason::new(Code::WaitingForParents, format!("waits for {}", waits.join(", ")))
}

fn outcome(chain: &Chain) -> (ChainState, Reason) {
    let bad: Vec<&Step> =
        chain.steps.iter().filter(|step| step.state != StepState::Finished).collect();
    let Some(first) = bad.iter().find(|step| step.state != StepState::Skipped).or(bad.first())
    else {
        let text = format!("all {} steps ended well", chain.steps.len());
        return (ChainState::Finished, Reason::new(Code::Done, text));
    };
    if chain.state == ChainState::Gating {
        return (ChainState::Denied, chain.reason.clone());
    }
    let text = format!(
        "{} of {} steps did not end well; first {}: {}",
        bad.len(),
        chain.steps.len(),
        first.planned.stack,
        first.reason.text
    );
    (ChainState::Failed, Reason::new(first.reason.code, text))
}

#[cfg(test)]
mod tests;
