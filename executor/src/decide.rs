//! What happens to a chain when something happens: the executor's one decision.
//!
//! Read [`decide`] first: one line for each input. The rooms behind it are [`gates`], [`runs`],
//! [`calls`] and [`ends`]. Every transition goes through [`Moves::enter`] or
//! [`Moves::chain_enters`], which also write the history.

mod calls;
mod ends;
mod gates;
mod runs;

use chrono::{DateTime, Utc};
use contracts::{
    Code, Envelope, Message, Outgoing, Reason,
    chain::{ChainKind, ChainPlanned, ChainState},
    gate::Moment,
    step::StepState,
};
use store::{Decision, Refusal};
use uuid::Uuid;

use crate::{
    chain::Chain,
    history::{Actor, Operation},
    input::{Input, Seen},
    shape,
};

/// Decides. `None` is a chain nobody has planned yet.
pub fn decide(
    chain: &mut Option<Chain>,
    input: &Envelope<Input>,
    now: DateTime<Utc>,
) -> Result<Decision, Refusal> {
    let Some(chain) = chain else {
        return match &input.body {
            Input::Planned(planned) => plan(chain, planned, input, now),
            _ => Ok(Decision::no_news()),
        };
    };
    let before = std::mem::take(&mut chain.changes);
    let mut moves = Moves::new(chain, input, now);
    match &input.body {
        // Planned twice is planned once.
        Input::Planned(_) => {}
        Input::Decided(decided) => moves.gate_decided(decided),
        Input::Reported(report) => moves.run_reported(&Seen::from(report.clone())),
        Input::Polled(polled) => moves.run_polled(polled),
        Input::Concluded(concluded) => moves.call_concluded(concluded),
        Input::Woken(_) => moves.start_queued(),
    }
    moves.finish_chain();
    let decision = moves.decision;
    let changes = std::mem::take(&mut chain.changes);
    // A report older than what is known, a gate nobody waits for: so it is when it comes again.
    let is_news =
        !(changes.is_none() && decision.answers.is_empty() && decision.effects.is_empty());
    chain.changes = changes.after(before);
    Ok(if is_news { decision } else { Decision::no_news() })
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
    let new = Chain::new(planned.clone(), input.correlation, input.trace.clone(), now);
    let mut moves = Moves::new(chain.insert(new), input, now);
    let (gate, every) = (moves.chain.gate.id, moves.chain.places());
    moves.ask(gate, Moment::BeforeChain, every);
    Ok(moves.decision)
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
}

impl<'a> Moves<'a> {
    fn new(chain: &'a mut Chain, input: &Envelope<Input>, now: DateTime<Utc>) -> Self {
        let actor = match &input.body {
            Input::Planned(_) => Actor::Planner,
            Input::Decided(_) => Actor::Policy,
            Input::Reported(_) | Input::Polled(_) | Input::Concluded(_) => Actor::Spacelift,
            Input::Woken(_) => Actor::Stackly,
        };
        let foreign = input.correlation != chain.correlation;
        Self { chain, decision: Decision::none(), now, cause: input.id, actor, foreign }
    }

    /// A step enters a state.
    fn enter(&mut self, at: usize, state: StepState, reason: Reason) {
        let step = &mut self.chain.steps[at];
        let (stack, from) = (step.planned.stack.clone(), step.state);
        (step.state, step.since, step.misses) = (state, self.now, 0);
        if state != StepState::Triggering {
            step.early.clear();
        }
        if self.chain.kind == ChainKind::Deploy && from.holds_stack() && !state.holds_stack() {
            self.chain.changes.freed.insert(stack.clone());
        }
        self.note(Some(stack), from.as_str(), state.as_str(), &reason);
        self.explain(at, reason);
    }

    /// A step stays where it is, for another reason.
    fn explain(&mut self, at: usize, reason: Reason) {
        self.chain.steps[at].reason = reason;
        self.touch(at);
    }

    fn chain_enters(&mut self, state: ChainState, reason: Reason) {
        self.note(None, self.chain.state.as_str(), state.as_str(), &reason);
        (self.chain.state, self.chain.reason) = (state, reason);
        self.chain.changes.chain = true;
    }

    fn note(
        &mut self,
        stack: Option<contracts::StackId>,
        from: &'static str,
        to: &'static str,
        reason: &Reason,
    ) {
        self.chain.changes.operations.push(Operation {
            stack,
            from,
            to,
            reason: reason.clone(),
            cause: self.cause,
            actor: self.actor,
            at: self.now,
        });
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
