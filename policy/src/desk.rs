//! What people ask and say over request and reply: reviews, gates, policies.

mod history;
pub(crate) mod line;
mod shown;
mod words;

use std::sync::Arc;

use bus::{Command, Problem, ProblemKind, read};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ChainId, CommitSha, Envelope, GateId, Message,
    gate::{AnswerHook, OverrideGate, ReviewGate},
    plain, subject,
};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgPool;
use store::Engine;
use uuid::Uuid;

use crate::{
    call::Answer,
    decider::{Answered, GateDecider, Happening, Reviewed, StoredGate},
    library::{Library, Refused, Source},
    model::{Cost, Policy},
    news::News,
    page::{self, Block, Gates, InForce},
    review::{Review, ReviewRefused, Word},
    store::{self as tables, Begins, Filter},
};
use shown::{shown, with_durations};

/// The most gates in one answer.
const GATES_MAX: i64 = 500;

/// Who answers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    /// Where reviews are decided.
    pub(crate) engine: Engine<GateDecider>,
    /// Where gates are kept.
    pub(crate) pool: PgPool,
    /// The policies in force.
    pub(crate) library: Arc<Library>,
    /// For how long decisions are kept.
    pub(crate) kept: TimeDelta,
}

/// Ingest asks it, too, and a newer one may narrow it by more: it looks at what it is answered.
#[derive(Deserialize, Default)]
#[serde(default)]
struct GatesRequest {
    chain: Option<ChainId>,
    gate: Option<GateId>,
    /// The beginning of the id of gates or of chains. There is one page of those, and in no order.
    begins: Option<String>,
    stack: Option<String>,
    /// A commit, or its beginning.
    commit: Option<CommitSha>,
    open_only: bool,
    /// What the page before gave as `next`.
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: Option<i64>,
}

impl Desk {
    /// `gate.review`: a person approves, rejects or takes back. Committed before it is answered.
    pub(crate) async fn review(&self, body: Value) -> Result<Value, Problem> {
        let Command { id, command } = read::<Command<ReviewGate>>(body)?;
        let word = if command.withdraw { Word::Withdraw } else { Word::of(command.approve) };
        let before = self.gate(command.gate).await?;
        let chain = before.gate.request.chain;
        let by = (command.by, command.groups);
        let at = Review::counts_from(command.said_at, Utc::now());
        let answer = self.say(before, id, by, (word, command.note, at)).await?;
        if word == Word::Withdraw {
            // It may have been a broken glass.
            self.tell_chain(chain).await.map_err(|error| unavailable(&error))?;
        }
        Ok(answer)
    }

    /// `gate.override`: a person breaks the glass. Committed before it is answered.
    pub(crate) async fn break_glass(&self, body: Value) -> Result<Value, Problem> {
        let Command { id, command } = read::<Command<OverrideGate>>(body)?;
        if command.done {
            return self.follow_up(command).await;
        }
        let before = self.gate(command.gate).await?;
        let wanted = command
            .seconds
            .and_then(|seconds| i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds));
        let set = self.library.current();
        let now = Utc::now();
        let until = before.gate.glass_until(&set, &command.by, wanted, now);
        let word = Word::Override { until, whole_chain: command.chain };
        let chain = before.gate.request.chain;
        let by = (command.by, Vec::new());
        let answer = self.say(before, id, by, (word, Some(command.reason), now)).await?;
        if command.chain {
            self.tell_chain(chain).await.map_err(|error| unavailable(&error))?;
        }
        Ok(answer)
    }

    /// What waits in the chain goes on now; other replicas see it a moment later.
    async fn tell_chain(&self, chain: ChainId) -> Result<(), sqlx::Error> {
        let broken = tables::broken_chains(&self.pool, Utc::now()).await?;
        *self.engine.decider().glass.write().expect("no holder panics") = Arc::new(broken);
        self.tell(&[News::Glass(chain)]).await
    }

    /// Wakes whom it concerns, now and for a few looks of the keeper.
    async fn tell(&self, news: &[News]) -> Result<(), sqlx::Error> {
        self.engine.decider().rounds.begin(news.iter().cloned());
        self.engine.nudge(&tables::concerned(&self.pool, news).await?).await
    }

    async fn say(
        &self,
        before: StoredGate,
        id: Uuid,
        (by, groups): (String, Vec<String>),
        (word, note, at): (Word, Option<String>, DateTime<Utc>),
    ) -> Result<Value, Problem> {
        let gate = before.gate.request.gate;
        let review = Review {
            id: Uuid::new_v5(&gate.0, id.as_bytes()),
            by: by.trim().to_owned(),
            groups,
            word,
            note: note.filter(|note| !note.trim().is_empty()),
            at,
        };
        let happening = Happening::Reviewed(Reviewed { gate, review: review.clone() });
        self.submit(review.id, ReviewGate::TYPE, before, happening).await?;
        let after = self.gate(gate).await?.gate;
        let set = self.library.current();
        if after.took_nothing_back(&set.people, review.id) {
            return Err(ReviewRefused::NothingSaid { by: review.by, gate }.into());
        }
        if after.reviews.iter().any(|taken| taken.id == review.id) {
            return Ok(plain(&shown(&after, &set)));
        }
        match after.accepts(&set, &review) {
            Err(refused) => Err(refused.into()),
            Ok(()) => Err(Problem::new(
                ProblemKind::Conflict,
                "review_superseded",
                "the gate changed while you wrote; look at it and say it again",
            )),
        }
    }

    /// `hook.answer`: whoever was asked answers. Committed before it is answered. For which hook they
    /// may is a matter of the subject, which the server lets them use or not.
    pub(crate) async fn answer(&self, may: &str, body: Value) -> Result<Value, Problem> {
        let Command { id, command: asked } = read::<Command<AnswerHook>>(body)?;
        if subject::token(&asked.hook) != may {
            let message = format!(
                "this is the subject of hook {may}; hook {} is answered at {}",
                asked.hook,
                subject::command_for(AnswerHook::TYPE, &asked.hook)
            );
            return Err(Problem::new(ProblemKind::Refused, "hook_of_another", message));
        }
        let before = self.gate(asked.gate).await?;
        let Some(call) = before.gate.calls.iter().rev().find(|call| call.hook == asked.hook) else {
            let message = format!("hook {} was not asked about {}", asked.hook, asked.gate);
            return Err(Problem::new(ProblemKind::NotFound, "hook_not_asked", message));
        };
        let (hook, gate, by) = (asked.hook, asked.gate, asked.by);
        let name = format!("{hook}/{id}");
        let cost_delta = asked.cost_delta.map(Cost::from);
        let answer = Answer { pass: asked.pass, by, text: asked.text, cost_delta, at: Utc::now() };
        let is_late = call.answer.is_some() || call.deadline <= answer.at;
        let answered = Happening::Answered(Answered { gate, hook: hook.clone(), answer });
        let id = Uuid::new_v5(&gate.0, name.as_bytes());
        self.submit(id, AnswerHook::TYPE, before, answered).await?;
        let after = self.gate(gate).await?.gate;
        let counted = after.calls.iter().rev().find(|call| call.hook == hook);
        if is_late || counted.is_none_or(|call| call.answer.is_none()) {
            let message = format!(
                "hook {hook} was answered already, or its time was over; the first answer in time \
                 counts"
            );
            return Err(Problem::new(ProblemKind::Conflict, "hook_closed", message));
        }
        Ok(plain(&shown(&after, &self.library.current())))
    }

    async fn submit(
        &self,
        id: Uuid,
        kind: &str,
        before: StoredGate,
        body: Happening,
    ) -> Result<(), Problem> {
        let named = (kind, before.gate.request.gate.to_string());
        let envelope = Envelope::first(self.engine.consumer(), id, named, Utc::now(), body)
            .within(before.correlation, before.trace);
        self.engine.submit(envelope).await.map(drop).map_err(|error| unavailable(&error))
    }

    /// `gates`: what waits, for whom, and why; a page at a time.
    pub(crate) async fn gates(&self, body: Value) -> Result<Value, Problem> {
        let GatesRequest { chain, gate, begins, stack, commit, open_only, after, limit } =
            read(body)?;
        let begins = begins.map(|text| {
            let unknown = || Problem::not_found(format!("no id begins with `{text}`"));
            Begins::of(&text).ok_or_else(unknown)
        });
        let begins = begins.transpose()?;
        let has_pages = begins.is_none();
        let limit = limit.unwrap_or(GATES_MAX).clamp(1, GATES_MAX);
        let filter =
            Filter { chain, gate, begins, stack, commit, open_only, after, limit: limit + 1 };
        let mut found =
            tables::find(&self.pool, &filter).await.map_err(|error| unavailable(&error))?;
        let more = found.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        if more {
            found.pop();
        }
        let next = found
            .last()
            .filter(|_| more && has_pages)
            .map(|kept| (kept.gate.requested_at, kept.gate.request.gate.0));
        let set = self.library.current();
        let gates = found.iter().map(|kept| shown(&kept.gate, &set)).collect();
        Ok(plain(&Gates { gates, more, next }))
    }

    /// `policies`: the set in force, and why what is in the folder is not.
    pub(crate) async fn policies(&self, _body: Value) -> Result<Value, Problem> {
        let (shelf, source) = (self.library.shelf(), self.library.source());
        let set = shelf.set;
        let folder = match source {
            Source::Folder(folder) => Some(folder.clone()),
            Source::Branch(_) => None,
        };
        Ok(plain(&InForce {
            folder,
            source: source.at(set.commit.as_ref()),
            title: source.title(),
            fetched_at: shelf.fetched_at,
            away: shelf.away,
            digest: set.digest.clone(),
            loaded_at: shelf.loaded_at,
            policies: set.policies.iter().map(block).collect(),
            groups: set.people.groups.clone(),
            claims: set.people.claims.clone(),
            delegations: plain(&set.people.delegations),
            break_glass: with_durations(plain(&set.break_glass)),
            warnings: plain(&set.warnings),
            refused: shelf.refused.map(page::Refused::from),
        }))
    }

    async fn gate(&self, gate: GateId) -> Result<StoredGate, Problem> {
        let filter = Filter { gate: Some(gate), limit: 1, ..Filter::default() };
        let found = tables::find(&self.pool, &filter).await.map_err(|error| unavailable(&error))?;
        found.into_iter().next().ok_or_else(|| {
            let message = format!(
                "there is no {gate}; `stackly chains` shows what waits, with the gate's name"
            );
            Problem::new(ProblemKind::NotFound, "gate_unknown", message)
        })
    }
}

fn block(policy: &Policy) -> Block {
    Block {
        kind: policy.kind,
        name: policy.name.clone(),
        file: policy.file.clone(),
        scope: plain(&policy.scope),
        except: plain(&policy.except),
        rules: with_durations(plain(&policy.rules)),
    }
}

impl From<Refused> for page::Refused {
    fn from(Refused { at, faults, commit }: Refused) -> Self {
        Self { at, commit, text: faults.to_string(), faults: plain(&faults) }
    }
}

fn unavailable(error: &dyn std::error::Error) -> Problem {
    Problem::unavailable(format!("the policy service cannot tell now: {error}; try again"))
}
