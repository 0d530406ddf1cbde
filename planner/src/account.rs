//! What changed in the account between two readings of it, and the events that tell of it: also of
//! stacks that no code is known of. A pure function of both readings.

use std::collections::{BTreeMap, HashMap};

use contracts::{
    Code, Outgoing, Reason, StackId, Text,
    stack::{AccountChange, StackRegistered, StackRetired, StackUpdated},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    catalogue::{Dependency, Stack},
    phrase,
    register::{State, Status, shown},
};

/// How many stacks are told of in one go: what follows from it is stored as one.
const TOLD_AT_ONCE: usize = 100;

/// Stacks of one repository that changed in the account, to be told of once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Tells them from all others.
    pub id: Uuid,
    /// The repository, as one of the stacks writes it.
    pub repository: String,
    /// What is to be told.
    pub told: Vec<Told>,
}

/// What is told of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The account has it now.
    Registered(StackRegistered),
    /// The account says something else of it.
    Updated(StackUpdated),
    /// The account has it no more.
    Retired(StackRetired),
}

impl Told {
    /// The event.
    pub fn event(&self) -> Outgoing {
        match self {
            Self::Registered(event) => Outgoing::new(event),
            Self::Updated(event) => Outgoing::new(event),
            Self::Retired(event) => Outgoing::new(event),
        }
    }
}

/// The stacks that differ between two readings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences<'a> {
    /// Those that are there now, and as they were, if they were there.
    pub there: Vec<(Option<&'a Stack>, &'a Stack)>,
    /// Those that are there no more.
    pub gone: Vec<&'a Stack>,
}

impl<'a> Differences<'a> {
    /// What differs between two readings, each in order.
    pub(crate) fn between(before: &'a [Stack], after: &'a [Stack]) -> Self {
        let mut old: HashMap<&StackId, &Stack> =
            before.iter().map(|stack| (&stack.id, stack)).collect();
        let with_old = after.iter().map(|new| (old.remove(&new.id), new));
        let there = with_old.filter(|(old, new)| *old != Some(*new)).collect();
        let gone = before.iter().filter(|stack| old.contains_key(&stack.id)).collect();
        Self { there, gone }
    }

    /// The ids of all.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &'a StackId> {
        let there = self.there.iter().map(|(_, stack)| &stack.id);
        there.chain(self.gone.iter().map(|stack| &stack.id))
    }

    /// What is to be told. `states` is how those of them stand that have code; where `reads_code`,
    /// the next reading of their code tells which of these are gone.
    pub(crate) fn news(&self, states: &HashMap<StackId, State>, reads_code: bool) -> Vec<News> {
        let code = |stack: &Stack| {
            let state = states.get(&stack.id).filter(|state| state.status != Status::Retired);
            state.map(|state| state.code.clone())
        };
        let mut told: BTreeMap<&str, Vec<Told>> = BTreeMap::new();
        for (old, new) in &self.there {
            let (stack, code) = (new.id.clone(), code(new));
            let event = match old {
                None => Told::Registered(StackRegistered { stack, code, reason: found(new) }),
                Some(old) => {
                    let changes = changes(old, new);
                    if changes.is_empty() {
                        continue;
                    }
                    let reason = changed(&changes);
                    Told::Updated(StackUpdated { stack, code, changes, reason })
                }
            };
            told.entry(&new.repository).or_default().push(event);
        }
        for old in &self.gone {
            let (stack, code) = (old.id.clone(), code(old));
            if code.is_some() && reads_code {
                continue;
            }
            let event = Told::Retired(StackRetired { stack, code, reason: gone() });
            told.entry(&old.repository).or_default().push(event);
        }
        let news = |(repository, told): (&str, Vec<Told>)| {
            let news = |told: &[Told]| News {
                id: Uuid::new_v4(),
                repository: repository.to_owned(),
                told: told.to_vec(),
            };
            told.chunks(TOLD_AT_ONCE).map(news).collect::<Vec<_>>()
        };
        told.into_iter().flat_map(news).collect()
    }
}

/// Why a stack is retired.
pub(crate) fn gone() -> Reason {
    let text = "the account has no such stack any more, or our API key may not see it";
    Reason::new(Code::StackGone, text)
}

fn found(Stack { branch, repository, project_root, .. }: &Stack) -> Reason {
    let text =
        format!("Spacelift has it now, in {} on {branch} of {repository}", shown(project_root));
    Reason::new(Code::StackFound, text)
}

fn changed(changes: &[AccountChange]) -> Reason {
    let either = |values: &[String]| match values.is_empty() {
        true => "nothing".to_owned(),
        false => values.join(", "),
    };
    let change = |AccountChange { what, from, to }: &AccountChange| {
        format!("its {} from {} to {}", what.replace('_', " "), either(from), either(to))
    };
    let text = phrase::behind("changed in Spacelift: ", changes.iter().map(change));
    Reason::new(Code::AccountChanged, text)
}

/// What two readings say differently of a stack. What was not known before, or is not now, has not
/// changed: an earlier build did not ask for it, or our key may not see it.
fn changes(old: &Stack, new: &Stack) -> Vec<AccountChange> {
    let both = said(old).into_iter().zip(said(new));
    let change = |((what, from), (_, to)): (Said, Said)| {
        let (from, to) = (from?, to?);
        (from != to).then(|| AccountChange { what: what.to_owned(), from, to })
    };
    both.filter_map(change).collect()
}

/// Something the account says of a stack, if it is known: none or several for lists.
type Said = (&'static str, Option<Vec<String>>);

fn said(stack: &Stack) -> Vec<Said> {
    let one = |text: &str| Some(vec![text.to_owned()]);
    let not_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let all = |texts: &[Text]| Some(texts.iter().map(ToString::to_string).collect());
    let flag = |is: bool| one(if is { "true" } else { "false" });
    let dependencies = stack.depends_on.iter().map(dependency).collect();
    let settings = stack.settings.as_deref();
    let text = |text: &Option<String>| Some(Vec::from_iter(text.clone()));
    let asked = |flag: Option<bool>| flag.map(|is| vec![is.to_string()]);
    vec![
        ("name", one(&stack.name)),
        ("space", one(stack.space.as_str())),
        ("labels", all(&stack.labels)),
        ("repository", one(&stack.repository)),
        ("branch", one(&stack.branch)),
        ("project_root", Some(Vec::from_iter(not_empty(&stack.project_root)))),
        ("globs", all(&stack.globs)),
        ("autodeploy", flag(stack.autodeploy)),
        ("disabled", flag(stack.disabled)),
        ("dependencies", Some(dependencies)),
        ("worker_pool", stack.worker_pool.as_ref().map(|pool| vec![pool.name.to_string()])),
        ("cloud_accounts", all(&stack.cloud_accounts)),
        ("description", settings.and_then(|it| text(&it.description))),
        ("tool", settings.and_then(|it| text(&it.tool))),
        ("tool_version", settings.and_then(|it| text(&it.tool_version))),
        ("runner_image", settings.and_then(|it| text(&it.runner_image))),
        ("administrative", settings.and_then(|it| asked(it.administrative))),
        ("protect_from_deletion", settings.and_then(|it| asked(it.protect_from_deletion))),
    ]
}

/// `network`, or `network (VPC -> TF_VAR_vpc)`.
fn dependency(Dependency { on, references }: &Dependency) -> String {
    match references.is_empty() {
        true => on.to_string(),
        false => format!("{on} ({})", references.join(", ")),
    }
}

#[cfg(test)]
mod tests;
