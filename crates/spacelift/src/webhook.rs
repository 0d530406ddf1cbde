//! Named webhooks: what Spacelift sends run events to, once a notification policy says so.
//!
//! Names and arguments are those of Spacelift's own Terraform provider
//! (`spacelift/resource_named_webhook.go`, `internal/structs/named_webhooks_integration.go`) and of
//! its Flows application (`main.ts`). Spacelift never shows a secret again, and a change that names
//! none leaves it as it is: the provider's resource says so where it updates.

use std::collections::HashSet;

use contracts::SpaceId;
use graphql_client::GraphQLQuery;
use secrecy::{ExposeSecret, SecretString};

use crate::{Client, Error, answer::Nature};

/// What Spacelift's own clients ask for at a time.
const PAGE: i64 = 50;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/connection.graphql")]
struct ListNamedWebhooks;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/connection.graphql")]
struct CreateNamedWebhook;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/connection.graphql")]
struct UpdateNamedWebhook;

/// A named webhook, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWebhook {
    /// The slug that policies name it by.
    pub id: String,
    /// What it is to be.
    pub is: WebhookShape,
}

/// What a named webhook is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookShape {
    /// What people read; the slug is made of it.
    pub name: String,
    /// The space it belongs to.
    pub space: SpaceId,
    /// Where it is sent to.
    pub endpoint: String,
    /// Whether it is on. Spacelift switches it off after ten failures in a row.
    pub enabled: bool,
    /// Whether what is answered 5xx is sent again, up to three times.
    pub retry_on_failure: bool,
    /// Free labels.
    pub labels: Vec<String>,
}

impl Client {
    /// All named webhooks our API key may see.
    pub async fn named_webhooks(&self) -> Result<Vec<NamedWebhook>, Error> {
        let mut webhooks = Vec::new();
        // The list may shift while it is paged through.
        let mut seen = HashSet::new();
        let mut after = None;
        loop {
            let input = list_named_webhooks::SearchInput {
                first: Some(PAGE),
                after: after.clone(),
                order_by: None,
            };
            let variables = list_named_webhooks::Variables { input };
            let data = self.ask::<ListNamedWebhooks>(variables, Nature::Question).await?;
            let page = data.search_named_webhooks_integrations;
            let found = page.edges.into_iter().map(|edge| NamedWebhook::from(edge.node));
            webhooks.extend(found.filter(|webhook| seen.insert(webhook.id.clone())));
            if !page.page_info.has_next_page {
                return Ok(webhooks);
            }
            let end = page.page_info.end_cursor;
            if end.is_none() || end == after {
                return Err(Nature::Question.garbled("a next page without a way to it"));
            }
            after = end;
        }
    }

    /// Makes a named webhook that signs with `secret`.
    pub async fn create_named_webhook(
        &self,
        shape: &WebhookShape,
        secret: &SecretString,
    ) -> Result<NamedWebhook, Error> {
        let input = (shape, Some(secret)).into();
        let variables = create_named_webhook::Variables { input };
        let data = self.change::<CreateNamedWebhook>(variables, None).await?;
        let made = data.webhook.ok_or_else(nothing)?;
        Ok(NamedWebhook::from(made))
    }

    /// Makes a named webhook what it is to be. Without a secret it keeps the one it has.
    pub async fn update_named_webhook(
        &self,
        id: &str,
        shape: &WebhookShape,
        secret: Option<&SecretString>,
    ) -> Result<NamedWebhook, Error> {
        let input = (shape, secret).into();
        let variables = update_named_webhook::Variables { id: id.to_owned(), input };
        let data = self.change::<UpdateNamedWebhook>(variables, None).await?;
        let changed = data.webhook.ok_or_else(nothing)?;
        Ok(NamedWebhook::from(changed))
    }
}

fn nothing() -> Error {
    Nature::Change.garbled("neither a webhook nor an error")
}

/// The derive makes a type of its own for each document.
macro_rules! read_from {
    ($module:ident) => {
        impl From<$module::WebhookFields> for NamedWebhook {
            fn from(node: $module::WebhookFields) -> Self {
                let space = node.space.map(|space| space.id).unwrap_or_default();
                let is = WebhookShape {
                    name: node.name,
                    space: space.into(),
                    endpoint: node.endpoint,
                    enabled: node.enabled,
                    retry_on_failure: node.retry_on_failure.unwrap_or_default(),
                    labels: node.labels.unwrap_or_default(),
                };
                Self { id: node.id, is }
            }
        }
    };
}

/// And one for what is sent with each.
macro_rules! written_as {
    ($module:ident) => {
        impl From<(&WebhookShape, Option<&SecretString>)>
            for $module::NamedWebhooksIntegrationInput
        {
            fn from((shape, secret): (&WebhookShape, Option<&SecretString>)) -> Self {
                let shape = shape.clone();
                Self {
                    enabled: shape.enabled,
                    endpoint: shape.endpoint,
                    space: shape.space.to_string(),
                    name: shape.name,
                    secret: secret.map(|secret| secret.expose_secret().to_owned()),
                    labels: shape.labels,
                    retry_on_failure: Some(shape.retry_on_failure),
                }
            }
        }
    };
}

written_as!(create_named_webhook);
written_as!(update_named_webhook);

read_from!(list_named_webhooks);
read_from!(create_named_webhook);
read_from!(update_named_webhook);
