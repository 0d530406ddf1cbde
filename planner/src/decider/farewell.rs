//! What becomes of stacks whose code is gone.

use contracts::{Action, Code, Envelope, Outgoing, Reason, chain::ChainKind, change::Change};
use uuid::Uuid;

use super::Input;
use crate::{
    errand::{Before, Errand},
    mirror::Reading,
    plan::Plan,
    turns::Turn,
};

/// The chains that would destroy what they made: the policies say whether they begin.
pub(super) fn farewell(
    reading: &Reading,
    turn: Option<&Turn>,
    input: &Envelope<Input>,
) -> Vec<Outgoing> {
    let own = || (input.id, input.correlation, input.trace.clone());
    let (event, correlation, trace) = turn.map_or_else(own, Turn::cause);
    let change = match turn {
        Some(Turn::Change(waiting)) => waiting.wish.change().clone(),
        _ => reading.as_change(),
    };
    let plans = farewells(reading, (&change, event));
    plans.iter().map(|plan| plan.told().within(correlation, trace.clone())).collect()
}

/// What would destroy what those stacks made whose code a change takes away.
pub(crate) fn farewells(reading: &Reading, (change, event): (&Change, Uuid)) -> Vec<Plan> {
    let (gone, Some(known)) = (&reading.gone, &reading.known) else { return Vec::new() };
    if gone.is_empty() || reading.registration.is_none() {
        return Vec::new();
    }
    let before = reading.before.as_deref();
    let before = before.map(|known| Before { known, asked: &reading.asked });
    let text = "its code is gone; the policies say whether what it made is destroyed";
    let why = Reason::new(Code::CodeGone, text);
    let (action, kind) = (Action::Deregister, ChainKind::Deploy);
    Errand { action, kind, change, why: &why, event }.plans(gone, known, before)
}
