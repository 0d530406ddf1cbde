//! The audit trail: what was changed in the account.

use chrono::{DateTime, Utc};
use graphql_client::GraphQLQuery;

use crate::{Client, Error, answer::Nature, stack::PAGE};

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/account.graphql")]
struct ListAuditTrail;

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailEntry {
    /// Its id.
    pub id: String,
    /// `<entity>.<verb>`, such as `stack.update`.
    pub action: String,
    /// When, to the second.
    pub at: DateTime<Utc>,
    /// What, where the entry names it.
    pub entity: Option<String>,
}

/// Some of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailPage {
    /// The newest first.
    pub entries: Vec<TrailEntry>,
    /// What to ask on with for older ones, if there are any.
    pub older: Option<String>,
}

impl Client {
    /// The newest entries of the audit trail, or those before. Not every account has one, and not
    /// every key may read it.
    pub async fn trail(&self, before: Option<String>) -> Result<TrailPage, Error> {
        let order = list_audit_trail::QueryOrder {
            field: "createdAt".to_owned(),
            direction: "DESC".to_owned(),
        };
        let input = list_audit_trail::SearchInput {
            first: Some(PAGE),
            after: before,
            order_by: Some(order),
        };
        let variables = list_audit_trail::Variables { input };
        let data = self.ask::<ListAuditTrail>(variables, Nature::Question).await?;
        let page = data.search_audit_trail_entries;
        let entry = |edge: list_audit_trail::ListAuditTrailSearchAuditTrailEntriesEdges| {
            let node = edge.node;
            let at = DateTime::from_timestamp(node.created_at, 0)
                .ok_or_else(|| Nature::Question.garbled("an entry of no time"))?;
            let entity = node.affected_resource.and_then(|it| it.resource_id);
            let entity = entity.filter(|id| !id.is_empty());
            Ok(TrailEntry { id: node.id, action: node.action, at, entity })
        };
        Ok(TrailPage {
            entries: page.edges.into_iter().map(entry).collect::<Result<_, Error>>()?,
            older: page.page_info.end_cursor.filter(|_| page.page_info.has_next_page),
        })
    }
}
