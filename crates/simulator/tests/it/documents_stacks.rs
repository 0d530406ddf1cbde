//! Every document spacectl sends about stacks, verbatim.

use serde_json::{Value, json};
use simulator::{
    Account, ContextSeed, OutputSeed, StackConfigVendorAnsible, StackConfigVendorCloudFormation,
    StackConfigVendorKubernetes, StackConfigVendorPulumi, StackConfigVendorTerraform,
    StackConfigVendorTerragrunt, StackSeed, VendorConfig, sample_account,
};

use crate::client::{Client, account};

/// What spacectl asks of every stack in a list.
const LIST: &str = "id,administrative,autodeploy,autoretry,blocker{id},afterApply,beforeApply,\
afterInit,beforeInit,afterPlan,beforePlan,afterPerform,beforePerform,afterDestroy,beforeDestroy,\
branch,canWrite,createdAt,deleted,deleting,description,labels,localPreviewEnabled,lockedBy,\
managesStateFile,name,namespace,projectRoot,provider,repository,runnerImage,starred,state,\
stateSetAt,terraformVersion,spaceDetails{id,name,description,parentSpace},trackedCommit{authorLogin,\
authorName,hash,message,timestamp,url},trackedCommitSetBy,vendorConfig{__typename},workerPool{id,\
name}";

const SHOW: &str = "query($stackId:ID!){stack(id: $stackId){id,administrative,attachedContexts{\
contextId,contextName,priority,config{id,checksum,runtime,type,writeOnly}},attachedPolicies{policyId,\
policyName,policyType},autodeploy,autoretry,blocker{id},afterApply,beforeApply,afterInit,beforeInit,\
afterPlan,beforePlan,afterPerform,beforePerform,afterDestroy,beforeDestroy,branch,canWrite,config{id,\
checksum,runtime,type,writeOnly},createdAt,deleted,deleting,description,labels,localPreviewEnabled,\
lockedBy,managesStateFile,moduleVersionsUsed{id,number,module{id,name,owner}},name,namespace,\
projectRoot,additionalProjectGlobs,provider,repository,runnerImage,starred,state,stateSetAt,\
terraformVersion,trackedCommit{authorLogin,authorName,hash,message,timestamp,url},\
trackedCommitSetBy,vendorConfig{__typename,... on StackConfigVendorAnsible{playbook},... on \
StackConfigVendorCloudFormation{entryTemplateFile,templateBucket,stackName,region},... on \
StackConfigVendorKubernetes{namespace,kubectlVersion,kubernetesWorkflowTool},... on \
StackConfigVendorOpenTofu{version,workspace,useSmartSanitization,externalStateAccessEnabled,concise,\
openTofuWorkflowTool: workflowTool},... on StackConfigVendorPulumi{loginURL,stackName},... on \
StackConfigVendorTerraform{version,workspace,useSmartSanitization,externalStateAccessEnabled,\
terraformWorkflowTool: workflowTool},... on StackConfigVendorTerragrunt{terraformVersion,\
terragruntVersion,useRunAll,useSmartSanitization,tool,useStateManagement}},workerPool{id,name}}}";

#[tokio::test]
async fn stack_list_reads_the_account_page_by_page() {
    let client = Client::start(sample_account()).await;
    let document = format!(
        "query($input:SearchInput!){{searchStacks(input: $input){{edges{{node{{{LIST}}}}},\
         pageInfo{{endCursor,hasNextPage,hasPreviousPage}}}}}}"
    );

    let data = client
        .strictly(
            &document,
            json!({"input": {"first": 50, "after": null, "fullTextSearch": null,
                "predicates": null, "orderBy": null}}),
        )
        .await;

    let edges = data["searchStacks"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), sample_account().stacks.len());
    assert_eq!(
        edges[0]["node"]["spaceDetails"]["id"].as_str().unwrap().split('-').next(),
        Some("apps")
    );
    assert_eq!(data["searchStacks"]["pageInfo"]["hasNextPage"], false);
}

fn one_stack_per_vendor() -> Account {
    let vendors = [
        (
            "ansible",
            VendorConfig::Ansible(StackConfigVendorAnsible { playbook: "site.yml".into() }),
        ),
        (
            "cloudformation",
            VendorConfig::CloudFormation(StackConfigVendorCloudFormation::default()),
        ),
        ("kubernetes", VendorConfig::Kubernetes(StackConfigVendorKubernetes::default())),
        ("opentofu", VendorConfig::default()),
        ("pulumi", VendorConfig::Pulumi(StackConfigVendorPulumi::default())),
        ("terraform", VendorConfig::Terraform(StackConfigVendorTerraform::default())),
        ("terragrunt", VendorConfig::Terragrunt(StackConfigVendorTerragrunt::default())),
    ];
    let stacks = vendors.into_iter().map(|(id, vendor)| StackSeed {
        vendor,
        resources: 2,
        labels: vec!["team:x".into()],
        ..StackSeed::new(id)
    });
    Account {
        stacks: stacks.collect(),
        contexts: vec![ContextSeed {
            id: "shared".into(),
            name: "Shared".into(),
            labels: vec!["autoattach:team:x".into()],
            space: "root".into(),
            variables: [("REGION".to_owned(), "eu-north-1".to_owned())].into(),
            ..ContextSeed::default()
        }],
        ..Account::default()
    }
}

#[tokio::test]
async fn stack_show_gives_each_vendor_its_own_fields() {
    let client = Client::start(one_stack_per_vendor()).await;
    for (stack, typename, key) in [
        ("ansible", "StackConfigVendorAnsible", "playbook"),
        ("cloudformation", "StackConfigVendorCloudFormation", "region"),
        ("kubernetes", "StackConfigVendorKubernetes", "kubernetesWorkflowTool"),
        ("opentofu", "StackConfigVendorOpenTofu", "openTofuWorkflowTool"),
        ("pulumi", "StackConfigVendorPulumi", "loginURL"),
        ("terraform", "StackConfigVendorTerraform", "terraformWorkflowTool"),
        ("terragrunt", "StackConfigVendorTerragrunt", "useRunAll"),
    ] {
        let data = client.strictly(SHOW, json!({"stackId": stack})).await;
        let config = &data["stack"]["vendorConfig"];
        assert_eq!(config["__typename"], typename);
        assert!(config.get(key).is_some(), "{stack}: {config}");
        assert_eq!(data["stack"]["attachedContexts"][0]["contextId"], "shared");
    }
    let data = client.strictly(SHOW, json!({"stackId": "unknown"})).await;
    assert_eq!(data["stack"], Value::Null);
}

#[tokio::test]
async fn stack_resources_list_gives_entities_under_their_vendor() {
    let client = Client::start(one_stack_per_vendor()).await;
    let entity = "id,address,creator{id},drifted,name,parent,thirdPartyMetadata,type,updater{id},\
        vendor{... on EntityVendorAnsible{ansible{... on AnsibleResource{data}}},... on \
        EntityVendorCloudFormation{cloudFormation{... on CloudFormationResource{logicalResourceId,\
        physicalResourceId,template},... on CloudFormationOutput{description,export,value}}},... on \
        EntityVendorKubernetes{kubernetes{... on KubernetesResource{data},... on KubernetesRoot{\
        phantom}}},... on EntityVendorPulumi{pulumi{... on PulumiOutput{sensitive,value,hash},... on \
        PulumiStack{phantom},... on PulumiResource {urn,id,provider,parent,outputs}}},... on \
        EntityVendorTerraform{terraform{... on TerraformResource{address,mode,module,provider,\
        tainted,values},... on TerraformModule{phantom},... on TerraformOutput{sensitive,value,\
        hash}}}}";
    let one =
        format!("query($id:ID!){{stack(id: $id){{id,labels,space,name,entities{{{entity}}}}}}}");
    let all = format!("{{stacks{{id,labels,space,name,entities{{{entity}}}}}}}");

    let data = client.strictly(&one, json!({"id": "kubernetes"})).await;
    let entities = data["stack"]["entities"].as_array().unwrap();
    assert_eq!(entities.len(), 2);
    assert!(entities[0]["vendor"]["kubernetes"]["data"].is_string());

    let data = client.strictly(&all, json!({})).await;
    assert_eq!(data["stacks"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn an_apply_makes_entities_that_name_their_run() {
    let client = Client::start(account(&["net"])).await;
    let run = client.trigger("net", "TRACKED").await;
    client.act("runConfirm", "net", &run).await;

    let data =
        client.data("{stack(id:\"net\"){entityCount entities{creator{id}}}}", json!({})).await;

    assert_eq!(data["stack"]["entityCount"], 1);
    assert_eq!(data["stack"]["entities"][0]["creator"]["id"], run.as_str());
}

#[tokio::test]
async fn stacks_are_locked_and_unlocked() {
    let client = Client::start(account(&["net"])).await;
    let lock = "mutation($note:String!$stack:ID!){stackLock(id: $stack, note: $note){id}}";
    let unlock = "mutation($stack:ID!){stackUnlock(id: $stack){id}}";
    let locked = "{stack(id:\"net\"){lockedBy lockNote}}";

    client.strictly(lock, json!({"stack": "net", "note": "mine"})).await;
    let data = client.data(locked, json!({})).await;
    assert_eq!(data["stack"]["lockNote"], "mine");
    assert_eq!(data["stack"]["lockedBy"], format!("api::{}", client.simulator.api_key().id));
    let again = client.error(lock, json!({"stack": "net", "note": "mine"})).await;
    assert!(again.contains("already locked"), "{again}");

    client.strictly(unlock, json!({"stack": "net"})).await;
    let data = client.data(locked, json!({})).await;
    assert_eq!(data["stack"]["lockedBy"], Value::Null);
}

#[tokio::test]
async fn a_disabled_stack_starts_nothing_until_it_is_enabled() {
    let client = Client::start(account(&["net"])).await;
    let disable = "mutation($stack:ID!){stackDisable(id: $stack){id,isDisabled}}";
    let enable = "mutation($stack:ID!){stackEnable(id: $stack){id,isDisabled}}";
    let trigger = "mutation{runTrigger(stack:\"net\"){id}}";

    let data = client.strictly(disable, json!({"stack": "net"})).await;
    assert_eq!(data["stackDisable"]["isDisabled"], true);
    assert_eq!(client.error(trigger, json!({})).await, "stack net is disabled");

    let data = client.strictly(enable, json!({"stack": "net"})).await;
    assert_eq!(data["stackEnable"]["isDisabled"], false);
    client.data(trigger, json!({})).await;
}

#[tokio::test]
async fn the_tracked_commit_is_synced_and_set() {
    let client = Client::start(account(&["net"])).await;
    let sync = "mutation($stack:ID!){stackSyncCommit(id: $stack){id}}";
    let set = "mutation($sha:String!$stack:ID!){stackSetCurrentCommit(id: $stack, sha: $sha){\
        trackedCommit{hash,message}}}";
    let read = "{stack(id:\"net\"){trackedCommit{hash} trackedBranchHead{hash}}}";

    client.strictly(sync, json!({"stack": "net"})).await;
    let data = client.data(read, json!({})).await;
    assert_eq!(data["stack"]["trackedCommit"], data["stack"]["trackedBranchHead"]);

    let sha = "0ee3a3b7266daf5a1d44a193a0f48ce995fa75eb";
    let data = client.strictly(set, json!({"stack": "net", "sha": sha})).await;
    assert_eq!(data["stackSetCurrentCommit"]["trackedCommit"]["hash"], sha);
    let error = client.error(set, json!({"stack": "net", "sha": "main"})).await;
    assert_eq!(error, "\"main\" is not a commit hash");
}

#[tokio::test]
async fn outputs_are_those_of_the_last_apply_and_sensitive_ones_hide_their_value() {
    let mut seed = StackSeed { autodeploy: true, ..StackSeed::new("net") };
    seed.outputs.insert("vpc_id".into(), OutputSeed::from("vpc-1"));
    let secret = OutputSeed { value: "hush".into(), sensitive: true, description: None };
    seed.outputs.insert("password".into(), secret);
    let client = Client::start(Account { stacks: vec![seed], ..Account::default() }).await;
    let document = "query($stackId:ID!){stack(id: $stackId){id,name,outputs{id,sensitive,\
        description,value}}}";

    let data = client.strictly(document, json!({"stackId": "net"})).await;
    assert_eq!(data["stack"]["outputs"], json!([]));

    client.trigger("net", "TRACKED").await;
    let data = client.strictly(document, json!({"stackId": "net"})).await;
    assert_eq!(
        data["stack"]["outputs"],
        json!([
            {"id": "password", "sensitive": true, "description": null, "value": null},
            {"id": "vpc_id", "sensitive": false, "description": null, "value": "vpc-1"},
        ])
    );
}

#[tokio::test]
async fn the_environment_is_listed_set_mounted_and_deleted() {
    let client = Client::start(one_stack_per_vendor()).await;
    let add = "mutation($config:ConfigInput!$stack:ID!){stackConfigAdd(stack: $stack, config: \
        $config){id,writeOnly,value}}";
    let mount = "mutation($config:ConfigInput!$stack:ID!){stackConfigAdd(stack: $stack, config: \
        $config){id,writeOnly,type}}";
    let delete = "mutation($id:ID!$stack:ID!){stackConfigDelete(stack: $stack, id: $id){id,\
        writeOnly}}";
    let list = "query($stack:ID!){stack(id: $stack){runtimeConfig{context{id,contextName},element{id,\
        checksum,createdAt,runtime,type,value,writeOnly}},attachedContexts{contextId,contextName,\
        priority,isAutoattached,config{id,checksum,createdAt,runtime,type,value,writeOnly}}}}";
    let element = |id: &str, kind: &str, write_only: bool| {
        json!({"stack": "opentofu", "config": {"id": id, "type": kind, "value": "dg==",
            "writeOnly": write_only}})
    };

    let data = client.strictly(add, element("TOKEN", "ENVIRONMENT_VARIABLE", true)).await;
    assert_eq!(data["stackConfigAdd"]["value"], Value::Null);
    client.strictly(mount, element("a.json", "FILE_MOUNT", false)).await;
    let data = client.strictly(list, json!({"stack": "opentofu"})).await;
    let ids: Vec<&str> = data["stack"]["runtimeConfig"]
        .as_array()
        .unwrap()
        .iter()
        .map(|config| config["element"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["TOKEN", "a.json", "REGION"]);
    assert_eq!(data["stack"]["attachedContexts"][0]["isAutoattached"], true);

    client.strictly(delete, json!({"stack": "opentofu", "id": "TOKEN"})).await;
    let data = client.strictly(delete, json!({"stack": "opentofu", "id": "TOKEN"})).await;
    assert_eq!(data["stackConfigDelete"], Value::Null);
}

#[tokio::test]
async fn state_pull_gets_the_state_file_by_its_url() {
    let client = Client::start(one_stack_per_vendor()).await;
    let document = "mutation($input:StateDownloadUrlInput!){stateDownloadUrl(input: $input){url}}";

    let data = client.strictly(document, json!({"input": {"stackId": "opentofu"}})).await;
    let url = data["stateDownloadUrl"]["url"].as_str().unwrap();
    let state: Value = client.http.get(url).send().await.unwrap().json().await.unwrap();

    assert_eq!(state["version"], 4);
    assert_eq!(state["resources"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_stack_is_deleted_at_once_or_after_it_was_destroyed() {
    let client = Client::start(account(&["a", "b"])).await;
    let delete = "mutation($destroyResources:Boolean!$id:ID!){stackDelete(id: $id, \
        destroyResources: $destroyResources){id}}";

    client.strictly(delete, json!({"id": "a", "destroyResources": false})).await;
    assert!(client.simulator.control().stack("a").is_none());

    client.simulator.control().pause();
    client.strictly(delete, json!({"id": "b", "destroyResources": true})).await;
    let data = client.data("{stack(id:\"b\"){deleting runs{type}}}", json!({})).await;
    assert_eq!(data["stack"], json!({"deleting": true, "runs": [{"type": "DESTROY"}]}));
    client.simulator.control().advance(0);
    assert!(client.simulator.control().stack("b").is_none());
}
