//! What every peer does alike: it triggers runs at Spacelift, and hears from its webhooks that they
//! ended.
//!
//! Everything here is as cheap as it can honestly be: one request per trigger that selects three
//! fields, one verified signature per webhook, and a table in memory of who waits for which stack.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;

/// How long a chain waits for a webhook before it asks.
pub const SILENCE: Duration = Duration::from_secs(60);

/// Why a request to Spacelift failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failed(pub String);

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// What speaks HTTP.
pub use reqwest::Client as Http;

/// What a peer is told on its command line, as JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where webhooks, and what else the load program sends, come in.
    pub listen: SocketAddr,
    /// Spacelift's address, without `/graphql`.
    pub spacelift: String,
    /// The API key.
    pub key_id: String,
    /// What proves it.
    pub key_secret: String,
    /// What webhooks are signed with.
    pub webhook_secret: String,
    /// Where the peer keeps what it must not forget: a database, or a server's ingress.
    pub keeper: String,
    /// Where the peer is called by its server, if it has one.
    #[serde(default)]
    pub endpoint: Option<SocketAddr>,
}

impl Settings {
    /// Those of this process.
    pub fn read() -> Result<Self, String> {
        let text = std::env::args().nth(1).ok_or("the settings are missing")?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}

/// A chain as it is ordered: its stacks, each after the one before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Its id: the same order twice is one chain.
    pub chain: String,
    /// Its stacks.
    pub stacks: Vec<String>,
}

/// A run as far as a chain wants to know it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Its state, in Spacelift's words.
    pub state: String,
}

impl Run {
    /// Whether it has ended, well or not.
    pub fn has_ended(&self) -> bool {
        matches!(
            self.state.as_str(),
            "FINISHED" | "FAILED" | "DISCARDED" | "CANCELED" | "STOPPED" | "SKIPPED"
        )
    }

    /// Whether it ended well.
    pub fn is_well(&self) -> bool {
        self.state == "FINISHED"
    }
}

/// What became of a chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// How many stacks were applied.
    pub applied: usize,
    /// The run that did not end well, if one did not.
    pub failed: Option<Run>,
}

/// A client of Spacelift.
#[derive(Clone)]
pub struct Spacelift {
    http: reqwest::Client,
    graphql: String,
    token: String,
}

const LOG_IN: &str =
    "mutation($id: ID!, $secret: String!) { apiKeyUser(id: $id, secret: $secret) { jwt } }";
const TRIGGER: &str = "mutation($stack: ID!) { run: runTrigger(stack: $stack) { id state } }";
const LOOK: &str =
    "query($stack: ID!, $run: ID!) { stack(id: $stack) { run(id: $run) { id state } } }";

impl Spacelift {
    /// Logs in.
    pub async fn log_in(settings: &Settings) -> Result<Self, String> {
        let graphql = format!("{}/graphql", settings.spacelift);
        let mut client = Self { http: reqwest::Client::new(), graphql, token: String::new() };
        let key = json!({ "id": settings.key_id, "secret": settings.key_secret });
        let data = client.ask(LOG_IN, key, None).await.map_err(|error| error.0)?;
        client.token = data["apiKeyUser"]["jwt"].as_str().ok_or("no token came")?.to_owned();
        Ok(client)
    }

    /// Triggers a run; `mark` is what it can be known by later.
    pub async fn trigger(&self, stack: &str, mark: &str) -> Result<Run, Failed> {
        let mut data = self.ask(TRIGGER, json!({ "stack": stack }), Some(mark)).await?;
        serde_json::from_value(data["run"].take()).map_err(failed)
    }

    /// How a run stands.
    pub async fn look(&self, stack: &str, run: &str) -> Result<Run, Failed> {
        let mut data = self.ask(LOOK, json!({ "stack": stack, "run": run }), None).await?;
        serde_json::from_value(data["stack"]["run"].take()).map_err(failed)
    }

    async fn ask(
        &self,
        query: &str,
        variables: serde_json::Value,
        mark: Option<&str>,
    ) -> Result<serde_json::Value, Failed> {
        let body = json!({ "query": query, "variables": variables });
        let mut request = self.http.post(&self.graphql).json(&body);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(mark) = mark {
            request = request.header("Spacelift-User-Provided-Run-Metadata", mark);
        }
        let answer = request.send().await.map_err(failed)?;
        let mut answer: serde_json::Value = answer.json().await.map_err(failed)?;
        match answer.get("errors") {
            Some(errors) => Err(failed(errors)),
            None => Ok(answer["data"].take()),
        }
    }
}

fn failed(error: impl fmt::Display) -> Failed {
    Failed(error.to_string())
}

#[derive(Deserialize)]
struct Told {
    state: String,
    run: Id,
    stack: Id,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// The run that a webhook says has ended, and its stack; what else is to be answered otherwise.
pub fn ended(secret: &str, headers: &HeaderMap, body: &Bytes) -> Result<(String, Run), StatusCode> {
    match read(secret, headers, body) {
        None => Err(StatusCode::UNAUTHORIZED),
        Some((_, run)) if !run.has_ended() => Err(StatusCode::NO_CONTENT),
        Some(told) => Ok(told),
    }
}

/// Reads a webhook: nothing if its signature is wrong.
fn read(secret: &str, headers: &HeaderMap, body: &Bytes) -> Option<(String, Run)> {
    let claimed = headers.get("x-signature-256")?.to_str().ok()?.strip_prefix("sha256=")?;
    let claimed = hex::decode(claimed).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(body);
    mac.verify_slice(&claimed).ok()?;
    let told: Told = serde_json::from_slice(body).ok()?;
    Some((told.stack.id, Run { id: told.run.id, state: told.state }))
}

/// Who waits for which stack. A chain notes itself before it triggers, and again when it is taken up
/// after a crash, so this needs no table in a database.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Mutex<HashMap<String, String>>>);

impl Waiting {
    /// Notes who is to be told of runs of a stack.
    pub fn note(&self, stack: &str, who: String) {
        self.0.lock().expect("no holder panics").insert(stack.to_owned(), who);
    }

    /// Who is to be told.
    pub fn of(&self, stack: &str) -> Option<String> {
        self.0.lock().expect("no holder panics").get(stack).cloned()
    }
}
