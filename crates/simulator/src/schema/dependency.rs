//! Stack dependencies as GraphQL shows them.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

use super::{scope::read, space::SpaceRef};
use crate::dependencies::{Edge, Reference};

/// An edge: `stack` waits for `dependsOnStack`.
pub(crate) struct StackDependency(pub(super) Edge);

impl StackDependency {
    fn end(context: &Context<'_>, stack: &str) -> Result<StackDependencyDetail> {
        let found = read(context, |world| {
            let stack = world.stacks.get(stack)?;
            let space = world.spaces.get(&stack.seed.space).map(SpaceRef::from);
            Some(StackDependencyDetail {
                id: ID::from(&*stack.id),
                name: stack.seed.name.clone(),
                space,
            })
        })?;
        found.ok_or_else(|| format!("stack {stack} not found").into())
    }
}

#[Object]
impl StackDependency {
    async fn id(&self) -> ID {
        ID::from(&*self.0.id)
    }

    async fn stack(&self, context: &Context<'_>) -> Result<StackDependencyDetail> {
        Self::end(context, &self.0.child)
    }

    async fn depends_on_stack(&self, context: &Context<'_>) -> Result<StackDependencyDetail> {
        Self::end(context, &self.0.parent)
    }

    async fn depends_on_stack_id(&self) -> ID {
        ID::from(&*self.0.parent)
    }

    async fn reference_count(&self) -> usize {
        self.0.references.len()
    }

    async fn trigger_always(&self) -> bool {
        self.0.trigger_always
    }

    async fn references(&self) -> Vec<StackDependencyReference> {
        self.0.references.iter().map(StackDependencyReference::from).collect()
    }

    async fn reference(
        &self,
        id: Option<ID>,
        input_name: Option<String>,
    ) -> Option<StackDependencyReference> {
        let found = self.0.references.iter().find(|reference| {
            id.as_ref().is_some_and(|id| **id == reference.id)
                || input_name.as_ref().is_some_and(|name| *name == reference.input)
        });
        found.map(StackDependencyReference::from)
    }
}

/// One end of an edge; its `space` is an object, unlike that of a stack.
#[derive(SimpleObject)]
pub(crate) struct StackDependencyDetail {
    id: ID,
    name: String,
    space: Option<SpaceRef>,
}

/// An output of the parent that becomes an input of the child.
#[derive(SimpleObject)]
pub(crate) struct StackDependencyReference {
    id: ID,
    input_name: String,
    output_name: String,
    #[graphql(name = "type")]
    kind: StackDependencyReferenceType,
    trigger_always: bool,
}

/// What an input becomes.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
pub(crate) enum StackDependencyReferenceType {
    EnvironmentVariable,
}

impl From<&Reference> for StackDependencyReference {
    fn from(reference: &Reference) -> Self {
        Self {
            id: ID::from(&reference.id),
            input_name: reference.input.clone(),
            output_name: reference.output.clone(),
            kind: StackDependencyReferenceType::EnvironmentVariable,
            trigger_always: reference.trigger_always,
        }
    }
}
