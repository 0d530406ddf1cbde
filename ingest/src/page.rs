//! What the service answers people and programs: one page for each question, written here and read
//! by the command line.

use chrono::{DateTime, Utc};
use contracts::Code;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::reconcile::Sent;

/// `deliveries`: one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub id: Uuid,
    /// Who sent it.
    pub source: String,
    /// The sender's own id of it.
    #[serde(default)]
    pub sender_id: Option<String>,
    /// The sender's name for what happened.
    pub kind: String,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// `accepted`, `kept`, `refused` or `malformed`.
    pub verdict: String,
    /// Why, for machines.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// Which secret of its source it was signed with, counted from 0.
    #[serde(default)]
    pub secret: i16,
    /// For which repositories that counted, apart by blanks; nothing for all.
    #[serde(default)]
    pub scopes: Option<String>,
    /// The size of its body.
    pub bytes: i32,
    /// The event that follows from it.
    pub event: Option<Uuid>,
    /// What it is about.
    #[serde(default)]
    pub repository: Option<String>,
    /// The head it speaks of.
    #[serde(default)]
    pub head: Option<String>,
    /// Nobody delivered it: it was looked for and found.
    #[serde(default)]
    pub found: bool,
    /// Who sent it, if somebody did.
    #[serde(default)]
    pub address: Option<String>,
}

/// The same fact, told again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// The sender's id of that delivery; empty if it gave none.
    pub sender_id: String,
    /// Who sent that last.
    #[serde(default)]
    pub address: Option<String>,
    /// When it came last.
    pub last_at: DateTime<Utc>,
    /// How often.
    pub times: i64,
}

/// What became of an order, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ordered {
    /// What was ordered, also in words that only a newer build understands.
    pub order: Value,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was done, or given up.
    pub done_at: Option<DateTime<Utc>>,
    /// What came of it, for machines.
    pub code: Option<String>,
    /// What came of it, for people.
    pub message: Option<String>,
}

/// `delivery`: what became of one, and what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The delivery.
    pub delivery: Listed,
    /// The events that followed from it.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Who told the same.
    #[serde(default)]
    pub repeats: Vec<Repeat>,
    /// What people ordered in it.
    #[serde(default)]
    pub orders: Vec<Ordered>,
    /// The events that came of reading it again.
    #[serde(default)]
    pub replays: Vec<Uuid>,
    /// The headers that are kept; told where one delivery is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Value>,
    /// Its body, likewise; absent if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// An event that followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub kind: String,
    /// What it is about.
    pub key: String,
}

/// `why`: what became of a delivery, or of everything that spoke of a commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// What was asked for.
    pub about: String,
    /// Those that spoke of it.
    pub deliveries: Vec<Told>,
}

/// `changes`: one that a delivery tells of as this build reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Change {
    /// The push, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<Value>,
    /// The pull request, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Value>,
    /// The event that told it when it came, if one did.
    pub event: Option<Uuid>,
}

/// `delivery.replay`: what was read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replayed {
    /// Nothing was published.
    pub dry_run: bool,
    /// Each delivery.
    pub deliveries: Vec<Reread>,
}

/// A delivery that was read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reread {
    /// The delivery, as it was read when it came.
    pub delivery: Listed,
    /// What it is now; absent if it cannot be read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Why, for machines.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// What differs, line by line.
    #[serde(default)]
    pub difference: Vec<String>,
    /// Why nothing is compared, if nothing is.
    #[serde(default)]
    pub uncompared: Option<String>,
    /// The event that was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Uuid>,
}

/// `sources`: who may send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    /// Each of them.
    pub sources: Vec<Source>,
    /// Who looks for what GitHub could not deliver.
    #[serde(default)]
    pub reconciler: Option<Search>,
    /// And GitLab.
    #[serde(default)]
    pub gitlab: Option<Search>,
    /// And Bitbucket.
    #[serde(default)]
    pub bitbucket: Option<Search>,
    /// And Bitbucket Data Center.
    #[serde(default)]
    pub bitbucket_server: Option<Search>,
    /// And Azure DevOps.
    #[serde(default)]
    pub azure_devops: Option<Search>,
    /// Who watches over Spacelift's webhooks.
    #[serde(default)]
    pub webhooks: Option<Watching>,
    /// Repositories of which several hosts tell.
    #[serde(default)]
    pub ambiguous: Vec<Ambiguous>,
}

impl Sources {
    /// The search for what never arrived at each host, by its name.
    pub fn searches(&self) -> [(&'static str, &Option<Search>); 5] {
        [
            ("GitHub", &self.reconciler),
            ("GitLab", &self.gitlab),
            ("Bitbucket", &self.bitbucket),
            ("Bitbucket Data Center", &self.bitbucket_server),
            ("Azure DevOps", &self.azure_devops),
        ]
    }
}

/// Who may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub source: String,
    /// Where it sends to.
    pub path: String,
    /// With what it proves itself.
    pub secrets: Vec<Secret>,
}

/// A secret, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Tells secrets apart without telling what they are.
    pub fingerprint: String,
    /// For which repositories it counts; nothing for all.
    pub scope: Option<String>,
    /// When it was last of use.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// How a search for what never arrived stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Search {
    /// When it looked last.
    pub looked_at: Option<DateTime<Utc>>,
    /// How many it has found since the process began.
    pub found: u64,
    /// Until when it waits, if it does.
    pub held_until: Option<DateTime<Utc>>,
    /// Why it waits, for machines.
    pub code: Option<String>,
    /// Why it waits, or why it could not look.
    pub trouble: Option<String>,
}

/// How the watch over Spacelift's webhooks stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watching {
    /// When it looked last.
    pub looked_at: Option<DateTime<Utc>>,
    /// How often it has switched one on since the process began.
    pub restored: u64,
    /// What is wrong.
    pub trouble: Option<String>,
}

/// A repository of which several hosts tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ambiguous {
    /// For machines.
    pub code: Code,
    /// Its name.
    pub repository: String,
    /// From where it was told of.
    pub sources: Vec<String>,
}

/// `ping`: what the door answered to a delivery that was signed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinged {
    /// The HTTP status.
    pub status: u16,
    /// What became of it, for machines.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// The event that follows from it.
    pub event: Option<Uuid>,
}

/// `reach` and `reached`: whether the address of one webhook leads here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reached {
    /// Which.
    pub name: String,
    /// Whether it leads here; nothing while what was sent is on its way.
    pub sound: Option<bool>,
    /// The same in a sentence.
    pub text: String,
    /// What to ask on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
}
