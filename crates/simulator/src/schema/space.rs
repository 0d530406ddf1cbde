//! Spaces and contexts as GraphQL shows them.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

use super::{misc::ConfigElementObject, scope::read};
use crate::account::{ContextSeed, SpaceSeed};

/// What a caller may do in a space.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SpaceAccessLevel {
    Read,
    Write,
    Admin,
}

/// A space.
#[derive(SimpleObject)]
pub(crate) struct Space {
    id: ID,
    name: String,
    description: String,
    parent_space: Option<ID>,
    inherit_entities: bool,
    labels: Vec<String>,
    access_level: SpaceAccessLevel,
}

impl From<&SpaceSeed> for Space {
    fn from(seed: &SpaceSeed) -> Self {
        Self {
            id: ID::from(&seed.id),
            name: seed.name.clone(),
            description: seed.description.clone(),
            parent_space: seed.parent.as_ref().map(ID::from),
            inherit_entities: seed.inherit_entities,
            labels: seed.labels.clone(),
            access_level: SpaceAccessLevel::Admin,
        }
    }
}

/// A space where only its name matters.
#[derive(SimpleObject)]
pub(crate) struct SpaceRef {
    id: ID,
    name: String,
    access_level: SpaceAccessLevel,
}

impl From<&SpaceSeed> for SpaceRef {
    fn from(seed: &SpaceSeed) -> Self {
        Self {
            id: ID::from(&seed.id),
            name: seed.name.clone(),
            access_level: SpaceAccessLevel::Admin,
        }
    }
}

/// Shared configuration.
#[derive(SimpleObject)]
#[graphql(name = "Context")]
pub(crate) struct ContextObject {
    id: ID,
    name: String,
    description: Option<String>,
    labels: Vec<String>,
    space: ID,
    config: Vec<ConfigElementObject>,
}

impl From<&ContextSeed> for ContextObject {
    fn from(seed: &ContextSeed) -> Self {
        Self {
            id: ID::from(&seed.id),
            name: seed.name.clone(),
            description: seed.description.clone(),
            labels: seed.labels.clone(),
            space: ID::from(&seed.space),
            config: seed
                .variables
                .iter()
                .map(|(name, value)| ConfigElementObject::variable(name, value))
                .collect(),
        }
    }
}

#[derive(Default)]
pub(crate) struct SpaceQuery;

#[Object]
impl SpaceQuery {
    async fn spaces(&self, context: &Context<'_>) -> Result<Vec<Space>> {
        read(context, |world| world.spaces.values().map(Space::from).collect())
    }

    async fn space(&self, context: &Context<'_>, id: ID) -> Result<Option<Space>> {
        read(context, |world| world.spaces.get(&*id).map(Space::from))
    }

    async fn contexts(&self, context: &Context<'_>) -> Result<Vec<ContextObject>> {
        read(context, |world| world.contexts.values().map(ContextObject::from).collect())
    }

    async fn context(&self, context: &Context<'_>, id: ID) -> Result<Option<ContextObject>> {
        read(context, |world| world.contexts.get(&*id).map(ContextObject::from))
    }
}
