//! Policies of Spacelift's that start runs of their own accord.

use std::collections::BTreeMap;

use contracts::StackId;
use graphql_client::GraphQLQuery;

use crate::{Client, Error, answer::Nature, stack::PAGE};

/// What decides which stacks run after another has run.
pub const TRIGGER: &str = "TRIGGER";

/// Spacelift adds kinds, so an unknown one is carried on.
type PolicyType = String;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/account.graphql")]
struct ListAttached;

/// A policy that starts runs after those of some stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerPolicy {
    /// What people read.
    pub name: String,
    /// The stacks it is attached to.
    pub stacks: Vec<StackId>,
}

impl Client {
    /// The trigger policies that are attached to stacks, as far as our API key may see them.
    pub async fn trigger_policies(&self) -> Result<Vec<TriggerPolicy>, Error> {
        // Most accounts have none, and need not be paged through for that.
        if !self.policies().await?.iter().any(|policy| policy.is.kind == TRIGGER) {
            return Ok(Vec::new());
        }
        let mut found: BTreeMap<String, Vec<StackId>> = BTreeMap::new();
        let mut after = None;
        loop {
            let input = list_attached::SearchInput {
                first: Some(PAGE),
                after: after.clone(),
                order_by: None,
            };
            let variables = list_attached::Variables { input };
            let data = self.ask::<ListAttached>(variables, Nature::Question).await?;
            for node in data.search_stacks.edges.into_iter().map(|edge| edge.node) {
                let attached = node.attached_policies.unwrap_or_default();
                for policy in attached.into_iter().filter(|it| it.policy_type == TRIGGER) {
                    found.entry(policy.policy_name).or_default().push(node.id.as_str().into());
                }
            }
            let page = data.search_stacks.page_info;
            if !page.has_next_page {
                let policy = |(name, stacks)| TriggerPolicy { name, stacks };
                return Ok(found.into_iter().map(policy).collect());
            }
            if page.end_cursor.is_none() || page.end_cursor == after {
                return Err(Nature::Question.garbled("a next page without a way to it"));
            }
            after = page.end_cursor;
        }
    }
}
