//! The world of the model: one chain, its Spacelift, and everything that can happen next.

mod calls;
mod decided;
mod natives;
mod rollout;
mod runs;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use contracts::{
    GateId, Reason, RunId, StackId,
    chain::ChainState,
    gate::{Moment, Outcome},
    order::OrderKind,
    run::RunState,
    step::StepState,
};
use uuid::Uuid;

use self::{calls::outputs, rollout::Watch};
use crate::{
    Chain, Finding, Retries,
    call::{Call, CallKind},
    chain::Hold,
    fixtures::{ChainFixture, at},
    input::{CallResult, Input, Order},
    outputs::Outputs,
    retry::Class,
    waves::Rules,
};

/// How far to go, and what to break.
#[derive(Clone, Default)]
pub(super) struct Bounds {
    /// How often a person acts on a run in Spacelift.
    pub(super) people: u8,
    /// Orders of people, each at any moment after the one before.
    pub(super) orders: Vec<(OrderKind, bool)>,
    /// The step they are about; the whole chain if none.
    pub(super) orders_about: Option<&'static str>,
    /// Webhooks tell the newest state only; older ones are lost.
    pub(super) narrow: bool,
    /// The gate before the chain may say no.
    pub(super) denied: bool,
    /// Gates say yes, runs have changes and apply.
    pub(super) plain: bool,
    /// Plans fail in a way that may pass.
    pub(super) flaky: bool,
    /// Why a run failed is in its log alone, and may pass or not.
    pub(super) logs: bool,
    /// What only follows was settled before, and whatever applies changes outputs alone.
    pub(super) settled: bool,
    /// No policy speaks about its steps, and every plan is allowed.
    pub(super) cleared: bool,
    /// What must be so between its waves.
    pub(super) rules: Rules,
    /// Spacelift's own dependencies make runs; those of `a` may fail, and only they.
    pub(super) native: bool,
    /// What Spacelift made of `b` by itself would not bring the change, and nothing fails.
    pub(super) gives_way: bool,
    /// A stack that another chain has, and keeps.
    pub(super) taken: Option<&'static str>,
    /// How often a call has to wait until the answer of the policies is too old.
    pub(super) waits: u8,
    /// Negative control: when what Spacelift made by itself has begun is not looked at.
    pub(super) hasty: bool,
    /// Negative control: what Spacelift made by itself is not withdrawn.
    pub(super) careless: bool,
    /// Negative control: a call is repeated without looking.
    pub(super) blind: bool,
    /// Negative control: a confirm is made whatever plan the run shows meanwhile.
    pub(super) rash: bool,
    /// Negative control: a call that was interrupted is never taken up again.
    pub(super) forgetful: bool,
    /// Negative control: a call is made however long it had to wait.
    pub(super) patient: bool,
}

/// Something that can happen.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// The policies answer a gate for the first time, or the answer comes again.
    Gate(usize, bool),
    /// A run moves on by itself.
    Moves(usize, RunState),
    /// A person acts on a run in Spacelift.
    Person(usize, RunState),
    /// A webhook tells that a run entered the state of this number.
    Report(usize, usize),
    /// Spacelift is asked about a run.
    Poll(usize),
    /// A call takes effect, or the process that makes it dies before the result is known.
    Perform(usize),
    /// The result of a call is decided upon; old if the answer is as old as the call.
    Conclude(usize, bool),
    /// Spacelift refuses a call.
    Refuse(usize),
    /// A call that is made again is found to be unwanted.
    Forgo(usize),
    /// A call cannot be made until the answer of the policies is too old.
    HoldUp(usize),
    /// A call that had to wait is not made, because people hold its step.
    HoldBack(usize),
    /// A person gives the next order.
    Order,
    /// A health check says whether it holds.
    Checked(usize, bool),
    /// Times come.
    Wake,
}

#[derive(Clone)]
struct Run {
    id: RunId,
    stack: StackId,
    /// Each state it was in; its number is its version.
    states: Vec<RunState>,
    /// The trigger it came of, or was adopted by; none of what Spacelift made by itself until then.
    mark: Option<Uuid>,
    /// It plans only.
    proposed: bool,
    /// The run with which it was made, and the stack it waits for.
    pass: usize,
    by: Option<StackId>,
    /// Its parents have not ended.
    awaits: bool,
    /// It had begun when something ended that the chain has before it.
    early: bool,
}

#[derive(Clone)]
struct Open {
    effect: Uuid,
    lane: String,
    call: Call,
    /// It took effect at least once.
    done: bool,
    /// How many runs there were when it was asked for.
    runs: usize,
    /// The answer of the policies is too old for it.
    late: bool,
    /// It confirmed the run, and whoever made it lives to tell how the outputs were before.
    before: bool,
}

#[derive(Clone)]
struct Asked {
    id: GateId,
    moment: Moment,
    /// The plan it is about.
    plan: Option<(RunId, i64)>,
    says: Option<bool>,
    /// It said yes at some time.
    passed: bool,
    /// Counts its answers.
    revision: i64,
    /// How often it was asked again.
    again: usize,
}

impl Asked {
    fn new(id: GateId, moment: Moment) -> Self {
        Self { id, moment, plan: None, says: None, passed: false, revision: 1, again: 0 }
    }
}

#[derive(Clone)]
pub(super) struct World {
    chain: Option<Chain>,
    bounds: Bounds,
    gates: Vec<Asked>,
    runs: Vec<Run>,
    open: Vec<Open>,
    /// Every effect there ever was, with the step and attempt it belongs to.
    effects: BTreeMap<Uuid, (StackId, u32, CallKind)>,
    /// Stacks that applied and left the outputs that others read as they were.
    kept: Vec<StackId>,
    /// Plans that were read, and are those that were allowed with the whole chain.
    same: Vec<(RunId, i64)>,
    /// How often times came.
    days: i64,
    /// How often something was told; each time it is another message.
    told: u64,
    /// A person had something tried again.
    retried: bool,
    /// Health checks that have not answered, and what is known of the waves.
    waves: Watch,
}

type Step = Result<(), String>;

impl World {
    pub(super) fn new(chain: ChainFixture, bounds: Bounds) -> Self {
        let mut chain = chain.gating().ruled(bounds.rules.clone());
        let gate = chain.chain().gate.id;
        if let Some(chain) = chain.state.as_mut().filter(|_| bounds.cleared) {
            let stacks = chain.steps.iter().map(|step| step.planned.stack.clone());
            chain.busy = stacks.map(|stack| (stack, None)).collect();
        }
        if let Some(stack) = bounds.taken {
            chain = chain.held_by(stack, 2, Hold::Runs);
        }
        if let Some(chain) = chain.state.as_mut().filter(|_| bounds.settled) {
            chain.settled = chain.steps.iter().map(|step| step.planned.stack.clone()).collect();
        }
        if let Some(chain) = chain.state.as_mut() {
            chain.retries = Arc::new(Retries { read_logs: bounds.logs, ..Retries::default() });
        }
        Self {
            chain: chain.state,
            bounds,
            gates: vec![Asked::new(gate, Moment::BeforeChain)],
            runs: Vec::new(),
            open: Vec::new(),
            effects: BTreeMap::new(),
            kept: Vec::new(),
            same: Vec::new(),
            days: 0,
            told: 0,
            retried: false,
            waves: Watch::default(),
        }
    }

    fn chain(&self) -> &Chain {
        self.chain.as_ref().expect("it is planned")
    }

    /// Done, failed and known, or held for a person, or by another chain.
    pub(super) fn is_at_rest(&self) -> bool {
        let state = self.chain().state;
        let queues = |step: &crate::Step| step.state == StepState::Queued;
        let queues = self.bounds.taken.is_some() && self.chain().steps.iter().any(queues);
        let is_paused = |step: &crate::Step| step.course.paused.is_some();
        let paused = state == ChainState::Paused || self.chain().steps.iter().any(is_paused);
        let waits = paused || self.is_held();
        let held = waits && self.bounds.orders.is_empty();
        (state.is_terminal() || held || queues) && self.open.is_empty()
    }

    /// Everything the future depends on, sentences left out.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let chain = self.chain();
        chain.state.as_str().hash(&mut hasher);
        let course = &chain.course;
        (course.paused.is_some(), course.canceled.is_some()).hash(&mut hasher);
        (course.stopped.is_some(), self.retried).hash(&mut hasher);
        let plans = course.plans.as_ref().map(|it| (it.gate.0, it.allowed, it.again, it.asks));
        (plans, self.same.len(), self.kept.len()).hash(&mut hasher);
        self.hash_waves(&mut hasher);
        for step in &chain.steps {
            step.state.as_str().hash(&mut hasher);
            let gate = step.gate.map(|gate| (gate.id.0, gate.revision));
            let run =
                step.run.as_ref().map(|run| (run.id.as_str(), run.version, run.delta.is_some()));
            (gate, run, step.misses).hash(&mut hasher);
            for early in &step.early {
                (early.run.as_str(), early.state_version).hash(&mut hasher);
            }
            let course = &step.course;
            let allowed = (course.allowed.is_some(), course.confirms, course.withheld);
            let unchanged = course.unchanged;
            let paused = course.paused.is_some();
            (course.attempt, course.tries(), allowed).hash(&mut hasher);
            (paused, unchanged, course.retry_at).hash(&mut hasher);
            course.passed.as_ref().map(|it| (it.at, it.again, it.asks)).hash(&mut hasher);
            let outputs = course.outputs.as_ref().map(|it| match it {
                Outputs::Asked => 0,
                Outputs::Before(_) => 1,
                Outputs::Kept(kept) => 2 + kept.len(),
            });
            outputs.hash(&mut hasher);
            let draft = course.draft.as_ref().map(|it| (it.run.is_some(), it.is_settled()));
            (draft, course.differs.is_some()).hash(&mut hasher);
            course.cancel.as_ref().map(|it| (it.force, it.applying)).hash(&mut hasher);
        }
        for gate in &self.gates {
            (gate.id.0, gate.says, gate.again).hash(&mut hasher);
        }
        for run in &self.runs {
            run.id.as_str().hash(&mut hasher);
            (&run.states, run.mark.is_some(), run.awaits, run.early).hash(&mut hasher);
        }
        // Each withdrawal has a name of its own, and those about the same runs are alike.
        let named = |open: &Open| match open.call.call {
            CallKind::Withdraw => {
                let Call { stack, before, after, .. } = &open.call;
                let name = format!("{stack}/{before:?}/{after:?}/{}", open.runs);
                Uuid::new_v5(&Uuid::nil(), name.as_bytes())
            }
            _ => open.effect,
        };
        let mut open: Vec<_> =
            self.open.iter().map(|it| (named(it), it.done, it.before, it.late)).collect();
        open.sort_unstable();
        let Bounds { people, waits, orders, .. } = &self.bounds;
        (open, people, waits, orders.len(), self.days).hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let bounds = &self.bounds;
        for (at, gate) in self.gates.iter().enumerate() {
            match gate.says {
                None if gate.moment == Moment::BeforeChain && !bounds.denied => {
                    actions.push(Action::Gate(at, true));
                }
                None if gate.moment != Moment::BeforeChain && bounds.plain => {
                    actions.push(Action::Gate(at, true));
                }
                None => actions.extend([Action::Gate(at, true), Action::Gate(at, false)]),
                Some(says) if !bounds.narrow => actions.push(Action::Gate(at, says)),
                Some(_) => {}
            }
        }
        for (at, run) in self.runs.iter().enumerate() {
            actions.extend(self.moves(run).into_iter().map(|to| Action::Moves(at, to)));
            let newest = run.states.len() - 1;
            if bounds.people > 0 && run.states[newest] == RunState::Unconfirmed {
                actions.push(Action::Person(at, RunState::Discarded));
                actions.push(Action::Person(at, RunState::Applying));
                actions.push(Action::Person(at, RunState::Planning));
            }
            if run.mark.is_none() {
                continue;
            }
            let from = if bounds.narrow { newest } else { 0 };
            actions.extend((from..=newest).map(|version| Action::Report(at, version)));
            actions.push(Action::Poll(at));
        }
        for (at, open) in self.open.iter().enumerate() {
            actions.extend(self.of_call(at, open));
        }
        if !bounds.orders.is_empty() {
            actions.push(Action::Order);
        }
        let retries = self.chain().steps.iter().any(|step| step.course.retry_at.is_some());
        if retries || crate::wake_at(self.chain()).is_some() {
            actions.push(Action::Wake);
        }
        actions.extend(self.checks_answer());
        actions
    }

    pub(super) fn act(&mut self, action: Action) -> Step {
        self.happen(action)?;
        self.note_early();
        self.judge();
        self.check_natives()
    }

    fn happen(&mut self, action: Action) -> Step {
        match action {
            Action::Gate(at, says) => {
                let before = self.gates[at].says.replace(says);
                self.gates[at].passed |= says;
                let outcome = if says { Outcome::Pass } else { Outcome::Deny };
                let decided = self.answer(at, outcome);
                match self.tell(Input::Decided(decided)) {
                    Err(text) if text == LANE_TAKEN => {
                        self.gates[at].says = before;
                        Ok(())
                    }
                    done => done,
                }
            }
            Action::Moves(at, to) => self.enter(at, to, "by itself"),
            Action::Person(at, to) => {
                self.bounds.people -= 1;
                self.runs[at].states.push(to);
                Ok(())
            }
            Action::Report(at, version) => {
                let seen = self.report(at, version);
                self.tell(Input::Reported(seen))
            }
            Action::Poll(at) => self.poll(at),
            Action::Perform(at) => self.perform(at),
            Action::Conclude(at, old) => {
                let open = self.open[at].clone();
                match open.call.call {
                    CallKind::ReadPlan => return self.read(at, &open.call, old),
                    CallKind::ReadLog => {
                        let line = "`Error: connection reset`".to_owned();
                        let passes = Finding { class: Class::Network, line };
                        return self.conclude(at, CallResult::Log((!old).then_some(passes)));
                    }
                    CallKind::Withdraw => return self.conclude(at, CallResult::Nothing),
                    CallKind::ReadOutputs => return self.outputs_read(at, &open.call, old),
                    _ => {}
                }
                let run = self.of(&open).id.clone();
                let place = self.runs.iter().position(|it| it.id == run).expect("it is there");
                let version = if old { 0 } else { self.runs[place].states.len() - 1 };
                let seen = self.asked(place, version);
                let result = match open.before {
                    true => CallResult::Confirmed(seen, outputs(&open.call, "before")),
                    false => CallResult::Run(seen),
                };
                self.conclude(at, result)
            }
            Action::Refuse(at) => {
                let reason = Reason::new(contracts::Code::SpaceliftRefused, "no");
                self.conclude(at, CallResult::Refused(reason))
            }
            Action::Forgo(at) => self.conclude(at, CallResult::Forgone),
            Action::HoldUp(at) => self.hold_up(at),
            Action::HoldBack(at) => self.conclude(at, CallResult::HeldUp),
            Action::Order => self.order(),
            Action::Checked(at, holds) => self.check_answers(at, holds),
            Action::Wake => {
                self.days += 1;
                let id = self.chain().id;
                self.tell(Input::Woken(id))
            }
        }
    }

    fn order(&mut self) -> Step {
        let (kind, force) = self.bounds.orders.remove(0);
        let said = crate::Said { by: "jane".to_owned(), note: None, at: at(0) };
        if kind == OrderKind::Resume && self.is_held() {
            self.person_lets_pass();
        }
        self.retried |= kind == OrderKind::Retry;
        let stack = self.bounds.orders_about.map(StackId::from);
        let order = Order { chain: self.chain().id, kind, stack, force, all: false, said };
        self.tell(Input::Ordered(order))
    }
}

fn world_time(days: i64) -> DateTime<Utc> {
    at(days * 86_400)
}

/// The database's word for it.
const LANE_TAKEN: &str = "another call of this lane is open";
