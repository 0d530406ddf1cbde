//! An account to look at and to play with: three spaces, fifteen stacks of one repository, native
//! dependencies with a diamond of output references.
//!
//! ```text
//! org ──► network-prod ──┬─► cluster-prod ──┬─► ingress-prod ──► shop-prod
//!                        └─► database-prod ─┘      (labels)
//! ```
//!
//! and the same again for `dev`, a little smaller.

use crate::account::{
    Account, DependencySeed, OutputSeed, PlanResult, ReferenceSeed, SpaceSeed, StackSeed,
};

/// The repository of [`sample_account`].
pub const SAMPLE_REPOSITORY: &str = "acme/infra";
/// The space of what everything stands on.
pub const SAMPLE_PLATFORM_SPACE: &str = "platform-01K7A00000000000000000P1AT";
/// The space of what is built on it.
pub const SAMPLE_APPS_SPACE: &str = "apps-01K7A00000000000000000APP5";

/// The sample account over the repository `acme/infra`.
pub fn sample_account() -> Account {
    sample_account_of(SAMPLE_REPOSITORY)
}

/// The sample account over another repository, written `owner/name`.
pub fn sample_account_of(repository: &str) -> Account {
    let (namespace, repository) = repository.split_once('/').unwrap_or(("acme", repository));
    let mut stacks = stacks();
    for stack in &mut stacks {
        stack.namespace = namespace.into();
        stack.repository = repository.into();
    }
    Account {
        name: namespace.into(),
        spaces: spaces(),
        stacks,
        dependencies: dependencies(),
        ..Account::default()
    }
}

fn spaces() -> Vec<SpaceSeed> {
    let space = |id: &str, name: &str, description: &str| SpaceSeed {
        id: id.into(),
        name: name.into(),
        description: description.into(),
        parent: (id != "root").then(|| "root".into()),
        inherit_entities: true,
        labels: Vec::new(),
    };
    vec![
        space("root", "root", "The whole organisation"),
        space(SAMPLE_PLATFORM_SPACE, "platform", "Networks, clusters and databases"),
        space(SAMPLE_APPS_SPACE, "apps", "What customers use"),
    ]
}

/// A stack in `stacks/<id>`, with what most of them have.
fn stack(id: &str, space: &str, labels: &[&str]) -> StackSeed {
    StackSeed {
        space: space.into(),
        project_root: Some(format!("stacks/{id}")),
        labels: labels.iter().map(ToString::to_string).collect(),
        autodeploy: true,
        outputs_published: true,
        resources: 6,
        ..StackSeed::new(id)
    }
}

fn with_outputs(mut stack: StackSeed, outputs: &[(&str, &str)]) -> StackSeed {
    stack.outputs =
        outputs.iter().map(|(name, value)| (name.to_string(), OutputSeed::from(*value))).collect();
    stack
}

fn plans(mut stack: StackSeed, add: u32, change: u32, delete: u32) -> StackSeed {
    stack.behaviour.plan = PlanResult::Changes { add, change, delete };
    stack
}

fn stacks() -> Vec<StackSeed> {
    let mut stacks = vec![
        with_outputs(
            plans(stack("org", "root", &["env:global", "team:platform"]), 0, 1, 0),
            &[("account_id", "123456789012"), ("audit_bucket", "acme-audit")],
        ),
        stack("dns", "root", &["env:global", "team:platform", "depends-on:org"]),
        StackSeed {
            description: Some("Manages the other stacks".into()),
            administrative: true,
            autodeploy: false,
            protect_from_deletion: true,
            ..stack("spacelift-admin", "root", &["env:global", "team:platform"])
        },
    ];
    stacks.extend(environment("prod", "10.0.0.0/16"));
    stacks.extend(environment("dev", "10.64.0.0/16"));
    stacks.push(StackSeed {
        autodeploy: false,
        ..stack(
            "billing-prod",
            SAMPLE_APPS_SPACE,
            &["env:prod", "team:billing", "depends-on:database-prod"],
        )
    });
    stacks.push(stack(
        "monitoring-prod",
        SAMPLE_PLATFORM_SPACE,
        &["env:prod", "team:platform", "depends-on:cluster-prod"],
    ));
    stacks
}

/// The stacks that exist once per environment.
fn environment(name: &str, cidr: &str) -> Vec<StackSeed> {
    let id = |stack: &str| format!("{stack}-{name}");
    let env = format!("env:{name}");
    let network = with_outputs(
        plans(stack(&id("network"), SAMPLE_PLATFORM_SPACE, &[&env, "team:platform"]), 2, 1, 0),
        &[("vpc_id", &format!("vpc-{name}-{{run}}")), ("cidr", cidr)],
    );
    let mut cluster = with_outputs(
        stack(&id("cluster"), SAMPLE_PLATFORM_SPACE, &[&env, "team:platform"]),
        &[("endpoint", &format!("https://k8s.{name}.acme.example/{{run}}"))],
    );
    cluster.additional_project_globs = vec!["modules/cluster/**".into()];
    let database = with_outputs(
        stack(&id("database"), SAMPLE_PLATFORM_SPACE, &[&env, "team:data"]),
        &[("url", &format!("postgres://db.{name}.acme.example/{{run}}"))],
    );
    let ingress = with_outputs(
        stack(&id("ingress"), SAMPLE_PLATFORM_SPACE, &[&env, "team:platform"]),
        &[("address", "203.0.113.10")],
    );
    let after = format!("depends-on:{}", id("ingress"));
    let mut shop = stack(&id("shop"), SAMPLE_APPS_SPACE, &[&env, "team:shop", &after]);
    shop.autodeploy = name != "prod";
    vec![network, cluster, database, ingress, shop]
}

fn dependencies() -> Vec<DependencySeed> {
    let edge = |stack: &str, on: &str, references: &[(&str, &str)]| DependencySeed {
        id: format!("{stack}-on-{on}"),
        stack: stack.into(),
        depends_on: on.into(),
        trigger_always: false,
        references: references.iter().map(|(o, i)| ReferenceSeed::new(o, i)).collect(),
    };
    let mut edges = vec![edge("network-prod", "org", &[]), edge("network-dev", "org", &[])];
    for env in ["prod", "dev"] {
        let id = |stack: &str| format!("{stack}-{env}");
        let (network, cluster) = (id("network"), id("cluster"));
        let (database, ingress) = (id("database"), id("ingress"));
        edges.push(edge(&cluster, &network, &[("vpc_id", "TF_VAR_vpc_id")]));
        edges.push(edge(&database, &network, &[("vpc_id", "TF_VAR_vpc_id")]));
        edges.push(edge(&ingress, &cluster, &[("endpoint", "TF_VAR_cluster_endpoint")]));
        edges.push(edge(&ingress, &database, &[("url", "TF_VAR_database_url")]));
    }
    edges
}
