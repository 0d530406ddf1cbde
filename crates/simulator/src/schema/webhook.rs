//! Named and per-stack webhooks as GraphQL shows and changes them.

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::{
    scope::{mutate, read},
    search::{PageInfo, SearchInput, page},
    space::SpaceRef,
};
use crate::{
    options::WebhookTarget,
    run::Refusal,
    webhook::{Route, Webhook},
    world::World,
};

/// A named webhook.
#[derive(SimpleObject)]
pub(crate) struct NamedWebhooksIntegration {
    id: ID,
    name: String,
    endpoint: String,
    enabled: bool,
    labels: Vec<String>,
    space: Option<SpaceRef>,
    retry_on_failure: bool,
    created_at: i64,
    secret: String,
    secret_headers: Vec<String>,
}

impl NamedWebhooksIntegration {
    fn new(world: &World, webhook: &Webhook) -> Self {
        Self {
            id: ID::from(&*webhook.id),
            name: webhook.name.clone(),
            endpoint: webhook.endpoint.to_string(),
            enabled: webhook.enabled,
            labels: webhook.labels.clone(),
            space: world.spaces.get(&webhook.space).map(SpaceRef::from),
            retry_on_failure: webhook.retry_on_failure,
            created_at: webhook.created_ms / 1_000,
            // Spacelift has the field and never fills it.
            secret: String::new(),
            secret_headers: webhook.headers.keys().cloned().collect(),
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct NamedWebhooksConnection {
    edges: Vec<NamedWebhooksEdge>,
    page_info: PageInfo,
}

#[derive(SimpleObject)]
pub(crate) struct NamedWebhooksEdge {
    cursor: String,
    node: NamedWebhooksIntegration,
}

/// What a stack is connected to.
#[derive(SimpleObject)]
pub(crate) struct StackIntegrations {
    webhooks: Vec<WebhooksIntegration>,
}

/// A webhook of one stack.
#[derive(SimpleObject)]
pub(crate) struct WebhooksIntegration {
    id: ID,
    enabled: bool,
    endpoint: String,
    secret: String,
    retry_on_failure: bool,
    deleted: bool,
}

impl From<&Webhook> for WebhooksIntegration {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: ID::from(&*webhook.id),
            enabled: webhook.enabled,
            endpoint: webhook.endpoint.to_string(),
            secret: webhook.secret.to_string(),
            retry_on_failure: webhook.retry_on_failure,
            deleted: false,
        }
    }
}

impl StackIntegrations {
    pub(super) fn of(world: &World, stack: &str) -> Self {
        let own = world.webhooks.all.values();
        let own = own.filter(|hook| matches!(&hook.route, Route::Stack(of) if **of == *stack));
        Self { webhooks: own.map(WebhooksIntegration::from).collect() }
    }
}

#[derive(InputObject)]
pub(crate) struct NamedWebhooksIntegrationInput {
    enabled: bool,
    endpoint: String,
    space: ID,
    name: String,
    secret: Option<String>,
    labels: Option<Vec<String>>,
    retry_on_failure: Option<bool>,
}

#[derive(InputObject)]
pub(crate) struct WebhooksIntegrationInput {
    enabled: bool,
    endpoint: String,
    secret: Option<String>,
    retry_on_failure: Option<bool>,
}

#[derive(InputObject)]
pub(crate) struct NamedWebhookHeaderInput {
    entries: Vec<KeyValueInput>,
}

#[derive(InputObject)]
pub(crate) struct KeyValueInput {
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Default)]
pub(crate) struct WebhookQuery;

#[Object]
impl WebhookQuery {
    async fn named_webhooks_integration(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<Option<NamedWebhooksIntegration>> {
        read(context, |world| {
            let webhook = world.webhooks.all.get(id.as_str()).filter(|hook| named(hook));
            webhook.map(|webhook| NamedWebhooksIntegration::new(world, webhook))
        })
    }

    async fn search_named_webhooks_integrations(
        &self,
        context: &Context<'_>,
        input: SearchInput,
    ) -> Result<NamedWebhooksConnection> {
        let after = input.after_key()?;
        let (edges, page_info) = read(context, |world| {
            let found = world.webhooks.all.values().filter(|hook| named(hook));
            let found = found.filter(|hook| after.as_deref().is_none_or(|after| &*hook.id > after));
            let nodes = found.map(|hook| NamedWebhooksIntegration::new(world, hook));
            page(&input, nodes, |node| node.id.to_string())
        })?;
        let edges = edges.into_iter().map(|(cursor, node)| NamedWebhooksEdge { cursor, node });
        Ok(NamedWebhooksConnection { edges: edges.collect(), page_info })
    }
}

fn named(webhook: &Webhook) -> bool {
    matches!(webhook.route, Route::AllBut(_) | Route::Policies)
}

fn find<'a>(
    world: &'a mut World,
    id: &ID,
    kind: impl Fn(&Webhook) -> bool,
) -> Result<&'a mut Webhook, Refusal> {
    let missing = || Refusal::new(format!("webhook {} not found", id.as_str()));
    world.webhooks.all.get_mut(id.as_str()).filter(|hook| kind(hook)).ok_or_else(missing)
}

fn check_endpoint(endpoint: &str) -> Result<(), Refusal> {
    match reqwest::Url::parse(endpoint) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
        _ => Err(Refusal::new(format!("{endpoint:?} is not a URL a webhook can be sent to"))),
    }
}

fn change_named(
    world: &mut World,
    webhook: &mut Webhook,
    input: NamedWebhooksIntegrationInput,
) -> Result<(), Refusal> {
    check_endpoint(&input.endpoint)?;
    if !world.spaces.contains_key(&*input.space) {
        return Err(Refusal::new(format!("space {} not found", input.space.as_str())));
    }
    webhook.name = input.name;
    webhook.endpoint = input.endpoint.into();
    webhook.space = input.space.to_string();
    webhook.labels = input.labels.unwrap_or_default();
    webhook.retry_on_failure = input.retry_on_failure.unwrap_or(false);
    if let Some(secret) = input.secret {
        webhook.secret = secret.into();
    }
    webhook.enable(input.enabled);
    Ok(())
}

#[derive(Default)]
pub(crate) struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// It hears of runs once a `NOTIFICATION` policy names it.
    async fn named_webhooks_integration_create(
        &self,
        context: &Context<'_>,
        input: NamedWebhooksIntegrationInput,
    ) -> Result<NamedWebhooksIntegration> {
        let made = mutate(context, |world, _| {
            let id = world.webhooks.slug(&input.name);
            let secret = world.ids.secret();
            let target = WebhookTarget { endpoint: input.endpoint.clone(), secret };
            let mut webhook = Webhook::new(&id, &target, Route::Policies);
            change_named(world, &mut webhook, input)?;
            world.webhooks.insert(webhook.clone());
            Ok(webhook)
        })?;
        read(context, |world| NamedWebhooksIntegration::new(world, &made))
    }

    async fn named_webhooks_integration_update(
        &self,
        context: &Context<'_>,
        id: ID,
        input: NamedWebhooksIntegrationInput,
    ) -> Result<NamedWebhooksIntegration> {
        let changed = mutate(context, |world, _| {
            let mut webhook = find(world, &id, named)?.clone();
            change_named(world, &mut webhook, input)?;
            world.webhooks.insert(webhook.clone());
            Ok(webhook)
        })?;
        read(context, |world| NamedWebhooksIntegration::new(world, &changed))
    }

    async fn named_webhooks_integration_delete(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<NamedWebhooksIntegration> {
        let gone = mutate(context, |world, _| {
            let webhook = find(world, &id, named)?.clone();
            world.webhooks.all.remove(&webhook.id);
            Ok(webhook)
        })?;
        read(context, |world| NamedWebhooksIntegration::new(world, &gone))
    }

    async fn named_webhooks_integration_set_headers(
        &self,
        context: &Context<'_>,
        id: ID,
        input: NamedWebhookHeaderInput,
    ) -> Result<NamedWebhooksIntegration> {
        let changed = mutate(context, |world, _| {
            let webhook = find(world, &id, named)?;
            let entries = input.entries.into_iter().map(|entry| (entry.key, entry.value));
            Arc::make_mut(&mut webhook.headers).extend(entries);
            Ok(webhook.clone())
        })?;
        read(context, |world| NamedWebhooksIntegration::new(world, &changed))
    }

    async fn named_webhooks_integration_delete_headers(
        &self,
        context: &Context<'_>,
        id: ID,
        header_keys: Vec<String>,
    ) -> Result<NamedWebhooksIntegration> {
        let changed = mutate(context, |world, _| {
            let webhook = find(world, &id, named)?;
            let headers: &mut BTreeMap<_, _> = Arc::make_mut(&mut webhook.headers);
            headers.retain(|key, _| !header_keys.contains(key));
            Ok(webhook.clone())
        })?;
        read(context, |world| NamedWebhooksIntegration::new(world, &changed))
    }

    async fn webhooks_integration_create(
        &self,
        context: &Context<'_>,
        stack: ID,
        input: WebhooksIntegrationInput,
    ) -> Result<WebhooksIntegration> {
        let made = mutate(context, |world, _| {
            check_endpoint(&input.endpoint)?;
            let of = world.stack(&stack)?.id.clone();
            let known = world.webhooks.all.values().any(|hook| {
                hook.route == Route::Stack(of.clone()) && *hook.endpoint == *input.endpoint
            });
            if known {
                return Err(Refusal::new("the stack already has a webhook with this endpoint"));
            }
            let id = world.ids.next(world.now).to_string();
            let secret = input.secret.unwrap_or_else(|| world.ids.secret());
            let target = WebhookTarget { endpoint: input.endpoint, secret };
            let mut webhook = Webhook::new(&id, &target, Route::Stack(of));
            webhook.retry_on_failure = input.retry_on_failure.unwrap_or(false);
            webhook.enabled = input.enabled;
            world.webhooks.insert(webhook.clone());
            Ok(webhook)
        })?;
        Ok(WebhooksIntegration::from(&made))
    }

    async fn webhooks_integration_update(
        &self,
        context: &Context<'_>,
        stack: ID,
        id: ID,
        input: WebhooksIntegrationInput,
    ) -> Result<WebhooksIntegration> {
        let changed = mutate(context, |world, _| {
            check_endpoint(&input.endpoint)?;
            let webhook = find(world, &id, |hook| of_stack(hook, &stack))?;
            webhook.endpoint = input.endpoint.into();
            webhook.retry_on_failure = input.retry_on_failure.unwrap_or(false);
            if let Some(secret) = input.secret {
                webhook.secret = secret.into();
            }
            webhook.enable(input.enabled);
            Ok(webhook.clone())
        })?;
        Ok(WebhooksIntegration::from(&changed))
    }

    async fn webhooks_integration_delete(
        &self,
        context: &Context<'_>,
        stack: ID,
        id: ID,
    ) -> Result<WebhooksIntegration> {
        let gone = mutate(context, |world, _| {
            let webhook = find(world, &id, |hook| of_stack(hook, &stack))?.clone();
            world.webhooks.all.remove(&webhook.id);
            Ok(webhook)
        })?;
        Ok(WebhooksIntegration { deleted: true, ..WebhooksIntegration::from(&gone) })
    }
}

fn of_stack(webhook: &Webhook, stack: &ID) -> bool {
    matches!(&webhook.route, Route::Stack(of) if **of == **stack)
}
