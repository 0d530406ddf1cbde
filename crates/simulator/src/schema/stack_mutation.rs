//! Changing stacks.

use async_graphql::{Context, ID, InputObject, Object, Result};

use super::{misc::ConfigElementObject, scope::mutate, stack::StackObject};
use crate::stack::{ConfigElement, ConfigType};

/// An environment variable or a file to mount.
#[derive(InputObject)]
pub(crate) struct ConfigInput {
    id: ID,
    #[graphql(name = "type")]
    kind: ConfigType,
    value: String,
    write_only: bool,
    description: Option<String>,
}

#[derive(Default)]
pub(crate) struct StackMutation;

#[Object]
impl StackMutation {
    async fn stack_lock(
        &self,
        context: &Context<'_>,
        id: ID,
        note: Option<String>,
    ) -> Result<StackObject> {
        mutate(context, |world, caller| world.lock(&id, note, caller)).map(Into::into)
    }

    async fn stack_unlock(&self, context: &Context<'_>, id: ID) -> Result<StackObject> {
        mutate(context, |world, caller| world.unlock(&id, caller)).map(Into::into)
    }

    async fn stack_enable(&self, context: &Context<'_>, id: ID) -> Result<StackObject> {
        mutate(context, |world, _| world.set_disabled(&id, false)).map(Into::into)
    }

    async fn stack_disable(&self, context: &Context<'_>, id: ID) -> Result<StackObject> {
        mutate(context, |world, _| world.set_disabled(&id, true)).map(Into::into)
    }

    async fn stack_sync_commit(&self, context: &Context<'_>, id: ID) -> Result<StackObject> {
        mutate(context, |world, caller| world.sync_commit(&id, caller)).map(Into::into)
    }

    async fn stack_set_current_commit(
        &self,
        context: &Context<'_>,
        id: ID,
        sha: String,
    ) -> Result<StackObject> {
        mutate(context, |world, caller| world.set_commit(&id, &sha, caller)).map(Into::into)
    }

    async fn star_set(&self, context: &Context<'_>, id: ID, star: bool) -> Result<StackObject> {
        mutate(context, |world, caller| world.star(&id, star, caller)).map(Into::into)
    }

    async fn stack_delete(
        &self,
        context: &Context<'_>,
        id: ID,
        destroy_resources: Option<bool>,
    ) -> Result<StackObject> {
        let destroy = destroy_resources.unwrap_or(false);
        mutate(context, |world, caller| world.delete_stack(&id, destroy, caller)).map(Into::into)
    }

    async fn stack_config_add(
        &self,
        context: &Context<'_>,
        stack: ID,
        config: ConfigInput,
    ) -> Result<ConfigElementObject> {
        let added = mutate(context, |world, _| {
            let element = ConfigElement {
                id: config.id.to_string(),
                kind: config.kind,
                value: config.value,
                write_only: config.write_only,
                description: config.description,
                created_ms: world.now,
            };
            world.add_config(&stack, element)
        })?;
        Ok(ConfigElementObject::from(&added))
    }

    async fn stack_config_delete(
        &self,
        context: &Context<'_>,
        stack: ID,
        id: ID,
    ) -> Result<Option<ConfigElementObject>> {
        let deleted = mutate(context, |world, _| world.delete_config(&stack, &id))?;
        Ok(deleted.as_ref().map(ConfigElementObject::from))
    }
}
