//! Those who are told: Slack, GitHub and a receiver of webhooks, in memory.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

/// A Slack message.
pub struct Message {
    /// The mark in its metadata.
    pub story: Uuid,
    pub text: String,
}

/// Those who are told.
#[derive(Default)]
pub struct Outside {
    /// By their place: the message's `ts`.
    pub slack: Vec<Message>,
    /// The statuses of each commit as they stand, by their name.
    pub statuses: BTreeMap<String, BTreeMap<String, String>>,
    /// The events a receiver of webhooks got, and how often.
    pub hooks: BTreeMap<Uuid, usize>,
}

impl Outside {
    /// Posts a message or changes it in place; gives its `ts`. Looks first if asked to.
    pub fn say(&mut self, body: &Value, look: bool) -> String {
        let story: Uuid = body["story"].as_str().and_then(|it| it.parse().ok()).expect("a story");
        let text = body["text"].as_str().expect("a text").to_owned();
        let known = body["ts"].as_str().and_then(|ts| ts.parse().ok());
        let found = || self.slack.iter().rposition(|message| message.story == story);
        let place = known.or_else(|| look.then(found).flatten());
        let message = Message { story, text };
        match place {
            Some(place) => {
                self.slack[place] = message;
                place.to_string()
            }
            None => {
                self.slack.push(message);
                (self.slack.len() - 1).to_string()
            }
        }
    }

    /// Sets a commit status.
    pub fn set(&mut self, body: &Value) {
        let text = |key: &str| body[key].as_str().expect("a text").to_owned();
        self.statuses.entry(text("commit")).or_default().insert(text("context"), text("state"));
    }

    /// Takes a webhook.
    pub fn take(&mut self, body: &Value) {
        let id = body["id"].as_str().and_then(|it| it.parse().ok()).expect("an id");
        *self.hooks.entry(id).or_default() += 1;
    }
}
