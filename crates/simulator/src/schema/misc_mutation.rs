//! Policies, blueprints, uploads and state files.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::{
    misc::{StringMap, StringMapEntry},
    run::RunObject,
    run_mutation::{EnvironmentVariable, environment_of},
    scope::mutate,
    space::Policy,
};
use crate::{
    policy::{self, PolicyType},
    run::Refusal,
};

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
    #[graphql(name = "policyCreatev2")]
    async fn policy_create(
        &self,
        context: &Context<'_>,
        input: PolicyCreateInput,
    ) -> Result<Policy> {
        let made = mutate(context, |world, _| {
            let space = input.space.map_or_else(|| "root".into(), |space| space.to_string());
            if !world.spaces.contains_key(&space) {
                return Err(Refusal::new(format!("space {space} not found")));
            }
            let id = input.name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            if world.policies.contains_key(&id) {
                return Err(Refusal::new(format!("policy {id} already exists")));
            }
            let policy = policy::Policy {
                id: id.clone(),
                name: input.name,
                body: input.body,
                kind: input.kind,
                description: input.description,
                labels: input.labels.unwrap_or_default(),
                space,
                created_ms: world.now,
            };
            world.policies.insert(id, policy.clone());
            Ok(policy)
        })?;
        Ok(Policy::from(&made))
    }

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
