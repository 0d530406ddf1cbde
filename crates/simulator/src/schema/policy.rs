//! Policies as GraphQL shows and changes them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::scope::{mutate, read};
use crate::{
    policy::{self, PolicyType, Program},
    run::Refusal,
    world::World,
};

/// A policy.
#[derive(SimpleObject)]
pub(crate) struct Policy {
    id: ID,
    name: String,
    body: String,
    #[graphql(name = "type")]
    kind: PolicyType,
    description: Option<String>,
    labels: Vec<String>,
    space: ID,
    created_at: i64,
    updated_at: i64,
}

impl From<&policy::Policy> for Policy {
    fn from(policy: &policy::Policy) -> Self {
        Self {
            id: ID::from(&policy.id),
            name: policy.name.clone(),
            body: policy.body.clone(),
            kind: policy.kind,
            description: policy.description.clone(),
            labels: policy.labels.clone(),
            space: ID::from(&policy.space),
            created_at: policy.created_ms / 1_000,
            updated_at: policy.updated_ms / 1_000,
        }
    }
}

#[derive(InputObject)]
pub(crate) struct PolicyCreateInput {
    name: String,
    body: String,
    #[graphql(name = "type")]
    kind: PolicyType,
    description: Option<String>,
    labels: Option<Vec<String>>,
    space: Option<ID>,
}

/// What a policy is for cannot be changed.
#[derive(InputObject)]
pub(crate) struct PolicyUpdateInput {
    name: String,
    body: String,
    description: Option<String>,
    labels: Option<Vec<String>>,
    space: Option<ID>,
}

#[derive(Default)]
pub(crate) struct PolicyQuery;

#[Object]
impl PolicyQuery {
    async fn policies(&self, context: &Context<'_>) -> Result<Vec<Policy>> {
        read(context, |world| world.policies.values().map(Policy::from).collect())
    }

    async fn policy(&self, context: &Context<'_>, id: ID) -> Result<Option<Policy>> {
        read(context, |world| world.policies.get(&*id).map(Policy::from))
    }
}

#[derive(Default)]
pub(crate) struct PolicyMutation;

#[Object]
impl PolicyMutation {
    #[graphql(name = "policyCreatev2")]
    async fn policy_create(
        &self,
        context: &Context<'_>,
        input: PolicyCreateInput,
    ) -> Result<Policy> {
        let made = mutate(context, |world, _| {
            let space = known_space(world, input.space)?;
            let id = input.name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            if world.policies.contains_key(&id) {
                return Err(Refusal::new(format!("policy {id} already exists")));
            }
            let policy = policy::Policy {
                id: id.clone(),
                name: input.name,
                program: Program::read(&input.body)?,
                body: input.body,
                kind: input.kind,
                description: input.description,
                labels: input.labels.unwrap_or_default(),
                space,
                created_ms: world.now,
                updated_ms: world.now,
            };
            world.policies.insert(id, policy.clone());
            Ok(policy)
        })?;
        Ok(Policy::from(&made))
    }

    #[graphql(name = "policyUpdatev2")]
    async fn policy_update(
        &self,
        context: &Context<'_>,
        id: ID,
        input: PolicyUpdateInput,
    ) -> Result<Policy> {
        let changed = mutate(context, |world, _| {
            let space = known_space(world, input.space)?;
            let program = Program::read(&input.body)?;
            let now = world.now;
            let missing = || Refusal::new(format!("policy {} not found", id.as_str()));
            let policy = world.policies.get_mut(id.as_str()).ok_or_else(missing)?;
            *policy = policy::Policy {
                id: policy.id.clone(),
                kind: policy.kind,
                created_ms: policy.created_ms,
                updated_ms: now,
                name: input.name,
                body: input.body,
                program,
                description: input.description,
                labels: input.labels.unwrap_or_default(),
                space,
            };
            Ok(policy.clone())
        })?;
        Ok(Policy::from(&changed))
    }

    async fn policy_delete(&self, context: &Context<'_>, id: ID) -> Result<Option<Policy>> {
        let gone = mutate(context, |world, _| {
            let missing = || Refusal::new(format!("policy {} not found", id.as_str()));
            world.policies.remove(id.as_str()).ok_or_else(missing)
        })?;
        Ok(Some(Policy::from(&gone)))
    }
}

fn known_space(world: &World, space: Option<ID>) -> Result<String, Refusal> {
    let space = space.map_or_else(|| "root".into(), |space| space.to_string());
    match world.spaces.contains_key(&space) {
        true => Ok(space),
        false => Err(Refusal::new(format!("space {space} not found"))),
    }
}
