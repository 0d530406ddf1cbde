//! Asking for stacks and runs.

use std::{ops::Bound, sync::Arc};

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use ulid::Ulid;

use super::{
    misc::DebugInfo,
    run::RunObject,
    scope::{caller, read, scope},
    search::{Field, PageInfo, QueryPredicate, SearchInput, page},
    stack::StackObject,
    user::{self, User},
};
use crate::{record::Run, stack::Stack, world::World};

#[derive(SimpleObject)]
pub(crate) struct StackConnection {
    edges: Vec<StackEdge>,
    page_info: PageInfo,
}

#[derive(SimpleObject)]
pub(crate) struct StackEdge {
    cursor: String,
    node: StackObject,
}

#[derive(SimpleObject)]
pub(crate) struct RunConnection {
    edges: Vec<RunEdge>,
    page_info: PageInfo,
}

#[derive(SimpleObject)]
pub(crate) struct RunEdge {
    cursor: String,
    node: RunWithStack,
}

#[derive(SimpleObject)]
pub(crate) struct RunWithStack {
    run: RunObject,
    stack: Option<StackObject>,
    is_module: bool,
}

fn stack_field(stack: &Stack, name: &str) -> Option<Field> {
    let seed = &stack.seed;
    Some(match name {
        "administrative" => Field::Flag(seed.administrative),
        "branch" => Field::Text(seed.branch.clone()),
        "commit" => Field::Text(stack.tracked.as_ref().map(|c| c.hash.clone()).unwrap_or_default()),
        "label" => Field::Texts(seed.labels.clone()),
        "locked" => Field::Flag(stack.lock.is_some()),
        "name" => Field::Text(seed.name.clone()),
        "projectRoot" => Field::Text(seed.project_root.clone().unwrap_or_default()),
        "repository" => Field::Text(seed.repository.clone()),
        "state" => Field::Text(stack.state.as_str().into()),
        "vendor" => Field::Text(seed.vendor.kind().into()),
        "workerPool" => Field::Text(seed.worker_pool.clone().unwrap_or_default()),
        _ => return None,
    })
}

fn run_field(run: &Run, name: &str) -> Option<Field> {
    Some(match name {
        "state" => Field::Text(run.state.as_str().into()),
        "type" => Field::Text(run.kind.as_str().into()),
        "stack" => Field::Text(run.stack.to_string()),
        "commit" => Field::Text(run.commit.hash.clone()),
        "branch" => Field::Text(run.branch.to_string()),
        "triggeredBy" => Field::Text(run.triggered_by.as_deref().unwrap_or_default().into()),
        _ => return None,
    })
}

fn known<T>(
    predicates: &[QueryPredicate],
    sample: &T,
    field: impl Fn(&T, &str) -> Option<Field>,
) -> Result<()> {
    match predicates.iter().find(|p| field(sample, &p.field).is_none()) {
        Some(unknown) => Err(format!("unknown predicate field {:?}", unknown.field).into()),
        None => Ok(()),
    }
}

#[derive(Default)]
pub(crate) struct StackQuery;

#[Object]
impl StackQuery {
    /// The whole account in one answer; refused to machine keys.
    async fn stacks(&self, context: &Context<'_>) -> Result<Vec<StackObject>> {
        caller(context)?;
        if scope(context).visitor.machine {
            return Err("not available for machine sessions".into());
        }
        read(context, |world| world.stacks.values().cloned().map(StackObject::from).collect())
    }

    async fn stack(&self, context: &Context<'_>, id: ID) -> Result<Option<StackObject>> {
        read(context, |world| world.stacks.get(id.as_str()).cloned().map(StackObject::from))
    }

    async fn run_stack(&self, context: &Context<'_>, run_id: ID) -> Result<StackObject> {
        let found = read(context, |world| {
            let run = world.run(&run_id)?;
            world.stacks.get(&run.stack).cloned()
        })?;
        found.map(StackObject::from).ok_or_else(|| "not found".into())
    }

    async fn search_stacks(
        &self,
        context: &Context<'_>,
        input: SearchInput,
    ) -> Result<StackConnection> {
        let after = input.after_key()?;
        let predicates = input.predicates.clone().unwrap_or_default();
        let text = input.full_text_search.clone().unwrap_or_default().to_lowercase();
        let found = read(context, |world| {
            if let Some(any) = world.stacks.values().next() {
                known(&predicates, &**any, stack_field)?;
            }
            let matches = |stack: &&Arc<Stack>| {
                let has_text = text.is_empty()
                    || stack.seed.name.to_lowercase().contains(&text)
                    || stack.id.contains(&text);
                has_text
                    && predicates.iter().all(|predicate| {
                        stack_field(stack, &predicate.field)
                            .is_some_and(|field| predicate.admits(&field))
                    })
            };
            let key = |stack: &Arc<Stack>| stack.id.to_string();
            let by_name = input.order_by.as_ref().is_some_and(|order| order.field == "name");
            Ok::<_, async_graphql::Error>(if by_name && input.descending() {
                let from = world.stacks.values().rev();
                let from = from.filter(|s| after.as_deref().is_none_or(|after| &*s.id < after));
                page(&input, from.filter(matches).cloned(), key)
            } else {
                let start = match after.as_deref() {
                    Some(after) => Bound::Excluded(Arc::from(after)),
                    None => Bound::Unbounded,
                };
                let from = world.stacks.range((start, Bound::<Arc<str>>::Unbounded));
                page(&input, from.map(|(_, stack)| stack).filter(matches).cloned(), key)
            })
        })?;
        let (edges, page_info) = found?;
        let edges = edges.into_iter().map(|(cursor, s)| StackEdge { cursor, node: s.into() });
        Ok(StackConnection { edges: edges.collect(), page_info })
    }

    /// Runs of the whole account, newest first unless another direction is asked for.
    async fn search_runs(
        &self,
        context: &Context<'_>,
        input: SearchInput,
    ) -> Result<RunConnection> {
        let after = match input.after_key()? {
            Some(key) => Some(Ulid::from_string(&key).map_err(|_| "invalid cursor")?),
            None => None,
        };
        let (edges, page_info) = read(context, |world| search_runs(world, &input, after))??;
        Ok(RunConnection { edges, page_info })
    }
}

fn search_runs(
    world: &World,
    input: &SearchInput,
    after: Option<Ulid>,
) -> Result<(Vec<RunEdge>, PageInfo)> {
    let predicates = input.predicates.clone().unwrap_or_default();
    if let Some((_, any)) = world.runs.first_key_value() {
        known(&predicates, &**any, run_field)?;
    }
    let oldest_first = input.order_by.is_some() && !input.descending();
    let window = match after {
        Some(after) if oldest_first => (Bound::Excluded(after), Bound::Unbounded),
        Some(after) => (Bound::Unbounded, Bound::Excluded(after)),
        None => (Bound::Unbounded, Bound::Unbounded),
    };
    let matches = |run: &Arc<Run>| {
        predicates.iter().all(|p| run_field(run, &p.field).is_some_and(|field| p.admits(&field)))
    };
    let ids: Box<dyn Iterator<Item = Ulid> + '_> = match states_asked(&predicates) {
        // The index by state keeps a watch for rare states from walking over every run.
        Some(states) => {
            let mut ids: Vec<Ulid> = world
                .by_state
                .iter()
                .filter(|(state, _)| states.iter().any(|asked| asked == state.as_str()))
                .flat_map(|(_, ids)| newest_of(ids.range(window), oldest_first, input.size() + 1))
                .collect();
            ids.sort_unstable();
            if oldest_first { Box::new(ids.into_iter()) } else { Box::new(ids.into_iter().rev()) }
        }
        None if oldest_first => Box::new(world.runs.range(window).map(|(id, _)| *id)),
        None => Box::new(world.runs.range(window).rev().map(|(id, _)| *id)),
    };
    let runs = ids.filter_map(|id| world.runs.get(&id)).filter(|run| matches(run)).cloned();
    let (found, page_info) = page(input, runs, |run| run.id.to_string());
    let edges = found.into_iter().map(|(cursor, run)| RunEdge {
        cursor,
        node: RunWithStack {
            stack: world.stacks.get(&run.stack).cloned().map(StackObject::from),
            run: RunObject(run),
            is_module: false,
        },
    });
    Ok((edges.collect(), page_info))
}

/// The states asked for, if the state is the only condition, so that the index suffices.
fn states_asked(predicates: &[QueryPredicate]) -> Option<&[String]> {
    match predicates {
        [only] if only.field == "state" && !only.exclude.unwrap_or(false) => {
            only.constraint.enum_equals.as_deref()
        }
        _ => None,
    }
}

fn newest_of<'a>(
    ids: impl DoubleEndedIterator<Item = &'a Ulid> + 'a,
    oldest_first: bool,
    count: usize,
) -> Vec<Ulid> {
    if oldest_first {
        ids.take(count).copied().collect()
    } else {
        ids.rev().take(count).copied().collect()
    }
}

#[derive(Default)]
pub(crate) struct AccountQuery;

#[Object]
impl AccountQuery {
    /// Null without a good token; never an error.
    async fn viewer(&self, context: &Context<'_>) -> Option<User> {
        user::viewer(context)
    }

    async fn debug_info(&self, context: &Context<'_>) -> Result<DebugInfo> {
        caller(context)?;
        Ok(DebugInfo { self_hosted_version: String::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::RunState;

    #[test]
    fn only_a_lone_condition_on_the_state_uses_the_index() {
        let predicate = |field: &str, exclude| QueryPredicate {
            field: field.into(),
            constraint: super::super::search::QueryFieldConstraint {
                enum_equals: Some(vec![RunState::Unconfirmed.as_str().into()]),
                ..Default::default()
            },
            exclude,
        };
        assert!(states_asked(&[predicate("state", None)]).is_some());
        assert!(states_asked(&[predicate("state", Some(true))]).is_none());
        assert!(states_asked(&[predicate("type", None)]).is_none());
        assert!(states_asked(&[predicate("state", None), predicate("type", None)]).is_none());
    }
}
