//! The body of an audit event, as Spacelift sends it.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::journal::MutationRecord;

/// Entities with names of several words; anything else is named by its first word.
const ENTITIES: [&str; 10] = [
    "namedWebhooksIntegration",
    "webhooksIntegration",
    "auditTrailWebhook",
    "runExternalDependency",
    "stackDependencies",
    "stackDependency",
    "stackConfig",
    "apiKey",
    "auditTrail",
    "localWorkspace",
];

/// `stack.lock` for `stackLock`.
pub(crate) fn action(mutation: &str) -> String {
    match mutation {
        "auditTrailSetWebhook" => return "audit_trail_webhook.set".into(),
        "auditTrailDeleteWebhook" => return "audit_trail_webhook.delete".into(),
        _ => {}
    }
    let first_word = || mutation.find(char::is_uppercase).map_or(mutation, |at| &mutation[..at]);
    let entity = ENTITIES.iter().find(|e| mutation.starts_with(**e)).copied();
    let entity = entity.unwrap_or_else(first_word);
    let verb = snake(&mutation[entity.len()..]);
    format!("{}.{verb}", snake(entity))
}

fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// The body that tells of a mutation.
pub(super) fn event(
    account: &str,
    record: &MutationRecord,
    at_ms: i64,
    remote_ip: &str,
) -> Vec<u8> {
    let args = record.args.as_object();
    let id = args.and_then(|args| args.get("stack").or_else(|| args.get("id"))).cloned();
    let body = json!({
        "account": account,
        "action": action(&record.name),
        "actor": record.actor,
        "context": { "mutation": record.name },
        "data": { "ID": id, "args": pascal_args(&record.args) },
        "remoteIP": remote_ip,
        "timestamp": at_ms,
    });
    serde_json::to_vec(&body).expect("a JSON value is JSON")
}

fn pascal_args(args: &Value) -> Value {
    match args {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (pascal(key), pascal_args(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(pascal_args).collect(),
        plain => plain.clone(),
    }
}

fn pascal(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Replaces secrets among the arguments by their hashes, under the key Spacelift uses.
pub(crate) fn without_secrets(args: Value) -> Value {
    match args {
        Value::Object(fields) => {
            let write_only = fields.get("writeOnly") == Some(&Value::Bool(true));
            let clean = fields.into_iter().map(|(key, value)| {
                let secret =
                    matches!(key.as_str(), "secret" | "token") || (write_only && key == "value");
                match value {
                    Value::String(text) if secret => {
                        let hash = hex::encode(Sha256::digest(text.as_bytes()));
                        (format!("{key}SHA"), Value::String(hash))
                    }
                    other => (key, without_secrets(other)),
                }
            });
            Value::Object(clean.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_secrets).collect()),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_entity_and_verb() {
        for (mutation, expected) in [
            ("stackLock", "stack.lock"),
            ("runTrigger", "run.trigger"),
            ("stackDependencyCreate", "stack_dependency.create"),
            ("namedWebhooksIntegrationCreate", "named_webhooks_integration.create"),
            ("auditTrailSetWebhook", "audit_trail_webhook.set"),
        ] {
            assert_eq!(action(mutation), expected);
        }
    }

    #[test]
    fn secrets_are_replaced_by_their_hashes() {
        let clean = without_secrets(json!({"id": "a", "input": {"secret": "hush"}}));
        assert!(!clean.to_string().contains("hush"));
        assert!(clean["input"]["secretSHA"].is_string());
    }
}
