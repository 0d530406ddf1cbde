//! Slack's Web API: `chat.postMessage`, `chat.update`, `conversations.history`.

use std::collections::{HashMap, VecDeque};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use crate::{Fault, Faults, Shared, bearer, lose, refusal, serve};

/// The token it takes.
pub const TOKEN: &str = "xoxb-the-right-one";

/// One message in a channel.
#[derive(Debug, Clone)]
pub struct Message {
    /// The channel's id.
    pub channel: String,
    /// When it was posted, and what it is known by.
    pub ts: String,
    /// What notifications show.
    pub text: String,
    /// What the channel shows.
    pub blocks: Value,
    /// What programs read.
    pub metadata: Value,
    /// How often it was changed in place.
    pub edits: usize,
}

/// A workspace.
#[derive(Debug, Clone)]
pub struct Slack {
    /// Where its API is.
    pub api_base: String,
    world: Shared<World>,
    changes: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct World {
    /// Names and ids.
    channels: HashMap<String, String>,
    messages: Vec<Message>,
    calls: Vec<(String, Instant)>,
    faults: HashMap<String, Faults>,
    history_forbidden: bool,
}

impl Slack {
    /// A workspace with one channel, `deploys`.
    pub async fn start() -> Self {
        let world = World {
            channels: HashMap::from([("deploys".to_owned(), "C0DEPLOYS".to_owned())]),
            ..World::default()
        };
        let world = Shared::new(world);
        let changes = watch::Sender::new(0);
        let router = Router::new()
            .route("/api/{method}", post(method))
            .with_state((world.clone(), changes.clone()));
        Self { api_base: format!("{}/api", serve(router).await), world, changes }
    }

    /// Rises with every message that is posted or changed.
    pub fn changes(&self) -> watch::Receiver<usize> {
        self.changes.subscribe()
    }

    /// The next call of a method goes wrong.
    pub fn fail(&self, method: &str, fault: Fault) {
        self.world.lock().faults.entry(method.to_owned()).or_default().push_back(fault);
    }

    /// Takes the scope for reading the history away.
    pub fn forbid_history(&self) {
        self.world.lock().history_forbidden = true;
    }

    /// Somebody deletes everything.
    pub fn delete_messages(&self) {
        self.world.lock().messages.clear();
    }

    /// Every message there is.
    pub fn messages(&self) -> Vec<Message> {
        self.world.lock().messages.clone()
    }

    /// When a method was called.
    pub fn calls(&self, method: &str) -> Vec<Instant> {
        let world = self.world.lock();
        world.calls.iter().filter(|(called, _)| called == method).map(|(_, at)| *at).collect()
    }
}

async fn method(
    State((world, changes)): State<(Shared<World>, watch::Sender<usize>)>,
    Path(method): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = {
        let mut world = world.lock();
        world.calls.push((method.clone(), Instant::now()));
        world.faults.get_mut(&method).and_then(VecDeque::pop_front)
    };
    if let Some(refusal) = refusal(fault.as_ref()) {
        return refusal;
    }
    let answer = world.lock().answer(&method, bearer(&headers), &body);
    if answer.is_ok() && method.starts_with("chat.") {
        changes.send_modify(|count| *count += 1);
    }
    lose(fault).await;
    Json(answer.unwrap_or_else(|error| json!({ "ok": false, "error": error }))).into_response()
}

impl World {
    fn answer(
        &mut self,
        method: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<Value, &'static str> {
        match token {
            None => return Err("not_authed"),
            Some(TOKEN) => {}
            Some(_) => return Err("invalid_auth"),
        }
        match method {
            "chat.postMessage" => self.post(body),
            "chat.update" => self.update(body),
            "conversations.history" => self.history(body),
            _ => Err("unknown_method"),
        }
    }

    fn post(&mut self, body: &Value) -> Result<Value, &'static str> {
        let channel = self.channel(body, true)?;
        check_looks(body)?;
        let ts = format!("{}.{:06}", chrono::Utc::now().timestamp(), self.messages.len());
        self.messages.push(Message {
            channel: channel.clone(),
            ts: ts.clone(),
            text: body["text"].as_str().unwrap_or_default().to_owned(),
            blocks: body["blocks"].clone(),
            metadata: body["metadata"].clone(),
            edits: 0,
        });
        Ok(json!({ "ok": true, "channel": channel, "ts": ts }))
    }

    fn update(&mut self, body: &Value) -> Result<Value, &'static str> {
        let channel = self.channel(body, false)?;
        check_looks(body)?;
        let ts = body["ts"].as_str().unwrap_or_default();
        let message = self
            .messages
            .iter_mut()
            .find(|message| message.channel == channel && message.ts == ts)
            .ok_or("message_not_found")?;
        body["text"].as_str().unwrap_or_default().clone_into(&mut message.text);
        message.blocks = body["blocks"].clone();
        message.metadata = body["metadata"].clone();
        message.edits += 1;
        Ok(json!({ "ok": true, "channel": channel, "ts": ts, "text": message.text }))
    }

    /// Newest first, in pages; metadata only for those who ask for it.
    fn history(&self, body: &Value) -> Result<Value, &'static str> {
        if self.history_forbidden {
            return Err("missing_scope");
        }
        let channel = self.channel(body, false)?;
        let oldest: f64 = body["oldest"].as_str().unwrap_or("0").parse().unwrap_or(0.0);
        let skip: usize = body["cursor"].as_str().unwrap_or_default().parse().unwrap_or(0);
        let limit = usize::try_from(body["limit"].as_u64().unwrap_or(100)).unwrap_or(100);
        let found: Vec<&Message> = self
            .messages
            .iter()
            .rev()
            .filter(|message| message.channel == channel)
            .filter(|message| message.ts.parse::<f64>().is_ok_and(|ts| ts > oldest))
            .collect();
        let page: Vec<Value> = found
            .iter()
            .skip(skip)
            .take(limit)
            .map(|message| {
                let mut shown =
                    json!({ "type": "message", "ts": message.ts, "text": message.text });
                if body["include_all_metadata"] == true {
                    shown["metadata"] = message.metadata.clone();
                }
                shown
            })
            .collect();
        let more = found.len() > skip + limit;
        let cursor = if more { (skip + limit).to_string() } else { String::new() };
        Ok(json!({
            "ok": true,
            "messages": page,
            "has_more": more,
            "response_metadata": { "next_cursor": cursor },
        }))
    }

    /// Posting takes names and ids, everything else ids only.
    fn channel(&self, body: &Value, by_name: bool) -> Result<String, &'static str> {
        let given = body["channel"].as_str().unwrap_or_default();
        let named = self.channels.get(given.trim_start_matches('#')).filter(|_| by_name);
        let id = self.channels.values().find(|id| *id == given);
        named.or(id).cloned().ok_or("channel_not_found")
    }
}

fn check_looks(body: &Value) -> Result<(), &'static str> {
    let blocks = body["blocks"].as_array().ok_or("invalid_blocks_format")?;
    if body["text"].as_str().is_none_or(str::is_empty) && blocks.is_empty() {
        return Err("no_text");
    }
    let fits = |block: &Value| {
        let length = |text: &Value| text.as_str().map_or(0, |text| text.chars().count());
        match block["type"].as_str() {
            Some("header") => (1..=150).contains(&length(&block["text"]["text"])),
            Some("section") => (1..=3_000).contains(&length(&block["text"]["text"])),
            Some("context") => {
                block["elements"].as_array().is_some_and(|all| (1..=10).contains(&all.len()))
            }
            _ => false,
        }
    };
    if blocks.len() > 50 || !blocks.iter().all(fits) {
        return Err("invalid_blocks");
    }
    Ok(())
}
