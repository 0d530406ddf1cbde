//! From a request whose signature fitted to the row that keeps it, and the answer it will get.

use std::{net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use bus::Answers;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::{Envelope, Outgoing, Trace};
use uuid::Uuid;

use crate::{
    answer::Answer,
    delivery::{About, Reading, Reply, Signed, Verdict},
    source::{Kind, Source},
    store::{CONSUMER, Delivery},
};

/// The headers kept with a delivery. A list of what to keep, because what proves something may
/// have any name: Spacelift can be told to send secrets in headers of the account's choice.
const HEADERS_KEPT: &[&str] = &["content-type", "user-agent", "x-request-id"];

/// And of each kind of sender.
const fn headers_kept(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Github => &[
            "x-github-delivery",
            "x-github-enterprise-host",
            "x-github-enterprise-version",
            "x-github-event",
            "x-github-hook-id",
            "x-github-hook-installation-target-id",
            "x-github-hook-installation-target-type",
        ],
        Kind::Gitlab => &[
            "idempotency-key",
            "webhook-id",
            "webhook-timestamp",
            "x-gitlab-event",
            "x-gitlab-event-uuid",
            "x-gitlab-instance",
            "x-gitlab-webhook-uuid",
        ],
        Kind::Bitbucket | Kind::BitbucketServer => {
            &["x-attempt-number", "x-event-key", "x-hook-uuid", "x-request-uuid"]
        }
        Kind::Slack => &["x-slack-request-timestamp", "x-slack-retry-num", "x-slack-retry-reason"],
        Kind::Standard => &["svix-timestamp", "webhook-timestamp"],
        Kind::AzureDevops => &[crate::azure_devops::CHANGE],
        Kind::Spacelift | Kind::Custom => &[],
    }
}

/// A request, received whole.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) received_at: DateTime<Utc>,
    /// Who sent it; nobody if it was looked for and found.
    pub(crate) address: Option<IpAddr>,
    /// The span that serves it.
    pub(crate) trace: Option<Trace>,
}

impl Arrival {
    /// What nobody delivered, as if it had been: JSON, however its host would have sent it.
    pub(crate) fn found(
        mut headers: HeaderMap,
        body: impl Into<Bytes>,
        received_at: DateTime<Utc>,
    ) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { headers, body: body.into(), received_at, address: None, trace: None }
    }
}

/// How the signature of an arrival was found to be right.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Proof<'k> {
    /// The number of the secret it was signed with.
    pub(crate) secret: usize,
    /// The repositories that secret counts for; nothing for all.
    pub(crate) scopes: &'k [String],
}

/// Reads an arrival; gives what is kept, and the answer once it is.
pub(crate) fn record(source: &Source, arrival: Arrival, proof: Proof<'_>) -> (Delivery, Answer) {
    let Arrival { headers, body, received_at, address, trace } = arrival;
    let found = address.is_none();
    let reading = Signed { source, headers: &headers, body: &body, received_at, found }.read();
    // Also of what is objected to: people ask by commit why nothing came of it.
    let (repository, mut heads) = spoken(&reading.verdict);
    let head = (!heads.is_empty()).then(|| heads.remove(0));
    let owner = repository.as_deref().and_then(|repository| repository.split('/').next());
    let account = reading.account.clone().or_else(|| owner.map(str::to_ascii_lowercase));
    let scopes = (!proof.scopes.is_empty()).then(|| proof.scopes.join(" "));
    let mut reading = judged(source, reading, proof.scopes);
    // Who may not speak of a repository takes nothing from what its owner may send.
    let is_refused = matches!(reading.verdict, Verdict::Refused { .. });
    let account = if is_refused { scopes.clone() } else { account };
    let fact_id = reading.fact_id(&source.name);
    let (verdict, code) = (reading.verdict.as_str(), reading.verdict.code());
    let order = reading.order.take().map(|order| (order_id(fact_id), order));
    let (answer, message, event) = match reading.verdict {
        Verdict::Event(outgoing) => {
            let message = format!("gives {}", outgoing.kind);
            let event = events(fact_id, vec![outgoing], received_at, trace);
            (Answer::accepted(fact_id), message, Some(event))
        }
        Verdict::Several(outgoing) => {
            let message = format!("gives {} events", outgoing.len());
            let event = events(fact_id, outgoing, received_at, trace);
            (Answer::accepted(fact_id), message, Some(event))
        }
        Verdict::Kept { code, text } => {
            (Answer::new(StatusCode::OK, code, text.clone()), text, None)
        }
        Verdict::Refused { code, text } => {
            (Answer::new(StatusCode::FORBIDDEN, code, text.clone()), text, None)
        }
        Verdict::Malformed(malformed) => {
            (Answer::malformed(malformed.0.clone()), malformed.0, None)
        }
    };
    let delivery = Delivery {
        id: Uuid::now_v7(),
        source: source.name.clone(),
        sender_id: reading.sender_id,
        fact_id,
        content_key: reading.content_key,
        kind: reading.kind,
        received_at,
        headers: kept_headers(source, &headers),
        body,
        verdict,
        code,
        message,
        secret: i16::try_from(proof.secret).unwrap_or(i16::MAX),
        scopes,
        repository,
        head,
        further_heads: heads,
        account,
        found,
        address,
        turns: if event.is_some() { reading.turns } else { Vec::new() },
        event,
        order,
    };
    (delivery, answer.shaped(reading.reply))
}

/// The repository that events speak of, and each of their heads once.
fn spoken(verdict: &Verdict) -> (Option<String>, Vec<String>) {
    let all: Vec<_> = verdict.events().iter().map(About::of).collect();
    let repository = all.first().and_then(|about| about.repository).map(str::to_owned);
    let mut heads = Vec::new();
    for head in all.iter().filter_map(|about| about.head).map(str::to_owned) {
        if !heads.contains(&head) {
            heads.push(head);
        }
    }
    (repository, heads)
}

/// What configuration says against a reading takes its place: its fact is taken all the same, so
/// that it is not asked about each time it comes. Under a name of its own, as is that of which nothing
/// follows where a secret counts for some repositories alone: whoever has that may write what they
/// like there, and must not take the name from who can tell the fact.
fn judged(source: &Source, reading: Reading, scopes: &[String]) -> Reading {
    let events = reading.verdict.events();
    let objection = events.iter().map(About::of).find_map(|about| source.objection(about, scopes));
    let Some(verdict) = objection else {
        if scopes.is_empty() || !events.is_empty() {
            return reading;
        }
        let content_key = format!("scoped/{}/{}", scopes.join(" "), reading.content_key);
        return Reading { content_key, ..reading };
    };
    let content_key = format!("{}/{}", verdict.code(), reading.content_key);
    Reading { verdict, content_key, order: None, reply: Reply::Usual, ..reading }
}

/// The review that follows from this fact, however often it is carried out.
pub(crate) fn order_id(fact_id: Uuid) -> Uuid {
    Uuid::new_v5(&fact_id, b"order")
}

/// Each event is the first of its story, so the story has its name.
pub(crate) fn events(
    fact_id: Uuid,
    outgoing: Vec<Outgoing>,
    time: DateTime<Utc>,
    trace: Option<Trace>,
) -> Answers {
    let event = |(place, outgoing): (usize, Outgoing)| {
        let id = event_id(fact_id, place);
        outgoing.within(id, trace.clone()).first(CONSUMER, id, time)
    };
    Arc::new(outgoing.into_iter().enumerate().map(event).collect())
}

fn event_id(fact_id: Uuid, place: usize) -> Uuid {
    match place {
        0 => fact_id,
        _ => Uuid::new_v5(&fact_id, place.to_string().as_bytes()),
    }
}

/// The same events, of another fact.
pub(crate) fn under(fact_id: Uuid, events: &[Envelope]) -> Answers {
    let renamed = |(place, event): (usize, &Envelope)| {
        let id = event_id(fact_id, place);
        Envelope { id, correlation: id, ..event.clone() }
    };
    Arc::new(events.iter().enumerate().map(renamed).collect())
}

/// Written at once: a map of values would cost a dozen allocations for each request.
fn kept_headers(source: &Source, headers: &HeaderMap) -> String {
    let mut json = String::with_capacity(512);
    let named = [&source.id_header, &source.kind_header].into_iter().flatten();
    let named = named.map(|name| name.as_str());
    let all = HEADERS_KEPT.iter().chain(headers_kept(source.kind)).copied().chain(named);
    for name in all {
        let Some(value) = headers.get(name) else { continue };
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = serde_json::to_string(&value).expect("text is plain data");
        json.push(if json.is_empty() { '{' } else { ',' });
        json.extend(["\"", name, "\":", &value]);
    }
    json.push_str(if json.is_empty() { "{}" } else { "}" });
    json
}

#[cfg(test)]
mod tests;
