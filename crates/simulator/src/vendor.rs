//! The tools a stack may be planned with: the union `vendorConfig`, also used to seed stacks.

use async_graphql::{Enum, SimpleObject, Union};
use serde::{Deserialize, Serialize};

/// The tool and its settings.
#[derive(Union, Clone, Debug, Serialize, Deserialize)]
#[graphql(name = "StackConfigVendor")]
#[serde(tag = "vendor", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are Spacelift's own vocabulary")]
pub enum VendorConfig {
    Terraform(StackConfigVendorTerraform),
    OpenTofu(StackConfigVendorOpenTofu),
    Terragrunt(StackConfigVendorTerragrunt),
    Pulumi(StackConfigVendorPulumi),
    CloudFormation(StackConfigVendorCloudFormation),
    Kubernetes(StackConfigVendorKubernetes),
    Ansible(StackConfigVendorAnsible),
}

impl Default for VendorConfig {
    fn default() -> Self {
        Self::OpenTofu(StackConfigVendorOpenTofu::default())
    }
}

impl VendorConfig {
    /// The version of Terraform or OpenTofu, where there is one.
    pub(crate) fn terraform_version(&self) -> Option<String> {
        match self {
            Self::Terraform(config) => config.version.clone(),
            Self::OpenTofu(config) => config.version.clone(),
            Self::Terragrunt(config) => config.terraform_version.clone(),
            _ => None,
        }
    }

    /// Whether the tool has outputs that references can carry.
    pub(crate) fn has_outputs(&self) -> bool {
        !matches!(self, Self::Kubernetes(_) | Self::Ansible(_))
    }

    /// The name the `vendor` predicate of `searchStacks` knows it by.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Terraform(_) => "Terraform",
            Self::OpenTofu(_) => "OpenTofu",
            Self::Terragrunt(_) => "Terragrunt",
            Self::Pulumi(_) => "Pulumi",
            Self::CloudFormation(_) => "CloudFormation",
            Self::Kubernetes(_) => "Kubernetes",
            Self::Ansible(_) => "Ansible",
        }
    }
}

/// Which binary a Terraform stack runs.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are Spacelift's own vocabulary")]
pub enum TerraformWorkflowTool {
    #[default]
    TerraformFoss,
    OpenTofu,
    Custom,
}

/// Which binary an OpenTofu stack runs; a type of its own, so clients must alias the field.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are Spacelift's own vocabulary")]
pub enum OpenTofuWorkflowTool {
    #[default]
    OpenTofu,
    Custom,
}

/// Terraform.
#[derive(SimpleObject, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are Spacelift's own vocabulary")]
pub struct StackConfigVendorTerraform {
    pub version: Option<String>,
    pub workspace: Option<String>,
    pub use_smart_sanitization: bool,
    pub external_state_access_enabled: bool,
    pub workflow_tool: TerraformWorkflowTool,
}

/// OpenTofu.
#[derive(SimpleObject, Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are Spacelift's own vocabulary")]
pub struct StackConfigVendorOpenTofu {
    pub version: Option<String>,
    pub workspace: Option<String>,
    pub use_smart_sanitization: bool,
    pub external_state_access_enabled: bool,
    pub concise: bool,
    pub workflow_tool: OpenTofuWorkflowTool,
}

impl Default for StackConfigVendorOpenTofu {
    fn default() -> Self {
        Self {
            version: Some("1.10.6".into()),
            workspace: None,
            use_smart_sanitization: false,
            external_state_access_enabled: false,
            concise: false,
            workflow_tool: OpenTofuWorkflowTool::OpenTofu,
        }
    }
}

/// Terragrunt.
#[derive(SimpleObject, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are Spacelift's own vocabulary")]
pub struct StackConfigVendorTerragrunt {
    pub terraform_version: Option<String>,
    pub terragrunt_version: Option<String>,
    pub use_run_all: bool,
    pub use_smart_sanitization: bool,
    pub use_state_management: bool,
    pub prefix_resource_names_with_module_name: bool,
    pub skip_replan_when_run_all: bool,
    pub skip_replan: bool,
    pub tool: String,
    pub effective_versions: TerragruntEffectiveVersions,
}

/// What Terragrunt really ran.
#[derive(SimpleObject, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are Spacelift's own vocabulary")]
pub struct TerragruntEffectiveVersions {
    pub effective_terragrunt_version: String,
    pub effective_terraform_version: String,
}

/// Pulumi.
#[derive(SimpleObject, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are Spacelift's own vocabulary")]
pub struct StackConfigVendorPulumi {
    #[graphql(name = "loginURL")]
    pub login_url: String,
    pub stack_name: String,
}

/// CloudFormation.
#[derive(SimpleObject, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are Spacelift's own vocabulary")]
pub struct StackConfigVendorCloudFormation {
    pub entry_template_file: String,
    pub region: String,
    pub stack_name: String,
    pub template_bucket: String,
}

/// Kubernetes.
#[derive(SimpleObject, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are Spacelift's own vocabulary")]
pub struct StackConfigVendorKubernetes {
    pub namespace: String,
    pub kubectl_version: Option<String>,
    pub kubernetes_workflow_tool: String,
}

/// Ansible.
#[derive(SimpleObject, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are Spacelift's own vocabulary")]
pub struct StackConfigVendorAnsible {
    pub playbook: String,
}
