//! A server that loses the end of the stream while the one we are connected to lives on.

use std::path::Path;

use embedded::{Nats, NatsOptions};

use super::*;

/// Two servers of one cluster: the one that holds the events of this installation, and the other.
struct Cluster {
    holder: Nats,
    other: Nats,
}

impl Cluster {
    async fn start(prefix: &str) -> Self {
        let ports = [embedded::free_port().unwrap(), embedded::free_port().unwrap()];
        let [one, two] = [ports, [ports[1], ports[0]]].map(|[own, other]| {
            let more = format!(
                "cluster {{ name: two, listen: \"127.0.0.1:{own}\", \
                 routes: [\"nats://127.0.0.1:{other}\"] }}\n"
            );
            Nats::start(NatsOptions { more, ..NatsOptions::default() })
        });
        let (one, two) = tokio::try_join!(one, two).unwrap();
        let bus = Bus::connect(&bus::Options::at(one.url(), prefix), "test").await.unwrap();
        eventually("the streams", async || bus.ensure_streams().await.is_ok()).await;
        let events = format!("jetstream/$G/streams/{prefix}_{}", EVENTS.name);
        match one.store_folder().join(events).exists() {
            true => Self { holder: one, other: two },
            false => Self { holder: two, other: one },
        }
    }

    /// Keeps a copy of what is held now.
    async fn back_up(&mut self, bus: &Bus) -> tempfile::TempDir {
        self.holder.shut_down().await;
        let backup = tempfile::tempdir().unwrap();
        copy(self.holder.store_folder(), backup.path());
        self.holder.restart().await.unwrap();
        eventually("the stream", async || bus.sight().await.is_ok()).await;
        backup
    }

    /// Loses what was stored since.
    async fn fall_back(&mut self, backup: &tempfile::TempDir, bus: &Bus) {
        self.holder.kill().await;
        self.holder.delete_store().await.unwrap();
        copy(backup.path(), self.holder.store_folder());
        self.holder.restart().await.unwrap();
        eventually("the stream", async || bus.sight().await.is_ok()).await;
    }
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let waiting = async {
        while !holds().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect(what);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A cluster, a connection to the server that does not hold the stream, and a relay that looked there.
async fn relay_of(name: &'static str) -> (Cluster, Bus, Relay) {
    let cluster = Cluster::start(name).await;
    let options = bus::Options::at(cluster.other.url(), name);
    let bus = Bus::connect(&options, "test").await.unwrap();
    let mut relay = Relay::new(store(name).await, bus.clone());
    look(&mut relay).await;
    (cluster, bus, relay)
}

/// Looks at the stream as often as it takes: servers that have just found each other again may elect
/// another leader at any moment, and refuse what they are asked meanwhile.
pub(super) async fn look(relay: &mut Relay) {
    eventually("a look", async || relay.look().await.is_ok()).await;
}

pub(super) async fn sweep(relay: &mut Relay) {
    eventually("a sweep", async || relay.sweep().await.is_ok()).await;
}

/// Has this many answers published, and gives their ids.
pub(super) async fn publish(relay: &mut Relay, count: usize) -> Vec<Uuid> {
    let answers: Vec<_> = (0..count).map(|_| answer()).collect();
    let ids = answers.iter().map(|answer| answer.id).collect();
    let rows: Vec<_> = answers.into_iter().map(|answer| answered(1, vec![answer])).collect();
    let mut connection = relay.store.pool().acquire().await.unwrap();
    remember(&mut connection, &rows).await.unwrap();
    sweep(relay).await;
    ids
}

/// The ids of all events in the stream, sorted: what was refused during an election comes behind what
/// was taken.
pub(super) async fn stream(bus: &Bus) -> Vec<Uuid> {
    let mut ids = Vec::new();
    let mut read = async || {
        ids.clear();
        for sequence in 1..=bus.sight().await?.last_sequence {
            ids.extend(bus.event_at(sequence).await?);
        }
        Ok::<_, BusError>(())
    };
    eventually("the events", async || read().await.is_ok()).await;
    sorted(&[&ids])
}

pub(super) fn sorted(ids: &[&Vec<Uuid>]) -> Vec<Uuid> {
    let mut all: Vec<Uuid> = ids.iter().copied().flatten().copied().collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn what_another_server_of_the_cluster_lost_is_found_within_the_era() {
    let (mut cluster, bus, mut relay) = relay_of("cluster").await;
    let era = bus.era().unwrap();

    let kept = publish(&mut relay, 200).await;
    let backup = cluster.back_up(&bus).await;
    let lost = publish(&mut relay, 100).await;
    look(&mut relay).await;

    cluster.fall_back(&backup, &bus).await;
    // Where the others stood, in the same era: the newest is there now.
    let new = publish(&mut relay, 10).await;
    assert_eq!(bus.era(), Some(era));
    assert_eq!(stream(&bus).await, sorted(&[&kept, &new]));

    look(&mut relay).await;
    sweep(&mut relay).await;
    assert_ne!(bus.era(), Some(era), "another one began");
    let all = sorted(&[&kept, &new, &lost]);
    assert_eq!(stream(&bus).await, all, "what is there is not sent again");

    // What stands last is looked at, too, if nothing was there before.
    let more = publish(&mut relay, 20).await;
    cluster.fall_back(&backup, &bus).await;
    let mut relay = Relay::new(relay.store, bus.clone());
    look(&mut relay).await;
    sweep(&mut relay).await;
    assert_eq!(stream(&bus).await, sorted(&[&kept, &new, &lost, &more]));
}

#[tokio::test]
async fn what_a_look_found_lost_is_not_forgotten_when_it_fails_in_the_middle() {
    let (mut cluster, bus, mut relay) = relay_of("midway").await;
    let kept = publish(&mut relay, 100).await;
    let backup = cluster.back_up(&bus).await;
    look(&mut relay).await;

    // The era that began after an earlier loss: it has a name that nobody finds out again.
    let mut sight = None;
    let sees = async || {
        sight = bus.sight().await.ok();
        sight.is_some()
    };
    eventually("the stream", sees).await;
    let era = sight.unwrap().era.anew();
    published::note_era(relay.store.pool(), &era).await.unwrap();
    bus.enter_era(era.clone()).await;
    let lost = publish(&mut relay, 50).await;
    look(&mut relay).await;
    cluster.fall_back(&backup, &bus).await;
    let new = publish(&mut relay, 60).await;
    assert_eq!(bus.era(), Some(era.id));
    assert_eq!(stream(&bus).await, sorted(&[&kept, &new]));

    // As far as a look comes that fails while it searches.
    bus.leave_era().await;
    look(&mut relay).await;
    sweep(&mut relay).await;
    assert_eq!(stream(&bus).await, sorted(&[&kept, &new, &lost]));
}
