//! Values that one stack keeps under a name, and another looks up by it.

use super::facts::Key;
use crate::{
    evaluate::{Scope, UNKNOWN},
    module::Resource,
};

/// Types of data sources, and the attribute by which each names what it looks up.
type Readers = &'static [(&'static str, &'static str)];

/// What is kept as one type and looked up as another: the type it is kept as and its naming
/// attributes, then the types it is looked up as and theirs.
const KINDS: &[(&str, &str, Readers)] = &[
    ("aws_ssm_parameter", "name", &[("aws_ssm_parameter", "name")]),
    (
        "aws_secretsmanager_secret",
        "name",
        &[
            ("aws_secretsmanager_secret", "name"),
            ("aws_secretsmanager_secret_version", "secret_id"),
        ],
    ),
    ("aws_route53_zone", "name", &[("aws_route53_zone", "name")]),
    ("aws_ecr_repository", "name", &[("aws_ecr_repository", "name")]),
    ("aws_s3_bucket", "bucket", &[("aws_s3_bucket", "bucket")]),
    ("aws_iam_role", "name", &[("aws_iam_role", "name")]),
    ("aws_iam_policy", "name", &[("aws_iam_policy", "name")]),
    ("aws_kms_alias", "name", &[("aws_kms_alias", "name")]),
    ("aws_eks_cluster", "name", &[("aws_eks_cluster", "name"), ("aws_eks_cluster_auth", "name")]),
    ("aws_ecs_cluster", "name", &[("aws_ecs_cluster", "cluster_name")]),
    ("aws_lb", "name", &[("aws_lb", "name")]),
    ("aws_sns_topic", "name", &[("aws_sns_topic", "name")]),
    ("aws_sqs_queue", "name", &[("aws_sqs_queue", "name")]),
    ("aws_dynamodb_table", "name", &[("aws_dynamodb_table", "name")]),
    ("aws_lambda_function", "function_name", &[("aws_lambda_function", "function_name")]),
    ("aws_db_instance", "identifier", &[("aws_db_instance", "db_instance_identifier")]),
    ("azurerm_resource_group", "name", &[("azurerm_resource_group", "name")]),
    ("azurerm_virtual_network", "name", &[("azurerm_virtual_network", "name")]),
    ("azurerm_key_vault", "name", &[("azurerm_key_vault", "name")]),
    ("azurerm_key_vault_secret", "name", &[("azurerm_key_vault_secret", "name")]),
    ("azurerm_kubernetes_cluster", "name", &[("azurerm_kubernetes_cluster", "name")]),
    ("azurerm_storage_account", "name", &[("azurerm_storage_account", "name")]),
    (
        "google_secret_manager_secret",
        "secret_id",
        &[
            ("google_secret_manager_secret", "secret_id"),
            ("google_secret_manager_secret_version", "secret"),
        ],
    ),
    ("google_compute_network", "name", &[("google_compute_network", "name")]),
    ("google_container_cluster", "name", &[("google_container_cluster", "name")]),
    ("google_dns_managed_zone", "name", &[("google_dns_managed_zone", "name")]),
    ("google_storage_bucket", "name", &[("google_storage_bucket", "name")]),
    ("vault_generic_secret", "path", &[("vault_generic_secret", "path")]),
    ("vault_kv_secret_v2", "name", &[("vault_kv_secret_v2", "name")]),
    ("consul_key_prefix", "path_prefix", &[("consul_key_prefix", "path_prefix")]),
];

/// The name under which a resource can be looked up.
pub(super) fn kept(scope: &Scope<'_>, resource: &Resource) -> Option<Key> {
    let (kind, attribute, _) = KINDS.iter().find(|(kind, _, _)| *kind == resource.kind)?;
    key(kind, scope, resource, attribute)
}

/// The name that a data source looks up.
pub(super) fn looked_up(scope: &Scope<'_>, resource: &Resource) -> Option<Key> {
    let found = KINDS.iter().find_map(|(kind, _, readers)| {
        let reader = readers.iter().find(|(reader, _)| *reader == resource.kind)?;
        Some((kind, reader.1))
    });
    let (kind, attribute) = found?;
    key(kind, scope, resource, attribute)
}

/// A name that is known in full: one with gaps is a guess.
fn key(kind: &str, scope: &Scope<'_>, resource: &Resource, attribute: &str) -> Option<Key> {
    let name = scope.text(resource.body.value(attribute)?);
    let sound = name.len() > 1 && !name.contains(UNKNOWN);
    sound.then(|| Key { kind: kind.to_owned(), parts: vec![name] })
}

#[cfg(test)]
mod tests {
    use located::Source;

    use super::KINDS;
    use crate::syntax;

    #[test]
    fn what_names_things_survives_the_trimming() {
        for (kind, name, readers) in KINDS {
            for (kind, name) in readers.iter().chain([&(*kind, *name)]) {
                let text = format!("data \"{kind}\" \"x\" {{\n  {name} = 1\n  other = 2\n}}\n");
                let body = syntax::parse(Source { file: "a.tf", text: &text }).unwrap();
                let body = syntax::trimmed(body);
                let kept: Vec<&str> =
                    body.blocks[0].body.attributes.iter().map(|one| one.key.as_str()).collect();
                assert_eq!(kept, [*name], "{kind}");
            }
        }
    }
}
