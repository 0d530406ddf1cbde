//! The account as it stands: who we are, its spaces and its stacks.

use contracts::{CommitSha, SpaceId, StackId, chain::WorkerPool, run::RunState};
use graphql_client::GraphQLQuery;

use crate::{Client, Error, answer::Nature};

mod reading;

pub(crate) use reading::{by_ids, pages};

/// What Spacelift's own clients ask for at a time.
pub(crate) const PAGE: i64 = 50;

#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "graphql/schema.graphql",
    query_path = "graphql/account.graphql",
    fragments_other_variant = "true"
)]
struct ListStacks;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/account.graphql")]
struct ListSpaces;

/// Whom Spacelift takes us for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The viewer's id.
    pub id: String,
    /// What people read.
    pub name: String,
}

/// A space: what stacks belong to and access is given by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// `root`, `legacy` or a slug with a ULID behind it.
    pub id: SpaceId,
    /// What people read.
    pub name: String,
    /// The space above.
    pub parent: Option<SpaceId>,
    /// Whether what belongs to the space above reaches into this one.
    pub inherits: bool,
    /// Free labels.
    pub labels: Vec<String>,
}

/// A stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The slug.
    pub id: StackId,
    /// What people read.
    pub name: String,
    /// The space it belongs to.
    pub space: SpaceId,
    /// Free labels.
    pub labels: Vec<String>,
    /// The host of the repository, as Spacelift spells it: `GITHUB`, `GITLAB`, ….
    pub provider: String,
    /// The owner of the repository; empty if the provider has none.
    pub namespace: String,
    /// The repository without its owner.
    pub repository: String,
    /// The tracked branch.
    pub branch: String,
    /// The folder of the stack in its repository; none for the root.
    pub project_root: Option<String>,
    /// Globs outside the project root whose changes also concern the stack.
    pub additional_project_globs: Vec<String>,
    /// Whether a clean plan is applied without confirmation.
    pub autodeploy: bool,
    /// Whether it takes no runs.
    pub is_disabled: bool,
    /// Whether its runs may manage Spacelift itself.
    pub administrative: bool,
    /// Who holds its lock, if anybody.
    pub locked_by: Option<String>,
    /// The commit it tracks; none before its first push.
    pub tracked_commit: Option<CommitSha>,
    /// The state of its newest tracked run; none if our API key is a machine's, to which Spacelift
    /// does not show it.
    pub state: Option<RunState>,
    /// The stacks it waits for.
    pub depends_on: Vec<Dependency>,
    /// The worker pool its runs wait in.
    pub worker_pool: WorkerPool,
    /// The names of the integrations that give its runs their rights at a cloud; none if Spacelift
    /// does not show them to our API key.
    pub cloud_integrations: Vec<String>,
    /// What else was chosen for it; none if Spacelift does not show it to our API key.
    pub settings: Option<StackSettings>,
}

/// What else was chosen for a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackSettings {
    /// What people read.
    pub description: Option<String>,
    /// Whether it is protected from being deleted.
    pub protect_from_deletion: bool,
    /// The image its runs use, if not the usual one.
    pub runner_image: Option<String>,
    /// What runs it: `terraform`, `opentofu`, `terragrunt`, or nothing that we know.
    pub tool: Option<&'static str>,
    /// The version of that.
    pub tool_version: Option<String>,
}

impl Stack {
    /// The repository with its owner, such as `acme/infra`.
    pub fn full_repository(&self) -> String {
        if self.namespace.is_empty() {
            self.repository.clone()
        } else {
            format!("{}/{}", self.namespace, self.repository)
        }
    }
}

/// A native dependency of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The stack that is waited for.
    pub on: StackId,
    /// Whether the dependent runs even if no referenced output has changed.
    pub trigger_always: bool,
    /// Outputs of the other stack that become inputs of this one.
    pub references: Vec<Reference>,
}

/// An output of one stack that becomes an input of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The output's name at the stack that is waited for.
    pub output: String,
    /// The environment variable it becomes.
    pub input: String,
    /// Whether the dependent runs even if this output has not changed.
    pub trigger_always: bool,
}

impl Client {
    /// All spaces our API key may see.
    pub async fn spaces(&self) -> Result<Vec<Space>, Error> {
        let data = self.ask::<ListSpaces>(list_spaces::Variables {}, Nature::Question).await?;
        let space = |it: list_spaces::ListSpacesSpaces| Space {
            id: it.id.into(),
            name: it.name,
            parent: it.parent_space.filter(|parent| !parent.is_empty()).map(SpaceId::from),
            inherits: it.inherit_entities,
            labels: it.labels.unwrap_or_default(),
        };
        Ok(data.spaces.into_iter().map(space).collect())
    }
}

impl From<list_stacks::StackFields> for Stack {
    fn from(node: list_stacks::StackFields) -> Self {
        let not_empty = |text: &String| !text.is_empty();
        Self {
            id: node.id.into(),
            name: node.name,
            space: node.space.into(),
            labels: node.labels.unwrap_or_default(),
            provider: node.provider,
            namespace: node.namespace.unwrap_or_default(),
            repository: node.repository,
            branch: node.branch,
            project_root: node.project_root.filter(not_empty),
            additional_project_globs: node.additional_project_globs.unwrap_or_default(),
            autodeploy: node.autodeploy,
            is_disabled: node.is_disabled,
            administrative: node.administrative,
            locked_by: node.locked_by.filter(not_empty),
            tracked_commit: node.tracked_commit.map(|commit| commit.hash.into()),
            state: node.state,
            depends_on: node.depends_on.unwrap_or_default().into_iter().map(Into::into).collect(),
            worker_pool: node.worker_pool.map_or_else(WorkerPool::public, |pool| WorkerPool {
                id: pool.id.into(),
                name: pool.name.into(),
            }),
            cloud_integrations: node
                .attached_aws_integrations
                .into_iter()
                .flatten()
                .map(|integration| integration.name)
                .collect(),
            settings: node.protect_from_deletion.map(|protect_from_deletion| {
                let (tool, tool_version) = node.vendor_config.map_or((None, None), tool);
                StackSettings {
                    description: node.description.filter(not_empty),
                    protect_from_deletion,
                    runner_image: node.runner_image.filter(not_empty),
                    tool,
                    tool_version: tool_version.filter(not_empty),
                }
            }),
        }
    }
}

/// What runs a stack, and its version.
fn tool(vendor: list_stacks::StackFieldsVendorConfig) -> (Option<&'static str>, Option<String>) {
    use list_stacks::StackFieldsVendorConfig as Vendor;
    match vendor {
        Vendor::StackConfigVendorTerraform(it) => (Some("terraform"), it.version),
        Vendor::StackConfigVendorOpenTofu(it) => (Some("opentofu"), it.version),
        Vendor::StackConfigVendorTerragrunt(it) => (Some("terragrunt"), it.terragrunt_version),
        Vendor::Unknown => (None, None),
    }
}

impl From<list_stacks::StackFieldsDependsOn> for Dependency {
    fn from(edge: list_stacks::StackFieldsDependsOn) -> Self {
        let reference = |it: list_stacks::StackFieldsDependsOnReferences| Reference {
            output: it.output_name,
            input: it.input_name,
            trigger_always: it.trigger_always,
        };
        Self {
            on: edge.depends_on_stack.id.into(),
            trigger_always: edge.trigger_always,
            references: edge.references.unwrap_or_default().into_iter().map(reference).collect(),
        }
    }
}
