//! What happens to a chain when something happens: the executor's one decision.
//!
//! Read [`decide`] and [`decide_chain`] first: one line for each input. The modules behind them are
//! [`gates`], [`passed`], [`runs`], [`share`], [`calls`], [`natives`], [`starts`], [`waves`],
//! [`health`], [`hooks`], [`ends`], [`outputs`], [`logs`], [`drafts`], [`orders`], [`loose`],
//! [`unknown`] and [`again`]. Every transition goes through [`Moves::enter`] or
//! [`Moves::chain_enters`], which look it up in the table of [`crate::machine`] and write the history.
//! What is not in the table is refused together with the input that led to it.

mod again;
mod calls;
mod drafts;
mod ends;
mod gates;
mod health;
mod hooks;
mod logs;
mod loose;
mod natives;
mod orders;
mod outputs;
mod passed;
mod runs;
mod share;
mod starts;
mod unknown;
mod waves;

use chrono::{DateTime, Utc};
use contracts::{
    Code, Envelope, Message, Outgoing, Reason,
    chain::{ChainPlanned, ChainState},
    gate::Moment,
    stack::StackReassociated,
    step::{StepState, StepStuck, StepSummary},
};
use store::{Decision, Refusal};
use uuid::Uuid;

use crate::{
    chain::Chain,
    decider::State,
    history::{Actor, Operation},
    input::{Input, Overdue, Seen},
    lock,
    machine::{self, ChainEvent, StepEvent},
    shape,
    step::Step,
    store::CodeBack,
};

pub(crate) use runs::says_unchanged;

/// Decides about what is kept under a key.
pub(crate) fn decide(
    state: &mut State,
    input: &Envelope<Input>,
    now: DateTime<Utc>,
) -> Result<Decision, Refusal> {
    match (&input.body, &state.chain) {
        (Input::Lock(of_lock), _) => lock::decide(&mut state.lock, of_lock, input, now),
        (Input::Reassociated(StackReassociated { stack, reason, .. }), _) => {
            let (stack, reason) = (stack.clone(), reason.clone());
            state.code_back = Some(CodeBack { stack, at: input.time, reason });
            Ok(Decision::none().idempotent())
        }
        (Input::Withdrawn(withdrawn), None) => {
            state.withdrawn = Some((withdrawn.clone(), now));
            Ok(Decision::none().idempotent())
        }
        _ => decide_chain(&mut state.chain, input, now),
    }
}

/// Decides about a chain. `None` is one nobody has planned yet.
pub fn decide_chain(
    chain: &mut Option<Chain>,
    input: &Envelope<Input>,
    now: DateTime<Utc>,
) -> Result<Decision, Refusal> {
    let Some(chain) = chain else {
        return match &input.body {
            Input::Planned(planned) => plan(chain, planned, input, now),
            Input::Ordered(order) => Err(orders::unknown(order)),
            Input::Answered(answered) => Err(health::unknown(answered)),
            _ => Ok(Decision::no_news()),
        };
    };
    let before = std::mem::take(&mut chain.changes);
    let mut moves = Moves::new(chain, input, now);
    moves.heed_code();
    match &input.body {
        // Planned twice is planned once.
        Input::Planned(_) => {}
        Input::Decided(decided) => moves.gate_decided(decided),
        Input::Reported(report) => moves.run_reported(&Seen::from(report.clone())),
        Input::Polled(polled) => moves.run_polled(polled),
        Input::Concluded(concluded) => moves.call_concluded(concluded),
        Input::Checked(checked) => moves.health_answered(checked),
        Input::Answered(answered) => moves.hook_answered(answered)?,
        Input::Ordered(order) => moves.ordered(order)?,
        Input::Overdue(overdue) => moves.remind(overdue),
        Input::Superseded(superseded) => moves.superseded(superseded),
        Input::Withdrawn(withdrawn) => moves.call_off(&withdrawn.reason),
        // They are a stack's, and no chain's.
        Input::Lock(_) | Input::Reassociated(_) => {}
        Input::Woken(_) => {
            moves.start_queued();
            moves.retry_due();
        }
    }
    moves.plans_known();
    moves.roll_out();
    moves.finish_chain();
    let decision = moves.done()?;
    let changes = std::mem::take(&mut chain.changes);
    // A report older than what is known, a gate nobody waits for: so it is when it comes again.
    let is_news =
        !(changes.is_none() && decision.answers.is_empty() && decision.effects.is_empty());
    chain.changes = changes.after(before);
    Ok(match &input.body {
        _ if !is_news => Decision::no_news(),
        // States of a run are numbered: told again, it is older than what is known.
        Input::Reported(_) => decision.idempotent(),
        _ => decision,
    })
}

/// When a chain wants to be woken: at the next attempt of one of its steps, when a wave has soaked,
/// and when its health is to be looked at, or an answer about that is overdue.
pub fn wake_at(chain: &Chain) -> Option<DateTime<Utc>> {
    match chain.state {
        ChainState::Running | ChainState::Planning => {
            let goes_on =
                |step: &&Step| chain.state == ChainState::Planning || step.course.paused.is_none();
            let steps = chain.steps.iter().filter(goes_on);
            let retries = steps.filter_map(|step| step.course.retry_at);
            retries.chain(chain.course.rollout.wake_at()).min()
        }
        _ => None,
    }
}

fn plan(
    chain: &mut Option<Chain>,
    planned: &ChainPlanned,
    input: &Envelope<Input>,
    now: DateTime<Utc>,
) -> Result<Decision, Refusal> {
    if let Some(fault) = shape::fault(&planned.steps, &planned.edges) {
        let text = format!("{} cannot be followed to its end: {fault}", planned.chain);
        return Err(Refusal::Never { code: Code::Unreadable, text });
    }
    let new = Chain::new(planned.clone(), input.correlation, input.trace.clone(), input.time, now);
    let mut moves = Moves::new(chain.insert(new), input, now);
    if !moves.deny_autodeploys() {
        let (gate, every) = (moves.chain.gate.id, moves.chain.places());
        moves.ask(gate, Moment::BeforeChain, every);
    }
    moves.done()
}

/// A chain being changed, and what is to be done because of it.
struct Moves<'a> {
    chain: &'a mut Chain,
    decision: Decision,
    now: DateTime<Utc>,
    cause: Uuid,
    actor: Actor,
    /// The input began a story of its own (a webhook); what follows belongs to the chain's.
    foreign: bool,
    /// The first transition that is not in the table.
    illegal: Option<String>,
}

impl<'a> Moves<'a> {
    fn new(chain: &'a mut Chain, input: &Envelope<Input>, now: DateTime<Utc>) -> Self {
        let actor = match &input.body {
            Input::Planned(_) | Input::Reassociated(_) | Input::Withdrawn(_) => Actor::Planner,
            Input::Decided(_) => Actor::Policy,
            Input::Reported(_) | Input::Polled(_) | Input::Concluded(_) => Actor::Spacelift,
            Input::Ordered(order) => Actor::person(&order.said.by),
            Input::Answered(answered) => Actor::person(&answered.by),
            Input::Overdue(_)
            | Input::Superseded(_)
            | Input::Checked(_)
            | Input::Lock(_)
            | Input::Woken(_) => Actor::Stackly,
        };
        let foreign = input.correlation != chain.correlation;
        let decision = Decision::none();
        Self { chain, decision, now, cause: input.id, actor, foreign, illegal: None }
    }

    /// What was decided; nothing at all if a step of it is not in the table.
    fn done(self) -> Result<Decision, Refusal> {
        match self.illegal {
            None => Ok(self.decision),
            Some(text) => {
                tracing::error!(chain.id = %self.chain.id, text, "an illegal transition is refused");
                Err(Refusal::Never { code: Code::IllegalTransition, text })
            }
        }
    }

    /// Something happens to a step: it enters the state the table gives.
    fn enter(&mut self, at: usize, event: StepEvent, reason: Reason) {
        let step = &mut self.chain.steps[at];
        let (stack, from) = (step.planned.stack.clone(), step.state);
        let Some(state) = machine::next(machine::STEP, from, event) else {
            return self.refuse(&stack.to_string(), from.as_str(), event.as_str());
        };
        (step.state, step.since, step.misses) = (state, self.now, 0);
        (step.course.allowed, step.course.reminded, step.course.retry_at) = (None, None, None);
        (step.course.failed, step.course.withheld) = (None, false);
        if state != StepState::Triggering {
            step.early.clear();
        }
        if !state.holds_stack() {
            step.course.cancel = None;
        }
        if machine::next(machine::STEP, state, StepEvent::Paused).is_none() {
            step.course.paused = None;
        }
        let left = from.holds_stack() || matches!(from, StepState::Queued | StepState::Unknown);
        if left && !state.holds_stack() {
            self.chain.changes.freed.insert(stack.clone());
        }
        self.note(Some(stack), (from.as_str(), event.as_str(), state.as_str()), &reason);
        self.explain(at, reason);
        self.withdraw_below(at, from, event);
    }

    /// Something is said of a step that stays where it is.
    fn mark(&mut self, at: usize, event: StepEvent, reason: &Reason) {
        let (stack, state) = (self.chain.stack(at).clone(), self.chain.steps[at].state);
        if machine::next(machine::STEP, state, event) != Some(state) {
            return self.refuse(&stack.to_string(), state.as_str(), event.as_str());
        }
        self.note(Some(stack), (state.as_str(), event.as_str(), state.as_str()), reason);
        self.touch(at);
    }

    fn refuse(&mut self, what: &str, from: &str, event: &str) {
        let chain = self.chain.id;
        let text = format!("{what} of {chain} is {from}, where `{event}` must not happen");
        self.illegal.get_or_insert(text);
    }

    /// A step stays where it is, for another reason.
    fn explain(&mut self, at: usize, reason: Reason) {
        self.chain.steps[at].reason = reason;
        self.touch(at);
    }

    fn chain_enters(&mut self, event: ChainEvent, reason: Reason) {
        let from = self.chain.state;
        let Some(state) = machine::next(machine::CHAIN, from, event) else {
            return self.refuse("the state", from.as_str(), event.as_str());
        };
        self.note(None, (from.as_str(), event.as_str(), state.as_str()), &reason);
        (self.chain.state, self.chain.reason) = (state, reason);
        self.chain.changes.chain = true;
    }

    fn note(
        &mut self,
        stack: Option<contracts::StackId>,
        (from, event, to): (&'static str, &'static str, &'static str),
        reason: &Reason,
    ) {
        self.chain.changes.operations.push(Operation {
            stack,
            from,
            to,
            event,
            reason: reason.clone(),
            cause: self.cause,
            actor: self.actor.clone(),
            at: self.now,
        });
    }

    /// A step waits for longer than it should: people are told, once for each state and finding.
    fn remind(&mut self, overdue: &Overdue) {
        let Some(at) = self.chain.place(&overdue.stack) else { return };
        let step = &mut self.chain.steps[at];
        let code = overdue.reason.code;
        let is_over = step.state.is_terminal() && !step.keeps_stack();
        let is_past = is_over || step.since != overdue.since;
        if is_past || step.course.reminded == Some(code) {
            return;
        }
        step.course.reminded = Some(code);
        let step = StepSummary { reason: overdue.reason.clone(), ..step.summary() };
        self.touch(at);
        self.send(&StepStuck { chain: self.chain.id, step, mend: overdue.mend.clone() });
    }

    fn touch(&mut self, at: usize) {
        self.chain.changes.steps.insert(at);
    }

    fn send<M: Message>(&mut self, message: &M) {
        let mut outgoing = Outgoing::new(message);
        if self.foreign {
            outgoing = outgoing.within(self.chain.correlation, self.chain.trace.clone());
        }
        self.decision.answers.push(outgoing);
    }
}

#[cfg(test)]
mod tests;
