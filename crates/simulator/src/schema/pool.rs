//! Worker pools, and the queue before them.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use super::{
    run::RunObject,
    scope::read,
    search::{PageInfo, SearchInput, page},
};
use crate::{account::WorkerPoolSeed, record::Run, states::RunState, world::World};

/// A worker.
#[derive(SimpleObject, Clone)]
pub(crate) struct Worker {
    id: ID,
    busy: bool,
    drained: bool,
    /// JSON.
    metadata: String,
}

/// A private worker pool.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct WorkerPool {
    id: ID,
    name: String,
    description: Option<String>,
    busy_workers: usize,
    pending_runs: usize,
    workers: Vec<Worker>,
}

/// The workers everybody shares.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct PublicWorkerPool {
    parallelism: usize,
    busy_workers: usize,
    pending_runs: usize,
}

fn in_pool(world: &World, run: &Run, pool: Option<&str>) -> bool {
    let stack = world.stacks.get(&run.stack);
    stack.is_some_and(|stack| stack.seed.worker_pool.as_deref() == pool)
}

fn count(world: &World, pool: Option<&str>, state: impl Fn(RunState) -> bool) -> usize {
    let runs = world.by_state.iter().filter(|(s, _)| state(**s)).flat_map(|(_, ids)| ids);
    runs.filter_map(|id| world.runs.get(id)).filter(|run| in_pool(world, run, pool)).count()
}

impl WorkerPool {
    pub(super) fn new(world: &World, seed: &WorkerPoolSeed) -> Self {
        let busy_workers = count(world, Some(&seed.id), RunState::working);
        let workers = (0..seed.workers).map(|number| Worker {
            id: ID::from(format!("{}-{number}", seed.id)),
            busy: (number as usize) < busy_workers,
            drained: seed.drained,
            metadata: format!(r#"{{"number":{number}}}"#),
        });
        Self {
            id: ID::from(&seed.id),
            name: seed.name.clone(),
            description: seed.description.clone(),
            busy_workers,
            pending_runs: count(world, Some(&seed.id), |state| state == RunState::Ready),
            workers: workers.collect(),
        }
    }
}

/// Runs that wait for a worker, in the order in which they will get one.
#[derive(SimpleObject)]
pub(crate) struct SchedulableRunConnection {
    edges: Vec<SchedulableRunEdge>,
    page_info: PageInfo,
}

#[derive(SimpleObject)]
pub(crate) struct SchedulableRunEdge {
    cursor: String,
    node: SchedulableRun,
}

#[derive(SimpleObject)]
pub(crate) struct SchedulableRun {
    stack_id: ID,
    run: RunObject,
    position: usize,
}

fn queue(
    context: &Context<'_>,
    pool: Option<&str>,
    input: &SearchInput,
) -> Result<SchedulableRunConnection> {
    let after = input.after_key()?;
    let (edges, page_info) = read(context, |world| {
        let ready = world.by_state.get(&RunState::Ready).into_iter().flatten();
        let runs = ready
            .filter_map(|id| world.runs.get(id))
            .filter(|run| in_pool(world, run, pool))
            .enumerate()
            .filter(|(_, run)| after.as_ref().is_none_or(|after| run.id.to_string() > *after))
            .map(|(position, run)| (position, run.clone()));
        page(input, runs, |(_, run)| run.id.to_string())
    })?;
    let edges = edges.into_iter().map(|(cursor, (position, run))| SchedulableRunEdge {
        cursor,
        node: SchedulableRun {
            stack_id: ID::from(&*run.stack),
            run: RunObject(run),
            position: position + 1,
        },
    });
    Ok(SchedulableRunConnection { edges: edges.collect(), page_info })
}

#[async_graphql::ComplexObject]
impl WorkerPool {
    async fn search_schedulable_runs(
        &self,
        context: &Context<'_>,
        input: SearchInput,
    ) -> Result<SchedulableRunConnection> {
        queue(context, Some(&self.id), &input)
    }
}

#[async_graphql::ComplexObject]
impl PublicWorkerPool {
    async fn search_schedulable_runs(
        &self,
        context: &Context<'_>,
        input: SearchInput,
    ) -> Result<SchedulableRunConnection> {
        queue(context, None, &input)
    }
}

#[derive(Default)]
pub(crate) struct PoolQuery;

#[Object]
impl PoolQuery {
    async fn worker_pools(&self, context: &Context<'_>) -> Result<Vec<WorkerPool>> {
        read(context, |world| {
            world.pools.values().map(|pool| WorkerPool::new(world, pool)).collect()
        })
    }

    async fn worker_pool(&self, context: &Context<'_>, id: ID) -> Result<Option<WorkerPool>> {
        read(context, |world| world.pools.get(&*id).map(|pool| WorkerPool::new(world, pool)))
    }

    /// The shared workers; the simulator has as many as there are runs.
    async fn public_worker_pool(&self, context: &Context<'_>) -> Result<PublicWorkerPool> {
        read(context, |world| {
            let busy_workers = count(world, None, RunState::working);
            let pending_runs = count(world, None, |state| state == RunState::Ready);
            PublicWorkerPool {
                parallelism: busy_workers + pending_runs,
                busy_workers,
                pending_runs,
            }
        })
    }
}
