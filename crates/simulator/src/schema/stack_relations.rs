//! A stack as GraphQL shows it: what it has and what it is connected to.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use ulid::Ulid;

use super::{
    dependency::StackDependency, entity::ManagedEntity, misc::ConfigElementObject,
    pool::WorkerPool, run::RunObject, scope::read, space::Space, webhook::StackIntegrations,
};
use crate::{
    account::ContextSeed,
    stack::{Lane, Stack, page_before},
    states::RunState,
};

/// What the stack has and what it is connected to.
#[derive(Clone)]
pub(crate) struct StackRelations(pub(super) Arc<Stack>);

impl StackRelations {
    fn runs_before(
        &self,
        context: &Context<'_>,
        before: Option<ID>,
        list: impl Fn(&Lane) -> &[Ulid],
    ) -> Result<Vec<RunObject>> {
        let before = before.filter(|before| !before.is_empty());
        let before = match before.as_deref().map(String::as_str) {
            Some(id) => Some(Ulid::from_string(id).map_err(|_| format!("run {id} not found"))?),
            None => None,
        };
        read(context, |world| {
            let lane = world.lane(&self.0.id);
            lane.into_iter()
                .flat_map(|lane| page_before(list(lane), before))
                .filter_map(|id| world.runs.get(&id).cloned().map(RunObject))
                .collect()
        })
    }

    fn edges(&self, context: &Context<'_>, child: bool) -> Result<Vec<StackDependency>> {
        read(context, |world| {
            let edges: Vec<_> = if child {
                world.graph.above(&self.0.id).cloned().collect()
            } else {
                world.graph.below(&self.0.id).cloned().collect()
            };
            edges.into_iter().map(StackDependency).collect()
        })
    }

    fn contexts(&self, context: &Context<'_>) -> Result<Vec<AttachedContext>> {
        read(context, |world| {
            let contexts = world.contexts.values().filter_map(|found| {
                let by_hand = found.stacks.iter().any(|stack| **stack == *self.0.id);
                let by_label = !by_hand && reaches(found, &self.0.seed.labels);
                (by_hand || by_label).then(|| AttachedContext::new(found, &self.0.id, by_label))
            });
            contexts.collect()
        })
    }
}

#[Object]
impl StackRelations {
    async fn space_details(&self, context: &Context<'_>) -> Result<Option<Space>> {
        read(context, |world| world.spaces.get(&self.0.seed.space).map(Space::from))
    }

    /// The run that holds the stack.
    async fn blocker(&self, context: &Context<'_>) -> Result<Option<RunObject>> {
        read(context, |world| {
            let id = world.lane(&self.0.id)?.blocker?;
            world.runs.get(&id).cloned().map(RunObject)
        })
    }

    async fn worker_pool(&self, context: &Context<'_>) -> Result<Option<WorkerPool>> {
        read(context, |world| {
            let pool = self.0.seed.worker_pool.as_ref()?;
            world.pools.get(pool).map(|pool| WorkerPool::new(world, pool))
        })
    }

    async fn depends_on(&self, context: &Context<'_>) -> Result<Vec<StackDependency>> {
        self.edges(context, true)
    }

    async fn is_depended_on_by(&self, context: &Context<'_>) -> Result<Vec<StackDependency>> {
        self.edges(context, false)
    }

    async fn dependency(
        &self,
        context: &Context<'_>,
        id: Option<ID>,
        depends_on_stack_id: Option<ID>,
    ) -> Result<Option<StackDependency>> {
        let edges = self.edges(context, true)?;
        Ok(edges.into_iter().find(|edge| {
            id.as_ref().is_some_and(|id| **id == *edge.0.id)
                || depends_on_stack_id.as_ref().is_some_and(|id| **id == *edge.0.parent)
        }))
    }

    async fn outputs(&self) -> Vec<StackOutput> {
        let outputs = self.0.outputs.iter();
        outputs
            .map(|(id, output)| StackOutput {
                id: ID::from(id),
                sensitive: output.sensitive,
                description: output.description.clone(),
                value: (!output.sensitive).then(|| output.value.clone()),
            })
            .collect()
    }

    async fn entities(&self) -> Vec<ManagedEntity> {
        let vendor = &self.0.seed.vendor;
        self.0.entities.iter().map(|entity| ManagedEntity::new(entity, vendor)).collect()
    }

    async fn config(&self) -> Vec<ConfigElementObject> {
        self.0.config.values().map(ConfigElementObject::from).collect()
    }

    async fn config_element(&self, id: ID) -> Option<ConfigElementObject> {
        self.0.config.get(&*id).map(ConfigElementObject::from)
    }

    /// What a run would see: the stack's own elements and those of its contexts.
    async fn runtime_config(&self, context: &Context<'_>) -> Result<Vec<RuntimeConfig>> {
        let own = self.0.config.values().map(|element| RuntimeConfig {
            context: None,
            element: ConfigElementObject::from(element),
        });
        let attached = self.contexts(context)?.into_iter().flat_map(|attached| {
            let AttachedContext { context_id, context_name, config, .. } = attached;
            config.into_iter().map(move |element| RuntimeConfig {
                context: Some(RuntimeContext {
                    id: context_id.clone(),
                    context_name: context_name.clone(),
                }),
                element,
            })
        });
        Ok(own.chain(attached).collect())
    }

    async fn attached_contexts(&self, context: &Context<'_>) -> Result<Vec<AttachedContext>> {
        self.contexts(context)
    }

    /// Policies are attached by their `autoattach:` labels.
    async fn attached_policies(&self, context: &Context<'_>) -> Result<Vec<AttachedPolicy>> {
        read(context, |world| {
            let policies = world.policies.values().filter(|policy| {
                policy.attaches_to(&self.0.seed.labels)
                    && world.space_within(&self.0.seed.space, &policy.space)
            });
            policies
                .map(|policy| AttachedPolicy {
                    id: ID::from(format!("{}-{}", policy.id, self.0.id)),
                    policy_id: ID::from(&policy.id),
                    policy_name: policy.name.clone(),
                    policy_type: policy.kind,
                    is_autoattached: true,
                })
                .collect()
        })
    }

    async fn attached_aws_integrations(&self) -> Vec<AttachedAwsIntegration> {
        let attached = |name: &String| AttachedAwsIntegration {
            id: ID::from(format!("{name}-{}", self.0.id)),
            integration_id: ID::from(name),
            name: name.clone(),
            read: true,
            write: true,
        };
        self.0.seed.aws_integrations.iter().map(attached).collect()
    }

    async fn integrations(&self, context: &Context<'_>) -> Result<StackIntegrations> {
        read(context, |world| StackIntegrations::of(world, &self.0.id))
    }

    /// The simulator's account has no modules.
    async fn module_versions_used(&self) -> Vec<ModuleVersion> {
        Vec::new()
    }

    async fn run(&self, context: &Context<'_>, id: ID) -> Result<Option<RunObject>> {
        read(context, |world| world.run_of(&self.0.id, &id).ok().map(RunObject))
    }

    /// Tracked and destroy runs before this one, newest first, at most fifty.
    async fn runs(&self, context: &Context<'_>, before: Option<ID>) -> Result<Vec<RunObject>> {
        self.runs_before(context, before, |lane| &lane.runs)
    }

    async fn proposed_runs(
        &self,
        context: &Context<'_>,
        before: Option<ID>,
    ) -> Result<Vec<RunObject>> {
        self.runs_before(context, before, |lane| &lane.proposed)
    }

    async fn tasks(&self, context: &Context<'_>, before: Option<ID>) -> Result<Vec<RunObject>> {
        self.runs_before(context, before, |lane| &lane.tasks)
    }

    /// The cheapest way to ask how a run is.
    async fn run_resource_state(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<Option<RunResourceState>> {
        read(context, |world| {
            let run = world.run_of(&self.0.id, &id).ok()?;
            Some(RunResourceState { id, state: run.state, finished: run.finished() })
        })
    }
}

fn reaches(context: &ContextSeed, labels: &[String]) -> bool {
    crate::policy::attaches(&context.labels, labels)
}

/// An output as the last apply published it.
#[derive(SimpleObject)]
pub(crate) struct StackOutput {
    id: ID,
    sensitive: bool,
    description: Option<String>,
    value: Option<String>,
}

/// How a run is.
#[derive(SimpleObject)]
pub(crate) struct RunResourceState {
    id: ID,
    state: RunState,
    finished: bool,
}

/// A configuration element and where it comes from.
#[derive(SimpleObject)]
pub(crate) struct RuntimeConfig {
    context: Option<RuntimeContext>,
    element: ConfigElementObject,
}

/// The context an element comes from.
#[derive(SimpleObject, Clone)]
pub(crate) struct RuntimeContext {
    id: ID,
    context_name: String,
}

/// A context on a stack.
#[derive(SimpleObject)]
pub(crate) struct AttachedContext {
    id: ID,
    context_id: ID,
    context_name: String,
    priority: i32,
    is_autoattached: bool,
    config: Vec<ConfigElementObject>,
}

impl AttachedContext {
    fn new(context: &ContextSeed, stack: &str, is_autoattached: bool) -> Self {
        let variables = context.variables.iter();
        Self {
            id: ID::from(format!("{}-{stack}", context.id)),
            context_id: ID::from(&context.id),
            context_name: context.name.clone(),
            priority: 0,
            is_autoattached,
            config: variables.map(|(k, v)| ConfigElementObject::variable(k, v)).collect(),
        }
    }
}

/// What gives the runs of a stack their rights at AWS.
#[derive(SimpleObject)]
pub(crate) struct AttachedAwsIntegration {
    id: ID,
    integration_id: ID,
    name: String,
    read: bool,
    write: bool,
}

/// A policy on a stack.
#[derive(SimpleObject)]
pub(crate) struct AttachedPolicy {
    id: ID,
    policy_id: ID,
    policy_name: String,
    policy_type: crate::policy::PolicyType,
    is_autoattached: bool,
}

/// A version of a module.
#[derive(SimpleObject)]
pub(crate) struct ModuleVersion {
    id: ID,
    number: String,
    module: Module,
}

/// A module.
#[derive(SimpleObject)]
pub(crate) struct Module {
    id: ID,
    name: String,
    owner: String,
}
