//! What hosts are asked to send, so that it is seen whether their webhooks lead here, and what that
//! was answered.
//!
//! GitHub pings the webhooks of repositories and organisations, and not that of an app. There it is
//! asked to send again something that came in here before: it is known, so nothing follows from it.

use anyhow::anyhow;
use github::missing_events;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Reconciler,
    api::{Answer, Trouble},
    github::Delivery,
};
use crate::reach::Answered;

/// An app's own webhook, as the API names it.
const APP: &str = "app/hook";
/// As many deliveries as one page has.
const PAGE: usize = 100;

/// Something that is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    /// Of which webhook, as the API names it.
    pub(crate) hook: String,
    /// Where that sends to.
    pub(crate) url: String,
    /// It is in the list of deliveries above this one.
    pub(crate) after: u64,
    /// The delivery that is sent again; none of a ping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<String>,
    /// What the webhook should tell of and does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lacks: Vec<String>,
}

/// What became of asking a host to send something.
#[derive(Debug)]
pub(crate) enum Tried {
    /// It does.
    Sent(Sent),
    /// It does not, and why.
    Not {
        why: String,
        /// Where it sent last, and what that was answered.
        last: Option<(String, Answered)>,
    },
}

/// `GET /repos/{owner}/{repo}/hooks/{id}`, as far as it is used.
#[derive(Deserialize)]
struct Hook {
    active: bool,
    #[serde(default)]
    events: Vec<String>,
    config: Settings,
}

/// Also `GET /app/hook/config`.
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

    /// Has GitHub send something; or says why it does not.
    pub(crate) async fn ping(&self, hook: &str) -> Result<Tried, String> {
        let tried = match hook.trim_matches('/') {
            APP => self.send_again(hook).await,
            path => self.send_ping(hook, path).await,
        };
        tried.map_err(|trouble| trouble.text(hook))
    }

    async fn send_ping(&self, hook: &str, path: &str) -> Result<Tried, Trouble> {
        let Answer { content: found, usage, .. } =
            self.github.ask::<Hook>(&self.github.url(path)).await?;
        self.github.spare(&usage, self.quota_reserve)?;
        let url = found.config.url;
        if !found.active {
            let text = "the webhook is switched off at GitHub; `stackly connect github` switches \
                        it on";
            return Err(anyhow!("{text} ({url})").into());
        }
        let newest = self.deliveries(path, 1).await?;
        let after = newest.first().map_or(0, |newest| newest.id);
        self.github.act(&self.github.url(&format!("{path}/pings"))).await?;
        let lacks = missing_events(&found.events).into_iter().map(str::to_owned).collect();
        Ok(Tried::Sent(Sent { hook: hook.to_owned(), url, after, again: None, lacks }))
    }

    async fn send_again(&self, hook: &str) -> Result<Tried, Trouble> {
        let Answer { content: Settings { url }, usage, .. } =
            self.github.ask::<Settings>(&self.github.url(&format!("{APP}/config"))).await?;
        self.github.spare(&usage, self.quota_reserve)?;
        if url.is_empty() {
            return Err(anyhow!("the app has no webhook; give it one on its page at GitHub").into());
        }
        let newest = self.deliveries(APP, PAGE).await?;
        let Some(last) = newest.first() else {
            let why = "GitHub has delivered nothing to the app in three days".to_owned();
            return Ok(Tried::Not { why, last: None });
        };
        let ids: Vec<_> = newest.iter().map(|one| one.guid.clone()).collect();
        let known = self.finder.known(&ids).await?;
        let Some(again) = newest.iter().find(|one| known.contains(&one.guid)) else {
            let why = "none of what GitHub delivered to the app of late came in here".to_owned();
            let answered = self.answered(APP, last).await?;
            return Ok(Tried::Not { why, last: Some((url, answered)) });
        };
        let attempts = format!("{APP}/deliveries/{}/attempts", again.id);
        self.github.act(&self.github.url(&attempts)).await?;
        let again = Some(again.guid.clone());
        let (hook, lacks) = (hook.to_owned(), Vec::new());
        Ok(Tried::Sent(Sent { hook, url, after: last.id, again, lacks }))
    }

    /// What was answered to what is on its way; nothing while GitHub has not delivered it.
    pub(crate) async fn pinged(&self, sent: &Sent) -> Result<Option<Answered>, String> {
        let answered = async {
            let path = sent.hook.trim_matches('/');
            let is_sent = |one: &Delivery| match &sent.again {
                Some(guid) => one.guid == *guid,
                None => one.event == "ping",
            };
            let newest = self.deliveries(path, PAGE).await?;
            match newest.iter().find(|one| one.id > sent.after && is_sent(one)) {
                Some(found) => self.answered(path, found).await.map(Some),
                None => Ok(None),
            }
        };
        answered.await.map_err(|trouble: Trouble| trouble.text(&sent.hook))
    }

    async fn answered(&self, path: &str, delivery: &Delivery) -> Result<Answered, Trouble> {
        let detail = self.github.url(&format!("{path}/deliveries/{}", delivery.id));
        let detail = self.github.ask::<Detail>(&detail).await?.content;
        let body = match detail.response.map(|response| response.payload) {
            Some(Value::String(text)) => text,
            other => other.unwrap_or_default().to_string(),
        };
        Ok(Answered { status: delivery.status_code, said: delivery.status.clone(), body })
    }

    async fn deliveries(&self, path: &str, most: usize) -> Result<Vec<Delivery>, Trouble> {
        let url = self.github.url(&format!("{path}/deliveries?per_page={most}"));
        Ok(self.github.ask(&url).await?.content)
    }
}
