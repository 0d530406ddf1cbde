//! Slack's Web API, as far as the notifier needs it.
//!
//! Slack has no idempotency key: a post that timed out may have been posted. So every message
//! carries the story in its metadata, and before a post of unknown outcome is repeated, the
//! channel's history is searched for that mark. This needs the scope `channels:history` (or
//! `groups:history`) and the channel's id. Where Slack does not let us look, the message is posted
//! again: seeing a story twice is the lesser evil to not seeing it at all.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    call::SlackCall,
    config,
    http::{self, Brake, Trouble},
    routes::SlackRoute,
    story::Posted,
};

#[cfg(test)]
mod tests;

/// Our mark on a message.
const EVENT_TYPE: &str = "stackly_story";
/// Pages of history searched at most; a page holds [`PAGE`] messages, newest first.
const PAGES_MAX: usize = 5;
const PAGE: usize = 200;
/// Their clock and ours may differ by this much.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(2);
/// What to wait when Slack limits us and does not say for how long.
const LIMITED: Duration = Duration::from_secs(30);

/// What Slack says of a token that it does not take, or not any more.
const CREDENTIAL: [&str; 6] = [
    "account_inactive",
    "invalid_auth",
    "not_authed",
    "org_login_required",
    "token_expired",
    "token_revoked",
];
/// What it says of a place where the token may not write.
const CHANNEL: [&str; 10] = [
    "access_denied",
    "channel_not_found",
    "ekm_access_denied",
    "is_archived",
    "is_inactive",
    "missing_scope",
    "no_permission",
    "not_in_channel",
    "restricted_action",
    "team_access_not_granted",
];

/// What is known after the history was searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The message is there.
    Found(Posted),
    /// It is not.
    Absent,
    /// Slack does not let us look, and why.
    Forbidden(String),
}

/// The Web API under one token.
pub(crate) struct SlackClient {
    /// The channels as they are configured now.
    pub(crate) route: SlackRoute,
    client: Client,
    token: SecretString,
    api_base: String,
    brake: Brake,
    /// The ids of channels configured by name, learnt from answers: the history wants ids.
    ids: Mutex<HashMap<String, String>>,
}

impl SlackClient {
    pub(crate) fn new(options: &config::Slack, timeout: Duration) -> reqwest::Result<Self> {
        Ok(Self {
            route: SlackRoute::new(options),
            client: http::client(timeout)?,
            token: options.token.clone(),
            api_base: options.api_base.trim_end_matches('/').to_owned(),
            brake: Brake::default(),
            ids: Mutex::default(),
        })
    }

    /// How long Slack asked everybody to wait still.
    pub(crate) fn braked(&self, who: Uuid) -> Option<Duration> {
        self.brake.left(who)
    }

    /// Whether the channel that the message to update is in is configured no more.
    pub(crate) fn has_left(&self, call: &SlackCall) -> bool {
        call.configured.as_ref().is_some_and(|before| !self.route.knows(before))
    }

    /// Posts a new message.
    pub(crate) async fn post(&self, call: &SlackCall) -> Result<Posted, Trouble> {
        let mut body = json!({
            "channel": call.channel,
            "text": call.text,
            "blocks": call.blocks,
            "metadata": mark(call.story),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if let Some(reply) = &call.reply {
            body["thread_ts"] = json!(reply.ts);
            body["reply_broadcast"] = json!(reply.aloud);
        }
        let answer = self.call("chat.postMessage", &body).await?;
        let posted = posted(&answer)?;
        let mut ids = self.ids.lock().expect("no holder panics");
        ids.insert(call.channel.clone(), posted.channel.clone());
        Ok(posted)
    }

    /// Changes a message in place.
    pub(crate) async fn update(&self, call: &SlackCall, at: &Posted) -> Result<Posted, Trouble> {
        let body = json!({
            "channel": at.channel,
            "ts": at.ts,
            "text": call.text,
            // What a post is by default, and an update is not.
            "parse": "none",
            "blocks": call.blocks,
            "metadata": mark(call.story),
        });
        self.call("chat.update", &body).await.and_then(|answer| posted(&answer))
    }

    /// Looks whether the message of a story was posted since. One that the channel does not show is
    /// not found.
    pub(crate) async fn look(
        &self,
        call: &SlackCall,
        since: DateTime<Utc>,
    ) -> Result<Looked, Trouble> {
        let known = self.ids.lock().expect("no holder panics").get(&call.channel).cloned();
        let channel = known.unwrap_or_else(|| call.channel.clone());
        let oldest = (since - CLOCK_SKEW).timestamp().to_string();
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let body = json!({
                "channel": channel,
                "oldest": oldest,
                "limit": PAGE,
                "cursor": cursor,
                "include_all_metadata": true,
            });
            let page = match self.call("conversations.history", &body).await {
                Ok(page) => page,
                Err(
                    Trouble::Never { text, .. } | Trouble::Barred { text, credential: false, .. },
                ) => return Ok(Looked::Forbidden(text)),
                Err(trouble) => return Err(trouble),
            };
            if let Some(ts) = marked(&page, call.story) {
                return Ok(Looked::Found(Posted { channel, ts }));
            }
            page.pointer("/response_metadata/next_cursor")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .clone_into(&mut cursor);
            if cursor.is_empty() {
                return Ok(Looked::Absent);
            }
        }
        Ok(Looked::Forbidden("the channel has too many newer messages to search".to_owned()))
    }

    async fn call(&self, method: &str, body: &Value) -> Result<Value, Trouble> {
        let request = self
            .client
            .post(format!("{}/{method}", self.api_base))
            .bearer_auth(self.token.expose_secret())
            .header("content-type", "application/json; charset=utf-8")
            .body(body.to_string());
        let answer = http::call(&format!("slack {method}"), request).await?;
        let judged = judge(answer.status, answer.retry_after(), answer.json());
        if let Err(Trouble::NotNow { after: Some(after), .. }) = &judged {
            self.brake.pull(*after);
        }
        judged
    }
}

/// What an answer means. Slack says most things with status 200 and `ok: false`.
fn judge(status: u16, asked: Option<Duration>, body: Value) -> Result<Value, Trouble> {
    if status == 200 && body["ok"] == true {
        return Ok(body);
    }
    let error = body["error"].as_str().unwrap_or("an answer that is not Slack's");
    let text = format!("Slack says {error} (HTTP {status})");
    let not_now = |after, uncertain| {
        Err(Trouble::NotNow { text: text.clone(), status: Some(status), after, uncertain })
    };
    match (status, error) {
        (429, _) | (_, "ratelimited" | "rate_limited" | "message_limit_exceeded") => {
            not_now(Some(asked.unwrap_or(LIMITED)), false)
        }
        // Slack warns that with these, a part of the operation may have succeeded.
        (500.., _) | (_, "internal_error" | "fatal_error" | "service_unavailable") => {
            not_now(asked, true)
        }
        (_, "request_timeout" | "team_added_to_org") => not_now(asked, true),
        (_, "message_not_found") => Err(Trouble::Gone { text }),
        (_, "edit_window_closed" | "cant_update_message") => Err(Trouble::Sealed { text }),
        (401, _) => Err(Trouble::Barred { text, status: Some(status), credential: true }),
        (_, error) if CREDENTIAL.contains(&error) => {
            Err(Trouble::Barred { text, status: Some(status), credential: true })
        }
        (403, _) => Err(Trouble::Barred { text, status: Some(status), credential: false }),
        (_, error) if CHANNEL.contains(&error) => {
            Err(Trouble::Barred { text, status: Some(status), credential: false })
        }
        _ => Err(Trouble::Never { text, status: Some(status) }),
    }
}

fn mark(story: Uuid) -> Value {
    json!({ "event_type": EVENT_TYPE, "event_payload": { "story": story } })
}

fn posted(answer: &Value) -> Result<Posted, Trouble> {
    match (answer["channel"].as_str(), answer["ts"].as_str()) {
        (Some(channel), Some(ts)) => Ok(Posted { channel: channel.to_owned(), ts: ts.to_owned() }),
        _ => Err(Trouble::NotNow {
            text: "Slack's answer names no message".to_owned(),
            status: Some(200),
            after: None,
            uncertain: true,
        }),
    }
}

/// The message with our mark, in a page of history.
fn marked(page: &Value, story: Uuid) -> Option<String> {
    let story = story.to_string();
    page["messages"].as_array()?.iter().find_map(|message| {
        let metadata = &message["metadata"];
        let ours = metadata["event_type"] == EVENT_TYPE
            && metadata["event_payload"]["story"] == story.as_str();
        ours.then(|| message["ts"].as_str().map(str::to_owned)).flatten()
    })
}
