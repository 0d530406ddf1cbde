//! Blueprints, uploads and state files.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::{
    misc::{StringMap, StringMapEntry},
    run::RunObject,
    run_mutation::{EnvironmentVariable, environment_of},
    scope::mutate,
};
use crate::run::Refusal;

#[derive(InputObject)]
pub(crate) struct BlueprintStackCreateInput {
    template_inputs: Vec<BlueprintStackCreateInputPair>,
}

#[derive(InputObject)]
pub(crate) struct BlueprintStackCreateInputPair {
    id: ID,
    value: String,
}

/// What a blueprint made.
#[derive(SimpleObject)]
pub(crate) struct BlueprintStackCreate {
    #[graphql(name = "stackID")]
    stack_id: ID,
    stack_ids: Vec<ID>,
    run_ids: Vec<ID>,
}

#[derive(InputObject)]
pub(crate) struct StateDownloadUrlInput {
    stack_id: ID,
}

/// Where a state file can be fetched.
#[derive(SimpleObject)]
pub(crate) struct StateDownloadUrl {
    url: String,
}

/// Where a workspace can be put.
#[derive(SimpleObject)]
pub(crate) struct LocalWorkspaceUpload {
    id: ID,
    upload_url: String,
    upload_headers: StringMap,
}

#[derive(Default)]
pub(crate) struct MiscMutation;

#[Object]
impl MiscMutation {
    async fn blueprint_create_stack(
        &self,
        context: &Context<'_>,
        id: ID,
        input: BlueprintStackCreateInput,
    ) -> Result<BlueprintStackCreate> {
        let inputs: Vec<(String, String)> = input
            .template_inputs
            .into_iter()
            .map(|pair| (pair.id.to_string(), pair.value))
            .collect();
        let stack = mutate(context, |world, _| world.create_from_blueprint(&id, &inputs))?;
        let stack_id = ID::from(&*stack.id);
        Ok(BlueprintStackCreate {
            stack_ids: vec![stack_id.clone()],
            stack_id,
            run_ids: Vec::new(),
        })
    }

    async fn upload_local_workspace(
        &self,
        context: &Context<'_>,
        stack: ID,
    ) -> Result<LocalWorkspaceUpload> {
        let (id, upload_url) = mutate(context, |world, _| {
            let stack = world.stack(&stack)?.id.clone();
            let id = world.ids.next(world.now).to_string();
            world.workspaces.insert(id.clone(), stack);
            let url = format!("{}/blobs/{id}", world.base);
            Ok(vec![id, url])
        })
        .map(|both| (both[0].clone(), both[1].clone()))?;
        let content_type =
            StringMapEntry { key: "Content-Type".into(), value: "application/gzip".into() };
        let upload_headers = StringMap { entries: vec![content_type] };
        Ok(LocalWorkspaceUpload { id: ID::from(id), upload_url, upload_headers })
    }

    async fn run_propose_local_workspace(
        &self,
        context: &Context<'_>,
        stack: ID,
        workspace: ID,
        environment_vars_overrides: Option<Vec<EnvironmentVariable>>,
    ) -> Result<RunObject> {
        let environment = environment_of(environment_vars_overrides);
        mutate(context, |world, caller| {
            world.propose_workspace(&stack, &workspace, environment, caller)
        })
        .map(RunObject)
    }

    async fn state_download_url(
        &self,
        context: &Context<'_>,
        input: StateDownloadUrlInput,
    ) -> Result<StateDownloadUrl> {
        let url = mutate(context, |world, _| {
            let stack = world.stack(&input.stack_id)?;
            if !stack.seed.manages_state_file {
                return Err(Refusal::new("stack does not manage its state file"));
            }
            // The url is its own permission, so it cannot be guessed.
            let id = world.ids.secret();
            world.blobs.insert(id.clone(), crate::blobs::state_file(&stack));
            Ok(format!("{}/blobs/{id}", world.base))
        })?;
        Ok(StateDownloadUrl { url })
    }
}
