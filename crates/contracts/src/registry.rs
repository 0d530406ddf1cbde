//! Every message type there is, as data: what documents, tests and tools go through.
//!
//! A type that is missing here has no schema, no snapshot and no row in `docs/EVENTS.md`; a test of
//! the whole workspace fails when a service takes or gives a type that is not in [`EVENTS`].

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::{
    Message, Outgoing, UpgradeError,
    catalogue::{AccountAlerted, AccountAudited},
    chain::{
        ChainFinished, ChainIgnored, ChainPlanned, ChainRefused, ChainStarted, ChainWithdrawn,
    },
    change::{
        ChangeAnswered, ChangeClosed, ChangeCommanded, ChangeLabelled, ChangeProposed,
        ChangePushed, ChangeReleased,
    },
    check::{AnswerCheck, CheckAsked},
    gate::{
        AnswerHook, GateDecided, GateOverridden, GateReminded, GateRequested, HookAsked,
        OverrideGate, ReviewCommit, ReviewGate,
    },
    hook::{HookCalled, HookReceived, ReplayDeliveries, RetryNotices},
    order::{
        CancelChain, ChainOrdered, LockStack, PauseChain, ResumeChain, RetryChain, StackLocked,
        StackUnlocked, UnlockStack,
    },
    policies::{PoliciesRefused, PoliciesReplaced, SwitchLine},
    run::RunReported,
    stack::{
        AdoptStack, DestroyStacks, FixDrift, HistoryRewritten, StackLoosened, StackReassociated,
        StackRegistered, StackRetired, StackUpdated,
    },
    step::{StepApplying, StepFinished, StepPlanned, StepRetrying, StepStarted, StepStuck},
    subject,
    validation::ChangeValidated,
};

mod sample;

/// One message type.
#[derive(Debug, Clone, Copy)]
pub struct MessageDescription {
    /// [`Message::TYPE`].
    pub kind: &'static str,
    /// [`Message::VERSION`]: the shape this build writes.
    pub version: u32,
    /// [`Message::MEANING`].
    pub meaning: &'static str,
    /// What [`Message::key`] is: the last token of the subject, and `ce-subject`.
    pub key: &'static str,
    /// The JSON Schema of the body, complete in itself.
    pub schema: fn() -> Schema,
    /// The same as part of a larger document, whose other types the generator collects.
    pub schema_within: fn(&mut SchemaGenerator) -> Schema,
    /// A message as it could be seen on a good day; its body is the newest frozen snapshot.
    pub sample: fn() -> Outgoing,
    /// Reads a body of any version and writes it in the current shape.
    pub reread: fn(u32, Value) -> Result<Value, UpgradeError>,
}

impl MessageDescription {
    const fn of<M: Message + sample::Sample>(key: &'static str) -> Self {
        Self {
            kind: M::TYPE,
            version: M::VERSION,
            meaning: M::MEANING,
            key,
            schema: schema::<M>,
            schema_within: schema_within::<M>,
            sample: sample::<M>,
            reread: reread::<M>,
        }
    }
}

/// Every event type, in the order of the way of a change.
pub const EVENTS: &[MessageDescription] = &[
    MessageDescription::of::<ChangePushed>("the repository"),
    MessageDescription::of::<ChangeProposed>("the repository"),
    MessageDescription::of::<ChangeLabelled>("the repository"),
    MessageDescription::of::<ChangeCommanded>("the repository"),
    MessageDescription::of::<ChangeAnswered>("the repository"),
    MessageDescription::of::<ChangeValidated>("the repository"),
    MessageDescription::of::<ChangeClosed>("the repository"),
    MessageDescription::of::<ChangeReleased>("the repository"),
    MessageDescription::of::<HistoryRewritten>("the repository"),
    MessageDescription::of::<StackRegistered>("the stack"),
    MessageDescription::of::<StackUpdated>("the stack"),
    MessageDescription::of::<StackLoosened>("the stack"),
    MessageDescription::of::<StackReassociated>("the stack"),
    MessageDescription::of::<StackRetired>("the stack"),
    MessageDescription::of::<ChainPlanned>("the chain"),
    MessageDescription::of::<ChainIgnored>("the repository"),
    MessageDescription::of::<ChainRefused>("the repository"),
    MessageDescription::of::<ChainWithdrawn>("the chain"),
    MessageDescription::of::<GateRequested>("the chain"),
    MessageDescription::of::<GateDecided>("the chain"),
    MessageDescription::of::<GateOverridden>("the chain"),
    MessageDescription::of::<GateReminded>("the chain"),
    MessageDescription::of::<HookAsked>("the hook"),
    MessageDescription::of::<PoliciesReplaced>("the repository or the folder"),
    MessageDescription::of::<PoliciesRefused>("the repository or the folder"),
    MessageDescription::of::<ChainStarted>("the chain"),
    MessageDescription::of::<StepStarted>("the chain"),
    MessageDescription::of::<StepPlanned>("the chain"),
    MessageDescription::of::<StepApplying>("the chain"),
    MessageDescription::of::<StepRetrying>("the chain"),
    MessageDescription::of::<StepStuck>("the chain"),
    MessageDescription::of::<StepFinished>("the chain"),
    MessageDescription::of::<CheckAsked>("the hook"),
    MessageDescription::of::<HookCalled>("the hook"),
    MessageDescription::of::<ChainOrdered>("the chain"),
    MessageDescription::of::<ChainFinished>("the chain"),
    MessageDescription::of::<StackLocked>("the stack"),
    MessageDescription::of::<StackUnlocked>("the stack"),
    MessageDescription::of::<RunReported>("the stack"),
    MessageDescription::of::<AccountAudited>("the account"),
    MessageDescription::of::<AccountAlerted>("the account"),
    MessageDescription::of::<HookReceived>("the source"),
];

/// Events that no service of ours acts on: they are said for those who hook into the stream.
pub const FOR_SUBSCRIBERS: &[&str] =
    &[ChangeLabelled::TYPE, ChangeReleased::TYPE, HookReceived::TYPE];

/// Every command: a request that one service commits before it answers.
pub const COMMANDS: &[MessageDescription] = &[
    MessageDescription::of::<ReviewGate>("the gate"),
    MessageDescription::of::<ReviewCommit>("the commit"),
    MessageDescription::of::<PauseChain>("the chain"),
    MessageDescription::of::<ResumeChain>("the chain"),
    MessageDescription::of::<CancelChain>("the chain"),
    MessageDescription::of::<RetryChain>("the chain"),
    MessageDescription::of::<LockStack>("the stack"),
    MessageDescription::of::<UnlockStack>("the stack"),
    MessageDescription::of::<OverrideGate>("the gate"),
    MessageDescription::of::<AnswerHook>("the gate"),
    MessageDescription::of::<SwitchLine>("the first label"),
    MessageDescription::of::<AnswerCheck>("the chain"),
    MessageDescription::of::<ReplayDeliveries>("the first delivery"),
    MessageDescription::of::<RetryNotices>("the first call"),
    MessageDescription::of::<AdoptStack>("the stack"),
    MessageDescription::of::<FixDrift>("the first stack"),
    MessageDescription::of::<DestroyStacks>("the first stack"),
];

/// Where a command is sent; that which hook it is for ends the subject is left open.
pub fn command_subject(kind: &str) -> String {
    match kind == AnswerHook::TYPE {
        true => subject::commands_of(kind),
        false => subject::command(kind),
    }
}

/// Events that none of our services reads: they are questions to whoever is outside.
pub const FOR_OTHERS: &[&str] = &[HookAsked::TYPE, CheckAsked::TYPE];

/// The event type of this name.
pub fn event(kind: &str) -> Option<&'static MessageDescription> {
    EVENTS.iter().find(|event| event.kind == kind)
}

fn schema<M: JsonSchema>() -> Schema {
    SchemaGenerator::default().into_root_schema_for::<M>()
}

fn schema_within<M: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<M>()
}

fn sample<M: Message + sample::Sample>() -> Outgoing {
    Outgoing::new(&M::sample())
}

fn reread<M: Message>(version: u32, body: Value) -> Result<Value, UpgradeError> {
    Ok(Outgoing::new(&M::upgrade(version, body)?).body)
}

#[cfg(test)]
mod tests;
