//! The schema has what clients were told it has.

use std::collections::BTreeMap;

use serde_json::json;

use crate::client::{Client, account};

/// Root fields with their arguments, as the reconstructed schema has them.
const QUERIES: &str = "viewer() debugInfo() stack(id) stacks() runStack(runId) searchStacks(input) \
searchRuns(input) searchAuditTrailEntries(input) spaces() space(id) contexts() context(id) policies() \
policy(id) workerPools() workerPool(id) publicWorkerPool() namedWebhooksIntegration(id) \
searchNamedWebhooksIntegrations(input) auditTrailWebhook()";

const MUTATIONS: &str = "apiKeyUser(id,secret) oauthUser(token) logout() \
runTrigger(stack,commitSha,runType,runtimeConfig,forceApply) \
proposeWithOverrides(stack,commitSha,environmentVarsOverrides) runConfirm(stack,run,note) \
runDiscard(stack,run,note) runDiscardAll(stack,note) runCancel(stack,run,note) \
runStop(stack,run,note) runKill(stack,run,note) runRetry(stack,run) runPromote(stack,run) \
runReview(stack,run,decision,note) runPrioritizeSet(stack,run,prioritize) \
runTargetedReplan(stack,run,targets) runComment(stack,run,body) \
taskCreate(stack,command,skipInitialization) uploadLocalWorkspace(stack) \
runProposeLocalWorkspace(stack,workspace,environmentVarsOverrides) \
runExternalDependencyMarkAsCompleted(dependency,status) stackLock(id,note) stackUnlock(id) \
stackEnable(id) stackDisable(id) stackSyncCommit(id) stackSetCurrentCommit(id,sha) \
starSet(id,star) stackConfigAdd(stack,config) stackConfigDelete(stack,id) \
stackDelete(id,destroyResources) stateDownloadUrl(input) blueprintCreateStack(id,input) \
stackDependencyCreate(input) stackDependencyUpdate(input) stackDependencyDelete(id) \
stackDependenciesCreateInBatch(input) stackDependenciesAddReference(stackDependencyID,reference) \
stackDependenciesAddReferences(stackDependencyID,references) \
stackDependenciesUpdateReference(reference) stackDependenciesUpdateReferences(references) \
stackDependenciesDeleteReference(id) stackDependenciesDeleteReferences(ids) \
namedWebhooksIntegrationCreate(input) namedWebhooksIntegrationUpdate(id,input) \
namedWebhooksIntegrationDelete(id) namedWebhooksIntegrationSetHeaders(id,input) \
namedWebhooksIntegrationDeleteHeaders(id,headerKeys) webhooksIntegrationCreate(stack,input) \
webhooksIntegrationUpdate(stack,id,input) webhooksIntegrationDelete(stack,id) \
auditTrailSetWebhook(input) auditTrailDeleteWebhook() policyCreatev2(input) \
policyUpdatev2(id,input) policyDelete(id)";

fn wanted(list: &str) -> BTreeMap<String, Vec<String>> {
    list.split_whitespace()
        .map(|field| {
            let (name, args) = field.trim_end_matches(')').split_once('(').unwrap();
            let args = args.split(',').filter(|arg| !arg.is_empty()).map(Into::into);
            (name.to_owned(), args.collect())
        })
        .collect()
}

#[tokio::test]
async fn root_fields_have_the_names_and_arguments_that_clients_use() {
    let client = Client::start(account(&[])).await;
    for (kind, list) in [("queryType", QUERIES), ("mutationType", MUTATIONS)] {
        let document = format!("{{__schema{{{kind}{{fields{{name args{{name}}}}}}}}}}");
        let data = client.data(&document, json!({})).await;
        let fields = data["__schema"][kind]["fields"].as_array().unwrap();
        let found: BTreeMap<String, Vec<String>> = fields
            .iter()
            .map(|field| {
                let args = field["args"].as_array().unwrap().iter();
                let args = args.map(|arg| arg["name"].as_str().unwrap().to_owned());
                (field["name"].as_str().unwrap().to_owned(), args.collect())
            })
            .collect();
        assert_eq!(found, wanted(list), "{kind}");
    }
}

#[test]
fn the_schema_can_be_written_down() {
    let sdl = simulator::sdl();
    for line in
        ["union StackConfigVendor =", "enum RunState {", "type Run {", "input SearchInput {"]
    {
        assert!(sdl.contains(line), "{line}");
    }
}
