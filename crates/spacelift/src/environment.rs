//! What the runs of stacks find in their environment.

use std::collections::{BTreeMap, HashMap};

use contracts::StackId;
use graphql_client::GraphQLQuery;
use secrecy::SecretString;

use crate::{
    Client, Error,
    answer::{self, Nature},
    stack::{by_ids, pages},
};

#[expect(dead_code, reason = "it is its fragment that is asked for")]
#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/account.graphql")]
struct GetEnvironment;

/// What Spacelift calls what is a variable, and no file.
const VARIABLE: &str = "ENVIRONMENT_VARIABLE";

/// The variables of an environment by name; none where Spacelift hides the value. Any of them may be
/// a secret, so they do not print.
pub type Environment = BTreeMap<String, Option<SecretString>>;

impl Client {
    /// The environments of those of these stacks that our API key may see, with what their contexts
    /// give, with one request for each page of them.
    pub async fn environments(
        &self,
        ids: &[StackId],
    ) -> Result<HashMap<StackId, Environment>, Error> {
        let mut all = HashMap::with_capacity(ids.len());
        for ids in pages(ids) {
            let fragment = (get_environment::QUERY, "Environment");
            let data = self.answer(&by_ids("GetEnvironments", fragment, ids, &[])).await?;
            let found: HashMap<String, Option<get_environment::Environment>> =
                answer::read(&data, Nature::Questions)?;
            all.extend(found.into_values().flatten().map(environment));
        }
        Ok(all)
    }
}

fn environment(stack: get_environment::Environment) -> (StackId, Environment) {
    let mut variables = Environment::new();
    let elements = stack.runtime_config.into_iter().flatten().map(|config| config.element);
    for element in elements.filter(|element| element.type_ == VARIABLE) {
        let value = element.value.filter(|_| !element.write_only).map(SecretString::from);
        // What the stack has itself comes first, and counts.
        variables.entry(element.id).or_insert(value);
    }
    (stack.id.into(), variables)
}
