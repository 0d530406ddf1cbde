//! What a resolver knows of its request, and the only two ways to the world.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, Error, Result};
use serde_json::{Map, Value};
use ulid::Ulid;

use crate::{
    engine::Caller,
    journal::{JournalEvent, MutationRecord},
    record::{Comment, Review, Run},
    run::Refusal,
    shared::Shared,
    stack::{ConfigElement, Stack},
    webhook::without_secrets,
    world::World,
};

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// Nothing without a good token.
    pub(crate) caller: Option<Caller>,
    pub(crate) remote_ip: String,
    /// The number of its token.
    pub(crate) token: Option<u64>,
    /// Whether the request is to be treated as if its key were a machine's.
    pub(crate) machine: bool,
}

/// One request: who asks, and which lines of the journal it wrote.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) visitor: Visitor,
    entries: Mutex<Vec<u64>>,
}

impl Scope {
    pub(crate) fn new(visitor: Visitor) -> Self {
        Self { visitor, entries: Mutex::default() }
    }

    /// Notes for every mutation of this request whether its caller was answered.
    pub(crate) fn mark_answered(&self, shared: &Shared, answered: bool) {
        let entries =
            std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner));
        if entries.is_empty() {
            return;
        }
        shared.act(|world| {
            for number in entries {
                if let Some(record) = world.journal.mutation_mut(number) {
                    record.answered = Some(answered);
                }
            }
        });
    }
}

pub(super) fn shared<'a>(context: &Context<'a>) -> &'a Arc<Shared> {
    context.data_unchecked::<Arc<Shared>>()
}

pub(super) fn scope<'a>(context: &Context<'a>) -> &'a Arc<Scope> {
    context.data_unchecked::<Arc<Scope>>()
}

/// The caller, or the error every field but `viewer` and the token exchange gives without one.
pub(super) fn caller<'a>(context: &Context<'a>) -> Result<&'a Caller> {
    scope(context).visitor.caller.as_ref().ok_or_else(|| Error::new("unauthorized"))
}

/// Looks at the world on behalf of a caller.
pub(super) fn read<T>(context: &Context<'_>, look: impl FnOnce(&World) -> T) -> Result<T> {
    caller(context)?;
    Ok(shared(context).read(look))
}

/// What the journal keeps of a mutation's result.
pub(super) trait Outcome {
    fn run(&self) -> Option<Ulid> {
        None
    }
}

impl Outcome for Arc<Run> {
    fn run(&self) -> Option<Ulid> {
        Some(self.id)
    }
}
impl Outcome for (Vec<Arc<Run>>, Vec<String>) {}
impl Outcome for Review {}
impl Outcome for Comment {}
impl Outcome for Arc<Stack> {}
impl Outcome for ConfigElement {}
impl<T> Outcome for Option<T> {}
impl<T> Outcome for Vec<T> {}
impl Outcome for bool {}
impl Outcome for String {}
impl Outcome for crate::policy::Policy {}
impl Outcome for crate::webhook::Webhook {}
impl Outcome for crate::dependencies::Edge {}
impl Outcome for crate::dependencies::Reference {}

/// Changes the world on behalf of a caller and writes the journal: accepted at the moment it takes
/// effect, before anything that follows from it.
pub(super) fn mutate<T: Outcome>(
    context: &Context<'_>,
    effect: impl FnOnce(&mut World, &Caller) -> Result<T, Refusal>,
) -> Result<T> {
    let caller = caller(context)?;
    let scope = scope(context);
    let (name, args) = (context.field().name().to_owned(), arguments(context)?);
    let (number, result) = shared(context).act(|world| {
        let number = begin(world, name, args, Some(caller));
        let result = effect(world, caller);
        if let Some(record) = world.journal.mutation_mut(number) {
            match &result {
                Ok(outcome) => {
                    record.accepted = true;
                    record.run = outcome.run().map(|run| run.to_string());
                }
                Err(refusal) => record.error = Some(refusal.to_string()),
            }
        }
        if result.is_ok() {
            world.announce_mutation(number, &scope.visitor.remote_ip);
        }
        (number, result)
    });
    scope.entries.lock().unwrap_or_else(PoisonError::into_inner).push(number);
    Ok(result?)
}

/// Writes a mutation into the journal that needs no caller, such as the token exchange.
pub(super) fn record_anonymous(context: &Context<'_>, error: Option<&str>) -> Result<()> {
    let (name, args) = (context.field().name().to_owned(), arguments(context)?);
    let number = shared(context).act(|world| {
        let number = begin(world, name, args, None);
        if let Some(record) = world.journal.mutation_mut(number) {
            record.accepted = error.is_none();
            record.error = error.map(Into::into);
        }
        number
    });
    scope(context).entries.lock().unwrap_or_else(PoisonError::into_inner).push(number);
    Ok(())
}

fn begin(world: &mut World, name: String, args: Value, caller: Option<&Caller>) -> u64 {
    let record = MutationRecord {
        name,
        args,
        actor: caller.map(|caller| caller.actor.clone()),
        metadata: caller.and_then(|caller| caller.metadata.clone()),
        accepted: false,
        error: None,
        run: None,
        answered: None,
    };
    world.journal.push(world.now, JournalEvent::Mutation(record))
}

fn arguments(context: &Context<'_>) -> Result<Value> {
    let mut fields = Map::new();
    for (name, value) in context.field().arguments()? {
        let value = value.into_json().map_err(|error| Error::new(error.to_string()))?;
        if !value.is_null() {
            fields.insert(name.to_string(), value);
        }
    }
    Ok(without_secrets(Value::Object(fields)))
}
