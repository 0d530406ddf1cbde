//! Calls to the outside, exactly once or known not to have been.
//!
//! The five steps: (1) the intent is a row, written in the deciding transaction and already
//! claimed, so it is committed *before* the call; (2) a claim carries a fence number; (3) the call
//! is given less time than the claim lasts; (4) the result is written, and decided upon, only under
//! that fence; (5) a claim that expired is claimed anew as *uncertain*: the performer must look
//! before it repeats.

use std::{sync::Arc, time::Duration};

use bus::Failure;
use chrono::{DateTime, Utc};
use contracts::{Envelope, Reason, Trace};
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, info_span, warn};
use uuid::Uuid;

use crate::{Decider, Effect, Engine, engine::SubmitError, remembered::as_json};

/// How often claims that expired and retries that are due are looked for.
const SWEEP: Duration = Duration::from_millis(250);

/// The right to make one call.
#[derive(Debug, Clone)]
pub struct Claim {
    /// [`Effect::id`].
    pub id: Uuid,
    /// [`Effect::key`].
    pub key: Uuid,
    /// [`Effect::lane`].
    pub lane: String,
    /// [`Effect::kind`].
    pub kind: String,
    /// [`Effect::body`].
    pub body: Value,
    /// [`Effect::correlation`].
    pub correlation: Uuid,
    /// Where the call belongs in a trace.
    pub trace: Option<Trace>,
    /// Counts from one.
    pub attempt: i32,
    /// Only the newest claim may write a result.
    pub fence: i64,
    /// An earlier call may have taken effect: look before you repeat.
    pub uncertain: bool,
    /// When the effect was first asked for.
    pub created_at: DateTime<Utc>,
    /// When the claim expires.
    pub expires_at: DateTime<Utc>,
}

/// What came of a call.
pub enum Performed<I> {
    /// It is over, well or badly: what is to be decided upon.
    Done(I),
    /// It must be tried again.
    Later {
        /// How long to wait.
        after: Duration,
        /// Why, for people who ask why it waits.
        why: Reason,
        /// The call may have taken effect.
        uncertain: bool,
    },
}

/// Makes the calls of one decider.
pub trait Performer: Send + Sync + 'static {
    /// Who is told the results.
    type Decider: Decider<Input: Clone>;

    /// Makes one call. Must look before it repeats if the claim is uncertain.
    fn perform(
        &self,
        claim: &Claim,
    ) -> impl Future<Output = Performed<<Self::Decider as Decider>::Input>> + Send;
}

/// Makes the calls of an engine until `shutdown`, at most `at_once` at a time.
///
/// Takes what this process decided as soon as it is committed, and looks for what others left.
pub async fn perform<P: Performer>(
    engine: Engine<P::Decider>,
    performer: Arc<P>,
    at_once: usize,
    shutdown: CancellationToken,
) {
    let mut born = engine.take_born().expect("an engine has one performer");
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(at_once));
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let claims = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            claim = born.recv() => claim.into_iter().collect(),
            _ = sweep.tick(), if slots.available_permits() > 0 => {
                let free = i64::try_from(slots.available_permits()).unwrap_or(i64::MAX);
                match claim_due(engine.pool(), engine.lease(), free).await {
                    Ok(claims) => claims,
                    Err(error) => {
                        warn!(%error, "cannot look for due effects");
                        Vec::new()
                    }
                }
            }
        };
        for claim in claims {
            let slot = slots.clone().acquire_owned().await.expect("it is never closed");
            let (engine, performer) = (engine.clone(), performer.clone());
            tasks.spawn(async move {
                call(&engine, performer.as_ref(), claim).await;
                drop(slot);
            });
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn call<P: Performer>(engine: &Engine<P::Decider>, performer: &P, claim: Claim) {
    let span = info_span!(
        "perform",
        effect.id = %claim.id,
        effect.kind = claim.kind,
        effect.attempt = claim.attempt,
        lane = claim.lane,
        correlation.id = %claim.correlation,
    );
    bus::trace::continue_from(&span, claim.trace.as_ref());
    async {
        // Waited too long for a slot: the claim may be taken over before the call is through.
        let left = (claim.expires_at - Utc::now()).to_std().unwrap_or_default();
        let patience = engine.lease() * 3 / 4;
        if left < patience {
            return;
        }
        bus::failpoint("effect.before_call");
        let performed = tokio::time::timeout(patience, performer.perform(&claim)).await;
        bus::failpoint("effect.after_call");
        let closed = match performed {
            Ok(Performed::Done(input)) => conclude(engine, &claim, input).await,
            Ok(Performed::Later { after, why, uncertain }) => {
                warn!(reason = %why, ?after, "a call must be made again");
                postpone(engine.pool(), &claim, after, &why, uncertain).await.map_err(Into::into)
            }
            // The claim expires by itself, and whoever takes it over will look.
            Err(_) => Err(anyhow::anyhow!("the call took longer than {patience:?}")),
        };
        if let Err(error) = closed {
            warn!(error = format!("{error:#}"), "a call is not concluded; it will be looked up");
        }
    }
    .instrument(span)
    .await;
}

/// Has the result decided upon. A database that is away for a moment must not cost the result of a
/// call that was made, so it is tried for as long as the claim lasts.
async fn conclude<D: Decider>(
    engine: &Engine<D>,
    claim: &Claim,
    input: D::Input,
) -> anyhow::Result<()>
where
    D::Input: Clone,
{
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let envelope = concluded(engine, claim, input.clone());
        match engine.conclude(envelope, claim.id, claim.fence).await {
            Err(SubmitError::Failed(Failure::Retry { source, .. }))
                if claim.expires_at > Utc::now() =>
            {
                warn!(error = format!("{source:#}"), "a result is not decided upon yet");
            }
            result => return result.map_err(Into::into),
        }
    }
}

fn concluded<D: Decider>(engine: &Engine<D>, claim: &Claim, input: D::Input) -> Envelope<D::Input> {
    Envelope {
        id: Uuid::new_v5(&claim.id, format!("concluded/{}", claim.fence).as_bytes()),
        kind: format!("{}.concluded", claim.kind),
        version: 1,
        key: claim.lane.clone(),
        source: engine.consumer().to_owned(),
        time: Utc::now(),
        correlation: claim.correlation,
        causation: Some(claim.id),
        trace: bus::trace::of(&tracing::Span::current()),
        body: input,
    }
}

/// Writes effects, claimed by this process, and gives the claims.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    effects: Vec<Effect>,
    now: DateTime<Utc>,
    lease: Duration,
) -> Result<Vec<Claim>, sqlx::Error> {
    if effects.is_empty() {
        return Ok(Vec::new());
    }
    let expires_at = now + lease;
    let rows = sqlx::query(
        "insert into effects (id, key, lane, kind, body, correlation, trace, claimed, due_at,
             created_at)
         select id, key, lane, kind, body, correlation, trace, true, $8, $9
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[]::json[], $6::uuid[],
             $7::text[]) as row (id, key, lane, kind, body, correlation, trace)
         on conflict on constraint effects_once do nothing
         returning id",
    )
    .bind(effects.iter().map(|effect| effect.id).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.key).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.lane.as_str()).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.kind).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| as_json(&effect.body)).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.correlation).collect::<Vec<_>>())
    .bind(effects.iter().map(|e| e.trace.as_ref().map(|t| t.0.as_str())).collect::<Vec<_>>())
    .bind(expires_at)
    .bind(now)
    .fetch_all(connection)
    .await?;
    let written: Vec<Uuid> = rows.iter().map(|row| row.get("id")).collect();
    let new = effects.into_iter().filter(|effect| written.contains(&effect.id));
    Ok(new
        .map(|effect| Claim {
            id: effect.id,
            key: effect.key,
            lane: effect.lane,
            kind: effect.kind.to_owned(),
            body: effect.body,
            correlation: effect.correlation,
            trace: effect.trace,
            attempt: 1,
            fence: 1,
            uncertain: false,
            created_at: now,
            expires_at,
        })
        .collect())
}

/// Closes effects under their fences; gives those that were still ours to close.
pub(crate) async fn close(
    connection: &mut PgConnection,
    closings: &[(Uuid, i64)],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    if closings.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "update effects set open = false, claimed = false, closed_at = $3
         from unnest($1::uuid[], $2::bigint[]) as row (id, fence)
         where effects.id = row.id and effects.fence = row.fence and effects.open
         returning effects.id",
    )
    .bind(closings.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(closings.iter().map(|(_, fence)| *fence).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get("id")).collect()
}

async fn postpone(
    pool: &PgPool,
    claim: &Claim,
    after: Duration,
    why: &Reason,
    uncertain: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update effects set claimed = false, due_at = $3, reason = $4::text::json, uncertain = $5
         where id = $1 and fence = $2 and open",
    )
    .bind(claim.id)
    .bind(claim.fence)
    .bind(Utc::now() + after)
    .bind(as_json(why))
    .bind(uncertain)
    .execute(pool)
    .await?;
    Ok(())
}

/// Claims what is due: retries, and claims whose holder died.
async fn claim_due(pool: &PgPool, lease: Duration, limit: i64) -> Result<Vec<Claim>, sqlx::Error> {
    let now = Utc::now();
    let expires_at = now + lease;
    let rows = sqlx::query(
        "update effects set fence = fence + 1, attempt = attempt + 1, due_at = $2,
             uncertain = uncertain or claimed, claimed = true
         where id in (select id from effects where open and due_at <= $1
             order by due_at limit $3 for update skip locked)
         returning id, key, lane, kind, body, correlation, trace, attempt, fence, uncertain,
             created_at",
    )
    .bind(now)
    .bind(expires_at)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let Json(body) = row.try_get("body")?;
            Ok(Claim {
                id: row.try_get("id")?,
                key: row.try_get("key")?,
                lane: row.try_get("lane")?,
                kind: row.try_get("kind")?,
                body,
                correlation: row.try_get("correlation")?,
                trace: row.try_get::<Option<String>, _>("trace")?.map(Trace),
                attempt: row.try_get("attempt")?,
                fence: row.try_get("fence")?,
                uncertain: row.try_get("uncertain")?,
                created_at: row.try_get("created_at")?,
                expires_at,
            })
        })
        .collect()
}

/// Claims of this process, on their way from the commit to the performer.
pub(crate) type Born = mpsc::UnboundedReceiver<Claim>;
