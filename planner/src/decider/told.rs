//! What is told of a change besides its chain.

use contracts::{
    ChainId, Code, CommitSha, Outgoing, Reason, chain::ChainKind, change::Change, phrase::count,
    stack::HistoryRewritten,
};
use git::History;

use crate::{
    command,
    known::Known,
    memory::{Followed, Memory},
    mirror::Reading,
    plan::Plan,
};

/// Tells of a history that was rewritten, and marks the stacks concerned; or takes the mark from
/// those that are planned anew.
pub(super) fn told_of_history(
    memory: &mut Memory,
    reading: &Reading,
    change: &Change,
    known: &Known,
) -> Option<Outgoing> {
    if reading.trouble.is_some() || reading.call.is_proposal() {
        return None;
    }
    let stacks = reading.concerned(known, change);
    if reading.history != History::Rewritten {
        memory.rewritten = (!stacks.is_empty()).then_some((stacks, None));
        return None;
    }
    let old = change.previous.clone().unwrap_or_else(|| "".into());
    let text = format!(
        "the old head {} of {} in {} is not an ancestor of {}; the code of {} differs between them",
        old.short(),
        change.branch,
        change.repository,
        change.commit.short(),
        count(stacks.len(), "stack"),
    );
    memory.rewritten = (!stacks.is_empty()).then(|| (stacks.clone(), Some(old.0)));
    let reason = Reason::new(Code::HistoryRewritten, text);
    Some(Outgoing::new(&HistoryRewritten { change: change.clone(), stacks, reason }))
}

pub(super) fn superseded(change: &Change, by: &CommitSha) -> Reason {
    let text = format!(
        "{} on {} waited for its turn when {} was pushed on top of it, which is planned with the \
         changes of both",
        change.commit.short(),
        change.branch,
        by.short(),
    );
    Reason::new(Code::Joined, text)
}

pub(super) fn again(change: &Change, chain: ChainId) -> Reason {
    let text = format!(
        "commit {} on {} of {} is planned already, as {chain}",
        change.commit, change.branch, change.repository
    );
    Reason::new(Code::AlreadyPlanned, text)
}

/// What came of a change: the chain, if one follows, and a sentence.
pub(super) type Came = (Option<ChainId>, Reason);

/// Remembers what follows from a change, and tells of it.
pub(crate) fn concluded(
    memory: &mut Memory,
    (kind, change): (ChainKind, &Change),
    plan: Plan,
    reading: Option<&Reading>,
) -> (Outgoing, Came) {
    // What others before it left over stays so, where it is planned without that.
    let is_partial = reading.is_some_and(|reading| reading.is_partial(change));
    let followed = Followed {
        chain: None,
        since: match is_partial {
            true => change.previous.as_ref(),
            false => reading.and_then(|reading| reading.since.as_ref()),
        },
        is_settled: !is_partial && reading.is_none_or(|reading| reading.trouble.is_none()),
    };
    if !followed.is_settled || matches!(plan, Plan::Refused(_)) {
        memory.note_base(kind, change);
    }
    match plan {
        Plan::Planned(planned) => {
            memory.remember(kind, change, Followed { chain: Some(planned.chain), ..followed });
            let came = (Some(planned.chain), command::taken(&planned));
            (Outgoing::new(&planned), came)
        }
        Plan::Refused(refused) => (Outgoing::new(&refused), (None, refused.reason)),
        Plan::Ignored(ignored) => {
            if ignored.reason.code == Code::NothingTouched {
                memory.remember(kind, change, followed);
            }
            (Outgoing::new(&ignored), (None, ignored.reason))
        }
    }
}
