//! Named webhooks that Spacelift has switched off: after ten failures in a row it does so, and
//! tells nobody but a page of its own.
//!
//! Each is switched on again, and people are told first, by the event that tells of Spacelift's own
//! faults. Runs are polled meanwhile, by the executor, so nothing waits for it. One that is
//! switched off again and again is switched on less and less often.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::Code;
use opentelemetry::metrics::Counter;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use spacelift::{Client, NamedWebhook, WebhookShape};
use tracing::{info, warn};

use crate::{config, http::Entry, intake::Kept, page::Watching, record::Arrival, source::Kind};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a webhook was switched on, the least time until it may be again.
const WAIT_MIN: TimeDelta = TimeDelta::minutes(1);
/// And the most.
const WAIT_MAX: TimeDelta = TimeDelta::hours(1);
/// One that was on for so long has forgotten how often it was off.
const CALM: TimeDelta = TimeDelta::hours(2);

/// Looks at named webhooks.
pub(crate) struct Watch {
    client: Client,
    account: String,
    ids: Vec<String>,
    entry: Arc<Entry>,
    state: Mutex<State>,
    restored: Counter<u64>,
}

#[derive(Debug, Default)]
struct State {
    standing: Watching,
    tries: HashMap<String, Try>,
}

/// The last time a webhook was switched on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Try {
    at: DateTime<Utc>,
    /// How often in a row.
    times: u32,
}

/// What is to be done about a webhook.
#[derive(Debug, PartialEq)]
enum Step {
    Leave,
    /// It is switched on, for the n-th time in a row.
    Restore(u32),
    /// It is off, and was switched on too short a while ago.
    Wait(DateTime<Utc>),
}

/// What is done about a webhook that is on or off. Pure.
fn step(enabled: bool, last: Option<Try>, now: DateTime<Utc>) -> Step {
    if enabled {
        return Step::Leave;
    }
    let Some(last) = last.filter(|last| now < last.at + CALM) else { return Step::Restore(1) };
    let wait = WAIT_MIN * 2_i32.pow(last.times.saturating_sub(1).min(10));
    let until = last.at + wait.min(WAIT_MAX);
    if now < until { Step::Wait(until) } else { Step::Restore(last.times + 1) }
}

impl Watch {
    /// Nobody, if configuration names no account or no webhook.
    pub(crate) fn new(
        options: &config::Reconcile,
        entry: &Arc<Entry>,
    ) -> anyhow::Result<Option<Self>> {
        let secret = &options.spacelift_api_key_secret;
        let is_told = !options.spacelift_endpoint.is_empty()
            && !options.spacelift_api_key_id.is_empty()
            && !secret.expose_secret().is_empty();
        if !is_told || options.spacelift_webhooks.is_empty() {
            return Ok(None);
        }
        let client = Client::new(&spacelift::Options {
            endpoint: options.spacelift_endpoint.clone(),
            api_key_id: options.spacelift_api_key_id.clone(),
            api_key_secret: secret.clone(),
            timeout: PATIENCE,
            requests_per_second: 1,
            requests_burst: 10,
            breaker_failures: 10,
            breaker_wait: Duration::from_secs(10),
        })?;
        let restored = opentelemetry::global::meter("ingest")
            .u64_counter("stackly_webhooks_restored")
            .with_description("Named webhooks that were found switched off and switched on again.")
            .build();
        Ok(Some(Self {
            client,
            account: spacelift::account_name(&options.spacelift_endpoint),
            ids: options.spacelift_webhooks.clone(),
            entry: entry.clone(),
            state: Mutex::default(),
            restored,
        }))
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Watching {
        self.with(|state| state.standing.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The name of the account.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// The webhooks that are on, each with where it sends to.
    pub(crate) async fn addresses(&self) -> Result<Vec<(String, String)>, spacelift::Error> {
        let webhooks = self.client.named_webhooks().await?;
        let ours = webhooks.into_iter().filter(|one| one.is.enabled && self.ids.contains(&one.id));
        Ok(ours.map(|webhook| (webhook.id, webhook.is.endpoint)).collect())
    }

    /// Looks once at every webhook.
    pub(crate) async fn round(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let trouble = match self.client.named_webhooks().await {
            Ok(webhooks) => {
                let mut troubles = Vec::new();
                for id in &self.ids {
                    let found = webhooks.iter().find(|webhook| webhook.id == *id);
                    troubles.extend(self.look(id, found, now).await);
                }
                (!troubles.is_empty()).then(|| troubles.join("; "))
            }
            Err(error) => Some(format!("{:#}", anyhow::Error::from(error))),
        };
        if let Some(text) = &trouble {
            warn!(text, "the webhooks at Spacelift are not as they should be");
        }
        self.with(|state| {
            state.standing.looked_at = Some(now);
            state.standing.trouble = trouble;
        });
        Ok(())
    }

    /// Looks at one; tells what is wrong with it afterwards.
    async fn look(
        &self,
        id: &str,
        found: Option<&NamedWebhook>,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let Some(found) = found else {
            return Some(format!(
                "there is no named webhook `{id}` that our API key may see; `stackly connect \
                 spacelift` makes it, reconcile.spacelift_webhooks names it"
            ));
        };
        let last = self.with(|state| state.tries.get(id).copied());
        match step(found.is.enabled, last, now) {
            Step::Leave => None,
            Step::Wait(until) => Some(format!(
                "the webhook `{id}` is switched off once more; it is switched on again at {until}, \
                 if nobody does before: does ingest answer at {}?",
                found.is.endpoint
            )),
            Step::Restore(times) => self.restore(found, times, now).await,
        }
    }

    /// People are told before it is done: whoever dies in between has told, and the next round
    /// finds the webhook still off.
    async fn restore(
        &self,
        found: &NamedWebhook,
        times: u32,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let (id, endpoint) = (&found.id, &found.is.endpoint);
        let often = if times > 1 { format!(", {times} times in a row") } else { String::new() };
        let title = format!("Spacelift has switched the webhook {id} off{often}");
        let text = format!(
            "{}: ten deliveries in a row to {endpoint} failed. It is being switched on again; runs \
             are polled meanwhile, so nothing waits for it",
            Code::WebhookSwitchedOff.as_str()
        );
        if !self.tell(Severity::Warning, &title, &text, now).await {
            return Some(format!(
                "the webhook `{id}` is switched off, and that cannot be kept now"
            ));
        }
        let shape = WebhookShape { enabled: true, ..found.is.clone() };
        let done = self.client.update_named_webhook(id, &shape, None).await;
        self.with(|state| state.tries.insert(id.clone(), Try { at: now, times }));
        match done {
            Ok(_) => {
                info!(webhook = id, "switched a webhook on that Spacelift had switched off");
                self.restored.add(1, &[]);
                self.with(|state| state.standing.restored += 1);
                None
            }
            Err(error) => {
                let why = format!("{:#}", anyhow::Error::from(error));
                let title = format!("The webhook {id} stays switched off");
                let code = Code::WebhookStaysOff.as_str();
                let text = format!("{code}: it could not be switched on: {why}");
                self.tell(Severity::Error, &title, &text, now).await;
                Some(format!("the webhook `{id}` could not be switched on: {why}"))
            }
        }
    }

    /// Takes it in as if Spacelift had said it; whether it is kept.
    async fn tell(&self, severity: Severity, title: &str, text: &str, now: DateTime<Utc>) -> bool {
        let body = json!({
            "account": self.account,
            "severity": severity,
            "title": title,
            "body": text,
            "error": "",
        });
        let arrival = Arrival::found(HeaderMap::new(), body.to_string(), now);
        let found = self.entry.found(Kind::Spacelift, arrival).await;
        let kept = found.map(|found| found.kept);
        matches!(kept, Some(Kept::Now | Kept::Before(_) | Kept::Never))
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Severity {
    Warning,
    Error,
}

#[cfg(test)]
mod tests;
