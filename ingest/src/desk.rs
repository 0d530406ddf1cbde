//! What people ask about deliveries, and what they have read again.

use std::sync::Arc;

use bus::{Command, Problem, ProblemKind};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Envelope, Message, Outgoing,
    change::{ChangeProposed, ChangePushed},
    hook::ReplayDeliveries,
    plain,
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    http::Entry,
    lookout::Lookouts,
    page::{self, Change, Event, Listed, Replayed, Secret, Source, Sources, Told, Why},
    ping::{self, Pinger},
    reach::Reach,
    reconcile::Sent,
    record,
    replay::{self, Again},
    signature::fingerprint,
    source::Kind,
    store::{
        orders,
        read::{self, Filter},
        replays, secrets,
    },
};

/// The most deliveries in one answer, and in one replay.
const LIMIT_MAX: i64 = 1_000;
/// Since when it counts that several hosts tell of one repository.
const AMBIGUOUS_SINCE: TimeDelta = TimeDelta::days(1);
/// Fewer digits of a commit are too many commits.
const COMMIT_CHARS_MIN: usize = 6;

/// Who answers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) pool: PgPool,
    pub(crate) entry: Arc<Entry>,
    pub(crate) lookouts: Lookouts,
    pub(crate) pinger: Pinger,
    pub(crate) reach: Reach,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ListRequest {
    limit: i64,
    source: Option<String>,
    verdict: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    /// Only those that came before this one: the last of the page before.
    before: Option<Uuid>,
}

impl Default for ListRequest {
    fn default() -> Self {
        Self { limit: 50, source: None, verdict: None, since: None, until: None, before: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyRequest {
    /// A delivery, an event, a sender's id, or a commit or its beginning.
    about: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesRequest {
    delivery: Uuid,
}

/// Why two readings of a delivery are not compared.
const FORGOTTEN: &str = "what it told when it came is remembered no more, so nothing is compared";

/// A delivery that was read again.
struct Reread {
    /// What it told when it came, if that is remembered.
    before: Option<Vec<Envelope>>,
    again: Again,
}

impl Desk {
    /// `deliveries`: the newest, newest first.
    pub(crate) async fn deliveries(&self, body: Value) -> Result<Value, Problem> {
        let asked: ListRequest = bus::read(body)?;
        if !(1..=LIMIT_MAX).contains(&asked.limit) {
            let text = format!("`limit` must be between 1 and {LIMIT_MAX}");
            return Err(Problem::malformed(text));
        }
        if let Some(source) = &asked.source {
            self.known(source)?;
        }
        let ListRequest { limit, source, verdict, since, until, before } = asked;
        let filter = Filter { source, verdict, since, until, before, limit };
        let listed = read::newest(&self.pool, &filter).await.map_err(away)?;
        Ok(plain(&listed))
    }

    fn sources_there_are(&self) -> Vec<&str> {
        self.entry.doors().iter().map(|door| &*door.source.name).collect()
    }

    fn known(&self, source: &str) -> Result<(), Problem> {
        let names = self.sources_there_are();
        if names.contains(&source) {
            return Ok(());
        }
        let text = format!("there is no source `{source}`; there are {}", names.join(", "));
        Err(Problem::malformed(text))
    }

    async fn meant(&self, word: &str) -> Result<Vec<Listed>, Problem> {
        read::meant(&self.pool, word, &self.sources_there_are()).await.map_err(away)
    }

    /// `why`: what became of a delivery, or of everything that spoke of a commit.
    pub(crate) async fn why(&self, body: Value) -> Result<Value, Problem> {
        let WhyRequest { about } = bus::read(body)?;
        let about = about.trim();
        let mut found = self.meant(about).await?;
        let is_commit =
            about.len() >= COMMIT_CHARS_MIN && about.bytes().all(|byte| byte.is_ascii_hexdigit());
        if found.is_empty() && is_commit {
            let start = about.to_ascii_lowercase();
            found = read::of_commit(&self.pool, &start).await.map_err(away)?;
        }
        let mut told = Vec::with_capacity(found.len());
        for delivery in found {
            told.push(self.told(delivery).await.map_err(away)?);
        }
        Ok(plain(&Why { about: about.to_owned(), deliveries: told }))
    }

    async fn told(&self, delivery: Listed) -> Result<Told, sqlx::Error> {
        let repeats = read::repeats(&self.pool, delivery.id).await?;
        let orders = orders::of(&self.pool, delivery.id).await?;
        let replays = replays::of(&self.pool, delivery.id).await?;
        let events = match delivery.event {
            Some(event) => replays::first_events(&self.pool, event).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        let events =
            events.into_iter().map(|Envelope { id, kind, key, .. }| Event { id, kind, key });
        let events = events.collect();
        Ok(Told { delivery, events, repeats, orders, replays, headers: None, body: None })
    }

    /// `delivery`: one, with what came.
    pub(crate) async fn delivery(&self, body: Value) -> Result<Value, Problem> {
        let WhyRequest { about } = bus::read(body)?;
        let found = self.meant(about.trim()).await?;
        let Some(delivery) = found.into_iter().next() else { return Err(unknown(&about)) };
        let content = read::content(&self.pool, &delivery).await.map_err(away)?;
        let mut told = self.told(delivery).await.map_err(away)?;
        if let Some(content) = content {
            told.headers = Some(serde_json::from_str(&content.headers).unwrap_or_default());
            told.body = Some(String::from_utf8_lossy(&content.body).into_owned());
        }
        Ok(plain(&told))
    }

    /// `sources`: who may send, how each proves itself, and when each secret was last of use.
    pub(crate) async fn sources(&self, _body: Value) -> Result<Value, Problem> {
        let known = secrets::all(&self.pool).await.map_err(away)?;
        let door = |door: &crate::door::Door| {
            // The sender does not sign with the doctor's.
            let of_doctor = self.reach.secrets.of(door.source.kind);
            let of_doctor = of_doctor.map(|secret| fingerprint(secret.expose_secret().as_bytes()));
            let usage = door.keys.usage().into_iter();
            let usage = usage.filter(|usage| Some(&usage.fingerprint) != of_doctor.as_ref());
            let secrets = usage
                .map(|usage| {
                    let kept = known.iter().find(|used| {
                        *used.source == *door.source.name && used.fingerprint == usage.fingerprint
                    });
                    let now = DateTime::from_timestamp(usage.used_at, 0);
                    let now = now.filter(|_| usage.used_at > 0);
                    Secret {
                        fingerprint: usage.fingerprint,
                        scope: usage.scope,
                        last_used_at: now.max(kept.map(|used| used.last_at)),
                    }
                })
                .collect();
            let (source, path) = (door.source.name.to_string(), door.path.to_string());
            Source { source, path, secrets }
        };
        // Nobody outside sends as the doctor does.
        let doors = self.entry.doors().iter().filter(|door| *door.source.name != *ping::SOURCE);
        let sources = doors.map(door).collect();
        let since = Utc::now() - AMBIGUOUS_SINCE;
        let ambiguous = read::ambiguous(&self.pool, &Kind::HOSTS, since).await.map_err(away)?;
        let [reconciler, gitlab, bitbucket, bitbucket_server, azure_devops] =
            self.lookouts.searches().await.map_err(away)?;
        Ok(plain(&Sources {
            sources,
            reconciler,
            gitlab,
            bitbucket,
            bitbucket_server,
            azure_devops,
            webhooks: self.lookouts.watching().await.map_err(away)?,
            ambiguous,
        }))
    }

    /// `ping`: has a signed delivery come in at the door of this process.
    pub(crate) async fn ping(&self, _body: Value) -> Result<Value, Problem> {
        Ok(plain(&self.pinger.send().await?))
    }

    /// `reach`: sends something through the address of every webhook that is known.
    pub(crate) async fn reach(&self, _body: Value) -> Result<Value, Problem> {
        Ok(plain(&self.reach.all().await))
    }

    /// `reached`: whether a ping of GitHub's came in.
    pub(crate) async fn reached(&self, body: Value) -> Result<Value, Problem> {
        let sent: Sent = bus::read(body)?;
        let unasked = || Problem::malformed("that webhook is not one of those looked at");
        Ok(plain(&self.reach.pinged(sent).await.ok_or_else(unasked)?))
    }

    /// `delivery.replay`: reads deliveries again.
    pub(crate) async fn replay(&self, body: Value) -> Result<Value, Problem> {
        let Command { id: command, command: asked } = bus::read::<Command<ReplayDeliveries>>(body)?;
        let most = usize::try_from(LIMIT_MAX).unwrap_or(usize::MAX);
        if asked.deliveries.is_empty() || asked.deliveries.len() > most {
            let text = format!("name between 1 and {LIMIT_MAX} deliveries");
            return Err(Problem::malformed(text));
        }
        let mut found = read::by_ids(&self.pool, &asked.deliveries).await.map_err(away)?;
        found.sort_by_key(|one| asked.deliveries.iter().position(|id| *id == one.id));
        if let Some(missing) =
            asked.deliveries.iter().find(|id| !found.iter().any(|one| one.id == **id))
        {
            return Err(unknown(&missing.to_string()));
        }
        let now = Utc::now();
        let mut told = Vec::with_capacity(found.len());
        let mut events = Vec::new();
        for delivery in &found {
            let (mut reread, again) = self.again(delivery).await?;
            if !asked.dry_run && !again.is_empty() {
                // Of its own: who handled the first would take it for the same.
                let id = Uuid::new_v5(&command, delivery.id.as_bytes());
                reread.event = Some(id);
                events.push((delivery.id, record::events(id, again, now, None)));
            }
            told.push(reread);
        }
        // All or nothing, so that who has to ask again knows what is left.
        replays::keep(&self.pool, &asked.by, events, now).await.map_err(away)?;
        Ok(plain(&Replayed { dry_run: asked.dry_run, deliveries: told }))
    }

    /// A delivery as it is read now, and what follows from it.
    async fn again(&self, delivery: &Listed) -> Result<(page::Reread, Vec<Outgoing>), Problem> {
        let told = |code: &str, message: String| page::Reread {
            delivery: delivery.clone(),
            verdict: None,
            code: code.to_owned(),
            message,
            difference: Vec::new(),
            uncompared: None,
            event: None,
        };
        let Reread { before, again } = match self.reread(delivery).await? {
            Ok(reread) => reread,
            Err((code, text)) => return Ok((told(code, text), Vec::new())),
        };
        let mut told = told(again.code, again.message.clone());
        told.verdict = Some(again.verdict.to_owned());
        told.difference = replay::difference(delivery, before.as_deref(), &again);
        told.uncompared = before.is_none().then(|| FORGOTTEN.to_owned());
        Ok((told, again.events))
    }

    /// Reads a delivery once more; or says why it cannot be.
    async fn reread(
        &self,
        delivery: &Listed,
    ) -> Result<Result<Reread, (&'static str, String)>, Problem> {
        let source = |door: &&crate::door::Door| *door.source.name == *delivery.source;
        let Some(door) = self.entry.doors().iter().find(source) else {
            let text = format!("the source `{}` is not configured any more", delivery.source);
            return Ok(Err(("source_gone", text)));
        };
        // What proved it is not kept, so nothing has shown since that its sender may say this.
        if delivery.verdict == "refused" {
            let text = format!(
                "it was refused when it came ({}), and what was refused is not read again; have \
                 its sender send it anew",
                delivery.code
            );
            return Ok(Err(("refused", text)));
        }
        let content = read::content(&self.pool, delivery).await.map_err(away)?;
        let Some(content) = content else {
            let text = "its body was kept for as long as is configured and is gone";
            return Ok(Err(("body_gone", text.to_owned())));
        };
        let before = match delivery.event {
            Some(event) => replays::first_events(&self.pool, event).await.map_err(away)?,
            None => Some(Vec::new()),
        };
        let again = replay::read(&door.source, delivery, &content);
        Ok(Ok(Reread { before, again }))
    }

    /// `changes`: the pushes and pull requests that a delivery tells of as this build reads it, each
    /// with the event that told it when it came, if one did.
    pub(crate) async fn changes(&self, body: Value) -> Result<Value, Problem> {
        let ChangesRequest { delivery } = bus::read(body)?;
        let found = read::by_ids(&self.pool, &[delivery]).await.map_err(away)?;
        let Some(found) = found.first() else { return Err(unknown(&delivery.to_string())) };
        let Ok(Reread { before, again }) = self.reread(found).await? else {
            return Ok(Value::Array(Vec::new()));
        };
        let told = again.events.iter().enumerate().filter_map(|(place, told)| {
            let event = before.as_ref().and_then(|before| before.get(place)).map(|event| event.id);
            let (pushed, proposed) = match told.kind {
                ChangePushed::TYPE => (Some(&told.body), None),
                ChangeProposed::TYPE => (None, Some(&told.body)),
                _ => return None,
            };
            Some(Change { pushed: pushed.cloned(), proposed: proposed.cloned(), event })
        });
        Ok(plain(&told.collect::<Vec<_>>()))
    }
}

fn unknown(about: &str) -> Problem {
    let text = format!("there is no delivery `{about}`; `stackly deliveries list` shows them");
    Problem::new(ProblemKind::NotFound, "delivery_unknown", text)
}

fn away(error: sqlx::Error) -> Problem {
    Problem::unavailable(format!("the database says: {error}; try again"))
}
