//! One result for each input, whatever happens.

use std::sync::atomic::Ordering;

use tokio::time::interval_at;

use super::{
    AssertUnwindSafe, Decider, Duration, Engine, Failure, FutureExt, Instant, anyhow,
    arrival::{Arrival, Decided},
    batch,
    fault::{Fault, Trouble},
    warn,
};
use crate::wakeups::Due;

/// For how long a database that is away is waited for before the inputs are given back.
const AWAY_PATIENCE: Duration = Duration::from_secs(3);
/// How long to wait before a database that is away is tried again.
const AWAY_PAUSE: Duration = Duration::from_millis(100);
/// How often a batch that met another transaction is tried again as a whole.
const CONFLICTS_MAX: usize = 5;

type Left<D> = Vec<(usize, Arrival<<D as Decider>::Input>)>;

/// What became of the inputs, and which states are to be woken because of it.
#[derive(Default)]
struct Settled {
    results: Vec<Option<Result<Decided, Failure>>>,
    woken: Vec<Due>,
}

impl<D: Decider> Engine<D> {
    /// Decides arrivals, together if possible: what is to blame for a failure is found and taken
    /// out, and the others are decided without it, in their order. Gives the states, too, that are
    /// to be woken because of it.
    pub(super) async fn settle(
        &self,
        arrivals: Vec<Arrival<D::Input>>,
    ) -> (Vec<Result<Decided, Failure>>, Vec<Due>) {
        let mut settled = Settled::default();
        settled.results.resize_with(arrivals.len(), || None);
        self.settle_part(arrivals.into_iter().enumerate().collect(), &mut settled).await;
        let undecided = || Err(Failure::retry(anyhow!("not decided")));
        let results = settled.results.into_iter();
        (results.map(|result| result.unwrap_or_else(undecided)).collect(), settled.woken)
    }

    async fn settle_part(&self, mut left: Left<D>, settled: &mut Settled) {
        let started = Instant::now();
        let mut conflicts = 0;
        while !left.is_empty() {
            match self.attempt(&left).await {
                Ok((decided, wakes)) => {
                    settled.woken.extend(wakes);
                    for ((place, _), decided) in left.drain(..).zip(decided) {
                        settled.results[place] = Some(Ok(decided));
                    }
                }
                Err(Trouble::Poison(poison)) => {
                    for (index, failure) in poison.into_iter().rev() {
                        let (place, _) = left.remove(index);
                        settled.results[place] = Some(Err(failure));
                    }
                }
                Err(trouble) if conflicts < CONFLICTS_MAX && is_conflict(&trouble) => {
                    conflicts += 1;
                }
                Err(Trouble::Database(error)) if Fault::of(&error) == Fault::Away => {
                    if started.elapsed() < AWAY_PATIENCE {
                        interval_at(Instant::now() + AWAY_PAUSE, AWAY_PAUSE).tick().await;
                        continue;
                    }
                    warn!(%error, size = left.len(), "the database is away");
                    for (place, _) in left.drain(..) {
                        settled.results[place] = Some(Err(Failure::wait(anyhow!("{error}"))));
                    }
                }
                Err(trouble) if left.len() == 1 => {
                    let (place, _) = left.remove(0);
                    settled.results[place] = Some(Err(alone(trouble)));
                }
                Err(trouble) => {
                    let error = format!("{:#}", what(trouble));
                    warn!(error, size = left.len(), "a batch failed; each half alone");
                    let second = left.split_off(left.len() / 2);
                    Box::pin(self.settle_part(std::mem::take(&mut left), settled)).await;
                    Box::pin(self.settle_part(second, settled)).await;
                }
            }
        }
    }

    async fn attempt(
        &self,
        left: &[(usize, Arrival<D::Input>)],
    ) -> Result<(Vec<Decided>, Vec<Due>), Trouble> {
        let arrivals: Vec<_> = left.iter().map(|(_, arrival)| arrival).collect();
        let mut recalls = self.0.recalls.load(Ordering::Relaxed);
        let outcome = loop {
            let attempt = AssertUnwindSafe(batch::attempt(self, &arrivals, recalls));
            match attempt.catch_unwind().await.unwrap_or(Err(Trouble::Panicked)) {
                // What is refused now may have been answered before, and then it is answered as then.
                Err(Trouble::Poison(_)) if !recalls => recalls = true,
                outcome => break outcome,
            }
        };
        // Messages that were answered before come in swarms, and are rare otherwise.
        let recalls_next = match &outcome {
            Ok(outcome) => outcome.has_recalled,
            Err(Trouble::Raced) => true,
            Err(_) => recalls,
        };
        self.0.recalls.store(recalls_next, Ordering::Relaxed);
        let outcome = outcome?;
        self.note_positions(outcome.answered);
        if let Some(at) = outcome.wakes_at {
            self.0.alarm.set(at);
        }
        for claim in outcome.claims {
            // Without a performer in this process, the claim expires and another takes over.
            let _ = self.0.born.send(claim);
        }
        Ok((outcome.decided, outcome.woken))
    }
}

fn is_conflict(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Raced => true,
        Trouble::Database(error) => Fault::of(error) == Fault::Conflict,
        _ => false,
    }
}

/// What becomes of an input that fails alone. Whose state a newer build wrote is given back until a
/// replica of that build takes it.
fn alone(trouble: Trouble) -> Failure {
    match &trouble {
        Trouble::Database(error) if Fault::of(error) == Fault::Newer => {
            let source =
                what(trouble).context("a newer build wrote its state; upgrade this service");
            Failure::Newer { source }
        }
        _ => Failure::retry(what(trouble)),
    }
}

fn what(trouble: Trouble) -> anyhow::Error {
    match trouble {
        Trouble::Database(error) => error.into(),
        Trouble::Panicked => anyhow!("the code around the decisions panicked"),
        Trouble::Raced => anyhow!("others answered the same meanwhile, again and again"),
        Trouble::Poison(_) => anyhow!("some inputs are refused"),
    }
}
