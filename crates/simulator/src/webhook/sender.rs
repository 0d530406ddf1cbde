//! Sends what is in the outbox: bounded, over kept-alive connections, with Spacelift's retries.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::body::Bytes;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use ulid::Ulid;

use crate::{
    clock::wall_ms,
    shared::Shared,
    states::RunState,
    webhook::{DeliveryRecord, Webhook, sha1_header, sha256_header},
};

/// So many deliveries are under way at once.
const CONCURRENT: usize = 64;
/// So often a delivery is sent again after a 5xx answer.
const RETRIES: u32 = 3;
/// The wait before the first retry; it grows with every one.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// A delivery that is held back goes at last after this time even if nothing follows it.
const HELD_BACK_MAX: Duration = Duration::from_millis(500);

/// One body for one webhook.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    webhook: Arc<str>,
    endpoint: Arc<str>,
    secret: Arc<str>,
    headers: Arc<BTreeMap<String, String>>,
    retry: bool,
    pub(super) body: Bytes,
    pub(super) run: Option<Ulid>,
    pub(super) state: Option<RunState>,
    pub(super) state_version: Option<i32>,
    pub(super) delay_ms: u64,
    pub(super) held_back: bool,
}

impl Delivery {
    /// An empty delivery for this webhook.
    pub(super) fn to(webhook: &Webhook) -> Self {
        Self {
            webhook: webhook.id.clone(),
            endpoint: webhook.endpoint.clone(),
            secret: webhook.secret.clone(),
            headers: webhook.headers.clone(),
            retry: webhook.retry_on_failure,
            body: Bytes::new(),
            run: None,
            state: None,
            state_version: None,
            delay_ms: 0,
            held_back: false,
        }
    }
}

/// Sends deliveries until the simulator stops.
pub(crate) async fn send_all(shared: Arc<Shared>, mut outbox: mpsc::UnboundedReceiver<Delivery>) {
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    let mut under_way = JoinSet::new();
    let mut held_back: Vec<Delivery> = Vec::new();
    loop {
        while under_way.try_join_next().is_some() {}
        let mut batch = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => break,
            next = next(&mut outbox, !held_back.is_empty()) => match next {
                Some(Some(delivery)) => vec![delivery],
                Some(None) => Vec::new(),
                None => break,
            },
        };
        if batch.first().is_some_and(|delivery| delivery.held_back) {
            held_back.append(&mut batch);
            continue;
        }
        batch.append(&mut held_back);
        let late = batch.iter().any(|delivery| delivery.delay_ms > 0);
        let permit = if late { None } else { permits.clone().acquire_owned().await.ok() };
        let shared = shared.clone();
        under_way.spawn(async move {
            for delivery in batch {
                deliver(&shared, delivery).await;
            }
            drop(permit);
        });
    }
}

/// The next delivery; an inner nothing means that what is held back has waited long enough.
async fn next(
    outbox: &mut mpsc::UnboundedReceiver<Delivery>,
    holding: bool,
) -> Option<Option<Delivery>> {
    if !holding {
        return outbox.recv().await.map(Some);
    }
    match tokio::time::timeout(HELD_BACK_MAX, outbox.recv()).await {
        Ok(delivery) => delivery.map(Some),
        Err(_) => Some(None),
    }
}

async fn deliver(shared: &Shared, delivery: Delivery) {
    if delivery.delay_ms > 0 {
        shared.pause(Duration::from_millis(delivery.delay_ms)).await;
    }
    let on =
        shared.read(|world| world.webhooks.all.get(&delivery.webhook).is_some_and(|w| w.enabled));
    if !on || shared.stopping.is_cancelled() {
        return;
    }
    let (status, attempts) = send_with_retries(shared, &delivery).await;
    let record = DeliveryRecord {
        at_ms: wall_ms(),
        run: delivery.run.map(|run| run.to_string()),
        state: delivery.state.map(|state| state.to_string()),
        state_version: delivery.state_version,
        status,
        attempts,
    };
    shared.act(|world| {
        if let Some(webhook) = world.webhooks.all.get_mut(&delivery.webhook) {
            webhook.note(record);
        }
    });
}

async fn send_with_retries(shared: &Shared, delivery: &Delivery) -> (Option<u16>, u32) {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let status = send(&shared.http, delivery).await;
        let failed = status.is_some_and(|status| status >= 500);
        if !failed || !delivery.retry || attempts > RETRIES || shared.stopping.is_cancelled() {
            return (status, attempts);
        }
        shared.pause(RETRY_AFTER * attempts).await;
    }
}

async fn send(http: &reqwest::Client, delivery: &Delivery) -> Option<u16> {
    let mut request = http
        .post(&*delivery.endpoint)
        .header("content-type", "application/json")
        .header("x-signature", sha1_header(&delivery.secret, &delivery.body))
        .header("x-signature-256", sha256_header(&delivery.secret, &delivery.body));
    for (name, value) in &*delivery.headers {
        request = request.header(name, value);
    }
    match request.body(delivery.body.clone()).send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            // Reading the answer to its end is what lets the connection be used again.
            let _rest = response.bytes().await;
            Some(status)
        }
        Err(error) => {
            tracing::debug!(webhook = %delivery.webhook, %error, "no answer to a webhook");
            None
        }
    }
}

/// Sends one body and tells whether the receiver took it.
pub(crate) async fn test_delivery(http: &reqwest::Client, webhook: &Webhook) -> bool {
    let mut delivery = Delivery::to(webhook);
    delivery.body = Bytes::from_static(br#"{"action":"audit_trail_webhook.set","test":true}"#);
    send(http, &delivery).await.is_some_and(|status| (200..300).contains(&status))
}
