//! Slack's Web API: `chat.postMessage`, `chat.update`, `conversations.history`.

use std::collections::{HashMap, HashSet, VecDeque};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{sync::watch, time::Instant};

use crate::{Fault, Faults, Shared, bearer, lose, refusal, serve};

/// The token it takes.
pub const TOKEN: &str = "xoxb-the-right-one";
/// The secret with which it signs what it sends to the app.
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

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
    /// The message in whose thread it is.
    pub thread_ts: Option<String>,
    /// The channel shows it: it is in no thread, or in one and in the channel, too.
    pub is_in_channel: bool,
    /// How often it was changed in place.
    pub edits: usize,
}

/// A workspace.
#[derive(Debug, Clone)]
pub struct Slack {
    /// Where its API is.
    pub api_base: String,
    /// How the addresses begin at which it takes what a person is to be told.
    pub response_base: String,
    world: Shared<World>,
    changes: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct World {
    /// Names and ids.
    channels: HashMap<String, String>,
    /// The ids of those that are archived.
    archived: HashSet<String>,
    messages: Vec<Message>,
    calls: Vec<(String, Instant)>,
    faults: HashMap<String, Faults>,
    history_forbidden: bool,
    presses: usize,
    told: Vec<(String, String)>,
}

/// A request of Slack's to the app.
#[derive(Debug, Clone)]
pub struct Interaction {
    /// The form.
    pub body: String,
    /// Names and values; the signature among them.
    pub headers: Vec<(&'static str, String)>,
}

impl Interaction {
    fn signed(body: String) -> Self {
        let time = chrono::Utc::now().timestamp();
        let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes())
            .expect("a secret has any length");
        mac.update(format!("v0:{time}:{body}").as_bytes());
        let proof = mac.finalize().into_bytes();
        let hex: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
        let headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("x-slack-request-timestamp", time.to_string()),
            ("x-slack-signature", format!("v0={hex}")),
        ];
        Self { body, headers }
    }
}

/// Takes what one person is to be told, as Slack does at a `response_url`.
async fn told(
    State((world, _)): State<(Shared<World>, watch::Sender<usize>)>,
    Path((user, _press)): Path<(String, usize)>,
    Json(body): Json<Value>,
) -> Response {
    let text = body["text"].as_str().filter(|_| body["response_type"] == "ephemeral");
    let Some(text) = text else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    world.lock().told.push((user, text.to_owned()));
    "ok".into_response()
}

impl Slack {
    /// A workspace with two channels, `deploys` and `releases`.
    pub async fn start() -> Self {
        let world = World {
            channels: ["deploys", "releases"]
                .map(|name| (name.to_owned(), format!("C0{}", name.to_ascii_uppercase())))
                .into(),
            ..World::default()
        };
        let world = Shared::new(world);
        let changes = watch::Sender::new(0);
        let router = Router::new()
            .route("/api/{method}", post(method))
            .route("/actions/{user}/{press}", post(told))
            .with_state((world.clone(), changes.clone()));
        let base = serve(router).await;
        Self {
            api_base: format!("{base}/api"),
            response_base: format!("{base}/actions/"),
            world,
            changes,
        }
    }

    /// Somebody presses a button of a message: the request Slack would make, signed. `action` is how
    /// the button's `action_id` begins.
    ///
    /// # Panics
    /// If the message has no such button.
    pub fn press(&self, message: &Message, action: &str, user: &str) -> Interaction {
        let blocks = message.blocks.as_array().into_iter().flatten();
        let buttons = blocks.filter_map(|block| block["elements"].as_array()).flatten();
        let wanted = |button: &&Value| {
            button["type"] == "button"
                && button["action_id"].as_str().is_some_and(|id| id.starts_with(action))
        };
        let button = buttons.clone().find(wanted).expect("the message has such a button");
        let number = {
            let mut world = self.world.lock();
            world.presses += 1;
            world.presses
        };
        let payload = json!({
            "type": "block_actions",
            "user": { "id": user, "username": "boss", "name": "boss" },
            "container": { "type": "message", "message_ts": message.ts },
            "channel": { "id": message.channel },
            "response_url": format!("{}{user}/{number}", self.response_base),
            "actions": [{
                "type": "button",
                "action_id": button["action_id"],
                "value": button["value"],
                "action_ts": format!("{}.{number:06}", chrono::Utc::now().timestamp()),
            }],
        });
        let body: String = payload.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        Interaction::signed(format!("payload={body}"))
    }

    /// What a person alone was told, in order.
    pub fn told(&self, user: &str) -> Vec<String> {
        let world = self.world.lock();
        world.told.iter().filter(|(to, _)| to == user).map(|(_, text)| text.clone()).collect()
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

    /// Somebody archives a channel.
    pub fn archive(&self, name: &str) {
        let mut world = self.world.lock();
        let id = world.channels.get(name).cloned();
        world.archived.extend(id);
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
        if self.archived.contains(&channel) {
            return Err("is_archived");
        }
        check_looks(body)?;
        let thread_ts = body["thread_ts"].as_str().map(str::to_owned);
        let is_root =
            |root: &Message| root.channel == channel && Some(&root.ts) == thread_ts.as_ref();
        if thread_ts.is_some() && !self.messages.iter().any(is_root) {
            return Err("cannot_reply_to_message");
        }
        let ts = format!("{}.{:06}", chrono::Utc::now().timestamp(), self.messages.len());
        self.messages.push(Message {
            channel: channel.clone(),
            ts: ts.clone(),
            text: body["text"].as_str().unwrap_or_default().to_owned(),
            blocks: body["blocks"].clone(),
            metadata: body["metadata"].clone(),
            is_in_channel: thread_ts.is_none() || body["reply_broadcast"] == true,
            thread_ts,
            edits: 0,
        });
        Ok(json!({ "ok": true, "channel": channel, "ts": ts }))
    }

    fn update(&mut self, body: &Value) -> Result<Value, &'static str> {
        let channel = self.channel(body, false)?;
        if self.archived.contains(&channel) {
            return Err("is_inactive");
        }
        if body["parse"] != "none" {
            return Err("text_is_parsed");
        }
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
            .filter(|message| message.channel == channel && message.is_in_channel)
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

fn fits_button(button: &Value) -> bool {
    let length = |text: &Value| text.as_str().map_or(0, |text| text.chars().count());
    button["type"] == "button"
        && (1..=255).contains(&length(&button["action_id"]))
        && length(&button["value"]) <= 2_000
        && button["text"]["type"] == "plain_text"
        && (1..=75).contains(&length(&button["text"]["text"]))
        && matches!(button["style"].as_str(), None | Some("primary" | "danger"))
}

fn check_looks(body: &Value) -> Result<(), &'static str> {
    let blocks = body["blocks"].as_array().ok_or("invalid_blocks_format")?;
    if body["text"].as_str().is_none_or(str::is_empty) && blocks.is_empty() {
        return Err("no_text");
    }
    // Else Slack makes mentions and links of what people wrote.
    let is_verbatim = |text: &Value| text["type"] != "mrkdwn" || text["verbatim"] == true;
    let fits = |block: &Value| {
        let length = |text: &Value| text.as_str().map_or(0, |text| text.chars().count());
        match block["type"].as_str() {
            Some("header") => (1..=150).contains(&length(&block["text"]["text"])),
            Some("section") => {
                let text = &block["text"];
                (1..=3_000).contains(&length(&text["text"])) && is_verbatim(text)
            }
            Some("actions") => {
                let elements = block["elements"].as_array();
                elements
                    .is_some_and(|all| (1..=25).contains(&all.len()) && all.iter().all(fits_button))
            }
            Some("context") => {
                let elements = block["elements"].as_array();
                elements
                    .is_some_and(|all| (1..=10).contains(&all.len()) && all.iter().all(is_verbatim))
            }
            _ => false,
        }
    };
    if blocks.len() > 50 || !blocks.iter().all(fits) {
        return Err("invalid_blocks");
    }
    Ok(())
}
