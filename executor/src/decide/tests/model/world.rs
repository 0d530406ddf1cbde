//! The world of the model: one chain, its Spacelift, and everything that can happen next.

mod natives;
mod rollout;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use contracts::{
    GateId, Reason, RunId, StackId,
    chain::{ChainState, OnFailure},
    gate::{Clearance, GateDecided, GateRequested, Moment, Outcome, PlannedChange},
    order::OrderKind,
    run::{Delta, RunReported, RunState, RunType},
    step::StepState,
};
use store::{Decision, Effect, Refusal};
use uuid::Uuid;

use self::rollout::Watch;
use crate::{
    Chain, Finding, Retries,
    call::{Call, CallKind},
    decide_chain,
    fixtures::{ChainFixture, at, call, envelope, report},
    input::{CallResult, Concluded, Found, Input, Order, PlanRead, Polled, Seen},
    outputs::{Digests, Outputs},
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

    /// Done, failed and known, or held for a person.
    pub(super) fn is_at_rest(&self) -> bool {
        let state = self.chain().state;
        let is_paused = |step: &crate::Step| step.course.paused.is_some();
        let paused = state == ChainState::Paused || self.chain().steps.iter().any(is_paused);
        let waits = paused || self.is_held();
        let held = waits && self.bounds.orders.is_empty();
        (state.is_terminal() || held) && self.open.is_empty()
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

    fn moves(&self, run: &Run) -> Vec<RunState> {
        let plain = self.bounds.plain;
        match run.states.last().expect("it was made in a state") {
            RunState::Queued if run.awaits || self.is_blocked(run) => Vec::new(),
            RunState::Queued => vec![RunState::Planning],
            RunState::Planning if self.bounds.gives_way => vec![RunState::Unconfirmed],
            RunState::Planning if self.bounds.native && run.stack.as_str() == "a" => {
                vec![RunState::Unconfirmed, RunState::Failed]
            }
            RunState::Planning if run.proposed && plain => vec![RunState::Finished],
            RunState::Planning if run.proposed => vec![RunState::Finished, RunState::Failed],
            RunState::Planning if plain => vec![RunState::Unconfirmed],
            RunState::Planning => {
                vec![RunState::Unconfirmed, RunState::Finished, RunState::Failed]
            }
            RunState::Applying if plain => vec![RunState::Finished],
            RunState::Applying => vec![RunState::Finished, RunState::Failed],
            _ => Vec::new(),
        }
    }

    fn of_call(&self, at: usize, open: &Open) -> Vec<Action> {
        let bounds = &self.bounds;
        if !open.done {
            let is_asked_about = matches!(open.call.call, CallKind::Trigger | CallKind::Confirm);
            if open.late && !bounds.patient {
                return vec![Action::HoldUp(at)];
            }
            let mut actions = vec![Action::Perform(at)];
            if bounds.waits > 0 && is_asked_about {
                actions.push(Action::HoldUp(at));
            }
            if !bounds.plain && open.call.call == CallKind::Trigger {
                actions.push(Action::Refuse(at));
            }
            if self.is_unwanted(open) {
                actions.push(Action::Forgo(at));
            } else if is_asked_about && self.is_paused(open) {
                actions.push(Action::HoldBack(at));
            }
            return actions;
        }
        let mut actions = Vec::new();
        if self.is_over(open) && !bounds.forgetful {
            actions.push(Action::Conclude(at, false));
            if open.call.call == CallKind::Trigger && !bounds.narrow {
                actions.push(Action::Conclude(at, true));
            }
            // The plan may be another than the one that was allowed; a log may say something else; and
            // outputs may be as they were.
            let call = open.call.call;
            if matches!(call, CallKind::ReadLog | CallKind::ReadOutputs)
                || (call == CallKind::ReadPlan && !open.call.preview)
            {
                actions.push(Action::Conclude(at, true));
            }
        }
        // Whoever takes it over looks first, and finds what is there; a cancel goes on until the
        // run has ended.
        if bounds.blind || !self.is_over(open) {
            actions.push(Action::Perform(at));
        }
        actions
    }

    fn is_unwanted(&self, open: &Open) -> bool {
        let asked = |step: &&crate::Step| step.planned.stack == open.call.stack;
        let step = self.chain().steps.iter().find(asked).expect("it is a step of ours");
        let kind = matches!(open.call.call, CallKind::Trigger | CallKind::Confirm);
        kind && step.course.cancel.is_some()
    }

    fn is_paused(&self, open: &Open) -> bool {
        let chain = self.chain();
        let asked = |step: &&crate::Step| step.planned.stack == open.call.stack;
        let is_one = chain.steps.iter().find(asked).is_some_and(|it| it.course.paused.is_some());
        chain.state == ChainState::Paused || (is_one && chain.state != ChainState::Planning)
    }

    fn is_over(&self, open: &Open) -> bool {
        if open.call.call != CallKind::Cancel {
            return true;
        }
        let state = self.of(open).states.last().expect("it was made in a state");
        state.is_terminal() || (state.is_applying() && !open.call.force)
    }

    /// The run a call is about.
    fn of(&self, open: &Open) -> &Run {
        let ours = |run: &&Run| match &open.call.run {
            Some(id) => run.id == *id,
            None => run.mark == Some(open.effect),
        };
        self.runs.iter().find(ours).expect("it took effect")
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

    fn answer(&self, place: usize, outcome: Outcome) -> GateDecided {
        let gate = &self.gates[place];
        let clears = self.bounds.cleared && gate.moment == Moment::BeforeChain;
        GateDecided {
            gate: gate.id,
            chain: self.chain().id,
            moment: gate.moment,
            stack: None,
            revision: gate.revision,
            outcome,
            reasons: vec![Reason::new(contracts::Code::Allowed, "policy says so")],
            policy_digest: "sha256:0".to_owned(),
            policy_commit: None,
            clearance: clears.then(|| Clearance {
                until: DateTime::<Utc>::MAX_UTC,
                asked: Vec::new(),
                looks_back: None,
            }),
        }
    }

    fn read(&mut self, at: usize, call: &Call, differs: bool) -> Step {
        let change = |address: &str| PlannedChange {
            address: address.to_owned(),
            resource_type: "aws_subnet".to_owned(),
            action: "added".to_owned(),
            stack: None,
        };
        let changes = Some(vec![change(if differs { "other" } else { "same" })]);
        let (run, version) = (call.run.clone(), call.plan_version);
        if let (Some(run), Some(version), false) = (run, version, differs || call.preview) {
            self.same.push((run, version));
        }
        self.conclude(at, CallResult::Plan(PlanRead { version, changes, more: 0, unread: None }))
    }

    fn outputs_read(&mut self, at: usize, call: &Call, differ: bool) -> Step {
        let now = outputs(call, if differ { "after" } else { "before" });
        let kept = call.outputs_before.kept(&now);
        if !kept.is_empty() {
            self.kept.push(call.stack.clone());
        }
        self.conclude(at, CallResult::Outputs(kept))
    }

    /// Whether all plans of the chain together were allowed.
    fn is_allowed_as_a_whole(&self) -> bool {
        let whole = |gate: &Asked| gate.moment == Moment::BeforeApply && gate.plan.is_none();
        self.gates.iter().any(|gate| whole(gate) && gate.passed)
    }

    fn enter(&mut self, at: usize, to: RunState, by: &str) -> Step {
        let run = &self.runs[at];
        if to == RunState::Applying {
            let plan = (run.id.clone(), i64::try_from(run.states.len() - 1).expect("it is small"));
            let plans_all = self.chain().course.options.plan_all;
            if plans_all && !self.is_allowed_as_a_whole() {
                return Err(format!("{} applies before all plans were allowed, {by}", run.stack));
            }
            let allowed =
                |gate: &Asked| gate.plan.as_ref() == Some(&plan) && gate.says == Some(true);
            let same = plans_all && self.same.contains(&plan);
            if !self.bounds.cleared && !same && !self.gates.iter().any(allowed) {
                return Err(format!("{} applies a plan that nobody allowed, {by}", run.stack));
            }
            if run.early {
                return Err(format!("{} applies a plan made before its turn, {by}", run.stack));
            }
        }
        self.runs[at].states.push(to);
        Ok(())
    }

    fn poll(&mut self, at: usize) -> Step {
        let newest = self.runs[at].states.len() - 1;
        let seen = self.asked(at, newest);
        let (stack, run) = (seen.report.stack.clone(), seen.report.run.clone());
        let chain = self.chain().id;
        self.tell(Input::Polled(Polled { chain, stack, run, found: Found::Run(seen) }))
    }

    /// Spacelift was asked.
    fn asked(&self, at: usize, version: usize) -> Seen {
        let report = self.report(at, version);
        let entered = &self.runs[at].states[..=version];
        let applied = Some(entered.iter().any(RunState::is_applying));
        Seen { finished: report.state.is_terminal(), asked: true, applied, report }
    }

    fn report(&self, at: usize, version: usize) -> RunReported {
        let run = &self.runs[at];
        let state = run.states[version].clone();
        let number = i64::try_from(version).expect("it is small");
        let flaky = self.bounds.flaky && state == RunState::Failed;
        // Outputs alone may have changed, which no count of resources shows.
        let counts_nothing = self.bounds.settled || !run.states.contains(&RunState::Applying);
        let empty = state == RunState::Finished && counts_nothing && !run.proposed;
        let mut report = report(run.stack.as_str(), state, number);
        report.run = run.id.clone();
        report.run_type = if run.proposed { RunType::Proposed } else { RunType::Tracked };
        report.triggered_by = run.by.as_ref().map(StackId::to_string).or(report.triggered_by);
        report.note = flaky.then(|| "connection reset".to_owned());
        if empty {
            report.delta = Some(Delta::default());
        }
        report
    }

    fn perform(&mut self, at: usize) -> Step {
        let open = self.open[at].clone();
        if open.late && !open.done {
            return Err(format!("{} is called though the yes is too old", open.call.stack));
        }
        let applied = self.applied(&open.call.stack);
        match open.call.call {
            CallKind::Trigger => self.trigger(&open)?,
            CallKind::Confirm | CallKind::Discard => self.act_on_plan(&open)?,
            CallKind::Cancel => self.end_run(&open)?,
            CallKind::Withdraw => self.withdraw(&open),
            CallKind::ReadPlan | CallKind::ReadOutputs | CallKind::ReadLog => {}
        }
        if open.call.call == CallKind::Confirm {
            let applies = |world: &Self| world.of(&open).states.last() == Some(&RunState::Applying);
            // Whoever takes it over finds it done.
            self.open[at].before =
                !open.done && !open.call.outputs.is_empty() && !applied && applies(self);
        }
        self.open[at].done = true;
        Ok(())
    }

    fn trigger(&mut self, open: &Open) -> Step {
        let stack = &open.call.stack;
        if self.adopt(open) {
            return Ok(());
        }
        let ended = |run: &Run| run.states.last().is_some_and(RunState::is_terminal);
        let proposed = open.call.preview;
        let is_rival = |run: &Run| run.stack == *stack && run.proposed == proposed && !ended(run);
        if self.runs.iter().any(is_rival) {
            return Err(format!("two runs of {stack} at once"));
        }
        let id = RunId(format!("run-{stack}-{}", self.runs.len()));
        let (pass, stack) = (self.runs.len(), stack.clone());
        self.runs.push(Run {
            id,
            stack: stack.clone(),
            states: vec![RunState::Queued],
            mark: Some(open.effect),
            proposed,
            pass,
            by: None,
            awaits: false,
            early: false,
        });
        if !proposed {
            self.make_natives(&stack, pass);
        }
        Ok(())
    }

    fn act_on_plan(&mut self, open: &Open) -> Step {
        let run = open.call.run.as_ref().expect("it is about a run");
        let place = self.runs.iter().position(|it| it.id == *run).expect("it is there");
        let version = i64::try_from(self.runs[place].states.len() - 1).expect("it is small");
        let waits = self.runs[place].states.last() == Some(&RunState::Unconfirmed);
        let is_other = open.call.plan_version != Some(version) && !self.bounds.rash;
        if !waits || is_other {
            return Ok(());
        }
        match open.call.call {
            CallKind::Confirm => self.enter(place, RunState::Applying, "confirmed"),
            _ => self.enter(place, RunState::Discarded, "discarded"),
        }
    }

    fn end_run(&mut self, open: &Open) -> Step {
        let run = open.call.run.as_ref().expect("it is about a run");
        let place = self.runs.iter().position(|it| it.id == *run).expect("it is there");
        let to = match self.runs[place].states.last().expect("it was made in a state") {
            RunState::Queued | RunState::Unconfirmed => RunState::Discarded,
            RunState::Planning => RunState::Stopped,
            RunState::Applying if open.call.force => RunState::Failed,
            _ => return Ok(()),
        };
        self.runs[place].states.push(to);
        Ok(())
    }

    /// It has to wait, and so has everything else that was allowed and not done; what waited too long
    /// is given up.
    fn hold_up(&mut self, at: usize) -> Step {
        if self.open[at].late {
            return self.conclude(at, CallResult::HeldUp);
        }
        self.bounds.waits -= 1;
        self.days += 1;
        let now = world_time(self.days);
        for open in self.open.iter_mut().filter(|open| !open.done) {
            open.late = open.call.good_until.is_some_and(|until| until <= now);
        }
        Ok(())
    }

    fn conclude(&mut self, at: usize, result: CallResult) -> Step {
        // Closed in the transaction that decides upon the result.
        let before = self.clone();
        let Open { call, .. } = self.open.remove(at);
        let concluded = Concluded {
            chain: call.chain,
            stack: call.stack,
            call: call.call,
            run: call.run,
            result,
        };
        let done = self.tell(Input::Concluded(concluded));
        if matches!(&done, Err(text) if text == LANE_TAKEN) {
            *self = before;
            return Ok(());
        }
        done
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

    /// Something is decided upon, and what must hold is checked.
    fn tell(&mut self, input: Input) -> Step {
        let is_kept = matches!(input, Input::Concluded(_) | Input::Decided(_));
        let mut chain = self.chain.clone();
        let known = chain.as_mut().expect("it is planned");
        known.changes = crate::Changes::default();
        let story = known.correlation;
        let now = world_time(self.days);
        self.told += 1;
        let decision = match decide_chain(&mut chain, &envelope(self.told, story, input), now) {
            Ok(decision) => decision,
            // Whoever gave the order is told; nothing has changed.
            Err(Refusal::Never { code: contracts::Code::OrderRefused, .. }) => return Ok(()),
            Err(refusal) => return Err(format!("{refusal:?}")),
        };
        let taken = |lane: &str| self.open.iter().any(|open| open.lane == lane);
        if decision.effects.iter().any(|effect| taken(&effect.lane)) {
            // The database refuses a second open effect of a lane, again and again while it is open.
            // A trigger is not asked for before the stack is free, which nobody tells this chain; all
            // else would be lost with what led to it.
            let is_trigger = |effect: &Effect| effect.kind == CallKind::Trigger.as_str();
            if !decision.effects.iter().filter(|it| taken(&it.lane)).all(is_trigger) {
                let lost = decision.effects.iter().map(|it| format!("{} in {}", it.kind, it.lane));
                return Err(format!("a call is refused: {}", lost.collect::<Vec<_>>().join(", ")));
            }
            return if is_kept { Err(LANE_TAKEN.to_owned()) } else { Ok(()) };
        }
        self.chain = chain;
        self.follow(decision)?;
        self.note_waves()?;
        self.check()
    }

    fn follow(&mut self, decision: Decision) -> Step {
        for answer in decision.answers.iter().filter(|answer| answer.kind == "gate.requested") {
            let asked: GateRequested =
                serde_json::from_value(answer.body.clone()).expect("it was written here");
            let of = |step: &&crate::Step| {
                Some(&step.planned.stack) == asked.stacks.first().map(|it| &it.stack)
            };
            let step = self.chain().steps.iter().find(of).expect("it is a step of ours");
            let plan = step.run.as_ref().map(|run| (run.id.clone(), run.version));
            let is_one = asked.moment == Moment::BeforeApply && asked.plans.is_empty();
            let plan = plan.filter(|_| is_one);
            match self.gates.iter_mut().find(|gate| gate.id == asked.gate) {
                Some(gate) if asked.again > gate.again => {
                    (gate.again, gate.says) = (asked.again, None);
                    gate.revision += 1;
                }
                Some(_) => return Err(format!("{} is asked about twice", asked.gate)),
                None => self.gates.push(Asked { plan, ..Asked::new(asked.gate, asked.moment) }),
            }
        }
        let (checks, calls): (Vec<_>, Vec<_>) =
            decision.effects.into_iter().partition(|effect| effect.kind == crate::checks::KIND);
        self.look(&checks)?;
        for effect in calls {
            let call = call(&effect);
            let of = |step: &&crate::Step| step.planned.stack == call.stack;
            let step = self.chain().steps.iter().find(of).expect("it is a step of ours");
            let begins = matches!(call.call, CallKind::Trigger | CallKind::Confirm);
            if call.call == CallKind::Trigger {
                self.may_be_triggered(step)?;
            }
            if begins && step.course.paused.is_some() && !call.preview {
                return Err(format!("{} is paused, and begins {}", call.stack, effect.kind));
            }
            // A plan before anything is applied, and later the run itself, are of one attempt.
            let again = step.course.passed.as_ref().map_or(0, |passed| passed.again);
            let again = u32::try_from(again).expect("it is small");
            let attempt = step.course.attempt + if call.preview { 1_000 } else { 0 };
            let attempt = attempt + 10_000 * again;
            let this = (call.stack.clone(), attempt, call.call);
            if call.call == CallKind::Trigger && self.effects.values().any(|known| *known == this) {
                return Err(format!("{} is triggered twice in one attempt", call.stack));
            }
            if self.effects.insert(effect.id, this).is_some() {
                return Err(format!(
                    "asked for twice, so it is never done: {} {}",
                    call.stack, effect.kind
                ));
            }
            let (effect, lane, runs) = (effect.id, effect.lane, self.runs.len());
            let (done, before, late) = (false, false, false);
            self.open.push(Open { effect, lane, call, done, runs, late, before });
        }
        Ok(())
    }

    /// No run is asked for before the gate of the chain has passed, and in a chain that stops there, none
    /// after the first failure but for what is there for failures.
    fn may_be_triggered(&self, step: &crate::Step) -> Step {
        let (chain, stack) = (self.chain(), &step.planned.stack);
        if !self.gates[0].passed {
            return Err(format!("{stack} is triggered before its chain may begin"));
        }
        let has_failed =
            |step: &&crate::Step| step.state.is_terminal() && step.state != StepState::Finished;
        let stops = chain.course.options.on_failure == OnFailure::Stop && !self.retried;
        let at = chain.place(stack).expect("it is a step of ours");
        match chain.steps.iter().find(has_failed) {
            Some(failed) if stops && chain.conditions(at).is_usual() => {
                Err(format!("{stack} is triggered after {} has failed", failed.planned.stack))
            }
            _ => Ok(()),
        }
    }

    /// Whether any run of a stack applied.
    fn applied(&self, stack: &StackId) -> bool {
        let of = |run: &&Run| run.stack == *stack;
        self.runs.iter().filter(of).any(|run| run.states.contains(&RunState::Applying))
    }

    fn check(&self) -> Step {
        let chain = self.chain();
        let changed = |stack: &StackId| self.applied(stack) && !self.kept.contains(stack);
        for (at, step) in chain.steps.iter().enumerate() {
            let stack = &step.planned.stack;
            let begun = !step.state.is_terminal() && step.state != StepState::Waiting;
            let drafts = chain.state == ChainState::Planning;
            if begun
                && !drafts
                && let Some(wave) = chain.wave_before(at)
            {
                return Err(format!("{stack} is {} before {} is through", step.state, wave.name));
            }
            if begun && !drafts && !chain.standing(at).is_met() {
                return Err(format!("{stack} is {} before its parents are done", step.state));
            }
            if step.course.unchanged && self.applied(stack) {
                return Err(format!("{stack} is said to have changed nothing, and applied"));
            }
            if step.reason.code == contracts::Code::InputsUnchanged
                && chain.shape.parents(at).iter().map(|&it| chain.stack(it)).any(changed)
            {
                return Err(format!("{stack} is not run though a parent applied"));
            }
            if step.reason.text.is_empty() {
                return Err(format!("{stack} does not say why it is {}", step.state));
            }
        }
        let ended = chain.steps.iter().all(|step| step.state.is_terminal());
        if chain.state.is_terminal() != ended {
            return Err(format!("the chain is {} and its steps are not", chain.state));
        }
        Ok(())
    }
}

fn world_time(days: i64) -> DateTime<Utc> {
    at(days * 86_400)
}

/// What a stack shows of the outputs that others read.
fn outputs(call: &Call, value: &str) -> Digests {
    let shown = |name: &String| spacelift::Output {
        name: name.clone(),
        sensitive: false,
        value: Some(value.to_owned().into()),
    };
    let shown: Vec<_> = call.outputs.iter().map(shown).collect();
    Digests::of(call.chain, &call.outputs, &shown)
}

/// The database's word for it.
const LANE_TAKEN: &str = "another call of this lane is open";
