//! Changing stack dependencies.

use async_graphql::{Context, ID, InputObject, Object, Result};

use super::{
    dependency::{StackDependency, StackDependencyReference, StackDependencyReferenceType},
    scope::mutate,
};
use crate::{
    account::DependencySeed,
    dependencies::{Edge, Reference},
    run::Refusal,
    world::World,
};

#[derive(InputObject)]
pub(crate) struct StackDependencyInput {
    stack_id: ID,
    depends_on_stack_id: ID,
    trigger_always: Option<bool>,
}

#[derive(InputObject)]
pub(crate) struct StackDependencyUpdateInput {
    id: ID,
    trigger_always: Option<bool>,
}

#[derive(InputObject)]
pub(crate) struct StackDependencyBatchInput {
    #[graphql(name = "stackID")]
    stack_id: ID,
    #[graphql(name = "dependsOnStackIDs")]
    depends_on_stack_ids: Vec<ID>,
}

#[derive(InputObject)]
pub(crate) struct StackDependencyReferenceInput {
    output_name: String,
    input_name: String,
    #[graphql(name = "type")]
    kind: Option<StackDependencyReferenceType>,
    trigger_always: Option<bool>,
}

#[derive(InputObject)]
pub(crate) struct StackDependencyReferenceUpdateInput {
    id: ID,
    output_name: String,
    input_name: String,
    #[graphql(name = "type")]
    kind: Option<StackDependencyReferenceType>,
    trigger_always: Option<bool>,
}

fn edge_of<'a>(world: &'a mut World, id: &ID) -> Result<&'a mut Edge, Refusal> {
    let missing = || Refusal::new(format!("stack dependency {} not found", id.as_str()));
    world.graph.get_mut(id).ok_or_else(missing)
}

fn add(
    world: &mut World,
    edge: &ID,
    inputs: Vec<StackDependencyReferenceInput>,
) -> Result<Vec<Reference>, Refusal> {
    let now = world.now;
    let added: Vec<Reference> = inputs
        .into_iter()
        .map(|input| Reference {
            id: world.ids.next(now).to_string(),
            input: input.input_name,
            output: input.output_name,
            trigger_always: input.trigger_always.unwrap_or(false),
            fresh: true,
        })
        .collect();
    let edge = edge_of(world, edge)?;
    if let Some(double) =
        added.iter().find(|new| edge.references.iter().any(|old| old.input == new.input))
    {
        return Err(Refusal::new(format!("input {} is already referenced", double.input)));
    }
    edge.references.extend(added.iter().cloned());
    Ok(added)
}

fn update(
    world: &mut World,
    input: StackDependencyReferenceUpdateInput,
) -> Result<Reference, Refusal> {
    let missing = || Refusal::new(format!("reference {} not found", input.id.as_str()));
    let edge = world.graph.with_reference_mut(&input.id).ok_or_else(missing)?;
    let reference = edge.references.iter_mut().find(|r| *r.id == **input.id).ok_or_else(missing)?;
    reference.output = input.output_name;
    reference.input = input.input_name;
    reference.trigger_always = input.trigger_always.unwrap_or(reference.trigger_always);
    Ok(reference.clone())
}

fn delete(world: &mut World, id: &ID) -> Result<Reference, Refusal> {
    let missing = || Refusal::new(format!("reference {} not found", id.as_str()));
    let edge = world.graph.with_reference_mut(id).ok_or_else(missing)?;
    let at = edge.references.iter().position(|r| *r.id == **id).ok_or_else(missing)?;
    Ok(edge.references.remove(at))
}

#[derive(Default)]
pub(crate) struct DependencyMutation;

#[Object]
impl DependencyMutation {
    async fn stack_dependency_create(
        &self,
        context: &Context<'_>,
        input: StackDependencyInput,
    ) -> Result<StackDependency> {
        mutate(context, |world, _| {
            world.add_dependency(DependencySeed {
                stack: input.stack_id.to_string(),
                depends_on: input.depends_on_stack_id.to_string(),
                trigger_always: input.trigger_always.unwrap_or(false),
                ..DependencySeed::default()
            })
        })
        .map(StackDependency)
    }

    async fn stack_dependency_update(
        &self,
        context: &Context<'_>,
        input: StackDependencyUpdateInput,
    ) -> Result<StackDependency> {
        mutate(context, |world, _| {
            let edge = edge_of(world, &input.id)?;
            edge.trigger_always = input.trigger_always.unwrap_or(edge.trigger_always);
            Ok(edge.clone())
        })
        .map(StackDependency)
    }

    async fn stack_dependency_delete(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<StackDependency> {
        mutate(context, |world, _| world.remove_dependency(&id)).map(StackDependency)
    }

    /// All or none.
    async fn stack_dependencies_create_in_batch(
        &self,
        context: &Context<'_>,
        input: StackDependencyBatchInput,
    ) -> Result<Vec<StackDependency>> {
        let edges = mutate(context, |world, _| {
            let mut made: Vec<Edge> = Vec::new();
            for parent in input.depends_on_stack_ids {
                let seed = DependencySeed {
                    stack: input.stack_id.to_string(),
                    depends_on: parent.to_string(),
                    ..DependencySeed::default()
                };
                match world.add_dependency(seed) {
                    Ok(edge) => made.push(edge),
                    Err(refusal) => {
                        for edge in made {
                            world.graph.remove(&edge.id);
                        }
                        return Err(refusal);
                    }
                }
            }
            Ok(made)
        })?;
        Ok(edges.into_iter().map(StackDependency).collect())
    }

    async fn stack_dependencies_add_reference(
        &self,
        context: &Context<'_>,
        #[graphql(name = "stackDependencyID")] dependency: ID,
        reference: StackDependencyReferenceInput,
    ) -> Result<StackDependencyReference> {
        let added = mutate(context, |world, _| {
            add(world, &dependency, vec![reference])
                .and_then(|added| added.into_iter().next().ok_or_else(|| Refusal::new("nothing")))
        })?;
        Ok(StackDependencyReference::from(&added))
    }

    async fn stack_dependencies_add_references(
        &self,
        context: &Context<'_>,
        #[graphql(name = "stackDependencyID")] dependency: ID,
        references: Vec<StackDependencyReferenceInput>,
    ) -> Result<Vec<StackDependencyReference>> {
        let added = mutate(context, |world, _| add(world, &dependency, references))?;
        Ok(added.iter().map(StackDependencyReference::from).collect())
    }

    async fn stack_dependencies_update_reference(
        &self,
        context: &Context<'_>,
        reference: StackDependencyReferenceUpdateInput,
    ) -> Result<StackDependencyReference> {
        let changed = mutate(context, |world, _| update(world, reference))?;
        Ok(StackDependencyReference::from(&changed))
    }

    async fn stack_dependencies_update_references(
        &self,
        context: &Context<'_>,
        references: Vec<StackDependencyReferenceUpdateInput>,
    ) -> Result<Vec<StackDependencyReference>> {
        let changed = mutate(context, |world, _| {
            references.into_iter().map(|reference| update(world, reference)).collect()
        });
        let changed: Vec<Reference> = changed?;
        Ok(changed.iter().map(StackDependencyReference::from).collect())
    }

    async fn stack_dependencies_delete_reference(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<StackDependencyReference> {
        let gone = mutate(context, |world, _| delete(world, &id))?;
        Ok(StackDependencyReference::from(&gone))
    }

    async fn stack_dependencies_delete_references(
        &self,
        context: &Context<'_>,
        ids: Vec<ID>,
    ) -> Result<Vec<StackDependencyReference>> {
        let gone: Vec<Reference> =
            mutate(context, |world, _| ids.iter().map(|id| delete(world, id)).collect())?;
        Ok(gone.iter().map(StackDependencyReference::from).collect())
    }
}
