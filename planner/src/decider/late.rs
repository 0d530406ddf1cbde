//! Pushes that are told of after a newer one of their branch was planned: sent again by the host,
//! found later, or overtaken on the way. To run such a commit would take its branch back.

use contracts::{
    Code, Outgoing, Reason,
    chain::ChainKind,
    change::{Change, ChangePushed},
};

use super::told::Came;
use crate::{
    command,
    memory::{Memory, Wish},
    mirror::{Late, Reading},
    plan::Plan,
};

/// A push that a newer one overtook.
#[derive(Debug)]
pub(super) struct Overtaken(Late);

impl Overtaken {
    /// Whether one did: by the mirror, or where that says nothing, by what was pushed on top of it.
    pub(super) fn of(memory: &Memory, wish: &Wish, reading: Option<&Reading>) -> Option<Self> {
        let Wish::Pushed(pushed) = wish else { return None };
        match reading.filter(|reading| reading.trouble.is_none()) {
            Some(reading) => reading.late.clone().map(Self),
            None if pushed.forced => None,
            None => {
                let by = memory.overtook(ChainKind::Deploy, &pushed.change)?.clone();
                Some(Self(Late { by, is_planned: false }))
            }
        }
    }

    /// Why nothing follows from it, if its changes were planned with the newer one.
    pub(super) fn planned(&self, memory: &Memory, change: &Change) -> Option<Reason> {
        if !self.0.is_planned {
            return None;
        }
        let by = &self.0.by;
        let newer = Change { commit: by.clone(), previous: None, ..change.clone() };
        let as_chain = match memory.planned_already(ChainKind::Deploy, &newer) {
            Some(chain) => format!(", as {chain}"),
            None => String::new(),
        };
        let text = format!(
            "commit {} on {} of {} is part of {by}, which is planned already with the changes of \
             both{as_chain}",
            change.commit, change.branch, change.repository
        );
        Some(Reason::new(Code::AlreadyPlanned, text))
    }

    /// The change as it is planned: on the head of its branch.
    pub(super) fn in_place_of(&self, wish: &Wish) -> Wish {
        let commit = self.0.by.clone();
        match wish {
            Wish::Pushed(pushed) => Wish::Pushed(ChangePushed {
                change: Change { commit, ..pushed.change.clone() },
                ..pushed.clone()
            }),
            other => other.clone(),
        }
    }

    /// Remembers what follows from it, and tells of it.
    pub(super) fn concluded(
        &self,
        memory: &mut Memory,
        pushed: &Change,
        plan: Plan,
    ) -> (Outgoing, Came) {
        match plan {
            Plan::Planned(mut planned) => {
                let note = format!(
                    " (pushed with {}, which {} contains already; it runs on that one)",
                    pushed.commit.short(),
                    self.0.by.short(),
                );
                if let Some(first) = planned.steps.first_mut() {
                    first.why.text.push_str(&note);
                }
                memory.remember_late(ChainKind::Deploy, pushed, planned.chain);
                let came = (Some(planned.chain), command::taken(&planned));
                (Outgoing::new(&planned), came)
            }
            Plan::Refused(refused) => (Outgoing::new(&refused), (None, refused.reason)),
            Plan::Ignored(ignored) => (Outgoing::new(&ignored), (None, ignored.reason)),
        }
    }
}
