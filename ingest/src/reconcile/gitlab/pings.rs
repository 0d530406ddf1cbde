//! Tests that GitLab is asked to send, and what they were answered.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{Recent, Webhook, header_of};
use crate::{
    reach::Answered,
    reconcile::{
        api::{Answer, Trouble},
        pings::{Sent, Tried},
    },
};

/// What GitLab makes up of it speaks of a token that is not there, and nothing follows from it. A
/// test of pushes would be the real head of the default branch, and be planned.
const TRIGGER: &str = "resource_access_token_events";
/// What it comes as.
const EVENT: &str = "Resource Access Token Hook";
/// GitLab refuses at once; else it answers when the receiver has, which is not waited for.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(3);
/// Among so many of the newest it is looked for.
const PAGE: usize = 20;

/// One attempt to deliver, as far as it is used here.
#[derive(Deserialize)]
struct Attempt {
    id: u64,
    request_headers: Map<String, Value>,
    /// A status, or that there was none.
    #[serde(default)]
    response_status: Value,
    #[serde(default)]
    response_body: Option<String>,
}

impl Attempt {
    fn answered(&self) -> Answered {
        let said = match &self.response_status {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let body = self.response_body.clone().unwrap_or_default();
        Answered { status: said.parse().unwrap_or_default(), said, body }
    }
}

impl Recent {
    /// The webhooks that are looked at.
    pub(crate) fn hooks(&self) -> &[String] {
        &self.hooks
    }

    /// Has GitLab send a test; or says why it does not.
    pub(crate) async fn ping(self: &Arc<Self>, hook: &str) -> Result<Tried, String> {
        let path = hook.trim_matches('/');
        let known = async {
            let Answer { content, usage, .. } =
                self.api.ask::<Webhook>(&self.api.url(path)).await?;
            self.api.spare(&usage, self.quota_reserve)?;
            Ok((content.url, self.attempts(path, 1).await?))
        };
        let (url, newest) = known.await.map_err(|trouble: Trouble| trouble.text(hook))?;
        let last = newest.into_iter().next();
        let test = self.api.url(&format!("{path}/test/{TRIGGER}"));
        let asking = self.clone();
        let asked = tokio::spawn(async move { asking.api.act(&test).await });
        let why = match timeout(REFUSAL_PATIENCE, asked).await {
            // That it cannot be done says that the receiver did not take it.
            Err(_) | Ok(Ok(Ok(()) | Err(Trouble::CannotBe { .. }))) => {
                let after = last.map_or(0, |last| last.id);
                return Ok(Tried::Sent(Sent {
                    hook: hook.to_owned(),
                    url,
                    after,
                    again: None,
                    lacks: Vec::new(),
                }));
            }
            Ok(Ok(Err(Trouble::Held(hold)))) => hold.text,
            Ok(Ok(Err(trouble))) => {
                format!("{} (a test takes a token with the scope `api`)", trouble.text(hook))
            }
            Ok(Err(error)) => error.to_string(),
        };
        let why = format!("GitLab sends no test: {why}");
        Ok(Tried::Not { why, last: last.map(|last| (url, last.answered())) })
    }

    /// What a test was answered; nothing while GitLab has not delivered it.
    pub(crate) async fn pinged(&self, sent: &Sent) -> Result<Option<Answered>, String> {
        let newest = self.attempts(sent.hook.trim_matches('/'), PAGE).await;
        let newest = newest.map_err(|trouble| trouble.text(&sent.hook))?;
        let is_sent = |one: &&Attempt| {
            let event = header_of(&one.request_headers, "x-gitlab-event");
            one.id > sent.after && event == Some(EVENT)
        };
        Ok(newest.iter().find(is_sent).map(Attempt::answered))
    }

    /// The newest first.
    async fn attempts(&self, path: &str, most: usize) -> Result<Vec<Attempt>, Trouble> {
        let url = self.api.url(&format!("{path}/events?per_page={most}"));
        Ok(self.api.ask(&url).await?.content)
    }
}
