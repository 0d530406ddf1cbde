//! The lock that a person takes on a stack through us, and what becomes of it.
//!
//! Spacelift lets whoever has a stack locked run it, and that is us. So the lock is kept here as well,
//! and chains wait for it as they wait for one another.

use std::fmt;

use chrono::{DateTime, Utc};
use contracts::{
    Code, Envelope, Reason, StackId,
    order::{StackLocked, StackUnlocked},
    plain,
};
use serde::{Deserialize, Serialize};
use store::{Decision, Effect, Refusal};
use uuid::{Builder, Uuid};

mod input;
mod whose;

pub(crate) use input::{LockCall, LockInput, LockKind, LockResult, LockWord};
pub(crate) use whose::{Whose, theirs};

use crate::{
    course::Said,
    history::{Actor, Operation},
    machine::{self, LockEvent},
};

/// How the lock on a stack stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockState {
    /// Nobody has it locked through us.
    Free,
    /// Spacelift is asked to lock it.
    Locking,
    /// It is locked.
    Locked,
    /// Spacelift is asked to take the lock off.
    Unlocking,
}

/// The lock on a stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lock {
    /// The stack.
    pub stack: StackId,
    /// How it stands.
    pub state: LockState,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who had it locked, why and when.
    pub said: Said,
    /// By which our lock is known in Spacelift.
    pub mark: String,
    /// What happened since it was read.
    pub operations: Vec<Operation>,
}

/// The lock on a stack in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockLine {
    /// The stack.
    pub stack: StackId,
    /// How it stands.
    pub state: LockState,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who had it locked last, why and when.
    pub said: Said,
    /// Why the call to Spacelift is not through, if one is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Reason>,
}

impl LockState {
    /// The state as written in messages and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Locking => "locking",
            Self::Locked => "locked",
            Self::Unlocking => "unlocking",
        }
    }

    /// Whether a call about it is under way.
    pub(crate) const fn is_moving(self) -> bool {
        matches!(self, Self::Locking | Self::Unlocking)
    }
}

impl fmt::Display for LockState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The lane of the calls about the lock on a stack: not that of its runs, which go on.
pub(crate) fn lane(stack: &StackId) -> String {
    format!("lock/{stack}")
}

/// The key of the lock on a stack, and of whatever else is kept of one. Its version tells it from that
/// of a chain, so that a batch about chains alone asks nothing more.
pub(crate) fn key(stack: &StackId) -> Uuid {
    let name = Uuid::new_v5(&contracts::id::NAMESPACE, lane(stack).as_bytes());
    Builder::from_custom_bytes(name.into_bytes()).into_uuid()
}

/// Whether a key is that of a stack.
pub(crate) fn is_key(key: Uuid) -> bool {
    key.get_version() == Some(uuid::Version::Custom)
}

/// Who has locked it, since when and why.
pub(crate) fn phrase(said: &Said) -> String {
    let Said { by, note, at } = said.clone();
    spacelift::Lock { by, note, at: Some(at) }.to_string()
}

/// Decides what follows for the lock on a stack; none if nobody ever locked it.
pub(crate) fn decide(
    lock: &mut Option<Lock>,
    input: &LockInput,
    from: &Envelope<crate::Input>,
    now: DateTime<Utc>,
) -> Result<Decision, Refusal> {
    match (&input.what, input.kind) {
        (LockWord::Ordered { said, .. }, LockKind::Lock) => {
            if let Some(held) = lock.as_ref().filter(|lock| lock.state != LockState::Free) {
                return Err(held.refuse_lock());
            }
            let lock = lock.insert(Lock::new(&input.stack, said, from.id, now));
            ordered(lock, input.kind, said, from, now)
        }
        (LockWord::Ordered { said, force }, LockKind::Unlock) => {
            let lock = lock.as_mut().ok_or_else(|| not_locked(&input.stack))?;
            lock.may_be_taken_off(said, *force)?;
            ordered(lock, input.kind, said, from, now)
        }
        (LockWord::Concluded { result, said }, kind) => match lock {
            Some(lock) => lock.concluded((kind, result), said.as_ref(), from.id, now),
            None => Ok(Decision::no_news()),
        },
        (LockWord::TakenOff { mark, reason }, _) => match lock {
            Some(lock) if lock.state == LockState::Locked && lock.mark == *mark => {
                lock.enter(LockEvent::TakenOff, reason.clone(), (Actor::Spacelift, from.id), now)?;
                Ok(lock.told(LockEvent::TakenOff, None))
            }
            _ => Ok(Decision::no_news()),
        },
    }
}

fn not_locked(stack: &StackId) -> Refusal {
    let text = format!(
        "nobody has locked {stack} with `stackly lock`; what was locked in Spacelift is unlocked \
         there, by whoever locked it"
    );
    Refusal::Never { code: Code::OrderRefused, text }
}

/// The intent of a call, and that it was asked for.
fn ordered(
    lock: &mut Lock,
    kind: LockKind,
    said: &Said,
    from: &Envelope<crate::Input>,
    now: DateTime<Utc>,
) -> Result<Decision, Refusal> {
    let (event, what) = match kind {
        LockKind::Lock => (LockEvent::LockAsked, "locked"),
        LockKind::Unlock => (LockEvent::UnlockAsked, "unlocked"),
    };
    let reason = Reason::new(Code::StackLocked, format!("to be {what} {}", said.phrase()));
    lock.enter(event, reason, (Actor::person(&said.by), from.id), now)?;
    let call = LockCall {
        call: kind,
        stack: lock.stack.clone(),
        note: format!("Locked through Stackly {} [{}]", said.phrase(), lock.mark),
        mark: lock.mark.clone(),
        said: Some(said.clone()),
    };
    let key = key(&lock.stack);
    let mut decision = Decision::none();
    decision.effect(Effect {
        id: Uuid::new_v5(&key, from.id.as_bytes()),
        key,
        lane: lane(&lock.stack),
        kind: kind.as_str(),
        body: plain(&call),
        correlation: from.correlation,
        trace: None,
    });
    Ok(decision)
}

impl Lock {
    /// A stack that nobody has locked, to be locked by somebody.
    fn new(stack: &StackId, said: &Said, order: Uuid, now: DateTime<Utc>) -> Self {
        Self {
            stack: stack.clone(),
            state: LockState::Free,
            reason: Reason::new(Code::Allowed, "nobody has locked it"),
            since: now,
            said: said.clone(),
            mark: format!("stackly {order}"),
            operations: Vec::new(),
        }
    }

    /// Who has it keeps it.
    fn refuse_lock(&self) -> Refusal {
        let Self { stack, state, said, .. } = self;
        let text = format!("{stack} is {state}: {}; see `stackly locks`", phrase(said));
        Refusal::Never { code: Code::StackLocked, text }
    }

    /// Refuses to take off what is not there, or somebody else's without force.
    fn may_be_taken_off(&self, said: &Said, force: bool) -> Result<(), Refusal> {
        let Self { stack, state, .. } = self;
        let (code, text) = match state {
            LockState::Free => return Err(not_locked(stack)),
            LockState::Locked if force || said.by == self.said.by => return Ok(()),
            LockState::Locked => {
                let who = phrase(&self.said);
                (Code::StackLocked, format!("{who}; `--force` takes the lock of somebody else off"))
            }
            LockState::Locking => {
                let text = format!("Spacelift has not locked {stack} yet; see `stackly locks`");
                (Code::OrderRefused, text)
            }
            LockState::Unlocking => {
                (Code::OrderRefused, format!("{stack} is being unlocked already"))
            }
        };
        Err(Refusal::Never { code, text })
    }

    fn concluded(
        &mut self,
        (kind, result): (LockKind, &LockResult),
        said: Option<&Said>,
        cause: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        let (event, reason) = match (kind, result) {
            (LockKind::Lock, LockResult::Done) => {
                (LockEvent::Locked, Reason::new(Code::StackLocked, phrase(&self.said)))
            }
            (LockKind::Unlock, LockResult::Done) => {
                (LockEvent::Unlocked, Reason::new(Code::Allowed, self.unlocked(said)))
            }
            (LockKind::Unlock, LockResult::Gone(reason)) => (LockEvent::Unlocked, reason.clone()),
            (LockKind::Unlock, LockResult::Refused(reason)) => {
                (LockEvent::UnlockRefused, reason.clone())
            }
            (LockKind::Lock, LockResult::Gone(reason) | LockResult::Refused(reason)) => {
                (LockEvent::LockRefused, reason.clone())
            }
        };
        self.enter(event, reason, (Actor::Spacelift, cause), now)?;
        Ok(self.told(event, said))
    }

    /// `unlocked by bob: it is moved; jane had locked it`.
    fn unlocked(&self, said: Option<&Said>) -> String {
        let locker = &self.said.by;
        match said {
            None => "unlocked".to_owned(),
            Some(said) if said.by == *locker => format!("unlocked {}", said.phrase()),
            Some(said) => format!("unlocked {}; {locker} had locked it", said.phrase()),
        }
    }

    /// What people are told: that the lock is there, or gone.
    fn told(&self, event: LockEvent, said: Option<&Said>) -> Decision {
        let mut decision = Decision::none();
        let (stack, reason) = (self.stack.clone(), self.reason.clone());
        match event {
            LockEvent::Locked => {
                let Said { by, at, .. } = self.said.clone();
                decision.send(&StackLocked { stack, by, reason, at });
            }
            LockEvent::Unlocked | LockEvent::TakenOff => {
                let by = said.map(|said| said.by.clone());
                decision.send(&StackUnlocked { stack, by, reason, at: self.since });
            }
            _ => {}
        }
        decision
    }

    fn enter(
        &mut self,
        event: LockEvent,
        reason: Reason,
        (actor, cause): (Actor, Uuid),
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let from = self.state;
        let Some(state) = machine::next(machine::LOCK, from, event) else {
            let stack = &self.stack;
            let text = format!("the lock on {stack} is {from}, where `{event}` must not happen");
            return Err(Refusal::Never { code: Code::IllegalTransition, text });
        };
        self.operations.push(Operation {
            stack: Some(self.stack.clone()),
            from: from.as_str(),
            to: state.as_str(),
            event: event.as_str(),
            reason: reason.clone(),
            cause,
            actor,
            at: now,
        });
        (self.state, self.reason, self.since) = (state, reason, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
