//! Managed resources, each under the union member of its tool.

use async_graphql::{ID, SimpleObject, Union};
use ulid::Ulid;

use crate::{stack::Entity, vendor::VendorConfig};

/// A resource the stack manages.
#[derive(SimpleObject)]
pub(crate) struct ManagedEntity {
    id: ID,
    address: String,
    creator: Option<EntityRun>,
    updater: Option<EntityRun>,
    drifted: Option<i64>,
    name: String,
    parent: String,
    third_party_metadata: Option<String>,
    #[graphql(name = "type")]
    kind: String,
    vendor: EntityVendor,
}

/// The run that made or changed a resource.
#[derive(SimpleObject)]
pub(crate) struct EntityRun {
    id: ID,
}

/// What the tool knows of a resource.
#[derive(Union)]
pub(crate) enum EntityVendor {
    Ansible(EntityVendorAnsible),
    CloudFormation(EntityVendorCloudFormation),
    Kubernetes(EntityVendorKubernetes),
    Pulumi(EntityVendorPulumi),
    Terraform(EntityVendorTerraform),
}

macro_rules! vendors {
    ($($vendor:ident { $field:ident: $union:ident { $($member:ident($object:ident { $($name:ident: $type:ty),* })),* } })*) => {$(
        #[derive(SimpleObject)]
        pub(crate) struct $vendor {
            $field: Option<$union>,
        }

        #[derive(Union)]
        pub(crate) enum $union {
            $($member($object),)*
        }

        $(
            #[derive(SimpleObject)]
            pub(crate) struct $object {
                $($name: $type,)*
            }
        )*
    )*};
}

vendors! {
    EntityVendorAnsible { ansible: AnsibleEntity {
        Resource(AnsibleResource { data: String })
    } }
    EntityVendorCloudFormation { cloud_formation: CloudFormationEntity {
        Resource(CloudFormationResource { logical_resource_id: String, physical_resource_id: String, template: String }),
        Output(CloudFormationOutput { description: Option<String>, export: Option<String>, value: String })
    } }
    EntityVendorKubernetes { kubernetes: KubernetesEntity {
        Resource(KubernetesResource { data: String }),
        Root(KubernetesRoot { phantom: bool })
    } }
    EntityVendorPulumi { pulumi: PulumiEntity {
        Output(PulumiOutput { sensitive: bool, value: Option<String>, hash: String }),
        Stack(PulumiStack { phantom: bool }),
        Resource(PulumiResource { urn: String, id: String, provider: String, parent: String, outputs: String })
    } }
    EntityVendorTerraform { terraform: TerraformEntity {
        Module(TerraformModule { phantom: bool }),
        Resource(TerraformResource { address: String, mode: String, module: String, provider: String, tainted: bool, values: String }),
        Output(TerraformOutput { hash: String, sensitive: bool, value: Option<String> })
    } }
}

impl ManagedEntity {
    pub(super) fn new(entity: &Entity, vendor: &VendorConfig) -> Self {
        let by = |run: Option<Ulid>| run.map(|run| EntityRun { id: ID::from(run.to_string()) });
        let (kind, vendor) = described(entity, vendor);
        Self {
            id: ID::from(entity.id.to_string()),
            address: format!("{kind}.{}", entity.name),
            creator: by(entity.creator),
            updater: by(entity.updater),
            drifted: None,
            name: entity.name.clone(),
            parent: String::new(),
            third_party_metadata: None,
            kind: kind.into(),
            vendor,
        }
    }
}

fn described(entity: &Entity, vendor: &VendorConfig) -> (&'static str, EntityVendor) {
    let name = &entity.name;
    let data = || format!(r#"{{"name":"{name}"}}"#);
    match vendor {
        VendorConfig::Ansible(_) => {
            let resource = AnsibleEntity::Resource(AnsibleResource { data: data() });
            ("host", EntityVendor::Ansible(EntityVendorAnsible { ansible: Some(resource) }))
        }
        VendorConfig::Kubernetes(_) => {
            let resource = KubernetesEntity::Resource(KubernetesResource { data: data() });
            let vendor = EntityVendorKubernetes { kubernetes: Some(resource) };
            ("ConfigMap", EntityVendor::Kubernetes(vendor))
        }
        VendorConfig::CloudFormation(config) => {
            let resource = CloudFormationEntity::Resource(CloudFormationResource {
                logical_resource_id: name.clone(),
                physical_resource_id: entity.id.to_string(),
                template: config.entry_template_file.clone(),
            });
            let vendor = EntityVendorCloudFormation { cloud_formation: Some(resource) };
            ("AWS::SSM::Parameter", EntityVendor::CloudFormation(vendor))
        }
        VendorConfig::Pulumi(config) => {
            let resource = PulumiEntity::Resource(PulumiResource {
                urn: format!("urn:pulumi:{}::random:RandomId::{name}", config.stack_name),
                id: entity.id.to_string(),
                provider: "random".into(),
                parent: String::new(),
                outputs: "{}".into(),
            });
            ("random:RandomId", EntityVendor::Pulumi(EntityVendorPulumi { pulumi: Some(resource) }))
        }
        VendorConfig::Terraform(_) | VendorConfig::OpenTofu(_) | VendorConfig::Terragrunt(_) => {
            let resource = TerraformEntity::Resource(TerraformResource {
                address: format!("terraform_data.{name}"),
                mode: "managed".into(),
                module: String::new(),
                provider: "terraform.io/builtin/terraform".into(),
                tainted: false,
                values: "{}".into(),
            });
            let vendor = EntityVendorTerraform { terraform: Some(resource) };
            ("terraform_data", EntityVendor::Terraform(vendor))
        }
    }
}
