//! One webhook request whose signature fitted, and what it says.

use axum::http::{HeaderMap, HeaderName};
use chrono::{DateTime, Utc};
use contracts::{Outgoing, id::NAMESPACE};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    azure_devops, bitbucket, bitbucket_server, custom, github, gitlab,
    order::Order,
    payload::Malformed,
    slack,
    source::{Kind, Source},
    spacelift, standard,
};

/// What a signed delivery says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// The sender's own id of the delivery; not covered by most signatures.
    pub(crate) sender_id: Option<String>,
    /// The sender's name for what happened: `push`, `pull_request.opened`, `run`.
    pub(crate) kind: String,
    /// What tells this fact from every other of the source: the same fact has the same key, however
    /// often and under whatever delivery id it is sent.
    pub(crate) content_key: String,
    /// What becomes of it.
    pub(crate) verdict: Verdict,
    /// What a person wants to be done about a gate.
    pub(crate) order: Option<Order>,
    /// The account it is of, where the sender has several.
    pub(crate) account: Option<String>,
    /// What of it can be told again word for word.
    pub(crate) turns: Vec<Turn>,
    /// How the sender wants to be answered, if not as everybody is.
    pub(crate) reply: Reply,
}

/// Something that can happen again in the very same words, and that its sender gives no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    /// What it happened to: a ref, a pull request.
    pub(crate) place: String,
    /// From where it went, if it cannot have come from anywhere else.
    pub(crate) came_from: Option<String>,
    /// Where it went.
    pub(crate) went_to: String,
}

/// The id of the event that tells the fact of this key, whether or not there is one.
pub(crate) fn fact_id(source: &str, content_key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("ingest/{source}/{content_key}").as_bytes())
}

/// How a sender is answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Reply {
    /// With a code and a sentence, as JSON.
    #[default]
    Usual,
    /// With just this.
    Verbatim(Value),
    /// With a sentence to the one person who wrote, as Slack wants it.
    ToPerson,
}

/// What becomes of a signed delivery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It is an event of ours.
    Event(Outgoing),
    /// It is several: some senders tell of all refs of a push at once.
    Several(Vec<Outgoing>),
    /// It is kept, and nothing follows from it.
    Kept {
        /// Why, for machines.
        code: &'static str,
        /// Why, for people.
        text: String,
    },
    /// It is signed, but not by somebody who may say this. Kept too.
    Refused {
        /// Why, for machines.
        code: &'static str,
        /// Why, for people.
        text: String,
    },
    /// It cannot be read. Kept too: the sender has a secret of ours, so somebody should look.
    Malformed(Malformed),
}

impl Verdict {
    pub(crate) fn kept(code: &'static str, text: impl Into<String>) -> Self {
        Self::Kept { code, text: text.into() }
    }

    /// As in the database.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Event(_) | Self::Several(_) => "accepted",
            Self::Kept { .. } => "kept",
            Self::Refused { .. } => "refused",
            Self::Malformed(_) => "malformed",
        }
    }

    /// Why, for machines.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Event(_) | Self::Several(_) => "accepted",
            Self::Kept { code, .. } | Self::Refused { code, .. } => code,
            Self::Malformed(_) => "malformed",
        }
    }

    /// The events it is.
    pub(crate) fn events(&self) -> &[Outgoing] {
        match self {
            Self::Event(event) => std::slice::from_ref(event),
            Self::Several(events) => events,
            Self::Kept { .. } | Self::Refused { .. } | Self::Malformed(_) => &[],
        }
    }
}

impl Reading {
    pub(crate) fn new(
        sender_id: Option<String>,
        kind: impl Into<String>,
        content_key: String,
        verdict: Verdict,
    ) -> Self {
        let kind = kind.into();
        Self {
            sender_id,
            kind,
            content_key,
            verdict,
            order: None,
            account: None,
            turns: Vec::new(),
            reply: Reply::Usual,
        }
    }

    /// A person wants something to be done.
    #[must_use]
    pub(crate) fn ordering(self, order: Option<Order>) -> Self {
        Self { order, ..self }
    }

    /// It is of this account.
    #[must_use]
    pub(crate) fn of_account(self, account: Option<String>) -> Self {
        Self { account, ..self }
    }

    /// It can be told again word for word, and is another fact then.
    #[must_use]
    pub(crate) fn turning(self, turns: Vec<Turn>) -> Self {
        Self { turns, ..self }
    }

    /// The sender wants to be answered so.
    #[must_use]
    pub(crate) fn replying(self, reply: Reply) -> Self {
        Self { reply, ..self }
    }

    /// The id of the event that tells this fact.
    pub(crate) fn fact_id(&self, source: &str) -> Uuid {
        fact_id(source, &self.content_key)
    }
}

/// What a fact is about, as far as allow-lists and people who search are concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct About<'r> {
    /// The repository.
    pub(crate) repository: Option<&'r str>,
    /// The head.
    pub(crate) head: Option<&'r str>,
    /// It is of a fork.
    pub(crate) fork: bool,
}

impl<'r> About<'r> {
    /// Read off the event itself, so that no source can tell it otherwise.
    pub(crate) fn of(event: &'r Outgoing) -> Self {
        let body = &event.body;
        let change = body.get("change").unwrap_or(body);
        let text = |key: &str| change.get(key).and_then(Value::as_str);
        Self {
            repository: text("repository"),
            head: text("commit"),
            fork: body.get("fork").and_then(Value::as_bool).unwrap_or_default(),
        }
    }
}

/// What is known of a delivery before its body is understood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// Who sent it.
    pub(crate) source: &'a Source,
    /// Its headers; not covered by most signatures.
    pub(crate) headers: &'a HeaderMap,
    /// Its body, as it came.
    pub(crate) body: &'a [u8],
    /// When it came.
    pub(crate) received_at: DateTime<Utc>,
    /// Nobody delivered it: it was looked for, perhaps days later.
    pub(crate) found: bool,
}

impl Signed<'_> {
    /// Makes sense of a delivery. Pure.
    pub(crate) fn read(&self) -> Reading {
        let read = match self.source.kind {
            Kind::Github => github::read(self),
            Kind::Gitlab => gitlab::read(self),
            Kind::Bitbucket => bitbucket::read(self),
            Kind::BitbucketServer => bitbucket_server::read(self),
            Kind::AzureDevops => azure_devops::read(self),
            Kind::Spacelift => spacelift::read(self),
            Kind::Slack => slack::read(self),
            Kind::Standard => standard::read(self),
            Kind::Custom => custom::read(self),
        };
        read.unwrap_or_else(|malformed| {
            // Under a key of its own: a later build that can read it must not find it taken.
            let content_key = format!("malformed/{}", self.digest());
            // Its sender's id all the same: what is looked for by it is not looked for again.
            Reading::new(self.sender_id(), "unreadable", content_key, Verdict::Malformed(malformed))
        })
    }

    /// The sender's id of a delivery whose body cannot be read, where a header tells it.
    fn sender_id(&self) -> Option<String> {
        let names: &[&str] = match self.source.kind {
            Kind::Github => &[github::DELIVERY],
            Kind::Gitlab => &gitlab::DELIVERY,
            _ => &[],
        };
        let id = |name: &&str| github::optional_header(self.headers, name).ok().flatten();
        names.iter().find_map(id).map(str::to_owned)
    }

    /// What stands in a header that configuration names, if it names one.
    pub(crate) fn named(&self, header: Option<&HeaderName>) -> Result<Option<String>, Malformed> {
        let value = header.map(|name| github::optional_header(self.headers, name.as_str()));
        Ok(value.transpose()?.flatten().map(str::to_owned))
    }

    /// Names a body by its bytes, where it has no better name.
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.body))
    }

    /// The content key of what has no better one.
    pub(crate) fn body_key(&self) -> String {
        format!("body/{}", self.digest())
    }
}
