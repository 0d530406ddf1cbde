//! Random chains through a random world: reports lost, doubled and in any order, gates that hold,
//! runs that fail, people who act in Spacelift. Whatever happens, what must hold holds.

use std::collections::{HashMap, HashSet};

use contracts::{
    Code, GateId, Reason, StackId,
    chain::{ChainState, OnFailure},
    gate::{GateRequested, Moment, Outcome},
    order::OrderKind,
    run::{Delta, RunReported, RunState},
    step::StepState,
};
use proptest::prelude::*;
use store::{Decision, Effect};
use uuid::Uuid;

use crate::{
    call::CallKind,
    fixtures::{ChainFixture, call, run_of, seen},
    input::{CallResult, Concluded, Found, Input},
    step::Step,
};

/// Who decides what happens next: a list of numbers, so that a failure can be made small.
struct Chance {
    numbers: Vec<u16>,
    used: usize,
}

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.used += 1;
        // After its end the list begins again, shifted, so that no walk is a circle.
        let turn = self.used / self.numbers.len();
        (usize::from(self.numbers[self.used % self.numbers.len()]) + turn) % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// Something that will happen some time.
#[derive(Clone)]
enum Next {
    Told(Box<Input>),
    Performed(Effect),
    /// A person does something about the run of a stack.
    Person(StackId),
    /// A person cancels a step, if its chain waits for its gate still.
    Cancel(StackId),
}

/// A run in Spacelift.
struct Run {
    state: RunState,
    version: i64,
    fate: usize,
}

struct Walk {
    chain: ChainFixture,
    chance: Chance,
    pending: Vec<Next>,
    runs: HashMap<StackId, Run>,
    /// Lanes with an open effect.
    open: HashSet<String>,
    effects: HashSet<Uuid>,
    triggered: HashSet<StackId>,
    /// The version of the plan each gate before an apply was asked about.
    asked_about: HashMap<GateId, i64>,
    ended: HashSet<String>,
    finished: usize,
}

impl Walk {
    fn new(chain: ChainFixture, numbers: Vec<u16>) -> Self {
        let mut walk = Self {
            chain: chain.gating(),
            chance: Chance { numbers, used: 0 },
            pending: Vec::new(),
            runs: HashMap::new(),
            open: HashSet::new(),
            effects: HashSet::new(),
            triggered: HashSet::new(),
            asked_about: HashMap::new(),
            ended: HashSet::new(),
            finished: 0,
        };
        let gate = walk.chain.chain().gate.id;
        walk.gate_answers(gate);
        if walk.chance.one_in(3) {
            let at = walk.chance.below(walk.chain.chain().steps.len());
            walk.pending.push(Next::Cancel(walk.chain.chain().stack(at).clone()));
        }
        walk
    }

    fn until_it_ends(mut self) {
        for _ in 0..20_000 {
            if self.pending.is_empty() {
                if self.chain.chain().state.is_terminal() {
                    assert_eq!(self.finished, 1, "a chain ends once");
                    return;
                }
                self.poll();
            }
            let next = self.chance.below(self.pending.len());
            match self.pending.swap_remove(next) {
                Next::Told(input) => self.tell(*input),
                Next::Performed(effect) => self.perform(&effect),
                Next::Person(stack) => self.person(&stack),
                Next::Cancel(stack) => self.cancel(&stack),
            }
        }
        panic!("it does not end: {}", self.chain.states());
    }

    fn tell(&mut self, input: Input) {
        let before = self.chain.clone();
        let decision = self.chain.decide(input.clone());
        let again = before.clone().decide(input.clone());
        assert_eq!(decision.answers, again.answers, "the same decision each time");
        assert_eq!(decision.effects, again.effects, "the same decision each time");
        let lanes = |effect: &Effect| self.open.contains(&effect.lane);
        if decision.effects.iter().any(lanes) {
            // The database refuses a second open effect of a lane: decided again later.
            self.chain = before;
            self.pending.push(Next::Told(input.into()));
            return;
        }
        self.check(&before, &decision);
        for answer in &decision.answers {
            if answer.kind == "gate.requested" {
                self.gate_asked(serde_json::from_value(answer.body.clone()).unwrap());
            }
        }
        for effect in decision.effects {
            self.open.insert(effect.lane.clone());
            self.pending.push(Next::Performed(effect));
        }
        // Whatever is told may be told again.
        let is_once = matches!(input, Input::Concluded(_) | Input::Ordered(_));
        if self.chance.one_in(6) && !is_once {
            self.pending.push(Next::Told(input.into()));
        }
    }

    fn check(&mut self, before: &ChainFixture, decision: &Decision) {
        let chain = self.chain.chain();
        for (at, step) in chain.steps.iter().enumerate() {
            let stack = &step.planned.stack;
            assert!(!step.reason.text.is_empty(), "{stack} does not say why it is {}", step.state);
            let was = before.chain().steps[at].state;
            assert!(!was.is_terminal() || was == step.state, "{stack} was {was}");
            let started = !matches!(
                step.state,
                StepState::Waiting | StepState::Skipped | StepState::Denied | StepState::Canceled
            ) && step.reason.code != Code::ConditionUnmet;
            let standing = chain.standing(at);
            assert!(!started || standing.is_met(), "{stack} at {standing:?}");
            assert!(step.early.is_empty() || step.state == StepState::Triggering);
        }
        for effect in &decision.effects {
            assert!(self.effects.insert(effect.id), "asked for twice: {effect:?}");
            let call = call(effect);
            match call.call {
                CallKind::Trigger => {
                    assert!(self.triggered.insert(call.stack.clone()), "{} twice", call.stack);
                    self.may_be_triggered(&call.stack);
                }
                CallKind::Confirm => {
                    let gate = self.chain.gate(call.stack.as_str());
                    let asked = self.asked_about.get(&gate);
                    assert_eq!(asked, call.plan_version.as_ref(), "confirms what nobody allowed");
                }
                CallKind::Discard
                | CallKind::Withdraw
                | CallKind::Cancel
                | CallKind::ReadPlan
                | CallKind::ReadOutputs
                | CallKind::ReadLog => {}
            }
        }
        for answer in &decision.answers {
            match answer.kind {
                "step.finished" => {
                    let stack = answer.body["step"]["stack"].to_string();
                    assert!(self.ended.insert(stack.clone()), "{stack} ended twice");
                }
                "chain.finished" => {
                    self.finished += 1;
                    assert_eq!(self.ended.len(), chain.steps.len(), "it ends with its last step");
                }
                _ => {}
            }
        }
    }

    /// Not before its chain runs; and after a failure, in a chain that stops there, only what is there
    /// for failures.
    fn may_be_triggered(&self, stack: &StackId) {
        let chain = self.chain.chain();
        assert_eq!(chain.state, ChainState::Running, "{stack} is triggered");
        let at = chain.place(stack).unwrap();
        let has_failed =
            |step: &Step| step.state.is_terminal() && step.state != StepState::Finished;
        let stops = chain.course.options.on_failure == OnFailure::Stop;
        let is_stopped = stops && chain.steps.iter().any(has_failed);
        assert!(
            !is_stopped || !chain.conditions(at).is_usual(),
            "{stack}: {}",
            self.chain.states()
        );
    }

    fn cancel(&mut self, stack: &StackId) {
        let is_open = self.chain.step(stack.as_str()).state == StepState::Waiting;
        if is_open && self.chain.chain().state == ChainState::Gating {
            self.tell(self.chain.order(OrderKind::Cancel, Some(stack.as_str()), false));
        }
    }

    fn gate_asked(&mut self, asked: GateRequested) {
        if asked.moment == Moment::BeforeApply {
            let stack = asked.stacks[0].stack.as_str();
            let run = self.chain.step(stack).run.as_ref().unwrap();
            self.asked_about.insert(asked.gate, run.version);
        }
        self.gate_answers(asked.gate);
    }

    /// It may be held first; the answers may overtake each other.
    fn gate_answers(&mut self, gate: GateId) {
        let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
        let end = if self.chance.one_in(10) { Outcome::Deny } else { Outcome::Pass };
        let mut revision = 1;
        if self.chance.one_in(3) {
            self.pending.push(Next::Told(self.chain.decided(gate, revision, hold).into()));
            revision += 1;
        }
        self.pending.push(Next::Told(self.chain.decided(gate, revision, end).into()));
    }

    fn perform(&mut self, effect: &Effect) {
        let call = call(effect);
        let result = match call.call {
            CallKind::Trigger => self.trigger(&call.stack),
            CallKind::Withdraw => CallResult::Nothing,
            kind => {
                let run = self.runs.get_mut(&call.stack).unwrap();
                let waits = run.state == RunState::Unconfirmed;
                if waits && call.plan_version == Some(run.version) {
                    let confirm = kind == CallKind::Confirm;
                    self.act(&call.stack, confirm);
                }
                CallResult::Run(seen(self.report(&call.stack)))
            }
        };
        // The effect is closed in the transaction that decides upon its result.
        self.open.remove(&effect.lane);
        self.tell(Input::Concluded(Concluded {
            chain: call.chain,
            stack: call.stack,
            call: call.call,
            run: call.run,
            result,
        }));
    }

    fn trigger(&mut self, stack: &StackId) -> CallResult {
        let reason = || Reason::new(Code::SpaceliftRefused, "no");
        match self.chance.below(16) {
            0 => return CallResult::Refused(reason()),
            1 => return CallResult::Gone(reason()),
            _ => {}
        }
        let fate = self.chance.below(8);
        self.runs.insert(stack.clone(), Run { state: RunState::Queued, version: 0, fate });
        self.announce(stack);
        // The answer may be as old as the run, or written when it had planned already.
        let made = seen(self.report(stack));
        self.moves(stack, RunState::Planning);
        match fate {
            0 => self.moves(stack, RunState::Failed),
            1 => self.moves(stack, RunState::Finished),
            _ => self.moves(stack, RunState::Unconfirmed),
        }
        let late = self.chance.one_in(2);
        CallResult::Run(if late { seen(self.report(stack)) } else { made })
    }

    /// A plan is confirmed or discarded.
    fn act(&mut self, stack: &StackId, confirm: bool) {
        if !confirm {
            return self.moves(stack, RunState::Discarded);
        }
        self.moves(stack, RunState::Confirmed);
        self.moves(stack, RunState::Applying);
        let end = if self.runs[stack].fate == 2 { RunState::Failed } else { RunState::Finished };
        self.moves(stack, end);
    }

    fn person(&mut self, stack: &StackId) {
        if self.runs[stack].state != RunState::Unconfirmed {
            return;
        }
        match self.chance.below(3) {
            0 => self.act(stack, true),
            1 => self.act(stack, false),
            _ => {
                self.moves(stack, RunState::ReplanRequested);
                self.moves(stack, RunState::Planning);
                self.moves(stack, RunState::Unconfirmed);
            }
        }
    }

    fn moves(&mut self, stack: &StackId, state: RunState) {
        let run = self.runs.get_mut(stack).unwrap();
        run.version += 1;
        run.state = state;
        self.announce(stack);
        if self.runs[stack].state == RunState::Unconfirmed && self.chance.one_in(5) {
            self.pending.push(Next::Person(stack.clone()));
        }
    }

    /// A webhook, which may be lost.
    fn announce(&mut self, stack: &StackId) {
        if !self.chance.one_in(3) {
            let mut report = self.report(stack);
            if self.chance.one_in(8) {
                report.delta = None;
            }
            self.pending.push(Next::Told(Input::Reported(report).into()));
        }
    }

    fn report(&self, stack: &StackId) -> RunReported {
        let run = &self.runs[stack];
        let mut report = self.chain.report(stack.as_str(), run.state.clone(), run.version);
        if run.fate == 1 {
            report.delta = Some(Delta::default());
        }
        report
    }

    /// Nothing is on its way: Spacelift is asked about every run in flight.
    fn poll(&mut self) {
        let steps = self.chain.chain().steps.iter();
        let flying: Vec<StackId> = steps
            .filter(|step| step.run.is_some() && !step.state.is_terminal())
            .map(|step| step.planned.stack.clone())
            .collect();
        assert!(!flying.is_empty(), "nothing would ever happen: {}", self.chain.states());
        for stack in flying {
            assert_eq!(
                self.chain.step(stack.as_str()).run.as_ref().unwrap().id,
                run_of(stack.as_str())
            );
            let found = Found::Run(seen(self.report(&stack)));
            self.pending.push(Next::Told(self.chain.polled(stack.as_str(), found).into()));
        }
    }
}

/// What the labels of a stack may say, by a number; mostly nothing.
fn label(number: u8) -> Option<&'static str> {
    let labels = ["stackly:on=always", "stackly:on=failure", "stackly:canary", "stackly:wave=1"];
    labels.get(usize::from(number)).copied()
}

/// Up to nine stacks; bit `p` of a stack's number makes stack `p` its parent.
fn chain(parents: &[u16]) -> ChainFixture {
    let names: Vec<String> = (0..parents.len()).map(|n| format!("s{n}")).collect();
    let above: Vec<Vec<&str>> = parents
        .iter()
        .enumerate()
        .map(|(n, bits)| (0..n).filter(|p| bits >> p & 1 == 1).map(|p| names[p].as_str()).collect())
        .collect();
    let stacks: Vec<(&str, &[&str])> =
        names.iter().zip(&above).map(|(name, above)| (name.as_str(), above.as_slice())).collect();
    ChainFixture::of(&stacks)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_chain_ends_and_nothing_that_must_not_happen_does(
        parents in prop::collection::vec(any::<u16>(), 1..10),
        native in any::<bool>(),
        fails_fast in any::<bool>(),
        labels in prop::collection::vec(0..12_u8, 10),
        numbers in prop::collection::vec(any::<u16>(), 64..256),
    ) {
        let chain = chain(&parents);
        let chain = if native { chain.native() } else { chain };
        let mut chain = if fails_fast { chain.failing_fast() } else { chain };
        for (at, number) in labels[..parents.len()].iter().enumerate() {
            if let Some(label) = label(*number) {
                chain = chain.labelled(&format!("s{at}"), label);
            }
        }
        Walk::new(chain, numbers).until_it_ends();
    }
}
