//! What people ask for at a pull request: `stackly plan` and `stackly apply`.
//!
//! A plan is made anew for the newest head that we were told of, however often that was planned. An
//! apply is never made: what a pull request proposes is not part of the branch that its stacks
//! track, and the next push to that branch would take it back. Merging it is what applies it.

use contracts::{
    ChainId, Code, Reason,
    chain::ChainPlanned,
    change::{ChangeAnswered, ChangeCommanded, Command},
    phrase::count,
};
use uuid::Uuid;

use crate::memory::{Commanded, Memory, Wish};

/// Whether it is for us to follow it. Approvals and the like are carried out where they are heard.
pub(crate) fn is_ours(said: &ChangeCommanded) -> bool {
    matches!(said.command, Command::Plan | Command::Apply) && said.pull_request.is_some()
}

/// What is to be planned, or why nothing is.
pub(crate) fn wish(memory: &Memory, said: &ChangeCommanded) -> Result<Wish, Reason> {
    let refused = |text: String| Err(Reason::new(Code::CommandRefused, text));
    let number = said.pull_request.unwrap_or_default();
    let open = memory.open(number);
    match (said.command, open) {
        (Command::Plan, Some(open)) => {
            let mut proposed = open.clone();
            if let Some(commit) = &said.commit {
                proposed.change.commit.clone_from(commit);
            }
            Ok(Wish::Commanded(Box::new(Commanded { proposed, said: said.clone() })))
        }
        (Command::Plan, None) => refused(format!(
            "nothing is known of an open pull request {number}; push to it or reopen it, which has \
             it planned by itself"
        )),
        (_, Some(open)) => refused(format!(
            "pull request {number} is not merged, and what is not on {} is never applied: the next \
             push there would take it back; merge it, which applies it by itself",
            open.change.branch
        )),
        (_, None) => refused(format!(
            "pull request {number} is not open, as far as is known: what was merged is applied \
             because of the push that merged it; `stackly retry` tries again what failed"
        )),
    }
}

/// What is said about a plan that follows.
pub(crate) fn taken(planned: &ChainPlanned) -> Reason {
    let text = format!(
        "{} is planned on {}, as {}; nothing is applied",
        planned.change.commit.short(),
        count(planned.steps.len(), "stack"),
        planned.chain,
    );
    Reason::new(Code::CommandTaken, text)
}

/// The answer to what a person asked for; none where they did not speak at a pull request.
pub(crate) fn answer(
    said: &ChangeCommanded,
    event: Uuid,
    chain: Option<ChainId>,
    reason: Reason,
) -> Option<ChangeAnswered> {
    Some(ChangeAnswered {
        repository: said.repository.clone(),
        pull_request: said.pull_request?,
        command: said.command,
        by: said.by.clone(),
        event: event.to_string(),
        chain,
        reason,
    })
}
