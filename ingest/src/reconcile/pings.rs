//! Pings that GitHub is asked to send, and what they were answered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Reconciler, api::Answer, github::Delivery};
use crate::reach::Answered;

/// A ping that is on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    /// Of which webhook, as the API names it.
    pub(crate) hook: String,
    /// Where that sends to.
    pub(crate) url: String,
    /// It is in the list of deliveries above this one.
    pub(crate) after: u64,
}

/// `GET /repos/{owner}/{repo}/hooks/{id}`, as far as it is used.
#[derive(Deserialize)]
struct Hook {
    active: bool,
    config: Settings,
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    url: String,
}

/// `GET …/deliveries/{id}`, as far as it is used here.
#[derive(Default, Deserialize)]
struct Detail {
    #[serde(default)]
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    payload: Value,
}

impl Reconciler {
    /// The webhooks that are looked at.
    pub(crate) fn hooks(&self) -> &[String] {
        &self.hooks
    }

    /// Has GitHub send one; or says why it does not.
    pub(crate) async fn ping(&self, hook: &str) -> Result<Sent, String> {
        let path = hook.trim_matches('/');
        let trouble = |trouble: super::Trouble| trouble.text(hook);
        let Answer { content: found, usage, .. } =
            self.github.ask::<Hook>(&self.github.url(path)).await.map_err(trouble)?;
        self.github.spare(&usage, self.quota_reserve).map_err(trouble)?;
        let url = found.config.url;
        if !found.active {
            return Err(format!(
                "the webhook to {url} is switched off at GitHub; `stackly connect github` switches \
                 it on"
            ));
        }
        let newest = self.deliveries(path, 1).await.map_err(trouble)?;
        let after = newest.first().map_or(0, |newest| newest.id);
        let pings = self.github.url(&format!("{path}/pings"));
        self.github.act(&pings).await.map_err(trouble)?;
        Ok(Sent { hook: hook.to_owned(), url, after })
    }

    /// What a ping was answered; nothing while GitHub has not delivered it.
    pub(crate) async fn pinged(&self, sent: &Sent) -> Result<Option<Answered>, String> {
        let path = sent.hook.trim_matches('/');
        let trouble = |trouble: super::Trouble| trouble.text(&sent.hook);
        let newest = self.deliveries(path, 100).await.map_err(trouble)?;
        let is_it = |one: &Delivery| one.id > sent.after && one.event == "ping";
        let Some(found) = newest.into_iter().find(is_it) else { return Ok(None) };
        let detail = self.github.url(&format!("{path}/deliveries/{}", found.id));
        let detail = self.github.ask::<Detail>(&detail).await.map_err(trouble)?.content;
        let body = match detail.response.map(|response| response.payload) {
            Some(Value::String(text)) => text,
            other => other.unwrap_or_default().to_string(),
        };
        Ok(Some(Answered { status: found.status_code, said: found.status, body }))
    }

    async fn deliveries(&self, path: &str, most: usize) -> Result<Vec<Delivery>, super::Trouble> {
        let url = self.github.url(&format!("{path}/deliveries?per_page={most}"));
        Ok(self.github.ask(&url).await?.content)
    }
}
