//! The frame a service's `run` builds on: connections, loops, reconcilers, and an orderly end.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use bus::{Bus, Problem};
use contracts::{Card, plain, subject};
use futures::FutureExt;
use serde_json::Value;
use sqlx::migrate::Migrator;
use store::{Decider, Engine, Performer, Store};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use uuid::Uuid;

use crate::health::{self, Troubles};

/// What its readiness says of a service that does not work yet, or not any more.
pub(crate) const ITSELF: &str = "service";

/// What the frame needs of a service's configuration.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The broker.
    pub bus: &'a bus::Options,
    /// The database.
    pub store: &'a store::Options,
    /// The health pages.
    pub health: &'a health::Options,
}

/// A running service. Whatever it spawns is stopped in two steps: first what takes new work, then
/// what the work in flight still needs.
pub struct Frame {
    /// The broker.
    pub bus: Bus,
    /// The service's part of the database.
    pub store: Store,
    card: &'static Card,
    shutdown: CancellationToken,
    settled: CancellationToken,
    taking: TaskTracker,
    settling: TaskTracker,
    failures: mpsc::UnboundedSender<anyhow::Error>,
    failed: mpsc::UnboundedReceiver<anyhow::Error>,
    troubles: Troubles,
}

impl Frame {
    /// Connects, migrates, makes missing streams, serves health, and starts the relay.
    pub async fn start(
        card: &'static Card,
        parts: Parts<'_>,
        migrations: &Migrator,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let store = Store::connect(parts.store, card.service).await?;
        store.migrate(migrations).await?;
        let bus = broker(card, parts.bus, &store).await?;
        let (failures, failed) = mpsc::unbounded_channel();
        let frame = Self {
            bus,
            store,
            card,
            shutdown: shutdown.child_token(),
            settled: CancellationToken::new(),
            taking: TaskTracker::new(),
            settling: TaskTracker::new(),
            failures,
            failed,
            troubles: Troubles::default(),
        };
        frame.troubles.note(ITSELF, "it is starting");
        frame.serve_health(parts.health).await?;
        let relay = store::relay(frame.store.clone(), frame.bus.clone(), frame.settled.clone());
        frame.guard(&frame.settling, "the relay", &frame.settled, relay);
        frame.tell_stories();
        frame.tell_readiness();
        info!(service = card.service, "started");
        Ok(frame)
    }

    /// Ends when the service is to take no more work.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Where the service notes what keeps it from its work; its readiness shows it.
    pub fn troubles(&self) -> Troubles {
        self.troubles.clone()
    }

    /// An engine for a decider, its answers remembered under the card's consumer.
    pub fn engine<D: Decider>(&self, decider: D) -> Engine<D> {
        Engine::new(self.card.consumer, decider, self.store.clone(), self.bus.clone())
    }

    /// Runs an engine: what comes over the bus, what the process submits, and wake-ups.
    pub fn run<D: Decider>(&self, engine: &Engine<D>) {
        let (taking, settling) = (&self.taking, &self.settling);
        if !self.card.takes.is_empty() {
            let handler = Arc::new(engine.clone());
            let consume = bus::consume(self.bus.clone(), handler, self.shutdown.clone());
            self.guard(taking, "the consumer", &self.shutdown, consume);
        }
        let (timer, inbox) = (engine.clone(), engine.clone());
        let (shutdown, settled) = (self.shutdown.clone(), self.settled.clone());
        let timer = async move { timer.run_wakeups(shutdown).await };
        self.guard(taking, "the timer", &self.shutdown, timer);
        let inbox = async move { inbox.run_inbox(settled).await };
        self.guard(settling, "the engine", &self.settled, inbox);
    }

    /// Makes the calls an engine decides upon, at most `at_once` at a time.
    pub fn perform<P: Performer>(&self, engine: &Engine<P::Decider>, performer: P, at_once: usize) {
        let (engine, shutdown) = (engine.clone(), self.shutdown.clone());
        let perform = store::perform(engine, Arc::new(performer), at_once, shutdown);
        self.guard(&self.taking, "the performer", &self.shutdown, perform);
    }

    /// Answers a command that says who gives it, as far as that may be believed.
    pub fn command<F, Fut>(&self, kind: &'static str, answer: F)
    where
        F: Fn(Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let (bus, shutdown) = (self.bus.clone(), self.shutdown.clone());
        self.spawn("responder", async move {
            bus.respond_command(kind, answer, shutdown).await.map_err(Into::into)
        });
    }

    /// Answers a question.
    pub fn respond<F, Fut>(&self, subject: String, answer: F)
    where
        F: Fn(Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let (bus, shutdown) = (self.bus.clone(), self.shutdown.clone());
        self.spawn("responder", async move {
            bus.respond(&subject, answer, shutdown).await.map_err(Into::into)
        });
    }

    /// Answers a command whose subject ends with what it is for.
    pub fn respond_for<F, Fut>(&self, subject: String, answer: F)
    where
        F: Fn(String, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let (bus, shutdown) = (self.bus.clone(), self.shutdown.clone());
        self.spawn("responder", async move {
            bus.respond_for(&subject, answer, shutdown).await.map_err(Into::into)
        });
    }

    /// A reconciler: runs at once and then every `period`. It takes no input, is idempotent, and
    /// does not retry inside: the next round is the retry.
    pub fn every<F, Fut>(&self, period: Duration, what: &'static str, reconcile: F)
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send,
    {
        let shutdown = self.shutdown.clone();
        self.taking.spawn(async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                let round = AssertUnwindSafe(reconcile()).catch_unwind().await;
                if let Err(error) = round.unwrap_or_else(|_| Err(anyhow!("it panicked"))) {
                    let error = format!("{error:#}");
                    warn!(error, what, "a round failed; the next one retries");
                }
            }
        });
    }

    /// Runs a task of the service. If it fails, the service ends with its error.
    pub fn spawn<Fut>(&self, what: &'static str, task: Fut)
    where
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let failures = self.failures.clone();
        self.taking.spawn(async move {
            let done = AssertUnwindSafe(task).catch_unwind().await;
            if let Err(error) = done.unwrap_or_else(|_| Err(anyhow!("it panicked"))) {
                let _ = failures.send(error.context(what));
            }
        });
    }

    /// Runs a part that works until it is told to end. A service that lost one of its parts could
    /// not do its work, so it ends; others take over.
    fn guard<Fut>(
        &self,
        tracker: &TaskTracker,
        what: &'static str,
        end: &CancellationToken,
        part: Fut,
    ) where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (failures, end) = (self.failures.clone(), end.clone());
        tracker.spawn(async move {
            let done = AssertUnwindSafe(part).catch_unwind().await;
            let failure = match done {
                Err(_) => anyhow!("{what} panicked"),
                Ok(()) if !end.is_cancelled() => anyhow!("{what} ended before its time"),
                Ok(()) => return,
            };
            let _ = failures.send(failure);
        });
    }

    /// Waits for the end, and ends in order. All that the service does has been begun: from now on,
    /// and until it is told to end, it is ready.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.troubles.clear(ITSELF);
        let failure = tokio::select! {
            () = self.shutdown.cancelled() => None,
            failure = self.failed.recv() => failure,
        };
        self.troubles.note(ITSELF, "it is ending, and takes nothing new");
        self.shutdown.cancel();
        self.taking.close();
        self.taking.wait().await;
        self.settled.cancel();
        self.settling.close();
        self.settling.wait().await;
        if self.bus.is_connected()
            && let Err(error) = self.bus.flush().await
        {
            warn!(%error, "the last messages may not have left; they come back or are sent again");
        }
        self.store.pool().close().await;
        info!(service = self.card.service, "stopped");
        failure.map_or(Ok(()), Err)
    }

    async fn serve_health(&self, options: &health::Options) -> anyhow::Result<()> {
        if options.listen.is_empty() {
            return Ok(());
        }
        let listener = TcpListener::bind(&options.listen)
            .await
            .with_context(|| format!("cannot listen on health.listen = {}", options.listen))?;
        info!(service = self.card.service, address = %listener.local_addr()?, "health");
        let router = health::router(self.checked());
        let settled = self.settled.clone();
        self.settling.spawn(async move {
            let served = axum::serve(listener, router)
                .with_graceful_shutdown(async move { settled.cancelled().await });
            if let Err(error) = served.await {
                warn!(%error, "the health pages ended");
            }
        });
        Ok(())
    }

    fn checked(&self) -> health::Checked {
        health::Checked {
            bus: self.bus.clone(),
            store: self.store.clone(),
            troubles: self.troubles.clone(),
            needs_bus: needs_bus(self.card),
        }
    }

    /// Every service says the same way whether it can do its work.
    fn tell_readiness(&self) {
        let checked = self.checked();
        self.respond(subject::question(self.card.service, "ready"), move |_| {
            let checked = checked.clone();
            async move { Ok(plain(&checked.readiness().await)) }
        });
    }

    /// Every service tells its part of a story the same way.
    fn tell_stories(&self) {
        let pool = self.store.pool().clone();
        self.respond(subject::question(self.card.service, "trace"), move |body| {
            let pool = pool.clone();
            async move {
                let correlation = body["correlation"]
                    .as_str()
                    .and_then(|text| Uuid::parse_str(text).ok())
                    .ok_or_else(|| Problem::malformed("`correlation` must be a UUID"))?;
                let chapters = store::story(&pool, correlation)
                    .await
                    .map_err(|error| Problem::unavailable(anyhow!(error).to_string()))?;
                Ok(plain(&chapters))
            }
        });
    }
}

/// Connects to the broker, and takes stock of what it holds. Who takes nothing from it has its work to
/// do without it, too: the relay takes stock once it is there.
async fn broker(card: &Card, options: &bus::Options, store: &Store) -> anyhow::Result<Bus> {
    let what = "the streams and what they hold";
    if needs_bus(card) {
        let bus = Bus::connect(options, card.service).await?;
        store::take_stock(store, &bus).await.context(what)?;
        return Ok(bus);
    }
    let bus = Bus::connect_or_go_on(options, card.service).await?;
    if bus.is_connected()
        && let Err(error) = store::take_stock(store, &bus).await
    {
        let is_absence = error.is_absence();
        let error = anyhow!(error).context(what);
        if !is_absence {
            return Err(error);
        }
        warn!(error = format!("{error:#}"), "the streams are not there; starting without them");
    }
    Ok(bus)
}

fn needs_bus(card: &Card) -> bool {
    !card.takes.is_empty()
}
