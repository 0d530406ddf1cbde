//! The audit trail: its entries, which are the journal's accepted mutations, and its webhook.

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::{
    scope::{caller, mutate, read, shared},
    search::{PageInfo, SearchInput, page},
    webhook::KeyValueInput,
};
use crate::{
    journal::{JournalEntry, JournalEvent, MutationRecord},
    options::WebhookTarget,
    run::Refusal,
    webhook::{AUDIT, Route, Webhook, action, test_delivery},
    world::World,
};

/// Where audit events go.
#[derive(SimpleObject)]
pub(crate) struct AuditTrailWebhook {
    enabled: bool,
    endpoint: String,
    include_runs: bool,
    retry_on_failure: bool,
    secret: String,
}

impl From<&Webhook> for AuditTrailWebhook {
    fn from(webhook: &Webhook) -> Self {
        Self {
            enabled: webhook.enabled,
            endpoint: webhook.endpoint.to_string(),
            include_runs: webhook.route == (Route::Audit { include_runs: true }),
            retry_on_failure: webhook.retry_on_failure,
            secret: webhook.secret.to_string(),
        }
    }
}

#[derive(InputObject)]
pub(crate) struct AuditTrailWebhookInput {
    enabled: bool,
    endpoint: String,
    include_runs: bool,
    secret: String,
    custom_headers: Option<CustomHeadersInput>,
    retry_on_failure: Option<bool>,
}

#[derive(InputObject)]
pub(crate) struct CustomHeadersInput {
    entries: Vec<KeyValueInput>,
}

#[derive(SimpleObject)]
pub(crate) struct AuditTrailConnection {
    edges: Vec<AuditTrailEdge>,
    page_info: PageInfo,
}

#[derive(SimpleObject)]
pub(crate) struct AuditTrailEdge {
    cursor: String,
    node: AuditTrailEntry,
}

/// One mutation that took effect.
#[derive(SimpleObject)]
pub(crate) struct AuditTrailEntry {
    id: ID,
    action: String,
    event_type: String,
    body: Option<String>,
    created_at: i64,
    updated_at: i64,
    actor: AuditTrailActor,
    affected_resource: AuditTrailResource,
    related_resource: Option<AuditTrailResource>,
}

#[derive(SimpleObject)]
pub(crate) struct AuditTrailActor {
    username: String,
    run: Option<AuditTrailRun>,
}

/// The run that acted; only runs of administrative stacks do, and the simulator's do not.
#[derive(SimpleObject)]
pub(crate) struct AuditTrailRun {
    id: ID,
    stack_id: ID,
}

#[derive(SimpleObject)]
pub(crate) struct AuditTrailResource {
    resource_id: Option<ID>,
    resource_type: String,
}

/// Sorts as a number and as text.
fn key_of(number: u64) -> String {
    format!("{number:020}")
}

fn entry_of(entry: &JournalEntry, record: &MutationRecord) -> AuditTrailEntry {
    let action = action(&record.name);
    let entity = action.split('.').next().unwrap_or_default().to_uppercase();
    let arg = |name: &str| record.args.get(name).and_then(|id| id.as_str()).map(ID::from);
    let related = record.run.as_ref().and_then(|_| arg("stack"));
    AuditTrailEntry {
        id: ID::from(key_of(entry.number)),
        event_type: entity.clone(),
        action,
        body: Some(record.args.to_string()),
        created_at: entry.at_ms / 1_000,
        updated_at: entry.at_ms / 1_000,
        actor: AuditTrailActor {
            username: record.actor.as_deref().unwrap_or_default().into(),
            run: None,
        },
        affected_resource: AuditTrailResource {
            resource_id: record
                .run
                .as_ref()
                .map(ID::from)
                .or_else(|| arg("id").or_else(|| arg("stack"))),
            resource_type: entity,
        },
        related_resource: related.map(|stack| AuditTrailResource {
            resource_id: Some(stack),
            resource_type: "STACK".into(),
        }),
    }
}

#[derive(Default)]
pub(crate) struct AuditQuery;

#[Object]
impl AuditQuery {
    async fn audit_trail_webhook(
        &self,
        context: &Context<'_>,
    ) -> Result<Option<AuditTrailWebhook>> {
        read(context, |world| world.webhooks.all.get(AUDIT).map(AuditTrailWebhook::from))
    }

    /// Newest first.
    async fn search_audit_trail_entries(
        &self,
        context: &Context<'_>,
        input: SearchInput,
    ) -> Result<AuditTrailConnection> {
        let after = match input.after_key()? {
            Some(key) => Some(key.parse::<u64>().map_err(|_| "invalid cursor")?),
            None => None,
        };
        let (edges, page_info) = read(context, |world| {
            let entries = world.journal.backwards().filter_map(|entry| match &entry.event {
                JournalEvent::Mutation(record) if record.accepted && record.actor.is_some() => {
                    after.is_none_or(|after| entry.number < after).then(|| entry_of(entry, record))
                }
                _ => None,
            });
            page(&input, entries, |node| node.id.to_string())
        })?;
        let edges = edges.into_iter().map(|(cursor, node)| AuditTrailEdge { cursor, node });
        Ok(AuditTrailConnection { edges: edges.collect(), page_info })
    }
}

fn set(world: &mut World, mut webhook: Webhook) -> Result<Webhook, Refusal> {
    webhook.created_ms = world.now;
    world.webhooks.insert(webhook.clone());
    Ok(webhook)
}

#[derive(Default)]
pub(crate) struct AuditMutation;

#[Object]
impl AuditMutation {
    /// An enabled webhook must take a test delivery first.
    async fn audit_trail_set_webhook(
        &self,
        context: &Context<'_>,
        input: AuditTrailWebhookInput,
    ) -> Result<AuditTrailWebhook> {
        caller(context)?;
        let target = WebhookTarget { endpoint: input.endpoint, secret: input.secret };
        let route = Route::Audit { include_runs: input.include_runs };
        let mut webhook = Webhook::new(AUDIT, &target, route);
        webhook.enabled = input.enabled;
        webhook.retry_on_failure = input.retry_on_failure.unwrap_or(false);
        let headers = input.custom_headers.into_iter().flat_map(|headers| headers.entries);
        webhook.headers = Arc::new(headers.map(|e| (e.key, e.value)).collect::<BTreeMap<_, _>>());
        let taken = !input.enabled || test_delivery(&shared(context).http, &webhook).await;
        let saved = mutate(context, |world, _| {
            if !taken {
                return Err(Refusal::new("the webhook did not answer its test delivery with 2xx"));
            }
            set(world, webhook)
        })?;
        Ok(AuditTrailWebhook::from(&saved))
    }

    async fn audit_trail_delete_webhook(
        &self,
        context: &Context<'_>,
    ) -> Result<Option<AuditTrailWebhook>> {
        let gone = mutate(context, |world, _| Ok(world.webhooks.all.remove(AUDIT)))?;
        Ok(gone.as_ref().map(AuditTrailWebhook::from))
    }
}
