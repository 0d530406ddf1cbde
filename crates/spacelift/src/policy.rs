//! Policies at Spacelift, as far as they connect it with us.
//!
//! Names and arguments are those of Spacelift's Flows application (`main.ts`,
//! `blocks/policies/updatePolicy.ts`): `policyCreatev2` and `policyUpdatev2`.

use contracts::SpaceId;
use graphql_client::GraphQLQuery;

use crate::{Client, Error, answer::Nature};

/// Spacelift adds kinds, so an unknown one is carried on.
type PolicyType = String;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/connection.graphql")]
struct ListPolicies;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/connection.graphql")]
struct CreatePolicy;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/connection.graphql")]
struct UpdatePolicy;

/// What routes notifications.
pub const NOTIFICATION: &str = "NOTIFICATION";
/// What decides what follows from a push.
pub const GIT_PUSH: &str = "GIT_PUSH";

/// A policy of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The slug.
    pub id: String,
    /// What it is to be.
    pub is: PolicyShape,
}

/// What a policy is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyShape {
    /// What people read; the slug is made of it.
    pub name: String,
    /// What it decides about: [`NOTIFICATION`], [`GIT_PUSH`] or another kind. It cannot be changed.
    pub kind: String,
    /// The Rego.
    pub body: String,
    /// Labels; `autoattach:<label>` attaches it to what carries the label.
    pub labels: Vec<String>,
    /// The space it belongs to.
    pub space: SpaceId,
    /// A sentence about it.
    pub description: String,
}

impl Client {
    /// All policies our API key may see.
    pub async fn policies(&self) -> Result<Vec<Policy>, Error> {
        let data = self.ask::<ListPolicies>(list_policies::Variables {}, Nature::Question).await?;
        Ok(data.policies.into_iter().map(Policy::from).collect())
    }

    /// Makes a policy.
    pub async fn create_policy(&self, shape: &PolicyShape) -> Result<Policy, Error> {
        let PolicyShape { name, kind, body, labels, space, description } = shape.clone();
        let input = create_policy::PolicyCreateInput {
            name,
            body,
            type_: kind,
            labels: Some(labels),
            space: Some(space.to_string()),
            description: Some(description),
        };
        let data = self.change::<CreatePolicy>(create_policy::Variables { input }, None).await?;
        Ok(Policy::from(data.policy.ok_or_else(nothing)?))
    }

    /// Makes a policy what it is to be; its kind stays.
    pub async fn update_policy(&self, id: &str, shape: &PolicyShape) -> Result<Policy, Error> {
        let PolicyShape { name, kind: _, body, labels, space, description } = shape.clone();
        let input = update_policy::PolicyUpdateInput {
            name,
            body,
            labels: Some(labels),
            space: Some(space.to_string()),
            description: Some(description),
        };
        let variables = update_policy::Variables { id: id.to_owned(), input };
        let data = self.change::<UpdatePolicy>(variables, None).await?;
        Ok(Policy::from(data.policy.ok_or_else(nothing)?))
    }
}

fn nothing() -> Error {
    Nature::Change.garbled("neither a policy nor an error")
}

/// The derive makes a type of its own for each document.
macro_rules! read_from {
    ($module:ident) => {
        impl From<$module::PolicyFields> for Policy {
            fn from(node: $module::PolicyFields) -> Self {
                let is = PolicyShape {
                    name: node.name,
                    kind: node.type_,
                    body: node.body,
                    labels: node.labels.unwrap_or_default(),
                    space: node.space.unwrap_or_default().into(),
                    description: node.description.unwrap_or_default(),
                };
                Self { id: node.id, is }
            }
        }
    };
}

read_from!(list_policies);
read_from!(create_policy);
read_from!(update_policy);
