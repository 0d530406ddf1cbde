//! Signed GitHub pushes per second, durably accepted: ingest beside its floor.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use sqlx::PgPool;

use crate::{
    client::{Pace, Sent, Target, send},
    figures::{Latency, Spread, round},
    processes::{Account, Named, shares},
    store::{self, Statement},
    system::{self, Ground, Setting, System},
    yardstick::{Fsync, fsync},
};

const WARM_UP: Duration = Duration::from_millis(700);
/// How often requests are sent by the clock.
const OPEN_ROUNDS: usize = 5;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How often each figure is taken.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// For how many seconds each time.
    #[arg(long, default_value_t = 2.5)]
    seconds: f64,
    /// Over how many connections.
    #[arg(long, value_delimiter = ',', default_values_t = [32, 128])]
    connections: Vec<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 3, seconds: 2.5, connections: vec![32, 128] }
    }
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    closed: Vec<Closed>,
    open_at_half_load: Open,
    fsync: Vec<Fsync>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<Statement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// As many requests in flight as connections.
#[derive(Debug, Serialize)]
struct Closed {
    connections: usize,
    /// Ingest's rate over its floor's, of the rounds side by side.
    of_floor: Spread,
    /// What a request costs ingest, Postgres and nats-server in CPU time, over what it costs the
    /// floor and Postgres, both in units of what the client spent on it: it does the same for both,
    /// so neighbours on the machine cancel out.
    cpu_over_floor: f64,
    ingest: Side,
    floor: Side,
    floor_without_remembered_answers: Side,
}

/// One server's figures.
#[derive(Debug, Serialize)]
struct Side {
    per_second: Spread,
    p50_ms: Spread,
    p99_ms: Spread,
    p999_ms: Spread,
    refused: usize,
    /// CPU microseconds a request, by process.
    cpu_us: BTreeMap<&'static str, f64>,
    /// Of all CPU time spent, in per cent.
    cpu_share: BTreeMap<&'static str, f64>,
}

impl Side {
    fn cpu_in_clients(&self) -> f64 {
        let all: f64 = self.cpu_us.values().sum();
        let client = self.cpu_us.get("client").copied().unwrap_or_default();
        (all - client) / client.max(f64::EPSILON)
    }
}

/// Requests by the clock.
#[derive(Debug, Serialize)]
struct Open {
    offered_per_second: f64,
    connections: usize,
    ingest: Waits,
    ingest_refused: usize,
    floor: Waits,
    /// How long after the last request the last event was in the stream.
    published_after_ms: Spread,
}

/// For how long requests by the clock waited, over the rounds.
#[derive(Debug, Serialize)]
struct Waits {
    p50_ms: Spread,
    p90_ms: Spread,
    p99_ms: Spread,
    p999_ms: Spread,
    max_ms: Spread,
}

impl Waits {
    fn of(rounds: &[Latency]) -> Self {
        let over = |figure: fn(&Latency) -> f64| Spread::of(rounds.iter().map(figure));
        Self {
            p50_ms: over(|round| round.p50_ms),
            p90_ms: over(|round| round.p90_ms),
            p99_ms: over(|round| round.p99_ms),
            p999_ms: over(|round| round.p999_ms),
            max_ms: over(|round| round.max_ms),
        }
    }
}

/// One measurement of one server.
pub(crate) struct Taken {
    pub(crate) sent: Sent,
    pub(crate) cpu: BTreeMap<&'static str, f64>,
}

/// A server under measurement.
pub(crate) struct Contender {
    pub(crate) target: Target,
    pub(crate) processes: Named,
}

impl Contender {
    pub(crate) async fn take(
        &self,
        connections: usize,
        pace: Pace,
        window: Duration,
    ) -> anyhow::Result<Taken> {
        send(&self.target, connections, pace, WARM_UP).await?;
        let before = Account::now(&self.processes);
        let sent = send(&self.target, connections, pace, window).await?;
        Ok(Taken { sent, cpu: Account::now(&self.processes).since(&before) })
    }
}

/// Measures.
pub(crate) async fn measure(options: Options, statements: bool) -> anyhow::Result<Report> {
    let ground = Ground::start(statements).await?;
    let folder = tempfile::tempdir()?;
    let (same, alone) = (ground.database("floor").await?, ground.database("deliveries").await?);
    let setting = Setting::without_policies(system::lines(1, 1), simulator::Pace::zero());
    let system = System::start(ground, setting, &["ingest"]).await?;
    let secret = system.installation.github_secret.clone();
    let pool = store::ingest(&system.installation.database_url).await?;
    let (floor, floor_at) = system::floor(&same, &secret, false, &folder).await?;
    let (bare, bare_at) = system::floor(&alone, &secret, true, &folder).await?;
    let shared = |name, pid| -> Named {
        let own = ("client", std::process::id());
        system.ground.processes().into_iter().chain([own, (name, pid)]).collect()
    };
    let target = |address: &str| Target { address: address.to_owned(), secret: secret.clone() };
    let ingest_pid = system.processes().into_iter().find(|(name, _)| *name == "ingest");
    let ingest_pid = ingest_pid.map(|(_, pid)| pid).unwrap_or_default();
    let contenders = Contenders {
        ingest: Contender {
            target: target(&system.installation.ingest),
            processes: shared("ingest", ingest_pid),
        },
        floor: Contender { target: target(&floor_at), processes: shared("floor", floor.pid()) },
        bare: Contender { target: target(&bare_at), processes: shared("floor", bare.pid()) },
    };

    let mut yardstick = vec![fsync().await?];
    let mut closed = Vec::new();
    for &connections in &options.connections {
        closed.push(
            contenders.closed(&options, connections, (&system, &pool), &mut yardstick).await?,
        );
    }
    let half = closed.last().map_or(1000.0, |closed| closed.ingest.per_second.median / 2.0);
    let connections = options.connections.iter().copied().max().unwrap_or(128);
    let open = contenders.open(half, connections, (&system, &pool)).await?;
    yardstick.push(fsync().await?);
    let report = Report {
        closed,
        open_at_half_load: open,
        fsync: yardstick,
        statements: system.ground.statements().await?,
        complaints: system.complaints(),
    };
    floor.kill().await;
    bare.kill().await;
    pool.close().await;
    system.stop().await;
    Ok(report)
}

struct Contenders {
    ingest: Contender,
    floor: Contender,
    bare: Contender,
}

impl Contenders {
    /// Floor and ingest in turn, so that both meet the same disk and the same neighbours.
    async fn closed(
        &self,
        options: &Options,
        connections: usize,
        (system, pool): (&System, &PgPool),
        yardstick: &mut Vec<Fsync>,
    ) -> anyhow::Result<Closed> {
        let window = Duration::from_secs_f64(options.seconds);
        let (mut ingest, mut floor) = (Vec::new(), Vec::new());
        let bare = vec![self.bare.take(connections, Pace::Closed, window).await?];
        for _ in 0..options.rounds.max(1) {
            floor.push(self.floor.take(connections, Pace::Closed, window).await?);
            ingest.push(self.ingest.take(connections, Pace::Closed, window).await?);
            all_published(system, pool).await?;
            yardstick.push(fsync().await?);
        }
        let pairs = ingest.iter().zip(&floor);
        let ratios = pairs.map(|(ours, floor)| ours.sent.per_second / floor.sent.per_second);
        let of_floor = Spread::of(ratios);
        let (ingest, floor) = (side(&ingest), side(&floor));
        Ok(Closed {
            connections,
            of_floor,
            cpu_over_floor: round(ingest.cpu_in_clients() / floor.cpu_in_clients()),
            ingest,
            floor,
            floor_without_remembered_answers: side(&bare),
        })
    }

    /// Floor and ingest in turn, each several times: the disk stands still now and then, for both.
    async fn open(
        &self,
        rate: f64,
        connections: usize,
        (system, pool): (&System, &PgPool),
    ) -> anyhow::Result<Open> {
        let window = Duration::from_secs(3);
        let (mut ingest, mut floor, mut published) = (Vec::new(), Vec::new(), Vec::new());
        let mut ingest_refused = 0;
        for _ in 0..OPEN_ROUNDS {
            store::checkpoint(&system.installation.database_url).await?;
            floor.push(self.floor.take(connections, Pace::Open(rate), window).await?.sent.latency);
            let taken = self.ingest.take(connections, Pace::Open(rate), window).await?;
            ingest_refused += taken.sent.refused;
            ingest.push(taken.sent.latency);
            published.push(all_published(system, pool).await?);
        }
        Ok(Open {
            offered_per_second: round(rate),
            connections,
            ingest: Waits::of(&ingest),
            ingest_refused,
            floor: Waits::of(&floor),
            published_after_ms: Spread::of(published),
        })
    }
}

/// Waits until every event is in the stream; gives the milliseconds it took.
pub(crate) async fn all_published(system: &System, pool: &PgPool) -> anyhow::Result<f64> {
    let began = std::time::Instant::now();
    let done = || async {
        let kept = store::deliveries(pool).await.unwrap_or(i64::MAX);
        let stored =
            system.bus.streams().await.map_or(0, |streams| {
                streams.first().map_or(0, |events| events.messages.cast_signed())
            });
        stored >= kept
    };
    system::eventually("every event to be published", done).await?;
    Ok(round(began.elapsed().as_secs_f64() * 1000.0))
}

fn side(rounds: &[Taken]) -> Side {
    let requests: usize = rounds.iter().map(|round| round.sent.latency.count).sum();
    let mut cpu: BTreeMap<&'static str, f64> = BTreeMap::new();
    for (name, spent) in rounds.iter().flat_map(|round| &round.cpu) {
        *cpu.entry(name).or_default() += spent;
    }
    let latency =
        |of: fn(&Latency) -> f64| Spread::of(rounds.iter().map(|round| of(&round.sent.latency)));
    Side {
        per_second: Spread::of(rounds.iter().map(|round| round.sent.per_second)),
        p50_ms: latency(|latency| latency.p50_ms),
        p99_ms: latency(|latency| latency.p99_ms),
        p999_ms: latency(|latency| latency.p999_ms),
        refused: rounds.iter().map(|round| round.sent.refused).sum(),
        cpu_share: shares(&cpu),
        cpu_us: cpu
            .into_iter()
            .map(|(name, spent)| (name, round(spent * 1000.0 / requests.max(1) as f64)))
            .collect(),
    }
}
