//! What follows from a change, as soon as enough is known to tell.

use chrono::{DateTime, Utc};
use contracts::{ChainId, Code, Outgoing, Reason, chain::ChainKind};

use super::{
    Planner,
    late::Overtaken,
    told::{Came, again, concluded, told_of_history},
};
use crate::{
    command,
    known::{Known, Snapshot},
    memory::{Memory, Waiting, Wish},
    mirror::Reading,
    plan::{self, Plan, Request},
    turns::Turn,
    validate,
};

impl Planner {
    /// The answers to a change that waited, within its own story.
    pub(super) fn told(
        &self,
        memory: &mut Memory,
        waiting: Waiting,
        reading: Option<&Reading>,
        now: DateTime<Utc>,
    ) -> Vec<Outgoing> {
        let (correlation, trace) = (waiting.correlation, waiting.trace.clone());
        let answers = self.consider(memory, waiting, reading, now);
        answers.into_iter().map(|answer| answer.within(correlation, trace.clone())).collect()
    }

    /// The answers to a change; none if it has to wait. Who asked for it is answered as well.
    pub(super) fn consider(
        &self,
        memory: &mut Memory,
        waiting: Waiting,
        reading: Option<&Reading>,
        now: DateTime<Utc>,
    ) -> Vec<Outgoing> {
        let said = waiting.wish.said().cloned();
        let event = waiting.event;
        let (mut answers, came) = self.considered(memory, waiting, reading, now);
        if let (Some(said), Some((chain, reason))) = (said, came) {
            let answer = command::answer(&said, event, chain, reason);
            answers.extend(answer.map(|answer| Outgoing::new(&answer)));
        }
        answers
    }

    /// The same, and what came of it.
    fn considered(
        &self,
        memory: &mut Memory,
        waiting: Waiting,
        reading: Option<&Reading>,
        now: DateTime<Utc>,
    ) -> (Vec<Outgoing>, Option<Came>) {
        let change = waiting.wish.change();
        if let Some(reason) = self.speaks_against(memory, &waiting.wish) {
            memory.forget_tag(&waiting.wish);
            return ignored(&waiting.wish, reason);
        }
        let Some(Snapshot { known, as_of }) = self.shelf.snapshot() else {
            memory.wait(seen(waiting, reading), now);
            return (Vec::new(), None);
        };
        let read = reading.and_then(|reading| Some((reading.known.clone()?, reading.as_of)));
        // What was read is as old as what it was made of, which another replica may have known.
        let (known, as_of) = match read {
            Some((read, at)) => (read, at.unwrap_or(as_of)),
            None => (known, as_of),
        };
        let is_stale = as_of < waiting.since;
        if waiting.wish.is_tag() {
            return of_tag(memory, waiting, (&known, is_stale), now);
        }
        let is_tracked = plan::is_tracked(&known, change);
        // What touched nothing when it was looked at is looked at anew only with newer stacks.
        let waits_on = reading.is_none() && waiting.looks > 0;
        if is_stale && (!is_tracked || waits_on) {
            memory.wait(seen(waiting, reading), now);
            return (Vec::new(), None);
        }
        if self.reads_code && reading.is_none() && is_tracked {
            memory.turns.push(Turn::Change(Box::new(waiting)));
            return (Vec::new(), None);
        }
        let overtaken = Overtaken::of(memory, &waiting.wish, reading);
        if let Some(reason) = overtaken.as_ref().and_then(|it| it.planned(memory, change)) {
            return ignored(&waiting.wish, reason);
        }
        let on_head = overtaken.as_ref().map(|it| it.in_place_of(&waiting.wish));
        let (wish, kind) = (on_head.as_ref().unwrap_or(&waiting.wish), waiting.wish.kind());
        let chain = (ChainId::derived(&waiting.event, "chain"), kind);
        let plan = planned(&known, chain, wish, reading);
        // What it changes may be the code of a stack that was made a moment ago.
        if is_stale && touches_nothing(&plan) {
            memory.wait(seen(waiting, reading), now);
            return (Vec::new(), None);
        }
        let history = reading.and_then(|it| told_of_history(memory, it, wish.change(), &known));
        let mut answers: Vec<Outgoing> = history.into_iter().collect();
        if let Some(reading) = reading.filter(|it| self.validates && it.can_be_validated()) {
            let look = reading.call.clone();
            memory.to_validate.push(validate::Call { look, waiting, plan });
            return (answers, None);
        }
        let (answer, came) = match &overtaken {
            Some(overtaken) => overtaken.concluded(memory, change, plan),
            None => concluded(memory, (kind, change), plan, reading),
        };
        let is_unread = |it: &Reading| it.trouble.is_some() && !it.is_undecidable;
        if reading.is_some_and(is_unread) && came.0.is_none() {
            memory.keep_unread(seen(waiting, reading), now);
        }
        answers.push(answer);
        (answers, Some(came))
    }

    /// Why nothing follows from a change, whatever the catalogue says.
    fn speaks_against(&self, memory: &Memory, wish: &Wish) -> Option<Reason> {
        let refused = wish.no_chain(self.previews_from_forks);
        // Who asks for it wants it again.
        let is_asked_for = wish.said().is_some();
        let planned = memory.planned_already(wish.kind(), &wish.as_head());
        let planned = planned.filter(|_| !is_asked_for);
        let refused = refused.or_else(|| memory.closed(wish.change()));
        let refused = refused.or_else(|| memory.retargeted(wish.change()));
        let refused = refused.or_else(|| match wish {
            Wish::Proposed(proposed) => memory.changed_since(proposed),
            Wish::Pushed(_) | Wish::Commanded(_) => None,
        });
        refused.or_else(|| planned.map(|chain| again(wish.change(), chain)))
    }
}

fn touches_nothing(plan: &Plan) -> bool {
    matches!(plan, Plan::Ignored(ignored) if ignored.reason.code == Code::NothingTouched)
}

/// A change that waits, after it was looked at.
fn seen(waiting: Waiting, reading: Option<&Reading>) -> Waiting {
    let is_missing = reading.is_some_and(|reading| reading.is_missing);
    Waiting {
        looks: waiting.looks + u32::from(reading.is_some()),
        missing: waiting.missing + u32::from(is_missing),
        ..waiting
    }
}

fn ignored(wish: &Wish, reason: Reason) -> (Vec<Outgoing>, Option<Came>) {
    let ignored = Plan::ignored((wish.kind(), wish.change()), reason.clone());
    (vec![ignored.told()], Some((None, reason)))
}

/// What follows from a change, as far as is known.
fn planned(
    known: &Known,
    (chain, kind): (ChainId, ChainKind),
    wish: &Wish,
    reading: Option<&Reading>,
) -> Plan {
    if let Some(reading) = reading {
        return reading.plan(known, (chain, kind), wish);
    }
    plan::propose(known, &Request { kind, ..wish.request(chain) })
}

/// What follows from a tag. Nobody has its code read for that.
fn of_tag(
    memory: &mut Memory,
    waiting: Waiting,
    (known, is_stale): (&Known, bool),
    now: DateTime<Utc>,
) -> (Vec<Outgoing>, Option<Came>) {
    let (wish, kind) = (&waiting.wish, waiting.wish.kind());
    let chain = ChainId::derived(&waiting.event, "chain");
    let plan = plan::tag::propose(known, &wish.request(chain));
    // The stack that goes by it may have got its label a moment ago.
    if is_stale && matches!(plan, Plan::Ignored(_)) {
        memory.wait(waiting, now);
        return (Vec::new(), None);
    }
    let (answer, came) = concluded(memory, (kind, &wish.as_head()), plan, None);
    (vec![answer], Some(came))
}
