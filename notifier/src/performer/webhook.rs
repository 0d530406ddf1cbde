//! Outgoing webhooks: sent to who is still there, repeated by their schedule.

use chrono::{DateTime, SecondsFormat, Utc};
use store::{Claim, Performed};
use tracing::{error, warn};

use super::{Caller, full, later, record::Note};
use crate::{
    client::webhook::{BUSY, Endpoint},
    input::{Input, WebhookTold},
    store as tables,
    webhook::{Answer, Hook, Verdict},
};

/// What readiness says of endpoints that are gone.
const GONE: &str = "webhooks";

impl Caller {
    /// Says in the log and in the service's readiness which endpoints are not called any more, and
    /// how they are again.
    pub(crate) async fn tell_who_is_gone(&self) {
        let ids: Vec<_> = self.webhooks.endpoints().map(|endpoint| endpoint.id).collect();
        let retired = match tables::retired_at(&self.pool, &ids).await {
            Ok(retired) => retired,
            Err(error) => {
                warn!(%error, "cannot read which endpoints are gone");
                return;
            }
        };
        let gone = self.webhooks.endpoints().filter_map(|endpoint| {
            let at = second(endpoint.gone_since(&retired)?);
            Some(format!("`{}` answered 410 Gone at {at}", endpoint.name))
        });
        let mut gone: Vec<_> = gone.collect();
        if gone.is_empty() {
            return self.troubles.clear(GONE);
        }
        gone.sort();
        let way_back = "not called any more; once it is there again, set `revived_at` in its \
                        [[webhooks]] to the time of that";
        let why = format!("{}: {way_back}", gone.join(", "));
        error!("{why}");
        self.troubles.warn(GONE, &why);
    }

    pub(super) async fn webhook(&self, claim: &Claim, hook: Hook) -> Performed<Input> {
        let note = Note::new(claim, hook.endpoint.clone(), &format!("{} {}", hook.kind, hook.id));
        let told = || {
            let endpoint = hook.endpoint.clone();
            Performed::Done(Input::Webhook(WebhookTold {
                key: claim.key,
                endpoint,
                event: hook.id,
            }))
        };
        let Some(endpoint) = self.webhooks.endpoint(&hook.endpoint) else {
            self.record.given_up(&note, None, "the endpoint is not configured any more").await;
            return told();
        };
        match tables::retired_at(&self.pool, &[endpoint.id]).await {
            Ok(retired) => {
                if let Some(at) = endpoint.gone_since(&retired) {
                    let why = format!(
                        "the endpoint answered 410 Gone at {} and is not called any more",
                        second(at)
                    );
                    self.record.given_up(&note, None, &why).await;
                    return told();
                }
            }
            Err(error) => {
                let why = format!("cannot read the database: {error}");
                return later(BUSY, why, claim.uncertain);
            }
        }
        let Some(_slot) = endpoint.slot() else {
            let why = format!("as many calls to {} are under way as may be", endpoint.name);
            return full(why);
        };
        match self.send(&note, endpoint, &hook).await {
            Some(later) => later,
            None => told(),
        }
    }

    /// Sends a webhook. `None`: it is over, well or badly.
    async fn send(
        &self,
        note: &Note<'_>,
        endpoint: &Endpoint,
        hook: &Hook,
    ) -> Option<Performed<Input>> {
        let before = self.record.before(note.claim).await;
        let now = Utc::now();
        let sent = self.webhooks.send(endpoint, hook, now).await;
        let status = match sent.answer {
            Answer::Status(status, _) => Some(status),
            Answer::Nothing => None,
        };
        let error = sent.error.as_deref().unwrap_or_default();
        match hook.verdict(sent.answer, before + 1, &self.retries, now) {
            Verdict::Delivered => {
                self.record.delivered(note, status).await;
                None
            }
            Verdict::Gone => {
                if let Err(error) = tables::retire(&self.pool, endpoint.id, &endpoint.name).await {
                    warn!(%error, "cannot note that the endpoint is retired; it will say so again");
                }
                self.tell_who_is_gone().await;
                self.record.given_up(note, status, error).await;
                None
            }
            Verdict::GiveUp => {
                error!(endpoint = endpoint.name, attempts = before + 1, "a webhook is given up");
                self.record.given_up(note, status, error).await;
                None
            }
            Verdict::Later(after) => {
                self.record.waiting(note, status, error, after).await;
                let why = sent.error.unwrap_or_default();
                Some(later(after, format!("webhook {}: {why}", endpoint.name), status.is_none()))
            }
        }
    }
}

fn second(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
