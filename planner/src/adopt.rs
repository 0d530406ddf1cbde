//! A person says which code a stack belongs to that is loose, or of which no block speaks: the command
//! `stack.adopt`. It is taken only if everything fits; otherwise every reason is given.

use std::sync::Arc;

use bus::{Command, Failure, Problem, ProblemKind, read_as};
use chrono::Utc;
use contracts::{Code, Envelope, Message, Reason, StackId, plain, stack::AdoptStack};
use serde_json::Value;
use sqlx::PgPool;
use store::{Engine, SubmitError};
use uuid::Uuid;

use crate::{
    blueprint::{Adoption, Blueprint},
    catalogue::{Stack, folder, repository_key},
    decider::{Input, Planner},
    known::Known,
    phrase,
    question::{known, no_stack, unavailable},
    reader::catch_up,
    register::{State, Status, place},
    store as tables,
};

/// An adoption that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Which code the stack belongs to from now on.
    pub adoption: Adoption,
    /// How the stack stands then.
    pub state: State,
}

/// Carries out the command; it is committed before it is answered.
pub(crate) async fn adopt(
    pool: PgPool,
    engine: Engine<Planner>,
    body: Value,
) -> Result<Value, Problem> {
    let Command::<AdoptStack> { id, command } =
        read_as("the command has `stack`, `path` and `by`", body)?;
    if command.by.trim().is_empty() {
        return Err(Problem::malformed("`by` must say who says so"));
    }
    let state = tables::state_of(&pool, &command.stack).await.map_err(unavailable)?;
    // What was said and read until now counts, whoever has seen it.
    let shelf = &engine.decider().shelf;
    catch_up(&pool, shelf).await.map_err(|error| Problem::unavailable(format!("{error:#}")))?;
    let known = known(shelf)?.known;
    if known.catalogue.position(&command.stack).is_none() {
        return Err(Problem::new(ProblemKind::NotFound, "stack_unknown", no_stack(&command.stack)));
    }
    let does_not_fit = |text: String| Problem::new(ProblemKind::Conflict, "does_not_fit", text);
    let adopted = fitting(&known, state.as_ref(), &command)
        .map_err(|reasons| does_not_fit(reasons.join("; ")))?;
    let id =
        Uuid::new_v5(&contracts::id::NAMESPACE, format!("adopt/{}/{id}", command.stack).as_bytes());
    let (named, body) =
        ((AdoptStack::TYPE, command.key()), Input::Adopted(Arc::new(adopted.clone())));
    let envelope = Envelope::first(engine.consumer(), id, named, Utc::now(), body);
    engine.submit(envelope).await.map_err(|error| match error {
        SubmitError::Failed(Failure::Retry { source, .. }) if tables::is_adopted_twice(&source) => {
            does_not_fit("it was just said to be the code of another stack".to_owned())
        }
        error => Problem::unavailable(format!("the planner cannot decide now: {error}; try again")),
    })?;
    Ok(plain(&adopted.state))
}

/// What follows if everything fits; else every reason why it does not.
pub(crate) fn fitting(
    known: &Known,
    state: Option<&State>,
    command: &AdoptStack,
) -> Result<Adopted, Vec<String>> {
    let id = &command.stack;
    let Some(position) = known.catalogue.position(id) else {
        return Err(vec![no_stack(id)]);
    };
    let stack = &known.catalogue.stacks()[position];
    let mut reasons = Vec::new();
    // Whose code nothing speaks of, that may be told of a block beside it.
    let is_plain = known.catalogue.blueprint(position).is_some_and(|it| it.plain);
    match state {
        Some(State { status: Status::Active, code, .. }) if !is_plain => {
            reasons.push(format!("{id} is not loose: its code is in {}", shown(&code.path)));
        }
        None => reasons.push(format!("{id} is not loose: it never had code that was known")),
        Some(_) => {}
    }
    let path = folder(&command.path);
    if command.path.starts_with('/') || path.split('/').any(|segment| segment == "..") {
        reasons.push(format!("`{}` is not a folder below the root of a repository", command.path));
        return Err(reasons);
    }
    let blueprint = match one_blueprint(known, stack, (&path, command.name.as_deref())) {
        Ok(blueprint) => blueprint,
        Err(reason) => {
            reasons.push(reason);
            reasons.extend(runs_elsewhere(stack, &path));
            return Err(reasons);
        }
    };
    reasons.extend(runs_elsewhere(stack, &blueprint.path));
    reasons.extend(belongs_elsewhere(known, id, blueprint));
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let why = command.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    let text = format!(
        "{} says that {} has the code of it, as {}{why}",
        command.by,
        shown(&blueprint.path),
        blueprint.name
    );
    let reason = Reason::new(Code::CodeFound, text);
    let code = place(blueprint);
    let adoption = Adoption {
        stack: id.clone(),
        repository: repository_key(&blueprint.repository),
        branch: blueprint.branch.clone(),
        path: blueprint.path.clone(),
        name: blueprint.name.clone(),
    };
    let state = State { stack: id.clone(), code, status: Status::Active, reason };
    Ok(Adopted { adoption, state })
}

/// What code says in a folder of the branch that the stack tracks.
fn one_blueprint<'a>(
    known: &'a Known,
    stack: &Stack,
    (path, name): (&str, Option<&str>),
) -> Result<&'a Blueprint, String> {
    let all = known.catalogue.blueprints().iter().map(Arc::as_ref);
    let there = all.filter(|blueprint| {
        let is_here = blueprint.is_of(&stack.repository, &stack.branch) && blueprint.path == path;
        is_here && !blueprint.plain
    });
    let there: Vec<&Blueprint> = there.collect();
    let wanted = |blueprint: &&&Blueprint| name.is_none_or(|name| blueprint.name == name);
    let fitting: Vec<&Blueprint> = there.iter().filter(wanted).copied().collect();
    let place = format!("{} of {} in {}", shown(path), stack.branch, stack.repository);
    match (fitting.as_slice(), there.is_empty()) {
        ([one], _) => Ok(one),
        ([], true) => Err(format!("{place} has no code of a stack, as far as was read")),
        ([], false) => {
            let names = phrase::list(there.iter().map(|blueprint| blueprint.name.as_str()));
            Err(format!("{place} has no stack of that name; it has {names}"))
        }
        (several, _) => {
            let names = phrase::list(several.iter().map(|blueprint| blueprint.name.as_str()));
            Err(format!("{place} has several stacks; say which by its name: {names}"))
        }
    }
}

/// Spacelift runs what its project root says, whatever anybody thinks.
fn runs_elsewhere(stack: &Stack, path: &str) -> Option<String> {
    (stack.project_root != path).then(|| {
        format!(
            "Spacelift runs {} in {}; set its project root to {} first",
            stack.id,
            shown(&stack.project_root),
            shown(path)
        )
    })
}

/// Code is the code of one stack.
fn belongs_elsewhere(known: &Known, id: &StackId, blueprint: &Blueprint) -> Option<String> {
    if let Some(other) = blueprint.stack.as_ref().filter(|other| *other != id) {
        return Some(format!("the code says that it is the code of {other}"));
    }
    let stacks = known.catalogue.stacks();
    let made = |at: &usize| {
        known.catalogue.blueprint(*at).is_some_and(|said| said.place() == blueprint.place())
    };
    let other = (0..stacks.len()).filter(|at| stacks[*at].id != *id).find(made)?;
    Some(format!("it is the code of {} already", stacks[other].id))
}

fn shown(folder: &str) -> &str {
    if folder.is_empty() { "the root" } else { folder }
}

#[cfg(test)]
mod tests;
