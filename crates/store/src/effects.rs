//! Calls to the outside, exactly once or known not to have been.
//!
//! The five steps: (1) the intent is a row, written in the deciding transaction and already
//! claimed, so it is committed *before* the call; (2) a claim carries a fence number; (3) the call
//! is given less time than the claim lasts; (4) the result is written, and decided upon, only under
//! that fence; (5) a claim that expired, or whose holder is seen to be gone, is claimed anew as
//! *uncertain*: the performer must look before it repeats.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bus::Failure;
use chrono::{DateTime, Utc};
use contracts::{Code, Envelope, Reason, Trace};
use futures::FutureExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::MissedTickBehavior,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, debug, info_span, warn};
use uuid::Uuid;

use crate::{
    Decider, Engine,
    claims::{self, Look},
    engine::SubmitError,
};

/// How often a result that is refused although the database is there is decided upon, before what
/// [`Performer::undecidable`] says takes its place.
const REFUSALS_MAX: u32 = 12;
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
    /// Until then an earlier call may still take effect: not seen, it may not be repeated yet.
    pub unsettled_until: Option<DateTime<Utc>>,
    /// Under which number others see that whoever has it is there; none if they cannot.
    pub holder: Option<i32>,
}

impl Claim {
    /// What the call was written as. What cannot be read, only a newer build can have written; it will
    /// make it.
    pub fn read<B: DeserializeOwned>(&self) -> Result<B, Reason> {
        B::deserialize(&self.body).map_err(|error| {
            Reason::new(Code::Unreadable, format!("this build cannot read: {error}"))
        })
    }

    /// Whether another may have taken it over. To be asked last before what cannot be taken back: a
    /// process may have been frozen since the claim was made.
    pub fn has_expired(&self) -> bool {
        Utc::now() >= self.expires_at
    }

    /// For how long an earlier call may still take effect that was not seen to have: to be asked
    /// before it is repeated.
    pub fn unsettled(&self) -> Option<Duration> {
        let left = self.unsettled_until? - Utc::now();
        left.to_std().ok().filter(|left| !left.is_zero())
    }
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
    /// There is no room for it now, so it was not made.
    Full {
        /// How long to wait.
        after: Duration,
        /// What is full.
        why: Reason,
    },
}

/// Makes the calls of one decider.
pub trait Performer: Send + Sync + 'static {
    /// Who is told the results.
    type Decider: Decider<Input: Clone>;

    /// Whether it looks before it repeats, and repeats nothing that is [`Claim::unsettled`]: then it
    /// is given such claims at once, and otherwise not before they are settled.
    const LOOKS: bool = false;

    /// Makes one call. Must look before it repeats if the claim is uncertain.
    fn perform(
        &self,
        claim: &Claim,
    ) -> impl Future<Output = Performed<<Self::Decider as Decider>::Input>> + Send;

    /// What lanes begin with for whose calls there is no room now: they are not claimed, so that those
    /// that wait behind one that hangs do not take the turns of others.
    fn full(&self) -> Vec<String> {
        Vec::new()
    }

    /// What is decided upon instead of a result that cannot be: what follows from it cannot be stored,
    /// or is too large to be told. Without it, the call is made again and again.
    fn undecidable(
        &self,
        _claim: &Claim,
        _why: String,
    ) -> Option<<Self::Decider as Decider>::Input> {
        None
    }
}

/// Makes the calls of an engine until `shutdown`, at most `at_once` at a time; what came of others
/// may be decided upon meanwhile.
///
/// Takes what this process decided as soon as it is committed, and looks for what others left.
/// Calls that were begun are finished; those that were not are left to others, as not begun.
pub async fn perform<P: Performer>(
    engine: Engine<P::Decider>,
    performer: Arc<P>,
    at_once: usize,
    shutdown: CancellationToken,
) {
    let mut born = engine.take_born().expect("an engine has one performer");
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(at_once));
    let sign = engine.clone();
    let sign = tokio::spawn(async move { sign.presence().keep(sign.pool()).await });
    let mut waiting = VecDeque::new();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let slot = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            claim = born.recv() => {
                waiting.extend(claim);
                continue;
            }
            _ = sweep.tick(), if waiting.is_empty() && slots.available_permits() > 0 => {
                waiting.extend(due(&engine, &*performer, slots.available_permits()).await);
                continue;
            }
            slot = slots.clone().acquire_owned(), if !waiting.is_empty() => slot,
        };
        let slot = slot.expect("it is never closed");
        let Some(claim) = waiting.pop_front() else { continue };
        let (engine, performer) = (engine.clone(), performer.clone());
        tasks.spawn(async move {
            call(&engine, performer.as_ref(), claim, slot).await;
        });
    }
    while let Ok(claim) = born.try_recv() {
        waiting.push_back(claim);
    }
    give_back(&engine, waiting).await;
    tasks.close();
    tasks.wait().await;
    sign.abort();
}

async fn due<P: Performer>(engine: &Engine<P::Decider>, performer: &P, free: usize) -> Vec<Claim> {
    let free = i64::try_from(free).unwrap_or(i64::MAX);
    let (pool, lease, own) = (engine.pool(), engine.lease(), engine.presence().number());
    let claimed = async {
        let Look { is_due, has_others } = claims::look(pool, own).await?;
        let is_gone = has_others && claims::take_over(pool, lease, own).await?;
        if is_gone {
            engine.presence().miss(Utc::now());
        }
        match is_due || is_gone {
            true => claims::due(pool, (lease, own), free, &performer.full()).await,
            false => Ok(Vec::new()),
        }
    };
    match claimed.await {
        Ok(claims) => claims,
        Err(error) => {
            warn!(%error, "cannot look for due effects");
            Vec::new()
        }
    }
}

async fn give_back<D: Decider>(engine: &Engine<D>, claims: VecDeque<Claim>) {
    let claims: Vec<_> = claims.iter().map(|claim| (claim.id, claim.fence)).collect();
    if let Err(error) = claims::release(engine.pool(), &claims).await {
        warn!(%error, "calls not begun are not given back; others look them up first");
    }
}

async fn call<P: Performer>(
    engine: &Engine<P::Decider>,
    performer: &P,
    mut claim: Claim,
    slot: OwnedSemaphorePermit,
) {
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
        // Before the claim is held against the clock: a process that froze here must notice.
        bus::failpoint("effect.before_call");
        match renew(engine, &mut claim).await {
            Ok(true) => {}
            // Somebody took it over while it waited for its turn.
            Ok(false) => return,
            Err(error) => {
                warn!(%error, "a claim is not renewed; the call is left to others");
                return;
            }
        }
        // Of a call that ended badly, nobody knows whether it took effect: its claim expires by
        // itself, and whoever takes it over looks first.
        let made = make(engine, performer, &claim).await;
        // The outside is done with; until what came of it is decided upon, others may call.
        drop(slot);
        let closed = match made {
            Ok(Some(Performed::Done(input))) => conclude(engine, performer, &claim, input).await,
            Ok(Some(Performed::Later { after, why, uncertain })) => {
                warn!(reason = %why, ?after, "a call must be made again");
                bus::failpoint("effect.before_postpone");
                claims::postpone(engine.pool(), &claim, after, &why, uncertain)
                    .await
                    .map_err(Into::into)
            }
            Ok(Some(Performed::Full { after, why })) => {
                debug!(reason = %why, ?after, "there is no room for a call");
                claims::postpone(engine.pool(), &claim, after, &why, claim.uncertain)
                    .await
                    .map_err(Into::into)
            }
            Ok(None) => {
                warn!("a call is broken off, because Postgres does not answer; it is looked up");
                claims::break_off(engine.pool(), &claim, engine.lease()).await.map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = closed {
            warn!(error = format!("{error:#}"), "a call is not concluded; it will be looked up");
        }
    }
    .instrument(span)
    .await;
}

/// Makes the call, for less time than the claim lasts, so that two calls of one effect never overlap;
/// and for no longer than others see that this process is there: then it is broken off.
async fn make<P: Performer>(
    engine: &Engine<P::Decider>,
    performer: &P,
    claim: &Claim,
) -> anyhow::Result<Option<Performed<<P::Decider as Decider>::Input>>> {
    if !P::LOOKS
        && let Some(after) = claim.unsettled()
    {
        let text = "whoever called before is gone; what it called may still take effect";
        let why = Reason::new(Code::OutcomeUnknown, text);
        return Ok(Some(Performed::Later { after, why, uncertain: claim.uncertain }));
    }
    let patience = engine.lease() * 3 / 4;
    let performing = AssertUnwindSafe(performer.perform(claim)).catch_unwind();
    let lost = async {
        match claim.holder {
            Some(number) => engine.presence().lost(number).await,
            None => std::future::pending().await,
        }
    };
    let performed = tokio::select! {
        biased;
        () = lost => return Ok(None),
        performed = tokio::time::timeout(patience, performing) => performed,
    };
    bus::failpoint("effect.after_call");
    match performed {
        Ok(Ok(performed)) => Ok(Some(performed)),
        Ok(Err(_)) => Err(anyhow::anyhow!("the call panicked")),
        Err(_) => Err(anyhow::anyhow!("the call took longer than {patience:?}")),
    }
}

/// Makes sure that the claim lasts for a whole call; gives whether it is still ours.
async fn renew<D: Decider>(engine: &Engine<D>, claim: &mut Claim) -> Result<bool, sqlx::Error> {
    let lease = engine.lease();
    let left = (claim.expires_at - Utc::now()).to_std().unwrap_or_default();
    // A claim that was just made is not worth a statement.
    if left >= lease * 7 / 8 {
        return Ok(true);
    }
    claim.expires_at = Utc::now() + lease;
    claims::renew(engine.pool(), claim).await
}

/// Has the result decided upon. A database that is away for a moment must not cost the result of a
/// call that was made, so it is tried for as long as the claim lasts. What never will be decided upon
/// gives way to what the performer says instead.
async fn conclude<P: Performer>(
    engine: &Engine<P::Decider>,
    performer: &P,
    claim: &Claim,
    mut input: <P::Decider as Decider>::Input,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(SWEEP);
    let mut refusals = 0;
    let mut is_conceded = false;
    loop {
        ticks.tick().await;
        let envelope = concluded(engine, claim, input.clone());
        let Err(error) = engine.conclude(envelope, claim.id, claim.fence).await else {
            return Ok(());
        };
        let is_never = match &error {
            SubmitError::Failed(Failure::Reject { .. }) => true,
            SubmitError::Failed(Failure::Retry { .. }) => {
                refusals += 1;
                // Whoever claims it next would count anew.
                refusals >= REFUSALS_MAX || Utc::now() + engine.lease() / 4 >= claim.expires_at
            }
            SubmitError::Failed(
                Failure::Wait { .. } | Failure::Full { .. } | Failure::Newer { .. },
            ) => false,
            SubmitError::Stopping => return Err(error.into()),
        };
        let is_rejected = matches!(error, SubmitError::Failed(Failure::Reject { .. }));
        let why = format!("{:#}", anyhow::Error::from(error));
        if is_never
            && !is_conceded
            && let Some(instead) = performer.undecidable(claim, why.clone())
        {
            warn!(error = why, "a result is never decided upon");
            (input, is_conceded) = (instead, true);
            continue;
        }
        anyhow::ensure!(!is_rejected && !claim.has_expired(), why);
        warn!(error = why, "a result is not decided upon yet");
    }
}

fn concluded<D: Decider>(engine: &Engine<D>, claim: &Claim, input: D::Input) -> Envelope<D::Input> {
    let id = Uuid::new_v5(&claim.id, format!("concluded/{}", claim.fence).as_bytes());
    let kind = format!("{}.concluded", claim.kind);
    let trace = bus::trace::of(&tracing::Span::current());
    let concluded =
        Envelope::first(engine.consumer(), id, (&kind, claim.lane.as_str()), Utc::now(), input);
    Envelope { causation: Some(claim.id), ..concluded.within(claim.correlation, trace) }
}

/// Claims of this process, on their way from the commit to the performer.
pub(crate) type Born = mpsc::UnboundedReceiver<Claim>;
