//! What a stack hands on: its outputs, and the variables of a run that take them.

use contracts::StackId;
use graphql_client::GraphQLQuery;
use secrecy::SecretString;

use crate::{Client, Error, answer::Nature};

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
struct GetOutputs;

/// An output of a stack, as its last apply left it.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Whether it is a secret.
    pub sensitive: bool,
    /// Its value, as Spacelift shows it; none where Spacelift hides it.
    pub value: Option<SecretString>,
}

/// A variable of the environment that one run gets besides those of its stack. It may be a secret,
/// so it does not print.
#[derive(Clone, Debug)]
pub struct Override {
    /// Its name, such as `TF_VAR_vpc_id`.
    pub name: String,
    /// Its value.
    pub value: SecretString,
}

impl Client {
    /// The outputs of a stack.
    pub async fn outputs(&self, stack: &StackId) -> Result<Vec<Output>, Error> {
        let variables = get_outputs::Variables { stack: stack.to_string() };
        let data = self.ask::<GetOutputs>(variables, Nature::Question).await?;
        let outputs = data.stack.ok_or(Error::NotFound)?.outputs;
        let output = |it: get_outputs::GetOutputsStackOutputs| Output {
            name: it.id,
            sensitive: it.sensitive,
            value: it.value.map(SecretString::from),
        };
        Ok(outputs.into_iter().map(output).collect())
    }
}
