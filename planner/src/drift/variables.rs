//! The variables of a `stackly.hcl`, held against what the runs of the stack find in their environment.
//! No value of the account is shown: it may be a secret.

use std::{collections::HashMap, time::Duration};

use contracts::{StackId, phrase::count};
use secrecy::ExposeSecret;
use serde_json::Value;
use spacelift::{Client, Environment};

use super::{Difference, What, place};
use crate::{blueprint::Blueprint, catalogue::Catalogue};

/// How long the account is asked at most; who asked waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(6);

/// What Terraform reads a variable from.
const PREFIX: &str = "TF_VAR_";

/// Where account and code differ in variables; that they were not compared, if the account cannot be
/// asked.
pub(super) async fn compared(client: &Client, catalogue: &Catalogue) -> Vec<Difference> {
    let ids: Vec<StackId> = said(catalogue).map(|(stack, _)| stack.clone()).collect();
    if ids.is_empty() {
        return Vec::new();
    }
    let why = match tokio::time::timeout(PATIENCE, client.environments(&ids)).await {
        Ok(Ok(environments)) => return differences(catalogue, &environments),
        Ok(Err(error)) => format!("{:#}", anyhow::Error::from(error)),
        Err(_) => "Spacelift took too long to show them".to_owned(),
    };
    vec![Difference {
        stack: None,
        what: What::Variables,
        code: "all".to_owned(),
        text: format!("the variables of {} were not compared: {why}", count(ids.len(), "stack")),
        advice: "ask again".to_owned(),
    }]
}

/// The stacks of whose variables their code says something.
fn said(catalogue: &Catalogue) -> impl Iterator<Item = (&StackId, &Blueprint)> {
    catalogue.stacks().iter().enumerate().filter_map(|(position, stack)| {
        let blueprint = catalogue.blueprint(position)?;
        (!blueprint.variables.is_empty()).then_some((&stack.id, blueprint))
    })
}

fn differences(
    catalogue: &Catalogue,
    environments: &HashMap<StackId, Environment>,
) -> Vec<Difference> {
    let mut all = Vec::new();
    for (stack, blueprint) in said(catalogue) {
        let Some(environment) = environments.get(stack) else { continue };
        for (name, value) in &blueprint.variables {
            let name = format!("{PREFIX}{name}");
            let (text, advice) = match environment.get(&name) {
                None => (
                    format!("the runs of the stack find no {name}"),
                    "set it in Spacelift, unless a file of variables gives it",
                ),
                Some(Some(is)) if !is_same(value, is.expose_secret()) => (
                    format!("{name} of the stack is not what the code says"),
                    "set it in Spacelift, or correct the code",
                ),
                // What is hidden cannot be compared.
                Some(_) => continue,
            };
            all.push(Difference {
                stack: Some(stack.clone()),
                what: What::Variables,
                code: place(blueprint),
                text,
                advice: advice.to_owned(),
            });
        }
    }
    all
}

/// Whether a variable of the environment is this value. Lists and maps are compared where they are
/// written as JSON; what is not cannot be compared.
fn is_same(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Array(_) | Value::Object(_) => {
            serde_json::from_str::<Value>(text).map_or(true, |is| is == *value)
        }
        Value::Number(number) => {
            let is = text.trim().parse::<f64>().ok();
            is.is_some() && is == number.as_f64()
        }
        Value::Bool(value) => text.trim().parse() == Ok(*value),
        Value::Null => text.trim() == "null",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_same;

    #[test]
    fn a_variable_is_compared_by_what_it_means() {
        for (value, text) in [
            (json!("a b"), "a b"),
            (json!(3), "3"),
            (json!(3), "3.0"),
            (json!(true), "true"),
            (json!(["a", "b"]), r#"[ "a","b" ]"#),
            (json!({ "a": 1 }), r#"{"a": 1}"#),
            (json!({ "a": 1 }), "{ a = 2 }"),
        ] {
            assert!(is_same(&value, text), "{value} {text}");
        }
        for (value, text) in [
            (json!("a b"), "a"),
            (json!(3), "4"),
            (json!(3), "three"),
            (json!(true), "false"),
            (json!(["a", "b"]), r#"["b", "a"]"#),
        ] {
            assert!(!is_same(&value, text), "{value} {text}");
        }
    }
}
